# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job ends that is not done."""

from __future__ import annotations


class Refused(Exception):
    """Nothing was begun, because it might do harm now. The message says what, and when it can be done."""
