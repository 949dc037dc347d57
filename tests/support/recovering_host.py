# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host on which a swarm is made anew, for tests: its engine in memory, and a manager's state on its disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host, swarm_spec
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import leave as leaving
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import NoQuorum, StaleVersion
from ansible_collections.flotilla.swarm.plugins.module_utils._host import engine_service, node_key
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.module_utils._recover import anew, evidence, prepare
from ansible_collections.flotilla.swarm.plugins.module_utils._recover.prepare import Request

# Its subject: O = clusterid, OU = swarm-manager, CN = nodeid.
CLUSTER = "clusterid"
PLAIN_KEY = b"-----BEGIN PRIVATE KEY-----\nkek-version: 50\nraft-dek: x\n\nAAAA\n-----END PRIVATE KEY-----\n"
OLDER_KEY = PLAIN_KEY.replace(b"version: 50", b"version: 0")
LOCKED_KEY = PLAIN_KEY.replace(b"BEGIN PRIVATE", b"BEGIN ENCRYPTED PRIVATE").replace(b"END PRIV", b"END ENCRYPTED PRIV")
KEY = "SWMKEY-1-this-is-the-canary"
METADATA = {
    "format": 1,
    "cluster_id": CLUSTER,
    "node_id": "nodeid",
    "node_name": "m2",
    "address": "192.0.2.12",
    "listen_addr": "0.0.0.0:2377",
    "data_path_port": 4789,
    "engine_version": "26.1.5",
    "autolock": True,
    "taken": "2026-11-22T23:00:00Z",
    "managers": [{"id": "nodeid", "name": "m2", "address": "192.0.2.12"}],
    "workers": [],
}


class Engine:
    """This host's engine, as far as a recovery asks it."""

    def __init__(self) -> None:
        self.state = "active"
        self.error = "no leader"
        self.autolock = True
        self.keeps_autolock = True
        self.others: list[dict[str, Any]] = []
        self.requests: list[Any] = []
        self.refuse: Exception | None = None
        self.version = 7
        self.config_names: list[str] = []

    def info(self) -> dict[str, Any]:
        swarm: dict[str, Any] = {"LocalNodeState": self.state, "NodeID": "nodeid" if self.state != "inactive" else ""}
        if self.state == "active":
            swarm |= {"ControlAvailable": True, "Error": self.error, "Cluster": {"ID": CLUSTER}}
        return {"Name": "m2", "ServerVersion": "26.1.5+dfsg1", "DockerRootDir": str(self.root), "Swarm": swarm}

    def nodes(self) -> list[dict[str, Any]]:
        if self.error:
            raise NoQuorum(self.error)
        return [{"ID": "nodeid", "ManagerStatus": {"Leader": True}, "Status": {"State": "ready"}}, *self.others]

    def swarm_inspect(self) -> dict[str, Any]:
        spec = {"Name": "default", "EncryptionConfig": {"AutoLockManagers": self.autolock}}
        return {"ID": CLUSTER, "Version": {"Index": self.version}, "Spec": spec}

    def force_new_cluster(self, request: dict[str, Any]) -> str:
        self.requests.append(request)
        if self.refuse:
            raise self.refuse
        self.state, self.error = "active", ""
        self.autolock = request["Spec"]["EncryptionConfig"]["AutoLockManagers"] and self.keeps_autolock
        return "nodeid"

    def update_swarm(self, version: int, spec: dict[str, Any], **_rotate: bool) -> None:
        self.requests.append((version, spec))
        if version != self.version:
            raise StaleVersion("update out of sequence")
        self.autolock = spec["EncryptionConfig"]["AutoLockManagers"]

    def configs(self) -> list[dict[str, Any]]:
        return [{"ID": name, "Spec": {"Name": name}} for name in self.config_names]

    def remove_config(self, config_id: str) -> None:
        self.config_names.remove(config_id)

    root: Path = Path()


