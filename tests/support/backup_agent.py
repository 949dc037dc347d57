# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent finds on a node, in memory: a repository, an engine's containers, and the docker command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import fetch, raft, restore, store, verify, volumes
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import jobs
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Snapshot
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.settings import Settings
from ansible_collections.flotilla.swarm.plugins.module_utils._host import command
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

SWARM, NODE = "cluster1", "n1"
JOBS = jobs.parse(
    [
        {
            "name": "pg",
            "kind": "postgres",
            "service": "shop_db",
            "user": "shop",
            "query": "SELECT count(*) FROM orders",
        },
        {"name": "rd", "kind": "redis", "service": "shop_cache", "password_file": "/run/secrets/redis_password"},
        {"name": "vol", "kind": "volume", "volume": "shop_uploads"},
        {"name": "raw", "kind": "volume", "volume": "shop_raw", "consistency": "crash"},
        {"name": "etc", "kind": "files", "paths": ["/etc/shop"]},
    ],
    True,
)
JOB = {job.name: job for job in JOBS}


def settings(*names: str, cluster_id: str = SWARM) -> Settings:
    """Of a node with these jobs, or all."""
    own = tuple(JOB[name] for name in names) or JOBS
    return Settings("/srv/backup", 0, cluster_id, NODE, "manager", {"within": "30d", "last": 3}, "5%", "", 14400, own)


def snapshot(id: str, job: str, *, minute: int = 0, host: str = NODE, swarm: str = SWARM) -> Snapshot:  # noqa: A002
    return Snapshot(id, "2026-11-22T23:%02d:00.000000Z" % minute, host, job, JOB[job].kind, swarm)


class Repository:
    """As ``_host.restic.Restic``: what it holds, and what it was asked."""

    def __init__(self, *snapshots: Snapshot) -> None:
        self.held = list(snapshots)
        self.files: dict[tuple[str, str], bytes] = {}
        self.trees: dict[str, Path] = {}
        self.fed: list[list[str]] = []
        self.restored: list[tuple[str, str, bool]] = []
        self.checked = 0
        self.refuses = ""

    def snapshots(self) -> list[Snapshot]:
        return self.held

    def check(self) -> None:
        self.checked += 1

    def dump(self, snapshot: str, path: str) -> bytes:
        try:
            return self.files[snapshot, path]
        except KeyError as error:
            raise HostError("the snapshot %s has no %s" % (snapshot, path)) from error

    def dump_to(self, _snapshot: str, _path: str, argv: Sequence[str]) -> bytes:
        self.fed.append(list(argv))
        if self.refuses:
            raise HostError(self.refuses)
        return b""

    def restore(self, snapshot: str, path: str, target: str, *, delete: bool = False) -> None:
        self.restored.append((path, target, delete))
        if self.refuses:
            raise HostError(self.refuses)
        if snapshot in self.trees:
            shutil.copytree(self.trees[snapshot], target, symlinks=True, dirs_exist_ok=True)


class Engine:
    """As ``LocalEngine``, of a node with one container a service."""

    def __init__(self, *services: str, version: str = "26.1.5", user: str = "70:70") -> None:
        self.services = services
        self.version = version
        self.user = user
        self.users: list[dict[str, Any]] = []
        self.mountpoint = "/var/lib/docker/volumes/x/_data"
        self.frozen: list[str] = []

    def info(self) -> dict[str, Any]:
        return {"ServerVersion": self.version}

    def containers(self, **filters: str) -> list[dict[str, Any]]:
        if "volume" in filters:
            return self.users
        service = filters["label"].partition("=")[2]
        return [{"Id": "live"}] if service in self.services else []

    def container(self, container_id: str) -> dict[str, Any]:
        return {"Id": container_id, "Image": "sha256:1234", "Config": {"Image": "shop/db:1", "User": self.user}}

    def volume(self, _name: str) -> dict[str, Any]:
        return {"Driver": "local", "Mountpoint": self.mountpoint}

    def pause(self, container_id: str) -> None:
        self.frozen.append(container_id)

    def unpause(self, container_id: str) -> None:
        self.frozen.remove(container_id)


Answer = Callable[[list[str]], "tuple[int, str, str] | str | None"]


class Docker:
    """Answers the docker command, and keeps what was asked: ``answer`` first, then as one whom all goes well with."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[list[str]] = []

    def run(self, words: Sequence[str], _deadline: float = 0) -> tuple[int, str, str]:
        self.asked.append(list(words))
        found = self.answer(list(words))
        if isinstance(found, tuple):
            return found
        return (0, found if found is not None else "throw\n" if words[1] == "run" else "", "")

    def said(self, *words: str) -> list[str]:
        """The one thing asked in which these words are."""
        (found,) = [asked for asked in self.asked if all(word in asked for word in words)]
        return found


def on_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Repository, answer: Answer) -> Docker:
    """Put all this in the place of what a node has."""
    docker = Docker(answer)
    monkeypatch.setattr(command, "run", docker.run)
    for module in (fetch, restore, verify):
        monkeypatch.setattr(module, "Restic", lambda _settings: repository)
    monkeypatch.setattr(store, "SETTINGS", tmp_path / "settings.json")
    store.write_file(store.SETTINGS, json.dumps(settings().as_dict()), 0o600)
    monkeypatch.setattr(store, "STATE", tmp_path / "lib")
    monkeypatch.setattr(store, "RUN", tmp_path / "run")
    monkeypatch.setattr(store, "STAGING", tmp_path / "lib" / "staging")
    monkeypatch.setattr(verify, "STAGING", tmp_path / "lib" / "staging" / "verify")
    monkeypatch.setattr(volumes, "PAUSED", tmp_path / "run" / "paused")
    monkeypatch.setattr(fetch, "RECOVERY", tmp_path / "recovery")
    return docker


def raft_backup(repository: Repository, taken: Snapshot, state: Path, key: str = "", **metadata: Any) -> None:
    """Let a snapshot hold a manager's state."""
    node = {"id": "node1", "name": "m1", "address": "192.0.2.11"}
    found = {
        "format": 1,
        "cluster_id": taken.swarm,
        "node_id": "node1",
        "node_name": "m1",
        "address": "192.0.2.11",
        "listen_addr": "0.0.0.0:2377",
        "data_path_port": 4789,
        "engine_version": "26.1.5",
        "autolock": bool(key),
        "taken": "2026-11-22T23:00:00Z",
        "managers": [node],
        "workers": [],
        **metadata,
    }
    text = json.dumps(found).encode()
    repository.files[taken.id, str(raft.STAGING / "metadata.json")] = text
    repository.files[taken.id, str(raft.KEY)] = key.encode() + b"\n"
    (state.parent / "metadata.json").write_bytes(text)
    repository.trees[taken.id] = state.parent
