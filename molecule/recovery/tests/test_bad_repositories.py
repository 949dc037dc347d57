# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can't be restored is refused before anything is touched: by ``fetch-state``, which a rebuild begins with.

The agent runs on a manager, with a repository of its own in place of the lab's, and what it fetched last beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.support.lab import Lab
from tests.support.lab_backup import Backups, Room, cluster_id
from tests.support.lab_recovery import Recovery

Say = Callable[[str], None]

PASSWORD = "another-password"  # noqa: S105  opens nothing
STRANGER = "strangers0swarm0strangers0"

_LARGEST = """
import os, sys
files = [os.path.join(top, name) for top, dirs, names in os.walk(sys.argv[1] + "/data") for name in names]
pack = max(files, key=os.path.getsize)
os.chmod(pack, 0o600)
size = os.path.getsize(pack)
with open(pack, "r+b") as file:
"""
FLIP = (
    _LARGEST
    + """
    file.seek(size // 2)
    byte = file.read(1)[0]
    file.seek(size // 2)
    file.write(bytes([byte ^ 1]))
"""
)
TRUNCATE = _LARGEST + "    file.truncate(size // 2)\n"


@dataclass
class Bad:
    """A room with one good repository, and what was fetched from it."""

    room: Room
    cluster_id: str
    good: str
    snapshot: str


def whole(lab: Lab, node: str) -> str:
    """What is on the node that a recovery could spoil: its engine, keys and settings, and what we note there."""
    keys = "find /var/lib/docker/swarm/certificates -type f -exec sha256sum {} +"
    files = "find /etc/docker /etc/flotilla /var/lib/flotilla /run/flotilla -printf '%p %m %s %T@\n'"
    return lab.run(node, f"systemctl show --property=MainPID docker.service; {keys} | sort; {files} | sort")


@pytest.fixture(scope="module")
def bad(lab: Lab, backups: Backups) -> Iterator[Bad]:
    snapshot = [one for one in backups.snapshots(backups.leader()) if one["kind"] == "raft"][-1]
    room = Room(lab, snapshot["host"])
    good = room.copy_of(snapshot["id"], "good")
    room.configure(good)
    swarm = cluster_id(lab)
    assert room.agent("fetch-state", "latest", swarm).returncode == 0
    yield Bad(room, swarm, good, snapshot["id"])
    room.close()


def refused(lab: Lab, bad: Bad, say: Say, *words: str) -> None:
    """``fetch-state`` fails and says these words; the node is as it was, and so is what was fetched before."""
    before, fetched = whole(lab, bad.room.node), bad.room.fetched()
    done = bad.room.agent("fetch-state", "latest", bad.cluster_id)
    say(done.stderr.strip())
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert bad.room.fetched() == fetched
    assert whole(lab, bad.room.node) == before


def spoiled(bad: Bad, name: str, program: str) -> None:
    """Have the agent use a copy of the good repository that a program has spoiled."""
    repository = bad.room.twin(bad.good, name)
    bad.room.configure(repository)
    bad.room.must("python3", "-c", program, repository)


def test_a_flipped_byte(lab: Lab, bad: Bad, say: Say) -> None:
    """Fault 12."""
    spoiled(bad, "flipped", FLIP)
    refused(lab, bad, say, "is damaged")


def test_a_flipped_byte_is_found_by_a_verification(lab: Lab, bad: Bad, say: Say) -> None:
    """Fault 12: before anybody needs the backup."""
    spoiled(bad, "flipped-too", FLIP)
    note = lab.run(bad.room.node, "cat /var/lib/flotilla/backup/status/raft.json")
    bad.room.must("tee", "/var/lib/flotilla/backup/status/raft.json", text=note)
    before = whole(lab, bad.room.node)
    done = bad.room.agent("verify", "raft")
    say(done.stderr.strip())
    assert done.returncode == 1
    assert "is not good" in done.stderr
    assert '"failed"' in bad.room.must("cat", "/var/lib/flotilla/backup/status/raft.json")
    assert whole(lab, bad.room.node) == before


def test_a_truncated_pack(lab: Lab, bad: Bad, say: Say) -> None:
    """Fault 12."""
    spoiled(bad, "truncated", TRUNCATE)
    refused(lab, bad, say, "is damaged")


