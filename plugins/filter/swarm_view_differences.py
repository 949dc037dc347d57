# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``swarm_view_differences``; documented in swarm_view_differences.yml, its rule is in _core/views.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import views


def swarm_view_differences(seen: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Where the managers' views differ, one sentence each with its mend."""
    return views.differences({host: view for host, view in seen.items() if view})


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"swarm_view_differences": swarm_view_differences}
