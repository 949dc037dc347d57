# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``firewall_members``; its documentation is firewall_members.yml, its work is in _core/firewall."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import members


def firewall_members(
    hostvars: Mapping[str, Mapping[str, Any]],
    hosts: Sequence[str],
    own: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """The addresses of these hosts, as ``swarm_firewall`` takes them."""
    own = own or {}
    variables = {host: {members.DECLARED: own[host]} if host in own else hostvars[host] for host in hosts}
    try:
        return members.members(variables)
    except DeclarationError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"firewall_members": firewall_members}
