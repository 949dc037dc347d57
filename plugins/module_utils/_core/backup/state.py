# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is noted beside a copy of the raft state, and whether that copy can be restored here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .. import node_json
from ..errors import DeclarationError
from . import moments

FORMAT = 1
"""Of metadata.json; it is raised when its meaning changes."""
DEFAULT_PORT = 2377
DEFAULT_DATA_PATH_PORT = 4789
"""The engine says 0 for it."""

Json = Mapping[str, Any]

_TEXTS = ("cluster_id", "node_id", "node_name", "address", "listen_addr", "engine_version", "taken")
_NODE_LISTS = ("managers", "workers")
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(?:[.+~-].*)?", re.ASCII)


def metadata(info: Json, swarm: Json, nodes: Iterable[Json], taken: str) -> dict[str, Any]:
    """What is noted beside the raft state of a manager.

    Args:
        info, swarm, nodes: the engine's JSON of ``/info``, ``/swarm`` and ``/nodes``.
        taken: when the state was copied (``2026-11-22T23:00:00Z``).

    Raises:
        DeclarationError: the engine didn't say all that a restore needs.
    """
    own = info.get("Swarm") or {}
    ordered = sorted(nodes, key=lambda node: (node_json.name(node), str(node["ID"])))
    this = next((node for node in ordered if node["ID"] == own.get("NodeID")), {})
    encryption = (swarm.get("Spec") or {}).get("EncryptionConfig") or {}
    document = {
        "format": FORMAT,
        "cluster_id": swarm.get("ID"),
        "node_id": own.get("NodeID"),
        "node_name": info.get("Name"),
        "address": own.get("NodeAddr"),
        "listen_addr": _listen_address((this.get("ManagerStatus") or {}).get("Addr")),
        "data_path_port": swarm.get("DataPathPort") or DEFAULT_DATA_PATH_PORT,
        "engine_version": info.get("ServerVersion"),
        "autolock": bool(encryption.get("AutoLockManagers")),
        "taken": taken,
        "managers": [_node(node) for node in ordered if node_json.in_raft(node)],
        "workers": [_node(node) for node in ordered if not node_json.in_raft(node)],
    }
    found = _shape_problems(document)
    if found:
        raise DeclarationError(
            *("the engine's answers make no metadata of the raft state: %s" % text for text in found)
        )
    return document


def _listen_address(manager_address: object) -> str:
    """The port at which the other managers reach this one, on all addresses: the API doesn't say what it listens on."""
    address = str(manager_address or "")
    port = address.rpartition(":")[2]
    everywhere = "[::]" if address.startswith("[") else "0.0.0.0"  # noqa: S104  noted, not bound to
    return "%s:%d" % (everywhere, int(port) if port.isdigit() else DEFAULT_PORT)


def _node(node: Json) -> dict[str, str]:
    """A manager's address is that of its raft: the leader's own status may say 0.0.0.0 (moby#35437)."""
    of_raft = str((node.get("ManagerStatus") or {}).get("Addr") or "").rpartition(":")[0].strip("[]")
    address = of_raft or str((node.get("Status") or {}).get("Addr") or "")
    return {"id": str(node["ID"]), "name": node_json.name(node), "address": address}


def problems(found: object, cluster_id: str, engine_version: str) -> list[str]:
    """Why a copy of the raft state must not be restored here, one sentence each with its mend.

    Args:
        found: what stands in its metadata.json, unconverted.
        cluster_id: the swarm that is to be restored.
        engine_version: of the engine that would read it (``26.1.5+dfsg1``).
    """
    shape = _shape_problems(found)
    if shape or not isinstance(found, Mapping):
        return ["metadata.json: %s: restore another backup" % text for text in shape]
    result = []
    if not cluster_id:
        result.append(
            "which swarm is to be restored is not said; this is the state of %s: set swarm_backup_cluster_id to that "
            "if it is the one" % found["cluster_id"]
        )
    elif found["cluster_id"] != cluster_id:
        result.append(
            "this is the state of the swarm %s, not of %s: restore a backup of that one, or correct "
            "swarm_backup_cluster_id" % (found["cluster_id"], cluster_id)
        )
    result += _version_problems(str(found["engine_version"]), engine_version)
    return result


def _version_problems(of_state: str, of_engine: str) -> list[str]:
    """A newer engine's state may hold what an older one can't read, and would take for nothing."""
    written, reading = _release(of_state), _release(of_engine)
    if written is None or reading is None:
        unread = of_state if written is None else of_engine
        return [
            "%r is no version of an engine, so it can't be told whether this one reads the state: see `docker version`"
            % unread
        ]
    if written > reading:
        return [
            "the state was written by an engine %s, and this one is %s: install %d.%d or newer here first"
            % (of_state, of_engine, *written)
        ]
    return []


def _release(version: str) -> tuple[int, int] | None:
    """Major and minor version; what follows doesn't change the state's form."""
    found = _VERSION.fullmatch(version.strip())
    return (int(found.group(1)), int(found.group(2))) if found else None


def _shape_problems(found: object) -> list[str]:
    """What is missing or of the wrong sort. With another format, nothing else is looked at."""
    if not isinstance(found, Mapping):
        return ["it holds no dictionary"]
    if found.get("format") != FORMAT or isinstance(found.get("format"), bool):
        return ["its format is %r, and this collection reads %d" % (found.get("format"), FORMAT)]
    result = ["%s is missing" % key for key in _TEXTS if not isinstance(found.get(key), str) or not found[key]]
    port = found.get("data_path_port")
    if not isinstance(port, int) or isinstance(port, bool):
        result.append("data_path_port is missing")
    if not isinstance(found.get("autolock"), bool):
        result.append("autolock is missing")
    result += ["%s is no list of nodes" % key for key in _NODE_LISTS if not _is_nodes(found.get(key))]
    if not result and not any(node["id"] == found["node_id"] for node in found["managers"]):
        result.append("its own node is not among the managers")
    if not result:
        try:
            moments.parse(found["taken"])
        except ValueError as error:
            result.append("taken: %s" % error)
    return result


def _is_nodes(found: object) -> bool:
    return isinstance(found, list) and all(
        isinstance(node, Mapping) and all(isinstance(node.get(key), str) for key in ("id", "name", "address"))
        for node in found
    )
