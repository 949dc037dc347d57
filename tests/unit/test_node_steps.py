# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of roles on an engine that carries them out later, as a real one does."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import nodes
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import node_steps
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import Outcome, converge
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import DeadlineExceeded, NoQuorum
from ansible_collections.flotilla.swarm.tests.support.memory_engine import Json, MemoryEngine


class SlowRaft(MemoryEngine):
    """An engine whose raft follows a change of role after two more looks; ``stuck``: never."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck = False
        self.leaderless = 0
        self._waiting: list[tuple[int, Json, str]] = []
        self.m2 = self.add_node("m2", "192.0.2.12", role="manager")
        self.m3 = self.add_node("m3", "192.0.2.13", role="manager")
        self.w1 = self.add_node("w1", "192.0.2.21")

    def _change_role(self, node: Json, role: str) -> None:
        self._waiting.append((2, node, role))

    def nodes(self) -> list[Json]:
        if self._waiting and self.leaderless:
            self.leaderless -= 1
            raise NoQuorum("The swarm does not have a leader.")
        if not self.stuck:
            due = [(node, role) for looks, node, role in self._waiting if not looks]
            self._waiting = [(looks - 1, node, role) for looks, node, role in self._waiting if looks]
            for node, role in due:
                super()._change_role(node, role)
        return super().nodes()


@pytest.fixture
def raft(monkeypatch: pytest.MonkeyPatch) -> SlowRaft:
    monkeypatch.setattr(node_steps, "POLL", 0.001)
    return SlowRaft()


def bring(engine: MemoryEngine, **roles: str) -> Outcome[nodes.Decision]:
    items = [nodes.Item("name", name, role=role) for name, role in roles.items()]
    return converge(
        lambda source: source.nodes(),
        lambda seen: nodes.plan(items, seen, change_roles=True, asked=engine.node_id),
        engine,
    )


def managers(engine: MemoryEngine) -> set[str]:
    return {node["Description"]["Hostname"] for node in engine.nodes() if "ManagerStatus" in node}


def test_each_step_is_carried_out_before_the_next(raft: SlowRaft) -> None:
    seen: list[set[str]] = []
    update = raft.update_node

    def watch(node_id: str, version: int, spec: Json) -> None:
        seen.append(managers(raft))
        update(node_id, version, spec)

    raft.update_node = watch  # type: ignore[method-assign]
    bring(raft, m2="worker", m3="worker", w1="manager")
    assert seen == [{"m1", "m2", "m3"}, {"m1", "m2", "m3", "w1"}, {"m1", "m3", "w1"}]
    assert managers(raft) == {"m1", "w1"}


def test_a_raft_that_changes_may_be_without_a_leader_for_a_moment(raft: SlowRaft) -> None:
    raft.leaderless = 3
    bring(raft, w1="manager")
    assert managers(raft) == {"m1", "m2", "m3", "w1"}


def test_a_stale_node_is_planned_again_and_promoted_once(raft: SlowRaft) -> None:
    raft.before("update_node", lambda: raft._touch(raft._objects["node"][raft.w1]))
    outcome = bring(raft, w1="manager")
    assert [step.name for step in outcome.plan] == ["w1"]
    assert raft.calls.count("update_node") == 2


NOT_PROMOTED = (
    "node w1 was promoted and is no reachable manager after 0.01 s (not in the raft): check that it and the other "
    "managers reach each other on port 2377, and read `journalctl -u docker` on it"
)
NOT_DEMOTED = (
    "the raft did not let go of manager m2 within 0.01 s (reachable): check the managers' quorum (`docker node ls`), "
    "and run again"
)


@pytest.mark.parametrize(("roles", "told"), [({"w1": "manager"}, NOT_PROMOTED), ({"m2": "worker"}, NOT_DEMOTED)])
def test_what_is_not_carried_out_is_named_with_the_mend_and_nothing_follows(
    raft: SlowRaft, monkeypatch: pytest.MonkeyPatch, roles: dict[str, str], told: str
) -> None:
    monkeypatch.setattr(node_steps, "PROMOTION", 0.01)
    monkeypatch.setattr(node_steps, "DEMOTION", 0.01)
    raft.stuck = True
    with pytest.raises(DeadlineExceeded) as late:
        bring(raft, **roles, m3="worker")
    assert str(late.value) == told
    assert raft.calls.count("update_node") == 1


def test_a_leader_that_does_not_come_back_is_told(raft: SlowRaft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_steps, "DEMOTION", 0.01)
    raft.leaderless = 10_000
    with pytest.raises(DeadlineExceeded, match=r"within 0.01 s \(The swarm does not have a leader.\)"):
        bring(raft, m2="worker")


def test_a_node_that_somebody_removes_meanwhile(raft: SlowRaft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_steps, "PROMOTION", 0.01)

    def remove(node_id: str) -> Any:
        return lambda: raft.before("nodes", lambda: raft._objects["node"].pop(node_id))

    raft.stuck = True
    raft.before("update_node", remove(raft.w1))
    with pytest.raises(DeadlineExceeded, match=r"after 0.01 s \(no longer in the swarm\)"):
        bring(raft, w1="manager")
    raft.before("update_node", remove(raft.m2))
    assert bring(raft, m2="worker").plan
