# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phase 1: the cluster is what the inventory declares, as the engines say it themselves."""

from __future__ import annotations

import pytest

from tests.support.lab import MANAGERS, WORKERS, Lab

TIERS = {"w1": "application", "w2": "application", "w3": "database", "w4": "cache", "w5": "ingress"}
OVERLAYS = {
    "traefik-network": False,
    "frontend-network": False,
    "backend-network": False,
    "database-network": True,
    "cache-network": True,
}


def test_exactly_the_declared_nodes(lab: Lab) -> None:
    assert set(lab.nodes()) == set(MANAGERS) | set(WORKERS)


@pytest.mark.parametrize("name", MANAGERS)
def test_manager_is_reachable_and_drained(lab: Lab, name: str) -> None:
    node = lab.nodes()[name]
    assert node["ManagerStatus"]["Reachability"] == "reachable"
    assert node["Status"]["State"] == "ready"
    assert node["Spec"]["Availability"] == "drain"


def test_one_leader(lab: Lab) -> None:
    assert sum(bool(node.get("ManagerStatus", {}).get("Leader")) for node in lab.nodes().values()) == 1


@pytest.mark.parametrize("name", WORKERS)
def test_worker_is_ready_active_and_labelled(lab: Lab, name: str) -> None:
    node = lab.nodes()[name]
    assert node["Spec"]["Role"] == "worker"
    assert node["Status"]["State"] == "ready"
    assert node["Spec"]["Availability"] == "active"
    assert node["Spec"]["Labels"]["tier"] == TIERS[name]


def test_monitoring_label_is_the_string_true(lab: Lab) -> None:
    assert lab.nodes()["w5"]["Spec"]["Labels"]["monitoring"] == "true"


@pytest.mark.parametrize(("name", "internal"), list(OVERLAYS.items()))
def test_network(lab: Lab, name: str, internal: bool) -> None:
    network = lab.inspect("network", name)
    assert network["Driver"] == "overlay"
    assert network["Scope"] == "swarm"
    assert network["Internal"] is internal
    assert network["Labels"]["flotilla.swarm.owner"] == "flotilla"


@pytest.mark.parametrize("name", [*MANAGERS, *WORKERS])
def test_engine_is_pinned_and_configured(lab: Lab, name: str) -> None:
    version = lab.run(name, "docker version --format {{.Server.Version}}").strip()
    assert version.startswith("26.1.")
    assert lab.node(name).file("/etc/apt/preferences.d/flotilla-docker-engine").contains("Pin: version 26.1")
    assert lab.run(name, "docker info --format {{.LoggingDriver}}").strip() == "json-file"


@pytest.mark.parametrize("name", WORKERS)
def test_worker_has_no_docker_sdk(lab: Lab, name: str) -> None:
    assert not lab.node(name).package("python3-docker").is_installed
