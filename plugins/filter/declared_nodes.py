# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``declared_nodes``; its documentation is declared_nodes.yml, its decisions are _core/cluster.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.module_utils._core import cluster
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError


def declared_nodes(
    hostvars: Mapping[str, Mapping[str, Any]],
    hosts: Sequence[str],
    ids: Mapping[str, str] | None = None,
    managers: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """What each host declares about its node, as ``swarm_nodes`` takes it."""
    try:
        return cluster.declared_nodes(hostvars, list(hosts), ids, managers)
    except DeclarationError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"declared_nodes": declared_nodes}
