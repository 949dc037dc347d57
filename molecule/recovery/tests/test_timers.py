# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody has to start a backup, and nobody has to prove one: the timers do, and tell Prometheus."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.lab import MANAGERS, WORKERS, Lab
from tests.support.lab_backup import Backups
from tests.support.lab_recovery import DATABASE_NODE
from tests.support.lab_timers import TIMERS, hold, release

Say = Callable[[str], None]

POSTGRES = "medianest-postgres"
METRICS = "/var/lib/prometheus/node-exporter/flotilla_backup.prom"
SOON = "[Timer]\\nOnCalendar=\\nOnCalendar=*:*:0/10\\nRandomizedDelaySec=0\\nAccuracySec=1s\\n"
"""Every ten seconds instead of once a day. A turn that comes while the unit runs is none."""


@contextmanager
def soon(lab: Lab, timer: str) -> Iterator[None]:
    drop_in = f"/run/systemd/system/{timer}.d"
    restart = f"systemctl daemon-reload && systemctl restart {timer}"
    lab.run(DATABASE_NODE, f"mkdir -p {drop_in} && printf '{SOON}' > {drop_in}/20-soon.conf && {restart}")
    try:
        yield
    finally:
        lab.run(DATABASE_NODE, f"rm -r {drop_in} && {restart}")


def good(lab: Lab) -> str:
    """What Prometheus is told of the database's backup: 1 once it was restored."""
    written = lab.run(DATABASE_NODE, f"runuser --user=nobody -- cat {METRICS}")
    found = re.findall(rf'^flotilla_backup_good{{job="{POSTGRES}",[^}}]*}} (\S+)$', written, re.MULTILINE)
    assert len(found) == 1, written
    return str(found[0])


def test_timers_back_up_and_prove(lab: Lab, backups: Backups, say: Say) -> None:
    before = backups.noted(DATABASE_NODE, POSTGRES)["snapshot"]
    with soon(lab, "flotilla-backup.timer"):
        lab.wait("there is a backup", lambda: backups.noted(DATABASE_NODE, POSTGRES)["snapshot"] != before, 120)
    lab.wait("the run has ended", lambda: backups.ended(DATABASE_NODE, "all"), 120)
    made = backups.noted(DATABASE_NODE, POSTGRES)
    assert made["verdict"] == "unverified"
    assert good(lab) == "0"

    def proved() -> bool:
        return bool(backups.noted(DATABASE_NODE, POSTGRES)["verdict"] == "good")

    with soon(lab, "flotilla-verify.timer"):
        lab.wait("it was restored", proved, 120)
    lab.wait("the run has ended", lambda: backups.ended(DATABASE_NODE, "all", verify=True), 120)
    assert good(lab) == "1"
    status = backups.noted(DATABASE_NODE, POSTGRES)
    say(f"{status['snapshot']}: {status['verified']['evidence']}")
    assert status["verified"]["snapshot"] == status["snapshot"] != before


def test_every_node_has_its_turn_within_a_day(lab: Lab, say: Say) -> None:
    """A day and the fifteen minutes by which nodes are late, each by its own."""
    turns = {}
    release(lab)
    try:
        for name in (*MANAGERS, *WORKERS):
            for timer in TIMERS:
                assert lab.node(name).run(f"systemctl is-enabled {timer}").stdout.strip() == "enabled"
                shown = lab.run(name, f"systemctl show --property=NextElapseUSecRealtime --value {timer}").strip()
                seconds = int(lab.run(name, f"expr $(date --date='{shown}' +%s) - $(date +%s)"))
                assert 0 <= seconds <= 24 * 3600 + 900
                turns[name, timer] = shown
    finally:
        hold(lab)
    assert len(set(turns.values())) > 2, "all nodes at the same moment"
    say(f"m1: {turns['m1', 'flotilla-backup.timer']}, w1: {turns['w1', 'flotilla-backup.timer']}")
