# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines are restarted only where it is due, and never at the price of the quorum."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.support.lab import MANAGERS, WORKERS, Lab


def engines(lab: Lab) -> dict[str, str]:
    """The process of each node's engine."""
    command = "systemctl show --property=MainPID --value docker.service"
    return {name: lab.run(name, command).strip() for name in (*MANAGERS, *WORKERS)}


def reachable(lab: Lab, name: str) -> bool:
    return bool(lab.nodes()[name]["ManagerStatus"]["Reachability"] == "reachable")


@pytest.fixture
def kept_file(lab: Lab) -> Iterator[None]:
    """m2's daemon.json, and an engine that runs with it, as they were, when the test has ended."""
    lab.run("m2", "cp --preserve /etc/docker/daemon.json /run/daemon.json")
    yield
    lab.run("m2", "cp --preserve /run/daemon.json /etc/docker/daemon.json && systemctl restart docker")
    lab.wait("m2 is back", lambda: reachable(lab, "m2"))


@pytest.mark.usefixtures("kept_file")
def test_only_the_engine_with_an_older_configuration_is_restarted(lab: Lab) -> None:
    before = engines(lab)
    # Another time of the file alone, or another order of its keys, is no other configuration.
    lab.run("m3", "touch /etc/docker/daemon.json")
    lab.run("m2", "sed --in-place '1s/{/{\"shutdown-timeout\": 20,/' /etc/docker/daemon.json")
    run = lab.playbook("playbooks/phase1_swarm_setup.yml", "--tags", "docker_engine")
    assert run.returncode == 0, run.stdout
    after = engines(lab)
    assert {name for name in before if before[name] != after[name]} == {"m2"}
    assert all(reachable(lab, name) for name in MANAGERS)


def test_a_leader_is_back_only_when_another_one_leads(lab: Lab) -> None:
    """Else nodes are mistaken for one another (moby#46167): each must have the certificate that it had."""

    def identities() -> dict[str, str]:
        command = "openssl x509 -noout -subject -in /var/lib/docker/swarm/certificates/swarm-node.crt"
        return {name: lab.run(name, command) for name in (*MANAGERS, *WORKERS)}

    def leader() -> str:
        return next(name for name in MANAGERS if (lab.nodes()[name].get("ManagerStatus") or {}).get("Leader"))

    before, certificates, led = engines(lab), identities(), leader()
    run = lab.module(led, "engine_restart")
    assert run.returncode == 0, run.stdout
    assert leader() != led
    assert reachable(lab, led)
    after = engines(lab)
    assert {name for name in before if before[name] != after[name]} == {led}
    assert identities() == certificates


def test_a_manager_that_the_quorum_needs_is_not_restarted(lab: Lab) -> None:
    before = lab.run("m2", "systemctl show --property=MainPID --value docker.service")
    subprocess.run(["docker", "kill", "flotilla-m3"], check=True, capture_output=True)
    try:
        lab.wait("m3 is seen to be gone", lambda: not reachable(lab, "m3"))
        run = lab.module("m2", "engine_restart")
    finally:
        subprocess.run(["docker", "start", "flotilla-m3"], check=True, capture_output=True)
    assert run.returncode != 0, run.stdout
    assert "the swarm would lose its quorum" in run.stdout
    assert lab.run("m2", "systemctl show --property=MainPID --value docker.service") == before
    lab.wait("m3 is back", lambda: reachable(lab, "m3"))
