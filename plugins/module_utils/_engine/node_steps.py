# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps on nodes. The engine answers a change of role before the raft has carried it out; these wait for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._core import node_json
from . import errors
from .client import Engine, Json
from .wait import DeadlineExceeded, wait_until

PROMOTION = 60.0
"""Seconds for a new manager to become reachable: it gets a certificate, starts its manager, and joins the raft."""
DEMOTION = 30.0
"""Seconds for the raft to let go of a manager that was demoted; it takes about one where there is a quorum."""
POLL = 0.5
"""Seconds between two looks."""


def update(engine: Engine, name: str, payload: Mapping[str, Any]) -> None:
    """Update a node and, when its role changes (``payload["role"]``), wait until that is carried out.

    Raises:
        DeadlineExceeded: the change of role was accepted and not carried out in time.
    """
    engine.update_node(payload["id"], payload["version"], payload["spec"])
    _CARRIED_OUT[payload.get("role")](engine, name, payload["id"])


def remove(engine: Engine, name: str, node_id: str) -> None:
    """Remove a node, once it is no manager any more."""
    _demoted(engine, name, node_id)
    engine.remove_node(node_id)


def _promoted(engine: Engine, name: str, node_id: str) -> None:
    late = _wait(engine, node_id, lambda node: node is not None and node_json.reachable(node), PROMOTION)
    if late is not None:
        raise errors.DeadlineExceeded(
            "node %s was promoted and is no reachable manager after %g s (%s): check that it and the other managers "
            "reach each other on port 2377, and read `journalctl -u docker` on it" % (name, PROMOTION, late)
        )


def _demoted(engine: Engine, name: str, node_id: str) -> None:
    late = _wait(engine, node_id, lambda node: node is None or not node_json.in_raft(node), DEMOTION)
    if late is not None:
        raise errors.DeadlineExceeded(
            "the raft did not let go of manager %s within %g s (%s): check the managers' quorum (`docker node ls`), "
            "and run again" % (name, DEMOTION, late)
        )


def _wait(engine: Engine, node_id: str, done: Callable[[Json | None], bool], deadline: float) -> str | None:
    """Wait until a node is as it should be; ``done`` gets None when the swarm has no such node.

    Returns:
        None: it is; else what was seen of it at the deadline.
    """

    def look() -> Json | str | None:
        try:
            nodes = engine.nodes()
        except errors.NoQuorum as error:  # a raft that changes may be without a leader for a moment
            return str(error)
        return next((node for node in nodes if node["ID"] == node_id), None)

    try:
        wait_until(look, lambda seen: not isinstance(seen, str) and done(seen), deadline, POLL)
    except DeadlineExceeded as late:
        if isinstance(late.last, dict):
            return str((late.last.get("ManagerStatus") or {}).get("Reachability") or "not in the raft")
        return late.last or "no longer in the swarm"
    return None


_CARRIED_OUT: Mapping[str | None, Callable[[Engine, str, str], None]] = {
    None: lambda _engine, _name, _id: None,
    node_json.MANAGER: _promoted,
    node_json.WORKER: _demoted,
}
