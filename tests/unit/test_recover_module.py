# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that makes a swarm anew: what it proves first, and what it never shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import store
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Snapshot
from ansible_collections.flotilla.swarm.plugins.module_utils._recover import prepare
from ansible_collections.flotilla.swarm.plugins.modules import swarm_recover

from tests.support.module_runner import Runner
from tests.support.recovering_host import CLUSTER, KEY, LOCKED_KEY, METADATA, Host


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(monkeypatch, capsys)


def test_check_mode_proves_and_changes_nothing(here: Host, runner: Runner) -> None:
    here.fill(here.state, LOCKED_KEY)
    here.engine.state = "locked"
    options = {"source": "own", "cluster_id": CLUSTER, "unlock_key": KEY}
    found = runner.run(swarm_recover, check_mode=True, **options)
    assert found["changed"] is True
    assert found["autolock"] is True
    assert here.done == ["check"]
    assert KEY not in runner.output


def test_the_only_manager_that_leads_is_left_as_it_is(here: Host, runner: Runner) -> None:
    here.fill(here.state)
    here.engine.error = ""
    found = runner.run(swarm_recover, source="own", cluster_id=CLUSTER)
    assert found["changed"] is False
    assert found["node_id"] == "nodeid"
    assert here.done == []


def test_the_key_can_come_from_the_newest_backup(here: Host, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    here.fill(here.state, LOCKED_KEY)
    here.engine.state = "locked"
    backups = Backups({**METADATA})
    monkeypatch.setattr(prepare, "Restic", lambda _settings: backups)
    monkeypatch.setattr(store, "settings", lambda: None)
    options = {"source": "own", "cluster_id": CLUSTER, "unlock_key_from_backup": True, "deadline": 2}
    assert runner.run(swarm_recover, **options)["changed"] is True
    assert backups.asked == ["new"], "the oldest backup may have a key that was rotated since"
    assert KEY not in runner.output


class Backups:
    """A repository with two states of the swarm, and one of another."""

    def __init__(self, metadata: dict[str, Any]) -> None:
        self.metadata = metadata
        self.asked: list[str] = []

    def snapshots(self) -> list[Snapshot]:
        found = (("new", "22", CLUSTER), ("old", "21", CLUSTER), ("other", "23", "other"))
        return [Snapshot(name, "2026-11-%sT23:00:00Z" % day, "m2", "raft", "raft", swarm) for name, day, swarm in found]

    def dump(self, snapshot: str, path: str) -> bytes:
        if path.endswith("metadata.json"):
            return json.dumps(self.metadata).encode()
        self.asked.append(snapshot)
        return KEY.encode() + b"\n"
