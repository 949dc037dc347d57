# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of the managers' state is fetched only when all of it was proved, and touches nothing else."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import fetch, store
from ansible_collections.flotilla.swarm.plugins.module_utils._host import node_key, raft_state
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

from tests.support import raft_files, secretbox
from tests.support.backup_agent import SWARM, Repository, on_node, raft_backup, settings, snapshot
from tests.support.raft_files import UNLOCK_KEY


def version(_words: list[str]) -> str:
    return "Docker version 26.1.5+dfsg1, build 411e817\n"


class Host:
    """A host with a repository, and what was fetched to it."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tmp_path = tmp_path
        self.repository = Repository()
        self.docker = on_node(tmp_path, monkeypatch, self.repository, version)
        monkeypatch.setattr(raft_state, "secretbox", lambda: secretbox.unseal)

    def add(self, id: str, *, minute: int = 0, swarm: str = SWARM, key: str = UNLOCK_KEY, **more: Any) -> Path:  # noqa: A002
        state = raft_files.make_state(self.tmp_path / "made" / id / "swarm", locked=bool(key))
        taken = snapshot(id, "raft", minute=minute, swarm=swarm)
        self.repository.held.append(taken)
        raft_backup(self.repository, taken, state, key, **more)
        return state

    def fetch(self, asked: str = "latest", cluster_id: str = "", known: str = "") -> dict[str, Any]:
        return fetch.fetch(asked, cluster_id, settings("raft", cluster_id=known))

    @property
    def there(self) -> list[str]:
        """What lies in the directory for recoveries."""
        place = self.tmp_path / "recovery"
        return sorted(path.name for path in place.iterdir()) if place.exists() else []


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_the_newest_state_is_fetched_and_unlocked(host: Host) -> None:
    host.add("aaaa1111")
    host.add("bbbb2222", minute=5)
    found = host.fetch()
    place = host.tmp_path / "recovery" / "state"
    assert found["snapshot"] == "bbbb2222"
    assert found["metadata"]["autolock"] is True
    assert found["state"] == str(place / "swarm")
    assert found["evidence"] == (
        "the state of m1: its key opened with the unlock key; 3 entries, 3 encrypted, no snapshot yet"
    )
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert not node_key.check(place / "swarm", None)
    assert UNLOCK_KEY not in str(found)
    assert host.there == ["state"]


def test_a_state_without_autolock_needs_no_key(host: Host) -> None:
    host.add("aaaa1111", key="")
    del host.repository.files["aaaa1111", "/run/flotilla/backup/unlock-key"]
    assert host.fetch()["metadata"]["autolock"] is False


def test_an_older_one_is_fetched_by_its_id(host: Host) -> None:
    host.add("aaaa1111")
    host.add("bbbb2222", minute=5)
    assert host.fetch("aaaa1111")["snapshot"] == "aaaa1111"
    assert host.fetch("aaaa1111ffffffffff")["snapshot"] == "aaaa1111"
    for wrong in ("cccc", "", "a"):
        with pytest.raises(HostError, match=r"no one snapshot .*aaaa1111 .*bbbb2222 .*latest"):
            host.fetch(wrong)


def test_a_state_that_lacks_something_is_passed_over_and_refused(host: Host) -> None:
    host.add("aaaa1111")
    host.add("bbbb2222", minute=5)
    store.note_partial("bbbb2222", "restic could not read all of it")
    assert host.fetch()["snapshot"] == "aaaa1111"
    with pytest.raises(HostError, match=r"^the snapshot bbbb2222 is no backup: restic could not read all of it$"):
        host.fetch("bbbb2222")
    with pytest.raises(HostError, match=r"no one snapshot cccc .*: name one of its newest, aaaa1111 \([^,]*\), or"):
        host.fetch("cccc")
    store.note_partial("aaaa1111", "restic could not read all of it")
    with pytest.raises(HostError, match="the repository holds no backup of raft of the swarm cluster1"):
        host.fetch()


def test_one_of_several_swarms_is_asked_for(host: Host) -> None:
    host.add("aaaa1111")
    host.add("bbbb2222", minute=5, swarm="cluster2")
    with pytest.raises(HostError, match=r"states of 2 swarms \(cluster1, cluster2\): say which"):
        host.fetch()
    assert host.fetch(cluster_id=SWARM)["snapshot"] == "aaaa1111"
    assert host.fetch(known=SWARM)["snapshot"] == "aaaa1111"
    with pytest.raises(HostError, match="no state of the swarm cluster3, only of cluster1, cluster2"):
        host.fetch(cluster_id="cluster3")


def test_an_empty_repository_has_nothing(host: Host) -> None:
    host.repository.held.append(snapshot("aaaa1111", "pg"))
    with pytest.raises(HostError, match="holds no state of a swarm's managers"):
        host.fetch()
    assert host.there == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"engine_version": "28.5.2"}, "written by an engine 28.5.2, and this one is 26.1.5"),
        ({"cluster_id": "cluster9"}, "state of the swarm cluster9, not of cluster1"),
        ({"node_id": "node9", "managers": [{"id": "node9", "name": "m1", "address": "192.0.2.1"}]}, "says node9"),
        ({"format": 2}, "its format is 2"),
        ({"autolock": False}, "it is locked, and there is no unlock key"),
    ],
)
def test_what_does_not_fit_is_refused(host: Host, changed: dict[str, Any], message: str) -> None:
    host.add("aaaa1111", **changed)
    with pytest.raises(HostError, match=message):
        host.fetch()
    assert host.there == []


def test_a_state_that_cannot_be_opened_leaves_the_one_before(host: Host) -> None:
    host.add("aaaa1111")
    host.fetch()
    state = host.add("bbbb2222", minute=5)
    wal = next((state / raft_state.WAL).iterdir())
    data = bytearray(wal.read_bytes())
    data[data.index(b"n" * 24)] ^= 1
    wal.write_bytes(data)
    with pytest.raises(HostError, match=r"\.wal, byte \d+: its checksum"):
        host.fetch()
    assert host.there == ["state"]
    assert not node_key.check(host.tmp_path / "recovery" / "state" / "swarm", None)


def test_a_rotated_unlock_key_does_not_open_it(host: Host) -> None:
    host.add("aaaa1111")
    host.repository.files["aaaa1111", "/run/flotilla/backup/unlock-key"] = b"SWMKEY-1-" + b"B" * 42 + b"A\n"
    with pytest.raises(HostError, match="the unlock key does not open it"):
        host.fetch()
    assert host.there == []


def test_what_restic_refuses_is_told(host: Host) -> None:
    host.add("aaaa1111")
    host.repository.refuses = "the repository is damaged"
    with pytest.raises(HostError, match="the repository is damaged"):
        host.fetch()
    assert host.there == []
