# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fault 40: a host whose clock is wrong does not join.

There is one clock in the lab. What w2's Python says of it is moved by libfaketime, as a clock that is wrong would be.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.lab import ROOT, Lab

JOIN = ("playbooks/phase1_swarm_setup.yml", "--tags", "swarm_cluster,swarm_nodes")
PYTHON = "/usr/local/bin/python3-ahead"
AHEAD = 60
"""Seconds. Some are lost to the journey of the answer, and only what is sure counts."""


@pytest.fixture
def right_again(lab: Lab) -> Iterator[None]:
    """However the test ends, w2 is a node again, with the right time."""
    yield
    lab.run("w2", f"rm -f {PYTHON}")
    run = lab.playbook(*JOIN)
    assert run.returncode == 0, run.stdout
    assert lab.nodes()["w2"]["Status"]["State"] == "ready"


@pytest.fixture
def ahead(lab: Lab, tmp_path: Path, right_again: None) -> str:
    """The lab's inventory with a w2 that is no node yet, and whose clock is ahead."""
    del right_again
    lab.run("w2", "apt-get install --yes --no-install-recommends --no-download faketime")
    program = f'#!/bin/sh\\nexec faketime -f +{AHEAD}s /usr/bin/python3 "$@"\\n'
    lab.run("w2", f"printf '{program}' > {PYTHON} && chmod 0755 {PYTHON}")
    lab.run("w2", "docker swarm leave")
    lab.run(lab.manager(), "docker node rm --force w2")
    copy = tmp_path / "inventories" / "ahead"
    shutil.copytree(ROOT / "inventories" / "local", copy)
    shutil.copytree(ROOT / "inventories" / "stacks", copy.parent / "stacks")
    hosts = yaml.safe_load((copy / "hosts.yml").read_text(encoding="utf-8"))
    hosts["swarm"]["children"]["swarm_workers"]["hosts"]["w2"]["ansible_python_interpreter"] = PYTHON
    (copy / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    (tmp_path / ".cache").symlink_to(ROOT / ".cache")
    return str(copy)


def test_a_host_whose_clock_is_ahead_does_not_join(lab: Lab, ahead: str, say: Callable[[str], None]) -> None:
    run = lab.playbook(*JOIN, inventory=ahead)
    assert run.returncode != 0, run.stdout
    said = " ".join(run.stdout.split())
    refusal = re.search(r"the clock of w2 is at least [\d.]+ s ahead of that of \w+, and 5 s are the most", said)
    assert refusal, run.stdout
    say(refusal[0])
    assert lab.run("w2", "docker info --format {{.Swarm.LocalNodeState}}").strip() == "inactive"
