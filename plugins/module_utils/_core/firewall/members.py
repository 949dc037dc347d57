# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which addresses the nodes of a swarm know each other, told from the whole inventory."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DeclarationError

DECLARED = "swarm_firewall_addresses"
_CLUSTERS = ("swarm_cluster_advertise_addr", "swarm_cluster_data_path_addr")
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](?::\d+)?|(?P<v4>[^:]*):\d+")
"""An address as ``docker swarm join --advertise-addr`` also takes it."""


def members(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The addresses of all nodes, in the order of the hosts.

    Args:
        hosts: inventory name -> the host's variables.

    Raises:
        DeclarationError: a host whose addresses nobody knows, one that is no IP address, or one of two hosts.
    """
    found: dict[str, str] = {}
    problems = []
    for host, variables in hosts.items():
        given = addresses(variables)
        if not given:
            problems.append(
                "%s: nothing tells its address, and the others would not let it in: give IPv4 and IPv6 ones in %s"
                % (host, DECLARED)
            )
        for text in given:
            address = _canonical(text)
            if address is None:
                problems.append("%s: %s is no IP address: give its addresses in %s" % (host, text, DECLARED))
            elif found.setdefault(address, host) != host:
                problems.append(
                    "%s is the address of %s and of %s: one of them is wrong" % (address, found[address], host)
                )
    if problems:
        raise DeclarationError(*problems)
    return list(found)


def addresses(variables: Mapping[str, Any]) -> list[str]:
    """What a host's variables say: its declared addresses, or else those that the swarm is made with."""
    declared = variables.get(DECLARED)
    if declared:
        return [str(address) for address in ([declared] if isinstance(declared, str) else declared)]
    given: Sequence[str] = [str(variables.get(name) or "") for name in _CLUSTERS]
    return list(dict.fromkeys(_without_port(address) for address in given if address))


def _without_port(address: str) -> str:
    found = _WITH_PORT.fullmatch(address)
    return (found["v6"] or found["v4"]) if found else address


def _canonical(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
