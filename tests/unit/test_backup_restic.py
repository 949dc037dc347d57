# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How restic is called, what it says, and what that means to people."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import moments, restic
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.settings import Settings
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from hypothesis import given
from hypothesis import strategies as st

SETTINGS = Settings(
    repository="sftp:backup@192.0.2.6:/srv/backup/lab",
    ssh_port=2222,
    cluster_id="",
    node="m1",
    role="manager",
    keep={"within": "30d", "last": 3},
    check_subset="5%",
    textfile="",
    deadline=14400,
)


def of(repository: str, ssh_port: int = 22) -> Settings:
    return replace(SETTINGS, repository=repository, ssh_port=ssh_port)


def ssh(settings: Settings) -> str:
    """The command that restic is told to reach SFTP with."""
    (option,) = [word for word in restic.base(settings) if word.startswith("sftp.command=")]
    return option


def test_every_call_waits_for_locks_and_has_no_secret_in_it() -> None:
    argv = restic.base(SETTINGS)
    assert argv[:5] == ["restic", "--repo", SETTINGS.repository, "--password-file", "/etc/flotilla/backup/password"]
    assert argv[5:9] == ["--retry-lock", "5m", "--no-cache", "--json"]


def test_sftp_proves_the_host_and_asks_nobody() -> None:
    assert ssh(SETTINGS) == (
        "sftp.command=ssh -i /etc/flotilla/backup/ssh_key -o UserKnownHostsFile=/etc/flotilla/backup/known_hosts "
        "-o StrictHostKeyChecking=yes -o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=15 "
        "-o ServerAliveCountMax=4 -p 2222 backup@192.0.2.6 -s sftp"
    )
    assert restic.base(SETTINGS)[-2] == "--option"


@pytest.mark.parametrize(
    ("repository", "end"),
    [
        ("sftp:backup.example.com:srv", "-p 22 backup.example.com -s sftp"),
        ("sftp:me@example.com@192.0.2.6:/srv/a:b", "-p 22 me@example.com@192.0.2.6 -s sftp"),
        ("sftp://backup@192.0.2.6//srv", "-p 22 backup@192.0.2.6 -s sftp"),
        ("sftp://backup@192.0.2.6:23//srv", "-p 23 backup@192.0.2.6 -s sftp"),
        ("sftp://[2001:db8::6]:23/srv", "-p 23 2001:db8::6 -s sftp"),
    ],
)
def test_every_form_of_an_sftp_repository_is_reached(repository: str, end: str) -> None:
    assert ssh(of(repository)).endswith(end)


def test_ssh_is_left_alone_where_it_is_not_ours() -> None:
    for settings in (of("sftp:backup@192.0.2.6:/srv", 0), of("rest:https://192.0.2.6:8000/"), of("/srv/backup")):
        assert restic.base(settings)[-1] == "--json"


@pytest.mark.parametrize(
    "repository",
    [
        "sftp:",
        "sftp:host",
        "sftp:-oProxyCommand=x:/srv",
        "sftp:me@-x:/srv",
        "sftp:a b@host:/srv",
        "sftp:'x'@h:/s",
        "sftp://",
    ],
)
def test_what_ssh_would_take_for_something_else_is_refused(repository: str) -> None:
    with pytest.raises(DeclarationError, match=r"^swarm_backup_repository: .* is no SFTP repository: write sftp:USER@"):
        restic.base(of(repository))


@pytest.mark.parametrize("repository", ["rest:https://me:tulip@192.0.2.6:8000/", "sftp://me:tulip@192.0.2.6//srv"])
def test_a_password_in_the_repository_is_refused_and_not_repeated(repository: str) -> None:
    with pytest.raises(DeclarationError, match="swarm_backup_environment") as error:
        restic.base(of(repository))
    assert "tulip" not in str(error.value)
    assert "tulip" not in restic.explain(1, "Fatal: unable to open repository at %s" % repository, of(repository))


def exit_error(code: int, message: str) -> str:
    return json.dumps({"message_type": "exit_error", "code": code, "message": message}) + "\n"


