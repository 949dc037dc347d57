# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``definition_differences``; its documentation is definition_differences.yml, _core compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import definition


def definition_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """How one definition of a swarm differs from another, a line each."""
    return definition.differences(before, after)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"definition_differences": definition_differences}
