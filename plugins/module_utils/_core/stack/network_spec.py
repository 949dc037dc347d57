# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a network of a stack file to the engine's request (docker/cli: cli/compose/convert/compose.go, Networks)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from .. import labels
from .references import mapping, section, sequence
from .scalars import strings

Tree = Mapping[str, Any]

_OF_ONE_NODE = ("bridge", "host", "ipvlan", "macvlan", "none", "null")
"""Drivers whose networks a stack file can only make on one node, where no service can be attached to them."""


def convert(network: Tree, stack: str, key: str, owner: str) -> dict[str, Any]:
    """The request (``POST /networks/create``) for a network of the stack's own.

    Args:
        network: its entry in the normal form; empty for the default network that no file declares.
        stack: the stack's name.
        key: the network's key.
        owner: whose it is.
    """
    request: dict[str, Any] = {
        "Name": str(network.get("name") or "%s_%s" % (stack, key)),
        "Driver": str(network.get("driver") or "overlay"),
        "Labels": {**strings(network.get("labels")), labels.STACK_NAMESPACE: stack, labels.OWNER: owner},
        "Options": strings(network.get("driver_opts")),
        "Internal": bool(network.get("internal")),
        "Attachable": bool(network.get("attachable")),
    }
    ipam = mapping(network.get("ipam"))
    pools = [{"Subnet": str(pool["subnet"])} for pool in sequence(ipam.get("config")) if mapping(pool).get("subnet")]
    if ipam.get("driver") or pools:
        request["IPAM"] = {"Driver": str(ipam.get("driver") or "default"), "Config": pools}
    return request


def problems(tree: Tree) -> list[str]:
    """One sentence for each thing that is wrong with a network of the stack's own that a service is attached to.

    Args:
        tree: the normal form.
    """
    used = {key for entry in section(tree, "services").values() for key in mapping(mapping(entry).get("networks"))}
    networks = ((key, mapping(section(tree, "networks").get(key))) for key in sorted(used))
    return [
        "networks.%s.%s" % (key, problem)
        for key, network in networks
        if not network.get("external")
        for problem in _problems(network)
    ]


def _problems(network: Tree) -> Iterator[str]:
    if network.get("driver") in _OF_ONE_NODE:
        yield (
            "driver: %s makes a network of one node, and services need one of the whole swarm: write overlay"
            % (network["driver"])
        )
    for position, pool in enumerate(sequence(mapping(network.get("ipam")).get("config"))):
        where, subnet = "ipam.config[%d].subnet" % position, str(mapping(pool).get("subnet") or "")
        if not _is_subnet(subnet):
            yield "%s: %s is no subnet: write the first address and the length of the prefix, as in 10.20.0.0/24" % (
                where,
                subnet or '""',
            )


def _is_subnet(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text
