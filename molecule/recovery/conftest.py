# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests share: the backups, managers that are locked for a test, and what runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.lab import MANAGERS, WORKERS, Lab
from tests.support.lab_backup import AGENT, Backups
from tests.support.lab_recovery import ROWS, Recovery

PHASE = "playbooks/phase3_advanced_features.yml"


@pytest.fixture(scope="session")
def backups(lab: Lab) -> Backups:
    return Backups(lab)


@pytest.fixture(scope="session")
def recovery(lab: Lab) -> Recovery:
    return Recovery(lab)


@pytest.fixture(scope="session", autouse=True)
def backed_up(lab: Lab, recovery: Recovery) -> Iterator[None]:
    """Phase 3 has been on every node, also on one that an earlier scenario made anew; in the end our rows are gone."""
    if not all(lab.node(name).file(AGENT).exists for name in (*MANAGERS, *WORKERS)):
        run = lab.playbook(PHASE)
        assert run.returncode == 0, run.stdout
    yield
    recovery.query(f"DROP TABLE IF EXISTS {ROWS}")


@pytest.fixture
def locked(lab: Lab, recovery: Recovery) -> Iterator[str]:
    """Managers that need their key to start: the key that the swarm has when the test begins."""
    yield recovery.autolock(True)
    recovery.autolock(False)
    lab.wait("all services are complete", lab.complete, 180)


@pytest.fixture
def running(lab: Lab) -> Callable[[], dict[str, str]]:
    """Container of each task to its node and service, as the workers' own engines say it."""

    def containers() -> dict[str, str]:
        line = '{{.ID}} {{.Label "com.docker.swarm.service.name"}}'
        found: dict[str, str] = {}
        for node in WORKERS:
            for words in lab.run(node, f"docker ps --no-trunc --format '{line}'").splitlines():
                container, _blank, service = words.partition(" ")
                found[container] = f"{node}: {service}"
        return found

    return containers
