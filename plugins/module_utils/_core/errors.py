# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a planner says when the declaration cannot be planned."""

from __future__ import annotations


class DeclarationError(ValueError):
    """Something the user declared is wrong; nothing has been changed.

    Args:
        problems: one sentence each, naming the key the user wrote and how to mend it.
    """

    def __init__(self, *problems: str) -> None:
        if not problems:
            raise ValueError("a DeclarationError names at least one problem")
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))
