# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check that there is, in the order of the report."""

from __future__ import annotations

from . import auditing, engine, files, host, services, swarm
from .model import HOST, SWARM, Check


def _order(check: Check) -> tuple[int, tuple[int, ...], str]:
    """The benchmark's items by their numbers, then ours by their names."""
    kind, _dash, rest = check.id.partition("-")
    if kind != "cis":
        return (1, (), rest)
    return (0, tuple(int(part) for part in rest.split(".")), "")


CHECKS: tuple[Check, ...] = tuple(
    sorted((*auditing.CHECKS, *engine.CHECKS, *files.CHECKS, *host.CHECKS, *swarm.CHECKS, *services.CHECKS), key=_order)
)
HOST_CHECKS: tuple[Check, ...] = tuple(check for check in CHECKS if check.scope == HOST)
SWARM_CHECKS: tuple[Check, ...] = tuple(check for check in CHECKS if check.scope == SWARM)
BY_ID: dict[str, Check] = {check.id: check for check in CHECKS}
