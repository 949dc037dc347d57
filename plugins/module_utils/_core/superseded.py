# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left in the swarm of a host that was installed anew.

Such a host joins as a new node, and its old one stays in the list, down, under the same name and address. The old node
of a manager also stays in the raft and counts for the quorum: three reachable managers of four tolerate no loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import node_json
from .plan import REMOVE, UPDATE, Difference, Step

Json = Mapping[str, Any]


def remnants(
    current_ids: Iterable[str], observed: Sequence[Json], addresses: Callable[[Json], frozenset[str]]
) -> list[Json]:
    """The nodes that declared hosts were before, in the order of their IDs.

    A node is one only when it is down, and a declared node that is ready has its name and one of its addresses: two
    machines can't have these at once, so the old one can't come back.

    Args:
        current_ids: IDs of the declared nodes, as the hosts themselves say they are.
        observed: the engine's list of nodes.
        addresses: the addresses by which the swarm knows a node.
    """
    by_id = {node["ID"]: node for node in observed}
    current = [by_id[node_id] for node_id in current_ids if node_json.state(by_id[node_id]) == "ready"]
    ids = {node["ID"] for node in current}
    return sorted(
        (
            node
            for node in observed
            if node["ID"] not in ids
            and node_json.state(node) == "down"
            and any(node_json.name(node) == node_json.name(now) and addresses(node) & addresses(now) for now in current)
        ),
        key=lambda node: str(node["ID"]),
    )


def steps(nodes: Iterable[Json]) -> list[Step]:
    """Demote, where it is a manager, and remove each of these nodes."""
    planned = []
    for node in nodes:
        name = "%s (%s)" % (node_json.name(node), node["ID"])
        if node["Spec"]["Role"] == node_json.MANAGER:
            payload = {
                "id": node["ID"],
                "version": node["Version"]["Index"],
                "spec": {**node["Spec"], "Role": node_json.WORKER},
                "role": node_json.WORKER,
            }
            differences = (Difference("role", node_json.MANAGER, node_json.WORKER),)
            planned.append(Step(UPDATE, "node", name, differences, payload))
        gone = (Difference("state", node_json.state(node), None),)
        planned.append(Step(REMOVE, "node", name, gone, {"id": node["ID"]}))
    return planned
