# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jobs are a node's own now, decided by each node for itself at each tick.

A worker knows only what runs on itself, so no rule asks what others have. Where that leaves two nodes with one job
(a service with tasks on both), both do it: two backups are better than none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from . import jobs as kinds
from .jobs import Job

MANAGER = "manager"


@dataclass(frozen=True)
class NodeView:
    """What a node sees of itself, and of the managers if it is one.

    Attributes:
        node_id: the swarm's ID of this node; empty when it is in none.
        role: ``manager`` or ``worker``.
        leader: whether it leads the managers.
        managers: (node ID, reachable, leader) of every member of the raft; empty on a worker.
        services: service → slots of its tasks that run here (0 for a global service).
        volumes: names of the local volumes here.
        busy: which other manager backs up its state now, in a sentence; else empty. It is not reachable while its
            engine stands still, which makes it nobody else's turn.
        no_quorum: what a manager's engine says when the swarm has no leader; else empty. What is this node's alone is
            backed up all the same: that is when it may be needed.
    """

    node_id: str
    role: str
    leader: bool = False
    managers: Sequence[tuple[str, bool, bool]] = ()
    services: Mapping[str, Collection[int]] = field(default_factory=dict)
    volumes: Collection[str] = ()
    busy: str = ""
    no_quorum: str = ""


def mine(jobs: Iterable[Job], view: NodeView) -> list[tuple[Job, bool, str]]:
    """Each job, whether it is this node's now, and why or why not: one sentence either way."""
    return [(job, *_turn(job, view)) for job in jobs]


def _turn(job: Job, view: NodeView) -> tuple[bool, str]:
    if job.kind in kinds.DATABASES:
        return _where_it_runs(str(job.options["service"]), view)
    if job.kind == kinds.VOLUME:
        here = job.options["volume"] in view.volumes
        return here, "the volume %s is %shere" % (job.options["volume"], "" if here else "not ")
    if job.kind == kinds.FILES:
        return _of_role(str(job.options["hosts"]), view)
    if job.kind in kinds.OF_THE_SWARM:
        return _of_the_swarm(job, view)
    return False, "this agent knows no jobs of the kind %s: run the role swarm_backup on all hosts" % job.kind


def _where_it_runs(service: str, view: NodeView) -> tuple[bool, str]:
    if not view.services.get(service):
        return False, "no task of %s runs here" % service
    return True, "%s runs here" % service


def _of_role(hosts: str, view: NodeView) -> tuple[bool, str]:
    if hosts == kinds.ALL:
        return True, "every node has these files"
    wanted = hosts == (kinds.MANAGERS if view.role == MANAGER else kinds.WORKERS)
    return wanted, "they are the %s' files, and this node is a %s" % (hosts, view.role)


def _of_the_swarm(job: Job, view: NodeView) -> tuple[bool, str]:
    if view.no_quorum:
        return False, "the swarm has no quorum (%s)" % view.no_quorum
    if job.kind == kinds.RAFT:
        return _raft(view)
    return view.leader, "this node is %sthe leader" % ("" if view.leader else "not ")


def _raft(view: NodeView) -> tuple[bool, str]:
    """The first by ID of the managers that the leader reaches and that don't lead.

    All managers see the same, so they agree on it without a word; whether it may stop is asked when it is about to.
    """
    if view.role != MANAGER:
        return False, "this node is no manager"
    if view.leader:
        return False, "this node is the leader, whose engine is never stopped for a backup"
    if view.busy:
        return False, view.busy
    able = sorted(node_id for node_id, reachable, leader in view.managers if reachable and not leader)
    if not able or view.node_id not in able:
        return False, "this manager is not reachable for the leader"
    if able[0] != view.node_id:
        return False, "it is the turn of the manager with the ID %s" % able[0]
    return True, "this node is the first of the managers that don't lead"
