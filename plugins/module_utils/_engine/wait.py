# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one waiting loop: what is awaited is a pure predicate, the deadline is never optional."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from . import errors

T = TypeVar("T")


class DeadlineExceeded(errors.DeadlineExceeded):
    """The deadline came first.

    Attributes:
        last: what was observed last, so that the caller can say what was missing.
    """

    def __init__(self, message: str, last: Any) -> None:
        super().__init__(message)
        self.last = last


def wait_until(
    observe: Callable[[], T],
    done: Callable[[T], bool],
    deadline: float,
    interval: float = 0.5,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Observe until ``done`` says so, and return that observation.

    Args:
        observe: reads the present state. What it raises goes to the caller: a failed read is never "not yet".
        done: a predicate without side effects.
        deadline: seconds from now. At least one observation is made, and one at the deadline itself.
        interval: seconds between two observations.

    Raises:
        DeadlineExceeded: ``done`` was never true; ``.last`` is the last observation.
    """
    end = clock() + deadline
    while True:
        seen = observe()
        if done(seen):
            return seen
        left = end - clock()
        if left <= 0:
            raise DeadlineExceeded("not done within %g s" % deadline, seen)
        sleep(min(interval, left))
