# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services have a volume by their declaration, whether a task of theirs runs just now or not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any


def volume_users(
    services: Sequence[Mapping[str, Any]], volumes: Collection[str], *, idle: bool = False
) -> list[dict[str, str]]:
    """The services that have one of these volumes.

    Args:
        services: those of a snapshot (``_core.snapshot``).
        volumes: names.
        idle: those that are to have no task, instead of those that are to have some.

    Returns:
        ``stack`` (empty for a service of no stack) and ``service``, its name there.
    """
    return [
        {"stack": stack, "service": service["name"][len(stack) + 1 if stack else 0 :]}
        for service in services
        for stack in [str(service["stack"] or "")]
        if set(service["volumes"]) & set(volumes) and bool(service["desired"]) != idle
    ]
