# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of restic's exit status and output, with a script in its place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Summary
from ansible_collections.flotilla.swarm.plugins.module_utils._host import command, restic
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

from tests.support.backup_agent import JOB, settings


class Script:
    """A ``restic`` that notes its arguments and does what a test writes; ``$all`` are its arguments."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.log, self.environment = (directory / name for name in ("restic", "log", "environment"))
        found = {"restic": str(self.path)}
        monkeypatch.setattr(command, "find", lambda name: found.get(name) or shutil.which(name))

    def does(self, body: str) -> restic.Restic:
        self.path.write_text('#!/bin/sh\nall="$*"\ncd %s; echo "$all" >> log\n%s\n' % (self.path.parent, body))
        self.path.chmod(0o755)
        return restic.Restic(settings(), self.environment)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    return Script(tmp_path, monkeypatch)


RACE = 'case "$all" in *init) touch made; exit 1;; esac; [ -e made ] || exit 10'


@pytest.mark.parametrize(
    ("body", "made", "asked"), [("", False, 1), ("[ $(wc -l < log) = 2 ] || exit 10", True, 2), (RACE, False, 3)]
)
def test_a_repository_is_made_once_whoever_is_first(script: Script, body: str, made: bool, asked: int) -> None:
    assert script.does(body).init_if_absent() is made
    assert len(script.log.read_text().splitlines()) == asked


def test_an_exit_status_is_explained(script: Script) -> None:
    with pytest.raises(HostError, match=r"the password does not open .*swarm_backup_password.*\(restic: wrong\)"):
        script.does("echo wrong >&2; exit 12").init_if_absent()
    assert "init" not in script.log.read_text()
    for ask in (script.does("exit 10").snapshots, script.does("exit 10").init_if_absent):
        with pytest.raises(HostError, match="there is no repository at /srv/backup: correct swarm_backup_repository"):
            ask()


def test_a_summary_is_read_and_secrets_are_in_no_argument(script: Script) -> None:
    script.environment.write_text("RESTIC_REST_PASSWORD=a=canary\n")
    said = '{"message_type":"summary","snapshot_id":"0123456789","total_bytes_processed":6,"total_duration":1.5}'
    own = script.does("cat > given; echo \"$RESTIC_REST_PASSWORD\" > seen; echo '%s'" % said)
    assert own.backup_bytes(b"a\0b\xff\r\n", "/x", JOB["etc"], "cluster1") == Summary("01234567", 6, 1.5)
    assert script.path.with_name("given").read_bytes() == b"a\0b\xff\r\n"
    assert script.path.with_name("seen").read_text() == "a=canary\n"
    assert "canary" not in script.log.read_text()


def test_a_file_is_fed_to_its_taker(script: Script) -> None:
    assert script.does("printf 'a\\000b'").dump_to("1", "/x", ["cat"]) == b"a\0b"
    with pytest.raises(HostError, match="`sh -c cat; echo bad >&2; exit 3` says: bad"):
        script.does("echo x").dump_to("1", "/x", ["sh", "-c", "cat; echo bad >&2; exit 3"])
    with pytest.raises(HostError, match="there is no repository"):
        script.does("echo half; exit 10").dump_to("1", "/x", ["cat"])


def test_a_taker_that_ends_early_is_not_waited_for(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restic, "SHORT", 5.0)  # who waits for it fails with other words
    with pytest.raises(HostError, match="says: enough"):
        script.does("exec cat /dev/zero").dump_to("1", "/x", ["sh", "-c", "echo enough >&2; exit 1"])
