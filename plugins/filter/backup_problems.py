# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``backup_problems``; its documentation is backup_problems.yml, its work is in _core/backup/status.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import Job
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.status import Status, problems


def backup_problems(
    statuses: Mapping[str, Sequence[Mapping[str, Any]]], jobs: Sequence[Mapping[str, Any]], managers: Sequence[str]
) -> list[str]:
    """What is wrong with the backups now, one sentence each with its mend."""
    return problems(noted(statuses), [Job.from_dict(job) for job in jobs], managers, datetime.now(timezone.utc))


def noted(statuses: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[Status]]:
    """What the hosts noted, as the core takes it."""
    try:
        return {host: [Status.from_dict(status) for status in found] for host, found in statuses.items()}
    except ValueError as error:
        raise AnsibleFilterError("what a node noted of its backups can't be read: %s" % error) from error


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"backup_problems": backup_problems}
