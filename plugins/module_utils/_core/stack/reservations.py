# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether nodes have room for what tasks reserve, and for as many tasks as one node may have.

The engine takes every such service, and its scheduler leaves a task without room in ``pending`` (swarmkit,
manager/scheduler/filter.go: ResourceFilter, MaxReplicasFilter). Refused is only what can't be whatever the scheduler
does: how it packs tasks of several services is its own affair.

CPUs are in billionths, memory in bytes, generic resources in units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import node_json
from . import changes
from .changes import Change
from .references import mapping, sequence

Json = Mapping[str, Any]
Amounts = Mapping[str, int]
"""By "NanoCPUs", "MemoryBytes" or the kind of a generic resource."""

_PLAIN = ("NanoCPUs", "MemoryBytes")
_RESERVATIONS = "deploy.resources.reservations"
_ANY = 2**62
"""Tasks, or an amount, where nothing bounds them."""
_MAX = "deploy.placement.max_replicas_per_node"


@dataclass
class _Node:
    """What a node has left when the tasks of the services in question are taken away.

    Attributes:
        room: None where the node doesn't say what it has.
        held: by the tasks of each of those services, by the service's ID.
        tasks: how many each of them has there.
    """

    name: str
    room: dict[str, int] | None
    held: dict[str, dict[str, int]] = field(default_factory=dict)
    tasks: dict[str, int] = field(default_factory=dict)

    def fits(self, wanted: Amounts, besides: str = "") -> bool:
        """Whether one task has room, as long as those of the service ``besides`` are there."""
        held = self.held.get(besides, {})
        return self.room is None or all(
            amount <= self.room.get(kind, 0) - held.get(kind, 0) for kind, amount in wanted.items()
        )

    def count(self, wanted: Amounts) -> int:
        """How many tasks have room."""
        return min((self.left(kind) // amount for kind, amount in wanted.items()), default=_ANY)

    def left(self, kind: str) -> int:
        return _ANY if self.room is None else max(0, self.room.get(kind, 0))


@dataclass(frozen=True)
class _Demand:
    """What one service asks of its eligible nodes: so many tasks, each with so much reserved."""

    change: Change
    eligible: tuple[_Node, ...]
    tasks: int
    each: Amounts


def problems(
    wanted: Sequence[Change], services: Sequence[Json], nodes: Sequence[Json], tasks: Sequence[Json]
) -> list[str]:
    """Services whose tasks have no room, one sentence each.

    Args:
        wanted: those that are created or updated; what the tasks of others reserve is gone.
        services, nodes, tasks: what the swarm holds.
    """
    bounded = [change for change in wanted if reserved(change.after) or change.max_per_node]
    if not bounded:
        return []
    ids = {str(service["Spec"]["Name"]): str(service["ID"]) for service in services}
    rooms = _rooms(nodes, tasks, {ids[change.name] for change in wanted if change.name in ids})
    found = []
    fitting: list[_Demand] = []
    for change in bounded:
        eligible = tuple(rooms[str(node["ID"])] for node in change.eligible(nodes))
        demand = _Demand(change, eligible, change.tasks(eligible), reserved(change.after))
        problem = _lack(demand) or _start_first(demand, ids.get(change.name, ""))
        if problem:
            found.append("%s.%s" % (change.where, problem))
        elif eligible:
            fitting.append(demand)
    return found or list(_together(fitting))


def reserved(spec: Json) -> dict[str, int]:
    """What one task of a ServiceSpec reserves."""
    return _amounts(mapping(mapping(spec.get("TaskTemplate")).get("Resources")).get("Reservations"))


def _rooms(nodes: Sequence[Json], tasks: Sequence[Json], moving: set[str]) -> dict[str, _Node]:
    rooms = {}
    for node in nodes:
        resources = mapping(node.get("Description")).get("Resources")
        rooms[str(node["ID"])] = _Node(node_json.name(node), _amounts(resources) if resources else None)
    for task in tasks:
        room = rooms.get(str(task.get("NodeID")))
        if room is None or not changes.stays(task):
            continue
        service = str(task.get("ServiceID"))
        amounts = _amounts(mapping(mapping(task.get("Spec")).get("Resources")).get("Reservations"))
        if service in moving:
            room.tasks[service] = room.tasks.get(service, 0) + 1
            held = room.held.setdefault(service, {})
            for kind, amount in amounts.items():
                held[kind] = held.get(kind, 0) + amount
        elif room.room is not None:
            for kind, amount in amounts.items():
                room.room[kind] = room.room.get(kind, 0) - amount
    return rooms


def _amounts(resources: Any) -> dict[str, int]:
    found = {name: int(mapping(resources).get(name) or 0) for name in _PLAIN}
    for entry in sequence(mapping(resources).get("GenericResources")):
        counted = mapping(mapping(entry).get("DiscreteResourceSpec"))
        named = mapping(mapping(entry).get("NamedResourceSpec"))
        kind = str((counted or named).get("Kind") or "")
        found[kind] = found.get(kind, 0) + (int(counted.get("Value") or 0) if counted else 1)
    return {kind: amount for kind, amount in found.items() if amount}


def _lack(demand: _Demand) -> str:
    """Why the service's tasks have no room on their nodes; empty when they may have it."""
    change, eligible, most = demand.change, demand.eligible, demand.change.max_per_node
    if change.is_global:
        full = [node.name for node in eligible if node.count(demand.each) < 1]
        if not full:
            return ""
        return (
            "%s: a task reserves %s, and there is no room for it on %s: reserve less, or keep the service off there "
            "(deploy.placement.constraints)" % (_RESERVATIONS, _written(demand.each), changes.named(full))
        )
    if most and demand.tasks > most * len(eligible):
        return (
            "%s: %d tasks are more than %d on each of %d eligible nodes: ask for fewer, allow more, or let more nodes "
            "take them" % (_MAX, demand.tasks, most, len(eligible))
        )
    places = [min(node.count(demand.each), most or _ANY) for node in eligible]
    if demand.tasks <= sum(places):
        return ""
    return "%s: %s reserves %s, and the eligible nodes have room for %d (%s): reserve less, %sor add nodes" % (
        _RESERVATIONS,
        "the task" if demand.tasks == 1 else "each of %d tasks" % demand.tasks,
        _written(demand.each),
        sum(places),
        changes.named(["%s for %d" % (node.name, place) for node, place in zip(eligible, places)]),
        "" if demand.tasks == 1 else "ask for fewer tasks, ",
    )


def _start_first(demand: _Demand, service: str) -> str:
    """Why an update would wait for ever for room beside the old tasks; empty when it need not."""
    change, eligible, most = demand.change, demand.eligible, demand.change.max_per_node
    if not (change.updates_start_first and change.replaces and demand.tasks):
        return ""
    said = "deploy.update_config.order: with start-first a new task starts before the old one stops"
    write = "write order: stop-first"
    if most and (most < 2 if change.is_global else demand.tasks >= most * len(eligible)):
        return "%s, but each eligible node then has its %d already (%s): %s, or allow more" % (said, most, _MAX, write)
    beside = [node.fits(demand.each, service) for node in eligible]
    if all(beside) if change.is_global else any(beside):
        return ""
    full = changes.named([node.name for node, fits in zip(eligible, beside) if not fits])
    return "%s, but beside the old ones there is no room for %s on %s (%s): %s, or reserve less" % (
        said,
        _written(demand.each),
        full,
        _RESERVATIONS,
        write,
    )


def _together(fitting: Sequence[_Demand]) -> Iterator[str]:
    """Services that each have room, but not side by side: their sum is more than their nodes have."""
    groups: dict[frozenset[int], list[_Demand]] = {}
    for demand in fitting:
        groups.setdefault(frozenset(map(id, demand.eligible)), []).append(demand)
    told: set[tuple[str, ...]] = set()
    for those, (first, *_others) in groups.items():
        within = [demand for other, demands in groups.items() if other <= those for demand in demands]
        for kind in sorted({kind for demand in within for kind in demand.each}):
            where = tuple(demand.change.where for demand in within if kind in demand.each)
            needed = sum(demand.tasks * demand.each.get(kind, 0) for demand in within)
            room = sum(node.left(kind) for node in first.eligible)
            if needed > room and where not in told:
                told.add(where)
                yield (
                    "%s.%s: together their tasks reserve %s, and the eligible nodes (%s) have %s: reserve less, ask "
                    "for fewer tasks, or add nodes"
                    % (
                        changes.named(where),
                        _RESERVATIONS,
                        _written({kind: needed}),
                        changes.named([node.name for node in first.eligible]),
                        _written({kind: room}),
                    )
                )


def _written(amounts: Amounts) -> str:
    """Amounts as people write them."""
    found = []
    for kind, amount in amounts.items():
        if kind == "NanoCPUs":
            found.append("%g CPUs" % (amount / 10**9))
        elif kind == "MemoryBytes":
            found.append("%g MiB of memory" % round(amount / 2**20, 1))
        else:
            found.append("%d %s" % (amount, kind))
    return " and ".join(found) or "nothing"
