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
from tests.support.lab_recovery import Recovery

Say = Callable[[str], None]

PLAYBOOK = "playbooks/dr/quorum_loss.yml"
NETWORK = "flotilla-lab"
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
def cut_off(lab: Lab, backups: Backups, node: str) -> Iterator[None]:
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
        lab.wait(f"{node} is back", lambda: backups.reachable(node), 120)


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
    with cut_off(lab, backups, alone):
        lab.wait(f"{alone} is seen to be gone", lambda: not backups.reachable(alone))
        said = refusal(lab, "-e", f"survivor={alone}")
        say(said)
        assert f"the swarm {swarm} has its quorum" in said
    assert backups.engine(alone) == engine
    # It knows its swarm again once it has heard of the leader.
    own = "docker info --format '{{.Swarm.Cluster.ID}}'"
    lab.wait(f"{alone} is in the same swarm", lambda: lab.run(alone, own).strip() == swarm)
    assert len(leaders(lab)) == 1


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
    lab.wait("all managers are back", lambda: all(backups.reachable(name) for name in MANAGERS), 120)
