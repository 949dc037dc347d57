# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job stands after what was done, what is wrong with that, and what is measured of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import moments, status
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import Job
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Summary
from hypothesis import given
from hypothesis import strategies as st

JOB = Job("db", "postgres", 26, {"service": "shop_postgres"})
RAFT = Job("raft", "raft")
NOW = datetime(2026, 11, 22, 23, 0, tzinfo=UTC)


def ago(hours: float) -> str:
    return moments.render(NOW - timedelta(hours=hours))


def made(hours: float, snapshot: str = "aaaaaaaa", before: status.Status | None = None) -> status.Status:
    return status.after_success(before, JOB, "w1", Summary(snapshot, 81234, 2.4), ago(hours))


def proved(hours: float, stands: status.Status) -> status.Status:
    """After the last snapshot was restored."""
    return status.after_verification(stands, JOB, "w1", stands.snapshot, stands.taken, ago(hours), "42 tables restored")


def wrong(
    *statuses: status.Status,
    others: Mapping[str, Sequence[status.Status]] | None = None,
    job: Job = JOB,
    managers: Sequence[str] = (),
) -> list[str]:
    return status.problems({"w1": statuses, "w2": [], **(others or {})}, [job], managers, NOW)


def test_a_backup_is_good_once_it_was_restored() -> None:
    fresh = made(2)
    assert (fresh.verdict, fresh.snapshot, fresh.taken, fresh.bytes) == ("unverified", "aaaaaaaa", ago(2), 81234)
    good = proved(1, fresh)
    assert good == replace(
        fresh, verdict="good", verified=status.Verification("aaaaaaaa", ago(1), "42 tables restored")
    )


def test_the_next_one_is_not_good_by_the_proof_of_the_last() -> None:
    following = made(1, "bbbbbbbb", proved(20, made(24)))
    assert following.verdict == "unverified"
    assert following.verified is not None
    assert following.verified.snapshot == "aaaaaaaa"


@pytest.mark.parametrize(("refused", "verdict"), [(False, "failed"), (True, "refused")])
def test_a_failure_keeps_what_there_was(refused: bool, verdict: str) -> None:
    good = proved(20, made(24))
    failed = status.after_failure(good, JOB, "w1", "no route to host", ago(1), refused)
    assert failed == replace(good, verdict=verdict, reason="no route to host", attempted=ago(1))
    first = status.after_failure(None, JOB, "w1", "no route to host", ago(1), refused)
    assert (first.verdict, first.snapshot, first.taken, first.verified) == (verdict, "", "", None)


def test_an_older_backup_that_can_be_restored_mends_no_newer_failure() -> None:
    failed = status.after_failure(made(24), JOB, "w1", "no route to host", ago(2))
    after = proved(1, failed)
    assert (after.verdict, after.reason) == ("failed", "no route to host")
    assert after.verified is not None
    assert made(0.5, "bbbbbbbb", after).verdict == "unverified"


def test_a_backup_that_cannot_be_restored_is_failed_until_it_can() -> None:
    good = proved(2, made(3))
    damaged = status.after_verification(good, JOB, "w1", "aaaaaaaa", ago(3), ago(1), reason="a pack is damaged")
    assert (damaged.verdict, damaged.verified) == ("failed", None)
    assert damaged.reason == "the verification of aaaaaaaa failed: a pack is damaged"
    mended = proved(0.5, damaged)
    assert (mended.verdict, mended.reason) == ("good", "")


def test_what_another_snapshot_proved_outlives_a_failed_verification() -> None:
    following = made(1, "bbbbbbbb", proved(20, made(24)))
    failed = status.after_verification(following, JOB, "w1", "bbbbbbbb", ago(1), ago(0.5), reason="no space")
    assert failed.verdict == "failed"
    assert failed.verified == following.verified


