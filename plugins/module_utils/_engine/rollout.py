# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring services to their specs, find out what became of them, and take them back when that is bad.

Every change of a stack's services goes this way, whatever plans it: a deployment, a rollback, scaling.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from .._core import pace, verdict
from .._core.errors import DeclarationError
from .._core.plan import CREATE, REMOVE, UPDATE, Plan, Step
from .._core.stack import planner
from .._core.verdict import Verdict
from . import errors
from .client import Json, gone
from .patience import patiently
from .revert import Reverted, revert
from .wait import DeadlineExceeded, wait_until
from .watch import PASSING, Watch, Watched, with_log

ATTEMPTS = 5
"""How often a change is planned when others change the stack meanwhile."""
POLL = 0.5
PATIENCE = 60.0
"""Seconds in which what passes by itself (a swarm without a leader) must have passed while a change is sent."""
OVERTAKEN = (errors.StaleVersion, errors.NameConflict, errors.NotFound)


class RolloutEngine(Protocol):
    """What a rollout needs of an engine; it must be a manager's."""

    def nodes(self) -> list[Json]: ...

    def services(self) -> list[Json]: ...

    def tasks(self) -> list[Json]: ...

    def create_config(self, name: str, data: bytes, labels: Mapping[str, str], *, template_driver: str = "") -> str: ...

    def create_network(self, request: Json) -> str: ...

    def create_service(self, spec: Json, *, registry_auth: bool = False) -> str: ...

    def update_service(self, service_id: str, version: int, spec: Json, *, registry_auth: bool = False) -> None: ...

    def remove_service(self, service_id: str) -> None: ...

    def task_log(self, task_id: str, lines: int) -> str: ...


@dataclass(frozen=True)
class Policy:
    """How a change is made.

    Attributes:
        stack: whose services these are.
        registry_auth: send this node's registry credentials along, so that nodes can pull.
        revert: when a service ends badly, give every service that this run changed the spec back that it had.
        settle: wait first until no update of the stack is in flight; else ``planned`` has to refuse it.
        deadline: seconds for the whole; None derives them from the services' own policies.
        stable_cap: the longest stability window in seconds.
    """

    stack: str
    registry_auth: bool = False
    revert: bool = True
    settle: bool = True
    deadline: float | None = None
    stable_cap: float = 60.0


@dataclass(frozen=True)
class Planned:
    """What is to be done.

    Attributes:
        plan: configs and networks to create, then services. A service's payload is, to create it, ``spec``; to update
            it ``id``, ``version``, ``spec`` and the live one, ``before``; to remove it ``id``.
        specs: of every service that gets a verdict, by its name: what it is to have once the plan is carried out.
        nodes: how many nodes the swarm has.
    """

    plan: Plan
    specs: Mapping[str, Mapping[str, Any]]
    nodes: int


@dataclass(frozen=True)
class Outcome:
    """What became of a change.

    Attributes:
        plan: what was done, or in check mode would be.
        verdicts: one for each service of the plan's ``specs``, by name; empty when it was not sent as a whole.
        reverted: what was taken back because a service ended badly; None when nothing was.
        unremoved: services that would have gone, had everything else ended well.
        error: why it could not be carried out as a whole; empty when it could.
        took: of each service that was sent, seconds from when sending began until it was as its verdict says.
    """

    plan: Plan
    verdicts: tuple[Verdict, ...] = ()
    reverted: Reverted | None = None
    unremoved: tuple[str, ...] = ()
    error: str = ""
    took: Mapping[str, float] = field(default_factory=dict)

    @property
    def bad(self) -> tuple[Verdict, ...]:
        return tuple(item for item in self.verdicts if not item.good)

    @property
    def good(self) -> bool:
        return not self.error and not self.bad

    def as_dict(self) -> dict[str, Any]:
        """What a module returns of it beside the plan; what was not done is left out."""
        found: dict[str, Any] = {}
        if self.verdicts:
            found["verdicts"] = [item.as_dict() for item in self.verdicts]
        if self.reverted is not None:
            found["reverted"] = self.reverted.as_dict()
        return found

    def message(self, stack: str) -> str:
        """Every service that did not end well, each with its task's own words, and how things stand now."""
        count = "%d of %d services of the stack %s" % (len(self.bad), len(self.verdicts), stack)
        lines = ["%s did not converge." % count, *("  %s" % item.describe() for item in self.bad)]
        if self.reverted is not None:
            lines += self.reverted.describe()
        if self.unremoved:
            lines.append("  Not removed, since that comes last: %s." % ", ".join(self.unremoved))
        return "\n".join(lines)


