# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A swarm that lives is never forced, and one without its quorum says so at once; what runs goes on running.

That a wiped first manager joins its living swarm again (fault 44) is shown in ``molecule/faults``, and that a manager
which the inventory lacks is left alone (fault 43) in ``molecule/objects``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.lab import MANAGERS, Lab
from tests.support.lab_backup import Backups, cluster_id, module, outer
from tests.support.lab_recovery import Recovery, address

Say = Callable[[str], None]

PLAYBOOK = "playbooks/dr/quorum_loss.yml"
HEALTH = "playbooks/health.yml"
NETWORK = "flotilla-lab"
APART = "flotilla_test_apart"
"""The nftables table that keeps a manager apart from the others."""
PROMISED = 30
"""Seconds within which a module refuses that finds no quorum."""
BESIDES = 5
"""Seconds that Ansible takes before and after it."""


def refusal(lab: Lab, *arguments: str) -> str:
    """What the runbook says that was run with the right confirmation, refused and changed nothing."""
    run = lab.playbook(PLAYBOOK, "-e", f"confirm={cluster_id(lab)}", *arguments)
    assert run.returncode != 0, run.stdout
    assert set(re.findall(r"changed=(\d+)", run.stdout)) == {"0"}
    said = re.search(r"Refused, and nothing was changed.*?(?=PLAY RECAP)", run.stdout, re.DOTALL)
    assert said, run.stdout
    return " ".join(said[0].split())


@contextmanager
def cut_off(lab: Lab, node: str) -> Iterator[None]:
    """The node's cable is pulled; Ansible comes in by another way."""
    (found,) = json.loads(outer("inspect", f"flotilla-{node}"))
    network = found["NetworkSettings"]["Networks"][NETWORK]
    addresses = ["--ip", network["IPAddress"]]
    if network.get("GlobalIPv6Address"):
        addresses += ["--ip6", network["GlobalIPv6Address"]]
    outer("network", "disconnect", NETWORK, f"flotilla-{node}")
    try:
        yield
    finally:
        outer("network", "connect", *addresses, NETWORK, f"flotilla-{node}")
        lab.wait(f"{node} is back", lab.managers_agree, 120)


@contextmanager
def a_second_swarm(lab: Lab, node: str) -> Iterator[None]:
    """What nobody must do: a manager that does not reach the others is forced to make a swarm of its own state.

    Its half is given up in the end, and the runbook for a lost node brings it back.
    """
    drops = [
        f'chain {hook} {{ type filter hook {hook} priority -10; {way} != "lo" tcp dport 2377 drop; }}'
        for hook, way in (("input", "iifname"), ("output", "oifname"))
    ]
    lab.run(node, "nft %s", f"table inet {APART} {{ {'; '.join(drops)}; }}")
    try:
        lab.run(node, "docker swarm init --force-new-cluster --advertise-addr %s", address(node))
        yield
    finally:
        lab.run(node, "docker swarm leave --force")
        lab.run(node, f"nft delete table inet {APART}")
        run = lab.playbook("playbooks/dr/node_failure.yml", "-e", f"node={node}", "-e", f"confirm={node}")
        assert run.returncode == 0, run.stdout


def leaders(lab: Lab) -> list[str]:
    return [name for name, node in lab.nodes().items() if (node.get("ManagerStatus") or {}).get("Leader")]


def test_it_is_not_forced_while_all_managers_live(lab: Lab, say: Say) -> None:
    """Fault 7."""
    said = refusal(lab)
    say(said)
    assert f"the swarm {cluster_id(lab)} has its quorum" in said
    assert len(leaders(lab)) == 1


def test_a_manager_that_is_cut_off_does_not_become_a_second_swarm(lab: Lab, backups: Backups, say: Say) -> None:
    """Fault 7: seen from the one that is cut off, the quorum is lost."""
    # The lab's questions go to the first manager.
    alone = next(name for name in backups.followers() if name != MANAGERS[0])
    swarm, engine = cluster_id(lab), backups.engine(alone)
    with cut_off(lab, alone):
        lab.wait(f"{alone} is seen to be gone", lambda: not backups.reachable(alone))
        said = refusal(lab, "-e", f"survivor={alone}")
        say(said)
        assert f"the swarm {swarm} has its quorum" in said
    assert backups.engine(alone) == engine
    # It knows its swarm again once it has heard of the leader.
    own = "docker info --format '{{.Swarm.Cluster.ID}}'"
    lab.wait(f"{alone} is in the same swarm", lambda: lab.run(alone, own).strip() == swarm)
    assert len(leaders(lab)) == 1


def test_two_swarms_with_one_id_are_seen(lab: Lab, backups: Backups, say: Say) -> None:
    """Fault 8: each half has a leader and a quorum, and the same ID."""
    assert lab.playbook(HEALTH).returncode == 0
    apart, swarm = next(name for name in backups.followers() if name != MANAGERS[0]), cluster_id(lab)
    with a_second_swarm(lab, apart):
        lab.wait(f"{apart} is seen to be gone", lambda: not backups.reachable(apart))
        assert lab.run(apart, "docker info --format '{{.Swarm.Cluster.ID}}'").strip() == swarm
        assert lab.run(apart, "docker node inspect self --format '{{.ManagerStatus.Leader}}'").strip() == "true"
        run = lab.playbook(HEALTH, "-e", "swarm_health_deadline=5")
        assert run.returncode != 0, run.stdout
        said = re.search(r"the managers follow 2 leaders: .*?node_failure.yml", " ".join(run.stdout.split()))
        assert said, run.stdout
        say(said[0])
        assert said[0].count(f"the swarm {swarm}, led by") == 2
    lab.wait("the swarm is well again", lambda: lab.playbook(HEALTH).returncode == 0, 180)


def test_without_a_quorum_everything_runs_and_modules_refuse(
    lab: Lab, backups: Backups, recovery: Recovery, running: Callable[[], dict[str, str]], say: Say
) -> None:
    """Fault 5."""
    first, *others = MANAGERS
    rows, before = recovery.write_rows(10), running()
    outer("kill", *(f"flotilla-{name}" for name in others))
    try:
        # The first is asked while the manager still believes that it has a quorum, or just stopped believing it.
        for name, options in (
            ("swarm_networks", {"networks": [{"name": "recovery-refused"}]}),
            ("swarm_definition_info", {}),
            ("swarm_info", {}),
        ):
            done, seconds = module(first, name, options)
            say(f"{name} after {seconds:.0f} s: {' '.join(done.stdout.split())[-300:]}")
            assert done.returncode != 0, done.stdout
            assert seconds <= PROMISED + BESIDES
            assert "A majority of the managers must be up" in " ".join(done.stdout.split())
        assert not backups.run(first, "raft")
        say(f"raft: {backups.words(first, 'raft').strip()}")
        assert running() == before
        assert recovery.write_rows(10) == rows + 10
        say(f"{len(before)} containers run on, and the database writes")
    finally:
        outer("start", *(f"flotilla-{name}" for name in others))
        lab.wait("all managers are back", lab.managers_agree, 120)
