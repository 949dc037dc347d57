# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the swarm has room for the services of a plan: published ports, ports of nodes, and what tasks reserve.

Addresses, which depend on the definition of the networks too, are counted in ``capacity``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..plan import Step
from . import changes, host_ports, ports, reservations
from .preflight import Observation

Json = Mapping[str, Any]


def problems(steps: Sequence[Step], observed: Observation, tasks: Sequence[Json]) -> list[str]:
    """What the engine would refuse half way, or take and leave in ``pending``; one sentence each.

    Args:
        steps: of a plan; those of services that start tasks count.
        observed: what the swarm holds.
        tasks: the engine's list of tasks.
    """
    wanted = [change for change in changes.of(steps) if change.starts_tasks]
    return [
        *ports.problems(steps, observed.services),
        *host_ports.problems(wanted, observed.services, observed.nodes, tasks),
        *reservations.problems(wanted, observed.services, observed.nodes, tasks),
    ]
