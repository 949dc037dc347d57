# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How restic is run on a host, with a program of that name that does what a test says."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Summary
from ansible_collections.flotilla.swarm.plugins.module_utils._host import command
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.module_utils._host.restic import Restic, Unavailable, Untouched

from tests.support.backup_agent import JOB, SWARM, settings

SUMMARY = (
    '{"message_type":"status","percent_done":1}\n'
    '{"message_type":"summary","total_bytes_processed":7,"total_duration":1.5,"snapshot_id":"abcd1234ef567890"}'
)
SECRET = "not-in-argv"  # noqa: S105


class Tool:
    """The program restic: it notes how it was called, and then does what ``does`` was told."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.program = place / "restic"
        self.environment_file = place / "environment"
        self.does("exit 0")

    def does(self, body: str) -> None:
        noting = 'printf "%s\\037" "$@" >>asked; echo >>asked; env >environment-seen'
        script = "#!/bin/sh\ncd %s\n%s\n%s\n" % (shlex.quote(str(self.place)), noting, body)
        self.program.write_text(script, encoding="utf-8")
        self.program.chmod(0o755)

    def says(self, output: str) -> None:
        self.does("printf '%%s\\n' %s" % shlex.quote(output))

    def fails(self, code: int, words: str = "") -> None:
        self.does("echo %s >&2\nexit %d" % (shlex.quote(words), code))

    @property
    def asked(self) -> list[list[str]]:
        """The words of each call, without those that all have."""
        lines = (self.place / "asked").read_text(encoding="utf-8").splitlines()
        calls = [line.split("\x1f")[:-1] for line in lines]
        common = ["--repo", "/srv/backup", "--password-file", "/etc/flotilla/backup/password", "--retry-lock", "5m"]
        common += ["--no-cache", "--json"]
        assert all(call[: len(common)] == common for call in calls)
        return [call[len(common) :] for call in calls]

    @property
    def environment(self) -> dict[str, str]:
        text = (self.place / "environment-seen").read_text(encoding="utf-8")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def restic(self) -> Restic:
        return Restic(settings(), self.environment_file)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    found = Tool(tmp_path)
    monkeypatch.setattr(command, "find", lambda name: shutil.which(name, path="%s:/usr/bin:/bin" % tmp_path))
    return found


# -- the repository --------------------------------------------------------------------------------------------------


def test_a_repository_that_is_there_is_not_made(tool: Tool) -> None:
    assert not tool.restic().init_if_absent()
    assert tool.asked == [["cat", "config"]]


def test_a_repository_that_is_not_there_is_made(tool: Tool) -> None:
    tool.does('case "$*" in *"cat config") exit 10;; esac')
    assert tool.restic().init_if_absent()
    assert tool.asked == [["cat", "config"], ["init"]]


def test_what_can_not_be_made_is_said_in_the_words_of_init(tool: Tool) -> None:
    tool.does(
        'case "$*" in *"cat config") exit 10;; *init) echo "Fatal: permission denied (publickey)" >&2; exit 1;; esac'
    )
    with pytest.raises(HostError, match="swarm_backup_ssh_key"):
        tool.restic().init_if_absent()


@pytest.mark.parametrize(("code", "words"), [(1, "connection refused"), (11, ""), (12, "")])
def test_a_repository_that_can_not_be_asked_is_not_absent(tool: Tool, code: int, words: str) -> None:
    tool.fails(code, words)
    with pytest.raises(HostError):
        tool.restic().init_if_absent()
    assert ["init"] not in tool.asked


@pytest.mark.parametrize(
    ("code", "words", "said"),
    [
        (3, "read /x: input/output error", "counts as no backup: mend what it names .restic: read /x"),
        (10, "", "there is no repository at /srv/backup"),
        (11, "", "stayed locked"),
        (12, "", "swarm_backup_password"),
        (99, "what is this", r"restic failed \(exit status 99\).*what is this"),
    ],
)
def test_a_failure_says_what_it_means(tool: Tool, code: int, words: str, said: str) -> None:
    tool.fails(code, words)
    for ask in (
        lambda: tool.restic().backup_bytes(b"", "/x", JOB["definition"], SWARM),
        lambda: tool.restic().snapshots(),
        lambda: tool.restic().forget("cluster1"),
        lambda: tool.restic().check(),
        lambda: tool.restic().dump("abcd1234", "/x"),
        lambda: tool.restic().dump_to("abcd1234", "/x", ["cat"]),
        lambda: tool.restic().restore("abcd1234", "/", "/y"),
    ):
        with pytest.raises(HostError, match=said):
            ask()


def test_where_there_is_no_room_is_said(tool: Tool) -> None:
    """Who restores writes to this host, and would be told to delete backups for want of room there."""
    tool.fails(1, "write: no space left on device")
    for ask, where in (
        (lambda: tool.restic().backup_bytes(b"", "/x", JOB["definition"], SWARM), "where /srv/backup is"),
        (lambda: tool.restic().restore("abcd1234", "/", "/y"), "for /y: make room"),
        (lambda: tool.restic().dump_to("abcd1234", "/x", ["cat"]), "for /x: make room"),
    ):
        with pytest.raises(Unavailable, match="there is no space left (on this host )?" + where):
            ask()


def test_a_host_without_restic_is_told_how_to_get_it(tool: Tool) -> None:
    tool.program.unlink()
    with pytest.raises(HostError, match="restic is not installed on this host: run the role swarm_backup on it"):
        tool.restic().snapshots()


# -- backups ---------------------------------------------------------------------------------------------------------


def called(job: str, *source: str) -> list[str]:
    tags = ["--tag", "job=" + job, "--tag", "kind=" + JOB[job].kind, "--tag", "swarm=" + SWARM]
    return ["backup", "--quiet", "--host", "n1", *tags, *source]


def test_paths_can_not_be_taken_for_options(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    tool.says(SUMMARY)
    monkeypatch.chdir(tool.place)
    (tool.place / "--x").touch()
    assert tool.restic().backup_paths(["/etc", "--x"], JOB["etc"], SWARM) == Summary("abcd1234", 7, 1.5)
    assert tool.asked == [called("etc", "--", "/etc", "--x")]


def test_a_path_that_is_missing_makes_no_backup_without_it(tool: Tool) -> None:
    tool.says(SUMMARY)
    with pytest.raises(HostError, match="/no/such, /nor/this is not there"):
        tool.restic().backup_paths(["/etc", "/no/such", "/nor/this"], JOB["etc"], SWARM)
    assert not (tool.place / "asked").exists()


def test_while_containers_stand_still_nobody_is_waited_for(tool: Tool) -> None:
    tool.says(SUMMARY)
    tool.restic().backup_paths(["/etc"], JOB["etc"], SWARM, frozen=True)
    assert tool.asked == [["--retry-lock", "0s", *called("etc", "--", "/etc")]]


def test_a_draft_is_nobodys_backup(tool: Tool) -> None:
    tool.says(SUMMARY)
    tool.restic().draft(["/etc"], SWARM)
    (words,) = tool.asked
    assert words[4:10] == ["--tag", "job=", "--tag", "kind=draft", "--tag", "swarm=" + SWARM]


HALF = "printf '%%s\\n' %s; echo 'open /etc/x: permission denied' >&2; exit 3" % shlex.quote(SUMMARY)


def test_a_draft_may_lack_what_has_gone_meanwhile(tool: Tool) -> None:
    tool.does(HALF)
    tool.restic().draft(["/etc"], SWARM)
    tool.fails(1)
    with pytest.raises(HostError):
        tool.restic().draft(["/etc"], SWARM)


@pytest.mark.parametrize("frozen", [True, False])
def test_half_a_source_is_no_backup_and_noted_at_once(tool: Tool, frozen: bool) -> None:
    """Restic makes a snapshot all the same, and says so with its exit status alone.

    It is not taken away yet: that may have to wait for others, and containers may stand still.
    """
    tool.does(HALF)
    noted: dict[str, str] = {}
    restic = Restic(settings(), tool.environment_file, noted.__setitem__)
    with pytest.raises(HostError, match="counts as no backup"):
        restic.backup_paths(["/etc"], JOB["etc"], SWARM, frozen=frozen)
    assert list(noted) == ["abcd1234"]
    assert "open /etc/x: permission denied" in noted["abcd1234"]
    assert [words[-3:] for words in tool.asked] == [["swarm=" + SWARM, "--", "/etc"]]


def test_half_a_source_that_can_not_be_noted_is_named(tool: Tool) -> None:
    tool.does(HALF)
    with pytest.raises(HostError, match="abcd1234, could not be noted: remove it with `restic forget abcd1234`"):
        tool.restic().backup_paths(["/etc"], JOB["etc"], SWARM)


def test_half_a_source_of_which_nothing_was_made_is_no_backup(tool: Tool) -> None:
    tool.fails(3, "permission denied")
    with pytest.raises(HostError, match=r"counts as no backup: mend what it names \(restic: permission denied\)$"):
        tool.restic().backup_paths(["/etc"], JOB["etc"], SWARM)


@pytest.mark.parametrize("code", [0, 3])
def test_whether_what_was_discarded_is_gone_is_not_for_restic_to_say(tool: Tool, code: int) -> None:
    """In an append-only repository nothing is removed, and restic 0.18 ends with 0, a newer one with 3."""
    tool.fails(code, "unable to remove snapshot/abcd1234")
    tool.restic().discard(["abcd1234", "ef567890"], patient=True)
    assert tool.asked == [["forget", "abcd1234", "ef567890"]]


def test_a_repository_out_of_which_nothing_can_be_discarded_now_says_so(tool: Tool) -> None:
    tool.fails(1, "connection refused")
    with pytest.raises(Unavailable, match="does not answer"):
        tool.restic().discard(["abcd1234"], patient=True)


def test_what_moves_data_has_as_long_as_was_declared(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    told = replace(settings(), deadline=50_000)
    given: list[float] = []

    def run_bytes(_words: list[str], deadline: float, **_rest: object) -> tuple[int, bytes, str]:
        given.append(deadline)
        return 0, SUMMARY.encode(), ""

    monkeypatch.setattr(command, "run_bytes", run_bytes)
    restic = Restic(told, tool.environment_file)
    restic.backup_bytes(b"", "/x", JOB["definition"], SWARM)
    restic.draft(["/etc"], SWARM)
    restic.check()
    restic.restore("abcd1234", "/", "/y")
    restic.dump("abcd1234", "/x")
    restic.discard(["abcd1234"], patient=True)
    assert given == [told.limit] * 6
    assert told.limit > told.deadline
    restic.discard(["abcd1234"], patient=False)
    restic.backup_paths(["/etc"], JOB["etc"], SWARM, frozen=True)
    assert given[6:] == [600.0, 900.0]


def test_who_takes_a_file_has_as_long_as_was_declared(tool: Tool) -> None:
    tool.does("exec yes")
    restic = Restic(replace(settings(), deadline=-399), tool.environment_file)
    with pytest.raises(HostError, match="sleep 60` has not ended in time"):
        restic.dump_to("abcd1234", "/x", ["sleep", "60"])


@pytest.mark.parametrize(
    ("code", "words", "passing"),
    [
        (11, "", True),
        (1, "ssh: connect to host b port 22: No route to host", True),
        (1, "write: no space left on device", True),
        (1, "Load(<data/1>): ciphertext verification failed", False),
        (12, "", False),
    ],
)
def test_what_tells_nothing_of_the_backups_is_told_apart(tool: Tool, code: int, words: str, passing: bool) -> None:
    tool.fails(code, words)
    for ask in (lambda: tool.restic().check(), lambda: tool.restic().dump_to("abcd1234", "/x", ["cat"])):
        with pytest.raises(HostError) as raised:
            ask()
        assert isinstance(raised.value, Unavailable) is passing


def test_a_command_is_run_by_restic_so_that_its_failure_makes_no_snapshot(tool: Tool) -> None:
    tool.says(SUMMARY)
    tool.restic().backup_command(["docker", "exec", "live", "pg_dump"], "/pg.dump", JOB["pg"], SWARM)
    source = ["--stdin-from-command", "--stdin-filename", "/pg.dump", "--", "docker", "exec", "live", "pg_dump"]
    assert tool.asked == [called("pg", *source)]


def test_bytes_go_over_standard_input(tool: Tool) -> None:
    tool.does("cat >given\nprintf '%%s\\n' %s" % shlex.quote(SUMMARY))
    data = bytes(range(256)) * 1000
    tool.restic().backup_bytes(data, "/definition.json", JOB["definition"], SWARM)
    assert (tool.place / "given").read_bytes() == data
    assert tool.asked == [called("definition", "--stdin", "--stdin-filename", "/definition.json")]


def test_an_end_without_a_snapshot_is_no_backup(tool: Tool) -> None:
    tool.says('{"message_type":"summary","total_bytes_processed":7}')
    with pytest.raises(HostError, match="names no snapshot"):
        tool.restic().backup_paths(["/etc"], JOB["etc"], SWARM)


# -- all the rest ----------------------------------------------------------------------------------------------------


def test_snapshots_are_listed_the_oldest_first(tool: Tool) -> None:
    one = '{"id":"%s","time":"2026-11-22T2%d:00:00.123456789Z","hostname":"n1","tags":["job=pg","swarm=cluster1"]}'
    tool.says("[%s,%s]" % (one % ("bbbbbbbbbb", 3), one % ("aaaaaaaaaa", 2)))
    assert [(found.id, found.job, found.swarm) for found in tool.restic().snapshots()] == [
        ("aaaaaaaa", "pg", SWARM),
        ("bbbbbbbb", "pg", SWARM),
    ]


def test_a_list_that_can_not_be_read_is_no_empty_one(tool: Tool) -> None:
    tool.says("[{")
    with pytest.raises(HostError, match="list of snapshots can't be read"):
        tool.restic().snapshots()


def test_what_is_kept_and_read_is_what_was_declared(tool: Tool) -> None:
    one = '{"id":"%s","time":"%s","hostname":"n1","tags":["job=","kind=draft","swarm=%s"]}'
    listed = [
        one % ("old11111", "2026-01-01T00:00:00Z", SWARM),
        one % ("theirs11", "2026-01-01T00:00:00Z", "another"),
        one % ("new11111", "2999-01-01T00:00:00Z", SWARM),
    ]
    tool.does('case "$*" in *snapshots) echo %s;; esac' % shlex.quote("[%s]" % ",".join(listed)))
    tool.restic().forget(SWARM)
    tool.restic().check()

    def of(*kinds: str) -> list[str]:
        return [word for kind in kinds for word in ("--tag", "swarm=cluster1,kind=" + kind)]

    keep = ["--keep-within", "30d", "--keep-last", "3"]
    assert tool.asked == [
        ["snapshots"],
        ["forget", "old11111"],
        ["forget", *of("volume", "files"), "--group-by", "host,tags", *keep],
        ["forget", *of("postgres", "redis", "definition", "raft"), "--group-by", "tags", *keep, "--prune"],
        ["check", "--read-data-subset", "5%"],
    ]


def test_what_is_restored_is_compared_and_removes_nothing_unasked(tool: Tool) -> None:
    tool.restic().restore("abcd1234", "/var/x", "/target")
    tool.restic().restore("abcd1234", "/var/x", "/target", delete=True)
    plain = ["restore", "abcd1234:/var/x", "--target", "/target", "--verify"]
    assert tool.asked == [plain, [*plain, "--delete"]]


@pytest.mark.parametrize("code", [10, 11, 12])
def test_a_repository_that_does_not_open_is_told_from_a_restore_that_fails(tool: Tool, code: int) -> None:
    tool.does("exit %d" % code)
    with pytest.raises(Untouched):
        tool.restic().restore("abcd1234", "/var/x", "/target", delete=True)
    tool.does("exit 1")
    with pytest.raises(HostError) as caught:
        tool.restic().restore("abcd1234", "/var/x", "/target", delete=True)
    assert not isinstance(caught.value, Untouched)


def test_a_file_is_dumped_byte_for_byte(tool: Tool) -> None:
    tool.does("printf '\\000\\377\\n\\r'")
    assert tool.restic().dump("abcd1234", "/x") == b"\x00\xff\n\r"
    assert tool.asked == [["dump", "abcd1234", "/x"]]


# -- one file of a snapshot into a command ---------------------------------------------------------------------------


def test_a_file_goes_into_a_command(tool: Tool) -> None:
    tool.does("printf '\\000\\377two'; head -c 1000000 /dev/zero")
    assert tool.restic().dump_to("abcd1234", "/pg.dump", ["tr", "\\000", "0"]) == b"0\xfftwo" + b"0" * 1000000
    assert tool.asked == [["--retry-lock", "1h", "dump", "abcd1234", "/pg.dump"]]


def test_half_a_file_is_a_failure_though_the_command_is_content(tool: Tool) -> None:
    tool.does("printf half; echo 'Load(<data/1>): ciphertext verification failed' >&2; exit 1")
    with pytest.raises(HostError, match="the repository /srv/backup is damaged"):
        tool.restic().dump_to("abcd1234", "/pg.dump", ["cat"])


def test_when_both_fail_it_is_for_what_restic_says(tool: Tool) -> None:
    tool.fails(12)
    with pytest.raises(HostError, match="swarm_backup_password"):
        tool.restic().dump_to("abcd1234", "/pg.dump", ["sh", "-c", "cat; echo 'unexpected end of file' >&2; exit 1"])


def test_the_failure_of_the_command_is_said_in_its_words(tool: Tool) -> None:
    tool.says("all")
    with pytest.raises(HostError, match=r"`sh -c .*` says: no such role$"):
        tool.restic().dump_to("abcd1234", "/pg.dump", ["sh", "-c", "cat; echo 'no such role' >&2; exit 3"])


def test_a_command_that_fails_without_a_word_says_its_status(tool: Tool) -> None:
    with pytest.raises(HostError, match="`false` says: status 1"):
        tool.restic().dump_to("abcd1234", "/pg.dump", ["false"])


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_that_ends_early_ends_restic_too(tool: Tool, code: int) -> None:
    tool.does("exec yes")
    taker = ["sh", "-c", "head -c 2; echo no >&2; exit %d" % code]
    if code:
        with pytest.raises(HostError, match=r"says: no$"):
            tool.restic().dump_to("abcd1234", "/pg.dump", taker)
    else:
        assert tool.restic().dump_to("abcd1234", "/pg.dump", taker) == b"y\n"


def test_a_restic_that_was_killed_has_not_given_all(tool: Tool) -> None:
    tool.does("printf half; kill -KILL $$")
    with pytest.raises(HostError):
        tool.restic().dump_to("abcd1234", "/pg.dump", ["cat"])


def test_a_command_that_is_not_there_begins_nothing(tool: Tool) -> None:
    with pytest.raises(HostError, match="no-such-program is not installed"):
        tool.restic().dump_to("abcd1234", "/pg.dump", ["no-such-program"])
    assert not (tool.place / "asked").exists()


# -- secrets ---------------------------------------------------------------------------------------------------------


def test_what_the_backend_logs_in_with_is_in_the_environment_alone(tool: Tool) -> None:
    tool.environment_file.write_text("RESTIC_REST_PASSWORD=%s=x\n\nLC_ALL=de\n" % SECRET, encoding="utf-8")
    tool.says(SUMMARY)
    repository = tool.restic()
    for ask in (
        repository.init_if_absent,
        lambda: repository.backup_bytes(b"", "/x", JOB["definition"], SWARM),
        lambda: repository.dump("abcd1234", "/x"),
        lambda: repository.dump_to("abcd1234", "/x", ["cat"]),
    ):
        (tool.place / "environment-seen").unlink(missing_ok=True)
        ask()
        assert tool.environment["RESTIC_REST_PASSWORD"] == SECRET + "=x"
        assert tool.environment["LC_ALL"] == "C"
    assert not any(SECRET in word for call in tool.asked for word in call)


def test_who_takes_a_file_has_no_part_in_the_secrets(tool: Tool) -> None:
    tool.environment_file.write_text("RESTIC_REST_PASSWORD=%s\n" % SECRET, encoding="utf-8")
    assert SECRET.encode() not in tool.restic().dump_to("abcd1234", "/x", ["env"])


def test_an_environment_that_can_not_be_read_is_not_an_empty_one(tool: Tool) -> None:
    tool.environment_file.mkdir()
    with pytest.raises(HostError, match="environment can't be read"):
        tool.restic()


def test_a_password_in_the_repository_starts_no_restic(tool: Tool) -> None:
    repository = Restic(replace(settings(), repository="rest:https://me:%s@h/" % SECRET), tool.environment_file)
    with pytest.raises(ValueError, match="swarm_backup_environment") as raised:
        repository.snapshots()
    assert SECRET not in str(raised.value)
    assert not (tool.place / "asked").exists()
