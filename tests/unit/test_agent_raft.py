# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manager that is stopped for a backup of its state: when it is not, and that it is started again whatever happens."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import lock, raft, store
from ansible_collections.flotilla.swarm.plugins.module_utils._agent.errors import Refused
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.definition import LOCK_CONFIG
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import RAFT, Job
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Summary
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import (
    EngineError,
    EngineUnreachable,
    NameConflict,
    NoQuorum,
    NotFound,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._host import engine_service, swarm_state
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

KEY = "SWMKEY-1-this-is-the-canary"
NOW = 1_800_000_000
HELD, GIVEN_BACK, MARKED = "held", "given back", "marked"


class FakeEngine:
    """The engine of m2, one of three managers. It answers nothing while it stands still."""

    def __init__(self) -> None:
        self.state, self.autolock, self.leader = "active", False, "m1"
        self.unreachable: tuple[str, ...] = ()
        self.up = True
        self.locks: dict[str, dict[str, Any]] = {}
        self.release_fails = 0
        self.unlocked: list[str] = []

    def info(self) -> dict[str, Any]:
        self._must_run()
        swarm = {"LocalNodeState": self.state, "NodeID": "m2", "NodeAddr": "192.0.2.12"}
        return {"Name": "m2", "ServerVersion": "26.1.5", "DockerRootDir": "/data/docker", "Swarm": swarm}

    def node(self, node_id: str) -> dict[str, Any]:
        self._must_run()
        reachability = "unreachable" if node_id in self.unreachable else "reachable"
        return {"ID": node_id, "ManagerStatus": {"Reachability": reachability, "Leader": node_id == self.leader}}

    def nodes(self) -> list[dict[str, Any]]:
        return [*map(self.node, ("m1", "m2", "m3")), {"ID": "w1"}]

    def swarm_inspect(self) -> dict[str, Any]:
        self._must_run()
        return {"ID": "clusterid", "Spec": {"EncryptionConfig": {"AutoLockManagers": self.autolock}}}

    def unlock_key(self) -> str:
        self._must_run()
        return KEY if self.autolock else ""

    def unlock(self, key: str) -> None:
        self.unlocked.append(key)
        if key != KEY:
            raise EngineError("invalid key")
        self.state = "active"

    def configs(self) -> list[dict[str, Any]]:
        self._must_run()
        spec = [{"ID": each, "Spec": {"Name": LOCK_CONFIG, "Labels": labels}} for each, labels in self.locks.items()]
        return [{"ID": "c0", "Spec": {"Name": "traefik"}}, *spec]

    def create_config(self, name: str, _data: bytes, labels: dict[str, str]) -> str:
        self._must_run()
        assert name == LOCK_CONFIG
        if self.locks:
            raise NameConflict("already exists")
        self.locks["own"] = labels
        return "own"

    def remove_config(self, config_id: str) -> None:
        self._must_run()
        if self.release_fails:
            self.release_fails -= 1
            raise NoQuorum("no leader")
        if config_id not in self.locks:
            raise NotFound("no such config")
        del self.locks[config_id]

    def _must_run(self) -> None:
        if not self.up:
            raise EngineUnreachable("no engine answers")


class Host:
    """m2: what is done there is noted, each time with what stands then."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = FakeEngine()
        self.done: list[tuple[str, ...]] = []
        self.free = 1000
        self.copy_fails: BaseException | None = None
        self.starts_fail = 0
        self.after_start = "active"
        self.saved: list[str] = []
        self.restic_fails = False
        self.pauses: list[float] = []
        (directory / "run").mkdir()
        monkeypatch.setattr(store, "RUN", directory / "run")
        monkeypatch.setattr(store, "STAGING", directory / "staging")
        monkeypatch.setattr(raft, "STOPPED", directory / "run" / "engine-stopped")
        monkeypatch.setattr(raft, "KEY", directory / "run" / "unlock-key")
        monkeypatch.setattr(raft, "STAGING", directory / "staging" / "raft")
        monkeypatch.setattr(raft, "BACK", 0.02)
        monkeypatch.setattr(raft, "wait_until", functools.partial(raft.wait_until, sleep=lambda _seconds: None))
        monkeypatch.setattr(lock, "time", SimpleNamespace(time=lambda: NOW + 0.5, sleep=self.pauses.append))
        monkeypatch.setattr(engine_service, "stop", self._stop)
        monkeypatch.setattr(engine_service, "start", self._start)
        monkeypatch.setattr(swarm_state, "copy", self._copy)
        monkeypatch.setattr(swarm_state, "size", lambda _root: 100)
        monkeypatch.setattr(swarm_state, "free", lambda _directory: self.free)

    def _note(self, what: str) -> None:
        marked = [MARKED] if raft.STOPPED.exists() else []
        self.done.append((what, HELD if "own" in self.engine.locks else GIVEN_BACK, *marked))

    def _stop(self) -> None:
        self._note("stop")
        self.engine.up = False

    def _start(self) -> None:
        self._note("start")
        if self.starts_fail:
            self.starts_fail -= 1
            raise HostError("the engine can't be started")
        self.engine.up, self.engine.state = True, self.after_start

    def _copy(self, root: Path, target: Path) -> None:
        self._note("copy")
        assert root == Path("/data/docker/swarm")
        assert not self.engine.up
        target.mkdir(parents=True)
        (target / "docker-state.json").write_text("{}")
        if self.copy_fails:
            raise self.copy_fails

    def backup_paths(self, paths: list[str], job: Job, swarm: str) -> Summary:
        self._note("restic")
        assert (job.name, swarm) == (RAFT, "clusterid")
        self.saved = paths
        self.metadata = json.loads((raft.STAGING / "metadata.json").read_text())
        assert (raft.STAGING / "swarm/docker-state.json").exists()
        if self.restic_fails:
            raise HostError("the repository is locked")
        return Summary("aaaa1111", 2, 1.0)

    def back_up(self) -> raft.Made:
        return raft.back_up(self.engine, self, Job(RAFT, RAFT), "clusterid", "m2")  # type: ignore[arg-type]

    def start_engine(self) -> None:
        raft.start_engine(self.engine)  # type: ignore[arg-type]

    def steps(self) -> list[str]:
        return [what for what, *_rest in self.done]

    def is_as_before(self) -> bool:
        left = [path for path in (raft.STOPPED, raft.KEY, raft.STAGING) if path.exists()]
        return self.engine.up and "own" not in self.engine.locks and not left


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


# -- the copy --------------------------------------------------------------------------------------------------------


def test_the_engine_stands_still_for_the_copy_alone(here: Host) -> None:
    made = here.back_up()
    stopped = [(step, HELD, MARKED) for step in ("stop", "copy", "start")]
    assert here.done == [*stopped, ("restic", GIVEN_BACK)], "the swarm need not wait for the repository"
    assert made.summary.snapshot == "aaaa1111"
    assert made.stopped is not None
    assert here.is_as_before()


@pytest.mark.parametrize("autolock", [True, False])
def test_the_unlock_key_is_in_the_backup_where_there_is_one(here: Host, autolock: bool) -> None:
    here.engine.autolock = autolock
    here.after_start = "locked" if autolock else "active"
    here.back_up()
    assert here.saved == [str(raft.STAGING), *([str(raft.KEY)] if autolock else [])]
    assert here.engine.unlocked == ([KEY] if autolock else [])
    assert (here.metadata["autolock"], KEY in str(here.metadata)) == (autolock, False)
    assert here.is_as_before()


@pytest.mark.parametrize("error", [HostError("no space left"), SystemExit(143)])
def test_the_engine_is_started_when_the_copy_fails(here: Host, error: BaseException) -> None:
    here.engine.autolock, here.after_start = True, "locked"
    here.copy_fails = error
    with pytest.raises(type(error)):
        here.back_up()
    assert here.steps() == ["stop", "copy", "start"]
    assert here.is_as_before()
