# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``declared_by_host``; its documentation is declared_by_host.yml, its work is done in _core/cluster.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import cluster


def declared_by_host(hostvars: Mapping[str, Mapping[str, Any]], hosts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What each host declares about its node, as ``validate_inventory`` takes it."""
    return cluster.declared_by_host(hostvars, list(hosts))


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"declared_by_host": declared_by_host}
