# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot of a swarm, and the modules that read one."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._core import snapshot
from ansible_collections.flotilla.swarm.plugins.module_utils._core.snapshot import Observation
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import NoQuorum
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.observe import observe
from ansible_collections.flotilla.swarm.plugins.modules import swarm_info, swarm_tokens_info
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

KEYS = {
    "cluster": {
        "id",
        "created",
        "autolock",
        "data_path_port",
        "address_pools",
        "subnet_size",
        "ca_not_after",
        "ca_rotating",
    },
    "quorum": {"managers", "reachable", "needed", "tolerates", "leader", "leaders"},
    "tasks": {"total", "states", "running_by_node"},
}
ENTRY_KEYS = {
    "nodes": {
        "id",
        "name",
        "role",
        "availability",
        "state",
        "message",
        "address",
        "leader",
        "reachability",
        "manager_address",
        "engine_version",
        "platform",
        "cpus",
        "memory_bytes",
        "labels",
    },
    "services": {
        "id",
        "name",
        "stack",
        "mode",
        "image",
        "image_digest",
        "running",
        "desired",
        "state",
        "reason",
        "update",
        "endpoint_mode",
        "ports",
        "constraints",
        "volumes",
        "version",
        "created",
        "updated",
        "labels",
    },
    "networks": {
        "id",
        "name",
        "driver",
        "attachable",
        "internal",
        "ingress",
        "encrypted",
        "subnets",
        "addresses",
        "owner",
        "labels",
        "used_by",
    },
    "secrets": {"id", "name", "logical_name", "version", "owner", "labels", "created", "used_by"},
    "configs": {"id", "name", "logical_name", "version", "owner", "labels", "created", "used_by"},
}


def node(node_id: str, name: str, **fields: Any) -> dict[str, Any]:
    return {
        "ID": node_id,
        "Spec": {"Role": "worker", "Availability": "active", "Labels": {"tier": "application"}},
        "Description": {
            "Hostname": name,
            "Platform": {"OS": "linux", "Architecture": "x86_64"},
            "Resources": {"NanoCPUs": 2000000000, "MemoryBytes": 1024},
            "Engine": {"EngineVersion": "28.5.2"},
        },
        "Status": {"State": "ready", "Addr": "192.0.2.21"},
        **fields,
    }


def manager(node_id: str, name: str, reachability: str = "reachable", leader: bool = False) -> dict[str, Any]:
    status = {"Reachability": reachability, "Addr": "192.0.2.11:2377", "Leader": leader}
    return node(node_id, name, ManagerStatus=status, Spec={"Role": "manager", "Availability": "drain"})


WEB: dict[str, Any] = {
    "ID": "s-web",
    "Version": {"Index": 7},
    "Spec": {
        "Name": "app_web",
        "Labels": {"com.docker.stack.namespace": "app", "flotilla.swarm.owner": "flotilla"},
        "Mode": {"Replicated": {"Replicas": 2}},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "registry.example.com:5000/web:1.2@sha256:abc",
                "Secrets": [{"SecretID": "sec1", "SecretName": "pw_v2"}],
            },
            "Networks": [{"Target": "net1"}],
        },
    },
    "Endpoint": {
        "Spec": {"Mode": "dnsrr"},
        "Ports": [{"PublishedPort": 8080, "TargetPort": 80, "Protocol": "tcp", "PublishMode": "host"}],
    },
}
OTHER: dict[str, Any] = {
    "ID": "s-other",
    "Spec": {
        "Name": "agent",
        "Mode": {"Global": {}},
        "TaskTemplate": {"ContainerSpec": {"Image": "agent:1"}},
    },
}


def task(task_id: str, service: dict[str, Any], node_id: str, state: str) -> dict[str, Any]:
    return {
        "ID": task_id,
        "ServiceID": service["ID"],
        "Slot": int(task_id[-1]),
        "NodeID": node_id,
        "DesiredState": "running",
        "Spec": service["Spec"]["TaskTemplate"],
        "Status": {"State": state},
        "CreatedAt": "2026-01-01T00:00:00Z",
    }


