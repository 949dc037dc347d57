# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``backup_table``; its documentation is backup_table.yml, its text is made in _core/backup/table.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import table


def backup_table(statuses: Mapping[str, Sequence[Mapping[str, Any]]], jobs: Sequence[Mapping[str, Any]]) -> list[str]:
    """How the backups stand, as lines of text for people."""
    return table.lines(statuses, jobs)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"backup_table": backup_table}
