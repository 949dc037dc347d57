# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's command: what it takes, and how it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import cli, store


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("words", [[], ["dance"], ["run"], ["run", "a", "b"], ["status", "a"], ["restore", "etc"]])
def test_what_is_not_understood_shows_the_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    assert "run JOB|all, verify JOB|all" in capsys.readouterr().err


def test_an_error_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(store, "SETTINGS", Path("/nowhere/settings.json"))
    assert cli.main(["run", "all"]) == 1
    assert capsys.readouterr().err == "/nowhere/settings.json is not there: run the role swarm_backup on this host\n"


def test_sigterm_ends_it_by_way_of_every_finally(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "STATE", tmp_path)
    assert cli.main(["status"]) == 0
    assert capsys.readouterr().out == '{"statuses": []}\n'
    with pytest.raises(SystemExit) as stopped:
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.code == 143
