# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules swarm_restore and swarm_state_fetch: what they ask of the agent, and what they make of its answer."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._host import backup_agent, command
from ansible_collections.flotilla.swarm.plugins.modules import swarm_restore, swarm_state_fetch

FOUND = {"job": "vol", "snapshot": "aaaa1111", "taken": "2026-11-22T23:00:00Z", "node": "w1", "evidence": "3 files"}


@pytest.mark.parametrize(
    ("given", "words", "deadline"),
    [
        ({}, ["restore", "vol", "latest", "", "14400"], 14400),
        ({"host": "w1", "deadline": 90}, ["restore", "vol", "latest", "w1", "90"], 90),
    ],
)
def test_the_agent_ends_itself_long_before_it_is_killed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: dict[str, Any],
    words: list[str],
    deadline: int,
) -> None:
    asked: list[tuple[list[str], float]] = []

    def answer(arguments: list[str], seconds: float) -> dict[str, Any]:
        asked.append((arguments, seconds))
        return FOUND

    monkeypatch.setattr(backup_agent, "answer", answer)
    with patch_module_args({"job": "vol", **given}), pytest.raises(SystemExit):
        swarm_restore.main()
    assert json.loads(capsys.readouterr().out)["snapshot"] == "aaaa1111"
    ((passed, seconds),) = asked
    assert passed == words
    assert seconds - deadline >= 5 * command.GRACE  # restic alone has that before the agent cleans up


@pytest.mark.parametrize(
    ("program", "error", "said"),
    [
        # It has found out by itself that nothing was done, or has put that right.
        ("print('busy', file=sys.stderr); sys.exit(1)", "HostError", "busy"),
        ("sys.exit(2)", "HostError", "`restore vol latest  14400` failed with status 2"),
        ("print('a mixture', file=sys.stderr); sys.exit(3)", "CutShort", "a mixture"),
        ("print('ended', file=sys.stderr); sys.exit(143)", "CutShort", "ended"),
        ("os.kill(os.getpid(), 9)", "CutShort", "`restore vol latest  14400` failed with status -9"),
        ("time.sleep(60)", "CutShort", "has not ended within 1 s"),
    ],
)
def test_what_may_be_half_done_is_told_from_what_is_not(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    program: str,
    error: str,
    said: str,
) -> None:
    agent = tmp_path / "agent.py"
    agent.write_text("import os, sys, time\n%s\n" % program, encoding="utf-8")
    whole = backup_agent.answer
    monkeypatch.setattr(
        backup_agent, "answer", lambda words, seconds: whole(words, 1 if "sleep" in program else seconds, agent)
    )
    with patch_module_args({"job": "vol"}), pytest.raises(SystemExit):
        swarm_restore.main()
    found = json.loads(capsys.readouterr().out)
    assert (found["failed"], found["error"]) == (True, error)
    assert said in found["msg"]


@pytest.mark.parametrize("module", [swarm_restore, swarm_state_fetch])
def test_how_old_it_was_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: Any
) -> None:
    monkeypatch.setattr(
        backup_agent, "answer", lambda _words, _seconds: {**FOUND, "metadata": {"taken": FOUND["taken"]}}
    )
    monkeypatch.setattr(time, "time", lambda: 1795388490.4)
    with patch_module_args({"job": "vol"} if module is swarm_restore else {}), pytest.raises(SystemExit):
        module.main()
    assert json.loads(capsys.readouterr().out)["age_seconds"] == 90