@pytest.mark.parametrize(
    ("code", "stderr", "said"),
    [
        (
            10,
            exit_error(10, "Fatal: repository does not exist"),
            "there is no repository at sftp:backup@192.0.2.6:/srv",
        ),
        (
            11,
            exit_error(11, "unable to create lock in backend"),
            "/srv/backup/lab stayed locked: wait for who uses",
        ),
        (
            12,
            exit_error(12, "Fatal: wrong password or no key found"),
            "the password does not open the repository sftp:",
        ),
        (3, exit_error(3, "Warning: at least one source file"), "restic could not read all that it was to back up"),
        (
            1,
            "subprocess ssh: Host key verification failed.",
            "is not the one in swarm_backup_known_hosts: find out why",
        ),
        (
            1,
            "subprocess ssh: backup@192.0.2.6: Permission denied (publickey).",
            "lab refuses the key: put the public half",
        ),
        (1, "ssh: connect to host 192.0.2.6 port 22: Connection refused", "does not answer: bring it back"),
        (1, "ssh: connect to host 192.0.2.6 port 22: No route to host", "does not answer: bring it back"),
        (
            1,
            exit_error(1, "Fatal: unable to save snapshot: sftp: no space left on device"),
            "there is no space left where",
        ),
        (
            1,
            exit_error(1, "Fatal: load <data/1>: ciphertext verification failed"),
            "is damaged: restore nothing that is",
        ),
        (1, "Load(<data/1>, 0, 0) failed: invalid data returned", "is damaged: restore nothing that is named here"),
        (1, 'exec: "ssh": executable file not found in $PATH', "a program that restic needs is missing: run the role"),
        (
            1,
            exit_error(1, "Fatal: something new"),
            "restic failed (exit status 1): mend what it names (restic: Fatal: some",
        ),
        (-9, "", "restic failed (exit status -9): mend what it names"),
    ],
)
def test_a_failure_is_told_with_its_mend(code: int, stderr: str, said: str) -> None:
    assert said in restic.explain(code, stderr, SETTINGS)


NO_SPACE = "no space left on device"


@pytest.mark.parametrize("words", ["write /place/a: " + NO_SPACE, "disk quota exceeded"])
def test_where_a_restore_finds_no_room_nobody_is_told_to_delete_backups(words: str) -> None:
    said = restic.explain(1, exit_error(1, words), SETTINGS, "/place/{repository}")
    begin = "there is no space left on this host for /place"
    assert said.startswith(begin)
    assert "swarm_backup_keep_within" not in said
    assert SETTINGS.repository not in restic.explain(1, words, SETTINGS, "/place")


def test_a_restore_for_whose_lock_there_is_no_room_names_the_repository() -> None:
    said = restic.explain(1, "unable to create lock in backend: sftp: " + NO_SPACE, SETTINGS, "/place")
    assert said.startswith("there is no space left where %s is" % SETTINGS.repository)


def test_restics_own_words_are_one_line_without_its_json() -> None:
    stderr = (
        '{"message_type":"error","error":{"message":"open /x: permission denied"},"during":"archival","item":"/x"}\n'
        '{"message_type":"status","percent_done":1}\nplain\n' + exit_error(3, "Warning: at least one\nfile")
    )
    said = "(restic: /x open /x: permission denied plain Warning: at least one file)"
    assert restic.explain(3, stderr, SETTINGS).endswith(said)
    assert len(restic.explain(1, "x" * 100_000, SETTINGS)) < 600


@given(code=st.integers(1, 255), stderr=st.text())
def test_any_failure_is_explained(code: int, stderr: str) -> None:
    assert restic.explain(code, stderr, SETTINGS)


def test_a_backup_says_what_it_made() -> None:
    stdout = '{"message_type":"status","percent_done":1}\n' + json.dumps(
        {
            "message_type": "summary",
            "total_bytes_processed": 81234,
            "total_duration": 2.4,
            "snapshot_id": "1f0c5a9e" + "0" * 56,
        }
    )
    assert restic.parse_summary(stdout + "\n") == restic.Summary("1f0c5a9e", 81234, 2.4)


@pytest.mark.parametrize("stdout", ["", "7\n", '{"message_type":"summary","dry_run":true}', '{"message_type":"summa'])
def test_a_backup_that_names_no_snapshot_is_none(stdout: str) -> None:
    with pytest.raises(ValueError, match="names no snapshot"):
        restic.parse_summary(stdout)


def listed(number: int, time: str, *tags: str, host: str = "w1") -> dict[str, Any]:
    return {"id": "%064x" % number, "time": time, "hostname": host, "tags": list(tags)}


