# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``firewall_matrix``; its documentation is firewall_matrix.yml, its work is done in _core/firewall."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import expected, matrix


def firewall_matrix(
    hostvars: Mapping[str, Mapping[str, Any]], members: Sequence[str], outsiders: Sequence[str] = ()
) -> dict[str, list[str]]:
    """What these hosts sent each other, against what their firewalls are to let through."""

    def results(part: str, hosts: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        return {host: hostvars[host].get("__swarm_firewall_" + part) or {} for host in hosts if host in hostvars}

    listening = results("listen", members)
    everybody = [*members, *outsiders]
    try:
        return matrix.judge(
            expected.targets(listening),
            # A host whose firewall is not managed does not listen, and that is no fault.
            [host for host in members if not listening.get(host, {}).get("skipped")],
            outsiders,
            matrix.Results(results("send", everybody), results("collect", members)),
        ).as_dict()
    except DeclarationError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"firewall_matrix": firewall_matrix}
