# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``firewall_probe_plan``; its documentation is firewall_probe_plan.yml, its work _core/firewall does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import expected


def firewall_probe_plan(
    hostvars: Mapping[str, Mapping[str, Any]], hosts: Sequence[str], sender: str
) -> dict[str, list[Any]]:
    """What the sender is to try, as the options of ``firewall_probe``."""
    results = {host: hostvars[host].get("__swarm_firewall_listen") or {} for host in hosts if host in hostvars}
    try:
        targets = expected.targets(results)
    except DeclarationError as error:
        raise AnsibleFilterError(str(error)) from error
    return {
        "targets": [
            {"name": target.name, "token": target.token, "addresses": list(target.addresses)}
            for target in targets
            if target.name != sender
        ],
        "flows": [str(flow) for _label, flows in expected.columns(targets) for flow in flows],
    }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"firewall_probe_plan": firewall_probe_plan}