def test_snapshots_are_listed_by_time_with_what_their_tags_say() -> None:
    stdout = json.dumps(
        [
            listed(2 << 224, "2026-11-22T23:00:00.123456789+01:00", "job=db", "kind=postgres", "swarm=s=1"),
            {**listed(1 << 224, "2026-11-22T21:00:00Z"), "tags": None},
        ]
    )
    assert restic.parse_snapshots(stdout) == [
        restic.Snapshot("00000001", "2026-11-22T21:00:00.000000Z", "w1", "", "", ""),
        restic.Snapshot("00000002", "2026-11-22T22:00:00.123456Z", "w1", "db", "postgres", "s=1"),
    ]
    assert restic.parse_snapshots("null") == restic.parse_snapshots("[]") == []


@pytest.mark.parametrize("stdout", ["", "{}", '"x"', "[7]", '[{"id": "1"}]', '[{"id": "1", "time": "today"}]'])
def test_a_list_that_cannot_be_read_is_an_error(stdout: str) -> None:
    with pytest.raises(ValueError, match="restic's list of snapshots"):
        restic.parse_snapshots(stdout)


def test_the_newest_is_of_that_job_that_swarm_and_that_time() -> None:
    snapshots = [
        restic.Snapshot("1", "2026-11-22T21:00:00.000000Z", "w1", "db", "postgres", "s"),
        restic.Snapshot("2", "2026-11-22T22:00:00.000000Z", "w2", "db", "postgres", "s"),
        restic.Snapshot("3", "2026-11-22T23:00:00.000000Z", "w1", "db", "postgres", "other"),
        restic.Snapshot("4", "2026-11-22T23:00:00.000000Z", "w1", "raft", "raft", "s"),
        restic.Snapshot("5", "2026-11-22T23:00:00.000000Z", "w1", "db", "", ""),
    ]

    def newest(**options: str) -> str | None:
        found = restic.newest(snapshots, "db", **{"swarm": "s", **options})
        return found.id if found else None

    assert newest() == "2"
    assert newest(before="2026-11-22T22:00:00Z") == "1"
    assert newest(before="2026-11-22T23:00:01+01:00") == "2"
    assert newest(before="2026-11-22T21:00:00Z") is None
    assert newest(host="w1") == "1"
    assert newest(swarm="") is None
    with pytest.raises(ValueError, match="no point in time"):
        newest(before="yesterday")


@given(
    st.lists(
        st.tuples(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), st.integers(-14, 14)),  # noqa: DTZ001
        min_size=1,
    )
)
def test_the_newest_is_the_newest_in_whatever_zone_it_was_written(taken: list[tuple[datetime, int]]) -> None:
    times = [moment.replace(tzinfo=timezone(timedelta(hours=hours))) for moment, hours in taken]
    stdout = json.dumps([listed(n << 224, t.isoformat(), "job=a", "swarm=s") for n, t in enumerate(times)])
    found = restic.newest(restic.parse_snapshots(stdout), "a", "s")
    assert found is not None
    assert found.time == moments.render(max(times), "microseconds")


def test_the_tags_of_a_snapshot_are_read_again() -> None:
    arguments = restic.tags("db", "postgres", "s")
    assert arguments[::2] == ["--tag"] * 3
    stdout = json.dumps([listed(1, "2026-11-22T21:00:00Z", *arguments[1::2])])
    (found,) = restic.parse_snapshots(stdout)
    assert (found.job, found.kind, found.swarm) == ("db", "postgres", "s")


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_point_in_time_is_read_as_it_was_written(moment: datetime) -> None:
    assert moments.parse(moments.render(moment, "microseconds")) == moment
    assert moments.parse(moments.render(moment)) == moment.replace(microsecond=0)


@pytest.mark.parametrize("text", ["", "2026-11-22", "2026-11-22T23:00:00", "2026-13-22T23:00:00Z", "1795331700"])
def test_what_is_no_point_in_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"point in time|month"):
        moments.parse(text)


@pytest.mark.parametrize(("later", "age"), [(0.0, 0), (89.6, 90), (-5.0, 0)])
def test_nothing_is_younger_than_0_seconds(later: float, age: int) -> None:
    moment = "2026-11-22T23:00:00Z"
    assert moments.age(moment, moments.parse(moment).timestamp() + later) == age
