# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a stack may take, read from its own policies: the deadline of a deployment, and for how long it must then
hold.

All durations are in seconds. The engine's defaults are those of swarmkit's api/defaults and moby's healthcheck.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from .references import mapping

Tree = Mapping[str, Any]

START = 120.0
"""For one task to be scheduled, its image to be pulled by a node that has nothing of it, and its process to start."""
RESTART = 15.0
"""The same for each further batch, whose images are there mostly."""
MONITOR = 5.0
STOP_GRACE = 10.0
HEALTH_INTERVAL = 30.0
HEALTH_RETRIES = 3
FLOOR = 60.0

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def seconds(text: Any, default: float = 0.0) -> float:
    """A Go duration (``1m30s``) in seconds; the default when it is missing or no duration."""
    if not isinstance(text, str):
        return default
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return 0.0 if text == "0" else default
    return float(sum(float(number) * _UNITS[unit] for number, unit in parts))


def _number(value: Any, default: int) -> int:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default


def health_grace(service: Tree) -> float:
    """Seconds that a declared healthcheck may take to say "unhealthy": start_period + interval * retries."""
    check = mapping(service.get("healthcheck"))
    if not check or check.get("disable") or check.get("test") in (["NONE"], "NONE"):
        return 0.0
    interval = seconds(check.get("interval"), HEALTH_INTERVAL) or HEALTH_INTERVAL
    retries = _number(check.get("retries"), HEALTH_RETRIES) or HEALTH_RETRIES
    return seconds(check.get("start_period")) + interval * retries


def stable_for(service: Tree, cap: float) -> float:
    """Seconds for which a changed service must run undisturbed before it counts as converged."""
    update = mapping(mapping(service.get("deploy")).get("update_config"))
    return min(cap, max(seconds(update.get("monitor"), MONITOR), health_grace(service)))


def create_seconds(service: Tree) -> float:
    """For a service's tasks to come up where none has to make way."""
    return START + health_grace(service)


def update_seconds(service: Tree, tasks: int) -> float:
    """For a rolling update, and for its rollback when the policy has one.

    Args:
        tasks: how many tasks the service has (for a global one, the nodes).
    """
    deploy = mapping(service.get("deploy"))
    update = mapping(deploy.get("update_config"))
    total = START + _rolling(update, service, tasks)
    if update.get("failure_action") == "rollback":
        total += _rolling(mapping(deploy.get("rollback_config")), service, tasks)
    return total


def _rolling(policy: Tree, service: Tree, tasks: int) -> float:
    parallelism = _number(policy.get("parallelism"), 1) or max(tasks, 1)
    batches = math.ceil(max(tasks, 1) / parallelism)
    stop = seconds(service.get("stop_grace_period"), STOP_GRACE)
    each = RESTART + stop + health_grace(service) + seconds(policy.get("delay"))
    return batches * each + seconds(policy.get("monitor"), MONITOR)
