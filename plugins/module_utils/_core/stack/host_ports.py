# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether tasks that publish a port of their node (``mode: host``) find nodes where it is free.

The engine takes every such service, and its scheduler leaves a task without a node in ``pending`` (swarmkit,
manager/scheduler/filter.go: HostPortFilter). An update with ``order: start-first`` waits for such a task for ever, as
the one that it replaces has the port; a global service's update waits until something else happens on the node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import node_json
from . import changes, matching, ports
from .changes import Change

Json = Mapping[str, Any]


@dataclass(frozen=True)
class _Claim:
    """One service that wants a port on some nodes.

    Attributes:
        tasks: on how many of them.
        nodes: how many there are where it may have it.
        free: IDs of those of them where no other service of the swarm has it.
        holders: names of the services that have it on the others.
    """

    change: Change
    tasks: int
    nodes: int
    free: tuple[str, ...]
    holders: tuple[str, ...]


@dataclass
class _Contest:
    """Ports that the same services want on the same nodes, which makes one question of them."""

    claims: list[_Claim]
    ports: list[ports.Port]

    def __str__(self) -> str:
        return ", ".join(map(str, self.ports))


def problems(
    wanted: Sequence[Change], services: Sequence[Json], nodes: Sequence[Json], tasks: Sequence[Json]
) -> list[str]:
    """Services that find too few nodes for their ports, one sentence each.

    Args:
        wanted: those that are created or updated. Where the tasks of others are, they stay.
        services, nodes, tasks: what the swarm holds.
    """
    found = []
    for contest in _contests(wanted, nodes, _taken(wanted, services, tasks)):
        lacking = [_lack(claim, contest) for claim in contest.claims if claim.tasks > len(claim.free)]
        found += lacking or _together(contest, nodes) or _start_first(contest)
    return found


def _contests(
    wanted: Sequence[Change], nodes: Sequence[Json], taken: Mapping[ports.Port, Mapping[str, str]]
) -> Iterable[_Contest]:
    claimed: dict[ports.Port, list[Change]] = {}
    for change in wanted:
        for port in ports.published(change.after):
            if port.mode == ports.HOST:
                claimed.setdefault(port, []).append(change)
    found: dict[tuple[Any, ...], _Contest] = {}
    for port, those in sorted(claimed.items()):
        claims = [_claim(change, nodes, taken.get(port, {})) for change in those]
        key = tuple((claim.change.name, claim.free, claim.holders) for claim in claims)
        found.setdefault(key, _Contest(claims, [])).ports.append(port)
    return found.values()


def _claim(change: Change, nodes: Sequence[Json], taken: Mapping[str, str]) -> _Claim:
    eligible = [str(node["ID"]) for node in change.eligible(nodes)]
    free = tuple(node for node in eligible if node not in taken)
    holders = sorted({taken[node] for node in eligible if node in taken})
    return _Claim(change, change.tasks(eligible), len(eligible), free, tuple(holders))


def _taken(
    wanted: Sequence[Change], services: Sequence[Json], tasks: Sequence[Json]
) -> dict[ports.Port, dict[str, str]]:
    """Where each port is that other services have: the node's ID, and the service's name."""
    moving = {change.name for change in wanted}
    names = {str(service.get("ID")): str(service["Spec"]["Name"]) for service in services}
    published = {
        str(service.get("ID")): [port for port in ports.published(service["Spec"]) if port.mode == ports.HOST]
        for service in services
        if service["Spec"]["Name"] not in moving
    }
    found: dict[ports.Port, dict[str, str]] = {}
    for task in tasks:
        service = str(task.get("ServiceID"))
        if published.get(service) and task.get("NodeID") and changes.stays(task):
            for port in published[service]:
                found.setdefault(port, {})[str(task["NodeID"])] = names[service]
    return found


def _lack(claim: _Claim, contest: _Contest) -> str:
    one = claim.tasks == 1
    said = "%s.ports: %s with mode: host is a port of the node; %s, and only %d of the %d eligible %s it free" % (
        claim.change.where,
        contest,
        "the task wants a node" if one else "%d tasks want a node each" % claim.tasks,
        len(claim.free),
        claim.nodes,
        "has" if len(claim.free) == 1 else "have",
    )
    if claim.holders:
        said += " (others are taken by %s)" % changes.named(claim.holders)
    fewer = "" if one or claim.change.is_global else "ask for fewer tasks, "
    more = "let more nodes take its tasks (deploy.placement.constraints), or publish another port"
    return "%s: %s%s" % (said, fewer, more)


def _together(contest: _Contest, nodes: Sequence[Json]) -> list[str]:
    """Services that would each find their nodes, but not side by side."""
    crowded = _crowd(contest.claims)
    if not crowded:
        return []
    free = {node for claim in crowded for node in claim.free}
    names = sorted(node_json.name(node) for node in nodes if str(node["ID"]) in free)
    where = " and ".join(claim.change.where + ".ports" for claim in crowded)
    return [
        "%s: %s with mode: host is a port of the node, and together they want it on %d nodes, but only %d can have "
        "their tasks (%s): publish another port in one of them, or send them to different nodes "
        "(deploy.placement.constraints)"
        % (where, contest, sum(claim.tasks for claim in crowded), len(names), changes.named(names))
    ]


def _start_first(contest: _Contest) -> list[str]:
    """Services whose new task would need a node more than there is, as long as the old one runs."""
    found = []
    for number, claim in enumerate(contest.claims):
        change = claim.change
        new = change.before is None or change.replaces
        if not (change.start_first and new and claim.tasks):
            continue
        surge = [*contest.claims[:number], replace(claim, tasks=claim.tasks + 1), *contest.claims[number + 1 :]]
        if change.is_global or _crowd(surge):
            found.append(
                "%s.%s: with start-first a new task starts before the old one stops, but the old one has %s of its "
                "node (mode: host), and no other node can take the new one: write order: stop-first%s"
                % (
                    change.where,
                    change.start_first,
                    contest,
                    "" if change.is_global else ", or let one more node take its tasks",
                )
            )
    return found


def _crowd(claims: Sequence[_Claim]) -> list[_Claim]:
    """Claims that want more nodes than they have between them; none when all can be met at once."""
    wants = [matching.Want(claim.tasks, claim.free) for claim in claims]
    return [claims[position] for position in matching.crowded(wants)]
