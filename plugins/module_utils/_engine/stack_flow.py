# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy a stack: from its files to a rollout of its services.

What is to be done is decided in ``_core/stack``, and ``rollout`` carries it out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .._core.errors import DeclarationError
from .._core.plan import Plan
from .._core.stack import (
    advice,
    capacity,
    changes,
    definition,
    engine_needs,
    network_spec,
    planner,
    policies,
    preflight,
    room,
)
from . import stack_cli, stack_images
from .client import Json
from .rollout import Journal, Outcome, Planned, Policy, Rollout, RolloutEngine
from .stack_cli import Cli, Request


class StackEngine(RolloutEngine, Protocol):
    """What a deployment needs of an engine; it must be a manager's."""

    def networks(self) -> list[Json]: ...

    def secrets(self) -> list[Json]: ...

    def configs(self) -> list[Json]: ...

    def distribution(self, image: str) -> Json: ...


class Deployment:
    """One run for one stack: what is wanted, and where."""

    def __init__(
        self,
        request: Request,
        engine: StackEngine,
        cli: Cli,
        journal: Journal | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._request = request
        self._engine = engine
        self._cli = cli
        self._journal = journal
        self._clock = clock
        self._sleep = sleep

    def run(self) -> Outcome:
        """Bring the stack to its definition, and wait for a verdict on every service.

        Raises:
            DeclarationError: something declared is wrong; nothing was changed.
            EngineError: as ``rollout.Rollout.run``.
        """
        rollout = self._rollout()
        return rollout.preview() if self._request.check_mode else rollout.run()

    def send(self) -> Planned:
        """Bring the stack's specs to the swarm and wait for nothing; returns the last plan.

        Raises:
            As ``run``.
        """
        return self._rollout().send()

    def _rollout(self) -> Rollout:
        request = self._request
        policy = Policy(
            request.stack,
            registry_auth=request.with_registry_auth,
            revert=request.revert,
            deadline=request.deadline,
            stable_cap=request.stable_cap,
        )
        return Rollout(self._engine, policy, self._planning(), self._journal, self._clock, self._sleep)

    def _planning(self) -> Callable[[], Planned]:
        """Plans the definition as it is now, with what the registries say of its images now, however often."""
        tree, contents = stack_cli.read_definition(self._request, self._cli)
        images = stack_images.resolve(self._engine, tree) if self._request.resolve_images else {}
        return lambda: self._planned(tree, contents, images)

    def _planned(self, tree: Mapping[str, Any], contents: Mapping[str, bytes], images: Mapping[str, Any]) -> Planned:
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
        problems += network_spec.problems(resolved)
        problems += engine_needs.problems(resolved, observed.nodes)
        if problems:
            raise DeclarationError(*problems)
        wanted = planner.Wanted(
            request.stack,
            resolved,
            objects,
            images,
            request.owner,
            prune=request.prune,
            adopt=request.adopt,
        )
        found = planner.plan(wanted, observed)
        warnings = self._room(resolved, found.plan, observed)
        return Planned(Plan(found.plan.steps, (*found.plan.warnings, *warnings)), found.specs, len(observed.nodes))

    def _room(self, tree: Mapping[str, Any], plan: Plan, observed: preflight.Observation) -> list[str]:
        """What the user should know about the services that change.

        Raises:
            DeclarationError: there is no room for them.
        """
        steps = [step for step in plan if step.kind == "service"]
        changing = changes.of(steps)
        if not changing:
            return []
        tasks = self._engine.tasks()
        names = [change.name for change in changing if change.starts_tasks]
        replaced = [change.name for change in changing if change.replaces or change.before is None]
        problems = [
            *room.problems(steps, observed, tasks),
            *capacity.problems(tree, self._request.stack, observed, tasks, names, replaced),
        ]
        if problems:
            raise DeclarationError(*problems)
        idle = advice.idle(steps, observed.nodes)
        return [*idle, *advice.warnings(steps), *policies.warnings(steps, self._request.stable_cap)]
