# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until the tasks of drained nodes are gone, as the swarm's managers see it."""

from __future__ import annotations

from collections.abc import Mapping

from .._core import drain
from .._core.node_json import Json
from . import errors
from .client import Engine
from .wait import DeadlineExceeded, wait_until

POLL = 1.0
"""Seconds between two looks."""


def wait_drained(engine: Engine, names: Mapping[str, str], deadline: float) -> list[str]:
    """Wait for the tasks of these nodes to end; a node that is down can't end any, which becomes a warning.

    Where nothing is left, this is one request, and none without nodes or a deadline.

    Args:
        engine: a manager's.
        names: ID -> name of the drained nodes.
        deadline: seconds for all of them; 0 = don't wait.

    Returns:
        Warnings, one sentence each.

    Raises:
        DeadlineExceeded: tasks are left; the message names them and the mend.
    """
    if not names or not deadline:
        return []

    def look() -> tuple[list[Json], list[Json]]:
        """The tasks that are to end, and those of nodes that can't tell."""
        tasks = drain.left(engine.tasks(), names)
        silent = drain.silent(engine.nodes()) if tasks else set()
        ending = [task for task in tasks if task["NodeID"] not in silent]
        return ending, [task for task in tasks if task["NodeID"] in silent]

    try:
        _ending, stranded = wait_until(look, lambda seen: not seen[0], deadline, POLL)
    except DeadlineExceeded as late:
        ending = late.last[0]
        raise errors.DeadlineExceeded(drain.problem(ending, names, engine.services(), deadline)) from late
    return list(drain.stranded(stranded, names))
