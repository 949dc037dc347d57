# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a service may take, read from its own policies: the deadline of a change, and for how long it must then
hold.

All durations are in seconds. The engine's defaults are those of swarmkit's api/defaults and moby's healthcheck.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

START = 120.0
"""For one task to be scheduled, its image to be pulled by a node that has nothing of it, and its process to start."""
RESTART = 15.0
"""The same for each further batch, whose images are there mostly."""
MONITOR = 5.0
STOP_GRACE = 10.0
HEALTH_INTERVAL = 30.0
HEALTH_RETRIES = 3
FLOOR = 60.0
JOB = 3600.0
"""For a job's own work, of which its spec says nothing."""

_NANOSECONDS = 1e9


@dataclass(frozen=True)
class Rolling:
    """How tasks are replaced: ``parallelism`` at a time (0: all at once), ``delay`` and ``monitor`` in seconds."""

    parallelism: int = 1
    delay: float = 0.0
    monitor: float = MONITOR


@dataclass(frozen=True)
class Pace:
    """What a service's policies say about time.

    Attributes:
        health_grace: that its healthcheck may take to say "unhealthy": start_period + interval * retries.
        stop_grace: that a task may take to end.
        work: that a job may take; 0 for a service that goes on.
        update: how an update goes.
        rollback: how its rollback goes; None where the policy has none.
    """

    health_grace: float = 0.0
    stop_grace: float = STOP_GRACE
    update: Rolling = Rolling()
    rollback: Rolling | None = None
    work: float = 0.0

    def stable_for(self, cap: float) -> float:
        """For how long a changed service must run undisturbed before it counts as converged; the cap at the most.

        A monitor below the engine's default proves little: what ends a moment after it would count as well.
        """
        return min(cap, max(self.update.monitor, self.health_grace, MONITOR))

    def create_seconds(self) -> float:
        """For the tasks to come up where none has to make way."""
        return START + self.health_grace + self.work

    def update_seconds(self, tasks: int) -> float:
        """For a rolling update, and for its rollback when the policy has one.

        Args:
            tasks: how many tasks the service has (for a global one, the nodes).
        """
        rollings = [self.update] if self.rollback is None else [self.update, self.rollback]
        return START + self.work + sum(self._rolling(rolling, tasks) for rolling in rollings)

    def _rolling(self, policy: Rolling, tasks: int) -> float:
        batches = math.ceil(max(tasks, 1) / (policy.parallelism or max(tasks, 1)))
        each = RESTART + self.stop_grace + self.health_grace + policy.delay
        return batches * each + policy.monitor


def of_spec(spec: Json) -> Pace:
    """The pace of a service as the engine has it (``ServiceSpec``, durations in nanoseconds)."""
    container = (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
    update = spec.get("UpdateConfig") or {}
    back = update.get("FailureAction") == "rollback"
    return Pace(
        _health_grace(container.get("Healthcheck") or {}),
        _seconds(container.get("StopGracePeriod"), STOP_GRACE),
        _of_config(update),
        _of_config(spec.get("RollbackConfig") or {}) if back else None,
        JOB if is_job(spec) else 0.0,
    )


def is_job(spec: Json) -> bool:
    """Whether a ServiceSpec is one of a job, whose tasks end when their work is done."""
    mode = spec.get("Mode") or {}
    return "ReplicatedJob" in mode or "GlobalJob" in mode


def tasks(spec: Json, nodes: int) -> int:
    """How many tasks a ServiceSpec asks for; where it gives no number, one on each of the swarm's nodes."""
    replicas = ((spec.get("Mode") or {}).get("Replicated") or {}).get("Replicas")
    return nodes if replicas is None else int(replicas)


def _of_config(config: Json) -> Rolling:
    parallelism = config.get("Parallelism")
    return Rolling(
        1 if parallelism is None else int(parallelism),
        _seconds(config.get("Delay"), 0.0),
        # 0 means the default to the engine (moby: convert.updateConfigToGRPC takes it as not given).
        _seconds(config.get("Monitor") or None, MONITOR),
    )


def _health_grace(check: Json) -> float:
    test = check.get("Test")
    if not test or test == ["NONE"]:
        return 0.0
    interval = _seconds(check.get("Interval") or None, HEALTH_INTERVAL)
    return _seconds(check.get("StartPeriod"), 0.0) + interval * int(check.get("Retries") or HEALTH_RETRIES)


def _seconds(nanoseconds: Any, default: float) -> float:
    return default if nanoseconds is None else float(nanoseconds) / _NANOSECONDS
