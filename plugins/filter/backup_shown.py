# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``backup_shown``; its documentation is backup_shown.yml, its rule is in _core/backup/restic.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import restic


def backup_shown(repository: str) -> str:
    """The repository without a password that it may have."""
    return restic.shown(repository)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"backup_shown": backup_shown}
