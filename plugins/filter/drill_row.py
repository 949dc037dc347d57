# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``drill_row``; its documentation is drill_row.yml, the row is made in _core/recovery/drill.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import drill


def drill_row(name: str, began: str, recovered: str, differences: Sequence[str], restored: str = "") -> dict[str, Any]:
    """What a drill measured."""
    return drill.row(name, began, recovered, differences, restored)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"drill_row": drill_row}
