# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy a stack or remove one, and find out what became of it.

The docker CLI turns the services that changed into requests. What it does not do (checks before anything is touched,
leaving unchanged services alone, a deadline, a verdict) is decided in ``_core/stack`` and ``_core/verdict`` and
carried out here.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .._core import pace, verdict
from .._core.errors import DeclarationError
from .._core.plan import CREATE, REMOVE, UPDATE, Plan, Step
from .._core.stack import capacity, definition, planner, preflight, references
from .._core.stack.pace import of_service
from .._core.verdict import Verdict
from . import errors, stack_cli
from .client import Json
from .stack_cli import Cli, Request
from .wait import DeadlineExceeded, wait_until
from .watch import Watch, Watched, with_log

ATTEMPTS = 3
"""How often a deployment is planned when others change the stack meanwhile."""
ABSENT_DEADLINE = 120.0
POLL = 0.5


class StackEngine(Protocol):
    """What a deployment needs of an engine; it must be a manager's."""

    def nodes(self) -> list[Json]: ...

    def services(self) -> list[Json]: ...

    def tasks(self) -> list[Json]: ...

    def networks(self) -> list[Json]: ...

    def secrets(self) -> list[Json]: ...

    def configs(self) -> list[Json]: ...

    def create_config(self, name: str, data: bytes, labels: Mapping[str, str]) -> str: ...

    def remove_config(self, config_id: str) -> None: ...

    def remove_network(self, network_id: str) -> None: ...

    def remove_service(self, service_id: str) -> None: ...

    def task_log(self, task_id: str, lines: int) -> str: ...


@dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        plan: what was done, or in check mode would be.
        verdicts: one for each declared service, by name; empty in check mode and for an absent stack.
    """

    plan: Plan
    verdicts: tuple[Verdict, ...] = ()

    @property
    def bad(self) -> tuple[Verdict, ...]:
        return tuple(item for item in self.verdicts if not item.good)

    def message(self, stack: str) -> str:
        """Every service that did not end well, each with its task's own words."""
        count = "%d of %d services of the stack %s" % (len(self.bad), len(self.verdicts), stack)
        return "%s did not converge.\n  %s" % (count, "\n  ".join(item.describe() for item in self.bad))


