# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node's agent was told: settings.json, and where everything lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import DeclarationError
from .jobs import Job

FORMAT = 1
"""Of settings.json; it is raised when its meaning changes."""

DIRECTORY = "/etc/flotilla/backup"
PASSWORD = DIRECTORY + "/password"
ENVIRONMENT = DIRECTORY + "/environment"
"""``KEY=VALUE`` lines for the repository's backend; it need not be there."""
SSH_KEY = DIRECTORY + "/ssh_key"
KNOWN_HOSTS = DIRECTORY + "/known_hosts"
FILE = DIRECTORY + "/settings.json"
STATE_DIRECTORY = "/var/lib/flotilla/backup"
RUN_DIRECTORY = "/run/flotilla/backup"

ROLES = ("manager", "worker")
MARGIN = 400
"""Seconds by which a command may outlast the deadline: systemd ends the unit first, and lets it tidy up for 300 s."""
_MEND = "run the role swarm_backup on this host again"
_TYPES: Mapping[str, type] = {
    "repository": str,
    "ssh_port": int,
    "cluster_id": str,
    "node": str,
    "role": str,
    "keep": Mapping,
    "check_subset": str,
    "textfile": str,
    "jobs": list,
}
_KEYS = (*_TYPES, "deadline")


@dataclass(frozen=True)
class Settings:
    """What a node's agent was told.

    Attributes:
        repository: as restic writes it.
        ssh_port: of an SFTP repository; 0 leaves everything about SSH to root's own configuration.
        cluster_id: the swarm whose backups these are; empty is the one that the node is in.
        node: the host's name in the inventory; the snapshots have it as their host.
        role: ``manager`` or ``worker``, as the inventory has it.
        keep: ``within``, a duration as restic writes it, and ``last``, a number of snapshots.
        check_subset: how much of the repository a verification reads, as restic writes it.
        textfile: where the metrics go; empty is nowhere.
        deadline: seconds after which systemd ends a backup or a verification.
    """

    repository: str
    ssh_port: int
    cluster_id: str
    node: str
    role: str
    keep: Mapping[str, Any]
    check_subset: str
    textfile: str
    deadline: int
    jobs: tuple[Job, ...] = ()

    @property
    def limit(self) -> int:
        """Seconds for one command that moves data: systemd is to end it with its unit, and nobody before."""
        return self.deadline + MARGIN

    def as_dict(self) -> dict[str, Any]:
        """As it stands in settings.json."""
        document = {**asdict(self), "keep": dict(self.keep), "jobs": [job.as_dict() for job in self.jobs]}
        return {"format": FORMAT, **document}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Settings:
        """The settings that stand in settings.json.

        Raises:
            DeclarationError: they are of another format, or something in them is missing or of another type.
        """
        problems = _problems(data)
        if problems:
            raise DeclarationError(*("%s: %s: %s" % (FILE, problem, _MEND) for problem in problems))
        values = {key: data[key] for key in _KEYS}
        return cls(**{**values, "jobs": tuple(Job.from_dict(job) for job in data["jobs"])})


def _problems(data: object) -> list[str]:
    if not isinstance(data, Mapping):
        return ["it holds no dictionary"]
    if data.get("format") != FORMAT:
        return ["its format is %r, and this agent reads %d" % (data.get("format"), FORMAT)]
    found = ["%s is missing" % key for key in _KEYS if key not in data]
    found += [
        "%s is no %s" % (key, wanted.__name__.lower())
        for key, wanted in _TYPES.items()
        if key in data and (not isinstance(data[key], wanted) or isinstance(data[key], bool))
    ]
    if "deadline" in data and not _is_seconds(data["deadline"]):
        found.append("deadline is %r: set swarm_backup_deadline to a whole number above 0" % (data["deadline"],))
    if found:
        return found
    if not data["repository"] or not data["node"]:
        found.append("repository or node is empty")
    if data["role"] not in ROLES:
        found.append("role is %r, neither of %s" % (data["role"], " and ".join(ROLES)))
    found += ["keep.%s is missing" % key for key in ("within", "last") if key not in data["keep"]]
    found += ["jobs[%d] is no job" % position for position, job in enumerate(data["jobs"]) if not _is_job(job)]
    return found


def _is_seconds(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_job(job: object) -> bool:
    return (
        isinstance(job, Mapping)
        and isinstance(job.get("name"), str)
        and isinstance(job.get("kind"), str)
        and isinstance(job.get("max_age"), int)
    )