class Journal(Protocol):
    """Keeps a record of a change."""

    @property
    def warnings(self) -> Sequence[str]:
        """What could not be kept."""

    def check(self, planned: Planned) -> None:
        """Called before anything is made.

        Raises:
            DeclarationError: it could not be recorded.
        """

    def opened(self, planned: Planned) -> None:
        """Called before the first service is sent, and again when the rest had to be planned anew.

        Raises:
            EngineError: it can't be recorded; nothing is sent then.
        """

    def closed(self, outcome: Outcome) -> None:
        """Called at the end of a change that was opened."""


class NoJournal:
    """For changes that nobody wants to find again."""

    warnings: Sequence[str] = ()

    def check(self, planned: Planned) -> None:
        pass

    def opened(self, planned: Planned) -> None:
        pass

    def closed(self, outcome: Outcome) -> None:
        pass


@dataclass
class _Done:
    """What this run has done so far, in order, whether the journal knows, and when sending began."""

    steps: list[Step] = field(default_factory=list)
    opened: bool = False
    began: float | None = None
    took: dict[str, float] = field(default_factory=dict)

    def services(self) -> dict[str, Step]:
        return {step.name: step for step in self.steps if step.kind == "service"}

    def add(self, step: Step) -> None:
        # Somebody may have overtaken us at this very service, and then it is sent twice; what it had before is what
        # it had the first time.
        if step.kind != "service" or step.name not in self.services():
            self.steps.append(step)