class Deployment:
    """One run for one stack: its collaborators, its clock, and the time it has left."""

    def __init__(
        self,
        request: Request,
        engine: StackEngine,
        cli: Cli,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._request = request
        self._engine = engine
        self._cli = cli
        self._clock = clock
        self._sleep = sleep
        self._started = clock()

    # -- present ----------------------------------------------------------------------------------------------------

    def present(self) -> Outcome:
        """Bring the stack to its definition, and wait for a verdict on every service.

        Raises:
            DeclarationError: something declared is wrong; nothing was changed.
            EngineError: the engine or the CLI refused, or an update of the stack was still in flight at the deadline.
        """
        tree, contents = stack_cli.read_definition(self._request, self._cli)
        done: list[Step] = []
        warnings: list[str] = []
        for attempt in range(1, ATTEMPTS + 1):
            if not self._request.check_mode:
                self._settle(tree)
            resolved, plan, nodes = self._plan(tree, contents)
            if self._request.check_mode:
                return Outcome(plan)
            try:
                self._apply(resolved, plan, done, warnings)
                break
            except (errors.StaleVersion, errors.NameConflict, errors.NotFound) as error:
                if attempt == ATTEMPTS:
                    raise type(error)("%s (planned %d times, overtaken each time)" % (error, attempt)) from error
        declared = definition.declared(resolved, self._request.stack)
        return Outcome(Plan(tuple(done), (*plan.warnings, *warnings)), self._watch(declared, done, nodes))

    def _settle(self, tree: Mapping[str, Any]) -> None:
        """Wait until no update of the stack is in flight: planning on top of one would undo or repeat it."""
        stack = self._request.stack

        def in_flight() -> list[str]:
            return [
                "%s (%s)" % (service["Spec"]["Name"], service["UpdateStatus"]["State"])
                for service in self._engine.services()
                if planner.belongs(service, stack)
                and (service.get("UpdateStatus") or {}).get("State") in verdict.IN_FLIGHT
            ]

        entries = references.section(tree, "services").values()
        allowed = max([pace.FLOOR, *(of_service(entry).update_seconds(1) for entry in entries)])
        try:
            self._wait(in_flight, lambda names: not names, self._remaining(allowed))
        except DeadlineExceeded as late:
            raise errors.DeadlineExceeded(
                "an update of the stack %s was still in flight at the deadline, so nothing was changed: %s"
                % (stack, ", ".join(late.last))
            ) from late

    def _plan(self, tree: Mapping[str, Any], contents: Mapping[str, bytes]) -> tuple[Mapping[str, Any], Plan, int]:
        """The resolved tree, what is to be done, and how many nodes the swarm has."""
        request = self._request
        observed = preflight.Observation(
            services=self._engine.services(),
            nodes=self._engine.nodes(),
            networks=self._engine.networks(),
            secrets=self._engine.secrets(),
            configs=self._engine.configs(),
        )
        own, objects, problems = definition.config_objects(tree, request.stack, contents, request.owner)
        resolved, missing = preflight.resolve(own, observed, request.owner, [item.name for item in objects])
        problems += preflight.name_problems(resolved, request.stack)
        problems += missing
        problems += preflight.placement_problems(resolved, observed.nodes)
        if problems:
            raise DeclarationError(*problems)
        plan = planner.plan(request.stack, resolved, observed, objects, owner=request.owner, prune=request.prune)
        changing = [step.name for step in plan if step.kind == "service" and step.action in (CREATE, UPDATE)]
        if changing:
            problems = capacity.problems(resolved, request.stack, observed, self._engine.tasks(), changing)
            if problems:
                raise DeclarationError(*problems)
        return resolved, plan, len(observed.nodes)

    def _apply(self, tree: Mapping[str, Any], plan: Plan, done: list[Step], warnings: list[str]) -> None:
        """Configs over the API, then changed services and their networks with the CLI, then removals over the API."""
        for step in plan:
            if step.kind == "config" and step.action == CREATE:
                self._engine.create_config(step.name, step.payload["data"], step.payload["labels"])
                done.append(step)
        services = [step for step in plan if step.kind == "service" and step.action in (CREATE, UPDATE)]
        if services:
            keys = [step.payload["key"] for step in services]
            document = definition.render(tree, self._request.stack, keys, self._request.owner)
            timeout = self._remaining(pace.START + pace.FLOOR)
            # Counted as done before it is: the CLI sends service after service, and when it stops midway, nobody knows
            # how far it came. The next attempt then finds some as declared, and they still have to be watched.
            known = {(step.kind, step.name) for step in done}
            sent = [*(step for step in plan if step.kind == "network" and step.action == CREATE), *services]
            done.extend(step for step in sent if (step.kind, step.name) not in known)
            warnings.extend(stack_cli.deploy(self._cli, self._request, document, timeout))
        for step in plan:
            if step.kind == "service" and step.action == REMOVE:
                self._engine.remove_service(step.payload["id"])
                done.append(step)

    def _watch(self, declared: Sequence[definition.Declared], done: Sequence[Step], nodes: int) -> tuple[Verdict, ...]:
        actions = {step.name: step.action for step in done if step.kind == "service"}
        watched = []
        allowed = pace.FLOOR
        for item in declared:
            action = actions.get(item.name, "")
            its = of_service(item.entry)
            window = its.stable_for(self._request.stable_cap) if action else 0.0
            watched.append(Watched(item.name, action, window))
            tasks = nodes if item.replicas is None else item.replicas
            needed = its.update_seconds(tasks) if action == UPDATE else its.create_seconds()
            allowed = max(allowed, needed + window)
        watch = Watch(self._engine, watched, self._clock)
        try:
            seen = self._wait(watch.observe, watch.settled, self._remaining(allowed))
            verdicts = [item.verdict for item in seen]
        except DeadlineExceeded as late:
            verdicts = [watch.at_deadline(item) for item in late.last]
        return tuple(with_log(self._engine, item) for item in verdicts)

    # -- absent -----------------------------------------------------------------------------------------------------

    def absent(self) -> Outcome:
        """Remove what the owner deployed as this stack, and return when it is gone.

        Raises:
            EngineError: the engine refused, or something was still there at the deadline.
        """
        observed = preflight.Observation(
            services=self._engine.services(),
            networks=self._engine.networks(),
            secrets=self._engine.secrets(),
            configs=self._engine.configs(),
        )
        plan = planner.plan_absent(self._request.stack, observed, self._request.owner)
        if self._request.check_mode or not plan:
            return Outcome(plan)
        services = [step for step in plan if step.kind == "service"]
        for step in services:
            _gone(self._engine.remove_service, step.payload["id"])
        gone = {step.payload["id"] for step in services}

        def tasks_left() -> list[str]:
            return sorted(str(task["ID"])[:12] for task in self._engine.tasks() if task.get("ServiceID") in gone)

        self._until(tasks_left, "tasks")
        removers = {"network": self._engine.remove_network, "config": self._engine.remove_config}
        left = {(step.kind, step.name): step for step in plan if step.kind in removers}

        def objects_left() -> list[str]:
            # A network stays in use for a moment after its last task is gone (moby#29293).
            for key, step in list(left.items()):
                try:
                    _gone(removers[step.kind], step.payload["id"])
                    del left[key]
                except errors.InUse:
                    pass
            return sorted("%s %s" % key for key in left)

        self._until(objects_left, "networks and configs")
        return Outcome(plan)

    def _until(self, left: Callable[[], list[str]], what: str) -> None:
        try:
            self._wait(left, lambda names: not names, self._remaining(ABSENT_DEADLINE))
        except DeadlineExceeded as late:
            raise errors.DeadlineExceeded(
                "the stack %s is not gone at the deadline; %s that are left: %s"
                % (self._request.stack, what, ", ".join(late.last))
            ) from late

    # -- time -------------------------------------------------------------------------------------------------------

    def _remaining(self, derived: float) -> float:
        """Seconds left of the user's own deadline, which counts from the start; else the derived ones, from now on."""
        if self._request.deadline is None:
            return derived
        return max(1.0, self._started + self._request.deadline - self._clock())

    def _wait(self, observe: Callable[[], Any], done: Callable[[Any], bool], deadline: float) -> Any:
        return wait_until(observe, done, deadline, POLL, self._clock, self._sleep)


def _gone(remove: Callable[[str], None], identifier: str) -> None:
    with contextlib.suppress(errors.NotFound):
        remove(identifier)
