# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many managers a swarm needs, which hosts can be declared to be them, and which may be stopped or demoted.

The raft of the managers accepts a write when a majority of all its members agrees, whether they are up or not
(https://docs.docker.com/engine/swarm/raft/). The engine guards demotion by this, but not drain, reboot or a forced
leave.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

MOST_USEFUL = 7
"""More managers than this slow every write down and are not recommended by the engine's makers."""


def needed(managers: int) -> int:
    """How many of so many managers must be reachable; 0 for none."""
    return managers // 2 + 1 if managers else 0


def tolerates(managers: int) -> int:
    """How many of so many managers may be lost while the rest still can write."""
    return managers - needed(managers)


def declaration_problems(managers: Sequence[str], workers: Sequence[str], *, allow_even: bool) -> list[str]:
    """What is wrong with the hosts that are declared to be managers: one sentence a problem, with its mend.

    Args:
        managers, workers: names of hosts; by default those of the groups swarm_managers and swarm_workers.
        allow_even: accept an even number of managers, or more than ``MOST_USEFUL``.
    """
    problems = []
    count = len(set(managers))
    if not count:
        problems.append("swarm_managers: no host is a manager: put one, three or five hosts into this group")
    elif count % 2 == 0 and not allow_even:
        problems.append(
            "swarm_managers: %d managers survive the loss of %d, as %d do: use an odd number, or set "
            "swarm_cluster_allow_even_managers" % (count, tolerates(count), count - 1)
        )
    if count > MOST_USEFUL and not allow_even:
        problems.append(
            "swarm_managers: %d managers slow every write down: use at most %d and make the others workers, or set "
            "swarm_cluster_allow_even_managers" % (count, MOST_USEFUL)
        )
    both = set(managers) & set(workers)
    problems += [
        "swarm_managers: %s is in swarm_workers too: take it out of one of the two groups" % host
        for host in dict.fromkeys(managers)
        if host in both
    ]
    return problems


@dataclass(frozen=True)
class Answer:
    """Whether it may be done now. ``reason`` is one sentence either way."""

    allowed: bool
    reason: str


def may_stop(managers: Collection[str], reachable: Collection[str], which: str) -> Answer:
    """Whether the engine of one node may be stopped without the swarm losing its quorum.

    Args:
        managers: the node IDs of all managers of the raft, also of those that are down.
        reachable: the node IDs of the managers that are reachable now.
        which: the node ID of the engine that would be stopped.
    """
    members = set(managers)
    up = members & set(reachable)
    need = needed(len(members))
    if which not in members:
        return Answer(True, "it is no manager, so the quorum does not depend on it")
    left = up - {which}
    count = "%d of %d managers would be reachable and %d are needed" % (len(left), len(members), need)
    if which not in up:
        return Answer(True, "it is not reachable already, so nothing is lost: " + count)
    if len(left) < need:
        return Answer(False, "the swarm would lose its quorum: " + count)
    return Answer(True, count)


def may_demote(managers: Collection[str], reachable: Collection[str], which: str) -> Answer:
    """Whether one manager may be made a worker without the others lacking their quorum.

    The engine asks the same when the demotion comes (swarmkit: raft.CanRemoveMember), and has then done what came
    before it. To ask for several, ask for one after the other, each without those that went before.

    Args:
        managers: the node IDs of all managers of the raft, also of those that are down.
        reachable: the node IDs of the managers that are reachable now, and stay managers.
        which: the node ID of the manager that would be demoted.
    """
    members = set(managers)
    if which not in members:
        return Answer(False, "the raft has not taken it in yet")
    left = members - {which}
    if not left:
        return Answer(False, "no manager would be left")
    up = left & set(reachable)
    need = needed(len(left))
    count = "%d of the other %d would be reachable and %d are needed" % (len(up), len(left), need)
    if len(up) < need:
        return Answer(False, "the managers that are left would have no quorum: " + count)
    return Answer(True, count)
