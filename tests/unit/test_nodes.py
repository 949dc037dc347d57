# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of nodes."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, nodes
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import Outcome, converge
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from hypothesis import given
from hypothesis import strategies as st

NAMES = ("m1", "w1", "w2", "w3")
SOME_LABELS = st.dictionaries(st.sampled_from(("tier", "ssd", "zone")), st.sampled_from(("", "a", "b")))
MODES = st.sampled_from(nodes.LABELS_MODES)
DECLARED = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(
        st.none() | SOME_LABELS,
        st.none() | st.sampled_from(nodes.AVAILABILITIES),
        st.none() | st.sampled_from(nodes.ROLES),
    ),
).map(lambda found: tuple(nodes.Item("name", name, *declared) for name, declared in found.items()))
Run = tuple[tuple[nodes.Item, ...], str, bool]
RUNS = st.lists(st.tuples(DECLARED, MODES, st.booleans()), min_size=1, max_size=4)


def swarm(**worker_labels: Mapping[str, str]) -> MemoryEngine:
    """A manager m1 and the workers w1, w2, w3, with the labels that are given by name."""
    engine = MemoryEngine()
    for number in (1, 2, 3):
        name = "w%d" % number
        engine.add_node(name, "192.0.2.2%d" % number, Labels=dict(worker_labels.get(name, {})))
    return engine


def bring(
    engine: MemoryEngine, items: Sequence[nodes.Item], mode: str = nodes.MERGE, change_roles: bool = False
) -> Outcome[nodes.Decision]:
    return converge(
        lambda source: source.nodes(),
        lambda seen: nodes.plan(items, seen, mode, change_roles=change_roles, asked=engine.node_id),
        engine,
    )


def node(engine: MemoryEngine, name: str) -> dict[str, Any]:
    return next(found for found in engine.nodes() if found["Description"]["Hostname"] == name)


def labels_of(engine: MemoryEngine, name: str) -> dict[str, str]:
    return labels.foreign(node(engine, name)["Spec"]["Labels"])


def by_name(name: str, wanted: Mapping[str, str] | None = None, **more: Any) -> nodes.Item:
    return nodes.Item("name", name, wanted, **more)


class TestProperties:
    @given(RUNS)
    def test_a_second_plan_is_empty_and_tells_what_was_reached(self, runs: list[Run]) -> None:
        engine = swarm(w1={"theirs": "x"})
        for items, mode, change_roles in runs:
            before = engine.nodes()
            try:
                outcome = bring(engine, items, mode, change_roles)
            except DeclarationError:
                assert engine.nodes() == before, "a refusal comes before everything"
                continue
            again = nodes.plan(items, engine.nodes(), mode, change_roles=change_roles, asked=engine.node_id)
            assert not again.plan
            assert again.nodes == outcome.decision.nodes
            assert again.undeclared == outcome.decision.undeclared
            declared = {item.value: item.role for item in items if item.role and change_roles}
            assert {name: node(engine, name)["Spec"]["Role"] for name in declared} == declared

    @given(RUNS, DECLARED, MODES, st.booleans(), st.randoms(use_true_random=False))
    def test_input_is_not_changed_and_its_order_does_not_matter(
        self, runs: list[Run], items: tuple[nodes.Item, ...], mode: str, change_roles: bool, random: Any
    ) -> None:
        engine = swarm()
        for earlier, earlier_mode, earlier_roles in runs:
            with suppress(DeclarationError):
                bring(engine, earlier, earlier_mode, earlier_roles)
        seen = engine.nodes()
        kept = copy.deepcopy((items, seen))

        def planned(declared: Sequence[nodes.Item], observed: Sequence[dict[str, Any]]) -> Any:
            try:
                decision = nodes.plan(declared, observed, mode, change_roles=change_roles, asked=engine.node_id)
            except DeclarationError as error:
                return error.problems
            return decision, [step.payload for step in decision.plan]

        first = planned(items, seen)
        assert (items, seen) == kept
        assert planned(random.sample(items, len(items)), random.sample(seen, len(seen))) == first

    @given(RUNS)
    def test_who_is_not_declared_is_never_touched(self, runs: list[Run]) -> None:
        engine = swarm(w1={"theirs": "x"})
        for items, mode, change_roles in runs:
            before = {found["ID"]: found for found in engine.nodes()}
            with suppress(DeclarationError):
                for other in bring(engine, items, mode, change_roles).decision.undeclared:
                    assert next(found for found in engine.nodes() if found["ID"] == other["id"]) == before[other["id"]]

    @given(RUNS)
    def test_without_leave_no_role_changes(self, runs: list[Run]) -> None:
        engine = swarm()
        roles = {found["ID"]: found["Spec"]["Role"] for found in engine.nodes()}
        for items, mode, _change_roles in runs:
            bring(engine, items, mode)
        assert {found["ID"]: found["Spec"]["Role"] for found in engine.nodes()} == roles

    @given(RUNS)
    def test_merging_never_touches_the_labels_of_others(self, runs: list[Run]) -> None:
        theirs = {"theirs": "x", "empty": "", labels.PREFIX + "else": "kept"}
        engine = swarm(w1=theirs)
        for items, _mode, _change_roles in runs:
            bring(engine, items)
        found = node(engine, "w1")["Spec"]["Labels"]
        assert {key: found[key] for key in theirs} == theirs

    @given(DECLARED, DECLARED)
    def test_after_merging_only_the_last_declaration_of_ours_is_left(
        self, first: tuple[nodes.Item, ...], last: tuple[nodes.Item, ...]
    ) -> None:
        engine = swarm(w1={"theirs": "x"})
        bring(engine, first)
        bring(engine, last)
        for item in last:
            if item.labels is not None:
                others = {"theirs": "x"} if item.value == "w1" else {}
                assert labels_of(engine, item.value) == {**item.labels, **others}

    @given(DECLARED, DECLARED)
    def test_exact_leaves_the_declared_labels_alone(
        self, first: tuple[nodes.Item, ...], last: tuple[nodes.Item, ...]
    ) -> None:
        engine = swarm(w1={"theirs": "x"})
        bring(engine, first)
        bring(engine, last, nodes.EXACT)
        for item in last:
            if item.labels is not None:
                assert labels_of(engine, item.value) == item.labels


