# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A swarm made anew out of one host's state: what is refused before anything is stopped, and what is put back."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils import _recover
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.definition import LOCK_CONFIG
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import Job
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Snapshot
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import Membership
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import leave as leaving
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import swarm_spec
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import (
    EngineError,
    EngineUnreachable,
    NoQuorum,
    StaleVersion,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.modules import swarm_recover

from tests.support.module_runner import Runner

# Its subject: O = clusterid, OU = swarm-manager, CN = nodeid.
CLUSTER = "clusterid"
PLAIN_KEY = b"-----BEGIN PRIVATE KEY-----\nkek-version: 50\nraft-dek: x\n\nAAAA\n-----END PRIVATE KEY-----\n"
OLDER_KEY = PLAIN_KEY.replace(b"version: 50", b"version: 0")
LOCKED_KEY = PLAIN_KEY.replace(b"BEGIN PRIVATE", b"BEGIN ENCRYPTED PRIVATE").replace(b"END PRIV", b"END ENCRYPTED PRIV")
KEY = "SWMKEY-1-this-is-the-canary"
METADATA = {
    "format": 1,
    "cluster_id": CLUSTER,
    "node_id": "nodeid",
    "node_name": "m2",
    "address": "192.0.2.12",
    "listen_addr": "0.0.0.0:2377",
    "data_path_port": 4789,
    "engine_version": "26.1.5",
    "autolock": True,
    "taken": "2026-11-22T23:00:00Z",
    "managers": [{"id": "nodeid", "name": "m2", "address": "192.0.2.12"}],
    "workers": [],
}


class Engine:
    """This host's engine, as far as a recovery asks it."""

    def __init__(self) -> None:
        self.state = "active"
        self.error = "no leader"
        self.autolock = True
        self.keeps_autolock = True
        self.others: list[dict[str, Any]] = []
        self.requests: list[Any] = []
        self.refuse: Exception | None = None
        self.version = 7
        self.config_names: list[str] = []

    def info(self) -> dict[str, Any]:
        swarm: dict[str, Any] = {"LocalNodeState": self.state, "NodeID": "nodeid" if self.state != "inactive" else ""}
        if self.state == "active":
            swarm |= {"ControlAvailable": True, "Error": self.error, "Cluster": {"ID": CLUSTER}}
        return {"Name": "m2", "ServerVersion": "26.1.5+dfsg1", "DockerRootDir": str(self.root), "Swarm": swarm}

    def nodes(self) -> list[dict[str, Any]]:
        if self.error:
            raise NoQuorum(self.error)
        return [{"ID": "nodeid", "ManagerStatus": {"Leader": True}, "Status": {"State": "ready"}}, *self.others]

    def swarm_inspect(self) -> dict[str, Any]:
        spec = {"Name": "default", "EncryptionConfig": {"AutoLockManagers": self.autolock}}
        return {"ID": CLUSTER, "Version": {"Index": self.version}, "Spec": spec}

    def force_new_cluster(self, request: dict[str, Any]) -> str:
        self.requests.append(request)
        if self.refuse:
            raise self.refuse
        self.state, self.error = "active", ""
        self.autolock = request["Spec"]["EncryptionConfig"]["AutoLockManagers"] and self.keeps_autolock
        return "nodeid"

    def update_swarm(self, version: int, spec: dict[str, Any], **_rotate: bool) -> None:
        self.requests.append((version, spec))
        if version != self.version:
            raise StaleVersion("update out of sequence")
        self.autolock = spec["EncryptionConfig"]["AutoLockManagers"]

    def configs(self) -> list[dict[str, Any]]:
        return [{"ID": name, "Spec": {"Name": name}} for name in self.config_names]

    def remove_config(self, config_id: str) -> None:
        self.config_names.remove(config_id)

    root: Path = Path()


class Host:
    """A host with an engine, a state directory and a service, on which everything that is done is noted."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = Engine()
        self.engine.root = directory / "docker"
        self.state = self.engine.root / "swarm"
        self.fetched = directory / "recovery" / "swarm"
        self.done: list[str] = []
        self.starts_fail = 0
        self.opens = True
        for module in (_recover, swarm_spec, leaving):
            monkeypatch.setattr(module, "LocalEngine", lambda _path: self.engine)
        monkeypatch.setattr(_recover, "HostEngine", lambda _path: self.engine)
        monkeypatch.setattr(_recover.host, "is_installed", lambda _path: True)
        monkeypatch.setattr(_recover.engine_service, "stop", lambda _deadline: self._stop())
        monkeypatch.setattr(_recover.engine_service, "start", lambda _deadline: self._start())
        monkeypatch.setattr(_recover.node_key, "check", self._check)
        monkeypatch.setattr(_recover.node_key, "unlock", self._unlock)

    def _stop(self) -> None:
        self.done.append("stop")

    def _start(self) -> None:
        self.done.append("start")
        if self.starts_fail:
            self.starts_fail -= 1
            raise HostError("the engine can't be started")
        self.engine.state = "active" if (self.state / "docker-state.json").exists() else "inactive"

    def _check(self, state: Path, key: str | None) -> bool:
        self.done.append("check")
        locked = (state / "certificates/swarm-node.key").read_bytes() == LOCKED_KEY
        if not self.opens or (locked and key != KEY):
            raise HostError("the unlock key does not open it")
        return locked

    def _unlock(self, state: Path, _key: str) -> None:
        self.done.append("unlock")
        (state / "certificates/swarm-node.key").write_bytes(PLAIN_KEY)

    def fill(self, state: Path, key: bytes = PLAIN_KEY, pem: bytes | None = None) -> None:
        (state / "certificates").mkdir(parents=True)
        (state / "certificates/swarm-node.crt").write_bytes(MANAGER if pem is None else pem)
        (state / "certificates/swarm-node.key").write_bytes(key)
        (state / "docker-state.json").write_text("{}")
        (state / "state.json").write_text(json.dumps([{"node_id": "other", "addr": "192.0.2.11:2377"}]))

    def fetch(self, **changed: Any) -> None:
        self.fill(self.fetched, LOCKED_KEY)
        (self.fetched.parent / "metadata.json").write_text(json.dumps({**METADATA, **changed}))

    def recover(self, source: str = "own", **options: Any) -> dict[str, Any]:
        wanted = _recover.Request(source, CLUSTER, state_dir=str(self.fetched), deadline=0.5, **options)
        found = _recover.prepare("socket", wanted)
        assert "stop" not in self.done, "everything is looked at before the engine is stopped"
        return _recover.recover("socket", wanted, found, sleep=lambda _seconds: None)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.engine.root.iterdir())

    def files(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.state)): p.read_bytes() for p in self.state.rglob("*") if p.is_file()}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_a_locked_survivor_goes_on_alone_with_its_own_state(here: Host) -> None:
    here.fill(here.state, LOCKED_KEY)
    here.engine.state = "locked"
    found = here.recover(unlock_key=KEY, advertise_addr="192.0.2.12")
    assert here.done == ["check", "stop", "unlock", "start"]
    assert here.files()["certificates/swarm-node.key"] == OLDER_KEY, "the engine's manager would stop"
    (request,) = here.engine.requests
    assert request["AdvertiseAddr"] == "192.0.2.12"
    assert request["Spec"] == {"EncryptionConfig": {"AutoLockManagers": True}}
    assert (found["node_id"], found["autolock"]) == ("nodeid", True)
    assert sorted(here.files()) == ["certificates/swarm-node.crt", "certificates/swarm-node.key"]
    assert (Path(found["kept"]) / "certificates/swarm-node.key").read_bytes() == LOCKED_KEY
    assert (Path(found["kept"]) / "docker-state.json").exists()


def test_a_state_without_autolock_needs_nothing_to_open_it_and_stays_without(here: Host) -> None:
    here.fill(here.state)
    found = here.recover()
    assert here.done == ["stop", "start"]
    assert found["autolock"] is False


def test_autolock_that_the_engine_switched_off_is_switched_on_again(here: Host) -> None:
    here.fill(here.state, LOCKED_KEY)
    here.engine.state, here.engine.keeps_autolock = "locked", False
    assert here.recover(unlock_key=KEY)["autolock"] is True
    assert here.engine.requests[-1] == (7, {"Name": "default", "EncryptionConfig": {"AutoLockManagers": True}})


def test_autolock_is_read_again_when_somebody_was_quicker() -> None:
    engine = Engine()
    engine.autolock = False
    indexes = iter((6, 7))
    inspect = engine.swarm_inspect
    engine.swarm_inspect = lambda: {**inspect(), "Version": {"Index": next(indexes, 7)}}  # type: ignore[method-assign]
    assert swarm_spec.set_autolock(engine, True) is True  # type: ignore[arg-type]
    assert engine.autolock


def test_a_backup_takes_the_place_of_what_was_there(here: Host) -> None:
    here.fill(here.state)
    here.engine.state = "inactive"
    here.fetch()
    found = here.recover("fetched", unlock_key=KEY)
    assert here.files()["certificates/swarm-node.key"] == OLDER_KEY
    assert (here.fetched / "certificates/swarm-node.key").read_bytes() == LOCKED_KEY, "the backup is as it was"
    assert found["autolock"] is True
    assert Path(found["kept"]).is_dir()


def test_the_lock_under_which_the_state_was_copied_is_taken_away(here: Host) -> None:
    here.fill(here.state)
    here.engine.state = "inactive"
    here.engine.config_names = ["traefik", LOCK_CONFIG]
    here.fetch()
    here.recover("fetched", unlock_key=KEY)
    assert here.engine.config_names == ["traefik"]


def test_a_bare_host_has_nothing_to_keep(here: Host) -> None:
    here.engine.state = "inactive"
    here.fetch()
    assert here.recover("fetched", unlock_key=KEY)["kept"] == ""


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"cluster_id": "other"}, "other, not of clusterid"),
        ({"engine_version": "28.5.2"}, "28.5"),
        ({"format": 2}, "format"),
        ({"autolock": None}, "autolock is missing"),
    ],
)
def test_a_backup_that_does_not_fit_is_refused_before_anything_is_stopped(
    here: Host, changed: dict[str, Any], words: str
) -> None:
    here.engine.state = "inactive"
    here.fetch(**changed)
    with pytest.raises(DeclarationError, match=words):
        here.recover("fetched", unlock_key=KEY)
    assert here.done == []


def test_a_wrong_unlock_key_is_refused_before_anything_is_stopped(here: Host) -> None:
    here.fill(here.state, LOCKED_KEY)
    here.engine.state = "locked"
    with pytest.raises(HostError, match="does not open it"):
        here.recover(unlock_key="SWMKEY-1-wrong")
    assert here.done == ["check"]


def test_another_swarms_state_and_a_workers_are_refused(here: Host) -> None:
    here.fill(here.state)
    with pytest.raises(DeclarationError, match="in the swarm clusterid, not in other"):
        _recover.prepare("socket", _recover.Request("own", "other"))
    here.engine.state = "inactive"
    with pytest.raises(DeclarationError, match="the state of the swarm clusterid, not of other"):
        _recover.prepare("socket", _recover.Request("own", "other"))
    (here.state / "certificates/swarm-node.crt").write_bytes(WORKER)
    with pytest.raises(DeclarationError, match="a worker's state"):
        _recover.prepare("socket", _recover.Request("own", CLUSTER))
    assert here.done == []


def test_a_host_without_a_state_is_told_so(here: Host) -> None:
    here.engine.state = "inactive"
    with pytest.raises(HostError, match="holds no state of a swarm"):
        here.recover()


def test_a_manager_with_its_quorum_is_refused(here: Host) -> None:
    here.fill(here.state)
    here.engine.error = ""
    here.engine.others = [{"ID": "other", "ManagerStatus": {"Reachability": "reachable"}}]
    with pytest.raises(DeclarationError, match="nothing to recover"):
        here.recover()


def test_a_state_that_is_newer_than_any_backup_is_not_overwritten(here: Host) -> None:
    here.fill(here.state)
    here.fetch()
    with pytest.raises(DeclarationError, match="newer than any backup"):
        here.recover("fetched", unlock_key=KEY)


@pytest.mark.parametrize("failing", ["unlock", "start", "put", "stop"])
def test_what_was_there_is_there_again_when_a_step_fails(
    here: Host, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.fill(here.state, LOCKED_KEY)
    here.engine.state = "locked"
    before = here.files()

    if failing == "start":
        here.starts_fail = 1
    elif failing == "unlock":
        monkeypatch.setattr(_recover.node_key, "unlock", lambda *_a: _raise("no space left"))
    elif failing == "put":
        monkeypatch.setattr(_recover.swarm_state, "put", lambda *_a: _raise("no space left"))
    else:
        monkeypatch.setattr(_recover.engine_service, "stop", lambda _d: _raise("it does not stop"))
    with pytest.raises(HostError, match="this host's state is as it was"):
        here.recover(unlock_key=KEY)
    assert here.files() == before
    assert here.done[-1] == "start", "the engine is started again"
    assert here.engine.requests == []


def _raise(words: str) -> None:
    raise HostError(words)


def test_what_was_there_is_there_again_when_the_engine_refuses(here: Host) -> None:
    here.fill(here.state, LOCKED_KEY)
    here.engine.state = "locked"
    before = here.files()
    here.engine.refuse = EngineError("invalid address")
    with pytest.raises(EngineError, match="this host's state is as it was: invalid address"):
        here.recover(unlock_key=KEY)
    assert here.files() == before, "a rerun would take it for a state without autolock"
    assert here.names() == ["swarm"]
    assert here.done[-2:] == ["stop", "start"]


def test_an_engine_that_refuses_and_does_not_stop_keeps_what_it_has(
    here: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.fill(here.state)

    def refuse(_request: dict[str, Any]) -> str:
        monkeypatch.setattr(_recover.engine_service, "stop", lambda _d: _raise("it does not stop"))
        raise EngineError("invalid address")

    here.engine.force_new_cluster = refuse  # type: ignore[method-assign]
    with pytest.raises(EngineError, match=r"invalid address.*not put back.*swarm\.aside-\d+: it does not stop"):
        here.recover()
    assert here.files()["certificates/swarm-node.key"] == OLDER_KEY


@pytest.mark.parametrize("failing", ["start", "init"])
def test_a_bare_host_is_bare_again_when_a_backup_was_in_vain(here: Host, failing: str) -> None:
    here.engine.root.mkdir()
    here.engine.state = "inactive"
    here.fetch()
    if failing == "start":
        here.starts_fail = 1
    else:
        here.engine.refuse = EngineError("invalid address")
    with pytest.raises((EngineError, HostError), match="this host's state is as it was"):
        here.recover("fetched", unlock_key=KEY)
    assert here.names() == []
    assert here.done[-1] == "start"


def test_what_can_not_be_put_back_is_named(here: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    here.fill(here.state)
    here.starts_fail = 1
    rename = Path.rename

    def full(self: Path, target: Path) -> Path:
        if ".aside-" in self.name:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(HostError, match=r"can't be started.*is in \S*swarm\.aside-\d+: .*Input/output error"):
        here.recover()
    assert here.done == ["stop", "start", "stop"], "the engine is not started on what is half put back"


@pytest.mark.parametrize("killed", ["copy", "unlock", "forget_addresses"])
def test_a_recovery_that_is_killed_while_it_copies_leaves_the_state_in_its_place(
    here: Host, killed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.fill(here.state, LOCKED_KEY)
    here.engine.state = "locked"
    before = here.files()

    class Killed(BaseException):
        pass

    def kill(*_args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(_recover.node_key if killed == "unlock" else _recover.swarm_state, killed, kill)
        with pytest.raises(Killed):
            here.recover(unlock_key=KEY)
    assert here.files() == before

    here.done.clear()
    (here.state.with_name("swarm.new") / "half").mkdir(parents=True, exist_ok=True)
    kept = Path(here.recover(unlock_key=KEY)["kept"])
    assert here.names() == ["swarm", kept.name], "what was left over is cleared"
    assert sorted(here.files()) == ["certificates/swarm-node.crt", "certificates/swarm-node.key"]


def test_an_init_that_gives_no_answer_in_time_may_have_worked(here: Host) -> None:
    here.fill(here.state)
    made = here.engine.force_new_cluster

    def late(request: dict[str, Any]) -> str:
        made(request)
        raise EngineUnreachable("no answer within 25 s")

    here.engine.force_new_cluster = late  # type: ignore[method-assign]
    assert here.recover()["node_id"] == "nodeid"


def test_a_swarm_that_never_gets_a_leader_is_a_failure(here: Host) -> None:
    here.fill(here.state)
    here.engine.force_new_cluster = lambda _request: "nodeid"  # type: ignore[method-assign]
    with pytest.raises(EngineError, match=r"has no leader after.*swarm\.aside-\d+"):
        here.recover()


def test_autolock_stays_on_when_a_recovery_that_failed_late_is_run_again(
    here: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.fill(here.state, LOCKED_KEY)
    here.engine.state = "locked"
    seconds = iter((1, 2, 3))
    monkeypatch.setattr(_recover.swarm_state.time, "time", lambda: next(seconds))
    with monkeypatch.context() as patch:
        patch.setattr(here.engine, "force_new_cluster", lambda _request: "nodeid")
        for given in (KEY, ""):
            with pytest.raises(EngineError, match="has no leader after"):
                here.recover(unlock_key=given)
            here.done.clear()
    assert here.files()["certificates/swarm-node.key"] == OLDER_KEY
    assert here.recover()["autolock"] is True
    assert here.engine.requests[0]["Spec"] == {"EncryptionConfig": {"AutoLockManagers": True}}


@pytest.mark.parametrize("aside", ["another node's", "an open one", "half of one"])
def test_what_else_was_set_aside_says_nothing_of_autolock(here: Host, aside: str) -> None:
    here.fill(here.state)
    left = here.state.with_name("swarm.aside-1")
    here.fill(left, PLAIN_KEY if aside == "an open one" else LOCKED_KEY)
    if aside == "another node's":
        der = ssl.PEM_cert_to_DER_cert(MANAGER.decode()).replace(b"nodeid", b"nobody")
        (left / "certificates/swarm-node.crt").write_text(ssl.DER_cert_to_PEM_cert(der))
    elif aside == "half of one":
        (left / "certificates/swarm-node.crt").unlink()
    assert here.recover()["autolock"] is False


# --- The module -------------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(_recover, "Restic", lambda _settings: backups)
    monkeypatch.setattr(_recover.store, "settings", lambda: None)
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


# --- Evidence ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_only_ports_that_answer_are_open(port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        closed = gone.getsockname()[1]
    asked = ["127.0.0.1:%d" % number for number in (closed, port)]
    assert _recover.open_ports(asked) == ["127.0.0.1:%d" % port]
    assert _recover.open_ports([]) == []


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("192.0.2.11", "192.0.2.11:2377"),
        ("192.0.2.11:2300", "192.0.2.11:2300"),
        ("2001:db8::1", "[2001:db8::1]:2377"),
        ("[2001:db8::1]", "[2001:db8::1]:2377"),
        ("[2001:db8::1]:2300", "[2001:db8::1]:2300"),
    ],
)
def test_an_address_gets_the_managers_port(given: str, wanted: str) -> None:
    assert _recover.with_port(given) == wanted


def test_a_dead_engines_disk_tells_whose_manager_it_was(here: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    here.fill(here.state)

    def silent(_path: str) -> Any:
        raise EngineUnreachable("no engine answers")

    monkeypatch.setattr(_recover, "HostEngine", silent)
    monkeypatch.setattr(_recover, "docker_root", lambda _info: str(here.engine.root))
    seen, root = _recover.look("socket")
    assert (seen.local_state, seen.cluster_id, seen.node_id, seen.role) == ("silent", CLUSTER, "nodeid", "manager")
    assert _recover.known_managers(seen, root) == [{"node_id": "other", "address": "192.0.2.11:2377"}]


def test_what_the_engine_knows_comes_before_what_it_left(tmp_path: Path) -> None:
    seen = Membership("active", remote_managers=(("a", "192.0.2.1:2377"),))
    assert _recover.known_managers(seen, str(tmp_path)) == [{"node_id": "a", "address": "192.0.2.1:2377"}]
    assert _recover.known_managers(Membership("inactive"), str(tmp_path)) == []


def test_the_data_directory_is_read_from_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    assert _recover.docker_root(None, file) == "/var/lib/docker"
    file.write_text('{"data-root": "/srv/docker"}')
    assert _recover.docker_root(None, file) == "/srv/docker"
    assert _recover.docker_root({"DockerRootDir": "/mnt"}, file) == "/mnt"
    file.write_text("{")
    with pytest.raises(HostError, match="can't be read"):
        _recover.docker_root(None, file)


# --- Where data is restored -------------------------------------------------------------------------------------------


class Node:
    """A worker with a database, and a volume that a service uses."""

    def __init__(self, **labels: str) -> None:
        mounts = [{"Type": "volume", "Name": "shop_data"}]
        self.container = {"Id": "c", "Names": ["/redis"], "Labels": labels, "Mounts": mounts}

    def info(self) -> dict[str, Any]:
        return {"Swarm": {"NodeID": "id", "LocalNodeState": "active"}}

    def containers(self, **_filters: str) -> list[dict[str, Any]]:
        return [self.container]


OWN = {
    "com.docker.stack.namespace": "shop",
    "com.docker.swarm.service.name": "shop_redis",
    "com.docker.swarm.task.name": "shop_redis.1.x",
}
JOBS = (
    Job("db", "redis", 26, {"service": "shop_redis", "password_file": ""}),
    Job("elsewhere", "postgres", 26, {"service": "shop_db"}),
    Job("crash", "volume", 26, {"volume": "shop_data", "consistency": "crash"}),
    Job("frozen", "volume", 26, {"volume": "shop_data", "consistency": "paused"}),
)


def places(monkeypatch: pytest.MonkeyPatch, node: Node, *names: str) -> list[dict[str, Any]]:
    monkeypatch.setattr(_recover, "LocalEngine", lambda _path: node)
    monkeypatch.setattr(_recover.store, "settings", lambda: SimpleNamespace(jobs=JOBS))
    return _recover.restore_places("socket", names)


def test_only_a_volume_that_is_not_frozen_needs_its_service_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    found = places(monkeypatch, Node(**OWN), "db", "elsewhere", "crash", "frozen")
    assert [(one["job"], one["here"], one["stop"]) for one in found] == [
        ("db", True, []),
        ("elsewhere", False, []),
        ("crash", True, [{"stack": "shop", "service": "redis"}]),
        ("frozen", True, []),
    ]


def test_what_can_not_be_stopped_and_started_again_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HostError, match="crash: the container redis uses the volume"):
        places(monkeypatch, Node(), "crash")
    with pytest.raises(HostError, match="there is no job nobody: name one of db, elsewhere"):
        places(monkeypatch, Node(), "nobody")


# --- Fences -----------------------------------------------------------------------------------------------------------


def test_a_fenced_manager_has_no_state_left_to_come_back_with(here: Host) -> None:
    here.fill(here.state)
    assert _recover.fence("socket", CLUSTER, dry_run=True) == {"changed": True, "kept": ""}
    assert here.state.exists()
    found = _recover.fence("socket", CLUSTER, dry_run=False)
    assert found["changed"] is True
    assert not here.state.exists()
    assert (Path(found["kept"]) / "docker-state.json").exists()
    here.engine.state = "inactive"
    assert _recover.fence("socket", CLUSTER, dry_run=False) == {"changed": False, "kept": ""}


def test_nobody_is_fenced_who_has_the_quorum_or_is_in_another_swarm(here: Host) -> None:
    here.fill(here.state)
    with pytest.raises(DeclarationError, match="not of other"):
        _recover.fence("socket", "other", dry_run=False)
    here.engine.error = ""
    with pytest.raises(DeclarationError, match="its quorum is not lost"):
        _recover.fence("socket", CLUSTER, dry_run=False)
    assert here.done == []


# Both made with: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650
#   -subj /O=clusterid/OU=swarm-manager/CN=nodeid (swarm-worker)
MANAGER = b"""-----BEGIN CERTIFICATE-----
MIIBzzCCAXWgAwIBAgIUHSdnRvxCJaJkRnx3i5cGJXMYEQUwCgYIKoZIzj0EAwIw
PTESMBAGA1UECgwJY2x1c3RlcmlkMRYwFAYDVQQLDA1zd2FybS1tYW5hZ2VyMQ8w
DQYDVQQDDAZub2RlaWQwHhcNMjYxMTIyMjM1MzI2WhcNMzYxMTE5MjM1MzI2WjA9
MRIwEAYDVQQKDAljbHVzdGVyaWQxFjAUBgNVBAsMDXN3YXJtLW1hbmFnZXIxDzAN
BgNVBAMMBm5vZGVpZDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCIj/Qz0Ii7I
ociVxGHcumdoTr+XSJgMMohCkArkS+6No/MoYqFt4c9k+IhlXMCu11E57V/anno4
iC83x0dmxSKjUzBRMB0GA1UdDgQWBBSmA8ZVkEAdasRhVmvxO0Dtb1YgqTAfBgNV
HSMEGDAWgBSmA8ZVkEAdasRhVmvxO0Dtb1YgqTAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIQCFVpzqolZ8BGIfZEu3KflMcv5JmZZAnl4HZKs2HZZj
xwIgF1Hx7OIa6/1ofOj/HFAOR1oLwNpn2R30KOtJGxNakYg=
-----END CERTIFICATE-----
"""
WORKER = b"""-----BEGIN CERTIFICATE-----
MIIBzTCCAXOgAwIBAgIUKJ2X2HkwN5zZGBqIv8x+CbmZZK8wCgYIKoZIzj0EAwIw
PDESMBAGA1UECgwJY2x1c3RlcmlkMRUwEwYDVQQLDAxzd2FybS13b3JrZXIxDzAN
BgNVBAMMBm5vZGVpZDAeFw0yNjExMjIyMzUzMjZaFw0zNjExMTkyMzUzMjZaMDwx
EjAQBgNVBAoMCWNsdXN0ZXJpZDEVMBMGA1UECwwMc3dhcm0td29ya2VyMQ8wDQYD
VQQDDAZub2RlaWQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQkc8O5J/eEj73K
10+tkr35U3Y2dFG+5omnCJknbl83N8TgCAAoWlmQMxBves+7xhVUO20ajSaUlfLJ
/bN51Y1Mo1MwUTAdBgNVHQ4EFgQU/C8wNAkLTanu7/OrvaovMMj4PF0wHwYDVR0j
BBgwFoAU/C8wNAkLTanu7/OrvaovMMj4PF0wDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiEAuPX8rO4eAFRRgq5t+lTNNs9QueTPcJDzLShy8HALcSgC
IH3ZdcsjM73NOhrshxzGYRhcVxIT7KFJXQnjPBxZzwiH
-----END CERTIFICATE-----
"""
