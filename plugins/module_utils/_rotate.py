# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rotation from end to end: new versions, services moved one by one, old versions removed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from . import _data_objects, _module
from ._core import digest, rotation, versioned
from ._core.errors import DeclarationError
from ._core.plan import Plan
from ._engine.apply import Outcome, converge
from ._engine.client import Engine, Json
from ._engine.errors import EngineError, NotReady
from ._engine.rotation import Limits, Rotation

KINDS = (versioned.SECRET, versioned.CONFIG)


@dataclass(frozen=True)
class Declared:
    """The items of one kind, and what plans them: the same planner in every pass, so that a renewal happens once."""

    kind: versioned.Kind
    items: Sequence[versioned.Item]
    planner: _data_objects.Planner
    key: digest.Key | None
    owner: str

    def versions(self, engine: Engine, *, dry_run: bool) -> Outcome[versioned.Decision]:
        """Make the new versions, or only say which.

        Raises:
            DeclarationError: an item would adopt a secret, so nobody knows which value it holds now.
        """
        outcome = converge(_data_objects.observer(self.kind, self.key, False), self.planner, engine, dry_run=dry_run)
        if outcome.decision.assumed:
            raise DeclarationError(
                "%s: %s: an adopted secret is taken to hold the declared value, so a rotation would change nothing: "
                "adopt it with swarm_%s and the value that it holds, and rotate then"
                % (self.kind.plural, ", ".join(outcome.decision.assumed), self.kind.plural)
            )
        return outcome

    def pruned(self, engine: Engine) -> Outcome[versioned.Decision]:
        return converge(_data_objects.observer(self.kind, self.key, True), self._pruner(), engine)

    def would_prune(self, engine: Engine, made: Plan, services: Sequence[Json]) -> versioned.Decision:
        """What pruning would do once the versions are made and the services are these."""
        seen = _data_objects.observer(self.kind, self.key, True)(engine)
        after = rotation.applied(seen.objects, made, self.kind)
        return self._pruner()(replace(seen, objects=after, services=services))

    def objects(self, engine: Engine) -> list[Json]:
        return engine.configs() if self.kind is versioned.CONFIG else engine.secrets()

    def _pruner(self) -> _data_objects.Planner:
        return _data_objects.Planner(self.kind, self.items, self.owner, prune=True)


@dataclass(frozen=True)
class Work:
    """What is to be done to services.

    Attributes:
        moves: the services that mount an older version.
        settled: service -> the current version that it mounts already.
    """

    moves: tuple[rotation.Move, ...]
    settled: Mapping[str, str]


Outcomes = Sequence[Outcome[versioned.Decision]]


