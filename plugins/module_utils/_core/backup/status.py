# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job stands, as the node that does it notes it, and what is wrong with all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from . import moments
from .jobs import ALL, FILES, MANAGERS, OF_EACH_NODE, Job
from .restic import Summary

GOOD = "good"
"""The last snapshot was restored by a verification."""
UNVERIFIED = "unverified"
FAILED = "failed"
REFUSED = "refused"
"""Nothing was begun, because it might have done harm (a quorum lost), or another is at it."""
VERDICTS = (GOOD, UNVERIFIED, FAILED, REFUSED)

STOPPED_LIMIT = 20.0
"""Seconds that a backup may stop an engine for."""


@dataclass(frozen=True)
class Verification:
    """A snapshot that was restored, when, and what was found in it."""

    snapshot: str
    at: str
    evidence: str


@dataclass(frozen=True)
class Status:
    """How a job stands on one node. Times are like ``2026-11-22T23:00:00Z``, empty for never.

    Attributes:
        reason: why it failed or was refused; with another verdict, a warning.
        attempted: when the last backup was begun, also one that failed.
        snapshot, taken: the last one that was made, and when it was begun: its content is no newer.
        seconds, bytes: of that.
        engine_stopped: seconds for which that stopped the engine; None where it didn't.
        verified: the last snapshot that was restored.
    """

    job: str
    kind: str
    node: str
    verdict: str
    reason: str = ""
    attempted: str = ""
    snapshot: str = ""
    taken: str = ""
    seconds: float | None = None
    bytes: int | None = None
    engine_stopped: float | None = None
    verified: Verification | None = None

    def as_dict(self) -> dict[str, Any]:
        """As it stands in its file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Status:
        """The status that stands in a file.

        Raises:
            ValueError: it can't be one; the message says why.
        """
        try:
            verified = data["verified"]
            values = {key: data[key] for key in cls.__dataclass_fields__}
            values["verified"] = None if verified is None else Verification(**verified)
        except (KeyError, TypeError) as error:
            raise ValueError("it is no status of a backup: %r" % error) from error
        status = cls(**values)
        if status.verdict not in VERDICTS:
            raise ValueError("%r is no verdict" % (status.verdict,))
        for moment in (status.attempted, status.taken, status.verified.at if status.verified else ""):
            if moment:
                moments.parse(str(moment))
        return status


def after_success(
    before: Status | None,
    job: Job,
    node: str,
    summary: Summary,
    attempted: str,
    engine_stopped: float | None = None,
) -> Status:
    """After a backup that made a snapshot. It is not good before it was restored.

    Args:
        before: how the job stood on this node; None for never done.
        attempted: when it was begun.
        engine_stopped: seconds; None where the engine ran on.
    """
    reason = ""
    if engine_stopped is not None and engine_stopped > STOPPED_LIMIT:
        reason = "the engine was stopped for %.1f s, and %.0f s are allowed: look at the size of the raft state" % (
            engine_stopped,
            STOPPED_LIMIT,
        )
    return Status(
        job.name,
        job.kind,
        node,
        UNVERIFIED,
        reason,
        attempted,
        summary.snapshot,
        attempted,
        summary.seconds,
        summary.bytes,
        engine_stopped,
        before.verified if before else None,
    )


def after_failure(
    before: Status | None, job: Job, node: str, reason: str, attempted: str, refused: bool = False
) -> Status:
    """After a backup that made no snapshot: what there was before is kept."""
    verdict = REFUSED if refused else FAILED
    kept = before or Status(job.name, job.kind, node, verdict)
    return replace(kept, kind=job.kind, node=node, verdict=verdict, reason=reason, attempted=attempted)


def after_verification(
    before: Status | None,
    job: Job,
    node: str,
    snapshot: str,
    taken: str,
    at: str,
    evidence: str = "",
    reason: str = "",
) -> Status:
    """After a verification; it failed when there is a reason.

    Args:
        before: how the job stood on this node; None for never done: another node may have made the snapshot.
        snapshot, taken: what was restored, and when it was taken.
        at: when it was restored.
        evidence: what was found in it.
        reason: why it could not be restored.
    """
    status = before or Status(job.name, job.kind, node, UNVERIFIED)
    if _later(taken, status.taken):
        # Another node made it. Size and duration are that node's to tell.
        status = replace(status, snapshot=snapshot, taken=taken, seconds=None, bytes=None, engine_stopped=None)
    if reason:
        # What was restored once and now can't be is no proof any more.
        refuted = status.verified is not None and status.verified.snapshot == snapshot
        verified = None if refuted else status.verified
        reason = "the verification of %s failed: %s" % (snapshot, reason)
        return replace(status, verdict=FAILED, reason=reason, verified=verified)
    status = replace(status, verified=Verification(snapshot, at, evidence))
    if _bad(status) and _later(status.attempted, status.taken):
        # A newer backup failed, and that an older one can be restored doesn't mend it.
        return status
    # A warning of the backup itself stays; a failed verification's reason doesn't.
    kept = "" if _bad(status) else status.reason
    return replace(status, verdict=GOOD if snapshot == status.snapshot else UNVERIFIED, reason=kept)


def _bad(status: Status) -> bool:
    return status.verdict in (FAILED, REFUSED)


def _later(one: str, other: str) -> bool:
    """Whether one point in time is later than another; an empty one is before all others."""
    return bool(one) and (not other or moments.parse(one) > moments.parse(other))


# -- what is wrong ---------------------------------------------------------------------------------------------------

_NOW = "run playbooks/backup.yml"


def owing(job: Job, statuses_by_host: Mapping[str, Sequence[Status]], managers: Collection[str]) -> list[str]:
    """The hosts, by name, that must each have a backup of their own.

    Files are of the hosts that they are declared for. A volume is of those that have noted something of it: where it is
    no more, nothing stays noted.

    Args:
        job: one of ``OF_EACH_NODE``.
        statuses_by_host: host → what it has noted, of all hosts of the swarm.
        managers: those of them that are managers; the others are workers.
    """
    if job.kind != FILES:
        return sorted(host for host, noted in statuses_by_host.items() if any(one.job == job.name for one in noted))
    wanted = job.options.get("hosts", ALL)
    return sorted(host for host in statuses_by_host if wanted == ALL or (host in managers) == (wanted == MANAGERS))


def problems(
    statuses_by_host: Mapping[str, Sequence[Status]], jobs: Iterable[Job], managers: Collection[str], now: datetime
) -> list[str]:
    """What is wrong with the backups: one sentence each with its mend, in the jobs' order.

    A job is done where it is due, so its newest backup counts, whichever node made it. Files and volumes are another
    thing on each node, so each node's count; what a node noted of files when it had another role does not.

    Args:
        statuses_by_host: host → what it has noted. Hosts that have noted nothing are in it too.
        managers: the hosts that are managers.
    """
    found = []
    for job in jobs:
        noted = [
            (host, status)
            for host in sorted(statuses_by_host)
            for status in statuses_by_host[host]
            if status.job == job.name
        ]
        hosts = owing(job, statuses_by_host, managers) if job.kind in OF_EACH_NODE else []
        for host in hosts:
            of_host = [(where, status) for where, status in noted if where == host]
            found += ["%s on %s: %s" % (job.name, host, text) for text in _problems(job, of_host, now)]
        if job.kind == FILES and not hosts:
            found.append(
                "%s: it is for %s, and the swarm has none: correct its hosts, or take it out of swarm_backup_items"
                % (job.name, job.options.get("hosts", ALL))
            )
        elif not hosts:
            found += ["%s: %s" % (job.name, text) for text in _problems(job, noted, now)]
    return ["backup " + text for text in found]


def _problems(job: Job, noted: Sequence[tuple[str, Status]], now: datetime) -> Iterator[str]:
    """What is wrong with a job, of which these hosts have noted something."""
    made = [(host, status) for host, status in noted if status.taken]
    if not made:
        tried = ["%s: %s" % (host, status.reason) for host, status in noted if status.reason]
        yield "there is none: %s" % ("mend what was in the way (%s)" % "; ".join(tried) if tried else _NOW)
        return
    newest_host, newest = max(made, key=lambda pair: moments.parse(pair[1].taken))
    limit = timedelta(hours=job.max_age)
    if now - moments.parse(newest.taken) > limit:
        yield (
            "the newest is of %s, and %d hours are allowed (max_age): see `journalctl -u 'flotilla-backup@*'`, and %s"
            % (
                newest.taken,
                job.max_age,
                _NOW,
            )
        )
    yield from _verification_problems(newest, [status for host, status in noted], now - limit)
    for host, status in noted:
        # A refusal did no harm; one that goes on makes the newest backup too old.
        if status.verdict == FAILED and (host == newest_host or _later(status.attempted, newest.taken)):
            yield "it failed on %s since: %s" % (host, status.reason)


def _verification_problems(newest: Status, statuses: Sequence[Status], limit: datetime) -> Iterator[str]:
    """What is wrong when no backup was restored lately.

    Between a backup and its verification the one before is the good one, so that is no fault by itself.
    """
    proofs = [status.verified for status in statuses if status.verified]
    if any(proof.snapshot == newest.snapshot for proof in proofs):
        return
    if not proofs:
        yield "none has ever been restored to prove it: %s" % _NOW
        return
    last = max(proofs, key=lambda proof: moments.parse(proof.at))
    if moments.parse(last.at) < limit:
        yield (
            "the newest (%s) is not verified; the last that was (%s) at %s: see `journalctl -u 'flotilla-verify@*'`, "
            "and %s" % (newest.snapshot, last.snapshot, last.at, _NOW)
        )


# -- metrics ---------------------------------------------------------------------------------------------------------

_PREFIX = "flotilla_backup_"
_METRICS = (
    ("last_success_timestamp_seconds", "When the newest snapshot was taken."),
    ("last_verified_timestamp_seconds", "When a snapshot was last restored to prove it."),
    ("good", "Whether the last backup was made, and restored to prove it."),
    ("duration_seconds", "How long the newest snapshot took."),
    ("engine_stopped_seconds", "How long the newest snapshot stopped the engine."),
)


def metrics(statuses: Iterable[Status]) -> str:
    """The statuses of one node in Prometheus' text format, for the node exporter; what is not known has no sample.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    ordered = sorted(statuses, key=lambda status: status.job)
    samples = [(_labels(status), _values(status)) for status in ordered]
    lines: list[str] = []
    for name, meaning in _METRICS:
        family = ["%s%s%s %s" % (_PREFIX, name, labels, values[name]) for labels, values in samples if name in values]
        if family:
            lines += ["# HELP %s%s %s" % (_PREFIX, name, meaning), "# TYPE %s%s gauge" % (_PREFIX, name), *family]
    return "".join(line + "\n" for line in lines)


def _values(status: Status) -> dict[str, str]:
    """Metric → its value, for what is known."""
    values: dict[str, float | None] = {
        "last_success_timestamp_seconds": _timestamp(status.taken),
        "last_verified_timestamp_seconds": _timestamp(status.verified.at if status.verified else ""),
        "good": float(status.verdict == GOOD),
        "duration_seconds": status.seconds,
        "engine_stopped_seconds": status.engine_stopped,
    }
    return {name: "%.15g" % value for name, value in values.items() if value is not None}


def _timestamp(moment: str) -> float | None:
    return moments.parse(moment).timestamp() if moment else None


def _labels(status: Status) -> str:
    return '{job="%s",kind="%s"}' % (_escaped(status.job), _escaped(status.kind))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
