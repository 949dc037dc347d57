# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``backup_unproved``; its documentation is backup_unproved.yml, its work is in _core/backup/first.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.filter.backup_problems import noted
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.first import unproved
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import Job


def backup_unproved(
    statuses: Mapping[str, Sequence[Mapping[str, Any]]], jobs: Sequence[Mapping[str, Any]], managers: Sequence[str]
) -> list[str]:
    """The names of the jobs of which no backup has ever been restored."""
    return unproved(noted(statuses), [Job.from_dict(job) for job in jobs], managers)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"backup_unproved": backup_unproved}
