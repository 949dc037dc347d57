# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart this host's engine and wait until it is again what it was to its swarm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .._core import quorum
from .._core.membership import ACTIVE, PENDING, Membership
from . import errors
from .client import Json
from .errors import EngineError, EngineUnreachable
from .wait import DeadlineExceeded, wait_until

ELECTION = 30
"""Seconds for which a leader's engine stays down, so that another one is elected: that takes 10 to 20 (swarmkit).

One that is back sooner is still taken for the leader, and gets the others' requests. It hands them on under the names
of those that sent them, so that a worker gets a manager's identity and certificate, and is lost at its next restart
(moby#46167). Nothing is won by being quick: until one is elected, the swarm writes nothing either way.
"""


class Local(Protocol):
    """What is asked of this host's engine before it is stopped."""

    def nodes(self) -> list[Json]: ...

    def swarm_inspect(self) -> Json: ...


def refusal(engine: Local, before: Membership) -> str | None:
    """Why this engine must not be restarted now; None when nothing speaks against it.

    Args:
        engine: this host's engine; asked only when it is a manager that answers.
        before: what the host is to its swarm.

    Raises:
        EngineError: the manager can't say what its swarm is; then nothing may be stopped.
    """
    if before.local_state != ACTIVE or before.role != "manager":
        return None
    if not before.answers:
        return "this manager has no quorum (%s): bring the other managers back first" % (before.error or "no leader")
    if ((engine.swarm_inspect().get("Spec") or {}).get("EncryptionConfig") or {}).get("AutoLockManagers"):
        return "autolock is on, so this manager would come back locked: restart it by hand and `docker swarm unlock` it"
    managers = {node["ID"]: node["ManagerStatus"] for node in engine.nodes() if node.get("ManagerStatus")}
    if len(managers) == 1:
        return None  # there is no quorum to keep, and no other way
    reachable = [node_id for node_id, status in managers.items() if status.get("Reachability") == "reachable"]
    answer = quorum.may_stop(list(managers), reachable, str(before.node_id))
    return None if answer.allowed else "%s: bring the other managers back first" % answer.reason


def pause(engine: Local, before: Membership) -> int:
    """Seconds for which this engine has to stay down: ``ELECTION`` for one that leads others, else 0.

    Raises:
        EngineError: the manager can't say what its swarm is.
    """
    if not before.answers:
        return 0
    statuses = {node["ID"]: node["ManagerStatus"] for node in engine.nodes() if node.get("ManagerStatus")}
    leads = bool((statuses.get(before.node_id) or {}).get("Leader"))
    return ELECTION if leads and len(statuses) > 1 else 0


def restart(
    stop_and_start: Callable[[], None],
    observe: Callable[[], Membership],
    started: Callable[[], float | None],
    before: Membership,
    deadline: float,
) -> None:
    """Restart, and return when the engine is back.

    Args:
        stop_and_start: asks the service manager; need not wait.
        observe: reads this host's membership.
        started: when the running engine was started; it tells the new one from the old.
        before: the membership to come back to.
        deadline: seconds.

    Raises:
        DeadlineExceeded: it did not come back in time; the message says what it is instead.
    """
    old = started()
    stop_and_start()

    def look() -> Membership | str:
        try:
            return observe() if started() != old else "still stopping"
        except EngineUnreachable as error:
            return str(error)

    try:
        wait_until(look, lambda seen: isinstance(seen, Membership) and is_back(before, seen), deadline)
    except DeadlineExceeded as error:
        last = error.last.local_state if isinstance(error.last, Membership) else error.last
        raise errors.DeadlineExceeded(
            "the engine was not back in its swarm after %g s (%s): read `journalctl -u docker`" % (deadline, last)
        ) from error
    except EngineError as error:
        raise type(error)("the engine came back, but can't be read: %s" % error) from error


def is_back(before: Membership, now: Membership) -> bool:
    """Whether a host is to its swarm what it was, or more: a manager must also answer for the swarm again."""
    same = now.local_state == before.local_state or (before.local_state, now.local_state) == (PENDING, ACTIVE)
    return same and (now.answers or not before.answers)
