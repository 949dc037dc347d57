# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret in use gets a new value: under load, when a service can't live with it, and when a deployment then fails."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.lab import INGRESS_URL, ROOT, Lab

ROTATE = ("playbooks/rotate_secrets.yml", "-e", "swarm_secrets_rotation_stable_for=5")
BACKEND = "medianest_app-backend"
DEPLOY = "playbooks/phase2_production_migration.yml"
VALUES = ROOT / ".cache/lab/secrets"
REDIS = "172.30.77.5:5000/redis:8"


class Load(threading.Thread):
    """Requests to the ingress, one after the other, until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.answers = 0
        self.failures: list[str] = []
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.05):
            try:
                answer = requests.get(INGRESS_URL, timeout=10)
                self.answers += 1
                if not answer.ok or "ok, version v1," not in answer.text:
                    self.failures.append("%d %s" % (answer.status_code, answer.text[:200]))
            except requests.RequestException as error:
                self.failures.append(repr(error))

    def stop(self) -> None:
        self._over.set()
        self.join(30)


@pytest.fixture
def load() -> Iterator[Load]:
    running = Load()
    running.start()
    yield running
    running.stop()


def versions(lab: Lab, logical: str) -> list[str]:
    names = [one["Name"] for one in lab.json_lines(lab.manager(), "docker secret ls --format json")]
    return sorted(name for name in names if name.rpartition("_v")[0] == logical)


def image(lab: Lab, service: str) -> str:
    return str(lab.inspect("service", service)["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])


def mounted(lab: Lab, service: str) -> dict[str, str]:
    """Path in the container -> name of the secret that the service has there."""
    container = lab.inspect("service", service)["Spec"]["TaskTemplate"]["ContainerSpec"]
    return {one["File"]["Name"]: one["SecretName"] for one in container.get("Secrets") or ()}


def in_container(lab: Lab, service: str, secret: str) -> set[str]:
    """What the service's running containers read from the secret's file."""
    found = set()
    for task in lab.running_tasks(service):
        script = (
            "docker exec $(docker ps --quiet --filter name=%s --filter status=running | head -n 1) cat /run/secrets/%s"
        )
        found.add(lab.run(task["Node"], script % (task["Name"] + ".", secret)))
    return found


def values(tmp_path: Path, name: str, jwt: str) -> str:
    """The lab's secrets with another value of jwt_secret, as a variable for ansible-playbook."""
    shutil.copytree(VALUES, tmp_path / name)
    (tmp_path / name / "jwt").write_text(jwt + "\n")
    return f"lab_secrets={tmp_path / name}"


def service(lab: Lab, name: str, script: str, *secrets: str) -> None:
    mounts = [f"--secret=source={secret},target={secret.rpartition('_v')[0]}" for secret in secrets]
    arguments = ["--name", name, "--constraint", "node.labels.tier==application", "--update-monitor", "5s", *mounts]
    # A sleep that is the first process of its container takes no SIGTERM: each stop would last ten seconds.
    arguments += ["--stop-signal", "SIGKILL"]
    command = [
        "docker",
        "service",
        "create",
        "--detach",
        "--endpoint-mode",
        "dnsrr",
        *arguments,
        REDIS,
        "sh",
        "-c",
        script,
    ]
    answer = lab.node(lab.manager()).run(" ".join(["%s"] * len(command)), *command)
    assert answer.rc == 0, answer.stderr
    lab.wait(f"{name} runs", lambda: any(lab.running_tasks(name)))


def remove(lab: Lab, *services: str) -> None:
    for name in services:
        lab.node(lab.manager()).run("docker service rm %s", name)


def test_a_secret_of_two_services_is_rotated_three_times_under_load(lab: Lab, load: Load, tmp_path: Path) -> None:
    (first,) = versions(lab, "jwt_secret")
    number = int(first.rpartition("_v")[2])
    service(lab, "rotation-second", "exec sleep 86400", first)
    original = (VALUES / "jwt").read_text().rstrip("\n")
    try:
        for round_, jwt in enumerate(["a" * 40, "b" * 40, original], start=1):
            start, answered = time.monotonic(), load.answers
            run = lab.playbook(*ROTATE, "-e", values(tmp_path, str(round_), jwt), "-e", "swarm_secrets_prune=true")
            assert run.returncode == 0, run.stdout
            current = f"jwt_secret_v{number + round_}"
            assert mounted(lab, BACKEND)["jwt_secret"] == current
            assert mounted(lab, "rotation-second") == {"jwt_secret": current}
            assert in_container(lab, BACKEND, "jwt_secret") == {jwt}
            assert in_container(lab, "rotation-second", "jwt_secret") == {jwt}
            print(
                f"rotation {round_}: {current} in 2 services after {time.monotonic() - start:.0f} s, "
                f"{load.answers - answered} requests answered, {len(load.failures)} failed; "
                f"in the swarm: {', '.join(versions(lab, 'jwt_secret'))}"
            )
        assert load.answers > 100
        assert load.failures == []
        # The first is what the recorded releases of the stack name, and the one before the last what a rollback of a
        # service needs. Nothing names the second any more.
        assert versions(lab, "jwt_secret") == [f"jwt_secret_v{number + n}" for n in (0, 2, 3)]
    finally:
        remove(lab, "rotation-second")


