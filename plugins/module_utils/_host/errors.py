# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong when a host's files, kernel or services are read or changed."""

from __future__ import annotations


class HostError(Exception):
    """A host did not do as asked. The message says what, why, and how to mend it."""


class CutShort(HostError):
    """It may have been done in part: what it was to change can be a mixture of before and after."""
