# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node's agent was told, written and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import parse
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.settings import Settings
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError

ROLE = Path(__file__).parents[2] / "roles" / "swarm_backup" / "vars" / "main"
DOCUMENT: dict[str, Any] = {
    "format": 1,
    "repository": "sftp:backup@192.0.2.6:/srv/backup/lab",
    "ssh_port": 22,
    "cluster_id": "",
    "node": "m1",
    "role": "manager",
    "keep": {"within": "30d", "last": 3},
    "check_subset": "5%",
    "textfile": "",
    "deadline": 7200,
    "jobs": [job.as_dict() for job in parse([{"name": "etc", "kind": "files", "paths": ["/etc/docker"]}], raft=True)],
}


def test_settings_are_read_as_they_were_written() -> None:
    settings = Settings.from_dict(json.loads(json.dumps(DOCUMENT)))
    assert settings.as_dict() == DOCUMENT
    assert [job.kind for job in settings.jobs] == ["files", "definition", "raft"]
    assert settings.jobs[0].options["paths"] == ["/etc/docker"]


@pytest.mark.parametrize("missing", sorted(DOCUMENT))
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(DeclarationError, match=missing) as error:
        Settings.from_dict({key: value for key, value in DOCUMENT.items() if key != missing})
    assert str(error.value).startswith("/etc/flotilla/backup/settings.json: ")
    assert str(error.value).endswith(": run the role swarm_backup on this host again")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"format": 2}, "its format is 2, and this agent reads 1"),
        ({"ssh_port": "22"}, "ssh_port is no int"),
        ({"ssh_port": True}, "ssh_port is no int"),
        ({"keep": {"within": "30d"}}, "keep.last is missing"),
        *(({"deadline": value}, "set swarm_backup_deadline to a whole number") for value in (0, -1, "60", 1.5, True)),
        ({"repository": ""}, "repository or node is empty"),
        ({"role": "leader"}, "role is 'leader', neither of manager and worker"),
        ({"jobs": [{"name": "a", "kind": "redis"}]}, r"jobs\[0\] is no job"),
        ({"jobs": ["a"]}, r"jobs\[0\] is no job"),
    ],
)
def test_what_is_wrong_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        Settings.from_dict({**DOCUMENT, **wrong})


def test_systemd_ends_a_unit_before_what_runs_in_it_ends_itself() -> None:
    units = yaml.safe_load((ROLE / "units.yml").read_text(encoding="utf-8"))["__swarm_backup_unit_files"]
    lines = [line for unit in units for line in unit["content"].splitlines() if line.startswith("TimeoutStopSec=")]
    settings = Settings.from_dict(DOCUMENT)
    assert settings.deadline + max(int(line.partition("=")[2]) for line in lines) < settings.limit


def test_the_role_writes_what_the_agent_reads() -> None:
    written = yaml.safe_load((ROLE / "files.yml").read_text(encoding="utf-8"))["__swarm_backup_settings"]
    assert set(written) == set(DOCUMENT)
    assert "swarm_backup_deadline" in written["deadline"]


def test_a_file_that_holds_something_else_is_refused() -> None:
    with pytest.raises(DeclarationError, match="it holds no dictionary"):
        Settings.from_dict([DOCUMENT])  # type: ignore[arg-type]