class TestPlan:
    def test_the_whole_spec_goes_out_with_the_version_that_was_read(self) -> None:
        engine = swarm(w1={"theirs": "x"})
        seen = engine.nodes()
        (step,) = nodes.plan((by_name("w1", {"tier": "cache"}, availability="pause"),), seen).plan
        assert step.as_dict() == {
            "action": "update",
            "kind": "node",
            "name": "w1",
            "differences": [
                {"field": "availability", "before": "active", "after": "pause"},
                {"field": "labels.flotilla.swarm.node-labels", "before": None, "after": "tier"},
                {"field": "labels.tier", "before": None, "after": "cache"},
            ],
        }
        found = node(engine, "w1")
        assert step.payload == {
            "id": found["ID"],
            "version": found["Version"]["Index"],
            "spec": {
                "Labels": {"theirs": "x", "tier": "cache", "flotilla.swarm.node-labels": "tier"},
                "Role": "worker",
                "Availability": "pause",
            },
        }

    def test_what_is_not_managed_stays(self) -> None:
        engine = swarm(w1={"tier": "cache", labels.NODE_LABELS: "tier"})
        assert not nodes.plan((by_name("w1"),), engine.nodes()).plan
        assert not nodes.plan((by_name("w1"),), engine.nodes(), nodes.EXACT).plan

    def test_an_empty_value_is_a_value_and_can_be_removed(self) -> None:
        engine = swarm()
        bring(engine, (by_name("w1", {"ssd": ""}),))
        assert labels_of(engine, "w1") == {"ssd": ""}
        outcome = bring(engine, (by_name("w1", {}),))
        assert {"field": "labels.ssd", "before": "", "after": None} in outcome.plan.as_list()[0]["differences"]
        assert node(engine, "w1")["Spec"]["Labels"] == {}

    def test_a_label_of_somebody_else_that_is_declared_becomes_ours(self) -> None:
        engine = swarm(w1={"tier": "cache"})
        outcome = bring(engine, (by_name("w1", {"tier": "cache"}),))
        assert [d.field for d in outcome.plan.steps[0].differences] == ["labels." + labels.NODE_LABELS]
        bring(engine, (by_name("w1", {}),))
        assert labels_of(engine, "w1") == {}

    def test_a_node_without_any_labels(self) -> None:
        engine = swarm()
        seen = engine.nodes()
        for found in seen:
            found["Spec"]["Labels"] = None
        assert not nodes.plan((by_name("w1", {}),), seen).plan
        assert nodes.plan((by_name("w1", {"a": "b"}),), seen).plan

    def test_a_damaged_memory_takes_none_of_our_bookkeeping_away(self) -> None:
        bookkeeping = {labels.PREFIX + "else": "kept", labels.NODE_LABELS: ",gone,%selse," % labels.PREFIX}
        engine = swarm(w1=bookkeeping)
        bring(engine, (by_name("w1", {"tier": "cache"}),))
        assert node(engine, "w1")["Spec"]["Labels"] == {
            labels.PREFIX + "else": "kept",
            labels.NODE_LABELS: "tier",
            "tier": "cache",
        }

    def test_exact_keeps_our_own_bookkeeping(self) -> None:
        engine = swarm(w1={labels.PREFIX + "else": "kept", "theirs": "x"})
        bring(engine, (by_name("w1", {}),), nodes.EXACT)
        assert node(engine, "w1")["Spec"]["Labels"] == {labels.PREFIX + "else": "kept"}

    def test_without_leave_a_role_is_only_compared(self) -> None:
        engine = swarm()
        decision = nodes.plan((by_name("w1", role="manager"), by_name("m1", role="manager")), engine.nodes())
        assert not decision.plan
        assert decision.plan.warnings[0] == (
            "node w1 is a worker and declared as a manager; it is left so (change_roles: true changes it)"
        )

    def test_a_manager_that_is_not_declared_keeps_its_role(self) -> None:
        """Fault 43: the inventory lacks a manager that is in the swarm."""
        engine = swarm()
        m2 = engine.add_node("m2", "192.0.2.12", role="manager")
        items = tuple(by_name(name, role="manager" if name == "m1" else "worker") for name in NAMES)
        decision = nodes.plan(items, engine.nodes(), nodes.EXACT, True, change_roles=True)
        assert not decision.plan
        assert [found["id"] for found in decision.undeclared] == [m2]
        assert decision.plan.warnings == (
            "the swarm has nodes that are not declared, and they are left as they are: m2 (%s, ready)" % m2,
        )

    def test_the_drained_nodes_are_those_that_are_declared_so(self) -> None:
        engine = swarm()
        bring(engine, (by_name("w1", availability="drain"), by_name("w2", availability="drain")))
        items = (by_name("w1"), by_name("w2", availability="drain"), by_name("w3", availability="drain"))
        assert nodes.plan(items, engine.nodes()).drained == {node(engine, name)["ID"]: name for name in ("w2", "w3")}

    def test_nodes_that_are_not_declared_are_reported(self) -> None:
        engine = swarm()
        decision = nodes.plan(tuple(by_name(name) for name in ("m1", "w2", "w3")), engine.nodes())
        w1 = node(engine, "w1")["ID"]
        assert decision.undeclared == (
            {
                "id": w1,
                "name": "w1",
                "address": "192.0.2.21",
                "role": "worker",
                "availability": "active",
                "labels": {},
                "state": "ready",
            },
        )
        assert decision.plan.warnings == (
            "the swarm has nodes that are not declared, and they are left as they are: w1 (%s, ready)" % w1,
        )

    def test_nothing_is_reported_when_all_are_declared(self) -> None:
        decision = nodes.plan(tuple(by_name(name) for name in NAMES), swarm().nodes())
        assert decision.plan.warnings == ()
        assert [found["name"] for found in decision.nodes] == sorted(NAMES)

    def test_two_nodes_of_one_name_are_told_apart_in_the_plan(self) -> None:
        engine = swarm()
        twin = engine.add_node("w1", "192.0.2.31")
        items = tuple(nodes.Item("id", found, {"a": "b"}) for found in (twin, node(engine, "w1")["ID"]))
        assert len({step.name for step in nodes.plan(items, engine.nodes()).plan}) == 2


