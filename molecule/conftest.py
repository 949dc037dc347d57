# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenarios' tests share."""

from __future__ import annotations

import pytest

from tests.support.lab import Lab


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The running lab."""
    return Lab()
