# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is backed up is restored to prove it, and no backup costs the swarm anything: not its quorum, nor an engine."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.lab import INVENTORY, PLAIN, ROOT, Lab
from tests.support.lab_backup import LOCK, MARKER, Backups, Room, outer
from tests.support.lab_recovery import DATABASE_NODE, Recovery

Say = Callable[[str], None]

RAFT = "raft"
POSTGRES = "medianest-postgres"
STOPPED = 20
"""Seconds for which a backup may stop a manager."""
READY = 120
"""Seconds after which a manager is back that was left stopped."""
UNDER_LOAD = int(os.environ.get("FLOTILLA_BACKUPS_UNDER_LOAD", "3"))
"""How many backups are made under write load. By hand: 20."""


def test_every_job_has_a_backup_that_was_restored(backups: Backups, say: Say) -> None:
    """What phase 3 left."""
    lines = []
    for job in backups.jobs():
        found = backups.statuses(job["name"])
        assert found, f"no node has ever done {job['name']}"
        for node, status in found.items():
            proof = status["verified"] or {}
            lines.append(f"{job['name']} on {node}: {status['verdict']}, {proof.get('evidence')}")
            assert (status["verdict"], proof.get("snapshot")) == ("good", status["snapshot"]), status
    say("\n    ".join(["", *lines]))


def test_a_manager_is_stopped_shortly_and_never_the_leader(lab: Lab, backups: Backups, say: Say) -> None:
    """Fault 15, the leader's part."""
    leader, (turn, other) = backups.leader(), backups.followers()
    engines = {name: backups.engine(name) for name in (leader, turn, other)}
    for name in (leader, other):
        assert backups.run(name, RAFT)
        say(f"{name}: {backups.words(name, RAFT).strip()}")
    assert backups.run(turn, RAFT), backups.words(turn, RAFT)
    status = backups.noted(turn, RAFT)
    say(f"{turn} was stopped for {status['engine_stopped']:.1f} s")
    assert 0 < status["engine_stopped"] <= STOPPED
    assert status["verdict"] == "unverified"
    after = {name: backups.engine(name) for name in engines}
    assert {name for name in engines if engines[name] != after[name]} == {turn}
    assert backups.leader() == leader
    assert backups.reachable(turn)
    assert backups.run(turn, RAFT, verify=True), backups.words(turn, RAFT, verify=True)
    status = backups.noted(turn, RAFT)
    say(f"{status['verdict']}: {status['verified']['evidence']}")
    assert (status["verdict"], status["verified"]["snapshot"]) == ("good", status["snapshot"])
    assert LOCK not in lab.run(leader, "docker config ls --format '{{.Name}}'")


def test_no_manager_is_stopped_that_the_quorum_needs(lab: Lab, backups: Backups, say: Say) -> None:
    """Fault 15."""
    turn, other = backups.followers()
    engine, before = backups.engine(turn), backups.noted(turn, RAFT)
    outer("kill", f"flotilla-{other}")
    try:
        lab.wait(f"{other} is seen to be gone", lambda: not backups.reachable(other))
        assert not backups.run(turn, RAFT)
    finally:
        outer("start", f"flotilla-{other}")
    status = backups.noted(turn, RAFT)
    say(f"{other} is dead, and {turn} says: {status['reason']}")
    assert status["verdict"] == "refused"
    assert "quorum" in status["reason"]
    assert (status["snapshot"], status["verified"]) == (before["snapshot"], before["verified"])
    assert backups.engine(turn) == engine
    lab.wait(f"{other} is back", lambda: backups.reachable(other), READY)


def test_no_room_for_the_copy(lab: Lab, backups: Backups, say: Say) -> None:
    """Fault 17 on the node: nothing is stopped for a copy that would not fit."""
    turn = backups.followers()[0]
    engine, listed = backups.engine(turn), backups.snapshots(turn)
    staging = "/var/lib/flotilla/backup/staging"
    lab.run(turn, f"mount -t tmpfs -o size=1m tmpfs {staging}")
    try:
        assert not backups.run(turn, RAFT)
    finally:
        lab.run(turn, f"umount {staging}")
    status = backups.noted(turn, RAFT)
    say(status["reason"])
    assert "no room" in status["reason"]
    assert backups.engine(turn) == engine
    assert backups.snapshots(turn) == listed
    assert LOCK not in lab.run(turn, "docker config ls --format '{{.Name}}'")


