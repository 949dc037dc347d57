# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move services to the current versions of what they mount: one by one, each proved, and all back if one fails.

What moves where is decided in ``_core/rotation``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from .._core import pace, rotation
from .._core.plan import UPDATE
from .._core.rotation import Move
from .._core.verdict import Verdict
from . import errors
from .client import Json
from .errors import EngineError, NotReady, StaleVersion
from .patience import patiently
from .wait import DeadlineExceeded, wait_until
from .watch import Watch, Watched, with_log

T = TypeVar("T")

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
        moved: those that were made and proved, in that order.
        verdicts: one for each service that was moved, the failed one last.
        failure: why the rotation failed; empty when it did not.
        back: the services that have what they had before, the failed one among them.
        stuck: services that could not be taken back, or do not run well, each with why.
    """

    moved: tuple[Move, ...]
    verdicts: tuple[Verdict, ...]
    failure: str = ""
    back: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()

    def story(self) -> str:
        """The failure, and how things stand now, for people."""
        standing = "not every service could be taken back"
        if not self.stuck:
            standing = "every service that was touched has its old version again: %s" % ", ".join(self.back)
        lines = ["The rotation failed, and %s." % standing, "  " + self.failure]
        return "\n".join([*lines, *("  not back: %s" % text for text in self.stuck)])


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

    def check(self, moves: Sequence[Move], settled: Mapping[str, str]) -> None:
        """See that every service runs well now, and wait for those that are being updated or are coming up.

        Args:
            moves: what is to be done.
            settled: service -> the current version that it mounts already.

        Raises:
            NotReady: a service does not run well; nothing was changed.
            DeadlineExceeded: one was still being updated at the deadline; nothing was changed.
        """
        self._await_quiet({move.service for move in moves} | set(settled))
        reasons = self.problems(moves, settled)
        if reasons:
            raise NotReady(*reasons)

    def problems(self, moves: Sequence[Move], settled: Mapping[str, str]) -> list[str]:
        """Why the moves could not begin now, one sentence each."""
        services = self._patiently(self._engine.services)
        tasks, nodes = self._patiently(self._engine.tasks), self._patiently(self._engine.nodes)
        return rotation.problems(moves, settled, services, tasks, nodes)

    def run(self, moves: Sequence[Move]) -> Outcome:
        """Make the moves one after the other; when one fails, take back all that were made, the last one first."""
        moved: list[Move] = []
        verdicts: list[Verdict] = []
        for move in moves:
            try:
                # Others may have come between since all were checked.
                self.check([move], {})
            except EngineError as error:
                return self._failed(moved, verdicts, "service %s: %s" % (move.service, error))
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
                self._forget(move)
            except EngineError as error:
                stuck.append("service %s: %s" % (move.service, error))
                continue
            if found.good:
                back.append(move.service)
            else:
                why = "%s has its old version again, but does not run well: %s"
                stuck.append(why % (move.service, found.describe()))
        return Outcome(tuple(touched), tuple(verdicts), failure, tuple(back), tuple(stuck))

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
        sent = False
        for attempt in range(1, ATTEMPTS + 1):
            service = self._read(move.service)
            spec = rotation.repointed(service["Spec"], move.swaps)
            if spec == service["Spec"]:
                if not rotation.mounts_all(spec, move.swaps):
                    raise EngineError(
                        "it mounts neither the old version nor the new one: somebody changed it meanwhile; run again"
                    )
                break
            # A write whose answer was lost may have been carried out: then it is found so when it is read again.
            sent = True
            if self._write(service, spec, last=attempt == ATTEMPTS):
                break
        return service, sent

    def _forget(self, move: Move) -> None:
        """Send a service its spec once more where a rollback of it would lead to the version that failed.

        The engine makes the spec the previous one at every update, also when nothing differs.
        """
        for attempt in range(1, ATTEMPTS + 1):
            service = self._read(move.service)
            if not rotation.names_any(service.get("PreviousSpec"), move.swaps):
                return
            if self._write(service, service["Spec"], last=attempt == ATTEMPTS):
                return

    def _read(self, name: str) -> Json:
        found = [service for service in self._patiently(self._engine.services) if service["Spec"]["Name"] == name]
        if not found:
            raise EngineError("it is no longer in the swarm: somebody removed it meanwhile; run again")
        return found[0]

    def _write(self, service: Json, spec: Json, *, last: bool) -> bool:
        """Whether the spec was taken; False when the service was changed since it was read."""
        try:
            self._patiently(lambda: self._engine.update_service(service["ID"], service["Version"]["Index"], spec))
        except StaleVersion:
            if last:
                raise
            return False
        return True

    def _await_quiet(self, names: Collection[str]) -> None:
        def busy() -> list[str]:
            services, tasks, nodes = self._engine.services(), self._engine.tasks(), self._engine.nodes()
            return sorted(
                str(service["Spec"]["Name"])
                for service in services
                if service["Spec"]["Name"] in names and rotation.is_busy(service, tasks, nodes)
            )

        if not names:
            return
        services = [one for one in self._engine.services() if one["Spec"]["Name"] in names]
        allowed = max([pace.FLOOR, *(self._allowed(service) for service in services)])
        try:
            self._wait(busy, lambda found: not found, allowed)
        except DeadlineExceeded as late:
            raise errors.DeadlineExceeded(
                "nothing was changed there, since these services were still starting or being updated at the deadline: "
                "%s" % ", ".join(late.last)
            ) from late

    def _allowed(self, service: Json) -> float:
        if self._limits.deadline is not None:
            return self._limits.deadline
        nodes = len(self._patiently(self._engine.nodes))
        return pace.of_spec(service["Spec"]).update_seconds(pace.tasks(service["Spec"], nodes))

    def _patiently(self, action: Callable[[], T]) -> T:
        return patiently(action, self._clock, self._sleep)

    def _wait(self, observe: Callable[[], Any], done: Callable[[Any], bool], deadline: float) -> Any:
        return wait_until(lambda: self._patiently(observe), done, deadline, POLL, self._clock, self._sleep)
