# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks that restic leaves in the repository when it is killed: it is not killed at once, and what stays is removed."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import Job
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.settings import Settings
from ansible_collections.flotilla.swarm.plugins.module_utils._host import command
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.module_utils._host.restic import Restic

SETTINGS = Settings("/srv/backup", 0, "cluster1", "n1", "manager", {"within": "30d", "last": 3}, "5%", "", 14400)
MADE = '{"message_type":"summary","snapshot_id":"aaaa1111","total_bytes_processed":9,"total_duration":1.5}'
# It is locked while the file is there, which a lock is; `unlock` removes one that is stale.
LOCKED = (
    'case " $* " in *" unlock "*) echo unlock >> asked; [ -e living ] || rm -f locked; exit;; esac\n'
    "echo other >> asked\n"
    "cat > given\n"
    "[ ! -e locked ] || { echo 'unable to create lock' >&2; exit 11; }\n"
    "case \"$*\" in *snapshots*) echo '[]';; *) echo '%s';; esac" % MADE
)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Restic:
    program = tmp_path / "restic"
    program.write_text("#!/bin/sh\ncd %s || exit\n%s\n" % (tmp_path, LOCKED))
    program.chmod(0o755)
    monkeypatch.setattr(command, "find", lambda _name: str(program))
    return Restic(SETTINGS, tmp_path / "environment")


ASKED: list[Callable[[Restic], object]] = [
    lambda restic: restic.snapshots(),
    lambda restic: restic.check(),
    lambda restic: restic.backup_bytes(b"given", "/x", Job("etc", "files"), "cluster1"),
]


@pytest.mark.parametrize("ask", ASKED)
def test_a_lock_of_nobody_is_in_nobodys_way(
    repository: Restic, tmp_path: Path, ask: Callable[[Restic], object]
) -> None:
    (tmp_path / "locked").touch()
    ask(repository)
    assert (tmp_path / "asked").read_text().split() == ["other", "unlock", "other"]
    assert (tmp_path / "given").read_text() in ("", "given")


def test_what_was_given_is_given_again(repository: Restic, tmp_path: Path) -> None:
    (tmp_path / "locked").touch()
    repository.backup_bytes(b"given", "/x", Job("etc", "files"), "cluster1")
    assert (tmp_path / "given").read_text() == "given"


@pytest.mark.parametrize("ask", ASKED)
def test_a_lock_that_is_held_is_respected(repository: Restic, tmp_path: Path, ask: Callable[[Restic], object]) -> None:
    (tmp_path / "locked").touch()
    (tmp_path / "living").touch()
    with pytest.raises(HostError, match="stayed locked"):
        ask(repository)
    assert (tmp_path / "locked").exists()
    assert (tmp_path / "asked").read_text().split() == ["other", "unlock", "other"]


def test_work_waits_longer_once_it_is_known_that_somebody_holds_it(repository: Restic, tmp_path: Path) -> None:
    program = tmp_path / "restic"
    program.write_text(program.read_text().replace("echo other >>", 'echo "$@" >>'))
    for name in ("locked", "living"):
        (tmp_path / name).touch()
    with pytest.raises(HostError, match="stayed locked"):
        repository.check()
    first, _unlock, again = (tmp_path / "asked").read_text().splitlines()
    assert "--retry-lock 1h" not in first
    assert "--retry-lock 1h check" in again


def test_while_containers_stand_still_a_lock_is_the_end(repository: Restic, tmp_path: Path) -> None:
    """To unlock and to try again is time in which they do nothing."""
    (tmp_path / "locked").touch()
    with pytest.raises(HostError, match="stayed locked"):
        repository.backup_paths([str(tmp_path)], Job("etc", "files"), "cluster1", frozen=True)
    assert (tmp_path / "asked").read_text().split() == ["other"]


def test_nobody_is_unlocked_without_need(repository: Restic, tmp_path: Path) -> None:
    repository.check()
    assert (tmp_path / "asked").read_text().split() == ["other"]


# -- how a command is ended ------------------------------------------------------------------------------------------

TIDY = "trap 'echo tidied > %s; exit 1' TERM; echo > %s; while :; do sleep 0.05; done"


def until_begun(path: Path, then: BaseException) -> Callable[..., object]:
    """What interrupts the wait for a command once that has begun, as a signal does."""

    def communicate(process: subprocess.Popen[bytes], *_arguments: object) -> object:
        while not path.exists() and process.poll() is None:
            pass
        raise then

    return communicate


@pytest.mark.parametrize("error", [SystemExit(143), subprocess.TimeoutExpired("sh", 1.0)])
def test_who_is_ended_may_tidy_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    begun, tidied = tmp_path / "begun", tmp_path / "tidied"
    monkeypatch.setattr(subprocess.Popen, "communicate", until_begun(begun, error))
    expected = HostError if isinstance(error, subprocess.TimeoutExpired) else SystemExit
    with pytest.raises(expected):
        command.run(["sh", "-c", TIDY % (tidied, begun)])
    assert tidied.read_text() == "tidied\n"


def test_who_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "GRACE", 0.2)
    with subprocess.Popen(["sh", "-c", "trap '' TERM; echo; while :; do sleep 0.05; done"], stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        command.end(process)
    assert process.returncode == -signal.SIGKILL


def test_half_a_dump_of_one_that_was_killed_is_not_taken_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the kernel, say, for want of memory. Its taker sees an end, and is content."""
    program = tmp_path / "restic"
    program.write_text("#!/bin/sh\necho half\nkill -KILL $$\n")
    program.chmod(0o755)
    monkeypatch.setattr(command, "find", lambda name: str(program) if name == "restic" else "/bin/" + name)
    with pytest.raises(HostError, match=r"exit status -9"):
        Restic(SETTINGS, tmp_path / "environment").dump_to("aaaa1111", "/x", ["cat"])