LABELS = {
    "flotilla.swarm.owner": "flotilla",
    "flotilla.swarm.name": "pw",
    "flotilla.swarm.version": "2",
    "flotilla.swarm.digest": "canary",
    "team": "x",
}
OBSERVED = Observation(
    swarm={
        "ID": "cluster",
        "CreatedAt": "2026-01-01T00:00:00Z",
        "Spec": {"EncryptionConfig": {"AutoLockManagers": True}},
        "DefaultAddrPool": ["10.0.0.0/8"],
        "SubnetSize": 24,
        "TLSInfo": {"TrustRoot": "no certificate"},
        "JoinTokens": {"Worker": "canary"},
    },
    nodes=[
        node("w1", "w1"),
        manager("m3", "m3", "unreachable"),
        manager("m1", "m1", leader=True),
        manager("m2", "m2"),
    ],
    services=[WEB, OTHER],
    tasks=[task("t1", WEB, "w1", "running"), task("t2", WEB, "w1", "failed")],
    networks=[
        {
            "Id": "net1",
            "Name": "back",
            "Scope": "swarm",
            "Driver": "overlay",
            "Options": {"encrypted": "false"},
            "IPAM": {"Config": [{"Subnet": "10.20.0.0/24"}]},
        },
        {"Id": "local", "Name": "bridge", "Scope": "local"},
    ],
    secrets=[{"ID": "sec1", "Spec": {"Name": "pw_v2", "Labels": LABELS}}],
    configs=[{"ID": "c1", "Spec": {"Name": "plain_v9", "Data": "canary"}}],
)


def test_the_schema_is_what_the_module_documents() -> None:
    taken = snapshot.take(OBSERVED)
    assert taken["schema"] == 1
    for part, keys in KEYS.items():
        assert set(taken[part]) == keys
    for part, keys in ENTRY_KEYS.items():
        assert taken[part]
        assert all(set(entry) == keys for entry in taken[part])
    for keys in (*KEYS.values(), *ENTRY_KEYS.values()):
        assert all(key in swarm_info.RETURN for key in keys)


def test_the_cluster_and_its_quorum() -> None:
    taken = snapshot.take(OBSERVED)
    assert taken["cluster"]["autolock"] is True
    assert taken["cluster"]["data_path_port"] == 4789
    assert taken["cluster"]["ca_not_after"] is None
    assert taken["quorum"] == {
        "managers": 3,
        "reachable": 2,
        "needed": 2,
        "tolerates": 0,
        "leader": "m1",
        "leaders": ["m1"],
    }


def test_a_service_comes_with_its_verdict() -> None:
    agent, web = snapshot.take(OBSERVED)["services"]
    assert (agent["name"], agent["mode"], agent["stack"], agent["endpoint_mode"]) == ("agent", "global", "", "vip")
    assert (web["image"], web["image_digest"]) == ("registry.example.com:5000/web:1.2", "sha256:abc")
    assert (web["running"], web["desired"], web["state"]) == (1, 2, "crashed")
    assert web["ports"] == [{"published": 8080, "target": 80, "protocol": "tcp", "mode": "host"}]
    assert web["endpoint_mode"] == "dnsrr"
    assert web["labels"] == {"com.docker.stack.namespace": "app"}
    assert snapshot.take(OBSERVED)["stacks"] == {"app": ["app_web"]}


def test_usage_versions_and_what_encrypts() -> None:
    taken = snapshot.take(OBSERVED)
    (network,) = taken["networks"]
    assert (network["encrypted"], network["subnets"], network["used_by"]) == (True, ["10.20.0.0/24"], ["app_web"])
    assert network["addresses"] == {"total": 253, "used": 0, "free": 253}
    (secret,) = taken["secrets"]
    assert (secret["logical_name"], secret["version"], secret["used_by"]) == ("pw", 2, ["app_web"])
    assert secret["labels"] == {"team": "x"}
    (config,) = taken["configs"]
    assert (config["logical_name"], config["version"]) == ("plain_v9", None)
    assert taken["tasks"] == {"total": 2, "states": {"failed": 1, "running": 1}, "running_by_node": {"w1": 1}}


