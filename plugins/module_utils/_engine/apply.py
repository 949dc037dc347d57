# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The executor: it applies a plan step by step and decides nothing.

Somebody else may change the swarm between reading and writing. The engine then refuses the write, and the only right
answer is to read again and plan again; ``converge`` does that, a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from .._core.errors import DeclarationError
from .._core.plan import CREATE, REMOVE, UPDATE, Plan, Step
from . import node_steps
from .client import Engine
from .errors import EngineError, InUse, NameConflict, NotFound, StaleVersion

ATTEMPTS = 5
OVERTAKEN = (StaleVersion, NameConflict, InUse, NotFound)
"""Refusals of a planned step that mean: the swarm is no longer what the plan was made from."""

Ids = dict[tuple[str, str], str]
"""(kind, name) -> the engine's ID of each object that was created."""

CarryOut = Callable[[Plan, Engine, "list[Step]", Ids], None]
"""Applies a plan as far as it can, and adds to the last two what it did."""


class Decided(Protocol):
    """What planners return: a plan, and whatever else belongs to the result of their module."""

    @property
    def plan(self) -> Plan: ...


Observed = TypeVar("Observed")
Decision = TypeVar("Decision", bound=Decided)


@dataclass(frozen=True)
class Outcome(Generic[Decision]):
    """What became of a plan.

    Attributes:
        decision: the planner's last answer: the one that was applied to the end.
        plan: what was really done, over all attempts and in that order, with the last decision's warnings.
        ids: of what was created.
    """

    decision: Decision
    plan: Plan
    ids: Mapping[tuple[str, str], str]

    def id_of(self, kind: str, name: str, known: str | None) -> str | None:
        """The ID that the decision knew, else the one that creating the object gave; None in a dry run."""
        return known or self.ids.get((kind, name))


def converge(
    observe: Callable[[Engine], Observed],
    plan: Callable[[Observed], Decision],
    engine: Engine,
    attempts: int = ATTEMPTS,
    dry_run: bool = False,
    afterwards: Callable[[Engine, Decision], Sequence[str]] | None = None,
    carry_out: CarryOut | None = None,
    on_failure: Callable[[], Sequence[str]] | None = None,
) -> Outcome[Decision]:
    """Observe, plan and apply, until a whole plan could be applied.

    Args:
        observe: reads what the planner needs; called again for each attempt.
        plan: the planner.
        engine: where the steps go.
        attempts: how often a plan is made at most that has no fewer steps than one before it.
        dry_run: plan once and change nothing; the outcome's plan is then what would be done.
        afterwards: waits for what the steps of this run, or of an earlier one, set going; it returns more warnings.
        carry_out: applies a plan; left out, it is ``apply``.
        on_failure: puts back what can be put back, and returns how things stand then, one sentence each.

    Raises:
        DeclarationError: the planner refuses.
        EngineError: the engine refuses, for another reason than being overtaken, or too often.
            The message of either names the steps that had been done by then.
    """
    if attempts < 1:
        raise ValueError("at least one attempt is needed")
    done: list[Step] = []
    ids: Ids = {}
    fewest: int | None = None
    left = attempts
    while True:
        try:
            decision = plan(observe(engine))
            if dry_run:
                return Outcome(decision, decision.plan, {})
            left -= 1
            if fewest is None or len(decision.plan.steps) < fewest:
                # Two runs with the same declaration do each other's work: that is getting nearer.
                fewest, left = len(decision.plan.steps), attempts - 1
            (carry_out or apply)(decision.plan, engine, done, ids)
            more = tuple(afterwards(engine, decision)) if afterwards else ()
        except OVERTAKEN as error:
            if left <= 0:
                _tell(error, done, on_failure, "planned %d times, overtaken each time" % attempts)
                raise
        except (DeclarationError, EngineError) as error:
            _tell(error, done, on_failure)
            raise
        else:
            return Outcome(decision, Plan(tuple(done), decision.plan.warnings + more), ids)


def apply(plan: Plan, engine: Engine, done: list[Step], ids: Ids) -> None:
    """Apply every step in order; each that succeeded is added to ``done``, and what it created to ``ids``."""
    for step in plan:
        created = _HANDLERS[step.kind, step.action](engine, step.name, step.payload)
        done.append(step)
        if created is not None:
            ids[step.kind, step.name] = created


Handler = Callable[[Engine, str, Mapping[str, Any]], "str | None"]
"""Sends one step; returns the ID of what it created."""

# What each handler needs in the payload is what it takes from it.
_HANDLERS: Mapping[tuple[str, str], Handler] = {
    ("node", UPDATE): node_steps.update,
    ("node", REMOVE): lambda engine, name, p: node_steps.remove(engine, name, p["id"]),
    ("secret", CREATE): lambda engine, name, p: engine.create_secret(name, p["data"], p["labels"]),
    ("secret", UPDATE): lambda engine, _name, p: engine.update_secret(p["id"], p["version"], p["spec"]),
    ("secret", REMOVE): lambda engine, _name, p: engine.remove_secret(p["id"]),
    ("config", CREATE): lambda engine, name, p: engine.create_config(name, p["data"], p["labels"]),
    ("config", UPDATE): lambda engine, _name, p: engine.update_config(p["id"], p["version"], p["spec"]),
    ("config", REMOVE): lambda engine, _name, p: engine.remove_config(p["id"]),
    ("network", CREATE): lambda engine, _name, p: engine.create_network(p["request"]),
    ("network", REMOVE): lambda engine, _name, p: engine.remove_network(p["id"]),
}


def _tell(error: Exception, done: list[Step], on_failure: Callable[[], Sequence[str]] | None, note: str = "") -> None:
    """Let an error's message tell also what had been done by then, and what was put back."""
    notes = [note] if note else []
    if done:
        notes.append("already done: " + ", ".join("%s %s %s" % (step.action, step.kind, step.name) for step in done))
    if on_failure is not None:
        notes.extend(on_failure())
    if not notes:
        return
    if isinstance(error, DeclarationError):
        error.problems += tuple(notes)
        error.args = ("; ".join(error.problems),)
    else:
        error.args = ("%s (%s)" % (error, "; ".join(notes)),)
