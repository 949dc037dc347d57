# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which jobs are still to have their first good backup."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from .jobs import FILES, OF_EACH_NODE, Job
from .status import Status, owing


def unproved(
    statuses_by_host: Mapping[str, Sequence[Status]], jobs: Iterable[Job], managers: Collection[str]
) -> list[str]:
    """The names of the jobs of which no backup has ever been restored, though some may have been made.

    One that was restored once and is bad now is not among them: why it is bad, somebody should look at.

    Args:
        statuses_by_host: host → what it has noted. Hosts that have noted nothing are in it too.
        managers: the hosts that are managers.
    """
    proved = {
        host: {status.job for status in statuses if status.verified} for host, statuses in statuses_by_host.items()
    }
    found = []
    for job in jobs:
        if job.kind in OF_EACH_NODE:
            hosts = owing(job, statuses_by_host, managers)
            done = all(job.name in proved[host] for host in hosts) and (bool(hosts) or job.kind == FILES)
        else:
            done = any(job.name in names for names in proved.values())
        if not done:
            found.append(job.name)
    return found
