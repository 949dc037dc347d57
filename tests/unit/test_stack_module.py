# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module swarm_stack as Ansible runs it: its options, and what it returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._core import verdict
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import Difference, Plan, Step
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client, errors, stack_cli, stack_flow
from ansible_collections.flotilla.swarm.plugins.modules import swarm_stack
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

PLAN = Plan((Step("update", "service", "t_app", (Difference("image", "app:v1", "app:v2"),)),), ("mind this",))
SOURCES = [{"path": "s.yml", "content": "services: {app: {image: x}}"}]


class Runner:
    """Runs the module to its end; ``requests`` are what it asked a deployment for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.outcome: stack_flow.Outcome | Exception = stack_flow.Outcome(PLAN)
        self.requests: list[stack_cli.Request] = []
        self._capsys = capsys
        runner = self

        class Deployment:
            def __init__(self, request: stack_cli.Request, *_collaborators: object) -> None:
                runner.requests.append(request)

            def present(self) -> stack_flow.Outcome:
                outcome = runner.outcome
                if isinstance(outcome, Exception):
                    raise outcome  # pylint: disable=raising-non-exception  # it can't see the check above
                return outcome

            absent = present

        monkeypatch.setattr(client, "connect", lambda _socket: MemoryEngine())
        monkeypatch.setattr(stack_flow, "Deployment", Deployment)

    def run(self, **options: Any) -> Mapping[str, Any]:
        with patch_module_args({"name": "t", **options}), pytest.raises(SystemExit):
            swarm_stack.main()
        result: Mapping[str, Any] = json.loads(self._capsys.readouterr().out)
        return result


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(monkeypatch, capsys)


def judged(state: str) -> stack_flow.Outcome:
    failure = (
        None if state in verdict.GOOD else verdict.TaskFailure("task1", "w1", "failed", "task: non-zero exit (3)", 3)
    )
    return stack_flow.Outcome(PLAN, (verdict.Verdict("t_app", state, "why", 1, 1, failure),))


def test_a_good_end_returns_plan_diff_and_verdicts(runner: Runner) -> None:
    runner.outcome = judged(verdict.CONVERGED)
    result = runner.run(files=["s.yml"], sources=SOURCES, variables={"V": "1"}, deadline=30, prune=True)
    assert result["changed"] is True
    assert [item["state"] for item in result["verdicts"]] == ["converged"]
    assert result["diff"]["after"] == {"service t_app": {"image": "app:v2"}}
    (request,) = runner.requests
    assert (request.stack, request.deadline, request.prune, request.stable_cap) == ("t", 30, True, 60)
    assert request.sources == {"s.yml": SOURCES[0]["content"]}


@pytest.mark.parametrize("state", sorted(set(verdict.STATES) - set(verdict.GOOD)))
def test_any_other_verdict_fails_with_the_story_and_still_says_what_was_changed(runner: Runner, state: str) -> None:
    runner.outcome = judged(state)
    result = runner.run(sources=SOURCES)
    assert result["failed"] is True
    assert result["changed"] is True
    assert "t_app: %s (1/1): why" % state in result["msg"]
    assert "task task1 on w1 failed with exit code 3: task: non-zero exit (3)" in result["msg"]
    assert result["verdicts"][0]["failure"]["exit_code"] == 3


def test_a_late_or_refused_deployment_fails(runner: Runner) -> None:
    runner.outcome = errors.DeadlineExceeded("an update was still in flight")
    assert runner.run(sources=SOURCES)["error"] == "DeadlineExceeded"
    runner.outcome = errors.NotAManager("This node is not a swarm manager.")
    assert "Run it on a manager" in runner.run(state="absent")["msg"]


def test_present_needs_sources_and_absent_does_not(runner: Runner) -> None:
    assert "sources" in runner.run()["msg"]
    assert runner.requests == []
    assert runner.run(state="absent")["changed"] is True
    assert runner.requests[0].deadline is None
