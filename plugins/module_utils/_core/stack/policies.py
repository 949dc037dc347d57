# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Update policies that promise more than they hold: no reason not to deploy, but to say so.

A task with a healthcheck counts as running once it is healthy, and from then on swarm counts a failure for ``monitor``
(swarmkit, orchestrator/update/updater.go). One that falls sick afterwards needs ``interval`` * ``retries`` to show it;
``start_period`` is over when the first probe succeeds (moby, daemon/health.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import pace
from ..plan import Step
from . import changes
from .references import mapping

Json = Mapping[str, Any]

_NANOSECONDS = 1e9


def warnings(steps: Sequence[Step], stable_cap: float) -> list[str]:
    """Services whose ``monitor`` ends before their healthcheck can fail, one sentence each.

    Args:
        steps: of a plan; the services that it creates or updates count, and of them those with an update policy.
        stable_cap: the most seconds for which a changed service is watched here.
    """
    found = []
    for change in changes.of(steps):
        update = mapping(change.after.get("UpdateConfig"))
        # With "continue" swarm does nothing about a failure, whenever it sees it.
        if not update or update.get("FailureAction") == "continue":
            continue
        its = pace.of_spec(change.after)
        check = mapping(mapping(mapping(change.after.get("TaskTemplate")).get("ContainerSpec")).get("Healthcheck"))
        needed = its.health_grace - (check.get("StartPeriod") or 0) / _NANOSECONDS
        if its.update.monitor < needed:
            window = its.stable_for(stable_cap)
            watched = "this deployment itself watches for %gs%s" % (
                window,
                ", and no longer (stable_for)" if window < needed else "",
            )
            found.append(
                "%s.deploy.update_config.monitor: swarm watches a new task for %gs, and its healthcheck takes %gs to "
                "fail (interval * retries): swarm would neither pause nor roll back; %s: set monitor: %gs, or make "
                "the healthcheck quicker" % (change.where, its.update.monitor, needed, watched, needed)
            )
    return found
