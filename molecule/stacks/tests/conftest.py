# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this scenario share: a stack for docker and one for us, and a way to drive both at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import lab_stacks
from tests.support.lab import Lab
from tests.support.lab_stacks import Node, Own, Raw

FILES = Path(__file__).resolve().parents[1] / "files"
PREFIX = "st-"
"""What the names of everything begin with that the tests of this scenario make."""


@pytest.fixture(scope="session")
def node(lab: Lab) -> Iterator[Node]:
    with lab_stacks.prepared(lab, FILES) as found:
        lab_stacks.remove(found, PREFIX)
        yield found

        def gone() -> bool:
            lab_stacks.remove(found, PREFIX)
            return not lab_stacks.left(found, PREFIX)

        lab.wait("nothing of the tests is left in the swarm", gone)


@pytest.fixture
def prefix(node: Node, request: pytest.FixtureRequest) -> Iterator[str]:
    """What the names of a test's own stacks and objects begin with. Networks may outlive it by a moment."""
    own = PREFIX + request.node.originalname.removeprefix("test_").replace("_", "-")[:30] + "-"
    yield own
    lab_stacks.remove(node, own)


@pytest.fixture
def raw(node: Node, prefix: str) -> Raw:
    """The stack that the docker CLI deploys."""
    return Raw(node, f"{prefix}raw")


@pytest.fixture
def own(node: Node, prefix: str) -> Own:
    """The stack that our modules deploy."""
    return Own(node, f"{prefix}own")


@pytest.fixture
def at_once(say: Callable[[str], None]) -> Callable[..., None]:
    """Run both halves of a test at the same time: what docker does, and what we do."""

    def timed(half: Callable[[], None]) -> float:
        start = time.monotonic()
        half()
        return time.monotonic() - start

    def run(*halves: Callable[[], None]) -> None:
        with ThreadPoolExecutor(len(halves)) as pool:
            running = [pool.submit(timed, half) for half in halves]
        say(
            ", ".join(f"{half.__name__} took {done.result():.1f} s" for half, done in zip(halves, running, strict=True))
        )

    return run
