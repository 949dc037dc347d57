# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module swarm_nodes as Ansible runs it: roles and drains."""

from __future__ import annotations

import json
from typing import Any, Protocol

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client, drain
from ansible_collections.flotilla.swarm.plugins.modules import swarm_nodes
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

DRAINED = [{"name": "w1", "availability": "drain"}]


class Run(Protocol):
    """Runs the module to its end and returns its result."""

    def __call__(self, check_mode: bool = False, **options: Any) -> dict[str, Any]: ...


@pytest.fixture
def run(engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setattr(client, "connect", lambda _socket: engine)
    monkeypatch.setattr(drain, "POLL", 0.001)
    engine.add_node("m2", "192.0.2.12", role="manager")
    engine.add_node("m3", "192.0.2.13", role="manager")
    w1 = engine.add_node("w1", "192.0.2.21")
    engine.task_list = [{"NodeID": w1, "ServiceID": "s", "Status": {"State": "running"}, "DesiredState": "running"}]

    def called(check_mode: bool = False, **options: Any) -> dict[str, Any]:
        engine.calls.clear()
        with patch_module_args({**options, "_ansible_check_mode": check_mode}), pytest.raises(SystemExit):
            swarm_nodes.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return called


def end_tasks(engine: MemoryEngine) -> None:
    engine.task_list[0]["Status"]["State"] = "shutdown"


def test_roles_change_only_with_leave(run: Run) -> None:
    declared = [{"name": "w1", "role": "manager"}, {"name": "m2", "role": "worker"}]
    left = run(nodes=declared)
    assert left["changed"] is False
    predicted = run(check_mode=True, nodes=declared, change_roles=True)
    done = run(nodes=declared, change_roles=True)
    assert predicted["changed"] is done["changed"] is True
    assert predicted["plan"] == done["plan"]
    assert [step["name"] for step in done["plan"]] == ["w1", "m2"]
    assert done["diff"]["after"] == {"node w1": {"role": "manager"}, "node m2": {"role": "worker"}}
    assert {node["name"]: node["role"] for node in done["nodes"]} == {"w1": "manager", "m2": "worker"}
    assert run(nodes=declared, change_roles=True)["changed"] is False


def test_what_the_quorum_forbids_is_refused_before_anything(run: Run, engine: MemoryEngine) -> None:
    declared = [{"name": "w1", "role": "manager"}] + [{"name": name, "role": "worker"} for name in ("m1", "m2", "m3")]
    result = run(nodes=declared, change_roles=True)
    assert result["failed"] is True
    assert result["problems"] == [
        "node m1 can't be demoted: no manager would be left: let another node become a manager in a run before this one"
    ]
    assert engine.calls == ["info", "nodes"]


def test_the_manager_that_it_runs_on_is_not_demoted(run: Run) -> None:
    result = run(nodes=[{"name": "m1", "role": "worker"}], change_roles=True)
    assert result["problems"] == [
        "node m1 can't be demoted: it is the manager that this is asked of: ask another manager"
    ]


def test_a_drain_is_done_when_the_tasks_are_gone(run: Run, engine: MemoryEngine) -> None:
    engine.before("tasks", lambda: engine.before("tasks", lambda: end_tasks(engine)))
    assert run(nodes=DRAINED)["changed"] is True
    assert engine.calls == ["nodes", "update_node", "tasks", "nodes", "tasks"]
    assert run(nodes=DRAINED)["changed"] is False
    assert engine.calls == ["nodes", "tasks"]


def test_a_drain_that_does_not_end_fails_and_the_next_run_waits_again(run: Run, engine: MemoryEngine) -> None:
    late = run(nodes=DRAINED, drain_deadline=0.01)
    assert late["error"] == "DeadlineExceeded"
    assert "tasks are left on node w1" in late["msg"]
    assert late["msg"].endswith("(already done: update node w1)")
    assert "tasks are left on node w1" in run(nodes=DRAINED, drain_deadline=0.01)["msg"]
    engine.before("tasks", lambda: engine.before("tasks", lambda: end_tasks(engine)))
    assert run(nodes=DRAINED)["changed"] is False


def test_nothing_is_waited_for_in_check_mode_or_without_a_deadline(run: Run, engine: MemoryEngine) -> None:
    assert run(check_mode=True, nodes=DRAINED)["changed"] is True
    assert run(nodes=DRAINED, drain_deadline=0)["changed"] is True
    assert "tasks" not in engine.calls


def test_tasks_are_read_only_where_a_node_is_declared_drained(run: Run, engine: MemoryEngine) -> None:
    run(nodes=DRAINED, drain_deadline=0)
    run(nodes=[{"name": "w1", "labels": {"a": "b"}}, {"name": "m1", "availability": "active"}])
    assert engine.calls == ["nodes", "update_node"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"drain_deadline": -1}, "drain_deadline is -1: give seconds, or 0 not to wait"),
        ({"drain_deadline": "nan"}, "drain_deadline is nan"),
        ({"drain_deadline": "inf"}, "drain_deadline is inf"),
        ({"drain_deadline": "soon"}, "drain_deadline"),
        ({"change_roles": "perhaps"}, "change_roles"),
        ({"nodes": [{"name": "w1", "role": "leader"}]}, "role"),
        ({"nodes": [{"name": "w1", "labels": {"port": 80}}]}, "labels.port is the number 80, not a string"),
        ({"nodes": [{"name": "w1", "labels": {"empty": None}}]}, 'write "" for an empty value'),
        ({"nodes": [{"name": "w1", "availability": True}]}, "availability"),
    ],
)
def test_bad_input_is_refused_before_the_engine_is_asked(
    run: Run, engine: MemoryEngine, options: dict[str, Any], words: str
) -> None:
    result = run(**{"nodes": DRAINED, **options})
    assert result["failed"] is True
    assert words in result["msg"]
    assert engine.calls == []