def test_no_room_for_the_backup(lab: Lab, backups: Backups, say: Say) -> None:
    """Fault 17 in the repository: what does not fit is not listed, and what was there can be restored."""
    room = Room(lab, backups.leader())
    try:
        small = f"{room.ROOT}/small"
        room.lab.run(room.node, f"mkdir {small} && mount -t tmpfs -o size=1m tmpfs {small}")
        job = {"name": "files", "kind": "files", "max_age": 26, "paths": ["/run/flotilla/backup/words"], "hosts": "all"}
        room.configure(small, jobs=[job])
        room.must("sh", "-c", "echo words > /run/flotilla/backup/words")
        made = room.agent("make-repository")
        assert made.returncode == 0, made.stderr
        first = room.agent("run", "files")
        assert first.returncode == 0, first.stderr
        before = room.restic(small, "snapshots", "--json")
        # It can't be compressed.
        room.must("sh", "-c", "head -c 4M /dev/urandom > /run/flotilla/backup/words")
        second = room.agent("run", "files")
        say(second.stderr.strip())
        assert second.returncode == 1
        assert "no space left" in second.stderr
        assert room.restic(small, "snapshots", "--no-lock", "--json") == before
        assert room.restic(small, "dump", "--no-lock", "latest", "/run/flotilla/backup/words") == "words\n"
    finally:
        lab.run(room.node, f"! mountpoint -q {room.ROOT}/small || umount {room.ROOT}/small")
        room.close()