class Host:
    """A host with an engine, a state directory and a service, on which everything that is done is noted."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = Engine()
        self.engine.root = directory / "docker"
        self.state = self.engine.root / "swarm"
        self.fetched = directory / "recovery" / "swarm"
        self.done: list[str] = []
        self.starts_fail = 0
        self.opens = True
        for module in (prepare, anew, swarm_spec, leaving):
            monkeypatch.setattr(module, "LocalEngine", lambda _path: self.engine)
        for module in (evidence, prepare):
            monkeypatch.setattr(module, "HostEngine", lambda _path: self.engine)
        monkeypatch.setattr(host, "is_installed", lambda _path: True)
        monkeypatch.setattr(engine_service, "stop", lambda _deadline: self._stop())
        monkeypatch.setattr(engine_service, "start", lambda _deadline: self._start())
        monkeypatch.setattr(node_key, "check", self._check)
        monkeypatch.setattr(node_key, "unlock", self._unlock)

    def _stop(self) -> None:
        self.done.append("stop")

    def _start(self) -> None:
        self.done.append("start")
        if self.starts_fail:
            self.starts_fail -= 1
            raise HostError("the engine can't be started")
        self.engine.state = "active" if (self.state / "docker-state.json").exists() else "inactive"

    def _check(self, state: Path, key: str | None) -> bool:
        self.done.append("check")
        locked = (state / "certificates/swarm-node.key").read_bytes() == LOCKED_KEY
        if not self.opens or (locked and key != KEY):
            raise HostError("the unlock key does not open it")
        return locked

    def _unlock(self, state: Path, _key: str) -> None:
        self.done.append("unlock")
        (state / "certificates/swarm-node.key").write_bytes(PLAIN_KEY)

    def fill(self, state: Path, key: bytes = PLAIN_KEY, pem: bytes | None = None) -> None:
        (state / "certificates").mkdir(parents=True)
        (state / "certificates/swarm-node.crt").write_bytes(MANAGER if pem is None else pem)
        (state / "certificates/swarm-node.key").write_bytes(key)
        (state / "docker-state.json").write_text("{}")
        (state / "state.json").write_text(json.dumps([{"node_id": "other", "addr": "192.0.2.11:2377"}]))

    def fetch(self, **changed: Any) -> None:
        self.fill(self.fetched, LOCKED_KEY)
        (self.fetched.parent / "metadata.json").write_text(json.dumps({**METADATA, **changed}))

    def recover(self, source: str = "own", **options: Any) -> dict[str, Any]:
        wanted = Request(source, CLUSTER, state_dir=str(self.fetched), deadline=0.5, **options)
        found = prepare.prepare("socket", wanted)
        assert "stop" not in self.done, "everything is looked at before the engine is stopped"
        return anew.recover("socket", wanted, found, sleep=lambda _seconds: None)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.engine.root.iterdir())

    def files(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.state)): p.read_bytes() for p in self.state.rglob("*") if p.is_file()}


# Both made with: openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650
#   -subj /O=clusterid/OU=swarm-manager/CN=nodeid (swarm-worker)
MANAGER = b"""-----BEGIN CERTIFICATE-----
MIIBzzCCAXWgAwIBAgIUHSdnRvxCJaJkRnx3i5cGJXMYEQUwCgYIKoZIzj0EAwIw
PTESMBAGA1UECgwJY2x1c3RlcmlkMRYwFAYDVQQLDA1zd2FybS1tYW5hZ2VyMQ8w
DQYDVQQDDAZub2RlaWQwHhcNMjYxMTIyMjM1MzI2WhcNMzYxMTE5MjM1MzI2WjA9
MRIwEAYDVQQKDAljbHVzdGVyaWQxFjAUBgNVBAsMDXN3YXJtLW1hbmFnZXIxDzAN
BgNVBAMMBm5vZGVpZDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCIj/Qz0Ii7I
ociVxGHcumdoTr+XSJgMMohCkArkS+6No/MoYqFt4c9k+IhlXMCu11E57V/anno4
iC83x0dmxSKjUzBRMB0GA1UdDgQWBBSmA8ZVkEAdasRhVmvxO0Dtb1YgqTAfBgNV
HSMEGDAWgBSmA8ZVkEAdasRhVmvxO0Dtb1YgqTAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIQCFVpzqolZ8BGIfZEu3KflMcv5JmZZAnl4HZKs2HZZj
xwIgF1Hx7OIa6/1ofOj/HFAOR1oLwNpn2R30KOtJGxNakYg=
-----END CERTIFICATE-----
"""
WORKER = b"""-----BEGIN CERTIFICATE-----
MIIBzTCCAXOgAwIBAgIUKJ2X2HkwN5zZGBqIv8x+CbmZZK8wCgYIKoZIzj0EAwIw
PDESMBAGA1UECgwJY2x1c3RlcmlkMRUwEwYDVQQLDAxzd2FybS13b3JrZXIxDzAN
BgNVBAMMBm5vZGVpZDAeFw0yNjExMjIyMzUzMjZaFw0zNjExMTkyMzUzMjZaMDwx
EjAQBgNVBAoMCWNsdXN0ZXJpZDEVMBMGA1UECwwMc3dhcm0td29ya2VyMQ8wDQYD
VQQDDAZub2RlaWQwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQkc8O5J/eEj73K
10+tkr35U3Y2dFG+5omnCJknbl83N8TgCAAoWlmQMxBves+7xhVUO20ajSaUlfLJ
/bN51Y1Mo1MwUTAdBgNVHQ4EFgQU/C8wNAkLTanu7/OrvaovMMj4PF0wHwYDVR0j
BBgwFoAU/C8wNAkLTanu7/OrvaovMMj4PF0wDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiEAuPX8rO4eAFRRgq5t+lTNNs9QueTPcJDzLShy8HALcSgC
IH3ZdcsjM73NOhrshxzGYRhcVxIT7KFJXQnjPBxZzwiH
-----END CERTIFICATE-----
"""
