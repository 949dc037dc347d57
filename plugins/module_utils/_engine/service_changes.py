# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a running stack that need none of its files: other counts of tasks, and restarts.

What is to be done is decided in ``_core/stack``, and ``rollout`` carries it out. Neither waits for an update that is in
flight: it is refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from .._core.errors import DeclarationError
from .._core.plan import Plan
from .._core.stack import restarting, scaling
from .._core.stack.preflight import Observation
from .._core.verdict import Verdict
from .client import Json
from .errors import EngineError
from .rollout import Outcome, Planned, Policy, Rollout, RolloutEngine

Clock = Callable[[], float]
Sleep = Callable[[float], None]


class ChangedEngine(RolloutEngine, Protocol):
    """What these changes need of an engine; it must be a manager's."""

    def networks(self) -> list[Json]: ...


@dataclass(frozen=True)
class Restarted:
    """What became of the restarts.

    Attributes:
        plan: what was done, or in check mode would be.
        verdicts: one for each service that was restarted, in that order; the last one may be bad.
        untouched: names of the services that were to follow the one that failed.
        failure: why the next service could not be restarted; empty when it could.
    """

    plan: Plan
    verdicts: tuple[Verdict, ...] = ()
    untouched: tuple[str, ...] = ()
    failure: str = ""

    @property
    def good(self) -> bool:
        return not self.failure and all(item.good for item in self.verdicts)

    def message(self, stack: str) -> str:
        """The service that does not run well, with its task's own words, and which ones were left alone."""
        told = [item.describe() for item in self.verdicts if not item.good] + [self.failure] * bool(self.failure)
        lines = ["The restart of the stack %s stopped." % stack, *("  %s" % text for text in told)]
        if self.untouched:
            lines.append("  Not restarted: %s." % ", ".join(self.untouched))
        return "\n".join(lines)


def scale(
    engine: ChangedEngine,
    wanted: scaling.Wanted,
    policy: Policy,
    *,
    check_mode: bool = False,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Outcome:
    """Give services their counts, and wait for a verdict on each of them.

    Raises:
        DeclarationError: it is refused; nothing was changed.
        EngineError: as ``rollout.Rollout.run``.
    """

    def planned() -> Planned:
        observed = Observation(engine.services(), engine.nodes(), engine.networks())
        found = scaling.plan(wanted, observed, engine.tasks())
        return Planned(found.plan, found.specs, len(observed.nodes))

    if check_mode:
        return Outcome(planned().plan)
    return Rollout(engine, replace(policy, settle=False), planned, clock=clock, sleep=sleep).run()


def restart(
    engine: ChangedEngine,
    wanted: restarting.Wanted,
    policy: Policy,
    *,
    check_mode: bool = False,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> Restarted:
    """Restart services one after the other, each of them proved before the next begins.

    Nothing is taken back when one fails: it has the spec that it had. ``policy.deadline`` counts for each service.

    Raises:
        DeclarationError: it is refused; nothing was changed.
        EngineError: the engine refused the first service.
    """
    chosen = restarting.select(wanted, engine.services(), engine.tasks(), engine.nodes())
    if check_mode:
        return Restarted(chosen.plan)
    as_they_are = replace(policy, revert=False, settle=False)
    names = [step.name for step in chosen.plan]
    result = Restarted(Plan((), chosen.plan.warnings))
    for position, (key, before) in enumerate(chosen.turns.items()):
        planned = partial(_turn, engine, wanted, key, before)
        try:
            outcome = Rollout(engine, as_they_are, planned, clock=clock, sleep=sleep).run()
        except (DeclarationError, EngineError) as error:
            if not result.verdicts:
                raise
            return replace(result, untouched=tuple(names[position:]), failure="%s: %s" % (names[position], error))
        plan = Plan((*result.plan.steps, *outcome.plan.steps), result.plan.warnings)
        result = Restarted(plan, (*result.verdicts, *outcome.verdicts))
        if not result.good:
            return replace(result, untouched=tuple(names[position + 1 :]))
    return result


def _turn(engine: ChangedEngine, wanted: restarting.Wanted, key: str, before: int) -> Planned:
    plan, name, spec = restarting.turn(wanted, key, before, engine.services())
    return Planned(plan, {name: spec}, len(engine.nodes()))
