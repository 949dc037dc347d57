# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How backups are shown to people, and what filters say of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.filter import backup_shown
from ansible_collections.flotilla.swarm.plugins.filter.backup_jobs import backup_jobs
from ansible_collections.flotilla.swarm.plugins.filter.backup_problems import backup_problems
from ansible_collections.flotilla.swarm.plugins.filter.backup_table import FilterModule, backup_table
from ansible_collections.flotilla.swarm.plugins.filter.backup_unproved import backup_unproved

JOBS = [{"name": name} for name in ("db", "raft", "definition")]
GOOD = {
    "job": "db",
    "verdict": "good",
    "taken": "2026-11-22T02:31:05Z",
    "snapshot": "1f0c5a9e",
    "bytes": 5 * 1024 * 1024,
    "seconds": 2.44,
    "engine_stopped": None,
    "reason": "",
    "verified": {"evidence": "42 tables restored"},
}


def test_it_is_the_filter_that_ansible_finds() -> None:
    assert FilterModule().filters() == {"backup_table": backup_table}


def test_every_job_has_a_line_also_one_that_nobody_has_done() -> None:
    raft = {**GOOD, "job": "raft", "verdict": "failed", "engine_stopped": 8.06, "bytes": 900, "reason": "no majority"}
    stranger = {**GOOD, "job": "no longer declared"}
    assert [
        " ".join(line.split()) for line in backup_table({"w3": [GOOD, stranger], "m2": [raft], "w1": []}, JOBS)
    ] == [
        "JOB NODE VERDICT TAKEN SNAPSHOT SIZE SECONDS ENGINE STOPPED EVIDENCE OR REASON",
        "db w3 good 2026-11-22T02:31:05Z 1f0c5a9e 5.0 MiB 2.4 42 tables restored",
        "raft m2 failed 2026-11-22T02:31:05Z 1f0c5a9e 900 B 2.4 8.1 no majority",
        "definition never",
    ]


def test_a_job_of_several_nodes_has_a_line_for_each() -> None:
    found = backup_table({"w2": [GOOD], "w1": [{"job": "db", "verdict": "refused"}]}, JOBS[:1])
    assert [line.split()[1:3] for line in found[1:]] == [["w1", "refused"], ["w2", "good"]]


DATABASE = {"name": "db", "kind": "postgres", "service": "shop_postgres"}
FILES = {"name": "etc", "kind": "files", "paths": ["/etc/hosts"]}


def noted(job: str, taken: datetime | None = None, proved: bool = True) -> dict[str, Any]:
    moment = (taken or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    verified = {"snapshot": "1f0c5a9e", "at": moment, "evidence": "42"} if proved else None
    return {**GOOD, "job": job, "kind": job, "node": "x", "attempted": moment, "taken": moment, "verified": verified}


def test_every_swarm_has_jobs_of_its_own() -> None:
    assert [job["name"] for job in backup_jobs([DATABASE], True)] == ["db", "definition", "raft"]
    assert [job["name"] for job in backup_jobs([], False)] == ["definition"]


def test_wrong_jobs_are_refused_all_at_once() -> None:
    with pytest.raises(AnsibleFilterError, match=r"a: kind: .*; .*b: kind: "):
        backup_jobs([{"name": "a"}, {"name": "b"}], True)


def test_the_age_of_a_backup_is_told_by_todays_clock() -> None:
    jobs = backup_jobs([], False)
    assert backup_problems({"m1": [noted("definition")], "w1": []}, jobs, ["m1"]) == []
    old = datetime.now(UTC) - timedelta(hours=27)
    (problem,) = backup_problems({"m1": [noted("definition", old)], "w1": []}, jobs, ["m1"])
    assert problem.startswith("backup definition: the newest is of ")


def test_a_status_of_another_shape_is_no_good_one() -> None:
    with pytest.raises(AnsibleFilterError, match="can't be read"):
        backup_problems({"m1": [{"job": "definition"}]}, backup_jobs([], False), ["m1"])


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({"m1": [], "w1": []}, ["db", "etc", "definition"]),
        ({"m1": [noted("definition"), noted("etc")], "w1": [noted("db"), noted("etc")]}, []),
        ({"m1": [noted("definition"), noted("etc")], "w1": [noted("db", proved=False), noted("etc")]}, ["db"]),
        # A node that came later has files of its own; a database is one wherever it runs.
        ({"m1": [noted("definition"), noted("etc")], "w1": [noted("db")]}, ["etc"]),
    ],
)
def test_what_was_never_restored_is_to_have_its_first_backup(
    statuses: dict[str, list[dict[str, Any]]], expected: list[str]
) -> None:
    assert backup_unproved(statuses, backup_jobs([DATABASE, FILES], False), ["m1"]) == expected


