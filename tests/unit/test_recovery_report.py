# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drills' table: every measurement as it was, and no time shown shorter than it was."""

from __future__ import annotations

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import report
from hypothesis import given
from hypothesis import strategies as st


def test_the_table() -> None:
    rows = [
        {"drill": "quorum lost", "rto_seconds": 61.24, "rpo_seconds": 0, "target_seconds": 180},
        {"drill": "all lost", "rto_seconds": 700, "rpo_seconds": 3600, "target_seconds": 600},
        {"drill": "worker lost", "verdict": "not run"},
    ]
    assert report.table(rows) == [
        "| Drill       | RTO         | Target      | RPO        | Verdict |",
        "|-------------|-------------|-------------|------------|---------|",
        "| quorum lost | 1 min 02 s  | 3 min 00 s  | 0 s        | in time |",
        "| all lost    | 11 min 40 s | 10 min 00 s | 1 h 00 min | late    |",
        "| worker lost | -           | -           | -          | not run |",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0, "0 s"),
        (8.1, "8.1 s"),
        (8.11, "8.2 s"),
        (59.99, "1 min 00 s"),
        (60, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.5, "1 h 00 min"),
        (11220, "3 h 07 min"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert report.duration(seconds) == shown


def test_a_measurement_without_a_target_is_not_judged() -> None:
    assert report.judged({"rto_seconds": 1}) == ""
    assert report.judged({"rto_seconds": 180, "target_seconds": 180}) == "in time"
    assert report.judged({"rto_seconds": 180.1, "target_seconds": 180}) == "late"


@given(st.lists(st.fixed_dictionaries({"drill": st.text("ab c", max_size=9), "rto_seconds": st.floats(0, 1e6)})))
def test_every_line_is_as_wide_as_the_first(rows: list[dict[str, object]]) -> None:
    lines = report.table(rows)
    assert len(lines) == len(rows) + 2
    assert {len(line) for line in lines} == {len(lines[0])}