def work(declared: Sequence[Declared], module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Make the versions, move the services, prune; a service that fails leaves through ``fail_json``."""
    run = Rotation(engine, Limits(module.params["deadline"], module.params["stable_for"]))
    planned = [one.versions(engine, dry_run=True) for one in declared]
    due = to_do(declared, planned, engine)
    if module.check_mode:
        return predicted(declared, planned, due, run, engine, module.params["prune"])
    run.check(due.moves, due.settled)
    made = [one.versions(engine, dry_run=False) for one in declared]
    moved = run.run(to_do(declared, made, engine).moves)
    verdicts = [verdict.as_dict() for verdict in moved.verdicts]
    if moved.failure:
        dropped, stayed = drop(made, engine)
        plan = [one.plan for one in made]
        result = result_of(declared, made, plan, verdicts=verdicts, back=list(moved.back), dropped=dropped)
        module.fail_json(msg="\n".join([moved.story(), *stayed]), **{**result, "changed": True})
    plans = [*(one.plan for one in made), rotation.plan(moved.moved)]
    warnings: list[str] = []
    kept: list[Any] = []
    if module.params["prune"]:
        try:
            for one in declared:
                outcome = one.pruned(engine)
                plans.append(outcome.plan)
                kept += outcome.decision.kept
        except EngineError as error:
            # The services run with their new versions: that stands, and the next run prunes.
            warnings.append("old versions were not removed: %s" % error)
    return result_of(declared, made, plans, warnings, verdicts=verdicts, kept=kept)


def to_do(declared: Sequence[Declared], outcomes: Outcomes, engine: Engine) -> Work:
    """What must be done to services, once what was planned is made."""
    wanted = []
    services = engine.services()
    for one, outcome in zip(declared, outcomes):
        after = rotation.applied(one.objects(engine), outcome.decision.plan, one.kind)
        current = _data_objects.current_of(outcome, one.kind)
        wanted.append((one.kind, rotation.targets(after, current, one.owner)))
    moves = rotation.moves(services, wanted)
    moving: Collection[str] = {move.service for move in moves}
    settled: dict[str, str] = {}
    for one, outcome in zip(declared, outcomes):
        settled.update(rotation.settled_users(one.kind, services, outcome.decision.current, moving))
    return Work(moves, settled)


def predicted(
    declared: Sequence[Declared], planned: Outcomes, due: Work, run: Rotation, engine: Engine, prune: bool
) -> dict[str, Any]:
    """The result of check mode.

    Raises:
        NotReady: a service does not run well, so the run would be refused.
    """
    reasons = run.problems(due.moves, due.settled)
    if reasons:
        raise NotReady(*reasons)
    plans = [*(one.decision.plan for one in planned), rotation.plan(due.moves)]
    kept: list[Any] = []
    if prune:
        services = rotation.moved(engine.services(), due.moves)
        for one, outcome in zip(declared, planned):
            decision = one.would_prune(engine, outcome.decision.plan, services)
            plans.append(decision.plan)
            kept += decision.kept
    return result_of(declared, planned, plans, kept=kept)


def drop(made: Outcomes, engine: Engine) -> tuple[list[str], list[str]]:
    """Remove the versions that this run made and that no service names. Returns their names, and what went wrong.

    The newest version is what the next deployment takes: one that was just refused must not be it.
    """
    dropped: list[str] = []
    remove = {versioned.CONFIG.name: engine.remove_config, versioned.SECRET.name: engine.remove_secret}
    try:
        services = engine.services()
        for outcome in made:
            for step in rotation.unused(outcome.plan, services):
                remove[step.kind](outcome.ids[step.kind, step.name])
                dropped.append(step.name)
    except EngineError as error:
        # The rotation's own failure is the story; this comes after it.
        return dropped, ["new versions were not removed: %s. Remove them, or the next deployment takes them" % error]
    return dropped, []


def result_of(
    declared: Sequence[Declared],
    outcomes: Outcomes,
    plans: Sequence[Plan],
    warnings: Sequence[str] = (),
    **values: Any,
) -> dict[str, Any]:
    """The module's result: one plan in the order in which things were done."""
    told = dict.fromkeys([*(text for plan in plans for text in plan.warnings), *warnings])
    whole = Plan(tuple(step for plan in plans for step in plan), tuple(told))
    current: Mapping[str, Any] = {
        one.kind.plural: _data_objects.current_of(outcome, one.kind) for one, outcome in zip(declared, outcomes)
    }
    return _module.result_of(whole, current=current, **values)


def declarations(module: AnsibleModule, owner: str) -> list[Declared]:
    """The items of both kinds that are present, with their planners.

    Raises:
        DeclarationError: what is wrong with the items, or with the names to renew.
    """
    found = []
    key = _data_objects.key_of(module)
    due = set(module.params["renew"])
    named: set[str] = set()
    for kind in KINDS:
        items = [item for item in _data_objects.items_of(module, kind) if item.state == versioned.PRESENT]
        names = {item.name for item in items}
        named |= names
        planner = _data_objects.Planner(kind, items, owner, renew=frozenset(due & names))
        found.append(Declared(kind, items, planner, key, owner))
    if due - named:
        raise DeclarationError(
            "renew: %s: not declared, so there is nothing to renew: declare it, or correct the name"
            % ", ".join(sorted(due - named))
        )
    return found
