# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this node sees of itself, by which it knows which jobs are its own."""

from __future__ import annotations

from typing import Any

from .._core import node_json
from .._core.backup.turns import NodeView
from .._engine.client import Json
from .._engine.errors import NoQuorum
from .._engine.local import LocalEngine
from . import lock

SERVICE = "com.docker.swarm.service.name"
_TASK = "com.docker.swarm.task.name"


def look(engine: LocalEngine, node: str) -> NodeView:
    """This node, which backups call ``node``, now.

    Raises:
        EngineError: the engine does not answer.
    """
    info = engine.info()
    swarm = info.get("Swarm") or {}
    running = engine.containers()
    view: dict[str, Any] = {"services": _services(running), "volumes": _volumes(running)}
    node_id = str(swarm.get("NodeID") or "")
    if not swarm.get("ControlAvailable"):
        return NodeView(node_id, "worker", **view)
    try:
        nodes, busy = engine.nodes(), lock.another(engine, node)
    except NoQuorum as error:
        return NodeView(node_id, "manager", no_quorum=str(error), **view)
    managers = [(str(node["ID"]), _reachable(node), _leads(node)) for node in nodes if node_json.in_raft(node)]
    leader = any(own == node_id and leads for own, _up, leads in managers)
    return NodeView(node_id, "manager", leader=leader, managers=managers, busy=busy, **view)


def _reachable(node: Json) -> bool:
    return (node.get("ManagerStatus") or {}).get("Reachability") == "reachable"


def _leads(node: Json) -> bool:
    return bool((node.get("ManagerStatus") or {}).get("Leader"))


def _services(running: list[Json]) -> dict[str, list[int]]:
    """Service → slots of its tasks that run here; a task of a global service has none, and counts as 0."""
    found: dict[str, list[int]] = {}
    for container in running:
        labels = container.get("Labels") or {}
        service = labels.get(SERVICE)
        if service:
            slot = str(labels.get(_TASK) or "")[len(service) + 1 :].partition(".")[0]
            found.setdefault(str(service), []).append(int(slot) if slot.isdigit() else 0)
    return found


def _volumes(running: list[Json]) -> list[str]:
    """Those in use here: a copy that a service left behind when it moved is nobody's data any more."""
    mounts = [mount for container in running for mount in container.get("Mounts") or ()]
    return sorted({str(mount["Name"]) for mount in mounts if mount.get("Type") == "volume" and mount.get("Name")})
