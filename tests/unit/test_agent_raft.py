# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manager is stopped for a backup of its state only where it may be, and started again whatever happens."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import lock, raft, store
from ansible_collections.flotilla.swarm.plugins.module_utils._agent.errors import Refused
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.definition import LOCK_CONFIG
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import RAFT, Job
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Summary
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.wait import wait_until
from ansible_collections.flotilla.swarm.plugins.module_utils._host import engine_service, swarm_state
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

KEY = "SWMKEY-1-this-is-the-canary"
NOW = 1_800_000_000


class FakeEngine:
    """The engine of m2, one of three managers. It answers nothing while it stands still."""

    def __init__(self) -> None:
        self.up, self.state, self.autolock, self.leader, self.lost = True, "active", False, "m1", ""
        self.locks: dict[str, dict[str, str]] = {}
        self.removals_fail = 0
        self.unlocked: list[str] = []

    def _answer(self) -> None:
        if not self.up:
            raise errors.EngineUnreachable("no engine answers")

    def info(self) -> dict[str, Any]:
        self._answer()
        swarm = {"LocalNodeState": self.state, "NodeID": "m2", "NodeAddr": "192.0.2.12"}
        return {"Name": "m2", "ServerVersion": "26.1.5", "DockerRootDir": "/data/docker", "Swarm": swarm}

    def node(self, node_id: str) -> dict[str, Any]:
        reachability = "unreachable" if node_id == self.lost else "reachable"
        return {"ID": node_id, "ManagerStatus": {"Reachability": reachability, "Leader": node_id == self.leader}}

    def nodes(self) -> list[dict[str, Any]]:
        return [*map(self.node, ("m1", "m2", "m3")), {"ID": "w1"}]

    def swarm_inspect(self) -> dict[str, Any]:
        return {"ID": "clusterid", "Spec": {"EncryptionConfig": {"AutoLockManagers": self.autolock}}}

    def unlock_key(self) -> str:
        return KEY

    def unlock(self, key: str) -> None:
        self.unlocked.append(key)
        self.state = "active"

    def configs(self) -> list[dict[str, Any]]:
        held = [{"ID": each, "Spec": {"Name": LOCK_CONFIG, "Labels": labels}} for each, labels in self.locks.items()]
        return [{"ID": "c0", "Spec": {"Name": "traefik"}}, *held]

    def create_config(self, name: str, _data: bytes, labels: dict[str, str]) -> str:
        if self.locks:
            raise errors.NameConflict("%s exists" % name)
        self.locks["own"] = labels
        return "own"

    def remove_config(self, config_id: str) -> None:
        self._answer()
        if self.removals_fail:
            self.removals_fail -= 1
            raise errors.NoQuorum("no leader")
        del self.locks[config_id]


