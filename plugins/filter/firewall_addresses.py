# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``firewall_addresses``; its documentation is firewall_addresses.yml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import members


def firewall_addresses(hostvars: Mapping[str, Mapping[str, Any]], host: str) -> list[str]:
    """What a host's variables say of its addresses."""
    return members.addresses(hostvars[host])


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"firewall_addresses": firewall_addresses}
