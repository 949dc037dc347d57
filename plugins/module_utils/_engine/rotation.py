# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move services to the current versions of what they mount: one by one, each proved, and all back if one fails.

What moves where is decided in ``_core/rotation``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .._core import pace, rotation, verdict
from .._core.errors import DeclarationError
from .._core.plan import UPDATE
from .._core.rotation import Move
from .._core.verdict import Verdict
from . import errors
from .client import Json
from .errors import EngineError, StaleVersion
from .wait import DeadlineExceeded, wait_until
from .watch import Watch, Watched, with_log

ATTEMPTS = 5
"""How often a service is read and written again when somebody else changes it at the same moment."""
POLL = 0.5


class RotatedEngine(Protocol):
    """What a rotation needs of an engine; it must be a manager's."""

    def nodes(self) -> list[Json]: ...

    def services(self) -> list[Json]: ...

    def tasks(self) -> list[Json]: ...

    def update_service(self, service_id: str, version: int, spec: Json) -> None: ...

    def task_log(self, task_id: str, lines: int) -> str: ...


@dataclass(frozen=True)
class Limits:
    """Seconds: ``deadline`` for each service (None: from its own policies), ``stable_cap`` for its stability window."""

    deadline: float | None = None
    stable_cap: float = 60.0


@dataclass(frozen=True)
class Outcome:
    """What became of the moves.

    Attributes:
        moved: those that were made and proved, in that order; all of them, unless something failed.
        verdicts: one for each service that was moved, the failed one last.
        failure: why the rotation failed; empty when it did not.
        back: the services that were taken back to what they had.
        stuck: services that could not be taken back, each with why.
    """

    moved: tuple[Move, ...]
    verdicts: tuple[Verdict, ...]
    failure: str = ""
    back: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()

    def story(self) -> str:
        """The failure, and how things stand now, for people."""
        lines = ["The rotation failed, and %s." % self._standing(), "  " + self.failure]
        return "\n".join([*lines, *("  not back: %s" % text for text in self.stuck)])

    def _standing(self) -> str:
        if self.stuck:
            return "not every service could be taken back"
        if not self.back:
            return "no other service had been moved"
        return "every service that had been moved has its old version again: %s" % ", ".join(self.back)


class Rotation:
    """One run: the engine, its limits, and the clock."""

    def __init__(
        self,
        engine: RotatedEngine,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._clock = clock
        self._sleep = sleep

    def check(self, moves: Sequence[Move]) -> None:
        """See that every service that must move runs well now, and wait for those whose update is in flight.

        Raises:
            DeclarationError: one does not run well; nothing was changed.
            DeadlineExceeded: an update was still in flight at the deadline.
        """
        names = {move.service for move in moves}

        def look() -> tuple[list[str], list[str]]:
            services, tasks, nodes = self._engine.services(), self._engine.tasks(), self._engine.nodes()
            busy = [
                str(service["Spec"]["Name"])
                for service in services
                if service["Spec"]["Name"] in names
                and verdict.judge(service, tasks, nodes, as_declared=True).state == verdict.PENDING
            ]
            return busy, rotation.problems(moves, services, tasks, nodes)

        allowed = max([pace.FLOOR, *(self._allowed(service) for service in self._named(names))])
        try:
            _busy, problems = self._wait(look, lambda seen: not seen[0], allowed)
        except DeadlineExceeded as late:
            raise errors.DeadlineExceeded(
                "nothing was changed, since these services were still starting or updating at the deadline: %s"
                % ", ".join(late.last[0])
            ) from late
        if problems:
            raise DeclarationError(*problems)

    def run(self, moves: Sequence[Move]) -> Outcome:
        """Make the moves one after the other; when one fails, take back all that were made, the last one first."""
        moved: list[Move] = []
        verdicts: list[Verdict] = []
        for move in moves:
            try:
                found = self._make(move)
            except EngineError as error:
                return self._failed([*moved, move], verdicts, "service %s: %s" % (move.service, error))
            verdicts.append(found)
            if not found.good:
                return self._failed([*moved, move], verdicts, found.describe())
            moved.append(move)
        return Outcome(tuple(moved), tuple(verdicts))

    def _failed(self, touched: Sequence[Move], verdicts: Sequence[Verdict], failure: str) -> Outcome:
        back: list[str] = []
        stuck: list[str] = []
        for move in reversed(touched):
            try:
                found = self._make(move.back())
            except EngineError as error:
                stuck.append("service %s: %s" % (move.service, error))
                continue
            if found.good:
                back.append(move.service)
            else:
                stuck.append(
                    "%s has its old version again, but does not run well: %s" % (move.service, found.describe())
                )
        return Outcome(tuple(touched[:-1]), tuple(verdicts), failure, tuple(back), tuple(stuck))

    def _make(self, move: Move) -> Verdict:
        """Repoint one service, unless it is so already, and wait for the verdict on it."""
        service, sent = self._repoint(move)
        window = pace.of_spec(service["Spec"]).stable_for(self._limits.stable_cap) if sent else 0.0
        watch = Watch(self._engine, [Watched(move.service, UPDATE if sent else "", window)], self._clock)
        try:
            (seen,) = self._wait(watch.observe, watch.settled, self._allowed(service) + window)
            found = seen.verdict
        except DeadlineExceeded as late:
            found = watch.at_deadline(late.last[0])
        return with_log(self._engine, found)

    def _repoint(self, move: Move) -> tuple[Json, bool]:
        """The service as it was read, and whether it had to be changed."""
        for attempt in range(1, ATTEMPTS + 1):
            found = self._named({move.service})
            if not found:
                raise EngineError("it is no longer in the swarm: somebody removed it meanwhile")
            (service,) = found
            spec = rotation.repointed(service["Spec"], move.swaps)
            if spec == service["Spec"]:
                return service, False
            try:
                self._engine.update_service(service["ID"], service["Version"]["Index"], spec)
            except StaleVersion:
                if attempt == ATTEMPTS:
                    raise
            else:
                return service, True
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _named(self, names: set[str]) -> list[Json]:
        return [service for service in self._engine.services() if service["Spec"]["Name"] in names]

    def _allowed(self, service: Json) -> float:
        if self._limits.deadline is not None:
            return self._limits.deadline
        replicas = ((service["Spec"].get("Mode") or {}).get("Replicated") or {}).get("Replicas")
        tasks = len(self._engine.nodes()) if replicas is None else int(replicas)
        return pace.of_spec(service["Spec"]).update_seconds(tasks)

    def _wait(self, observe: Callable[[], Any], done: Callable[[Any], bool], deadline: float) -> Any:
        return wait_until(observe, done, deadline, POLL, self._clock, self._sleep)
