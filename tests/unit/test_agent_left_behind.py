# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed run left stopped is started by whoever has the node's lock next; what others froze is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import raft, restore, store, verify, volumes
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import restic, status
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

from tests.support.backup_agent import JOB, NODE, Engine, Repository, on_node, settings, snapshot

NEXT: list[Callable[[Engine], object]] = [
    lambda engine: verify.verify("vol", settings(), engine),  # type: ignore[arg-type]
    lambda engine: restore.restore("vol", "latest", settings(), engine),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("next_one", NEXT, ids=["verify", "restore"])
def test_whoever_comes_next_starts_it_before_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, next_one: Callable[[Engine], object]
) -> None:
    class Refusing(Repository):
        def snapshots(self) -> list[restic.Snapshot]:
            assert started == ["engine"]
            raise HostError("that is enough")

    started: list[str] = []
    on_node(tmp_path, monkeypatch, Refusing(snapshot("aaaa1111", "vol")), lambda _words: None)
    monkeypatch.setattr(raft, "start_engine", lambda _engine: started.append("engine"))
    engine = Engine()
    store.make_directories()
    made = restic.Summary("aaaa1111", 1, 1.0)
    store.write(status.after_success(None, JOB["vol"], NODE, made, "2026-11-22T23:00:00Z"))
    engine.frozen = ["up"]
    store.write_file(volumes.PAUSED, '["up"]', 0o600)
    with pytest.raises(HostError, match="that is enough"):
        next_one(engine)
    assert (started, engine.frozen) == (["engine"], [])


def test_what_somebody_else_has_frozen_is_not_ours_to_thaw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "PAUSED", tmp_path / "paused")
    engine = Engine()
    engine.users = [{"Id": "theirs", "State": "paused"}, {"Id": "up", "State": "running"}]
    engine.frozen = ["theirs"]
    with volumes.paused(engine, "shop_uploads"):  # type: ignore[arg-type]
        assert engine.frozen == ["theirs", "up"]
    assert engine.frozen == ["theirs"]
