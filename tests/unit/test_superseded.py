# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of hosts that were installed anew: found exactly, and nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import nodes
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import Outcome, converge
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

ADDRESS = "192.0.2.12"


def bring(engine: MemoryEngine, node_id: str, *, by: str = "id", remove: bool = True) -> Outcome[nodes.Decision]:
    items = [nodes.Item(by, node_id)]
    return converge(lambda source: source.nodes(), lambda seen: nodes.plan(items, seen, nodes.MERGE, remove), engine)


def ids(engine: MemoryEngine) -> set[str]:
    return {node["ID"] for node in engine.nodes()}


def reinstalled(role: str = "manager") -> tuple[MemoryEngine, str, str]:
    """A swarm in which m2 was lost and joined again: the engine, the old ID and the new one."""
    engine = MemoryEngine()
    old = engine.add_node("m2", ADDRESS, role=role)
    engine.lose_node(old)
    return engine, old, engine.add_node("m2", ADDRESS, role=role)


def test_a_manager_is_demoted_and_removed() -> None:
    engine, old, new = reinstalled()
    outcome = bring(engine, new)
    assert [(step.action, step.name) for step in outcome.plan] == [("update", f"m2 ({old})"), ("remove", f"m2 ({old})")]
    assert old not in ids(engine)
    assert old not in {node["id"] for node in outcome.decision.undeclared}
    assert not bring(engine, new).plan


def test_what_is_left_goes_before_roles_change_and_counts_no_more() -> None:
    engine, old, new = reinstalled()
    m3 = engine.add_node("m3", "192.0.2.13", role="manager")
    w1 = engine.add_node("w1", "192.0.2.21")
    engine.add_node("w2", "192.0.2.22")
    items = [
        nodes.Item("id", new, role="worker"),
        nodes.Item("id", m3, role="worker"),
        nodes.Item("id", w1, role="manager"),
        nodes.Item("name", "w2", {"a": "b"}),
    ]
    decision = nodes.plan(items, engine.nodes(), remove_superseded=True, change_roles=True, asked=engine.node_id)
    assert [(step.action, step.payload["id"]) for step in decision.plan] == [
        ("update", decision.nodes[-1]["id"]),
        ("update", old),
        ("remove", old),
        ("update", w1),
        ("update", new),
        ("update", m3),
    ]


def test_a_worker_is_only_removed() -> None:
    engine, old, new = reinstalled("worker")
    assert [step.action for step in bring(engine, new).plan] == ["remove"]
    assert old not in ids(engine)


def test_it_is_left_alone_unless_asked_for() -> None:
    engine, old, new = reinstalled()
    outcome = bring(engine, new, remove=False)
    assert not outcome.plan
    assert [node["id"] for node in outcome.decision.undeclared if node["name"] == "m2"] == [old]


@pytest.mark.parametrize(
    ("name", "address", "down"),
    [("m2", "192.0.2.99", True), ("m9", ADDRESS, True), ("m2", ADDRESS, False)],
    ids=["other address", "other name", "not down"],
)
def test_another_node_is_left_alone(name: str, address: str, down: bool) -> None:
    engine = MemoryEngine()
    other = engine.add_node(name, address)
    if down:
        engine.lose_node(other)
    new = engine.add_node("m2", ADDRESS)
    assert not bring(engine, new).plan
    assert other in ids(engine)


def test_a_declared_node_that_is_down_itself_proves_nothing() -> None:
    engine, old, new = reinstalled("worker")
    engine.lose_node(new)
    assert not bring(engine, new).plan
    assert ids(engine) >= {old, new}
