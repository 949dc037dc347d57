# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill measures: from which backups a swarm would come back, and how it did."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..backup import moments
from ..errors import DeclarationError
from . import report

TARGETS: Mapping[str, int] = {
    "worker_loss": 60,
    "manager_loss": 180,
    "quorum_loss": 180,
    "full_rebuild": 600,
    "full_rebuild_moved": 600,
}
"""Drill -> seconds from the loss to the recovery that it may take."""


def oldest_backup(statuses: Sequence[Mapping[str, Any]], jobs: Collection[str]) -> str:
    """Of the newest backups of these jobs, when the oldest was taken: what was written later is lost with the swarm.

    Args:
        statuses: what all nodes have noted of their backups.
        jobs: names of the jobs that a rebuild restores.

    Raises:
        DeclarationError: a job has no backup.
    """
    taken: dict[str, str] = {}
    for status in statuses:
        name, moment = str(status["job"]), str(status.get("taken") or "")
        if moment and (name not in taken or moments.parse(moment) > moments.parse(taken[name])):
            taken[name] = moment
    missing = [name for name in jobs if name not in taken]
    if missing:
        raise DeclarationError(
            *(
                "%s has no backup that the swarm could come back from: run playbooks/backup.yml" % name
                for name in missing
            )
        )
    return min((taken[name] for name in jobs), key=moments.parse)


def row(drill: str, began: str, recovered: str, differences: Sequence[str], restored: str = "") -> dict[str, Any]:
    """A line for the table of drills.

    Args:
        drill: one of ``TARGETS``.
        began, recovered: when the loss began, and when the recovery was done (``2026-11-22T23:00:00.5Z``).
        differences: what is other than before.
        restored: when that was taken which came back out of backups; empty when nothing did: then nothing is lost
            where nothing differs.
    """
    start = moments.parse(began)
    taken = (moments.parse(recovered) - start).total_seconds()
    age = (start - moments.parse(restored)).total_seconds() if restored else None
    measured: dict[str, Any] = {
        "drill": drill,
        "rto_seconds": round(taken, 1),
        "rpo_seconds": round(age, 1) if age is not None else None if differences else 0.0,
        "target_seconds": TARGETS[drill],
    }
    return {**measured, "verdict": "differs" if differences else report.judged(measured)}
