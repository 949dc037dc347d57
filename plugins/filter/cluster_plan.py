# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``cluster_plan``; its documentation is cluster_plan.yml, its decisions are _core/cluster.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import clock, kernel
from ansible_collections.flotilla.swarm.plugins.module_utils._core.cluster import plan_cluster
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import NOTHING

UNAWARE = (
    "%s would join, and the firewalls of %s, which are not in this run, don't know it and would drop what it sends: "
    "run on all hosts; or run playbooks/firewall.yml without --limit (leave out only hosts that are down), and then "
    "this with -e '{\"swarm_firewall_enabled\": false}', which leaves the firewalls as they are"
)


def cluster_plan(
    observed: Mapping[str, Mapping[str, Any] | None],
    managers: Sequence[str],
    workers: Sequence[str],
    allow_even: bool = False,
    allow_silent: bool = False,
    max_clock_skew: float = 0,
    unaware: Sequence[str] = (),
) -> dict[str, Any]:
    """What must be done so that the declared hosts are one swarm, as a dictionary, and what their kernels lack.

    Clocks that differ, or were not read, hinder hosts from joining. A swarm that is complete is only warned of them,
    and so is whoever will mend hosts and ask again (``allow_silent``), because the role that mends a clock runs in
    between. Hosts that are left out of the run keep their lists of members, so beside ``unaware`` ones nobody joins.
    """
    plan = plan_cluster(
        observed, list(managers), list(workers), allow_even=allow_even, allow_silent=allow_silent
    ).as_dict()
    kernels = {host: (result or {}).get("kernel") or {} for host, result in observed.items()}
    clocks = {host: result.get("clock") for host, result in observed.items() if result and "membership" in result}
    wrong = [*clock.skews(clocks, max_clock_skew), *clock.unread(clocks, max_clock_skew)]
    judged = "warnings" if allow_silent or plan["action"] == NOTHING else "problems"
    plan[judged] = [*plan[judged], *wrong]
    joining = [*plan["join_managers"], *plan["join_workers"]]
    if joining and unaware:
        plan["problems"] = [*plan["problems"], UNAWARE % (", ".join(joining), ", ".join(unaware))]
    return {**plan, "lacking": kernel.lacking_by_hosts(kernels)}


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cluster_plan": cluster_plan}