class TestMatching:
    def test_by_id_name_and_address(self) -> None:
        engine = swarm()
        items = (
            nodes.Item("id", node(engine, "w1")["ID"], {"n": "1"}),
            nodes.Item("name", "w2", {"n": "2"}),
            nodes.Item("address", "192.0.2.23", {"n": "3"}),
        )
        bring(engine, items)
        assert [labels_of(engine, name) for name in ("w1", "w2", "w3")] == [{"n": "1"}, {"n": "2"}, {"n": "3"}]

    @pytest.mark.parametrize(
        ("status", "manager", "expected"),
        [
            ("192.0.2.1", None, {"192.0.2.1"}),
            ("0.0.0.0", "192.0.2.1:2377", {"192.0.2.1"}),  # noqa: S104 - what an engine says, nothing is bound
            ("2001:0db8::1", "[2001:db8::1]:2377", {"2001:db8::1"}),
            ("", "", set()),
            (None, None, set()),
        ],
    )
    def test_addresses(self, status: str | None, manager: str | None, expected: set[str]) -> None:
        found = {"Status": {"Addr": status}, "ManagerStatus": {"Addr": manager} if manager is not None else None}
        assert nodes.addresses(found) == expected

    @pytest.mark.parametrize(("by", "value"), [("id", "m0"), ("name", "w"), ("name", "W1"), ("address", "192.0.2.2")])
    def test_a_node_that_is_not_there(self, by: str, value: str) -> None:
        with pytest.raises(DeclarationError) as caught:
            nodes.plan((nodes.Item(by, value, {"a": "b"}),), swarm().nodes())
        (told,) = caught.value.problems
        assert told.startswith("the node with the %s %s is not in the swarm; in it are: m1 (id m0" % (by, value))
        assert "w3 (id " in told
        assert ", 192.0.2.23, ready)" in told

    def test_an_ambiguous_name(self) -> None:
        engine = swarm()
        engine.add_node("w1", "192.0.2.31")
        with pytest.raises(DeclarationError) as caught:
            nodes.plan((by_name("w1", {}),), engine.nodes())
        (told,) = caught.value.problems
        assert told.startswith("the node with the name w1 is not one node but 2: w1 (id ")
        assert told.endswith("Declare it by its id, or remove the one that is gone")

    def test_one_node_declared_twice(self) -> None:
        items = (by_name("w1", {}), nodes.Item("address", "192.0.2.21", {}))
        with pytest.raises(DeclarationError, match=r"address 192.0.2.21 is declared more than once: w1 \(id"):
            nodes.plan(items, swarm().nodes())

    def test_every_problem_is_named(self) -> None:
        with pytest.raises(DeclarationError) as caught:
            nodes.plan((by_name("x"), by_name("y"), by_name("w1")), swarm().nodes())
        assert len(caught.value.problems) == 2


