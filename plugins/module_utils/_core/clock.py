# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts' clocks differ, for sure: a swarm's certificates, leases and logs rest on clocks that agree.

A clock is read by a module, and the controller notes when it sent the module and when it had the answer. So how far a
host's clock is ahead of the controller's is known as an interval, as wide as the journey. Two clocks differ for sure by
the gap between their intervals; a slow connection makes an interval wide, never a host wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MEND = (
    "let it follow a time server (the role node_hardening installs chrony; `chronyc makestep` corrects it at once), "
    "and run again"
)


@dataclass(frozen=True)
class Offset:
    """How many seconds a clock is ahead of the controller's: at least ``least``, at most ``most``."""

    least: float
    most: float


def offset(clock: Mapping[str, Any] | None) -> Offset | None:
    """The offset in what ``swarm_host_info`` returned as ``clock``; None when it holds no whole reading.

    ``sent`` and ``received`` are the controller's clock before the module was sent and after its answer; ``first`` and
    ``last`` are the host's, at the module's begin and end. All in seconds since the epoch.
    """
    if not clock:
        return None
    try:
        sent, first, last, received = (float(clock[key]) for key in ("sent", "first", "last", "received"))
    except (KeyError, TypeError, ValueError):
        return None
    least, most = last - received, first - sent
    # A clock that was stepped while it was read proves nothing.
    return Offset(least, most) if least <= most else None


def unread(clocks: Mapping[str, Mapping[str, Any] | None], limit: float) -> list[str]:
    """One sentence for each host whose clock can't be compared, because its reading is not whole.

    Args:
        clocks: host → ``clock`` of ``swarm_host_info``, of the hosts that answered.
        limit: as for ``skews``.
    """
    return [
        "the clock of %s was not read, so nobody knows whether it is right: run again, and if it stays so, let "
        "swarm_cluster_max_clock_skew: 0 compare none" % host
        for host, clock in clocks.items()
        if limit > 0 and offset(clock) is None
    ]


def ahead(one: Offset, other: Offset) -> float:
    """By how many seconds one clock differs from another for sure: positive = ahead, 0 = they may agree."""
    if one.least > other.most:
        return one.least - other.most
    if other.least > one.most:
        return -(other.least - one.most)
    return 0.0


def skews(clocks: Mapping[str, Mapping[str, Any] | None], limit: float) -> list[str]:
    """One sentence for each host whose clock differs from another's by more than ``limit`` seconds for sure.

    The host that differs from the most others is the one that is wrong; of two that differ from each other alone it
    can't be told, and the later one is named. A limit of 0 judges nothing.

    Args:
        clocks: host → ``clock`` of ``swarm_host_info``; hosts without a whole one are left out (``unread``).
        limit: in seconds.
    """
    if limit <= 0:
        return []
    known = {host: found for host, clock in clocks.items() if (found := offset(clock)) is not None}
    sentences: list[str] = []
    while True:
        differ = {
            host: [other for other in known if abs(ahead(known[host], known[other])) > limit]
            for host in reversed(list(known))
        }
        wrong = max(differ, key=lambda host: len(differ[host]), default=None)
        if wrong is None or not differ[wrong]:
            return sentences
        other = min(differ[wrong], key=list(known).index)
        seconds = ahead(known[wrong], known[other])
        sentences.append(
            "the clock of %s is at least %.1f s %s that of %s, and %g s are the most that is accepted "
            "(swarm_cluster_max_clock_skew): %s"
            % (wrong, abs(seconds), "ahead of" if seconds > 0 else "behind", other, limit, MEND)
        )
        del known[wrong]
