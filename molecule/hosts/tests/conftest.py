# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests share: a firewall that is put right after each, and a swarm without leftovers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.lab import Lab
from tests.support.lab_firewall import Firewall

PREFIX = "hosts-"
"""What the names of all services and secrets begin with that these tests make."""


@pytest.fixture
def firewall(lab: Lab) -> Iterator[Firewall]:
    """The firewall; where a test changed it, it is again what the inventory declares when the test has ended."""
    found = Firewall(lab)
    yield found
    if found.touched:
        found.apply(*sorted(found.touched))


@pytest.fixture
def cleared(lab: Lab) -> Iterator[None]:
    """Takes away what a test made in the swarm."""

    def clear() -> None:
        manager = lab.manager()
        for kind in ("service", "secret"):
            names = lab.run(manager, f"docker {kind} ls --format '{{{{.Name}}}}'").split()
            for name in names:
                if name.startswith(PREFIX):
                    lab.run(manager, f"docker {kind} rm %s", name)

    clear()
    yield
    clear()
