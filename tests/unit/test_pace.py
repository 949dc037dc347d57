# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deadlines and stability windows."""

from __future__ import annotations

from ansible_collections.flotilla.swarm.plugins.module_utils._core import pace
from ansible_collections.flotilla.swarm.plugins.module_utils._core.pace import Pace, Rolling
from hypothesis import given
from hypothesis import strategies as st


def test_the_window_is_the_longer_of_monitor_and_health_within_the_cap() -> None:
    assert Pace().stable_for(60) == 5
    assert Pace(update=Rolling(monitor=12)).stable_for(60) == 12
    assert Pace(30, update=Rolling(monitor=12)).stable_for(60) == 30
    assert Pace(90).stable_for(60) == 60


def test_an_update_has_time_for_every_batch_and_for_its_rollback() -> None:
    plain = Pace(update=Rolling(1, 30, 10)).update_seconds(3)
    assert plain == pace.START + 3 * (pace.RESTART + pace.STOP_GRACE + 30) + 10
    assert Pace(update=Rolling(0, 30, 10)).update_seconds(3) < plain
    rollback = Pace(update=Rolling(1, 30, 10), rollback=Rolling()).update_seconds(3)
    assert rollback == plain + 3 * (pace.RESTART + pace.STOP_GRACE) + pace.MONITOR


@given(st.integers(0, 50), st.integers(0, 10), st.sampled_from([0.0, 10.0]), st.sampled_from([None, Rolling()]))
def test_more_tasks_never_have_less_time(tasks: int, parallelism: int, delay: float, rollback: Rolling | None) -> None:
    its = Pace(update=Rolling(parallelism, delay), rollback=rollback)
    assert 0 < its.update_seconds(tasks) <= its.update_seconds(tasks + 1)