def test_a_deployment_after_a_rotation_has_nothing_to_do(lab: Lab) -> None:
    before = lab.service_indexes()
    run = lab.playbook(DEPLOY)
    assert run.returncode == 0, run.stdout
    assert lab.service_indexes() == before


def test_when_the_second_service_does_not_converge_the_first_goes_back(lab: Lab, tmp_path: Path) -> None:
    def rotate(value: str) -> subprocess.CompletedProcess[str]:
        declared: dict[str, Any] = {
            "swarm_secrets_items": [{"name": "rotation_key", "value": value}],
            "swarm_stack_items": [],
        }
        (tmp_path / "vars.json").write_text(json.dumps(declared))
        return lab.playbook(*ROTATE, "-e", f"@{tmp_path / 'vars.json'}")

    names = ("rotation-a", "rotation-b")
    try:
        run = rotate("good value")
        assert run.returncode == 0, run.stdout
        (first,) = versions(lab, "rotation_key")
        service(lab, names[0], "exec sleep 86400", first)
        refuse = (
            "grep -q good /run/secrets/rotation_key || { echo of no use: $(cat /run/secrets/rotation_key); exit 4; }; "
            "exec sleep 86400"
        )
        service(lab, names[1], refuse, first)

        run = rotate("bad value")
        assert run.returncode != 0, run.stdout
        assert "rotation-b: paused" in run.stdout, run.stdout
        assert "exit code 4" in run.stdout
        assert "of no use: " in run.stdout
        assert "has its old version again: rotation-b, rotation-a" in " ".join(run.stdout.split())
        assert "bad value" not in run.stdout
        for name in names:
            assert mounted(lab, name) == {"rotation_key": first}
            assert in_container(lab, name, "rotation_key") == {"good value"}
            # Neither a rollback nor the next deployment leads to the value that was refused.
            previous = lab.inspect("service", name)["PreviousSpec"]["TaskTemplate"]["ContainerSpec"]
            assert [one["SecretName"] for one in previous["Secrets"]] == [first]
        assert versions(lab, "rotation_key") == [first]
        print(
            "after the failed rotation both services mount",
            first,
            "again; in the swarm:",
            versions(lab, "rotation_key"),
        )

        run = rotate("another good value")
        assert run.returncode == 0, run.stdout
        for name in names:
            assert in_container(lab, name, "rotation_key") == {"another good value"}
    finally:
        remove(lab, *names)
        lab.wait("the test's services are gone", lambda: not set(names) & set(lab.service_indexes()))
        for name in versions(lab, "rotation_key"):
            lab.run(lab.manager(), "docker secret rm %s", name)


def test_a_release_that_crashes_leaves_the_old_one_with_its_old_value(lab: Lab, tmp_path: Path) -> None:
    before, old = image(lab, BACKEND), mounted(lab, BACKEND)["jwt_secret"]
    changed = values(tmp_path, "changed", "c" * 40)
    site = ("site.yml", "--tags", "swarm_secrets,swarm_stack")
    run = lab.playbook(*site, "-e", changed, "-e", "medianest_version=crash", "-e", "swarm_secrets_prune=true")
    assert run.returncode != 0, run.stdout
    assert f"{BACKEND}: rolled_back" in run.stdout, run.stdout
    # The container's own words.
    assert "schema migration 0042 failed" in run.stdout, run.stdout
    assert image(lab, BACKEND) == before
    assert mounted(lab, BACKEND)["jwt_secret"] == old
    assert old in versions(lab, "jwt_secret")
    assert "ok, version v1," in lab.fetch()
    print("after the failed deployment:", old, "is mounted; in the swarm:", versions(lab, "jwt_secret"))
    # Back to what the inventory says.
    run = lab.playbook(*site)
    assert run.returncode == 0, run.stdout
    assert "ok, version v1," in lab.fetch()