def test_the_controller_dies_in_mid_backup(lab: Lab, backups: Backups, say: Say) -> None:
    """Fault 16: systemd carries on. And meanwhile a second manager's backup finds out that there is one."""
    turn, other = backups.followers()
    before = backups.noted(turn, RAFT)["snapshot"]
    with backups.slow_stop(turn):
        controller = subprocess.Popen(
            ["ansible", "-i", INVENTORY, turn, "-m", "flotilla.swarm.swarm_backup", "-a", "state=run job=raft"],
            cwd=ROOT,
            env=PLAIN,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            backups.wait_until_stopped(turn)
        finally:
            os.killpg(controller.pid, signal.SIGKILL)
            controller.wait(30)
        # The one whose turn it was is gone, so now it would be the other's.
        lab.wait(f"{turn} is seen to be gone", lambda: not backups.reachable(turn), 10)
        process = backups.engine(other)
        assert backups.run(other, RAFT)
        said = backups.words(other, RAFT)
        say(f"two at once: {other} says: {said.strip()}")
        assert f"not backed up here: {turn} backs up its state" in said
        assert backups.engine(other) == process
        lab.wait("the backup has ended", lambda: backups.ended(turn, RAFT), READY)
    status = backups.noted(turn, RAFT)
    say(f"without its controller, {turn} made {status['snapshot']}, stopped for {status['engine_stopped']:.1f} s")
    assert status["verdict"] == "unverified", status
    assert status["snapshot"] != before
    assert backups.reachable(turn)


def test_the_agent_is_killed_while_the_engine_is_stopped(lab: Lab, backups: Backups, say: Say) -> None:
    """Fault 16, and worse: systemd starts the engine again."""
    turn = backups.followers()[0]
    before = backups.noted(turn, RAFT)
    listed = backups.snapshots(turn)
    with backups.slow_stop(turn, 5):
        backups.begin(turn, RAFT)
        backups.wait_until_stopped(turn)
        lab.run(turn, "systemctl kill --kill-whom=main --signal=SIGKILL flotilla-backup@raft.service")
        killed = time.monotonic()
        lab.wait("the unit has ended", lambda: backups.ended(turn, RAFT), READY)
    lab.wait(f"{turn} is reachable again", lambda: backups.reachable(turn), READY - (time.monotonic() - killed))
    say(f"{turn} is a reachable manager {time.monotonic() - killed:.0f} s after its agent was killed")
    assert not lab.node(turn).file(MARKER).exists
    assert backups.noted(turn, RAFT)["snapshot"] == before["snapshot"]
    assert backups.snapshots(turn) == listed
    # Whose turn it was may take up again what it left behind, its lock too.
    assert backups.followers()[0] == turn
    assert backups.run(turn, RAFT), backups.words(turn, RAFT)


def test_the_backup_host_is_away(lab: Lab, backups: Backups, say: Say) -> None:
    node = backups.leader()
    job = next(job["name"] for job in backups.jobs() if job["kind"] == "files")
    before = backups.noted(node, job)
    outer("stop", "-t", "2", "flotilla-backup-host")
    try:
        assert not backups.run(node, job)
    finally:
        outer("start", "flotilla-backup-host")
    status = backups.noted(node, job)
    say(status["reason"])
    assert status["verdict"] == "failed"
    assert "does not answer" in status["reason"]
    kept = ("snapshot", "taken", "verified")
    assert {key: status[key] for key in kept} == {key: before[key] for key in kept}
    lab.wait("the backup host answers again", lambda: backups.run(node, job), 30)
    assert backups.run(node, job, verify=True), backups.words(node, job, verify=True)
    assert backups.noted(node, job)["verdict"] == "good"


WRITER = """
written=0
while [ ! -e /run/recovery-load-stop ]; do
  id=$(head -c 2000 /dev/urandom | base64 | docker config create recovery-load-$written -) || { sleep 0.2; continue; }
  written=$((written + 1))
  docker config rm $id >/dev/null && written=$((written + 1))
done
echo $written
"""
"""Writes to the raft, as fast as one can, and says how often; a try fails while a leader is elected."""


@contextmanager
def load(lab: Lab, recovery: Recovery, node: str, wrote: dict[str, int]) -> Iterator[None]:
    """Somebody writes to the swarm and to the database all the time; in the end ``wrote`` says how much."""
    lab.run(node, "rm -f /run/recovery-load-stop")
    command = ["docker", "exec", f"flotilla-{node}", "timeout", "1800", "sh", "-c", WRITER]
    swarm = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    stop = threading.Event()

    def rows() -> None:
        while not stop.is_set():
            wrote["rows"] = recovery.write_rows(1000)

    database = threading.Thread(target=rows)
    database.start()
    try:
        yield
    finally:
        stop.set()
        database.join(120)
        lab.run(node, "touch /run/recovery-load-stop")
        wrote["objects"] = int(swarm.communicate(timeout=60)[0])


def test_backups_under_write_load_are_all_restored(lab: Lab, backups: Backups, recovery: Recovery, say: Say) -> None:
    """Fault 14."""
    turn, stopped, restored = backups.followers()[0], [], 0
    wrote: dict[str, int] = {}
    with load(lab, recovery, backups.leader(), wrote):
        for _number in range(UNDER_LOAD):
            for node, job in ((turn, RAFT), (DATABASE_NODE, POSTGRES)):
                assert backups.run(node, job), backups.words(node, job)
                snapshot = backups.noted(node, job)["snapshot"]
                assert backups.run(node, job, verify=True), backups.words(node, job, verify=True)
                status = backups.noted(node, job)
                assert (status["verdict"], status["verified"]["snapshot"]) == ("good", snapshot), status
                restored += 1
            stopped.append(backups.noted(turn, RAFT)["engine_stopped"])
    proofs = [
        backups.noted(node, job)["verified"]["evidence"] for node, job in ((turn, RAFT), (DATABASE_NODE, POSTGRES))
    ]
    say(f"{restored} of {2 * UNDER_LOAD} restored, {turn} stopped for {max(stopped):.1f} s at the most, while {wrote}")
    say("; ".join(proofs))
    assert wrote["objects"] > 0
    assert max(stopped) <= STOPPED


@pytest.fixture(autouse=True)
def no_load_left(lab: Lab) -> Iterator[None]:
    yield
    manager = lab.manager()
    for name in lab.run(manager, "docker config ls --format '{{.Name}}'").split():
        if name.startswith("recovery-load-"):
            lab.run(manager, "docker config rm %s", name)
