# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is beside a backup: containers of its manager, another swarm's snapshots, and who reads its metrics."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import raft, run, store
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import status
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import RAFT, Job
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Summary
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.settings import Settings
from ansible_collections.flotilla.swarm.plugins.module_utils._host.restic import Restic

SETTINGS = Settings("/srv/backup", 0, "cluster1", "n1", "manager", {"within": "30d", "last": 3}, "5%", "", 14400)
LABELS = {"com.docker.swarm.service.name": "edge_traefik"}


class Engine:
    def __init__(self, *running: dict[str, Any]) -> None:
        self.running = list(running)

    def containers(self) -> list[dict[str, Any]]:
        return self.running


def test_what_stands_still_with_the_engine_is_named_once() -> None:
    assert raft._beside(Engine()) == ""  # type: ignore[arg-type]
    engine = Engine({"Id": "1", "Labels": LABELS}, {"Id": "2", "Labels": LABELS}, {"Id": "3", "Names": ["/vpn"]})
    assert "with the engine (edge_traefik, vpn): drain the managers" in raft._beside(engine)  # type: ignore[arg-type]


@pytest.mark.parametrize(("stopped", "begin"), [(8.1, "containers"), (20.1, "the engine was stopped for 20.1 s")])
def test_a_warning_is_noted_with_the_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: float, begin: str
) -> None:
    monkeypatch.setattr(store, "STATE", tmp_path)
    made = raft.Made(Summary("aaaa1111", 9, 1.5), stopped, "containers stood still")
    monkeypatch.setattr(raft, "back_up", lambda *_arguments: made)
    engine, repository = Engine(), Restic(SETTINGS, tmp_path / "environment")
    assert run._run_one(Job(RAFT, RAFT), SETTINGS, engine, repository, "cluster1") == ""  # type: ignore[arg-type]
    found = store.read(RAFT)
    assert found is not None
    assert (found.verdict, found.snapshot) == (status.UNVERIFIED, "aaaa1111")
    assert found.reason.startswith(begin)
    assert found.reason.endswith("containers stood still")


def test_metrics_can_be_read_by_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the unit's umask."""
    monkeypatch.setattr(store, "STATE", tmp_path / "lib")
    before = os.umask(0o077)
    try:
        store.write_metrics(str(tmp_path / "textfile/backup.prom"))
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    found = tmp_path / "textfile"
    assert [path.stat().st_mode & 0o777 for path in (found, found / "backup.prom")] == [0o755, 0o644]
