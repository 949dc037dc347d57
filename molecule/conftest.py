# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenarios' tests share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.lab import Lab
from tests.support.lab_timers import hold, release


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The running lab."""
    return Lab()


@pytest.fixture(scope="session", autouse=True)
def held_timers(lab: Lab) -> Iterator[None]:
    """Nothing is backed up but by a test, at whatever time of the day tests run."""
    hold(lab)
    yield
    release(lab)


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print what a test saw, under its name."""

    def line(what: str) -> None:
        sys.stdout.write(f"\n  {request.node.name}: {what}\n")

    return line
