# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``underlay``; its documentation is underlay.yml, its decisions are _core/underlay.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import underlay as core
from ansible_collections.flotilla.swarm.plugins.module_utils._core.cluster import NODE_ID


def underlay(
    hostvars: Mapping[str, Mapping[str, Any]], hosts: Sequence[str], results: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The MTU below the overlays of these hosts."""
    own = {host: hostvars[host] for host in hosts}
    joined = [host for host, variables in own.items() if variables.get(NODE_ID)]
    seen = {host: _mtu(variables.get("__swarm_cluster_host")) for host, variables in own.items()}
    later = {str(result["__swarm_networks_host"]): _mtu(result) for result in results}
    return core.survey(hosts, joined, seen, later).as_dict()


def _mtu(observed: Mapping[str, Any] | None) -> int | None:
    mtu = ((observed or {}).get("underlay") or {}).get("mtu")
    return mtu if isinstance(mtu, int) else None


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"underlay": underlay}
