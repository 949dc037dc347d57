# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first manager lost for good and bare again: it joins the living swarm, and no second one is made."""

from __future__ import annotations

import subprocess

from tests.support.lab import MANAGERS, Lab


def test_wiped_first_manager_rejoins_the_living_swarm(lab: Lab) -> None:
    cluster = lab.run("m2", "docker info --format {{.Swarm.Cluster.ID}}").strip()
    services = lab.service_indexes()
    old_id = lab.inspect("node", "m1")["ID"]

    subprocess.run(["docker", "rm", "--force", "--volumes", "flotilla-m1"], check=True)
    up = lab.playbook("lab/up.yml")
    assert up.returncode == 0, up.stdout
    assert lab.node("m1").run("command -v dockerd").rc != 0, "the new m1 is not bare"

    run = lab.playbook("playbooks/phase1_swarm_setup.yml")
    assert run.returncode == 0, run.stdout

    assert lab.run("m1", "docker info --format {{.Swarm.Cluster.ID}}").strip() == cluster
    nodes = lab.nodes()
    assert nodes["m1"]["ID"] != old_id
    for name in MANAGERS:
        assert nodes[name]["ManagerStatus"]["Reachability"] == "reachable"
        assert nodes[name]["Spec"]["Availability"] == "drain"
    assert lab.service_indexes() == services
