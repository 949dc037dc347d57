# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A swarm made anew out of one host's state: what the host has then, and what is put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.definition import LOCK_CONFIG
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import swarm_spec
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineError, EngineUnreachable
from ansible_collections.flotilla.swarm.plugins.module_utils._host import engine_service, node_key, swarm_state
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

from tests.support.recovering_host import KEY, LOCKED_KEY, OLDER_KEY, Engine, Host


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
        monkeypatch.setattr(node_key, "unlock", lambda *_a: _raise("no space left"))
    elif failing == "put":
        monkeypatch.setattr(swarm_state, "put", lambda *_a: _raise("no space left"))
    else:
        monkeypatch.setattr(engine_service, "stop", lambda _d: _raise("it does not stop"))
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
        monkeypatch.setattr(engine_service, "stop", lambda _d: _raise("it does not stop"))
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
        patch.setattr(node_key if killed == "unlock" else swarm_state, killed, kill)
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
    monkeypatch.setattr(swarm_state.time, "time", lambda: next(seconds))
    with monkeypatch.context() as patch:
        patch.setattr(here.engine, "force_new_cluster", lambda _request: "nodeid")
        for given in (KEY, ""):
            with pytest.raises(EngineError, match="has no leader after"):
                here.recover(unlock_key=given)
            here.done.clear()
    assert here.files()["certificates/swarm-node.key"] == OLDER_KEY
    assert here.recover()["autolock"] is True
    assert here.engine.requests[0]["Spec"] == {"EncryptionConfig": {"AutoLockManagers": True}}
