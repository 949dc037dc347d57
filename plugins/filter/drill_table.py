# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``drill_table``; its documentation is drill_table.yml, its text is made in _core/recovery/report.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import report


def drill_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What drills measured, as the lines of a Markdown table."""
    return report.table(rows)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"drill_table": drill_table}
