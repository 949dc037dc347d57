# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a drill: how long each recovery took (RTO) and how old what it brought back was (RPO)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_HEADS = ("Drill", "RTO", "Target", "RPO", "Verdict")
_UNKNOWN = "-"


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The lines of a Markdown table, one drill each.

    Args:
        rows: each with ``drill``, ``rto_seconds``, ``rpo_seconds`` and ``target_seconds`` (None or missing = not
            measured, or none is set) and ``verdict``.
    """
    cells = [
        _HEADS,
        *(
            (
                str(row["drill"]),
                duration(row.get("rto_seconds")),
                duration(row.get("target_seconds")),
                duration(row.get("rpo_seconds")),
                str(row.get("verdict") or judged(row)),
            )
            for row in rows
        ),
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEADS))]
    lines = ["| %s |" % " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in cells]
    return [lines[0], "|%s|" % "|".join("-" * (width + 2) for width in widths), *lines[1:]]


def judged(row: Mapping[str, Any]) -> str:
    """``in time`` or ``late`` where there is a target and a measurement, else empty."""
    taken, target = row.get("rto_seconds"), row.get("target_seconds")
    if taken is None or target is None:
        return ""
    return "in time" if float(taken) <= float(target) else "late"


def duration(seconds: float | None) -> str:
    """``8.1 s``, ``2 min 05 s``, ``3 h 07 min``; ``-`` for None. Rounded up: no time is shown shorter than it was."""
    if seconds is None:
        return _UNKNOWN
    tenths = -int(-float(seconds) * 10 // 1)
    if tenths < 600:
        return "%g s" % (tenths / 10)
    whole = -int(-float(seconds) // 1)
    if whole < 3600:
        return "%d min %02d s" % divmod(whole, 60)
    return "%d h %02d min" % divmod(-(-whole // 60), 60)
