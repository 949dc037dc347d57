# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staying with a swarm that gives no answer for a moment, for work that must not be left half done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .watch import PASSING

T = TypeVar("T")


def patiently(
    action: Callable[[], T],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    deadline: float = 60.0,
    interval: float = 1.0,
) -> T:
    """Do something, and again for as long as the swarm has no leader or its engine can't be reached.

    A write without an answer may have been carried out all the same. So ``action`` must be safe to repeat: it reads
    before it writes, and takes what is already as wanted for done. A StaleVersion or a NameConflict then means that it
    has to read again.

    Args:
        action: one read, or one read and the write that follows from it. What else it raises goes to the caller.
        clock: tells the seconds.
        sleep: waits for so many seconds.
        deadline: seconds from now. At least one attempt is made, and none begins after the deadline.
        interval: seconds between two attempts.

    Raises:
        NoQuorum, EngineUnreachable: there was no answer until the deadline; the last refusal.
    """
    end = clock() + deadline
    while True:
        try:
            return action()
        except PASSING:
            left = end - clock()
            if left <= 0:
                raise
            sleep(min(interval, left))
