# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All nodes are destroyed, and everything comes back out of the backups: elsewhere, and then where it was.

It takes about twenty minutes, so it is run by hand, on a lab that site.yml has made: `make drills-test`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import report

from tests.support.lab import MANAGERS, WORKERS, Lab
from tests.support.lab_backup import Backups, cluster_id, drill
from tests.support.lab_recovery import MOVED, Recovery, address, differences

Say = Callable[[str], None]

NODES = (*MANAGERS, *WORKERS)
TARGET = 600


def addresses_named(lab: Lab) -> dict[str, str]:
    """Everything in which engines name addresses of members, by node."""
    everybody = "docker node inspect $(docker node ls --quiet); docker swarm join-token worker"
    own = "docker info --format '{{json .Swarm}}'; cd /var/lib/docker/swarm; cat docker-state.json state.json"
    managers = {name: lab.run(name, everybody) for name in MANAGERS}
    return {name: managers.get(name, "") + lab.run(name, own) for name in NODES}


def naming(lab: Lab, moved: bool) -> dict[str, list[str]]:
    """Node to the addresses that it names, of those that the nodes had before they moved, or have since."""
    wanted = {address(name, moved) for name in NODES}
    return {
        name: sorted(one for one in wanted if re.search(rf"(?<!\d){re.escape(one)}(?!\d)", text))
        for name, text in addresses_named(lab).items()
    }


def ready(lab: Lab, name: str) -> bool:
    return bool(lab.nodes()[name]["Status"]["State"] == "ready")


def restart_all(lab: Lab, backups: Backups, recovery: Recovery) -> None:
    """Every engine, one after the other; managers need their key."""
    key = recovery.unlock_key()
    for name in NODES:
        recovery.restart_engine(name)
        if name in MANAGERS:
            assert recovery.swarm_state(name) == "locked", f"{name} starts without its key"
            recovery.unlock(name, key)
            lab.wait(f"{name} is reachable", partial(backups.reachable, name), 60)
        lab.wait(f"{name} is ready", partial(ready, lab, name), 90)
    lab.wait("all services are complete", lab.complete, 240)


def test_everything_comes_back_elsewhere_and_where_it_was(
    lab: Lab, backups: Backups, recovery: Recovery, locked: str, tmp_path: Path, say: Say
) -> None:
    """Faults 9, 10 and 11, with autolock."""
    file, swarm = tmp_path / "drills.json", cluster_id(lab)
    kept = recovery.write_rows(1000)
    backups.everywhere()
    state = [one for one in backups.snapshots(backups.leader()) if one["kind"] == "raft"][-1]
    assert state["id"] == backups.noted(state["host"], "raft")["snapshot"]
    before = recovery.snapshot()
    lost = recovery.write_rows(100) - kept

    run = drill(lab, "full_rebuild_moved", str(file), *MOVED, confirm=swarm)
    assert run.returncode == 0, run.stdout
    rows = json.loads(file.read_text(encoding="utf-8"))
    say(f"elsewhere: {rows[-1]}")
    assert locked not in run.stdout
    elsewhere = recovery.snapshot()
    assert not differences(before, elsewhere)
    assert recovery.count_rows() == kept
    say(f"{kept} rows of the last backup are back, {lost} that were written later are not; secrets' hashes are equal")
    assert cluster_id(lab) == swarm
    assert not any(naming(lab, moved=False).values())
    assert all(naming(lab, moved=True).values())
    restart_all(lab, backups, recovery)
    assert not any(naming(lab, moved=False).values())
    lab.fetch(f"http://{address('w5', moved=True)}/")
    say(f"all {len(NODES)} engines were restarted, and no one names an old address")
    assert rows[-1]["rto_seconds"] <= TARGET

    # The state is of the time before it moved: at the addresses that it knows.
    begin = time.monotonic()
    recovery.destroy()
    recovery.start()
    words = ("-e", f"snapshot={state['id']}", "-e", f"cluster_id={swarm}", "-e", f"confirm={swarm}")
    back = lab.playbook("playbooks/dr/full_rebuild.yml", *words, timeout=2400)
    seconds = time.monotonic() - begin
    assert back.returncode == 0, back.stdout
    assert not differences(before, recovery.snapshot())
    assert recovery.count_rows() == kept
    assert not any(naming(lab, moved=True).values())
    assert all(naming(lab, moved=False).values())
    recovery.restart_engine(MANAGERS[0])
    assert recovery.swarm_state(MANAGERS[0]) == "locked", "autolock is on as it was"
    # While another leader is elected, nobody knows the key.
    lab.wait("the other managers answer", lambda: bool(recovery.unlock_key()))
    recovery.unlock(MANAGERS[0], recovery.unlock_key())
    lab.fetch()
    rows.append({"drill": "full_rebuild", "rto_seconds": round(seconds, 1), "target_seconds": TARGET})
    say("\n    ".join(["", *report.table(rows)]))
    assert seconds <= TARGET
