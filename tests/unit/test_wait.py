# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The waiting loop."""

from __future__ import annotations

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.wait import DeadlineExceeded, wait_until


class Clock:
    """A clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def test_it_returns_the_first_observation_that_is_done() -> None:
    clock, values = Clock(), iter([1, 2, 3, 4])
    found = wait_until(lambda: next(values), lambda seen: seen == 3, 10, 0.5, clock, clock.sleep)
    assert (found, clock.naps) == (3, [0.5, 0.5])


def test_it_looks_once_even_without_time_and_sleeps_never_past_the_deadline() -> None:
    clock = Clock()
    assert wait_until(lambda: 7, lambda _seen: True, 0, 1, clock, clock.sleep) == 7
    with pytest.raises(DeadlineExceeded) as late:
        wait_until(lambda: clock.now, lambda _seen: False, 1.2, 0.5, clock, clock.sleep)
    assert clock.naps == pytest.approx([0.5, 0.5, 0.2])
    assert late.value.last == pytest.approx(101.2)
    assert isinstance(late.value, errors.DeadlineExceeded)


def test_a_failed_observation_is_no_reason_to_wait() -> None:
    def observe() -> int:
        raise errors.NoQuorum("no leader")

    with pytest.raises(errors.NoQuorum):
        wait_until(observe, lambda _seen: False, 60)
