# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nodes noted of their backups, as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..report import table

HEAD = ("JOB", "NODE", "VERDICT", "TAKEN", "SNAPSHOT", "SIZE", "SECONDS", "ENGINE STOPPED", "EVIDENCE OR REASON")
NEVER = "never"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def lines(statuses: Mapping[str, Sequence[Mapping[str, Any]]], jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table, a line an entry: the jobs in their order, the nodes by name.

    Args:
        statuses: host → the status of each job that it has done, as dictionaries.
        jobs: as dictionaries; one that no node has done has a line too.
    """
    rows: list[tuple[str, ...]] = []
    for job in jobs:
        noted = [
            (host, status) for host in sorted(statuses) for status in statuses[host] if status["job"] == job["name"]
        ]
        rows += [_row(host, status) for host, status in noted]
        if not noted:
            rows.append((str(job["name"]), "", NEVER, "", "", "", "", "", ""))
    return table(HEAD, rows)


def _row(host: str, status: Mapping[str, Any]) -> tuple[str, ...]:
    verified = status.get("verified") or {}
    return (
        str(status["job"]),
        host,
        str(status["verdict"]),
        str(status.get("taken") or ""),
        str(status.get("snapshot") or ""),
        _size(status.get("bytes")),
        _seconds(status.get("seconds")),
        _seconds(status.get("engine_stopped")),
        str(status.get("reason") or verified.get("evidence") or ""),
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else "%.1f" % value


def _size(value: float | None) -> str:
    if value is None:
        return ""
    size, unit = float(value), 0
    while size >= 1024 and unit + 1 < len(_UNITS):
        size, unit = size / 1024, unit + 1
    return "%.0f %s" % (size, _UNITS[unit]) if unit == 0 else "%.1f %s" % (size, _UNITS[unit])
