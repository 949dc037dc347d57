# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bad declaration gets one clear error that names the key, and no host is changed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.lab import ROOT, Lab

Hosts = dict[str, Any]


def indexes(lab: Lab) -> dict[str, int]:
    """The version index of every node and service: each write moves one."""
    nodes = {name: node["Version"]["Index"] for name, node in lab.nodes().items()}
    return nodes | lab.service_indexes()


def refused(lab: Lab, *arguments: str, inventory: str, words: tuple[str, ...]) -> None:
    before = indexes(lab)
    run = lab.playbook("site.yml", *arguments, inventory=inventory)
    assert run.returncode != 0, run.stdout
    said = " ".join(run.stdout.split())  # Ansible breaks long lines
    for word in words:
        assert word in said
    assert set(re.findall(r"changed=(\d+)", run.stdout)) == {"0"}
    assert indexes(lab) == before


VARIABLES = [
    pytest.param(
        {"swarm_nodes_labels": {"tier": True}},
        ("swarm_nodes_labels", "tier"),
        id="label-that-is-no-string",
    ),
    pytest.param(
        {"swarm_secrets_items": [{"name": "database_url", "value": ""}]},
        ("database_url", "empty"),
        id="empty-secret",
    ),
    pytest.param(
        {"swarm_secrets_items": [{"name": "database_url", "value": "x" * 512_001}]},
        ("database_url", "512000"),
        id="secret-over-500-KiB",
    ),
    pytest.param({"swarm_secrets_items": []}, ("medianest", "jwt_secret"), id="undeclared-secret"),
    pytest.param({"swarm_networks_items": []}, ("medianest", "database-network"), id="undeclared-network"),
]


@pytest.mark.parametrize(("variables", "words"), VARIABLES)
def test_variables(lab: Lab, tmp_path: Path, variables: dict[str, Any], words: tuple[str, ...]) -> None:
    extra = tmp_path / "extra.json"
    extra.write_text(json.dumps(variables), encoding="utf-8")
    refused(lab, "-e", f"@{extra}", inventory="inventories/local", words=words)


def two_managers(hosts: Hosts) -> None:
    del hosts["swarm"]["children"]["swarm_managers"]["hosts"]["m3"]


def worker_that_is_a_manager(hosts: Hosts) -> None:
    hosts["swarm"]["children"]["swarm_workers"]["hosts"]["m1"] = None


def node_that_is_not_there(hosts: Hosts) -> None:
    hosts["swarm"]["children"]["swarm_workers"]["hosts"]["w9"] = {"ansible_host": "flotilla-not-there"}


HOSTS = [
    pytest.param(two_managers, ("swarm_managers", "swarm_cluster_allow_even_managers"), id="two-managers"),
    pytest.param(
        worker_that_is_a_manager, ("swarm_managers: m1 is in swarm_workers too",), id="worker-that-is-a-manager"
    ),
    # The lab's connection calls a container that is not there a failure of the module, so Ansible itself says it;
    # what we say of a host that is unreachable is in the unit tests.
    pytest.param(
        node_that_is_not_there, ("fatal: [w9]: FAILED!", "No such container: flotilla-not-there"), id="unreachable-node"
    ),
]


@pytest.mark.parametrize(("mutate", "words"), HOSTS)
def test_hosts(lab: Lab, tmp_path: Path, mutate: Callable[[Hosts], None], words: tuple[str, ...]) -> None:
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories")
    for kept in ("secrets", "backup"):
        shutil.copytree(ROOT / ".cache/lab" / kept, tmp_path / ".cache/lab" / kept)
    file = tmp_path / "inventories/local/hosts.yml"
    hosts = yaml.safe_load(file.read_text(encoding="utf-8"))
    mutate(hosts)
    file.write_text(yaml.safe_dump(hosts), encoding="utf-8")
    refused(lab, inventory=str(file.parent), words=words)


def test_node_in_another_swarm(lab: Lab) -> None:
    ours = lab.inspect("node", "m1")["ID"]
    left = lab.inspect("node", "w2")["ID"]
    lab.run("w2", "docker swarm leave")
    # Its old entry changes once more, when the swarm notices; then nothing may.
    lab.wait("w2 is down", lambda: lab.inspect("node", left)["Status"]["State"] == "down")
    lab.run("w2", "docker swarm init --advertise-addr 172.30.77.22")
    theirs = lab.run("w2", "docker info --format {{.Swarm.Cluster.ID}}").strip()
    cluster = lab.run("m1", "docker info --format {{.Swarm.Cluster.ID}}").strip()
    try:
        refused(lab, inventory="inventories/local", words=("w2", theirs, cluster))
    finally:
        lab.run("w2", "docker swarm leave --force")
    # The refusal's mend works: having left the other swarm, the host joins ours again, and its old entry goes.
    run = lab.playbook("site.yml", "--tags", "swarm_cluster,swarm_nodes")
    assert run.returncode == 0, run.stdout
    assert lab.nodes()["w2"]["Status"]["State"] == "ready"
    assert lab.inspect("node", "m1")["ID"] == ours