class TestDeclared:
    def test_good_items(self) -> None:
        assert nodes.declared(
            [
                {"id": "abc", "name": None, "labels": {"a": ""}, "availability": "drain", "role": "worker"},
                {"name": "w1"},
                {"address": "2001:0DB8::1", "labels": {}},
            ]
        ) == (
            nodes.Item("id", "abc", {"a": ""}, "drain", "worker"),
            nodes.Item("name", "w1"),
            nodes.Item("address", "2001:db8::1", {}),
        )

    @pytest.mark.parametrize(
        ("item", "problem"),
        [
            ({}, "nodes[0]: give exactly one of id, name and address"),
            ({"id": "a", "name": "b"}, "nodes[0] (a): give exactly one of id, name and address"),
            ({"name": ""}, "nodes[0]: name is not a string (or empty)"),
            ({"name": 7}, "nodes[0]: name is not a string (or empty)"),
            ({"address": "w1"}, "nodes[0] (w1): address: 'w1' is no IP address"),
            ({"address": "192.0.2.1/24"}, "nodes[0] (192.0.2.1/24): address: '192.0.2.1/24' is no IP address"),
            (
                {"name": "w1", "labels": {"monitoring": True}},
                'nodes[0] (w1): labels.monitoring is the boolean true, not a string: write it in quotes, "true"',
            ),
            ({"name": "w1", "labels": ["a"]}, "nodes[0] (w1): labels is not a dictionary"),
            ({"name": "w1", "availability": "up"}, "nodes[0] (w1): availability: 'up' is none of active, pause, drain"),
            ({"name": "w1", "role": "leader"}, "nodes[0] (w1): role: 'leader' is none of manager, worker"),
        ],
    )
    def test_bad_items(self, item: dict[str, Any], problem: str) -> None:
        with pytest.raises(DeclarationError) as caught:
            nodes.declared([item])
        (told,) = caught.value.problems
        assert told.startswith(problem)

    def test_every_problem_is_named(self) -> None:
        with pytest.raises(DeclarationError) as caught:
            nodes.declared([{}, {"name": "w1", "labels": {"a": 1, "b": None}}])
        assert len(caught.value.problems) == 3
