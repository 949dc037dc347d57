# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manager that is in the swarm and not in the inventory is named, and neither cut off nor changed."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.lab import ROOT, Lab

FORGOTTEN = "m3"


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    """The lab's inventory without one manager; what it names by relative paths lies beside it."""
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories")
    for kept in ("secrets", "backup"):
        shutil.copytree(ROOT / ".cache/lab" / kept, tmp_path / ".cache/lab" / kept)
    file = tmp_path / "inventories/local/hosts.yml"
    hosts = yaml.safe_load(file.read_text(encoding="utf-8"))
    del hosts["swarm"]["children"]["swarm_managers"]["hosts"][FORGOTTEN]
    file.write_text(yaml.safe_dump(hosts), encoding="utf-8")
    return str(file.parent)


@pytest.fixture
def by_hand(lab: Lab) -> Iterator[None]:
    """Something on the node that nobody declares: a label, and an availability that no manager of ours has."""
    availability = lab.nodes()[FORGOTTEN]["Spec"]["Availability"]
    lab.run("m1", f"docker node update --label-add by-hand=yes --availability pause {FORGOTTEN}")
    yield
    lab.run("m1", f"docker node update --label-rm by-hand --availability {availability} {FORGOTTEN}")


@pytest.mark.usefixtures("by_hand")
def test_forgotten_manager_is_named_and_left_alone(lab: Lab, inventory: str, say: Callable[[str], None]) -> None:
    before = lab.nodes()[FORGOTTEN]
    phase = ("playbooks/phase1_swarm_setup.yml", "-e", "swarm_cluster_allow_even_managers=true")
    run = lab.playbook(*phase, inventory=inventory)
    assert run.returncode != 0, run.stdout
    assert f"the manager {before['ID']} at 172.30.77.13:2377 is in the swarm, and" in " ".join(run.stdout.split())
    assert set(re.findall(r"changed=(\d+)", run.stdout)) == {"0"}
    say("the firewalls would cut it off: refused")

    phase += ("--tags", "swarm_cluster,swarm_nodes")
    run = lab.playbook(*phase, "-e", json.dumps({"swarm_firewall_enabled": False}), inventory=inventory)
    assert run.returncode == 0, run.stdout
    after = lab.nodes()[FORGOTTEN]
    warnings = [line.strip() for line in run.stdout.splitlines() if before["ID"] in line]
    say("warned: " + "\n    ".join(["", *warnings]))
    spec = after["Spec"]
    reachability = after["ManagerStatus"]["Reachability"]
    say(f"{FORGOTTEN} is {spec['Role']}, {spec['Availability']}, {reachability}, labels {spec['Labels']}")

    assert after["Spec"] == before["Spec"]
    assert after["Spec"]["Role"] == "manager"
    assert after["Version"]["Index"] == before["Version"]["Index"], "it was written to"
    assert reachability == "reachable"
    # Both who joins hosts and who labels nodes say it.
    assert "is in the swarm but not in the inventory; it is left alone" in run.stdout
    assert f"{FORGOTTEN} ({before['ID']}, ready)" in run.stdout
