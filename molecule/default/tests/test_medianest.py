# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phase 2: MediaNest's stacks run where it must, with its secrets, and answers from the ingress down to the data."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.support.lab import ROOT, Lab

# Service: how many tasks, and the tier its constraint names.
SERVICES = {
    "ingress_traefik": (1, "ingress"),
    "medianest_app-backend": (3, "application"),
    "medianest_app-frontend": (2, "application"),
    "medianest_postgres": (1, "database"),
    "medianest_redis": (1, "cache"),
}


@pytest.mark.parametrize(("service", "wanted"), list(SERVICES.items()))
def test_tasks_run_where_the_constraint_says(lab: Lab, service: str, wanted: tuple[int, str]) -> None:
    replicas, tier = wanted
    nodes = lab.nodes()
    tasks = [task for task in lab.running_tasks(service) if task["CurrentState"].startswith("Running")]
    assert len(tasks) == replicas
    assert {nodes[task["Node"]]["Spec"]["Labels"]["tier"] for task in tasks} == {tier}


def test_managers_run_no_task(lab: Lab) -> None:
    for name in ("m1", "m2", "m3"):
        assert lab.run(name, "docker ps --quiet") == ""


def test_secret_in_the_task_is_the_declared_value(lab: Lab) -> None:
    declared = (ROOT / ".cache/lab/secrets/jwt").read_text(encoding="utf-8").strip()
    task = lab.running_tasks("medianest_app-backend")[0]
    container = lab.run(
        task["Node"], "docker ps --quiet --filter label=com.docker.swarm.task.id=%s", task["ID"]
    ).strip()
    seen = lab.run(task["Node"], "docker exec %s sha256sum /run/secrets/jwt_secret", container).split()[0]
    assert seen == hashlib.sha256(declared.encode()).hexdigest()


def test_secrets_are_versions_with_a_keyed_digest(lab: Lab) -> None:
    secret = lab.inspect("secret", "jwt_secret_v1")
    labels = secret["Spec"]["Labels"]
    assert labels["flotilla.swarm.name"] == "jwt_secret"
    assert labels["flotilla.swarm.version"] == "1"
    declared = (ROOT / ".cache/lab/secrets/jwt").read_text(encoding="utf-8").strip()
    bare = hashlib.sha256(declared.encode()).hexdigest()
    assert declared not in json.dumps(secret)
    assert bare not in json.dumps(secret)


def test_request_reaches_frontend_backend_postgres_and_redis(lab: Lab) -> None:
    page = lab.fetch()
    assert "PostgreSQL" in page
    assert "Redis" in page
    assert "ok, version v1," in page


def test_database_is_not_published(lab: Lab) -> None:
    for service in ("medianest_postgres", "medianest_redis", "medianest_app-backend"):
        assert not lab.inspect("service", service)["Endpoint"].get("Ports")
