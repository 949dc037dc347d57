# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The executor: steps in order, and what happens when another run changes the swarm meanwhile."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, networks, nodes, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import CREATE, REMOVE, Plan, Step
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import apply, node_steps
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import Ids, Outcome, converge
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import (
    DeadlineExceeded,
    EngineError,
    InUse,
    NameConflict,
    NoQuorum,
    NotFound,
    StaleVersion,
)
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

KEY = digest.Key(b"k" * 32)


def bring_nodes(engine: Engine, *items: nodes.Item, **more: Any) -> Outcome[nodes.Decision]:
    return converge(lambda source: source.nodes(), lambda seen: nodes.plan(items, seen), engine, **more)


def bring_secrets(engine: Engine, *items: versioned.Item, prune: bool = False) -> Outcome[versioned.Decision]:
    return converge(
        lambda source: versioned.Observation(source.secrets(), KEY, source.services()),
        lambda seen: versioned.plan(versioned.SECRET, items, seen, "flotilla", prune),
        engine,
    )


def bring_networks(engine: Engine, *items: networks.Item) -> Outcome[networks.Decision]:
    return converge(
        lambda source: networks.Observation(source.networks()),
        lambda seen: networks.plan(items, seen, "flotilla"),
        engine,
    )


def someone_labels(engine: MemoryEngine, **labels: str) -> Callable[[], None]:
    def change() -> None:
        for node in engine.nodes():
            spec = {**node["Spec"], "Labels": {**node["Spec"]["Labels"], **labels}}
            engine._pending.pop("update_node", None)
            engine.update_node(node["ID"], node["Version"]["Index"], spec)

    return change


def labels_of(engine: MemoryEngine) -> dict[str, str]:
    return {k: v for k, v in engine.nodes()[0]["Spec"]["Labels"].items() if not k.startswith("flotilla")}


def secret_names(engine: MemoryEngine) -> list[str]:
    return sorted(secret["Spec"]["Name"] for secret in engine.secrets())


class TestWhenNobodyInterferes:
    def test_one_observation_and_the_steps_in_order(self, engine: MemoryEngine) -> None:
        outcome = bring_secrets(engine, versioned.Item("b", b"1"), versioned.Item("a", b"1"))
        assert engine.calls == ["secrets", "services", "create_secret", "create_secret"]
        assert [step.name for step in outcome.plan] == ["a_v1", "b_v1"]
        assert outcome.plan == outcome.decision.plan
        assert outcome.ids == {("secret", s["Spec"]["Name"]): s["ID"] for s in engine.secrets()}

    def test_nothing_to_do_is_one_observation(self, engine: MemoryEngine) -> None:
        bring_secrets(engine, versioned.Item("a", b"1"))
        engine.calls.clear()
        assert not bring_secrets(engine, versioned.Item("a", b"1")).plan
        assert engine.calls == ["secrets", "services"]

    def test_a_dry_run_says_the_same_and_does_nothing(self, engine: MemoryEngine) -> None:
        item = nodes.Item("name", "m1", {"a": "b"})
        dry = bring_nodes(engine, item, dry_run=True)
        assert engine.calls == ["nodes"]
        assert dry.ids == {}
        assert dry.plan == bring_nodes(engine, item).plan

    def test_every_kind_of_step_has_a_handler_that_works(self, engine: MemoryEngine) -> None:
        for kind in (versioned.SECRET, versioned.CONFIG):

            def observe(source: Engine, kind: versioned.Kind = kind) -> versioned.Observation:
                objects = source.secrets() if kind is versioned.SECRET else source.configs()
                return versioned.Observation(objects, KEY, source.services())

            for data, labels in ((b"1", {}), (b"2", {}), (b"2", {"a": "b"})):
                items = (versioned.Item("a", data, labels),)

                def plan(
                    seen: versioned.Observation,
                    kind: versioned.Kind = kind,
                    items: tuple[versioned.Item, ...] = items,
                ) -> versioned.Decision:
                    return versioned.plan(kind, items, seen, "flotilla", prune=True)

                assert converge(observe, plan, engine).plan
                assert not converge(observe, plan, engine).plan
        assert bring_nodes(engine, nodes.Item("name", "m1", {"a": "b"})).plan
        for state in networks.STATES:
            assert bring_networks(engine, networks.Item("n", state)).plan
        gone = engine.add_node("w1", "192.0.2.21")
        engine.lose_node(gone)
        apply.apply(Plan((Step(REMOVE, "node", "w1", (), {"id": gone}),)), engine, [], {})
        used = {method for method in engine.calls if method.split("_")[0] in ("create", "update", "remove")}
        assert len(used) == len(apply._HANDLERS)