def test_a_node_may_verify_what_another_made() -> None:
    for before in (None, made(48), status.after_failure(made(48), JOB, "w1", "no route to host", ago(25))):
        after = status.after_verification(before, JOB, "w1", "bbbbbbbb", ago(2), ago(1), "42 tables")
        assert (after.verdict, after.snapshot, after.taken, after.bytes) == ("good", "bbbbbbbb", ago(2), None)


def test_to_verify_an_older_snapshot_does_not_make_the_newest_good() -> None:
    after = status.after_verification(made(2, "bbbbbbbb"), JOB, "w1", "aaaaaaaa", ago(24), ago(1), "42 tables")
    assert (after.verdict, after.snapshot) == ("unverified", "bbbbbbbb")


def test_an_engine_that_was_stopped_too_long_is_a_warning_that_stays() -> None:
    summary = Summary("aaaaaaaa", 1, 1.0)
    assert status.after_success(None, RAFT, "m2", summary, ago(2), 20.0).reason == ""
    slow = status.after_success(None, RAFT, "m2", summary, ago(2), 20.5)
    assert slow.reason.startswith("the engine was stopped for 20.5 s, and 20 s are allowed")
    assert (slow.verdict, slow.engine_stopped) == ("unverified", 20.5)
    good = status.after_verification(slow, RAFT, "m2", "aaaaaaaa", ago(2), ago(1), "opened")
    assert (good.verdict, good.reason) == ("good", slow.reason)


MOMENTS = st.just("") | st.datetimes(timezones=st.just(UTC)).map(moments.render)
STATUSES = st.builds(
    status.Status,
    job=st.text(),
    kind=st.text(),
    node=st.text(),
    verdict=st.sampled_from(status.VERDICTS),
    reason=st.text(),
    attempted=MOMENTS,
    snapshot=st.text("0123456789abcdef", max_size=8),
    taken=MOMENTS,
    seconds=st.none() | st.floats(0, 1e6),
    bytes=st.none() | st.integers(0, 2**63),
    engine_stopped=st.none() | st.floats(0, 1e6),
    verified=st.none() | st.builds(status.Verification, st.text(), MOMENTS.filter(bool), st.text()),
)


@given(STATUSES)
def test_a_status_is_read_as_it_was_written(stands: status.Status) -> None:
    assert status.Status.from_dict(json.loads(json.dumps(stands.as_dict()))) == stands


@pytest.mark.parametrize(
    "changed",
    [{"verdict": "fine"}, {"taken": "yesterday"}, {"taken": 7}, {"verified": {"at": "2026"}}, {"verified": "yes"}],
)
def test_a_status_that_cannot_be_one_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no status|no verdict|no point in time"):
        status.Status.from_dict({**made(1).as_dict(), **changed})


@pytest.mark.parametrize("key", sorted(made(1).as_dict()))
def test_a_status_that_lacks_something_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        status.Status.from_dict({name: value for name, value in made(1).as_dict().items() if name != key})


# -- what is wrong ---------------------------------------------------------------------------------------------------


def test_a_young_backup_that_was_restored_is_all_right() -> None:
    assert wrong(proved(1, made(2))) == []


def test_none_anywhere_is_told_with_what_was_in_the_way() -> None:
    assert wrong() == ["backup db: there is none: run playbooks/backup.yml"]
    failed = status.after_failure(None, JOB, "w1", "no route to host", ago(1))
    assert wrong(failed) == ["backup db: there is none: mend what was in the way (w1: no route to host)"]


def test_one_that_is_too_old_is_told() -> None:
    assert wrong(proved(25.9, made(26))) == []
    (problem,) = wrong(proved(26, made(26.1)))
    assert problem.startswith("backup db: the newest is of %s, and 26 hours are allowed (max_age): see" % ago(26.1))


def test_the_newest_counts_whichever_node_made_it() -> None:
    old = proved(47, made(48))
    assert wrong(old, others={"w2": [proved(1, made(2, "bbbbbbbb"))]}) == []


def test_one_that_was_never_restored_is_told() -> None:
    assert wrong(made(2)) == ["backup db: none has ever been restored to prove it: run playbooks/backup.yml"]


