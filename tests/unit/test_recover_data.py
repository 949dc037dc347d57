# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where data can be restored, and which services must stand still for that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import store
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import Job
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import NotFound
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.module_utils._recover import data

OWN = {
    "com.docker.stack.namespace": "shop",
    "com.docker.swarm.service.name": "shop_redis",
    "com.docker.swarm.task.name": "shop_redis.1.x",
}
JOBS = (
    Job("db", "redis", 26, {"service": "shop_redis", "password_file": ""}),
    Job("elsewhere", "postgres", 26, {"service": "shop_db"}),
    Job("crash", "volume", 26, {"volume": "shop_data", "consistency": "crash"}),
    Job("gone", "volume", 26, {"volume": "shop_uploads"}),
    Job("frozen", "volume", 26, {"volume": "shop_data", "consistency": "paused"}),
)


class Node:
    """A worker with a database, and a volume that a service uses."""

    def __init__(self, **labels: str) -> None:
        self.runs = True
        mounts = [{"Type": "volume", "Name": "shop_data"}]
        self.container = {"Id": "c", "Names": ["/redis"], "Labels": labels, "Mounts": mounts}

    def info(self) -> dict[str, Any]:
        return {"Swarm": {"NodeID": "id", "LocalNodeState": "active"}}

    def containers(self, **_filters: str) -> list[dict[str, Any]]:
        return [self.container] if self.runs else []

    def volume(self, name: str) -> dict[str, Any]:
        if name != "shop_data":
            raise NotFound("no such volume")
        return {}


def places(monkeypatch: pytest.MonkeyPatch, node: Node, *names: str) -> list[dict[str, Any]]:
    monkeypatch.setattr(data, "LocalEngine", lambda _path: node)
    monkeypatch.setattr(store, "settings", lambda: SimpleNamespace(node="w1", jobs=JOBS))
    return data.restore_places("socket", names)


def test_a_volume_needs_its_service_stopped_also_one_that_is_frozen_for_its_backup(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = places(monkeypatch, Node(**OWN), "db", "elsewhere", "crash", "frozen")
    assert [(one["job"], one["here"], one["stop"]) for one in found] == [
        ("db", True, []),
        ("elsewhere", False, []),
        ("crash", True, [{"stack": "shop", "service": "redis"}]),
        ("frozen", True, [{"stack": "shop", "service": "redis"}]),
    ]
    assert {one["node"] for one in found} == {"w1"}


def test_a_volume_is_there_also_while_nobody_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(**OWN)
    node.runs = False
    found = places(monkeypatch, node, "db", "crash", "gone")
    assert [(one["job"], one["here"], one["there"]) for one in found] == [
        ("db", False, False),
        ("crash", False, True),
        ("gone", False, False),
    ]


def test_what_can_not_be_stopped_and_started_again_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for job in ("crash", "frozen"):
        with pytest.raises(HostError, match="%s: the container redis uses the volume" % job):
            places(monkeypatch, Node(), job)
    with pytest.raises(HostError, match="there is no job nobody: name one of db, elsewhere"):
        places(monkeypatch, Node(), "nobody")
