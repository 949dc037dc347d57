# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No service ever runs on a volume that holds a mixture: its restore is cut short, or the service crashes meanwhile."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.support.lab import Lab
from tests.support.lab_backup import Backups

Say = Callable[[str], None]

DEPLOY = "playbooks/phase2_production_migration.yml"
RESTORE = "playbooks/dr/restore_volume.yml"
SCALE = "playbooks/scale.yml"
JOB = "medianest-redis-data"
CACHE = "medianest_redis"
CACHE_NODE = "w4"
MARK = "/var/lib/docker/volumes/medianest_redis-data/_data/recovery-test"
KILLER = "flotilla-test-killer"
WRITES_OVER = "restic.* restore .*[-]-delete"
"""restic's words while it writes a volume over; the brackets keep the pattern from finding itself."""


@pytest.fixture
def marked(lab: Lab, backups: Backups) -> Iterator[None]:
    """A file that is in the backup, and has changed since; everything runs again in the end."""
    lab.run(CACHE_NODE, f"echo kept > {MARK}")
    assert backups.run(CACHE_NODE, JOB), backups.words(CACHE_NODE, JOB)
    lab.run(CACHE_NODE, f"echo changed > {MARK}")
    yield
    lab.node(CACHE_NODE).run(f"systemctl stop {KILLER}")
    lab.run(CACHE_NODE, f"rm -f {MARK}")
    run = lab.playbook(DEPLOY)
    assert run.returncode == 0, run.stdout
    lab.run(lab.manager(), f"docker service scale --detach {CACHE}=1")
    lab.wait("all services are complete", lab.complete, 180)


def restore(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    return lab.playbook(RESTORE, "-e", f"job={JOB}", "-e", f"confirm={JOB}", *arguments)


def words(run: subprocess.CompletedProcess[str]) -> str:
    """Ansible breaks long lines."""
    return " ".join(run.stdout.split())


def count(lab: Lab) -> int:
    return int(lab.inspect("service", CACHE)["Spec"]["Mode"]["Replicated"]["Replicas"])


@pytest.mark.usefixtures("marked")
def test_a_service_stays_at_0_while_its_volume_is_a_mixture(lab: Lab, say: Say) -> None:
    killer = f"until pkill -KILL -f '{WRITES_OVER}'; do sleep 0.02; done"
    lab.run(CACHE_NODE, f"systemd-run --quiet --unit={KILLER} --property=RuntimeMaxSec=300 sh -c %s", killer)
    run = restore(lab)
    assert run.returncode != 0, run.stdout
    said = words(run)
    assert "the volume medianest_redis-data holds a mixture now: restore it again before its service runs" in said
    told = f"{CACHE} stays at 0 (it had 1): a volume that it has may hold a mixture"
    assert told in said
    assert count(lab) == 0
    say(told)

    # Others wait for the service that is still at 0, so the health at the end is not waited for.
    run = restore(lab, "-e", f"node={CACHE_NODE}", "-e", "swarm_health_deadline=5")
    assert "files restored and compared" in words(run), run.stdout
    assert f"{CACHE} has a volume that was restored, and is at 0, as it was before" in words(run)
    assert lab.run(CACHE_NODE, f"cat {MARK}") == "kept\n"
    assert count(lab) == 0
    run = lab.playbook(SCALE, "-e", "stack=medianest", "-e", '{"replicas": {"redis": 1}}')
    assert run.returncode == 0, run.stdout
    lab.wait("all services are complete", lab.complete, 180)


@pytest.mark.usefixtures("marked")
def test_a_service_that_crashes_stands_still(lab: Lab, say: Say) -> None:
    """It has a container at one moment, and none at the next."""
    change = "docker service update --detach --update-failure-action continue --entrypoint false"
    lab.run(lab.manager(), f"{change} {CACHE}")
    crashed = f"docker service ps --format '{{{{.CurrentState}}}}' {CACHE}"
    lab.wait("the service crashes", lambda: lab.run(lab.manager(), crashed).count("Failed") > 1)
    run = restore(lab, "-e", f"node={CACHE_NODE}")
    # What it was given back to still crashes.
    assert run.returncode != 0, run.stdout
    assert lab.run(CACHE_NODE, f"cat {MARK}") == "kept\n"
    assert count(lab) == 1
    said = words(run)
    assert "in use by" not in said
    say(said[said.index("Stop the services that use them") :][:200])
