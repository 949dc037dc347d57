# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drained nodes: which tasks are left, how long they are waited for, and what is said."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import drain as core
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import drain
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import DeadlineExceeded, NoQuorum
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine


class Nodes(MemoryEngine):
    """Two drained workers, w1 and w2, and an active one, w3."""

    def __init__(self) -> None:
        super().__init__()
        ids = [self.add_node("w%d" % number, "192.0.2.2%d" % number, Availability="drain") for number in (1, 2)]
        self.w1, self.w2 = ids
        self.w3 = self.add_node("w3", "192.0.2.23")
        self.app = self.create_service({"Name": "app"})
        self.backup = self.create_service({"Name": "backup"})
        self.calls.clear()

    @property
    def drained(self) -> dict[str, str]:
        return {self.w1: "w1", self.w2: "w2"}

    def run(self, node_id: str, state: str = "running", desired: str = "shutdown", **more: Any) -> None:
        task = {"NodeID": node_id, "ServiceID": self.app, "Status": {"State": state}, "DesiredState": desired, **more}
        self.task_list.append({"ID": "t%d" % len(self.task_list), **task})

    def end(self) -> None:
        """Every task on a drained node ends."""
        for task in self.task_list:
            if task["NodeID"] in self.drained:
                task["Status"]["State"] = "shutdown"


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    monkeypatch.setattr(drain, "POLL", 0.001)
    return Nodes()


def test_where_nothing_is_left_it_is_one_request(nodes: Nodes) -> None:
    nodes.run(nodes.w1, "complete", "complete")
    nodes.run(nodes.w3, "running", "running")
    assert drain.wait_drained(nodes, nodes.drained, 60) == []
    assert nodes.calls == ["tasks"]


@pytest.mark.parametrize(("drained", "deadline"), [(False, 60.0), (True, 0.0)])
def test_without_nodes_or_a_deadline_nothing_is_asked(nodes: Nodes, drained: bool, deadline: float) -> None:
    nodes.run(nodes.w1)
    assert drain.wait_drained(nodes, nodes.drained if drained else {}, deadline) == []
    assert nodes.calls == []


@pytest.mark.parametrize("state", ["assigned", "accepted", "preparing", "ready", "starting", "running"])
@pytest.mark.parametrize("desired", ["running", "shutdown", "complete", "remove"])
def test_it_waits_while_a_task_holds_a_container_whatever_it_should_do(nodes: Nodes, state: str, desired: str) -> None:
    nodes.run(nodes.w1, state, desired)
    nodes.before("nodes", lambda: nodes.before("nodes", nodes.end))
    assert drain.wait_drained(nodes, nodes.drained, 60) == []
    assert nodes.calls == ["tasks", "nodes", "tasks", "nodes", "tasks"]


@pytest.mark.parametrize(
    "state", ["new", "pending", "complete", "shutdown", "failed", "rejected", "remove", "orphaned"]
)
def test_a_task_without_a_container_is_not_waited_for(nodes: Nodes, state: str) -> None:
    nodes.run(nodes.w1, state, "running")
    assert drain.wait_drained(nodes, nodes.drained, 60) == []


def test_what_is_left_at_the_deadline_is_named_with_the_mend(nodes: Nodes) -> None:
    for _again in range(2):
        nodes.run(nodes.w1)
    nodes.run(nodes.w1, "starting")
    nodes.run(nodes.w2, desired="complete", ServiceID=nodes.backup, JobIteration={"Index": 7})
    nodes.run(nodes.w2, desired="remove", ServiceID="gone")
    nodes.run(nodes.w3, "running", "running")
    with pytest.raises(DeadlineExceeded) as late:
        drain.wait_drained(nodes, nodes.drained, 0.01)
    assert str(late.value) == (
        "drained, but after 0.01 s tasks are left on node w1: 2 x app (running), 1 x app (starting); "
        "node w2: 1 x backup (running, a job), 1 x the removed service gone (running). A task has its service's stop "
        "grace period to end, and a job's runs to its end: raise drain_deadline, or read `journalctl -u docker` there, "
        "and run again"
    )


def test_the_tasks_of_a_node_that_is_down_are_a_warning(nodes: Nodes) -> None:
    for _again in range(2):
        nodes.run(nodes.w1)
    nodes.lose_node(nodes.w1)
    (told,) = drain.wait_drained(nodes, nodes.drained, 60)
    assert told == (
        "node w1 is drained and down, and 2 of its tasks count as running until it is back or removed; that was not "
        "waited for"
    )


def test_a_node_that_goes_down_meanwhile_holds_nobody_up(nodes: Nodes) -> None:
    nodes.run(nodes.w1)
    nodes.before("nodes", lambda: nodes.before("nodes", lambda: nodes.lose_node(nodes.w1)))
    assert len(drain.wait_drained(nodes, nodes.drained, 60)) == 1


def test_the_others_are_waited_for_beside_a_node_that_is_down(nodes: Nodes) -> None:
    nodes.run(nodes.w1)
    nodes.run(nodes.w2)
    nodes.lose_node(nodes.w1)
    with pytest.raises(DeadlineExceeded) as late:
        drain.wait_drained(nodes, nodes.drained, 0.01)
    assert "left on node w2: 1 x app" in str(late.value)
    assert "w1" not in str(late.value)


def test_a_swarm_that_can_not_be_read_is_not_taken_for_empty(nodes: Nodes) -> None:
    nodes.quorum = False
    with pytest.raises(NoQuorum):
        drain.wait_drained(nodes, nodes.drained, 60)


@pytest.mark.parametrize("seconds", [-1, -0.5, float("nan"), float("inf")])
def test_a_deadline_that_is_none(seconds: float) -> None:
    with pytest.raises(DeclarationError, match=r"drain_deadline is .*: give seconds, or 0 not to wait"):
        core.checked_deadline(seconds)
    assert core.checked_deadline(0) == 0
