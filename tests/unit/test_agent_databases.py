# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump of PostgreSQL has the roles before the archive, and each of its tools gets its own part, byte by byte.

What the server makes of the SQL is proved on the lab's real one.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import databases

from tests.support.backup_agent import JOB

ROLES = b"1\tapp_ro\t\\N\tt\tCREATE ROLE app_ro LOGIN\n1\t  odd\\tr\\\\ole \t\\N\tf\tCREATE ROLE x\n"
ARCHIVE = b"PGDMP\x01\x00\\.\nroles\n\x00\xff\r\n" + bytes(range(256)) * 9000
PLAIN = ["--dbname=shop", "--no-password", "--exit-on-error", "--clean"]


class Tools:
    """psql, pg_dump and pg_restore of a container: they keep what they were given, and say what is in ``says``."""

    def __init__(self, tmp_path: Path) -> None:
        self.place = tmp_path
        self.says: dict[str, bytes] = {"psql": b"", "pg_dump": ARCHIVE, "pg_restore": b""}
        self.fails = ""

    def run(self, words: list[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        for name, said in self.says.items():
            (self.place / (name + ".says")).write_bytes(said)
            script = self.place / name
            script.write_text(
                '#!/bin/sh\ncd %s\nprintf "%%s\\n" "$@" >%s.asked\necho "$PGUSER $PGDATABASE ${PGHOST-}" >%s.where\n'
                "cat >%s.given\ncat %s.says\n%s"
                % (self.place, name, name, name, name, "echo 'no good' >&2; exit 3\n" if name == self.fails else "")
            )
            script.chmod(0o700)
        path = "%s:%s" % (self.place, os.environ["PATH"])
        return subprocess.run(words, input=given, capture_output=True, check=False, env={"PATH": path})

    def restore(self, given: bytes, place: str = "") -> subprocess.CompletedProcess[bytes]:
        return self.run(databases.undump("admin", "shop", "--clean", place=place), given)

    def was(self, name: str, what: str) -> bytes | None:
        """What a tool was ``asked`` or ``given``, and ``where``; None when nobody started it."""
        kept = self.place / ("%s.%s" % (name, what))
        return kept.read_bytes() if kept.exists() else None

    def asked(self, name: str) -> list[str]:
        return (self.was(name, "asked") or b"").decode().splitlines()


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(tmp_path)


def dump(tools: Tools) -> subprocess.CompletedProcess[bytes]:
    return tools.run(databases.dump(JOB["pg"], "live")[3:])


def test_the_roles_come_before_the_archive(tools: Tools) -> None:
    tools.says["psql"] = ROLES
    assert dump(tools).stdout == b"roles\n" + ROLES + b"\\.\n" + ARCHIVE
    assert tools.asked("pg_dump") == ["--format=custom", "--no-password"]
    assert [tools.was(name, "where") for name in ("psql", "pg_dump")] == [b"shop shop \n"] * 2
    # Who asks for no password needs no right to see one, and none is in the backup.
    assert b"pg_authid" not in (tools.was("psql", "given") or b"")


@pytest.mark.parametrize("failing", ["psql", "pg_dump"])
def test_a_dump_that_lacks_something_is_none(tools: Tools, failing: str) -> None:
    tools.fails = failing
    made = dump(tools)
    assert (made.returncode, made.stderr) == (3, b"no good\n")
    assert (tools.was("pg_dump", "asked") is None) == (failing == "psql")


@pytest.mark.parametrize("place", ["", "/flotilla"])
@pytest.mark.parametrize("roles", [ROLES, b""])
def test_roles_and_archive_each_reach_their_own_tool(tools: Tools, roles: bytes, place: str) -> None:
    done = tools.restore(b"roles\n" + roles + b"\\.\n" + ARCHIVE, place)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert tools.was("pg_restore", "given") == ARCHIVE
    assert b"\nCOPY wanted FROM STDIN;\n" + roles + b"\\.\n" in (tools.was("psql", "given") or b"")
    # Owners and grants are restored, in the trial too.
    assert tools.asked("pg_restore") == PLAIN
    where = ("admin shop %s\n" % place).encode()
    assert [tools.was(name, "where") for name in ("psql", "pg_restore")] == [where] * 2


def test_who_has_no_password_is_told_also_when_the_rest_fails(tools: Tools) -> None:
    said = tools.says["psql"] = b"roles made without a password: app_ro, web\n"
    given = b"roles\n" + ROLES + b"\\.\n" + ARCHIVE
    assert tools.restore(given).stdout == said
    assert tools.restore(given, "/flotilla").stdout == b""
    tools.fails = "pg_restore"
    done = tools.restore(given)
    assert (done.returncode, done.stderr) == (3, said + b"no good\n")
    assert tools.restore(given, "/flotilla").stderr == b"no good\n"


def test_without_the_roles_nothing_is_restored(tools: Tools) -> None:
    tools.fails = "psql"
    done = tools.restore(b"roles\n" + ROLES + b"\\.\n" + ARCHIVE)
    assert (done.returncode, done.stderr) == (3, b"no good\n")
    assert tools.was("pg_restore", "asked") is None


@pytest.mark.parametrize(("place", "more"), [("", ["--no-owner"]), ("/flotilla", ["--no-owner", "--no-privileges"])])
def test_a_backup_of_before_is_an_archive_alone(tools: Tools, place: str, more: list[str]) -> None:
    assert tools.restore(ARCHIVE, place).returncode == 0
    assert tools.was("psql", "asked") is None
    assert tools.was("pg_restore", "given") == ARCHIVE
    assert tools.asked("pg_restore") == more + PLAIN
    tools.fails = "pg_restore"
    assert tools.restore(ARCHIVE, place).returncode == 3


def test_a_backup_that_is_cut_short_does_not_wait_for_the_rest(tools: Tools) -> None:
    tools.restore(b"roles\n1\tapp_ro")
    assert tools.was("pg_restore", "given") in (None, b"")
