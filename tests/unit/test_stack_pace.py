# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations, deadlines and stability windows."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import pace
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1m30s", 90),
        ("1h0m0s", 3600),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("100µs", 1e-4),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_go_durations(text: str, seconds: float) -> None:
    assert pace.seconds(text, 7) == pytest.approx(seconds)


@pytest.mark.parametrize("text", [None, "", "soon", "5", "5x", "s", 5])
def test_what_is_no_duration_is_the_default(text: Any) -> None:
    assert pace.seconds(text, 7) == 7


def test_the_health_grace_is_that_of_the_declared_check() -> None:
    assert pace.health_grace({}) == 0
    assert pace.health_grace({"healthcheck": {"test": ["NONE"]}}) == 0
    assert pace.health_grace({"healthcheck": {"disable": True}}) == 0
    assert pace.health_grace({"healthcheck": {"test": ["CMD", "x"]}}) == 90
    check = {"test": ["CMD", "x"], "interval": "5s", "retries": 2, "start_period": "20s"}
    assert pace.health_grace({"healthcheck": check}) == 30


def test_the_window_is_the_longer_of_monitor_and_health_within_the_cap() -> None:
    entry: dict[str, Any] = {"deploy": {"update_config": {"monitor": "12s"}}}
    assert pace.stable_for({}, 60) == 5
    assert pace.stable_for(entry, 60) == 12
    assert pace.stable_for({**entry, "healthcheck": {"test": ["CMD"], "interval": "10s"}}, 60) == 30
    assert pace.stable_for({**entry, "healthcheck": {"test": ["CMD"]}}, 60) == 60


def test_an_update_has_time_for_every_batch_and_for_its_rollback() -> None:
    update = {"parallelism": 1, "delay": "30s", "monitor": "10s"}
    plain = pace.update_seconds({"deploy": {"update_config": update}}, 3)
    assert plain == pace.START + 3 * (pace.RESTART + pace.STOP_GRACE + 30) + 10
    all_at_once = pace.update_seconds({"deploy": {"update_config": {**update, "parallelism": 0}}}, 3)
    assert all_at_once < plain
    rollback = pace.update_seconds({"deploy": {"update_config": {**update, "failure_action": "rollback"}}}, 3)
    assert rollback == plain + 3 * (pace.RESTART + pace.STOP_GRACE) + pace.MONITOR


@given(st.integers(0, 50), st.integers(0, 10), st.sampled_from(["0s", "10s"]), st.sampled_from(["pause", "rollback"]))
def test_more_tasks_never_have_less_time(tasks: int, parallelism: int, delay: str, action: str) -> None:
    update = {"parallelism": parallelism, "delay": delay, "failure_action": action}
    entry = {"deploy": {"update_config": update}}
    assert 0 < pace.update_seconds(entry, tasks) <= pace.update_seconds(entry, tasks + 1)
