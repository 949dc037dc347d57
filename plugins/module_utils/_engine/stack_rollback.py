# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a whole stack back to an earlier release.

Which release is decided in ``_core/releases``, what has to change in ``_core/stack/rollback``; ``rollout`` carries it
out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from .._core import labels, release_record, releases
from .._core.plan import Plan
from .._core.releases import Release
from .._core.stack import preflight, rollback, room
from .client import Json
from .releases import About, RecordEngine, Recorder
from .rollout import Outcome, Planned, Policy, Rollout, RolloutEngine


class RollbackEngine(RolloutEngine, RecordEngine, Protocol):
    """What a rollback needs of an engine; it must be a manager's."""

    def secrets(self) -> list[Json]: ...


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Attributes:
        release: its number; None for the last good one (``releases.target``).
        who, when: for the record of this run.
        owner: whose stack it is.
        with_registry_auth: send this node's registry credentials along, so that nodes can pull.
        revert: when a service ends badly, give every service that this run changed the spec back that it had.
        deadline: seconds; None derives them from the services' own policies.
        stable_cap: the longest stability window in seconds.
        keep: how many releases stay.
        check_mode: plan, and change nothing.
    """

    stack: str
    release: int | None = None
    who: str = ""
    when: str = ""
    owner: str = labels.DEFAULT_OWNER
    with_registry_auth: bool = False
    revert: bool = True
    deadline: float | None = None
    stable_cap: float = 60.0
    keep: int = releases.KEEP
    check_mode: bool = False


@dataclass(frozen=True)
class Rolled:
    """What became of a rollback.

    Attributes:
        target: the release that was restored, or was to be.
        outcome: of its services.
        number: of the release that this run was recorded as; None when there was nothing to do.
        pruned: names of the configs that were removed at the end.
        warnings: about the history.
    """

    target: Release
    outcome: Outcome
    number: int | None = None
    pruned: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Rollback:
    """One run for one stack."""

    def __init__(
        self,
        request: Request,
        engine: RollbackEngine,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._request = request
        self._engine = engine
        self._clock = clock
        self._sleep = sleep

    def run(self) -> Rolled:
        """Restore the release, and wait for a verdict on every service.

        The release is chosen once: that of a second attempt, when others come between, is the same.

        Raises:
            DeclarationError: there is no such release, or it can't be restored; nothing was changed.
            EngineError: as ``rollout.Rollout.run``.
        """
        request = self._request
        configs = self._engine.configs(release_record.prefix(request.stack))
        entries = release_record.history(configs, request.stack, request.owner)
        warnings = tuple(releases.unreadable(entries))
        target = releases.target(entries, request.stack, request.release)
        keep = releases.checked_keep(request.keep)
        about = About(request.stack, request.owner, target.number, request.who, request.when, keep)
        recorder = Recorder(self._engine, about, self._clock, self._sleep)

        # An update in flight is not waited for: whole specs take its place, and it may be what has to be stopped.
        policy = Policy(
            request.stack,
            registry_auth=request.with_registry_auth,
            revert=request.revert,
            settle=False,
            deadline=request.deadline,
            stable_cap=request.stable_cap,
        )
        planned = partial(self._planned, target)
        rollout = Rollout(self._engine, policy, planned, recorder, self._clock, self._sleep)
        outcome = rollout.preview() if request.check_mode else rollout.run()
        told = [text for text in warnings if text not in outcome.plan.warnings]
        return Rolled(target, outcome, recorder.number, tuple(recorder.pruned), tuple(told))

    def _planned(self, release: Release) -> Planned:
        engine = self._engine
        observed = preflight.Observation(
            services=engine.services(),
            nodes=engine.nodes(),
            networks=engine.networks(),
            secrets=engine.secrets(),
            configs=engine.configs(),
        )
        found = rollback.plan(release, observed, self._request.owner)
        # The way back stays open: that it may not fit is told, and the verdicts say what became of it.
        tight = room.problems([step for step in found.plan if step.kind == "service"], observed, engine.tasks())
        plan = Plan(found.plan.steps, (*found.plan.warnings, *tight))
        return Planned(plan, found.specs, len(observed.nodes))
