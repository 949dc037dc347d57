# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fault 49: hardening and then the swarm, or the swarm and then hardening: both come back after a restart."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

from tests.support.lab import Lab

Say = Callable[[str], None]
HARDEN = "molecule/hosts/files/harden.yml"
HARDENED = "w1"
"""Hardened before it was in a swarm: this is how phase 1 made every node."""
BARE = "w5"
"""Made bare again below, while it is in the swarm. Its engine is restarted more often in two minutes than the restart
policy of MediaNest's own services allows: the swarm would give up those that run there."""

MARK = r"Managed by Ansible \(flotilla\.swarm\.(node_hardening|docker_engine|host_kernel|swarm_firewall)\)"
"""On what the roles of the playbook write, and not on what later phases do."""
MEMBER = "docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.NodeID}}'"


def ready(lab: Lab, name: str) -> bool:
    return bool(lab.nodes()[name]["Status"]["State"] == "ready")


def restarted(lab: Lab, name: str) -> None:
    """Restart the node; returns when it is Ready again, in the same swarm, and its firewall is there."""
    before = lab.run(name, "nft --stateless list table inet flotilla")
    member = lab.run(name, MEMBER)
    subprocess.run(["docker", "restart", f"flotilla-{name}"], check=True, capture_output=True, timeout=120)
    # The managers take a node for Ready until its heartbeats are overdue, so it is asked itself first.
    lab.wait(f"{name} is in its swarm again", lambda: lab.node(name).run(MEMBER).stdout == member, 90)
    lab.wait(f"{name} is Ready", lambda: ready(lab, name), 90)
    assert lab.run(name, "nft --stateless list table inet flotilla") == before
    lab.wait("all services are complete", lab.complete, 120)


def test_hardened_and_then_in_a_swarm(lab: Lab) -> None:
    restarted(lab, HARDENED)


def test_in_a_swarm_and_then_hardened(lab: Lab, say: Say) -> None:
    written = lab.run(BARE, f"grep --files-with-matches --recursive --extended-regexp '{MARK}' /etc || true").split()
    say(f"taken away: {' '.join(written)}")
    assert any("sysctl.d" in path for path in written)
    assert any("sshd_config.d" in path for path in written)
    mine = [path for path in written if "/docker" not in path and "/apt/" not in path]
    lab.run(BARE, "rm -f " + " ".join(mine))
    lab.run(BARE, "nft delete table inet flotilla; echo '{}' > /etc/docker/daemon.json; systemctl restart docker")
    lab.wait("the bare node is Ready", lambda: ready(lab, BARE), 90)

    # In the engine's configuration is also what the lab's own playbook has there; it stays without it for this test.
    run = lab.playbook(HARDEN)
    assert run.returncode == 0, run.stdout
    assert all(lab.node(BARE).file(path).exists for path in mine)
    assert ready(lab, BARE)
    restarted(lab, BARE)
    again = lab.playbook(HARDEN)
    assert again.returncode == 0, again.stdout
    assert set(re.findall(r"changed=(\d+)", again.stdout)) == {"0"}


def test_live_restore_is_fatal_and_refused(lab: Lab, say: Say) -> None:
    """What Docker does: a member with it does not start. What ours does is in test_bad_input."""
    lab.run(BARE, "cp --preserve /etc/docker/daemon.json /run/daemon.json")
    try:
        lab.run(BARE, "sed --in-place '1s/{/{\"live-restore\": true,/' /etc/docker/daemon.json")
        assert lab.node(BARE).run("systemctl restart docker").rc != 0
        log = lab.run(BARE, "journalctl --sync; journalctl --unit=docker --no-pager --lines=40")
        assert "--live-restore daemon configuration is incompatible with swarm mode" in log
        say("Docker alone: the engine of a member with live-restore does not start")
    finally:
        lab.run(BARE, "cp --preserve /run/daemon.json /etc/docker/daemon.json")
        lab.run(BARE, "systemctl reset-failed docker; systemctl restart docker")
    lab.wait("the node is Ready", lambda: ready(lab, BARE), 90)
    lab.wait("all services are complete", lab.complete, 120)
