# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ruleset that locks its own administrator out goes away by itself, and never survives a restart."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable

from tests.support.lab import Lab
from tests.support.lab_firewall import Firewall

Say = Callable[[str], None]

WITHOUT_SSH = ["tcp dport 22 drop"]
NODE = "w2"
ADDRESS = "172.30.77.22"
PROMISED = 60
"""Seconds after which the old rules must be back."""


def locked_out(lab: Lab) -> bool:
    """Whether the rules are loaded: one connection that does not come about in time is none."""
    return "tcp dport 22 drop" in lab.node(NODE).run("nft list table inet flotilla").stdout and not reachable()


def reachable() -> bool:
    """Whether a new connection from this machine, the controller, gets through to the node's sshd."""
    try:
        with socket.create_connection((ADDRESS, 22), timeout=1) as client:
            return client.recv(4) == b"SSH-"
    except OSError:
        return False


def test_it_reverts_itself(lab: Lab, firewall: Firewall, say: Say) -> None:
    """Fault 31."""
    before = firewall.both(NODE)
    assert reachable()
    run = firewall.start(NODE, swarm_firewall_custom_rules=WITHOUT_SSH)
    lab.wait("the rules are loaded and lock this machine out", lambda: locked_out(lab), 60)
    locked = time.monotonic()
    assert "tcp dport 22 drop" not in firewall.persisted(NODE)
    lab.wait("the old rules are back", reachable, PROMISED)
    say(f"locked out for {time.monotonic() - locked:.0f} s")
    output, _nothing = run.communicate(timeout=120)
    say(output)
    assert run.returncode != 0
    assert firewall.both(NODE) == before


def test_a_rerun_in_the_window_keeps_the_way_back(lab: Lab, firewall: Firewall, say: Say) -> None:
    """Where nothing was confirmed yet, the way back is no table, however often the rules that lock out are applied."""
    lab.run(NODE, "rm -rf /etc/flotilla/firewall.nft /run/flotilla")
    lab.run(NODE, "nft delete table inet flotilla")
    first = firewall.start(NODE, swarm_firewall_custom_rules=WITHOUT_SSH, swarm_firewall_confirm_timeout=600)
    try:
        lab.wait("the rules are loaded and lock this machine out", lambda: locked_out(lab), 60)
    finally:
        first.terminate()
        first.communicate(timeout=60)
    second = firewall.run(NODE, swarm_firewall_custom_rules=WITHOUT_SSH, swarm_firewall_confirm_timeout=30)
    say(second.stdout)
    assert second.returncode != 0
    lab.wait("there is no table again", reachable, PROMISED)
    assert "inet flotilla" not in lab.run(NODE, "nft list tables")


def test_a_restart_in_the_window_brings_the_old_rules_back(lab: Lab, firewall: Firewall, say: Say) -> None:
    """Fault 32."""
    before = firewall.both(NODE)
    run = firewall.start(NODE, swarm_firewall_custom_rules=WITHOUT_SSH, swarm_firewall_confirm_timeout=600)
    try:
        lab.wait("the rules are loaded and lock this machine out", lambda: locked_out(lab), 60)
        subprocess.run(["docker", "restart", f"flotilla-{NODE}"], check=True, capture_output=True, timeout=120)
        lab.wait("the node is up again, with the old rules", reachable, PROMISED)
    finally:
        run.terminate()
        output, _nothing = run.communicate(timeout=60)
    say(output)
    assert firewall.both(NODE) == before
    assert "flotilla-firewall-rollback" not in lab.run(NODE, "systemctl list-timers --all")
    lab.wait("the node is back in its swarm", lambda: lab.nodes()[NODE]["Status"]["State"] == "ready")


def test_a_broken_rule_changes_nothing(lab: Lab, firewall: Firewall, say: Say) -> None:
    """Fault 33: nft's own words, and which rule it was."""
    before = firewall.both(NODE)
    run = firewall.run(NODE, swarm_firewall_custom_rules=["tcp dport 9100 accept", "tcp dprt 9101 accept"])
    say(run.stdout)
    assert run.returncode != 0
    said = " ".join(run.stdout.split())
    assert "custom_rules" in said
    assert "tcp dprt 9101 accept" in said
    assert firewall.both(NODE) == before
    assert "flotilla-firewall-rollback" not in lab.run(NODE, "systemctl list-timers --all")
