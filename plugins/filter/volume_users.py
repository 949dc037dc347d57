# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``volume_users``; its documentation is volume_users.yml, its decisions are _core/recovery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery.volume_users import volume_users


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"volume_users": volume_users}
