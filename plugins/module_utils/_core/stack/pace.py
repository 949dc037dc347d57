# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pace (see ``_core/pace``) of a service as a stack file declares it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .. import pace
from .references import mapping

Tree = Mapping[str, Any]

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def of_service(service: Tree) -> pace.Pace:
    """The pace of one entry of ``services`` in the normal form."""
    deploy = mapping(service.get("deploy"))
    update = mapping(deploy.get("update_config"))
    back = update.get("failure_action") == "rollback"
    return pace.Pace(
        _health_grace(mapping(service.get("healthcheck"))),
        seconds(service.get("stop_grace_period"), pace.STOP_GRACE),
        _rolling(update),
        _rolling(mapping(deploy.get("rollback_config"))) if back else None,
    )


def seconds(text: Any, default: float = 0.0) -> float:
    """A Go duration (``1m30s``) in seconds; the default when it is missing or no duration."""
    if not isinstance(text, str):
        return default
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return 0.0 if text == "0" else default
    return float(sum(float(number) * _UNITS[unit] for number, unit in parts))


def _rolling(config: Tree) -> pace.Rolling:
    return pace.Rolling(
        _number(config.get("parallelism"), 1),
        seconds(config.get("delay")),
        seconds(config.get("monitor"), pace.MONITOR),
    )


def _health_grace(check: Tree) -> float:
    if not check or check.get("disable") or check.get("test") in (["NONE"], "NONE"):
        return 0.0
    interval = seconds(check.get("interval"), pace.HEALTH_INTERVAL) or pace.HEALTH_INTERVAL
    retries = _number(check.get("retries"), pace.HEALTH_RETRIES) or pace.HEALTH_RETRIES
    return seconds(check.get("start_period")) + interval * retries


def _number(value: Any, default: int) -> int:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default
