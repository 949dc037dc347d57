# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a host's declaration, or its files, is said with the key and the mend, and nothing is changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.lab import MANAGERS, WORKERS, Lab
from tests.support.lab_firewall import PLAYBOOK

PHASE = "playbooks/phase1_swarm_setup.yml"
ENGINES = (PHASE, "--tags", "docker_engine")
DAEMON = "/etc/docker/daemon.json"
CONTROLLER = "172.30.77.1/32"

DECLARATIONS = [
    pytest.param(
        {"swarm_firewall_admin_networks": ["198.51.100.0/24"]},
        ("admin_networks", "172.30.77.1"),
        id="administrators-without-the-controller",
    ),
    pytest.param({"swarm_firewall_admin_networks": []}, ("admin_networks",), id="no-administrators"),
    pytest.param(
        {"swarm_firewall_admin_networks": [CONTROLLER, "10.0.0.300/24"]},
        ("admin_networks", "10.0.0.300/24"),
        id="malformed-network",
    ),
    pytest.param(
        {"swarm_firewall_admin_networks": [CONTROLLER, "172.30.77.0/24"]},
        ("admin_networks", CONTROLLER, "172.30.77.0/24"),
        id="overlapping-networks",
    ),
    pytest.param({"swarm_firewall_open": [{"port": "80 80"}]}, ("open", "80 80"), id="typo-in-a-port"),
    pytest.param(
        {"swarm_firewall_admin_ports": [2222]},
        ("admin_ports", "comes in by port 22"),
        id="administrators-on-another-port",
    ),
]


def table(lab: Lab) -> dict[str, str]:
    return {name: lab.run(name, "nft --stateless list table inet flotilla") for name in (*MANAGERS, *WORKERS)}


def said(output: str) -> str:
    """What Ansible printed, without its line breaks."""
    return " ".join(output.split())


@pytest.mark.parametrize(("variables", "words"), DECLARATIONS)
def test_firewall(lab: Lab, variables: dict[str, Any], words: tuple[str, ...]) -> None:
    refused(lab, PLAYBOOK, variables, words)


def test_phase_1_refuses_before_anything_is_changed(lab: Lab) -> None:
    """The firewall comes after hardening and engines, and is asked before them."""
    declared = {
        "swarm_firewall_admin_networks": ["198.51.100.0/24"],
        "node_hardening_journald_max_use": "65M",
        "docker_engine_config": {"shutdown-timeout": 21},
    }
    refused(lab, PHASE, declared, ("admin_networks", "172.30.77.1"))


def refused(lab: Lab, playbook: str, variables: dict[str, Any], words: tuple[str, ...]) -> None:
    before = table(lab)
    run = lab.playbook(playbook, "-e", json.dumps(variables))
    assert run.returncode != 0, run.stdout
    for word in words:
        assert word in said(run.stdout)
    assert set(re.findall(r"changed=(\d+)", run.stdout)) == {"0"}
    assert table(lab) == before


@pytest.fixture
def daemon_file(lab: Lab) -> Iterator[None]:
    """w1's daemon.json, which is what it was when the test has ended, its time included."""
    lab.run("w1", f"cp --preserve {DAEMON} /run/daemon.json")
    yield
    lab.run("w1", f"cp --preserve /run/daemon.json {DAEMON}")


def engine(lab: Lab) -> str:
    return lab.run("w1", "systemctl show --property=MainPID --value docker.service")


@pytest.mark.usefixtures("daemon_file")
def test_a_daemon_file_with_a_mistake(lab: Lab) -> None:
    lab.run("w1", f"echo '{{\"debug\": tru' > {DAEMON}")
    before = engine(lab)
    run = lab.playbook(*ENGINES)
    assert run.returncode != 0, run.stdout
    assert f"{DAEMON} is no JSON (line 1" in said(run.stdout)
    assert set(re.findall(r"changed=(\d+)", run.stdout)) == {"0"}
    assert engine(lab) == before


@pytest.mark.usefixtures("daemon_file")
def test_live_restore_in_the_file_of_a_member(lab: Lab) -> None:
    """The engine runs, and would never again start in its swarm."""
    lab.run("w1", f"sed --in-place '1s/{{/{{\"live-restore\": true,/' {DAEMON}")
    before = engine(lab)
    run = lab.playbook(*ENGINES)
    assert run.returncode != 0, run.stdout
    for word in ("live-restore", "docker_engine_config_remove"):
        assert word in said(run.stdout)
    assert set(re.findall(r"changed=(\d+)", run.stdout)) == {"0"}
    assert engine(lab) == before
