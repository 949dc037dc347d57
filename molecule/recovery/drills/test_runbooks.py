# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbooks after which nothing is lost: a service that does not run well, and what leaked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.support.lab import MANAGERS, Lab
from tests.support.lab_backup import Backups, cluster_id
from tests.support.lab_recovery import Recovery

Say = Callable[[str], None]

FAILURE = ("playbooks/dr/service_failure.yml", "-e", "stack=medianest")
LEAK = "playbooks/dr/rotate_after_leak.yml"
BACKEND = "medianest_app-backend"
CACHE = "medianest_redis"
CACHE_NODE = "w4"


@pytest.fixture
def whole(lab: Lab) -> Iterator[None]:
    yield
    lab.wait("all services are complete", lab.complete, 180)


def duration(output: str, what: str) -> str:
    (line,) = [line for line in output.splitlines() if what in line]
    return line.strip()


def test_a_service_that_there_is_not_is_named_before_anything_is_asked(lab: Lab) -> None:
    run = lab.playbook(*FAILURE, "-e", "service=redsi")
    assert run.returncode != 0
    assert "Name one of the services of medianest with -e service=: " in " ".join(run.stdout.split())
    assert "redis" in run.stdout


@pytest.mark.usefixtures("whole")
def test_a_service_gets_new_tasks(lab: Lab, recovery: Recovery, say: Say) -> None:
    before, others = recovery.container(CACHE_NODE, CACHE), lab.service_indexes()
    run = lab.playbook(*FAILURE, "-e", "service=redis", "-e", "confirm=redis")
    assert run.returncode == 0, run.stdout
    say(duration(run.stdout, "medianest runs after"))
    assert recovery.container(CACHE_NODE, CACHE) != before
    after = lab.service_indexes()
    assert {name for name, index in after.items() if index != others[name]} == {CACHE}


def test_what_leaked_is_renewed(lab: Lab, backups: Backups, recovery: Recovery, locked: str, say: Say) -> None:
    """Nothing that was known opens anything any more, and a backup holds the new key."""

    def tokens() -> list[str]:
        return [lab.run(MANAGERS[0], f"docker swarm join-token --quiet {role}") for role in ("manager", "worker")]

    def issuers() -> set[str]:
        return {node["Description"]["TLSInfo"]["CertIssuerPublicKey"] for node in lab.nodes().values()}

    def secrets() -> set[str]:
        container = lab.inspect("service", BACKEND)["Spec"]["TaskTemplate"]["ContainerSpec"]
        return {one["SecretName"] for one in container["Secrets"] if one["File"]["Name"] == "jwt_secret"}

    old_tokens, old_issuers, old_secrets = tokens(), issuers(), secrets()
    old_backups = {one["id"] for one in backups.snapshots(MANAGERS[0]) if one["job"] == "raft"}
    renewed = json.dumps({"swarm_secrets_renew": ["jwt_secret"]})
    run = lab.playbook(LEAK, "-e", renewed, "-e", f"confirm={cluster_id(lab)}")
    assert run.returncode == 0, run.stdout
    say(duration(run.stdout, "Renewed after"))

    key = recovery.unlock_key()
    assert key != locked
    assert locked not in run.stdout
    assert key not in run.stdout
    assert not set(tokens()) & set(old_tokens)
    assert len(issuers()) == 1
    assert not issuers() & old_issuers
    assert not secrets() & old_secrets
    (made,) = [one for one in backups.snapshots(MANAGERS[0]) if one["job"] == "raft" and one["id"] not in old_backups]
    assert backups.noted(made["host"], "raft")["verdict"] == "good"
    follower = made["host"]
    recovery.restart_engine(follower)
    recovery.unlock(follower, key)
    say(f"{follower}, restarted, opens with the new unlock key")