class TestWhenAnotherRunInterferes:
    def test_a_stale_node_is_read_and_planned_again(self, engine: MemoryEngine) -> None:
        engine.before("update_node", someone_labels(engine, theirs="x"))
        outcome = bring_nodes(engine, nodes.Item("name", "m1", {"a": "b"}))
        assert labels_of(engine) == {"theirs": "x", "a": "b"}
        assert len(outcome.plan.steps) == 1

    def test_a_stale_node_that_now_is_as_declared_is_left_alone(self, engine: MemoryEngine) -> None:
        item = nodes.Item("name", "m1", {"a": "b"})
        engine.before("update_node", lambda: bring_nodes(engine, item))
        outcome = bring_nodes(engine, item)
        assert not outcome.plan
        assert outcome.decision.nodes[0]["labels"] == {"a": "b"}

    def test_the_same_secret_made_by_two_runs_is_made_once(self, engine: MemoryEngine) -> None:
        item = versioned.Item("a", b"1")
        engine.before("create_secret", lambda: bring_secrets(engine, item))
        outcome = bring_secrets(engine, item)
        assert secret_names(engine) == ["a_v1"]
        assert not outcome.plan
        assert outcome.decision.current["a"]["id"] == engine.secrets()[0]["ID"]

    def test_two_values_at_once_become_two_versions(self, engine: MemoryEngine) -> None:
        engine.before("create_secret", lambda: bring_secrets(engine, versioned.Item("a", b"theirs")))
        outcome = bring_secrets(engine, versioned.Item("a", b"ours"))
        assert secret_names(engine) == ["a_v1", "a_v2"]
        assert [step.name for step in outcome.plan] == ["a_v2"]

    def test_a_network_made_by_two_runs_is_made_once(self, engine: MemoryEngine) -> None:
        engine.before("create_network", lambda: bring_networks(engine, networks.Item("n")))
        assert not bring_networks(engine, networks.Item("n")).plan

    def test_a_version_that_comes_into_use_while_it_is_pruned_stays(self, engine: MemoryEngine) -> None:
        for data in (b"1", b"2"):
            bring_secrets(engine, versioned.Item("a", data))
        old = engine.secrets()[0]
        spec = {"Name": "app", "TaskTemplate": {"ContainerSpec": {"Secrets": [{"SecretID": old["ID"]}]}}}
        engine.before("remove_secret", lambda: engine.create_service(spec))
        outcome = bring_secrets(engine, versioned.Item("a", b"2"), prune=True)
        assert not outcome.plan
        assert outcome.decision.kept == ({"name": "a_v1", "used_by": ["app"]},)

    def test_a_version_that_somebody_else_prunes_is_gone_all_the_same(self, engine: MemoryEngine) -> None:
        for data in (b"1", b"2"):
            bring_secrets(engine, versioned.Item("a", data))
        old = engine.secrets()[0]["ID"]
        engine.before("remove_secret", lambda: engine.remove_secret(old))
        assert not bring_secrets(engine, versioned.Item("a", b"2"), prune=True).plan
        assert secret_names(engine) == ["a_v2"]

    def test_what_was_done_before_the_interference_is_told_once(self, engine: MemoryEngine) -> None:
        items = tuple(versioned.Item(name, b"1") for name in "abc")
        engine.before("create_secret", lambda: None)

        def overtake() -> None:
            engine.before("create_secret", lambda: bring_secrets(engine, items[1]))

        engine._pending["create_secret"] = [overtake]
        outcome = bring_secrets(engine, *items)
        assert [step.name for step in outcome.plan] == ["a_v1", "c_v1"]
        assert set(outcome.decision.current) == {"a", "b", "c"}
        assert {name for _kind, name in outcome.ids} == {"a_v1", "c_v1"}
        assert all(outcome.id_of("secret", e["name"], e["id"]) for e in outcome.decision.current.values())


@dataclass(frozen=True)
class Fixed:
    plan: Plan


