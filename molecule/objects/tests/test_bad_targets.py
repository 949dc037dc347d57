# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which objects can't be kept: a worker, and a manager that has lost its quorum."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.support.lab import MANAGERS, Lab


def declarations(prefix: str) -> dict[str, dict[str, Any]]:
    """Module -> options that a healthy swarm would take; the first ones make something new."""
    return {
        "swarm_secrets": {"secrets": [{"name": f"{prefix}secret", "value": "a value"}]},
        "swarm_configs": {"configs": [{"name": f"{prefix}config", "value": "a value"}]},
        "swarm_networks": {"networks": [{"name": f"{prefix}network"}]},
        "swarm_nodes": {"nodes": [{"name": "w1", "labels": {"tier": "application"}}]},
    }


def refusal(lab: Lab, file: str) -> tuple[str, float]:
    """The sentence of a run that must fail, and the seconds that it took."""
    begin = time.monotonic()
    run = lab.playbook(file)
    seconds = time.monotonic() - begin
    assert run.returncode != 0, run.stdout
    sentences = [line for line in run.stdout.splitlines() if line.startswith("[ERROR]")]
    assert sentences, run.stdout
    return sentences[0], seconds


def leader(lab: Lab) -> str:
    return next(name for name, node in lab.nodes().items() if node.get("ManagerStatus", {}).get("Leader"))


@pytest.fixture
def worker(lab: Lab) -> Iterator[str]:
    """A manager that is a worker for a while: unlike the lab's workers, it has what the modules need."""
    other = leader(lab)
    (name, *_more) = [name for name in reversed(MANAGERS) if name != other]
    lab.run(other, f"docker node demote {name}")
    try:
        command = "docker info --format {{.Swarm.ControlAvailable}}"
        lab.wait(f"{name} knows that it is a worker", lambda: lab.run(name, command).strip() == "false")
        yield name
    finally:
        lab.run(other, f"docker node promote {name}")
        lab.wait(f"{name} is a manager again", lab.managers_agree)


def test_worker(lab: Lab, prefix: str, worker: str, play: Callable[..., str], say: Callable[[str], None]) -> None:
    for module, options in declarations(prefix).items():
        sentence, seconds = refusal(lab, play(module, options, host=worker))
        say(f"{module} on {worker}, after {seconds:.1f} s: {sentence}")
        assert "Run it on a manager" in sentence


def healthy(lab: Lab) -> bool:
    """Whether the managers agree, every node is ready, and the site answers."""
    if not lab.managers_agree():
        return False
    with suppress(AssertionError):
        return all(node["Status"]["State"] == "ready" for node in lab.nodes().values()) and "ok" in lab.fetch()
    return False


@pytest.fixture
def alone(lab: Lab) -> Iterator[str]:
    """The leader, whose fellows have just gone. It does not know yet that it has lost the quorum."""
    name = leader(lab)
    fellows = [manager for manager in MANAGERS if manager != name]
    try:
        for fellow in fellows:
            lab.run(fellow, "systemctl stop docker.socket docker.service")
        yield name
    finally:
        for fellow in fellows:
            lab.run(fellow, "systemctl start docker.socket docker.service")
        lab.wait("the swarm is healthy again", lambda: healthy(lab), 180)


# What was asked of the leader may still happen once it has its fellows again; `prefix` comes first, so it is cleaned up
# after that.
def test_no_quorum(lab: Lab, prefix: str, alone: str, play: Callable[..., str], say: Callable[[str], None]) -> None:
    for module, options in declarations(prefix).items():
        sentence, seconds = refusal(lab, play(module, options, host=alone))
        say(f"{module} on {alone}, after {seconds:.1f} s: {sentence}")
        assert "A majority of the managers must be up" in sentence
        assert seconds < 30
        # The first one met an engine that did not know; the others are refused at once.
        lab.wait("the quorum is seen to be lost", lambda: lab.node(alone).run("docker node ls").rc != 0, 90)
