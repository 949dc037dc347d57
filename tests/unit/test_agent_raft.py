# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine that a backup of the raft state stops runs again, whatever happens; and it is stopped only safely."""

from __future__ import annotations

import functools
import json
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import lock, raft, store
from ansible_collections.flotilla.swarm.plugins.module_utils._agent.errors import Refused
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import Job
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Summary
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import (
    EngineError,
    EngineUnreachable,
    NameConflict,
    NotFound,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.wait import wait_until
from ansible_collections.flotilla.swarm.plugins.module_utils._host import command, swarm_state
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

from tests.support.backup_agent import JOB, SWARM, Repository, on_node

UNLOCK_KEY = "SWMKEY-1-kept"
SUMMARY = Summary("aaaa1111", 7, 1.0)
ROUND = ["stop", "copy", "start"]


def manager(own: str, *, leader: bool = False, up: bool = True) -> dict[str, Any]:
    reachability = "reachable" if up else "unreachable"
    status = {"Leader": leader, "Reachability": reachability, "Addr": "192.0.2.1%s:2377" % own[1:]}
    return {"ID": own, "Description": {"Hostname": own}, "ManagerStatus": status}


class Node:
    """The manager n2 of three: its engine, its systemd and its repository. ``happened`` is what was done, in order."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.happened: list[str] = []
        self.marked: dict[str, bool] = {}
        self.managers = [manager("n1", leader=True), manager("n2"), manager("n3")]
        self.autolock = False
        self.up, self.locked = True, False
        self.held: dict[str, dict[str, Any]] = {}
        self.release_fails = 0
        self.unreachable = 0
        self.fails: dict[str, BaseException | tuple[int, str, str]] = {}
        self.saved: dict[str, bytes] = {}
        self.modes: dict[str, int] = {}
        self.root = tmp_path / "docker"
        for name, text in (("raft/wal-v3-encrypted/0.wal", "entries"), ("certificates/swarm-node.key", "key")):
            file = self.root / "swarm" / name
            file.parent.mkdir(parents=True)
            file.write_text(text, encoding="utf-8")

        on_node(tmp_path, monkeypatch, Repository(), lambda _words: None)
        monkeypatch.setattr(command, "run", self.systemctl)
        monkeypatch.setattr(raft, "STOPPED", tmp_path / "run" / "engine-stopped")
        monkeypatch.setattr(raft, "KEY", tmp_path / "run" / "unlock-key")
        monkeypatch.setattr(raft, "STAGING", tmp_path / "lib" / "staging" / "raft")
        monkeypatch.setattr(raft, "wait_until", functools.partial(wait_until, sleep=lambda _seconds: None))
        monkeypatch.setattr(raft, "BACK", 0.2)
        self._copy: Callable[[Path, Path], None] = swarm_state.copy
        monkeypatch.setattr(swarm_state, "copy", self.copy)
        store.make_directories()

    def back_up(self) -> raft.Made:
        return raft.back_up(self, self, JOB["raft"], SWARM, "n2")  # type: ignore[arg-type]

    def start_engine(self) -> None:
        raft.start_engine(self)  # type: ignore[arg-type]

    def _now(self, what: str) -> None:
        self.happened.append(what)
        self.marked[what] = raft.STOPPED.exists()
        failure = self.fails.get(what)
        if isinstance(failure, BaseException):
            raise failure

    # systemd

    def systemctl(self, words: Sequence[str], _deadline: float = 0) -> tuple[int, str, str]:
        assert words[0] == "systemctl"
        if words[1] == "reset-failed":
            return 0, "", ""
        assert list(words[2:]) == ["--", "docker.socket", "docker.service"]
        self._now(words[1])
        failure = self.fails.get(words[1])
        if isinstance(failure, tuple):
            return failure
        self.up = words[1] == "start"
        self.locked = self.up and self.autolock
        return 0, "", ""

    # the host

    def copy(self, root: Path, target: Path) -> None:
        assert not self.up
        self._copy(root, target)
        self._now("copy")

    # the repository

    def demand(self) -> None:
        failure = self.fails.get("repository")
        if isinstance(failure, BaseException):
            raise failure

    def backup_paths(self, paths: Sequence[str], job: Job, swarm: str) -> Summary:
        assert (job.name, swarm, self.up, self.locked) == ("raft", SWARM, True, False)
        for path in map(Path, paths):
            for file in [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]:
                name = file.name if file == path else str(file.relative_to(path))
                self.saved[name] = file.read_bytes()
                self.modes[name] = stat.S_IMODE(file.stat().st_mode)
        self._now("snapshot")
        return SUMMARY

    # the engine

    def _answers(self) -> None:
        if not self.up:
            raise EngineUnreachable("no Docker Engine answers")

    def info(self) -> dict[str, Any]:
        self._answers()
        swarm = {"NodeID": "n2", "NodeAddr": "192.0.2.12", "LocalNodeState": "locked" if self.locked else "active"}
        return {"Name": "n2", "ServerVersion": "26.1.5", "DockerRootDir": str(self.root), "Swarm": swarm}

    def swarm_inspect(self) -> dict[str, Any]:
        return {"ID": SWARM, "Spec": {"EncryptionConfig": {"AutoLockManagers": self.autolock}}}

    def nodes(self) -> list[dict[str, Any]]:
        return self.managers

    def node(self, node_id: str) -> dict[str, Any]:
        self._answers()
        self.unreachable -= 1
        self.marked["node"] = raft.STOPPED.exists()
        return manager(node_id, up=self.unreachable < 0)

    def unlock_key(self) -> str:
        return UNLOCK_KEY if self.autolock else ""

    def unlock(self, key: str) -> None:
        self._now("unlock")
        if key != UNLOCK_KEY:
            raise EngineError("swarm could not be unlocked: invalid key provided")
        self.locked = False

    def create_config(self, name: str, _data: bytes, labels: dict[str, str]) -> str:
        if any(one["Spec"]["Name"] == name for one in self.held.values()):
            raise NameConflict("config %s already exists" % name)
        self.held["own"] = {"ID": "own", "Spec": {"Name": name, "Labels": labels}}
        return "own"

    def containers(self) -> list[dict[str, Any]]:
        return []

    def configs(self) -> list[dict[str, Any]]:
        return list(self.held.values())

    def remove_config(self, config_id: str) -> None:
        if self.release_fails:
            self.release_fails -= 1
            raise EngineError("rpc error")
        if config_id not in self.held:
            raise NotFound("config %s not found" % config_id)
        del self.held[config_id]

    # what tests ask

    def hold(self, node: str, age: float | None) -> None:
        """Let a lock be there already."""
        since = "?" if age is None else str(int(time.time() - age))
        labels = {"swarm.flotilla.backup.node": node, "swarm.flotilla.backup.since": since}
        self.held["theirs"] = {"ID": "theirs", "Spec": {"Name": "flotilla_backup_lock", "Labels": labels}}

    @property
    def as_it_was(self) -> bool:
        """The engine runs, nothing is locked, and nothing of the backup is left."""
        left = [path for path in (raft.STOPPED, raft.KEY, raft.STAGING) if path.exists()]
        return self.up and not self.locked and not self.held and not left


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


# -- the usual -------------------------------------------------------------------------------------------------------


def test_the_state_is_copied_while_the_engine_stands_still(node: Node) -> None:
    made = node.back_up()
    # restic comes last: the engine need not stand still for a slow network.
    assert node.happened == [*ROUND, "snapshot"]
    assert made.summary == SUMMARY
    assert made.stopped is not None
    assert 0 <= made.stopped < 20
    assert node.saved["swarm/raft/wal-v3-encrypted/0.wal"] == b"entries"
    assert node.saved["swarm/certificates/swarm-node.key"] == b"key"
    assert node.as_it_was


def test_the_copy_comes_with_what_a_restore_must_know(node: Node) -> None:
    node.back_up()
    found = json.loads(node.saved["metadata.json"])
    assert (found["cluster_id"], found["node_id"], found["address"], found["autolock"]) == (
        SWARM,
        "n2",
        "192.0.2.12",
        False,
    )
    assert [one["id"] for one in found["managers"]] == ["n1", "n2", "n3"]
    assert node.modes["metadata.json"] == 0o600
    assert "unlock-key" not in node.saved


def test_the_marker_is_there_before_the_stop_and_until_the_manager_is_reachable(node: Node) -> None:
    node.unreachable = 3
    node.back_up()
    assert node.unreachable < 0
    assert node.marked == {"stop": True, "copy": True, "start": True, "node": True, "snapshot": False}


def test_the_unlock_key_lies_in_memory_alone_and_only_meanwhile(node: Node, tmp_path: Path) -> None:
    node.autolock = True
    node.back_up()
    assert node.happened == [*ROUND, "unlock", "snapshot"]
    assert node.saved["unlock-key"].decode() == UNLOCK_KEY + "\n"
    assert node.modes["unlock-key"] == 0o600
    assert raft.KEY.parent == tmp_path / "run"
    others = [content for name, content in node.saved.items() if name != "unlock-key"]
    assert not any(UNLOCK_KEY.encode() in content for content in others)
    assert node.as_it_was


def test_what_an_earlier_backup_left_is_in_no_snapshot(node: Node) -> None:
    raft.STAGING.mkdir()
    (raft.STAGING / "old").touch()
    node.back_up()
    assert "old" not in node.saved


# -- whatever happens ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("autolock", [False, True])
@pytest.mark.parametrize(
    ("step", "failure", "wanted"),
    [
        ("copy", HostError("the disk is full"), HostError),
        ("copy", SystemExit(143), SystemExit),
        ("copy", KeyboardInterrupt(), KeyboardInterrupt),
        ("stop", HostError("it has not ended within 120 s"), HostError),
        ("stop", SystemExit(143), SystemExit),
        ("snapshot", HostError("the host of the repository does not answer"), HostError),
        ("snapshot", SystemExit(143), SystemExit),
    ],
)
def test_the_engine_runs_again(
    node: Node, step: str, failure: BaseException, wanted: type[BaseException], autolock: bool
) -> None:
    node.autolock = autolock
    node.fails = {step: failure}
    with pytest.raises(wanted) as raised:
        node.back_up()
    assert raised.value is failure
    assert node.happened.count("start") == 1
    assert node.as_it_was


def test_an_engine_that_does_not_stop_is_started_and_said(node: Node) -> None:
    node.fails = {"stop": (1, "", "Job for docker.service failed.")}
    with pytest.raises(HostError, match=r"can't be stopped: .* says: Job for docker\.service failed"):
        node.back_up()
    assert node.happened == ["stop", "start"]
    assert node.as_it_was


def test_an_engine_that_does_not_start_stays_marked_and_keeps_its_key(node: Node) -> None:
    node.autolock = True
    node.fails = {"start": (1, "", "Start request repeated too quickly.")}
    with pytest.raises(HostError, match="can't be started"):
        node.back_up()
    assert "snapshot" not in node.happened
    assert raft.STOPPED.exists()
    assert raft.KEY.read_text(encoding="utf-8").strip() == UNLOCK_KEY
    assert not raft.STAGING.exists()


def test_a_manager_that_is_not_reachable_in_time_fails_this_backup_and_is_in_nobodys_way(node: Node) -> None:
    node.unreachable = 1 << 60
    with pytest.raises(HostError, match=r"no reachable manager after 0\.2 s: it is unreachable"):
        node.back_up()
    assert "snapshot" not in node.happened
    assert not raft.STOPPED.exists()


def test_a_repository_that_does_not_answer_stops_no_engine(node: Node) -> None:
    node.fails = {"repository": HostError("its host does not answer")}
    with pytest.raises(HostError, match="its host does not answer"):
        node.back_up()
    assert node.happened == []


def test_a_manager_that_leads_by_the_time_it_would_be_stopped_is_not(node: Node) -> None:
    size = swarm_state.size

    def elected(root: Path) -> int:
        leads(node)
        return size(root)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(swarm_state, "size", elected)
        with pytest.raises(Refused, match="this manager leads the swarm"):
            node.back_up()
    assert node.happened == []
    assert node.as_it_was


def test_autolock_without_a_key_stops_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.autolock = True
    monkeypatch.setattr(node, "unlock_key", lambda: "")
    with pytest.raises(HostError, match="names no unlock key"):
        node.back_up()
    assert node.happened == []
    assert node.as_it_was


# -- start-engine ----------------------------------------------------------------------------------------------------


def test_without_the_marker_nothing_is_started(node: Node) -> None:
    node.up = False
    node.start_engine()
    assert node.happened == []


def test_a_locked_manager_is_unlocked_with_the_kept_key(node: Node) -> None:
    node.autolock, node.up = True, False
    store.write_file(raft.STOPPED, "now\n", 0o600)
    store.write_file(raft.KEY, UNLOCK_KEY + "\n", 0o600)
    node.start_engine()
    assert node.happened == ["start", "unlock"]
    assert node.up
    assert not node.locked
    assert not raft.STOPPED.exists()


def test_a_locked_manager_without_a_kept_key_is_said_with_its_mend(node: Node) -> None:
    node.autolock, node.up = True, False
    store.write_file(raft.STOPPED, "now\n", 0o600)
    with pytest.raises(HostError, match="it is locked, and its unlock key is not at hand: docker swarm unlock"):
        node.start_engine()
    assert raft.STOPPED.exists()


# -- refused ---------------------------------------------------------------------------------------------------------


def leads(node: Node) -> None:
    node.managers = [manager("n1"), manager("n2", leader=True), manager("n3")]


def one_is_down(node: Node) -> None:
    node.managers[2] = manager("n3", up=False)


def two_managers(node: Node) -> None:
    del node.managers[2]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (leads, "this manager leads the swarm"),
        (one_is_down, "would lose its quorum: 1 of 3 managers would be reachable and 2 are needed"),
        (two_managers, "would lose its quorum"),
    ],
)
def test_a_swarm_that_would_suffer_is_left_alone(node: Node, change: Callable[[Node], None], reason: str) -> None:
    node.autolock = True
    change(node)
    with pytest.raises(Refused, match=reason):
        node.back_up()
    assert node.happened == []
    assert node.as_it_was


@pytest.mark.parametrize(("room", "refused"), [(1.19, True), (1.21, False)])
def test_there_must_be_room_for_the_copy(
    node: Node, monkeypatch: pytest.MonkeyPatch, room: float, refused: bool
) -> None:
    monkeypatch.setattr(swarm_state, "size", lambda _root: 100 << 20)
    monkeypatch.setattr(swarm_state, "free", lambda _directory: int(room * (100 << 20)))
    if refused:
        with pytest.raises(Refused, match=r"has 119 MiB free, and 120 are needed: make room there"):
            node.back_up()
    else:
        node.back_up()
    assert node.happened == ([] if refused else [*ROUND, "snapshot"])
    assert node.as_it_was


# -- one in the swarm at a time --------------------------------------------------------------------------------------


def test_a_lock_that_another_node_holds_is_left_to_it(node: Node) -> None:
    node.hold("n3", lock.STALE - 5)
    with pytest.raises(Refused, match=r"^n3 backs up its state for 89\d s already"):
        node.back_up()
    assert node.happened == []
    assert list(node.held) == ["theirs"]


@pytest.mark.parametrize(("holder", "age"), [("n3", lock.STALE + 5), ("n3", None), ("n2", 1)])
def test_a_lock_that_was_left_behind_is_taken_over(node: Node, holder: str, age: float | None) -> None:
    node.hold(holder, age)
    node.back_up()
    assert node.happened == [*ROUND, "snapshot"]
    assert node.as_it_was


def test_who_is_quicker_to_take_a_lock_over_has_it(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.hold("n3", lock.STALE + 5)

    def quicker(_config_id: str) -> None:
        node.hold("n1", 0)

    monkeypatch.setattr(node, "remove_config", quicker)
    with pytest.raises(Refused, match="another manager backs up its state now"):
        node.back_up()
    assert node.happened == []


def test_the_lock_says_whose_it_is_and_is_held_while_the_engine_stands_still(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    copy = node.copy

    def watched(root: Path, target: Path) -> None:
        seen.extend(dict(one["Spec"]["Labels"]) for one in node.held.values())
        copy(root, target)

    monkeypatch.setattr(swarm_state, "copy", watched)
    before = int(time.time())
    node.back_up()
    (labels,) = seen
    assert labels["swarm.flotilla.backup.node"] == "n2"
    assert before <= int(labels["swarm.flotilla.backup.since"]) <= time.time()


@pytest.mark.parametrize(("times", "left"), [(2, []), (9, ["own"])])
def test_a_lock_that_can_not_be_given_back_fails_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch, times: int, left: list[str]
) -> None:
    monkeypatch.setattr(lock.time, "sleep", lambda _seconds: None)
    node.release_fails = times
    assert node.back_up().summary == SUMMARY
    assert list(node.held) == left