class TestWhenItCannotEnd:
    @pytest.mark.parametrize("kind", [StaleVersion, NameConflict, InUse, NotFound])
    def test_it_gives_up_after_the_bound_with_the_engines_own_words(self, kind: type[EngineError]) -> None:
        attempts = []

        class Refusing(MemoryEngine):
            def create_secret(self, name: str, *_data_and_labels: object) -> str:
                attempts.append(name)
                raise kind("the engine's words")

        step = Step(CREATE, "secret", "a_v1", (), {"data": b"1", "labels": {}})
        with pytest.raises(kind, match=r"the engine's words \(planned 3 times, overtaken each time\)"):
            converge(lambda _engine: None, lambda _seen: Fixed(Plan((step,))), Refusing(), attempts=3)
        assert attempts == ["a_v1"] * 3

    def test_two_runs_that_do_each_others_work_end_however_often_they_meet(self, engine: MemoryEngine) -> None:
        items = [versioned.Item("s%02d" % number, b"1") for number in range(40)]
        met: list[str] = []

        def left() -> list[Step]:
            seen = versioned.Observation(engine.secrets(), KEY)
            return list(versioned.plan(versioned.SECRET, items, seen, "flotilla").plan)

        def meet() -> None:
            """The other run is always one name ahead."""
            step = left()[0]
            met.append(step.name)
            engine.create_secret(step.name, step.payload["data"], step.payload["labels"])
            if left():
                engine.before("create_secret", meet)

        engine.before("create_secret", meet)
        bring_secrets(engine, *items)
        assert len(met) > apply.ATTEMPTS
        assert sorted(one["Spec"]["Name"] for one in engine.secrets()) == ["s%02d_v1" % number for number in range(40)]

    def test_another_error_is_not_tried_again_and_tells_what_was_done(self, engine: MemoryEngine) -> None:
        def fail() -> None:
            engine.quorum = False

        def arm() -> None:
            engine.before("create_secret", fail)

        engine.before("create_secret", arm)
        with pytest.raises(NoQuorum, match=r"does not have a leader.* \(already done: create secret a_v1\)"):
            bring_secrets(engine, versioned.Item("a", b"1"), versioned.Item("b", b"1"))
        assert engine.calls.count("secrets") == 1

    def test_an_error_before_anything_was_done_is_passed_on_as_it_is(self, engine: MemoryEngine) -> None:
        engine.quorum = False
        with pytest.raises(NoQuorum) as caught:
            bring_nodes(engine, nodes.Item("name", "m1", {}))
        assert "already done" not in str(caught.value)

    def test_a_refusal_to_plan_again_tells_what_was_done(self, engine: MemoryEngine) -> None:
        def arm() -> None:
            engine.before("create_secret", lambda: engine.create_secret("b_v1", b"theirs", {}))

        engine.before("create_secret", arm)
        with pytest.raises(DeclarationError) as caught:
            bring_secrets(engine, versioned.Item("a", b"1"), versioned.Item("b", b"1"))
        assert "b can't become b_v1" in caught.value.problems[0]
        assert caught.value.problems[1] == "already done: create secret a_v1"

    def test_a_refusal_before_anything_was_done_is_passed_on_as_it_is(self, engine: MemoryEngine) -> None:
        with pytest.raises(DeclarationError) as caught:
            bring_nodes(engine, nodes.Item("name", "nobody", {}))
        assert len(caught.value.problems) == 1

    def test_a_manager_that_the_raft_keeps_is_named_with_the_mend(
        self, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(node_steps, "DEMOTION", 0.01)
        kept = engine.add_node("m2", "192.0.2.12", role="manager")
        engine.lose_node(kept)
        with pytest.raises(DeadlineExceeded) as late:
            apply.apply(Plan((Step(REMOVE, "node", "m2", (), {"id": kept}),)), engine, [], {})
        assert str(late.value) == (
            "the raft did not let go of manager m2 within 0.01 s (unreachable): check the managers' quorum "
            "(`docker node ls`), and run again"
        )
        assert "remove_node" not in engine.calls

    def test_what_comes_afterwards_adds_its_warnings(self, engine: MemoryEngine) -> None:
        outcome = bring_nodes(
            engine,
            nodes.Item("name", "m1", {"a": "b"}),
            afterwards=lambda _engine, decision: [decision.nodes[0]["name"]],
        )
        assert outcome.plan.warnings == ("m1",)
        assert len(outcome.plan.steps) == 1

    def test_what_fails_afterwards_tells_what_was_done(self, engine: MemoryEngine) -> None:
        def late(_engine: Engine, _decision: nodes.Decision) -> list[str]:
            raise DeadlineExceeded("not gone")

        with pytest.raises(DeadlineExceeded, match=r"not gone \(already done: update node m1\)"):
            bring_nodes(engine, nodes.Item("name", "m1", {"a": "b"}), afterwards=late)
        assert bring_nodes(engine, nodes.Item("name", "m1", {"a": "c"}), afterwards=late, dry_run=True).plan

    def test_what_is_put_back_is_told_after_what_was_done(self, engine: MemoryEngine) -> None:
        def carry_out(plan: Plan, _engine: Engine, done: list[Step], _ids: Ids) -> None:
            done.extend(plan)
            raise InUse("its own words")

        with pytest.raises(InUse) as caught:
            bring_nodes(
                engine,
                nodes.Item("name", "m1", {"a": "b"}),
                attempts=1,
                carry_out=carry_out,
                on_failure=lambda: ["back"],
            )
        assert str(caught.value) == (
            "its own words (planned 1 times, overtaken each time; already done: update node m1; back)"
        )
        assert "update_node" not in engine.calls

    def test_there_is_at_least_one_attempt(self, engine: MemoryEngine) -> None:
        with pytest.raises(ValueError, match="at least one attempt"):
            bring_nodes(engine, attempts=0)


def test_the_executor_decides_nothing_about_kinds() -> None:
    """No comparison with a kind or an action stands outside the dispatch table."""
    tree = ast.parse(Path(str(apply.__file__)).read_text(encoding="utf-8"))
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert not [text for text in compared if "kind" in text or "action" in text]
