# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two of three managers are destroyed, and the third was locked: the swarm goes on with everything, locked again."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.support.lab import MANAGERS, Lab
from tests.support.lab_backup import Backups, cluster_id, drill
from tests.support.lab_recovery import Recovery, differences

Say = Callable[[str], None]

DRILL = "quorum_loss"
TARGET = 180


def secret_ids(lab: Lab) -> dict[str, str]:
    return {one["Name"]: one["ID"] for one in lab.json_lines(lab.manager(), "docker secret ls --format json")}


def test_quorum_loss_with_autolock(
    lab: Lab,
    backups: Backups,
    recovery: Recovery,
    locked: str,
    running: Callable[[], dict[str, str]],
    tmp_path: Path,
    say: Say,
) -> None:
    """Faults 6 and 11. The key is in the newest backup of the state; nobody types it."""
    turn = backups.followers()[0]
    assert backups.run(turn, "raft"), backups.words(turn, "raft")
    before, secrets, containers = recovery.snapshot(), secret_ids(lab), running()
    swarm, rows = cluster_id(lab), recovery.write_rows(10)
    report = tmp_path / "drills.json"

    run = drill(lab, DRILL, str(report), confirm=swarm)
    assert run.returncode == 0, run.stdout
    (row,) = json.loads(report.read_text(encoding="utf-8"))
    say(f"{row}")
    assert row["rto_seconds"] <= TARGET
    assert locked not in run.stdout

    assert cluster_id(lab) == swarm
    assert secret_ids(lab) == secrets
    assert not differences(before, recovery.snapshot())
    after = running()
    assert containers.items() <= after.items(), "a task was restarted"
    assert recovery.count_rows() == rows
    say(f"{len(secrets)} secrets with their IDs, {len(containers)} containers that never stopped, {rows} rows")

    key = recovery.unlock_key()
    assert key == locked
    for name in MANAGERS:
        recovery.restart_engine(name)
        assert recovery.swarm_state(name) == "locked", f"{name} starts without its key"
        recovery.unlock(name, key)
        lab.wait(f"{name} is back", partial(backups.reachable, name), 60)
    say("autolock is on as it was: each manager was restarted, and needed the key")
