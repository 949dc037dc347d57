# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a drill says of the swarm before and after it, and what it measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.filter.definition_differences import (
    FilterModule,
    definition_differences,
)
from ansible_collections.flotilla.swarm.plugins.filter.drill_oldest_backup import drill_oldest_backup
from ansible_collections.flotilla.swarm.plugins.filter.drill_row import drill_row
from ansible_collections.flotilla.swarm.plugins.filter.drill_table import drill_table
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import drill

DR = Path(__file__).resolve().parents[2] / "playbooks/dr"
DEFINITION: dict[str, Any] = {
    "format": 1,
    "swarm": {"EncryptionConfig": {"AutoLockManagers": True}},
    "nodes": {"m1": {"role": "manager", "availability": "drain", "labels": {}}},
    "services": {"shop_web": {"TaskTemplate": {"ContainerSpec": {"Env": ["PASSWORD=canary"]}}}},
    "networks": {},
    "secrets": {"key_v1": {"labels": {}}},
    "configs": {},
}
BEGAN = "2026-11-22T23:00:00.000000Z"


def test_it_is_the_filter_that_ansible_finds() -> None:
    assert FilterModule().filters() == {"definition_differences": definition_differences}


def test_what_is_equal_has_no_differences() -> None:
    assert definition_differences(DEFINITION, DEFINITION) == []


def test_what_was_lost_is_named_without_what_may_be_secret() -> None:
    after = {
        **DEFINITION,
        "swarm": {"EncryptionConfig": {"AutoLockManagers": False}},
        "secrets": {},
        "services": {"shop_web": {"TaskTemplate": {"ContainerSpec": {"Env": ["PASSWORD=other-canary"]}}}},
    }
    found = "\n".join(definition_differences(DEFINITION, after))
    assert "secret key_v1 is gone" in found
    assert "AutoLockManagers was true, is false" in found
    assert "service shop_web" in found
    assert "canary" not in found


def status(job: str, taken: str) -> dict[str, Any]:
    return {"job": job, "kind": job, "taken": taken}


def test_the_oldest_of_the_newest_backups_counts() -> None:
    statuses = [
        status("raft", "2026-11-22T22:00:00Z"),
        status("raft", "2026-11-22T22:50:00Z"),  # another manager's turn
        status("db", "2026-11-22T22:40:00Z"),
        status("db", ""),  # tried, and never done
        status("no-longer-declared", "2026-01-01T00:00:00Z"),
    ]
    assert drill_oldest_backup(statuses, ["raft", "db"]) == "2026-11-22T22:40:00Z"


def test_a_swarm_that_could_not_come_back_is_not_destroyed() -> None:
    with pytest.raises(AnsibleFilterError, match=r"db has no backup .*playbooks/backup\.yml"):
        drill_oldest_backup([status("raft", BEGAN), status("db", "")], ["raft", "db"])


def test_a_rebuild_loses_what_was_written_after_the_backup() -> None:
    row = drill_row("full_rebuild_moved", BEGAN, "2026-11-22T23:05:00.5Z", [], "2026-11-22T22:40:00Z")
    assert row == {
        "drill": "full_rebuild_moved",
        "rto_seconds": 300.5,
        "rpo_seconds": 1200.0,
        "target_seconds": 600,
        "verdict": "in time",
    }


def test_where_nothing_is_restored_nothing_is_lost_unless_it_differs() -> None:
    late = "2026-11-22T23:01:00.1Z"
    row = drill_row("worker_loss", BEGAN, late, [])
    assert (row["rpo_seconds"], row["verdict"]) == (0.0, "late")
    row = drill_row("worker_loss", BEGAN, late, ["node w1 is gone"])
    assert (row["rpo_seconds"], row["verdict"]) == (None, "differs")


def test_the_table_is_one_that_the_docs_can_hold() -> None:
    lines = drill_table([drill_row("worker_loss", BEGAN, "2026-11-22T23:00:31.25Z", [])])
    assert lines[0].startswith("| Drill ")
    assert set(lines[1]) <= {"|", "-"}
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == [
        "worker_loss",
        "31.2 s",
        "1 min 00 s",
        "0 s",
        "in time",
    ]


def test_the_playbook_knows_the_drills_that_have_targets() -> None:
    plays = yaml.safe_load((DR / "drill.yml").read_text(encoding="utf-8"))
    assert set(plays[0]["vars"]["__drill_usual"]) == set(drill.TARGETS)
    parts = {name.replace("_moved", "") for name in drill.TARGETS}
    assert all((DR / f"drill_{name}.yml").is_file() for name in parts)
