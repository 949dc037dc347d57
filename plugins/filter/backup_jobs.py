# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``backup_jobs``; its documentation is backup_jobs.yml, its work is done in _core/backup/jobs.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import jobs
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError


def backup_jobs(items: Sequence[Mapping[str, Any]], raft: bool) -> list[dict[str, Any]]:
    """The declared jobs and those that every swarm has, as the agent takes them."""
    try:
        return [job.as_dict() for job in jobs.parse(items, raft)]
    except DeclarationError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"backup_jobs": backup_jobs}
