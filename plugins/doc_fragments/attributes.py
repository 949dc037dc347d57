# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the attributes of every module here mean; each module says its own support."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Whether the module predicts its changes without making them.
  diff_mode:
    description: Whether the module says what it changes.
  idempotent:
    description: Whether a second run with the same options changes nothing.
"""
