# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry that does not answer: docker replaces what runs by what nobody can pull; we change nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.lab import Lab
from tests.support.lab_stacks import REGISTRY, Node, Own, Raw, Stack

AtOnce = Callable[..., None]

NOBODY = "172.30.77.5:5001"
"""The registry's machine, where nothing listens."""


def test_registry_that_refuses(raw: Raw, own: Own, at_once: AtOnce) -> None:
    def docker() -> None:
        raw.does("app.yml", ACTION="pause")
        raw.wait_until_running()
        answer = raw.deploy("app.yml", ACTION="pause", REGISTRY=NOBODY)
        assert answer.rc == 0
        assert "could not be accessed on a registry" in answer.text
        raw.wait("nobody can pull it", lambda: any("No such image" in task["Error"] for task in raw.tasks()))
        assert raw.running() == []

    def ours() -> None:
        own.does("app.yml", ACTION="pause")
        before = own.indexes()
        result = own.deploy("app.yml", ACTION="pause", REGISTRY=NOBODY)
        assert result["failed"]
        assert f"services.app.image: {NOBODY}/medianest/frontend:secure-v1" in result["msg"]
        assert "connection refused" in result["msg"]
        assert own.indexes() == before
        assert len(own.running()) == 1

    at_once(docker, ours)


def answers(node: Node) -> bool:
    return node.run(f"curl --silent --fail --max-time 5 --output /dev/null http://{REGISTRY}/v2/").rc == 0


@pytest.fixture
def stop_registry(lab: Lab, node: Node) -> Iterator[Callable[[], None]]:
    """Stops the lab's registry until the test is over."""

    def stop() -> None:
        subprocess.run(["docker", "stop", "--time=1", "flotilla-registry"], check=True, capture_output=True)

    yield stop
    subprocess.run(["docker", "start", "flotilla-registry"], check=True, capture_output=True)
    lab.wait("the registry answers again", lambda: answers(node))


def image(stack: Stack) -> str:
    return str(stack.service()["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])


# Last in the scenario. The engine takes more than 20 s to give up where not even the registry's address answers.
def test_registry_that_is_stopped(raw: Raw, own: Own, stop_registry: Callable[[], None], at_once: AtOnce) -> None:
    with ThreadPoolExecutor() as pool:
        for first in [pool.submit(stack.does, "image.yml", RELEASE="frontend:secure-v1") for stack in (raw, own)]:
            first.result()
    before = own.indexes()
    stop_registry()

    def docker() -> None:
        raw.does("image.yml", RELEASE="frontend:secure-v2")
        # Without a digest: each node runs what it has under that tag, or nothing.
        assert image(raw).endswith("frontend:secure-v2")

    def ours() -> None:
        result = own.deploy("image.yml", RELEASE="frontend:secure-v2")
        assert result["failed"]
        assert f"services.app.image: {REGISTRY}/medianest/frontend:secure-v2" in result["msg"]
        assert own.indexes() == before
        assert len(own.running()) == 1

    at_once(docker, ours)
