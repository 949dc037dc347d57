# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in time as the status files, restic and the swarm write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

# RFC 3339. Go writes as many digits of a second as there are, more than Python reads.
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,12}))?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def parse(text: str) -> datetime:
    """The point in time, in UTC.

    Raises:
        ValueError: the text is none, or says no time zone.
    """
    found = _MOMENT.fullmatch(text)
    if not found:
        raise ValueError("%r is no point in time like 2026-11-22T23:00:00Z" % text)
    day, clock, fraction, zone = found.groups()
    moment = datetime.fromisoformat("%sT%s%s" % (day, clock, "+00:00" if zone == "Z" else zone))
    return (moment + timedelta(microseconds=int((fraction or "").ljust(6, "0")[:6]))).astimezone(timezone.utc)


def age(text: str, now: float) -> int:
    """Seconds from that point in time until ``now``, seconds of the Unix epoch; 0 where another clock is ahead of ours.

    Raises:
        ValueError: as in ``parse``.
    """
    return max(0, round(now - parse(text).timestamp()))


def render(moment: datetime, timespec: str = "seconds") -> str:
    """``2026-11-22T23:00:00Z``; with the time specification ``microseconds``, those too, always six digits."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"
