# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out the one step by which a host becomes a member, and wait until it is one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from .._core import membership
from .._core.membership import ACTIVE, ERROR, INACTIVE, LOCKED, MANAGER, MemberPlan, Membership
from . import errors
from .client import Json
from .errors import EngineError, EngineUnreachable
from .wait import DeadlineExceeded, wait_until

_GOES_ON = "timeout was reached before node joined"
"""moby's words when its 20 s for a join are over; the engine then goes on joining in the background."""


class Joiner(Protocol):
    """What becoming a member needs of this host's engine."""

    def swarm_init(self, request: Json) -> str: ...

    def swarm_join(self, request: Json) -> None: ...


def become_member(
    engine: Joiner,
    observe: Callable[[], Membership],
    planned: MemberPlan,
    role: str,
    deadline: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Membership:
    """Apply the plan of ``membership.plan_member``, and return the membership once it is complete.

    Args:
        engine: this host's engine.
        observe: reads this host's membership.
        planned: what to do.
        role: for a manager, complete means that it answers manager requests.
        deadline: seconds for everything.
        clock, sleep: seconds; for tests.

    Raises:
        EngineError: the engine or every manager refused.
        DeadlineExceeded: the host is not a member yet; the engine may still be joining, so a later run waits for it.
    """
    end = clock() + deadline
    for step in planned.plan:
        request = dict(step.payload)
        if planned.action == membership.INIT:
            engine.swarm_init(request)
        else:
            _join(engine, observe, request, end, clock)
    try:
        seen = wait_until(observe, lambda m: _settled(m, role), max(0.0, end - clock()), clock=clock, sleep=sleep)
    except DeadlineExceeded as error:
        raise errors.DeadlineExceeded(
            "not a complete member after %g s (the engine says: %s). It may still be joining, so it was not asked "
            "twice, and the next run waits for it. Check that this host reaches port 2377 of the managers"
            % (deadline, _state(error.last))
        ) from error
    if seen.local_state != ACTIVE:
        raise EngineError("the join failed, the engine says: %s; %s" % (_state(seen), membership.MEND_ERROR))
    return seen


def _state(seen: Membership) -> str:
    return "%s%s" % (seen.local_state, ", " + seen.error if seen.error else "")


def _join(
    engine: Joiner, observe: Callable[[], Membership], request: Json, end: float, clock: Callable[[], float]
) -> None:
    """Ask to join through one manager after the other; the engine uses only the first address of a request.

    The next one is asked only when the engine says that it is in no swarm: an attempt that goes on must not be doubled.
    """
    addresses: Sequence[str] = request["RemoteAddrs"]
    refusals: list[str] = []
    for address in addresses:
        if refusals and clock() >= end:
            break
        try:
            engine.swarm_join({**request, "RemoteAddrs": [address]})
        except EngineUnreachable:
            return  # no answer in time is no refusal: the state tells
        except EngineError as error:
            if _GOES_ON in str(error).lower() or observe().local_state != INACTIVE:
                return
            refusals.append("%s: %s" % (address, error))
        else:
            return
    raise EngineError("no manager let this host join (%s)" % "; ".join(refusals))


def _settled(seen: Membership, role: str) -> bool:
    """Whether waiting is over: the membership is complete, or it failed."""
    if seen.local_state in (ERROR, INACTIVE, LOCKED):
        return True
    return seen.local_state == ACTIVE and bool(seen.node_id) and (role != MANAGER or seen.answers)
