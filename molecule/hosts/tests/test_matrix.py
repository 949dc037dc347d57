# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule is proved by a packet; a node that does not hold is found, named and mended."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.support.lab import MANAGERS, WORKERS, Lab
from tests.support.lab_firewall import Firewall
from tests.support.packets import CONNECTED, REFUSED, SILENT, addresses, connect

NODES = (*MANAGERS, *WORKERS)
PROBE = "playbooks/verify_firewall.yml"


def changed(output: str) -> dict[str, int]:
    return {name: int(count) for name, count in re.findall(r"^(\w+)\s+: ok=\d+\s+changed=(\d+)", output, re.MULTILINE)}


def test_members_reach_each_other_and_the_outsider_nobody(lab: Lab, say: Callable[[str], None]) -> None:
    """Fault 35."""
    run = lab.playbook(PROBE)
    say(run.stdout)
    assert run.returncode == 0, run.stdout
    for name in NODES:
        assert re.search(rf"outsider\s*->\s*{name}\b", run.stdout), f"nothing is said of the way from outside to {name}"


def test_the_outsider_tries_it_himself(say: Callable[[str], None]) -> None:
    """Beside the probe, by plain connections: it is not the probe alone that says so."""
    for address in addresses(11):
        seen = {port: connect("outsider", address, port) for port in (22, 2377, 7946)}
        say(f"outsider -> {address}: {seen}")
        assert set(seen.values()) == {SILENT}
        assert connect("w1", address, 2377) == CONNECTED
        assert connect("w1", address, 7946) == CONNECTED
        assert connect("w1", address, 22) == SILENT
    assert connect("m1", "172.30.77.21", 2377) == SILENT  # a worker: no manager's port, for nobody
    assert connect("outsider", "172.30.77.25", 80) == CONNECTED
    assert connect("outsider", "172.30.77.24", 80) == SILENT


def test_a_node_without_its_table_is_found_and_mended(lab: Lab, firewall: Firewall, say: Callable[[str], None]) -> None:
    before = firewall.both("w1")
    lab.run("w1", "nft delete table inet flotilla")
    assert connect("outsider", "172.30.77.21", 22) in (CONNECTED, REFUSED)
    probe = lab.playbook(PROBE)
    say(probe.stdout)
    assert probe.returncode != 0
    assert re.search(r"outsider\s*->\s*w1\b.*22/tcp.*is open", " ".join(probe.stdout.split()))
    alone = lab.playbook(*firewall.arguments("w1"), "--tags", "swarm_firewall_verify")
    assert alone.returncode != 0
    assert "The firewall of w1 is not as declared: the table is not loaded" in " ".join(alone.stdout.split())
    assert changed(firewall.apply("w1"))["w1"] == 1
    assert firewall.both("w1") == before
    assert connect("outsider", "172.30.77.21", 22) == SILENT


def test_a_table_edited_by_hand_is_shown_and_mended(lab: Lab, firewall: Firewall, say: Callable[[str], None]) -> None:
    before = firewall.both("w1")
    lab.run("w1", "nft insert rule inet flotilla host tcp dport 22 accept")
    assert connect("outsider", "172.30.77.21", 22) == CONNECTED
    rehearsed = lab.playbook(*firewall.arguments("w1"), "--check", "--diff")
    say(rehearsed.stdout)
    assert rehearsed.returncode == 0, rehearsed.stdout
    assert re.search(r"^-\s+tcp dport 22 accept", rehearsed.stdout, re.MULTILINE)
    assert connect("outsider", "172.30.77.21", 22) == CONNECTED
    assert changed(firewall.apply("w1"))["w1"] == 1
    assert firewall.both("w1") == before
    assert changed(firewall.apply("w1"))["w1"] == 0
