# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's own networks that are there already: whether they are what its file says, for swarm changes no network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import address_space, labels, network_json
from ..network_items import OPTION_ENCRYPTED, Item
from ..plan import Difference
from .references import mapping

Json = Mapping[str, Any]

_SWARM = "swarm"


def problems(requests: Mapping[str, Json], networks: Sequence[Json], stack: str) -> list[str]:
    """One sentence for each network that can't be used as the file means it.

    Args:
        requests: what each network is to be (``network_spec.convert``), by its key in the file.
        networks: the engine's list.
        stack: the stack's name.
    """
    found = []
    for key, request in sorted(requests.items()):
        named = [network for network in networks if network.get("Name") == request["Name"]]
        problem = _problem(request, named, stack)
        if problem:
            found.append("networks.%s: the network %s %s" % (key, request["Name"], problem))
    return found


def _problem(request: Json, named: Sequence[Json], stack: str) -> str:
    own = [network for network in named if network.get("Scope") == _SWARM]
    if not own:
        said = "is there with the scope %s, not swarm: remove that one, or give yours another name"
        return said % named[0].get("Scope") if named else ""
    network = own[0]
    if mapping(network.get("Labels")).get(labels.STACK_NAMESPACE) != stack:
        return (
            "is in the swarm, and no part of the stack %s: give yours another name, or write external: true to use "
            "that one" % stack
        )
    differences = list(_differences(request, network))
    if not differences:
        return ""
    told = ", ".join("%s is %s, declared %s" % (one.field, _text(one.before), _text(one.after)) for one in differences)
    return (
        "is not as declared (%s), and swarm can't change a network: give it another key or name, so that a new one is "
        "made, or declare it as it is" % told
    )


def _differences(request: Json, network: Json) -> Iterator[Difference]:
    wanted = dict(request["Options"])
    encrypted = wanted.pop(OPTION_ENCRYPTED, None) is not None
    # What a driver of somebody else's adds by itself is not known.
    live = network_json.like(network)["Options"] if network.get("Driver") == "overlay" else {}
    gone = {name: None for name in live if name not in wanted and name != OPTION_ENCRYPTED}
    options: dict[str, Any] = {**gone, **wanted}
    item = Item(
        request["Name"],
        driver=request["Driver"],
        attachable=request["Attachable"],
        internal=request["Internal"],
        encrypted=encrypted,
        driver_opts=options,
    )
    for field, before, after in network_json.compared(item, network):
        if before != after:
            yield Difference("driver_opts.encrypted" if field == "encrypted" else field, before, after)
    subnets = {
        str(ipaddress.ip_network(pool["Subnet"], strict=False))
        for pool in mapping(request.get("IPAM")).get("Config") or ()
    }
    there = {str(pool.subnet) for pool in address_space.pools(network)}
    if subnets and there and subnets != there:
        yield Difference("ipam.config", ", ".join(sorted(there)), ", ".join(sorted(subnets)))


def _text(value: Any) -> str:
    """A value as a stack file has it."""
    if value is None:
        return "not set"
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'
