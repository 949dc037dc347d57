# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker leaves its swarm, asked on the worker itself."""

from __future__ import annotations

from typing import Any

from .._core import membership
from .._core.errors import DeclarationError
from .._core.membership import Membership
from .host import observe_membership
from .local import LocalEngine
from .wait import DeadlineExceeded, wait_until


def leave(path: str, cluster_id: str, deadline: float, *, dry_run: bool) -> dict[str, Any]:
    """Let this host leave its swarm; it must be a worker, or be about to become one.

    Raises:
        DeclarationError: it is in another swarm, or stays a manager.
        DeadlineExceeded: it has not left in time.
    """
    engine = LocalEngine(path)

    def observe() -> Membership:
        return observe_membership(engine)

    seen = observe()
    if seen.local_state == membership.INACTIVE:
        return {"changed": False, "node_id": None}
    if seen.cluster_id != cluster_id:
        raise DeclarationError("cluster_id: this host is in the swarm %s, not in %s" % (seen.cluster_id, cluster_id))
    if dry_run:
        return {"changed": True, "node_id": seen.node_id}
    try:
        # The engine of a manager that was demoted goes on as one for a moment.
        wait_until(observe, lambda now: not now.is_manager, deadline)
    except DeadlineExceeded as late:
        raise DeclarationError("this host is a manager of %s: demote it first" % cluster_id) from late
    engine.leave()
    wait_until(observe, lambda now: now.local_state == membership.INACTIVE, deadline)
    return {"changed": True, "node_id": seen.node_id}
