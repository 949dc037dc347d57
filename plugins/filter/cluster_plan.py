# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``cluster_plan``; its documentation is cluster_plan.yml, its decisions are _core/cluster.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import kernel
from ansible_collections.flotilla.swarm.plugins.module_utils._core.cluster import plan_cluster


def cluster_plan(
    observed: Mapping[str, Mapping[str, Any] | None],
    managers: Sequence[str],
    workers: Sequence[str],
    allow_even: bool = False,
    allow_silent: bool = False,
) -> dict[str, Any]:
    """What must be done so that the declared hosts are one swarm, as a dictionary, and what their kernels lack."""
    plan = plan_cluster(
        observed, list(managers), list(workers), allow_even=allow_even, allow_silent=allow_silent
    ).as_dict()
    kernels = {host: (result or {}).get("kernel") or {} for host, result in observed.items()}
    return {**plan, "lacking": kernel.lacking_by_hosts(kernels)}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cluster_plan": cluster_plan}
