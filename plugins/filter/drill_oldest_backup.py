# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``drill_oldest_backup``; its documentation is drill_oldest_backup.yml, _core finds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import drill


def drill_oldest_backup(statuses: Sequence[Mapping[str, Any]], jobs: Sequence[str]) -> str:
    """When the oldest of the jobs' newest backups was taken."""
    try:
        return drill.oldest_backup(statuses, jobs)
    except DeclarationError as error:
        raise AnsibleFilterError("; ".join(error.problems)) from error


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"drill_oldest_backup": drill_oldest_backup}
