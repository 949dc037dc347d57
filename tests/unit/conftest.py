# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the unit tests share."""

from __future__ import annotations

import os

import hypothesis
import pytest
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

# The time that one example takes says nothing on a machine that does other things too. In continuous integration the
# examples are the same in every run: a change fails for what it changed. New ones are looked for on people's machines.
hypothesis.settings.register_profile("flotilla", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("flotilla")


@pytest.fixture
def engine() -> MemoryEngine:
    """A manager of an otherwise empty swarm."""
    return MemoryEngine()
