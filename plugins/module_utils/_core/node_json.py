# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the planners of nodes read in a node's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]

MANAGER = "manager"
WORKER = "worker"
DRAIN = "drain"


def name(node: Json) -> str:
    """Its hostname, as ``docker node ls`` shows it; its ID while the swarm knows none."""
    return str((node.get("Description") or {}).get("Hostname") or node["ID"])


def state(node: Json) -> str:
    """``ready``, ``down``, ``disconnected`` or ``unknown``."""
    return str((node.get("Status") or {}).get("State") or "unknown")


def is_down(node: Json) -> bool:
    """Whether a node tells the swarm nothing. (``unknown`` is every node for a moment after a change of the leader.)"""
    return state(node) in ("down", "disconnected")


def in_raft(node: Json) -> bool:
    """Whether a node is a member of the managers' raft now. Its role in the Spec is only what it is to become."""
    return bool(node.get("ManagerStatus"))


def reachable(node: Json) -> bool:
    """Whether a node is a manager that the leader reaches."""
    return (node.get("ManagerStatus") or {}).get("Reachability") == "reachable"


def leads(node: Json) -> bool:
    """Whether a node is the leader."""
    return bool((node.get("ManagerStatus") or {}).get("Leader"))
