# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``swarm_report``; its documentation is swarm_report.yml, its text is made in _core/report.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import report


def swarm_report(snapshot: Mapping[str, Any], stacks: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """A snapshot as lines of text for people."""
    return report.lines(snapshot, stacks)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"swarm_report": swarm_report}
