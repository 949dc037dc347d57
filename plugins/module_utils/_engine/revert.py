# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take back what a deployment changed: every service gets the spec that it had, and what was new goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from .._core import pace
from .._core.plan import CREATE, REMOVE, UPDATE, Step
from .._core.stack import comparison
from . import errors
from .client import Json
from .errors import EngineError, StaleVersion
from .patience import patiently
from .wait import DeadlineExceeded, wait_until
from .watch import Watch, Watched

T = TypeVar("T")

ATTEMPTS = 5
POLL = 0.5
PATIENCE = 60.0
"""Seconds in which an engine that gives no answer for now (an election, a restart) must be back."""


class RevertedEngine(Protocol):
    """What taking back needs of an engine; it must be a manager's."""

    def nodes(self) -> list[Json]: ...

    def services(self) -> list[Json]: ...

    def tasks(self) -> list[Json]: ...

    def update_service(self, service_id: str, version: int, spec: Json) -> None: ...

    def remove_service(self, service_id: str) -> None: ...

    def task_log(self, task_id: str, lines: int) -> str: ...


@dataclass(frozen=True)
class Reverted:
    """What was taken back.

    Attributes:
        back: services that have the spec that they had before, and run.
        removed: services that were new.
        stuck: services that could not be taken back or do not run well, each with why.
    """

    back: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()

    def describe(self) -> list[str]:
        """How things stand now, a line for each part."""
        lines = []
        if self.back:
            lines.append("  Taken back to what they were before: %s." % ", ".join(self.back))
        if self.removed:
            lines.append("  Removed again, since they were new: %s." % ", ".join(self.removed))
        lines += ["  Not taken back: %s" % text for text in self.stuck]
        return lines

    def as_dict(self) -> dict[str, list[str]]:
        return {"back": list(self.back), "removed": list(self.removed), "stuck": list(self.stuck)}


def revert(
    engine: RevertedEngine, done: Sequence[Step], clock: Callable[[], float], sleep: Callable[[float], None]
) -> Reverted:
    """Take back the services among the steps, the last one first, and wait until those that stay run.

    Args:
        engine: a manager.
        done: what was done; an update's payload has the spec ``before``.
        clock, sleep: seconds; for tests.
    """
    return _Revert(engine, done, clock, sleep).run()


class _Revert:
    """One way back; an engine without an answer is asked again for ``PATIENCE`` seconds in all."""

    def __init__(
        self,
        engine: RevertedEngine,
        done: Sequence[Step],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._engine = engine
        self._steps = [step for step in done if step.kind == "service"]
        self._clock = clock
        self._sleep = sleep
        self._end = clock() + PATIENCE
        self._sent: Mapping[str, Json] = {
            step.name: step.payload["spec"] for step in self._steps if step.action != REMOVE
        }
        self._before: Mapping[str, Json] = {
            step.name: step.payload["before"] for step in self._steps if step.action == UPDATE
        }

    def run(self) -> Reverted:
        back: list[str] = []
        removed: list[str] = []
        stuck: list[str] = []
        for step in reversed(self._steps):
            try:
                if step.action == CREATE:
                    self._patiently(partial(self._remove, step.name))
                    removed.append(step.name)
                elif step.action == UPDATE:
                    self._patiently(partial(self._restore, step.name))
                    back.append(step.name)
            except EngineError as error:
                stuck.append("%s: %s" % (step.name, error))
        for name, why in self._unwell(back).items():
            back.remove(name)
            stuck.append("%s has its spec back, but %s" % (name, why))
        return Reverted(tuple(back), tuple(removed), tuple(stuck))

    def _unwell(self, names: Sequence[str]) -> dict[str, str]:
        """Those of the services that are not as they were, and why."""
        if not names:
            return {}
        try:
            bad = {name: "does not run well: %s" % why for name, why in self._not_running(names).items()}
        except EngineError as error:
            return dict.fromkeys(names, "nobody could look: %s" % error)
        for name in names:
            if pace.is_job(self._before[name]):
                # Any update of a job runs it again.
                continue
            try:
                self._patiently(partial(self._forget, name))
            except EngineError as error:
                bad.setdefault(name, "a rollback by hand would lead to what failed: %s" % error)
        return bad

    def _named(self, name: str) -> Json | None:
        return next((service for service in self._engine.services() if service["Spec"]["Name"] == name), None)

    def _remove(self, name: str) -> None:
        service = self._named(name)
        if service is not None:
            self._refuse_if_replaced(service)
            self._engine.remove_service(service["ID"])

    def _restore(self, name: str) -> None:
        """Send the spec that it had, unless it has it: the swarm rolls back by itself where its policy says so."""

        def is_there(service: Json) -> bool:
            if service["Spec"] == self._before[name]:
                return True
            self._refuse_if_replaced(service)
            return False

        self._send(name, is_there)

    def _refuse_if_replaced(self, service: Json) -> None:
        """What somebody else has sent since then is not ours to take back."""
        if not comparison.is_as_sent(service["Spec"], self._sent[service["Spec"]["Name"]]):
            raise errors.NotReady("somebody changed it meanwhile, so it is left as it is")

    def _forget(self, name: str) -> None:
        """Send it once more where the swarm's own rollback would lead to the spec that was just taken back.

        The engine makes the spec the previous one at every update, also when nothing differs.
        """
        self._send(name, lambda service: (service.get("PreviousSpec") or self._before[name]) == self._before[name])

    def _send(self, name: str, is_there: Callable[[Json], bool]) -> None:
        """Send the spec that it had, unless that is so already."""
        for attempt in range(1, ATTEMPTS + 1):
            service = self._named(name)
            if service is None:
                raise errors.NotFound("it is no longer in the swarm: somebody removed it meanwhile")
            if is_there(service):
                return
            try:
                self._engine.update_service(service["ID"], service["Version"]["Index"], self._before[name])
            except StaleVersion:
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    def _not_running(self, names: Sequence[str]) -> dict[str, str]:
        """Those of the services that do not run at the deadline of their own policies, and why."""
        nodes = len(self._patiently(self._engine.nodes))
        allowed = max(
            pace.of_spec(self._before[name]).update_seconds(pace.tasks(self._before[name], nodes)) for name in names
        )
        # That the swarm rolled one back is history now, so none of them counts as changed.
        watch = Watch(self._engine, [Watched(name, "", 0.0) for name in names], self._clock)
        try:
            seen = wait_until(watch.observe, watch.settled, allowed, POLL, self._clock, self._sleep)
            verdicts = [item.verdict for item in seen]
        except DeadlineExceeded as late:
            verdicts = [watch.at_deadline(item) for item in late.last]
        return {item.service: item.reason for item in verdicts if not item.good}

    def _patiently(self, action: Callable[[], T]) -> T:
        return patiently(action, self._clock, self._sleep, self._end - self._clock(), POLL)
