# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a swarm, and the module that waits until nothing is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._core import health, snapshot
from ansible_collections.flotilla.swarm.plugins.module_utils._core.health import Expectations
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.observe import observe
from ansible_collections.flotilla.swarm.plugins.modules import swarm_health
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

ALL = Expectations(managers=3, workers=2, manager_availability="drain", stacks=("app",))


def healthy() -> dict[str, Any]:
    """The snapshot of three drained managers, two workers and one stack."""

    def node(name: str, role: str) -> dict[str, Any]:
        return {
            "id": "id-" + name,
            "name": name,
            "role": role,
            "availability": "drain" if role == "manager" else "active",
            "state": "ready",
            "reachability": "reachable" if role == "manager" else None,
        }

    def service(name: str, stack: str = "app") -> dict[str, Any]:
        return {"name": name, "stack": stack, "state": "converged", "running": 2, "desired": 2, "reason": "2 of 2"}

    return {
        "quorum": {"managers": 3, "reachable": 3, "needed": 2, "leaders": ["m1"]},
        "nodes": [node(name, "manager" if name[0] == "m" else "worker") for name in ("m1", "m2", "m3", "w1", "w2")],
        "services": [service("app_web"), service("app_db"), service("other", "")],
    }


def examined(expected: Expectations = ALL, **changes: Callable[[dict[str, Any]], Any]) -> health.Health:
    taken = healthy()
    for part, change in changes.items():
        change(taken[part])
    return health.examine(taken, expected)


def away(index: int) -> Callable[[dict[str, Any]], Any]:
    """The manager of that index is unreachable."""
    return lambda nodes: nodes[index].update(reachability="unreachable", state="down")


def test_nothing_is_wrong_with_a_healthy_swarm() -> None:
    assert examined() == health.Health(())
    assert examined(Expectations()) == health.Health(())


@pytest.mark.parametrize(("leaders", "said"), [([], "there are 0"), (["m1", "m2"], r"there are 2 \(m1, m2\)")])
def test_there_must_be_one_leader_whatever_is_expected(leaders: list[str], said: str) -> None:
    (problem,) = examined(Expectations(), quorum=lambda quorum: quorum.update(leaders=leaders)).problems
    assert problem == "there must be one leader, and %s" % said.replace("\\", "")


def test_a_manager_that_is_missing_is_named() -> None:
    found = examined(nodes=away(2), quorum=lambda quorum: quorum.update(reachable=2))
    assert found.problems == ("managers expected: 3, reachable: 2 (m3: unreachable)",)


def test_a_lost_quorum_is_said() -> None:
    found = examined(Expectations(managers=1), quorum=lambda quorum: quorum.update(reachable=1))
    assert found.problems == ("1 of 3 managers are reachable, and 2 are needed for a quorum",)


def test_a_replaced_manager_is_a_warning_once_enough_others_are_there() -> None:
    found = examined(Expectations(managers=2), nodes=away(2), quorum=lambda quorum: quorum.update(reachable=2))
    assert found.problems == ()
    assert "docker node demote id-m3" in found.warnings[0]


def test_availability_is_expected_of_managers_that_are_there() -> None:
    found = examined(nodes=lambda nodes: nodes[0].update(availability="active"))
    assert found.problems == ("the manager m1 is active, and drain is expected",)


def test_workers_are_counted_and_those_that_are_down_named() -> None:
    found = examined(nodes=lambda nodes: nodes[4].update(state="down"))
    assert found.problems == ("workers expected: 2, ready: 1 (w2: down)",)
    assert "docker node rm id-w2" in found.warnings[0]


def test_a_manager_that_must_be_there_must_be_reachable() -> None:
    expected = Expectations(managers=1, node_ids=("id-m2", "id-w1"))
    assert examined(expected).problems == ()

    def silent(nodes: list[dict[str, Any]]) -> None:
        nodes[1]["reachability"] = "unreachable"

    assert examined(expected, nodes=silent).problems == ("the manager m2 is ready, and its raft is unreachable",)


def test_nodes_that_must_be_ready() -> None:
    expected = Expectations(node_ids=("id-w1", "id-w2", "gone"))
    found = examined(expected, nodes=lambda nodes: nodes[3].update(state="down"))
    assert found.problems == ("the node w1 is down", "the node gone is not in the swarm")


def test_each_service_of_a_named_stack_must_run() -> None:
    crashed = {"state": "crashed", "running": 1, "reason": "2 failed tasks"}
    found = examined(services=lambda services: (services[0].update(crashed), services[2].update(crashed)))
    assert found.problems == ("app_web: crashed (1/2): 2 failed tasks",)
    assert examined(Expectations(stacks=("none",))).problems == ("the stack none has no service",)


def test_a_finished_job_is_well() -> None:
    assert not examined(services=lambda services: services[0].update(state="job_complete")).problems


def test_after_a_rollback_the_previous_version_is_well_while_it_runs() -> None:
    found = examined(services=lambda services: services[0].update(state="rolled_back"))
    assert found.problems == ()
    assert found.warnings == ("app_web runs its previous version: its last update was rolled back",)
    found = examined(services=lambda services: services[0].update(state="rolled_back", running=1))
    assert found.problems == ("app_web: rolled_back (1/2): 2 of 2",)


def test_a_real_snapshot_is_examined(engine: MemoryEngine) -> None:
    taken = snapshot.take(observe(engine))
    assert health.examine(taken, Expectations(managers=1)).problems == ()
    assert health.examine(taken, ALL).problems


# --- The module -------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, Any]]:
    monkeypatch.setattr(client, "connect", lambda _socket: engine)
    monkeypatch.setattr(swarm_health, "INTERVAL", 0.01)

    def run_module(**options: Any) -> dict[str, Any]:
        with patch_module_args(options), pytest.raises(SystemExit):
            swarm_health.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run_module


def test_the_module_waits_until_the_swarm_is_healthy(engine: MemoryEngine, run: Callable[..., dict[str, Any]]) -> None:
    # At the second look, not at the first.
    engine.before("nodes", lambda: engine.before("nodes", lambda: engine.add_node("w1", "192.0.2.21")))
    result = run(managers=1, workers=1, deadline=5)
    assert not result.get("failed")
    assert not result["changed"]
    assert result["problems"] == []
    assert result["quorum"]["leader"] == "m1"
    assert engine.calls.count("nodes") == 2


def test_it_fails_with_every_problem_at_the_deadline(run: Callable[..., dict[str, Any]]) -> None:
    result = run(managers=3, workers=5, stacks=["app"], deadline=0)
    assert result["failed"]
    assert len(result["problems"]) == 3
    assert all(problem in result["msg"] for problem in result["problems"])


def test_an_election_is_waited_for(engine: MemoryEngine, run: Callable[..., dict[str, Any]]) -> None:
    def elect() -> None:
        engine.quorum = True

    engine.quorum = False
    engine.before("swarm_inspect", lambda: engine.before("swarm_inspect", elect))
    assert not run(deadline=5).get("failed")
    assert engine.calls.count("swarm_inspect") == 2
    engine.quorum = False
    result = run(deadline=0)
    assert "no quorum" in result["msg"]
    assert result["quorum"] == {}
