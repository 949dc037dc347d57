# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module swarm_restore: what it asks of the agent, and for how long."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._host import backup_agent, command
from ansible_collections.flotilla.swarm.plugins.modules import swarm_restore

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
