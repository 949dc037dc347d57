# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes of a swarm are taken out of its list because their machines are lost, and in which steps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import node_json, quorum
from ..errors import DeclarationError
from ..plan import REMOVE, UPDATE, Difference, Plan, Step

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Decision:
    """What ``plan`` returns, as ``converge`` takes it."""

    plan: Plan


def targets(observed: Sequence[Json], names: Collection[str], keep: Collection[str] = ()) -> list[Json]:
    """The nodes that are meant, in the order of their names.

    Args:
        observed: the engine's list of nodes.
        names: IDs or hostnames. Under a hostname, those that are ready stay when others have it too: a machine that was
            installed anew joins as another node with the name of the old one.
        keep: with IDs here instead, all nodes but these are meant.
    """
    if keep:
        found = [node for node in observed if node["ID"] not in keep]
    else:
        found = []
        for wanted in dict.fromkeys(names):
            fitting = [node for node in observed if wanted in (node["ID"], node_json.name(node))]
            found += [node for node in fitting if node_json.state(node) != "ready"] or fitting
    unique = {str(node["ID"]): node for node in found}
    return sorted(unique.values(), key=lambda node: (node_json.name(node), str(node["ID"])))


def plan(observed: Sequence[Json], names: Collection[str], keep: Collection[str] = ()) -> Decision:
    """Demote, where the raft still counts it, and remove each of these nodes.

    Raises:
        DeclarationError: one of them is ready, the managers that stay would have no quorum, or none is to be kept.
    """
    gone = targets(observed, names, keep)
    problems = [
        "%s is ready: it is no node that was lost. Stop its engine, or let it leave with `docker swarm leave`, and run "
        "again" % _label(node)
        for node in gone
        if node_json.state(node) == "ready"
    ]
    unknown = sorted(set(keep) - {str(node["ID"]) for node in observed})
    problems += ["%s is to be kept and is no node of this swarm: nothing is removed" % node_id for node_id in unknown]
    managers = [str(node["ID"]) for node in observed if node_json.in_raft(node)]
    reachable = [str(node["ID"]) for node in observed if node_json.in_raft(node) and node_json.reachable(node)]
    steps: list[Step] = []
    for node in gone:
        if node_json.in_raft(node):
            answer = quorum.may_demote(managers, reachable, str(node["ID"]))
            if not answer.allowed:
                problems.append("%s is a manager and can't be demoted: %s" % (_label(node), answer.reason))
            managers.remove(str(node["ID"]))
            steps.append(_demotion(node))
        difference = Difference("state", node_json.state(node), None)
        steps.append(Step(REMOVE, "node", _label(node), (difference,), {"id": node["ID"]}))
    if problems:
        raise DeclarationError(*problems)
    return Decision(Plan(tuple(steps)))


def _demotion(node: Json) -> Step:
    payload = {
        "id": node["ID"],
        "version": node["Version"]["Index"],
        "spec": {**node["Spec"], "Role": node_json.WORKER},
        "role": node_json.WORKER,
    }
    return Step(UPDATE, "node", _label(node), (Difference("role", node_json.MANAGER, node_json.WORKER),), payload)


def _label(node: Json) -> str:
    return "%s (%s)" % (node_json.name(node), node["ID"])
