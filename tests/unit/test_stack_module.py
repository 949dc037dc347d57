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
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import (
    client,
    errors,
    rollout,
    stack_cli,
    stack_flow,
    stack_removal,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.releases import About, Recorder
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.revert import Reverted
from ansible_collections.flotilla.swarm.plugins.modules import swarm_stack
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

PLAN = Plan((Step("update", "service", "t_app", (Difference("image", "app:v1", "app:v2"),)),), ("mind this",))
SOURCES = [{"path": "s.yml", "content": "services: {app: {image: x}}"}]


class Runner:
    """Runs the module to its end.

    Attributes:
        outcome: what a deployment comes to.
        requests: what the module asked deployments for.
        removals: the same for removals: stack, owner, deadline, check mode.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.outcome: rollout.Outcome | Exception = rollout.Outcome(PLAN)
        self.requests: list[stack_cli.Request] = []
        self.recorders: list[Recorder] = []
        self.removals: list[tuple[Any, ...]] = []
        self._capsys = capsys
        runner = self

        class Deployment:
            def __init__(self, request: stack_cli.Request, _engine: object, _cli: object, recorder: Recorder) -> None:
                runner.requests.append(request)
                runner.recorders.append(recorder)

            def run(self) -> rollout.Outcome:
                return runner.end()

        class Removal:
            def __init__(self, stack: str, owner: str, _engine: client.Engine, deadline: float | None) -> None:
                self.asked = (stack, owner, deadline)

            def run(self, check_mode: bool) -> Plan:
                runner.removals.append((*self.asked, check_mode))
                return runner.end().plan

        monkeypatch.setattr(client, "connect", lambda _socket: MemoryEngine())
        monkeypatch.setattr(stack_flow, "Deployment", Deployment)
        monkeypatch.setattr(stack_removal, "Removal", Removal)

    def end(self) -> rollout.Outcome:
        outcome = self.outcome
        if isinstance(outcome, Exception):
            raise outcome  # pylint: disable=raising-non-exception  # it can't see the check above
        return outcome

    def run(self, **options: Any) -> Mapping[str, Any]:
        with patch_module_args({"name": "t", **options}), pytest.raises(SystemExit):
            swarm_stack.main()
        result: Mapping[str, Any] = json.loads(self._capsys.readouterr().out)
        return result


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(monkeypatch, capsys)


def judged(state: str, reverted: Reverted | None = None) -> rollout.Outcome:
    failure = (
        None if state in verdict.GOOD else verdict.TaskFailure("task1", "w1", "failed", "task: non-zero exit (3)", 3)
    )
    return rollout.Outcome(PLAN, (verdict.Verdict("t_app", state, "why", 1, 1, failure),), reverted)


def test_a_good_end_returns_plan_diff_and_verdicts(runner: Runner) -> None:
    runner.outcome = judged(verdict.CONVERGED)
    result = runner.run(files=["s.yml"], sources=SOURCES, variables={"V": "1"})
    assert result["changed"] is True
    assert [item["state"] for item in result["verdicts"]] == ["converged"]
    assert result["diff"]["after"] == {"service t_app": {"image": "app:v2"}}
    assert "reverted" not in result


def test_every_option_reaches_the_deployment(runner: Runner) -> None:
    runner.run(files=["s.yml"], sources=SOURCES, variables={"V": "1"})
    sources = {"s.yml": SOURCES[0]["content"]}
    assert runner.requests[-1] == stack_cli.Request("t", ["s.yml"], sources, {"V": "1"})
    runner.run(
        files=["s.yml"],
        sources=SOURCES,
        prune=True,
        with_registry_auth=True,
        resolve_images=False,
        adopt=True,
        on_failure="keep",
        deadline=30,
        stable_for=5,
        owner="somebody",
    )
    assert runner.requests[-1] == stack_cli.Request(
        "t",
        ["s.yml"],
        sources,
        {},
        prune=True,
        with_registry_auth=True,
        resolve_images=False,
        adopt=True,
        revert=False,
        deadline=30,
        stable_cap=5,
        owner="somebody",
    )
    runner.run(files=["s.yml"], sources=SOURCES, _ansible_check_mode=True)
    assert runner.requests[-1].check_mode is True


@pytest.mark.parametrize("state", sorted(set(verdict.STATES) - set(verdict.GOOD)))
def test_any_other_verdict_fails_with_the_story_and_still_says_what_was_changed(runner: Runner, state: str) -> None:
    runner.outcome = judged(state)
    result = runner.run(sources=SOURCES)
    assert result["failed"] is True
    assert result["changed"] is True
    assert "t_app: %s (1/1): why" % state in result["msg"]
    assert "task task1 on w1 failed with exit code 3: task: non-zero exit (3)" in result["msg"]
    assert result["verdicts"][0]["failure"]["exit_code"] == 3
    assert "reverted" not in result


def test_what_was_taken_back_is_returned_and_told(runner: Runner) -> None:
    runner.outcome = judged(verdict.CRASHED, Reverted(("t_app",), ("t_new",), ("t_db: no leader",)))
    result = runner.run(sources=SOURCES)
    assert result["reverted"] == {"back": ["t_app"], "removed": ["t_new"], "stuck": ["t_db: no leader"]}
    assert result["msg"].splitlines()[-3:] == [
        "  Taken back to what they were before: t_app.",
        "  Removed again, since they were new: t_new.",
        "  Not taken back: t_db: no leader",
    ]


def test_the_run_is_a_release(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    abouts: list[About] = []

    class Kept(Recorder):
        def __init__(self, engine: client.Engine, about: About) -> None:
            super().__init__(engine, about)
            abouts.append(about)
            self.number = 7
            self.pruned = ["t.release.1"]

    monkeypatch.setattr(swarm_stack, "Recorder", Kept)
    result = runner.run(sources=SOURCES, who="ada", when="today", keep_releases=3, owner="somebody")
    assert abouts == [About("t", "somebody", who="ada", when="today", keep=3)]
    assert isinstance(runner.recorders[-1], Kept)
    assert (result["release"], result["pruned"]) == (7, ["t.release.1"])


def test_too_few_releases_are_refused_before_anything_is_read(runner: Runner) -> None:
    result = runner.run(sources=SOURCES, keep_releases=1)
    assert result["failed"] is True
    assert "keep_releases: 1 is too few" in result["msg"]
    assert runner.requests == []


@pytest.mark.parametrize("state", ["present", "absent"])
def test_an_empty_owner_is_refused(runner: Runner, state: str) -> None:
    result = runner.run(state=state, sources=SOURCES, owner="")
    assert "owner is empty" in result["msg"]
    assert (runner.requests, runner.removals) == ([], [])


def test_a_late_or_refused_deployment_fails(runner: Runner) -> None:
    runner.outcome = errors.DeadlineExceeded("an update was still in flight")
    assert runner.run(sources=SOURCES)["error"] == "DeadlineExceeded"
    runner.outcome = errors.NotAManager("This node is not a swarm manager.")
    assert "Run it on a manager" in runner.run(state="absent")["msg"]


def test_present_needs_sources_and_absent_does_not(runner: Runner) -> None:
    assert "sources" in runner.run()["msg"]
    assert runner.requests == []
    assert runner.run(state="absent")["changed"] is True
    runner.run(state="absent", owner="somebody", deadline=20, _ansible_check_mode=True)
    assert runner.removals == [("t", "flotilla", None, False), ("t", "somebody", 20, True)]
    assert runner.requests == []