VOLUME = {"name": "uploads", "kind": "volume", "volume": "shop_uploads"}


@pytest.mark.parametrize(
    ("on_m1", "on_w1", "expected"),
    [
        ([], [], ["uploads"]),
        ([], [noted("uploads")], []),
        # Both have it, each with its own content.
        ([noted("uploads", proved=False)], [noted("uploads")], ["uploads"]),
        ([noted("uploads")], [noted("uploads")], []),
    ],
)
def test_a_volume_has_its_first_backup_on_each_host_that_has_noted_something_of_it(
    on_m1: list[dict[str, Any]], on_w1: list[dict[str, Any]], expected: list[str]
) -> None:
    statuses = {"m1": [noted("definition"), *on_m1], "w1": on_w1}
    assert backup_unproved(statuses, backup_jobs([VOLUME], False), ["m1"]) == expected


@pytest.mark.parametrize(
    ("hosts", "managers", "expected"),
    [
        ("managers", ["m1"], []),
        ("managers", ["m1", "w1"], ["etc"]),  # w1 became a manager
        ("managers", ["w1"], ["etc"]),  # and m1 is one no more
        ("workers", ["m1"], ["etc"]),
        ("workers", ["w1"], []),
        ("workers", ["m1", "w1"], []),  # whom would it be for?
    ],
)
def test_files_have_their_first_backup_on_each_host_that_they_are_of(
    hosts: str, managers: list[str], expected: list[str]
) -> None:
    jobs = backup_jobs([{**FILES, "hosts": hosts}], False)
    assert backup_unproved({"m1": [noted("definition"), noted("etc")], "w1": []}, jobs, managers) == expected


@pytest.mark.parametrize(
    ("repository", "shown"),
    [
        ("rest:https://backup:kanarienvogel@192.0.2.6:8000/prod", "rest:https://***@192.0.2.6:8000/prod"),
        ("sftp://backup:kanarienvogel@192.0.2.6//srv/backup", "sftp://***@192.0.2.6//srv/backup"),
        ("rest:https://192.0.2.6:8000/prod", None),
        ("rest:https://backup@192.0.2.6:8000/prod", None),
        ("sftp:backup@192.0.2.6:/srv/backup", None),
        ("sftp://backup@192.0.2.6:22//srv/backup", None),
        ("sftp://backup@[2001:db8::6]:22//srv/backup", None),
        ("s3:https://s3.example.com/backup", None),
        ("/srv/backup", None),
    ],
)
def test_a_repository_is_shown_without_its_password(repository: str, shown: str | None) -> None:
    assert backup_shown.FilterModule().filters()["backup_shown"](repository) == (shown or repository)


def test_what_was_restored_once_is_not_made_good_in_silence() -> None:
    failed = {**noted("definition"), "verdict": "failed", "reason": "no route to host"}
    jobs = backup_jobs([], False)
    assert backup_unproved({"m1": [failed]}, jobs, ["m1"]) == []
    assert backup_problems({"m1": [failed]}, jobs, ["m1"]) != []