def test_what_was_replaced_elsewhere_runs_on_no_node() -> None:
    """A node that is down says nothing more of its tasks, and the swarm keeps their last state."""
    (task,) = (task for task in OBSERVED.tasks if task["Status"]["State"] == "running")
    lost = {**task, "ID": "lost", "NodeID": "gone", "DesiredState": "shutdown"}
    taken = snapshot.take(replace(OBSERVED, tasks=[*OBSERVED.tasks, lost]))
    assert taken["tasks"]["running_by_node"] == {"w1": 1}
    assert taken["tasks"]["states"]["running"] == 2


def test_a_network_without_addresses_yet_has_none_to_count() -> None:
    young = {"Id": "n", "Name": "young", "Scope": "swarm", "Driver": "", "IPAM": {"Driver": "", "Config": None}}
    (network,) = snapshot.take(Observation(swarm={}, networks=[young]))["networks"]
    assert network["addresses"] is None


def test_nothing_secret_is_in_it_and_nothing_observed_is_changed() -> None:
    before = copy.deepcopy(OBSERVED)
    taken = snapshot.take(OBSERVED)
    assert before == OBSERVED
    assert "canary" not in json.dumps(taken)
    assert snapshot.take(OBSERVED) == taken


def test_an_empty_swarm_has_a_snapshot_too() -> None:
    taken = snapshot.take(Observation(swarm={}))
    assert taken["quorum"]["leader"] is None
    assert taken["stacks"] == {}


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_each_list_is_read_once(engine: MemoryEngine) -> None:
    taken = snapshot.take(observe(engine))
    assert [entry["name"] for entry in taken["nodes"]] == ["m1"]
    assert sorted(engine.calls) == sorted(set(engine.calls))


def test_a_quorum_that_is_lost_on_the_way_leaves_no_half_snapshot(engine: MemoryEngine) -> None:
    def lose() -> None:
        engine.quorum = False

    engine.before("networks", lose)
    with pytest.raises(NoQuorum):
        observe(engine)


def run(module: ModuleType, engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> dict[str, Any]:
    monkeypatch.setattr(client, "connect", lambda _socket: engine)
    with patch_module_args({}), pytest.raises(SystemExit):
        module.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_the_module_returns_the_snapshot_and_changes_nothing(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.create_secret("pw_v1", b"canary", {})
    result = run(swarm_info, engine, monkeypatch, capsys)
    assert not result["changed"]
    assert result["snapshot"]["cluster"]["id"] == "cluster"
    assert "canary" not in json.dumps(result)


def test_tokens_come_with_the_addresses_to_use_them_at(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(swarm_tokens_info, engine, monkeypatch, capsys)
    assert result["tokens"] == {"worker": "SWMTKN-1-worker", "manager": "SWMTKN-1-manager"}
    assert (result["cluster_id"], result["remote_addrs"]) == ("cluster", ["192.0.2.11:2377"])


@pytest.mark.parametrize("module", [swarm_info, swarm_tokens_info])
def test_a_worker_is_told_to_ask_a_manager(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = run(module, MemoryEngine(manager=False), monkeypatch, capsys)
    assert result["failed"]
    assert "Run it on a manager" in result["msg"]


def test_the_volumes_of_a_service_are_those_that_it_names() -> None:
    mounts = [
        {"Type": "volume", "Source": "shop_data", "Target": "/data"},
        {"Type": "volume", "Target": "/cache"},
        {"Type": "bind", "Source": "/srv", "Target": "/srv"},
        {"Type": "volume", "Source": "shop_data", "Target": "/again"},
    ]
    (first, *others) = OBSERVED.services
    template = {"ContainerSpec": {"Image": "agent:1", "Mounts": mounts}}
    observed = replace(OBSERVED, services=[{**first, "Spec": {**first["Spec"], "TaskTemplate": template}}, *others])
    by_id = {one["id"]: one["volumes"] for one in snapshot.take(observed)["services"]}
    assert by_id[first["ID"]] == ["shop_data"]
    assert all(not volumes for service, volumes in by_id.items() if service != first["ID"])