class _Tries:
    """Whether a change is tried again that others, or the swarm itself, came in the way of."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.note = ""
        self._clock = clock
        self._overtaken = 0
        self._sent = 0
        self._end: float | None = None

    def again(self, error: errors.EngineError, sent: int) -> bool:
        """Whether it is worth while; ``sent``: how many services have been sent by now."""
        if sent > self._sent:
            # What came in the way last has passed.
            self._sent, self._end = sent, None
        if isinstance(error, OVERTAKEN):
            self._overtaken += 1
            self.note = " (planned %d times, overtaken each time)" % self._overtaken
            return self._overtaken < ATTEMPTS
        self.note = ""
        if isinstance(error, PASSING) and sent:
            self._end = self._end or self._clock() + PATIENCE
            return self._clock() < self._end
        return False


class Rollout:
    """One run for one stack: its collaborators, its clock, and the time it has left.

    Args:
        planned: reads the swarm and says what is to be done; called anew when others came between. It raises a
            DeclarationError for what can't be done.
    """

    def __init__(
        self,
        engine: RolloutEngine,
        policy: Policy,
        planned: Callable[[], Planned],
        journal: Journal | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._engine = engine
        self._policy = policy
        self._planned = planned
        self._journal = journal or NoJournal()
        self._clock = clock
        self._sleep = sleep
        self._started = clock()
        self._done = _Done()

    def preview(self) -> Outcome:
        """What would be done. Nothing is changed, and nothing waited for.

        Raises:
            DeclarationError: what is wanted can't be.
        """
        return Outcome(self._checked().plan)

    def run(self) -> Outcome:
        """Send what is planned, wait for a verdict on every service, and remove what is to go when all are good.

        Raises:
            DeclarationError: what is wanted can't be; nothing was changed.
            EngineError: the engine refused, or an update of the stack was still in flight at the deadline. Services
                that had been changed by then have their specs back, if the policy says so.
        """
        planned = self.send()
        try:
            verdicts = self._watch(planned)
        except errors.EngineError as error:
            raise self._taken_back(error) from error
        going = [step for step in planned.plan if step.action == REMOVE]
        if not all(item.good for item in verdicts):
            return self._failed(planned, verdicts, [step.name for step in going])
        try:
            for step in going:
                patiently(partial(self._remove, step), self._clock, self._sleep, PATIENCE)
        except errors.EngineError as error:
            self._closed(Outcome(self._plan(planned), verdicts, error=str(error), took=self._done.took))
            raise type(error)("all services run, but not all could be removed that are to go: %s" % error) from error
        return self._closed(Outcome(self._plan(planned), verdicts, took=self._done.took))

    def send(self) -> Planned:
        """Bring the specs to the swarm and wait for nothing; returns the last plan.

        Raises:
            As ``run``.
        """
        tries = _Tries(self._clock)
        while True:
            try:
                planned = self._attempt()
            except errors.EngineError as error:
                if not tries.again(error, len(self._done.services())):
                    raise self._taken_back(error, tries.note) from error
                if isinstance(error, PASSING):
                    self._sleep(POLL)
            except DeclarationError as error:
                if not self._done.services():
                    self._closed(Outcome(Plan(), error=str(error)))
                    raise
                # Somebody changed the swarm since the first look at it.
                raise self._taken_back(errors.EngineError("it can't go on: %s" % error)) from error
            else:
                if planned is not None:
                    return planned

    def _attempt(self) -> Planned | None:
        """Plan and send; None when only what services need was made, which has its ID now that their specs name."""
        if self._policy.settle:
            self._settle()
        planned = self._checked()
        if self._prepare(planned.plan):
            return None
        self._send(planned)
        return planned

    def _checked(self) -> Planned:
        planned = self._planned()
        self._journal.check(planned)
        late = self._too_late(planned)
        return replace(planned, plan=Plan(planned.plan.steps, (*planned.plan.warnings, *late))) if late else planned

    def _too_late(self, planned: Planned) -> list[str]:
        """Services that can't be proved within the user's own deadline."""
        deadline, cap = self._policy.deadline, self._policy.stable_cap
        windows = {
            step.name: pace.of_spec(step.payload["spec"]).stable_for(cap)
            for step in planned.plan
            if step.kind == "service" and step.action != REMOVE
        }
        return [
            "deadline: %g s is less than the %g s for which %s must run undisturbed, so it can't converge in time: "
            "give it more, or a shorter stable_for" % (deadline, windows[name], name)
            for name in sorted(windows)
            if deadline is not None and windows[name] > deadline
        ]

    def _settle(self) -> None:
        """Wait until no update of the stack is in flight: planning on top of one would undo or repeat it."""
        sent = self._done.services()

        def in_flight() -> list[Json]:
            return [
                service
                for service in self._engine.services()
                if planner.belongs(service, self._policy.stack)
                and service["Spec"]["Name"] not in sent
                and _update_state(service) in verdict.IN_FLIGHT
            ]

        busy = in_flight()
        if not busy:
            return
        nodes = len(self._engine.nodes())
        allowed = max(
            pace.FLOOR, *(pace.of_spec(one["Spec"]).update_seconds(pace.tasks(one["Spec"], nodes)) for one in busy)
        )
        try:
            self._wait(in_flight, lambda found: not found, self._remaining(allowed))
        except DeadlineExceeded as late:
            changed = "so nothing was changed" if not sent else "before every service could be sent"
            names = ["%s (%s)" % (one["Spec"]["Name"], _update_state(one)) for one in late.last]
            raise errors.DeadlineExceeded(
                "an update of the stack %s was still in flight at the deadline, %s: %s. If it can't end, roll the "
                "stack back first (playbooks/rollback.yml, or docker service rollback)"
                % (self._policy.stack, changed, ", ".join(names))
            ) from late

    def _prepare(self, plan: Plan) -> bool:
        """Make the configs and networks that the services need; whether there was anything to make."""
        made = False
        for step in plan:
            if step.action != CREATE or step.kind == "service":
                continue
            if step.kind == "config":
                made_of = step.payload
                self._engine.create_config(
                    step.name, made_of["data"], made_of["labels"], template_driver=made_of["template_driver"]
                )
            else:
                self._engine.create_network(step.payload["request"])
            self._done.add(step)
            made = True
        return made

    def _send(self, planned: Planned) -> None:
        """Create and update the services."""
        steps = [step for step in planned.plan if step.kind == "service"]
        if steps:
            self._journal.opened(planned)
            self._done.opened = True
            if self._done.began is None:
                self._done.began = self._clock()
        for step in steps:
            try:
                self._send_one(step)
            except PASSING:
                # It may have arrived all the same.
                self._done.add(step)
                raise

    def _send_one(self, step: Step) -> None:
        auth, sent = self._policy.registry_auth, step.payload
        if step.action == CREATE:
            self._engine.create_service(sent["spec"], registry_auth=auth)
        elif step.action == UPDATE:
            self._engine.update_service(sent["id"], sent["version"], sent["spec"], registry_auth=auth)
        else:
            return
        self._done.add(step)

    def _remove(self, step: Step) -> None:
        # Somebody else may have been quicker, or the answer to our own request was lost.
        gone(self._engine.remove_service, step.payload["id"])
        self._done.add(step)

    def _watch(self, planned: Planned) -> tuple[Verdict, ...]:
        sent = self._done.services()
        watched = []
        allowed = pace.FLOOR
        for name, spec in sorted(planned.specs.items()):
            action = sent[name].action if name in sent else ""
            its = pace.of_spec(spec)
            window = its.stable_for(self._policy.stable_cap) if action else 0.0
            watched.append(Watched(name, action, window, spec))
            needed = its.update_seconds(pace.tasks(spec, planned.nodes)) if action == UPDATE else its.create_seconds()
            allowed = max(allowed, needed + window)
        watch = Watch(self._engine, watched, self._clock)
        try:
            seen = self._wait(watch.observe, watch.settled, self._remaining(allowed))
            verdicts = [item.verdict for item in seen]
        except DeadlineExceeded as late:
            verdicts = [watch.at_deadline(item) for item in late.last]
        began = self._done.began or 0.0
        self._done.took = {name: when - began for name, when in watch.came().items() if name in sent}
        return tuple(with_log(self._engine, item) for item in verdicts)

    def _failed(self, planned: Planned, verdicts: tuple[Verdict, ...], unremoved: list[str]) -> Outcome:
        reverted = self._revert() if self._policy.revert else None
        outcome = Outcome(self._plan(planned), verdicts, reverted, tuple(unremoved), took=self._done.took)
        return self._closed(outcome)

    def _plan(self, planned: Planned) -> Plan:
        return Plan(tuple(self._done.steps), planned.plan.warnings)

    def _closed(self, outcome: Outcome) -> Outcome:
        """Tell the journal; the outcome with what could not be kept."""
        if not self._done.opened:
            return outcome
        self._journal.closed(outcome)
        return replace(outcome, plan=Plan(outcome.plan.steps, (*outcome.plan.warnings, *self._journal.warnings)))

    def _revert(self) -> Reverted:
        return revert(self._engine, self._done.steps, self._clock, self._sleep)

    def _taken_back(self, error: errors.EngineError, note: str = "") -> errors.EngineError:
        """The error to leave with, once what had been sent by then is taken back."""
        told = "%s%s" % (error, note)
        reverted = None
        if self._policy.revert and self._done.services():
            reverted = self._revert()
        outcome = self._closed(Outcome(Plan(tuple(self._done.steps)), (), reverted, error=told))
        standing = reverted.describe() if reverted else ()
        return type(error)("\n".join([told, *standing, *("  %s" % text for text in outcome.plan.warnings)]))

    def _remaining(self, derived: float) -> float:
        """Seconds left of the user's own deadline, which counts from the start; else the derived ones, from now on."""
        if self._policy.deadline is None:
            return derived
        return max(1.0, self._started + self._policy.deadline - self._clock())

    def _wait(self, observe: Callable[[], Any], done: Callable[[Any], bool], deadline: float) -> Any:
        return wait_until(observe, done, deadline, POLL, self._clock, self._sleep)


def _update_state(service: Json) -> str:
    return str((service.get("UpdateStatus") or {}).get("State") or "")
