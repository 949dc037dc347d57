# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This host's engine for what runs on a node without Ansible: the standard library is all it needs."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from .client import Json
from .host import HostEngine

SOCKET = "/var/run/docker.sock"


class LocalEngine(HostEngine):
    """What backups, restores and recoveries ask of this host's engine, beside what every host asks."""

    def __init__(self, path: str = SOCKET) -> None:
        super().__init__(path)

    # -- the swarm; managers alone answer -----------------------------------------------------------------------------

    def node(self, node_id: str) -> Json:
        return dict(self._request("GET", "/nodes/%s" % _quoted(node_id)))

    def update_node(self, node_id: str, version: int, spec: Json) -> None:
        self._request("POST", "/nodes/%s/update?version=%d" % (_quoted(node_id), version), spec)

    def remove_node(self, node_id: str, force: bool = False) -> None:
        self._request("DELETE", "/nodes/%s?force=%s" % (_quoted(node_id), _flag(force)))

    def services(self) -> list[Json]:
        return list(self._request("GET", "/services"))

    def tasks(self) -> list[Json]:
        return list(self._request("GET", "/tasks"))

    def networks(self) -> list[Json]:
        return list(self._request("GET", "/networks"))

    def secrets(self) -> list[Json]:
        """Without their values, which no engine gives away."""
        return list(self._request("GET", "/secrets"))

    def configs(self) -> list[Json]:
        """With their data."""
        return list(self._request("GET", "/configs"))

    def create_config(self, name: str, data: bytes, labels: Mapping[str, str]) -> str:
        body = {"Name": name, "Data": base64.b64encode(data).decode("ascii"), "Labels": dict(labels)}
        return str(self._request("POST", "/configs/create", body)["ID"])

    def remove_config(self, config_id: str) -> None:
        self._request("DELETE", "/configs/%s" % _quoted(config_id))

    def unlock_key(self) -> str:
        """The key that opens the managers' state; empty where autolock is off."""
        return str((self._request("GET", "/swarm/unlockkey") or {}).get("UnlockKey") or "")

    def unlock(self, key: str) -> None:
        """Let a locked manager open its state."""
        self._request("POST", "/swarm/unlock", {"UnlockKey": key})

    def update_swarm(self, version: int, spec: Json, **rotate: bool) -> None:
        """Change the swarm's own spec.

        Args:
            version: index of the version that was read.
            spec: the whole spec.
            rotate: ``rotateWorkerToken``, ``rotateManagerToken``, ``rotateManagerUnlockKey``.
        """
        query = {"version": str(version), **{key: _flag(value) for key, value in rotate.items()}}
        self._request("POST", "/swarm/update?" + urllib.parse.urlencode(query), spec)

    def force_new_cluster(self, request: Json) -> str:
        """Make this manager, alone, the swarm that its state is of. Returns this node's ID."""
        return self.swarm_init({**request, "ForceNewCluster": True})

    def leave(self, force: bool = False) -> None:
        self._request("POST", "/swarm/leave?force=%s" % _flag(force))

    # -- this host's containers and volumes ---------------------------------------------------------------------------

    def containers(self, **filters: str) -> list[Json]:
        """The running containers that fit: ``label="key=value"``, ``volume="name"``."""
        wanted = json.dumps({key: [value] for key, value in filters.items()})
        return list(self._request("GET", "/containers/json?" + urllib.parse.urlencode({"filters": wanted})))

    def container(self, container_id: str) -> Json:
        return dict(self._request("GET", "/containers/%s/json" % _quoted(container_id)))

    def pause(self, container_id: str) -> None:
        self._request("POST", "/containers/%s/pause" % _quoted(container_id))

    def unpause(self, container_id: str) -> None:
        self._request("POST", "/containers/%s/unpause" % _quoted(container_id))

    def volume(self, name: str) -> Json:
        return dict(self._request("GET", "/volumes/%s" % _quoted(name)))


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _flag(value: Any) -> str:
    return "true" if value else "false"