def test_between_a_backup_and_its_verification_the_one_before_is_the_good_one() -> None:
    assert wrong(made(1, "bbbbbbbb", proved(23, made(25)))) == []
    (problem,) = wrong(made(1, "bbbbbbbb", proved(27, made(28))))
    assert problem.startswith("backup db: the newest (bbbbbbbb) is not verified; the last that was (aaaaaaaa) at ")


def test_a_failure_since_then_is_told_and_one_before_is_not() -> None:
    good = proved(1, made(2))
    before = status.after_failure(None, JOB, "w2", "no route to host", ago(3))
    since = status.after_failure(None, JOB, "w2", "no route to host", ago(1))
    assert wrong(good, others={"w2": [before]}) == []
    assert wrong(good, others={"w2": [since]}) == ["backup db: it failed on w2 since: no route to host"]
    own = status.after_failure(good, JOB, "w1", "no route to host", ago(0.5))
    assert wrong(own) == ["backup db: it failed on w1 since: no route to host"]


def test_a_refusal_does_no_harm_by_itself() -> None:
    good = proved(1, made(2))
    assert wrong(status.after_failure(good, JOB, "w1", "no majority", ago(1), refused=True)) == []


def test_a_verification_that_failed_is_told() -> None:
    good = proved(20, made(24))
    following = made(2, "bbbbbbbb", good)
    failed = status.after_verification(following, JOB, "w1", "bbbbbbbb", ago(2), ago(1), reason="no table")
    assert wrong(failed) == ["backup db: it failed on w1 since: the verification of bbbbbbbb failed: no table"]


def test_files_are_another_thing_on_each_node() -> None:
    good = proved(1, made(2))
    everywhere = Job("db", "files", 26, {"paths": ["/etc"], "hosts": "all"})
    assert wrong(good, job=everywhere) == ["backup db on w2: there is none: run playbooks/backup.yml"]
    old = proved(47, made(48))
    (problem,) = wrong(good, others={"w2": [old]}, job=everywhere)
    assert problem.startswith("backup db on w2: the newest is of ")


def test_a_volume_is_another_thing_on_each_node_that_has_noted_something_of_it() -> None:
    volume = Job("db", "volume", 26, {"volume": "shop_uploads"})
    good, old = proved(1, made(2)), proved(47, made(48))
    assert wrong(good, job=volume) == []
    (problem,) = wrong(good, others={"w2": [old]}, job=volume)
    assert problem.startswith("backup db on w2: the newest is of ")
    (problem,) = wrong(good, others={"w2": [made(1, "bbbbbbbb")]}, job=volume)
    assert problem.startswith("backup db on w2: none has ever been restored to prove it")
    assert wrong(job=volume) == ["backup db: there is none: run playbooks/backup.yml"]


def of_the(hosts: str) -> Job:
    return Job("db", "files", 26, {"paths": ["/etc"], "hosts": hosts})


def test_every_host_that_files_are_of_owes_a_backup() -> None:
    good = proved(1, made(2))
    none = "backup db on w2: there is none: run playbooks/backup.yml"
    assert wrong(good, job=of_the("managers"), managers=["w1", "w2"]) == [none]
    assert wrong(good, job=of_the("workers")) == [none]
    assert wrong(good, others={"w2": [good]}, job=of_the("managers"), managers=["w1", "w2"]) == []
    assert wrong(good, job=of_the("managers"), managers=["w1"]) == []
    assert wrong(good, job=of_the("workers"), managers=["w2"]) == []


def test_what_a_host_noted_in_another_role_is_neither_good_nor_bad() -> None:
    good, old = proved(1, made(2)), proved(47, made(48))
    assert wrong(old, others={"w2": [good]}, job=of_the("managers"), managers=["w2"]) == []
    (problem,) = wrong(good, job=of_the("managers"), managers=["w2"])
    assert problem.startswith("backup db on w2: there is none")


def test_files_of_hosts_that_there_are_none_of_are_told() -> None:
    assert wrong(job=of_the("managers")) == [
        "backup db: it is for managers, and the swarm has none: correct its hosts, or take it out of swarm_backup_items"
    ]


