# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a swarm: its snapshot held against what was expected, one sentence for each problem."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import verdict

Snapshot = Mapping[str, Any]


@dataclass(frozen=True)
class Expectations:
    """What a healthy swarm must be; what is None or empty is not looked at.

    Attributes:
        managers: so many managers are reachable; None = all that there are.
        workers: so many workers are ready.
        manager_availability: every reachable manager has it.
        node_ids: these nodes are there and ready, and the managers among them reachable.
        stacks: every service of these stacks has converged.
    """

    managers: int | None = None
    workers: int | None = None
    manager_availability: str | None = None
    node_ids: tuple[str, ...] = ()
    stacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Health:
    """``problems`` empty = healthy. ``warnings``: nothing is wrong now, but somebody should know."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def examine(snapshot: Snapshot, expected: Expectations) -> Health:
    """The health of a swarm.

    Args:
        snapshot: from ``snapshot.take``.
        expected: what it must be like. Whatever is expected, there must be one leader and a quorum.
    """
    problems = [
        *_quorum_problems(snapshot, expected),
        *_node_problems(snapshot, expected),
        *_stack_problems(snapshot, expected),
    ]
    return Health(tuple(problems), tuple(_warnings(snapshot, expected)))


def _quorum_problems(snapshot: Snapshot, expected: Expectations) -> Iterator[str]:
    seen = snapshot["quorum"]
    if len(seen["leaders"]) != 1:
        leaders = " (%s)" % ", ".join(seen["leaders"]) if seen["leaders"] else ""
        yield "there must be one leader, and there are %d%s" % (len(seen["leaders"]), leaders)
    if seen["reachable"] < seen["needed"]:
        counted = (seen["reachable"], seen["managers"], seen["needed"])
        yield "%d of %d managers are reachable, and %d are needed for a quorum" % counted
    # A manager that was replaced stays in the raft, unreachable, until somebody removes it. Enough others are there.
    wanted = seen["managers"] if expected.managers is None else expected.managers
    if seen["reachable"] < wanted:
        found = (wanted, seen["reachable"], _listed(_unreachable(snapshot), "reachability"))
        yield "managers expected: %d, reachable: %d%s" % found


def _unreachable(snapshot: Snapshot) -> list[Mapping[str, Any]]:
    return [node for node in snapshot["nodes"] if node["role"] == "manager" and node["reachability"] != "reachable"]


def _listed(nodes: Iterable[Mapping[str, Any]], field: str) -> str:
    """`` (name: value, …)``; empty for no nodes."""
    said = ", ".join("%s: %s" % (node["name"], node[field] or "unknown") for node in nodes)
    return " (%s)" % said if said else ""


def _node_problems(snapshot: Snapshot, expected: Expectations) -> Iterator[str]:
    nodes = snapshot["nodes"]
    wanted = expected.manager_availability
    for node in nodes:
        if wanted and node["reachability"] == "reachable" and node["availability"] != wanted:
            yield "the manager %s is %s, and %s is expected" % (node["name"], node["availability"], wanted)
    workers = [node for node in nodes if node["role"] == "worker"]
    ready = [node for node in workers if node["state"] == "ready"]
    if expected.workers is not None and len(ready) < expected.workers:
        others = _listed((node for node in workers if node not in ready), "state")
        yield "workers expected: %d, ready: %d%s" % (expected.workers, len(ready), others)
    by_id = {node["id"]: node for node in nodes}
    for node_id in expected.node_ids:
        node = by_id.get(node_id)
        if node is None:
            yield "the node %s is not in the swarm" % node_id
        elif node["state"] != "ready":
            yield "the node %s is %s" % (node["name"], node["state"])
        elif node["role"] == "manager" and node["reachability"] != "reachable":
            reachability = node["reachability"] or "not reachable"
            yield "the manager %s is ready, and its raft is %s" % (node["name"], reachability)


def _stack_problems(snapshot: Snapshot, expected: Expectations) -> Iterator[str]:
    for stack in expected.stacks:
        services = _services_of(snapshot, stack)
        if not services:
            yield "the stack %s has no service" % stack
        for service in services:
            if not _runs(service):
                counted = (service["name"], service["state"], service["running"], service["desired"], service["reason"])
                yield "%s: %s (%d/%d): %s" % counted


def _services_of(snapshot: Snapshot, stack: str) -> list[Mapping[str, Any]]:
    return [service for service in snapshot["services"] if service["stack"] == stack]


def _runs(service: Mapping[str, Any]) -> bool:
    """Whether a service does its work now.

    A rollback that ended is a failed deploy, and the deploy said so; the engine keeps that state until the next update,
    also when the previous version is what is declared again.
    """
    if service["state"] == verdict.ROLLED_BACK:
        return bool(service["running"] >= service["desired"])
    return service["state"] in verdict.GOOD


def _warnings(snapshot: Snapshot, expected: Expectations) -> Iterator[str]:
    for stack in expected.stacks:
        for service in _services_of(snapshot, stack):
            if service["state"] == verdict.ROLLED_BACK and _runs(service):
                yield "%s runs its previous version: its last update was rolled back" % service["name"]
    gone = [(node, node["reachability"]) for node in _unreachable(snapshot)]
    gone += [(n, n["state"]) for n in snapshot["nodes"] if n["role"] == "worker" and n["state"] != "ready"]
    for node, state in gone:
        mend = "if it was replaced, `docker node rm %s` removes it" % node["id"]
        if node["role"] == "manager":
            mend = (
                "it still counts for the quorum; if it was replaced, `docker node demote %s` and remove it" % node["id"]
            )
        yield "the %s %s is %s: %s" % (node["role"], node["name"], state or "unknown", mend)
