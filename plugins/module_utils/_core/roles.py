# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of nodes' roles: in which order they come, and which of them the managers' quorum forbids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from . import node_json, quorum
from .node_json import Json


@dataclass(frozen=True)
class Raft:
    """The managers' raft, as node IDs.

    Attributes:
        members: all managers, also those that are away.
        reachable: those that are reachable and stay. A manager whose demotion was accepted and is not carried out yet
            may be gone at any moment, so nothing is built on it.
    """

    members: frozenset[str]
    reachable: frozenset[str]


def raft(observed: Iterable[Json]) -> Raft:
    """The raft that these nodes make up."""
    members = [node for node in observed if node_json.in_raft(node)]
    staying = [node for node in members if node_json.reachable(node) and node["Spec"]["Role"] == node_json.MANAGER]
    return Raft(frozenset(node["ID"] for node in members), frozenset(node["ID"] for node in staying))


def in_order(demoted: Iterable[Json]) -> list[Json]:
    """Nodes in the order in which they are demoted: what is away first, since it only costs quorum; the leader last."""
    return sorted(
        demoted,
        key=lambda node: (node_json.leads(node), node_json.reachable(node), node_json.name(node), node["ID"]),
    )


def problems(
    promoted: Iterable[Json], demoted: Iterable[Json], observed: Sequence[Json], asked: str | None
) -> list[str]:
    """Why these roles can't be changed, one sentence each with its mend; empty when they can.

    Promotions count for nothing here. They come first and may fail, and the demotions must be right without them.

    Args:
        promoted, demoted: the nodes that would become managers, and workers.
        observed: all nodes that the swarm has by then.
        asked: ID of the manager that carries it out; None = it is not known.
    """
    found = [
        "node %s can't be promoted: it is %s: bring it back first" % (node_json.name(node), node_json.state(node))
        for node in promoted
        if node_json.is_down(node)
    ]
    now = raft(observed)
    members, reachable = set(now.members), set(now.reachable)
    for node in in_order(demoted):
        why = _why_not(node, members, reachable, observed, asked)
        if why:
            found.append("node %s can't be demoted: %s" % (node_json.name(node), why))
        else:
            members.discard(node["ID"])
            reachable.discard(node["ID"])
    return found


def _why_not(
    node: Json, members: set[str], reachable: set[str], observed: Sequence[Json], asked: str | None
) -> str | None:
    """Why a manager can't be demoted, with the mend."""
    node_id = node["ID"]
    answer = quorum.may_demote(members, reachable, node_id)
    if answer.allowed:
        return "it is the manager that this is asked of: ask another manager" if node_id == asked else None
    if node_id not in members:
        mend = "wait until `docker node ls` shows it as reachable, or bring it back"
    elif members == {node_id}:
        mend = "let another node become a manager in a run before this one"
    else:
        away = [other for other in observed if other["ID"] in members - reachable - {node_id}]
        names = sorted("%s (%s)" % (node_json.name(other), _why_away(other)) for other in away)
        mend = "first bring back or demote the managers that don't count: %s" % ", ".join(names)
    return "%s: %s" % (answer.reason, mend)


def _why_away(node: Json) -> str:
    if node["Spec"]["Role"] != node_json.MANAGER:
        return "its demotion is not carried out yet"
    return str(node["ManagerStatus"].get("Reachability") or "unknown")