def test_jobs_are_judged_in_their_order_and_by_their_own_statuses() -> None:
    found = status.problems({"w1": [proved(1, made(2))]}, [RAFT, JOB, Job("a", "definition")], [], NOW)
    assert [problem.split(":")[0] for problem in found] == ["backup raft", "backup a"]


@given(hours=st.floats(0, 100), proof=st.floats(0, 100))
def test_only_a_young_backup_with_a_young_proof_is_all_right(hours: float, proof: float) -> None:
    before = proved(max(proof, hours + 1), made(max(proof, hours + 1) + 1))
    found = wrong(made(hours, "bbbbbbbb", before))
    assert bool(found) == (NOW - moments.parse(ago(max(proof, hours + 1))) > timedelta(hours=26))
    assert wrong(proved(hours, made(hours))) == wrong(proved(0, made(hours)))


# -- metrics ---------------------------------------------------------------------------------------------------------

SAMPLE = re.compile(
    r'(flotilla_backup_[a-z_]+)\{job="((?:[^"\\\n]|\\[\\"n])*)",kind="((?:[^"\\\n]|\\[\\"n])*)"\} (\S+)'
)


def test_what_is_measured_is_prometheus_text() -> None:
    raft = status.after_success(None, RAFT, "m2", Summary("cccccccc", 1, 1.0), ago(1), 8.1)
    assert status.metrics([raft, proved(1, made(2))]).splitlines() == [
        "# HELP flotilla_backup_last_success_timestamp_seconds When the newest snapshot was taken.",
        "# TYPE flotilla_backup_last_success_timestamp_seconds gauge",
        'flotilla_backup_last_success_timestamp_seconds{job="db",kind="postgres"} 1795381200',
        'flotilla_backup_last_success_timestamp_seconds{job="raft",kind="raft"} 1795384800',
        "# HELP flotilla_backup_last_verified_timestamp_seconds When a snapshot was last restored to prove it.",
        "# TYPE flotilla_backup_last_verified_timestamp_seconds gauge",
        'flotilla_backup_last_verified_timestamp_seconds{job="db",kind="postgres"} 1795384800',
        "# HELP flotilla_backup_good Whether the last backup was made, and restored to prove it.",
        "# TYPE flotilla_backup_good gauge",
        'flotilla_backup_good{job="db",kind="postgres"} 1',
        'flotilla_backup_good{job="raft",kind="raft"} 0',
        "# HELP flotilla_backup_duration_seconds How long the newest snapshot took.",
        "# TYPE flotilla_backup_duration_seconds gauge",
        'flotilla_backup_duration_seconds{job="db",kind="postgres"} 2.4',
        'flotilla_backup_duration_seconds{job="raft",kind="raft"} 1',
        "# HELP flotilla_backup_engine_stopped_seconds How long the newest snapshot stopped the engine.",
        "# TYPE flotilla_backup_engine_stopped_seconds gauge",
        'flotilla_backup_engine_stopped_seconds{job="raft",kind="raft"} 8.1',
    ]
    assert status.metrics([]) == ""


@given(st.lists(STATUSES, unique_by=lambda stands: stands.job))
def test_any_statuses_are_one_group_a_metric_and_one_sample_a_job(statuses: list[status.Status]) -> None:
    text = status.metrics(statuses)
    assert text == status.metrics(statuses[::-1])
    assert not text or text.endswith("\n")
    typed: list[str] = []
    seen = set()
    for line in text.split("\n")[:-1]:
        if line.startswith("# TYPE "):
            typed.append(line.split()[2])
        elif not line.startswith("# HELP "):
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample.group(1) == typed[-1]
            assert sample.groups()[:3] not in seen
            seen.add(sample.groups()[:3])
            float(sample.group(4))
    assert len(typed) == len(set(typed))
    assert len([one for one in seen if one[0] == "flotilla_backup_good"]) == len(statuses)
