# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data goes back to a backup by the runbooks: what was written since is gone, and what was there is there again."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.support.lab import Lab
from tests.support.lab_backup import Backups
from tests.support.lab_recovery import DATABASE_NODE, POSTGRES, ROWS, Recovery

Say = Callable[[str], None]

CACHE_NODE = "w4"
REDIS = "medianest_redis"
VOLUME = "/var/lib/docker/volumes/medianest_redis-data/_data"


READER = "recovery_reader"
"""A role of the database's server, which the application knows nothing of."""


def restore(lab: Lab, kind: str, job: str) -> str:
    """What the runbook says of what it restored, and after how long."""
    run = lab.playbook(f"playbooks/dr/restore_{kind}.yml", "-e", f"job={job}", "-e", f"confirm={job}")
    assert run.returncode == 0, run.stdout
    lab.wait("all services are complete", lab.complete, 120)
    # Ansible breaks long lines.
    said = re.search(rf"{job}: snapshot .*{job} is restored after [\d.]+ s", " ".join(run.stdout.split()))
    assert said, run.stdout
    return said[0]


def test_a_database_goes_back_while_it_runs(lab: Lab, backups: Backups, recovery: Recovery, say: Say) -> None:
    """With the roles that the server does not have any more: what was granted to them could not come back else."""
    job, rows, container = "medianest-postgres", recovery.write_rows(10), recovery.container(DATABASE_NODE, POSTGRES)
    recovery.query(f"CREATE ROLE {READER} LOGIN; GRANT SELECT ON {ROWS} TO {READER}")
    try:
        assert backups.run(DATABASE_NODE, job), backups.words(DATABASE_NODE, job)
        assert backups.run(DATABASE_NODE, job, verify=True), backups.words(DATABASE_NODE, job, verify=True)
        recovery.query(f"DROP OWNED BY {READER}; DROP ROLE {READER}")
        assert recovery.write_rows(5) == rows + 5
        said = restore(lab, "database", job)
        say(said)
        assert f"roles made without a password: {READER}" in said
        assert recovery.query(f"SELECT has_table_privilege('{READER}', '{ROWS}', 'SELECT')") == "t"
    finally:
        recovery.query(f"DROP OWNED BY {READER}; DROP ROLE {READER}")
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
