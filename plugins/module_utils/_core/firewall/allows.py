# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ruleset lets through, told from the declaration alone: what a probe expects to see."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from .model import ADMIN, ANY, CONTAINERS, KEYWORDS, MANAGEMENT_PORT, MEMBERS, HostRules, Opening, as_network

ESP = "esp"


def allows(rules: HostRules, source: str, protocol: str, port: int | None) -> bool:
    """Whether the first packet of a new flow reaches the host itself.

    What custom rules say is not known here.

    Args:
        rules: the host's.
        source: the sender's address, or ``containers`` for one of the host's own containers.
        protocol: tcp, udp or esp.
        port: the destination port; None for esp.
    """
    if source == CONTAINERS:
        return any(_is_of(opening, protocol, port) and _names(opening, ANY, CONTAINERS) for opening in rules.openings)
    if protocol == ESP:
        return rules.encrypted and _is_member(rules, source)
    if port in rules.swarm_ports[protocol]:
        return _is_member(rules, source) and (rules.manager or (protocol, port) != ("tcp", MANAGEMENT_PORT))
    if protocol == "tcp" and _is_admin(rules, source) and _is_admin_port(rules, port):
        return True
    return any(_is_of(opening, protocol, port) and _is_from(opening, rules, source) for opening in rules.openings)


def is_known(rules: HostRules, source: str) -> bool:
    """Whether an address is a member's or an administrator's: such a host is no stranger."""
    return _is_member(rules, source) or _is_admin(rules, source)


def _is_of(opening: Opening, protocol: str, port: int | None) -> bool:
    return opening.protocol == protocol and port is not None and opening.first <= port <= opening.last


def _is_from(opening: Opening, rules: HostRules, source: str) -> bool:
    return (
        _names(opening, ANY)
        or (_names(opening, MEMBERS) and _is_member(rules, source))
        or (_names(opening, ADMIN) and _is_admin(rules, source))
        or _is_in(source, [network for network in opening.sources if network not in KEYWORDS])
    )


def _names(opening: Opening, *keywords: str) -> bool:
    return any(keyword in opening.sources for keyword in keywords)


def _is_member(rules: HostRules, source: str) -> bool:
    return str(ipaddress.ip_address(source)) in rules.members


def _is_admin(rules: HostRules, source: str) -> bool:
    return _is_in(source, rules.admin_networks)


def _is_admin_port(rules: HostRules, port: int | None) -> bool:
    return port is not None and any(first <= port <= last for first, last in rules.admin_ports)


def _is_in(source: str, networks: Iterable[str]) -> bool:
    address = ipaddress.ip_address(source)
    return any(address in as_network(network) for network in networks)
