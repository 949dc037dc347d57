# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching services until each has its verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from .._core import verdict
from .._core.plan import UPDATE
from .._core.stack import comparison
from .._core.verdict import Verdict
from .client import Json
from .errors import EngineError, EngineUnreachable, NoQuorum, PortInUse

LOG_LINES = 20
PASSING = (NoQuorum, EngineUnreachable, PortInUse)
"""What a leader election or a restarting engine answers, and the engine about a port that another service has just
given up (seen for 20 to 110 ms). The services go on meanwhile, so it is no verdict on them."""


class WatchedEngine(Protocol):
    """What watching needs of an engine; it must be a manager's."""

    def nodes(self) -> list[Json]: ...

    def services(self) -> list[Json]: ...

    def tasks(self) -> list[Json]: ...

    def task_log(self, task_id: str, lines: int) -> str: ...


@dataclass(frozen=True)
class Watched:
    """One service that is waited for.

    Attributes:
        action: CREATE or UPDATE when this run changed it, else empty.
        window: seconds for which it must run undisturbed.
        spec: what it is to have; None when that is not looked at.
    """

    name: str
    action: str
    window: float
    spec: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Seen:
    """One look at one service; ``proved`` when it is good and was so for its whole window."""

    verdict: Verdict
    proved: bool


class Watch:
    """Looks at services again and again, and remembers since when each of them has been undisturbed."""

    def __init__(self, engine: WatchedEngine, watched: Sequence[Watched], clock: Callable[[], float]) -> None:
        self._engine = engine
        self._watched = {item.name: item for item in watched}
        self._clock = clock
        self._since: dict[str, tuple[tuple[str, ...], float]] = {}
        self._ran: set[str] = set()
        self._compared: dict[str, tuple[int, bool]] = {}
        self._came: dict[str, tuple[tuple[object, ...], float]] = {}
        self._trouble: dict[str, Verdict] = {}
        unseen = "it was never seen after the deployment"
        self._last = [Seen(Verdict(item.name, verdict.PENDING, unseen, 0, 0), False) for item in watched]
        self._unanswered = ""

    def observe(self) -> list[Seen]:
        """One look at every service; where the engine gives no answer for now, what was seen last."""
        try:
            self._last = self._observe()
            self._unanswered = ""
        except PASSING as error:
            self._unanswered = str(error)
        return self._last

    def _observe(self) -> list[Seen]:
        services = {str(service["Spec"]["Name"]): service for service in self._engine.services()}
        tasks, nodes = self._engine.tasks(), self._engine.nodes()
        seen = []
        for name, item in self._watched.items():
            service = services.get(name)
            if service is None:
                found = Verdict(name, verdict.PENDING, "the service is not in the swarm", 0, 0)
            else:
                found = self._judge(item, service, tasks, nodes)
            seen.append(self._look(item, found))
        return seen

    def _judge(self, item: Watched, service: Json, tasks: Sequence[Json], nodes: Sequence[Json]) -> Verdict:
        replaced = not self._has_its_spec(item, service)
        found = verdict.judge(service, tasks, nodes, as_declared=not item.action and not replaced)
        if replaced and (found.good or (found.state == verdict.PENDING and not found.update.startswith("rollback"))):
            reason = "it has another spec by now: somebody changed it meanwhile, or the swarm rolled it back"
            return replace(found, state=verdict.REPLACED, reason=reason, final=True)
        return found

    def _has_its_spec(self, item: Watched, service: Json) -> bool:
        if item.spec is None:
            return True
        index = int(service["Version"]["Index"])
        known = self._compared.get(item.name)
        if known is None or known[0] != index:
            known = self._compared[item.name] = (index, comparison.is_as_sent(service["Spec"], item.spec))
        return known[1]

    def came(self) -> dict[str, float]:
        """When, by the clock, each service came into the state that was seen last; other tasks that run are another."""
        return {name: when for name, (_state, when) in self._came.items()}

    def _look(self, item: Watched, found: Verdict) -> Seen:
        state = (found.state, found.tasks if found.state == verdict.CONVERGED else ())
        if self._came.get(item.name, ((), 0.0))[0] != state:
            self._came[item.name] = (state, self._clock())
        if found.state == verdict.CONVERGED:
            since = self._since.get(item.name)
            if since is None or since[0] != found.tasks:
                since = self._since[item.name] = (found.tasks, self._clock())
            self._ran.add(item.name)
            return Seen(found, self._clock() - since[1] >= item.window)
        self._since.pop(item.name, None)
        if found.good:
            return Seen(found, True)
        before = self._trouble.get(item.name)
        if found.state == verdict.ROLLED_BACK and before is not None and before.update == "rollback_started":
            # The engine named the task to blame while it rolled back, and no longer does.
            found = replace(found, failure=before.failure)
        if found.failure is not None:
            self._trouble[item.name] = found
        failed = found.state in (verdict.CRASHED, verdict.IMAGE_MISSING) and found.update not in verdict.IN_FLIGHT
        if failed and item.action == UPDATE and item.name in self._ran:
            # It was up with the new version, the swarm's own monitor is over, and then it fell: that is no success. A
            # service that was just created may still be waiting for another one, so it gets until the deadline.
            reason = "it ran, and failed within the %g s for which it must run: %s" % (item.window, found.reason)
            found = replace(found, reason=reason, final=True)
        return Seen(found, False)

    @staticmethod
    def settled(seen: Sequence[Seen]) -> bool:
        """Whether waiting longer serves nothing: all is proved, or one failed for good and none is pending."""
        if all(item.proved for item in seen):
            return True
        lost = any(item.verdict.final and not item.verdict.good for item in seen)
        undecided = [item for item in seen if item.verdict.good or item.verdict.state == verdict.PENDING]
        return lost and all(item.proved for item in undecided)

    def at_deadline(self, item: Seen) -> Verdict:
        """The verdict on a service when the time is up, with the engine's words when it gave no answer by then."""
        found = self._late(item)
        if found.good or not self._unanswered:
            return found
        reason = "%s (last seen; at the deadline the swarm could not be read: %s)" % (found.reason, self._unanswered)
        return replace(found, reason=reason)

    def _late(self, item: Seen) -> Verdict:
        found = item.verdict
        if item.proved:
            return found
        if found.good:
            trouble = self._trouble.get(found.service)
            if trouble is not None:
                return replace(trouble, reason="it keeps failing and starting again: %s" % trouble.reason, final=True)
            window = self._watched[found.service].window
            reason = "it runs, but the deadline came before it had run undisturbed for %g s" % window
            return replace(found, state=verdict.TIMEOUT, reason=reason)
        return found.timed_out()


def with_log(engine: WatchedEngine, item: Verdict) -> Verdict:
    """A bad verdict with the last lines that the failed container wrote."""
    if item.good or item.failure is None or item.failure.exit_code is None:
        return item
    try:
        log = engine.task_log(item.failure.task, LOG_LINES)
    except EngineError as error:
        # The verdict stands without its log.
        log = "(the log can't be read: %s)" % error
    return replace(item, failure=replace(item.failure, log=log))
