# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data goes back to a backup by the runbooks: what was written since is gone, and what was there is there again."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.lab import Lab
from tests.support.lab_backup import Backups, complete
from tests.support.lab_recovery import DATABASE_NODE, POSTGRES, Recovery

Say = Callable[[str], None]

CACHE_NODE = "w4"
REDIS = "medianest_redis"
VOLUME = "/var/lib/docker/volumes/medianest_redis-data/_data"


def restore(lab: Lab, kind: str, job: str) -> str:
    run = lab.playbook(f"playbooks/dr/restore_{kind}.yml", "-e", f"job={job}", "-e", f"confirm={job}")
    assert run.returncode == 0, run.stdout
    lab.wait("all services are complete", lambda: complete(lab), 120)
    (line,) = [line for line in run.stdout.splitlines() if f"{job} is restored after" in line]
    return line.strip()


def test_a_database_goes_back_while_it_runs(lab: Lab, backups: Backups, recovery: Recovery, say: Say) -> None:
    rows, container = recovery.write_rows(10), recovery.container(DATABASE_NODE, POSTGRES)
    assert backups.run(DATABASE_NODE, "medianest-postgres"), backups.words(DATABASE_NODE, "medianest-postgres")
    assert recovery.write_rows(5) == rows + 5
    say(restore(lab, "database", "medianest-postgres"))
    assert recovery.count_rows() == rows
    assert recovery.container(DATABASE_NODE, POSTGRES) == container
    lab.fetch()


def test_a_volume_goes_back_while_nobody_uses_it(lab: Lab, backups: Backups, recovery: Recovery, say: Say) -> None:
    job, container = "medianest-redis-data", recovery.container(CACHE_NODE, REDIS)
    lab.run(CACHE_NODE, f"echo kept > {VOLUME}/recovery-test")
    try:
        assert backups.run(CACHE_NODE, job), backups.words(CACHE_NODE, job)
        lab.run(CACHE_NODE, f"echo changed > {VOLUME}/recovery-test; touch {VOLUME}/recovery-test-later")
        say(restore(lab, "volume", job))
        assert lab.run(CACHE_NODE, f"cat {VOLUME}/recovery-test") == "kept\n"
        assert not lab.node(CACHE_NODE).file(f"{VOLUME}/recovery-test-later").exists
    finally:
        lab.run(CACHE_NODE, f"rm -f {VOLUME}/recovery-test {VOLUME}/recovery-test-later")
    assert recovery.container(CACHE_NODE, REDIS) != container, "it went on with what it had in memory"
    lab.fetch()