class Host:
    """m2, and its restic: each step is noted, with whether the marker stands and the lock is held then."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = FakeEngine()
        self.done: list[tuple[str, bool, bool]] = []
        self.free, self.after_start = 1000, "active"
        self.fails: dict[str, BaseException] = {}
        self.saved: list[str] = []
        monkeypatch.setattr(store, "RUN", directory / "run")
        monkeypatch.setattr(store, "STAGING", directory / "staging")
        monkeypatch.setattr(raft, "STOPPED", directory / "run/engine-stopped")
        monkeypatch.setattr(raft, "KEY", directory / "run/unlock-key")
        monkeypatch.setattr(raft, "STAGING", directory / "staging/raft")
        monkeypatch.setattr(raft, "BACK", 0.05)
        monkeypatch.setattr(raft, "wait_until", partial(wait_until, sleep=lambda _seconds: None))
        monkeypatch.setattr(lock, "time", SimpleNamespace(time=lambda: float(NOW), sleep=lambda _seconds: None))
        monkeypatch.setattr(engine_service, "stop", self._stop)
        monkeypatch.setattr(engine_service, "start", self._start)
        monkeypatch.setattr(swarm_state, "copy", self._copy)
        monkeypatch.setattr(swarm_state, "size", lambda _root: 100)
        monkeypatch.setattr(swarm_state, "free", lambda _directory: self.free)

    def _do(self, step: str) -> None:
        self.done.append((step, raft.STOPPED.exists(), "own" in self.engine.locks))
        if step in self.fails:
            raise self.fails[step]

    def _stop(self) -> None:
        self.engine.up = False
        self._do("stop")

    def _start(self) -> None:
        self._do("start")
        self.engine.up, self.engine.state = True, self.after_start

    def _copy(self, root: Path, target: Path) -> None:
        assert root == Path("/data/docker/swarm")
        target.mkdir(parents=True)
        self._do("copy")

    def backup_paths(self, paths: list[str], _job: Job, _swarm: str) -> Summary:
        self.saved = [Path(path).name for path in paths]
        self.metadata = json.loads((raft.STAGING / "metadata.json").read_text())
        assert all(Path(path).exists() for path in paths)
        self._do("restic")
        return Summary("aaaa1111", 2, 1.0)

    def back_up(self) -> raft.Made:
        return raft.back_up(self.engine, self, Job(RAFT, RAFT), "clusterid", "m2")  # type: ignore[arg-type]

    def start_engine(self) -> None:
        raft.start_engine(self.engine)  # type: ignore[arg-type]

    def steps(self) -> list[str]:
        return [step for step, *_rest in self.done]

    def left(self) -> list[str]:
        """What is not as it was before."""
        return [*(path.name for path in (raft.STOPPED, raft.KEY, raft.STAGING) if path.exists()), *self.engine.locks]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_the_engine_stands_still_for_the_copy_alone(here: Host) -> None:
    here.engine.removals_fail = 2
    made = here.back_up()
    assert here.done == [(step, True, True) for step in ("stop", "copy", "start")] + [("restic", False, False)]
    assert (made.summary.snapshot, made.stopped is None, here.left()) == ("aaaa1111", False, [])


@pytest.mark.parametrize("autolock", [True, False])
def test_the_unlock_key_is_in_the_backup_where_there_is_one(here: Host, autolock: bool) -> None:
    here.engine.autolock, here.after_start = autolock, "locked" if autolock else "active"
    here.back_up()
    assert here.saved == (["raft", "unlock-key"] if autolock else ["raft"])
    assert (here.metadata["autolock"], KEY in str(here.metadata)) == (autolock, False)
    assert (here.engine.unlocked, here.left()) == ([KEY] if autolock else [], [])


@pytest.mark.parametrize("error", [HostError("no space left"), SystemExit(143)])
@pytest.mark.parametrize("step", ["stop", "copy", "restic"])
def test_the_engine_runs_again_whatever_fails(here: Host, step: str, error: BaseException) -> None:
    here.engine.autolock, here.after_start, here.fails = True, "locked", {step: error}
    with pytest.raises(type(error)):
        here.back_up()
    assert here.steps().count("start") == 1
    assert (here.engine.up, here.engine.unlocked, here.left()) == (True, [KEY], [])


def test_an_engine_that_did_not_start_is_started_by_the_next_call_and_unlocked(here: Host) -> None:
    here.engine.autolock, here.after_start, here.fails = True, "locked", {"start": HostError("it does not start")}
    with pytest.raises(HostError, match="it does not start"):
        here.back_up()
    assert here.left() == ["engine-stopped", "unlock-key", "own"]
    here.fails = {}
    here.start_engine()
    assert (here.engine.up, here.engine.unlocked, raft.STOPPED.exists()) == (True, [KEY], False)
    here.back_up()
    assert here.left() == [], "the lock that stayed was this node's own"


def test_nothing_is_started_that_no_backup_stopped(here: Host) -> None:
    here.start_engine()
    assert here.done == []


@pytest.mark.parametrize(("state", "lost", "words"), [("locked", "", "swarm unlock"), ("active", "m2", "unreachable")])
def test_the_marker_stays_until_the_manager_is_back(here: Host, state: str, lost: str, words: str) -> None:
    store.write_file(raft.STOPPED, "", 0o600)
    here.after_start, here.engine.lost = state, lost
    with pytest.raises(HostError, match="no reachable manager after .*%s" % words):
        here.start_engine()
    assert here.left() == ["engine-stopped"]


@pytest.mark.parametrize(
    ("leader", "lost", "free", "words"),
    [("m2", "", 1000, "leads"), ("m1", "m3", 1000, "lose its quorum: 1 of 3"), ("m1", "", 119, "no room for a copy")],
)
def test_a_manager_that_is_needed_is_not_stopped(here: Host, leader: str, lost: str, free: int, words: str) -> None:
    here.engine.leader, here.engine.lost, here.free = leader, lost, free
    with pytest.raises(Refused, match=words):
        here.back_up()
    assert (here.done, here.left()) == ([], [])


@pytest.mark.parametrize(("holder", "age", "taken"), [("m3", 899, False), ("m3", 900, True), ("m2", 1, True)])
def test_one_manager_is_stopped_at_a_time(here: Host, holder: str, age: int, taken: bool) -> None:
    here.engine.locks = {"theirs": {lock._NODE: holder, lock._SINCE: str(NOW - age)}}
    if taken:
        here.back_up()
    else:
        with pytest.raises(Refused, match="m3 backs up its state for 899 s already"):
            here.back_up()
    assert (bool(here.done), here.left()) == (taken, [] if taken else ["theirs"])
