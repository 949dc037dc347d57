# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fault 37: a node with a new address; the old one leaves every allow-list in the same run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.support.lab import MANAGERS, ROOT, WORKERS, Lab
from tests.support.lab_firewall import Firewall
from tests.support.packets import CONNECTED, SILENT, connect

OLD, NEW = "172.30.77.22", "172.30.77.29"
OTHERS = [name for name in (*MANAGERS, *WORKERS) if name != "w2"]


@pytest.fixture
def moved(tmp_path: Path) -> str:
    """The lab's inventory, in which w2 has its new address and nothing of the old."""
    copy = tmp_path / "inventories" / "moved"
    shutil.copytree(ROOT / "inventories" / "local", copy)
    shutil.copytree(ROOT / "inventories" / "stacks", copy.parent / "stacks")
    hosts = yaml.safe_load((copy / "hosts.yml").read_text(encoding="utf-8"))
    w2 = hosts["swarm"]["children"]["swarm_workers"]["hosts"]["w2"]
    w2["swarm_cluster_advertise_addr"] = NEW
    w2["swarm_firewall_addresses"] = [NEW]
    (copy / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    return str(copy)


def test_the_old_address_leaves_every_list(
    lab: Lab, firewall: Firewall, moved: str, say: Callable[[str], None]
) -> None:
    lab.run("w2", f"ip address add {NEW}/24 dev eth0")
    try:
        before = {address: connect("w2", "172.30.77.11", 2377, source=address) for address in (OLD, NEW)}
        say(f"before: {before}")
        assert before == {OLD: CONNECTED, NEW: SILENT}
        run = lab.playbook(*firewall.arguments(*OTHERS), inventory=moved)
        assert run.returncode == 0, run.stdout
        assert not [name for name in OTHERS if OLD in firewall.loaded(name) + firewall.persisted(name)]
        after = {address: connect("w2", "172.30.77.11", 2377, source=address) for address in (OLD, NEW)}
        say(f"after: {after}")
        assert after == {OLD: SILENT, NEW: CONNECTED}
    finally:
        lab.run("w2", f"ip address del {NEW}/24 dev eth0")