def test_no_repository(lab: Lab, bad: Bad, say: Say) -> None:
    """Fault 12: an empty directory."""
    bad.room.must("mkdir", f"{bad.room.ROOT}/nothing")
    bad.room.configure(f"{bad.room.ROOT}/nothing")
    refused(lab, bad, say, "there is no repository at")


def test_an_empty_repository(lab: Lab, bad: Bad, say: Say) -> None:
    """Fault 12: a repository that has no snapshot yet."""
    bad.room.configure(f"{bad.room.ROOT}/empty")
    bad.room.restic(f"{bad.room.ROOT}/empty", "init")
    refused(lab, bad, say, "holds no state of a swarm's managers")


def test_a_wrong_password(lab: Lab, bad: Bad, say: Say) -> None:
    right = bad.room.must("cat", bad.room.PASSWORD).strip()
    bad.room.configure(bad.good, PASSWORD)
    try:
        refused(lab, bad, say, "the password does not open the repository")
    finally:
        bad.room.configure(bad.good, right)


def test_another_swarms_backup(lab: Lab, bad: Bad, say: Say) -> None:
    repository = bad.room.twin(bad.good, "stranger")
    bad.room.configure(repository)
    tags = [word for tag in ("job=raft", "kind=raft", f"swarm={STRANGER}") for word in ("--set", tag)]
    bad.room.restic(repository, "tag", *tags)
    refused(lab, bad, say, f"holds no state of the swarm {bad.cluster_id}", STRANGER)


def test_another_swarms_state_under_this_ones_name(lab: Lab, bad: Bad, say: Say) -> None:
    repository = bad.room.twin(bad.good, "disguised")
    bad.room.configure(repository)
    bad.room.edited(repository, bad.cluster_id, {"cluster_id": STRANGER})
    refused(lab, bad, say, f"the state of the swarm {STRANGER}, not of {bad.cluster_id}")


def test_a_newer_engines_state(lab: Lab, bad: Bad, say: Say) -> None:
    repository = bad.room.twin(bad.good, "newer")
    bad.room.configure(repository)
    bad.room.edited(repository, bad.cluster_id, {"engine_version": "99.1.0"})
    refused(lab, bad, say, "99.1.0")


def test_a_backup_that_is_older_than_the_unlock_key(
    lab: Lab, bad: Bad, backups: Backups, locked: str, say: Say
) -> None:
    """Fault 13: the key is kept with each backup, and the key of today does not open yesterday's."""
    turn = backups.followers()[0]
    assert backups.run(turn, "raft"), backups.words(turn, "raft")
    snapshot = backups.noted(turn, "raft")["snapshot"]
    today = lab.run(lab.manager(), "docker swarm unlock-key --rotate --quiet").strip()
    assert today != locked

    room = Room(lab, turn)
    try:
        local = room.copy_of(snapshot, "locked")
        room.configure(local)
        before = whole(lab, turn)
        old = room.agent("fetch-state", "latest", bad.cluster_id)
        say(old.stdout.strip().splitlines()[-1] if old.stdout else old.stderr)
        assert old.returncode == 0, old.stderr
        assert "opened with the unlock key" in old.stdout
        fetched = room.fetched()
        room.edited(local, bad.cluster_id, key=today)
        wrong = room.agent("fetch-state", "latest", bad.cluster_id)
        say(wrong.stderr.strip())
        assert wrong.returncode == 1
        assert "unlock key" in wrong.stderr
        assert room.fetched() == fetched
        assert whole(lab, turn) == before
        for key in (locked, today):
            assert key not in old.stdout + old.stderr + wrong.stdout + wrong.stderr
    finally:
        room.close()


@pytest.fixture(scope="module", autouse=True)
def raft_without_lock_again(lab: Lab, backups: Backups, recovery: Recovery) -> Iterator[None]:
    """The newest backup is one of the swarm as it then is, verified."""
    yield
    recovery.autolock(False)
    turn = backups.followers()[0]
    lab.wait("the state is backed up", lambda: backups.run(turn, "raft"), 60)
    assert backups.run(turn, "raft", verify=True), backups.words(turn, "raft", verify=True)
