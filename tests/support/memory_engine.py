# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine in memory, for tests: it keeps a swarm's objects and refuses what a real engine refuses, in its words.

It behaves like the engine where planners and the executor depend on it: one rising version index, "update out of
sequence", names that are unique without regard to case, refusal to remove what a service's Spec uses (PreviousSpec
protects nothing), refusal of a service that names what is not there, specs with the engine's own defaults in them,
``PreviousSpec`` on every update of a service, and a list of networks that leaves the swarm's out when the swarm can't
be read.
tests/unit/test_memory_engine.py holds it and a real engine to the same contract.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Json, translate
from ansible_collections.flotilla.swarm.tests.support.memory_spec import given_back

_DATA_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9])?")
_NETWORK_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?")
_LIMITS = {"secret": 500 * 1024, "config": 1000 * 1024}
_REFERENCES = {"secret": ("Secrets", "SecretID"), "config": ("Configs", "ConfigID")}
_VXLAN = "com.docker.network.driver.overlay.vxlanid_list"
_WHEN = "2026-01-01T00:00:00.000000000Z"
_LIVE = ("new", "pending", "assigned", "accepted", "preparing", "ready", "starting", "running")


class MemoryEngine:
    """A manager of a swarm, unless told otherwise.

    Attributes:
        calls: the names of the methods that were called, in order.
        quorum: set it to False and the swarm has no leader.
        allocates: set it to False and new networks get no addresses, as in the moment after a real one was created.
        task_list: what ``tasks`` returns; one with a NetworkAttachmentSpec only when it is asked for.
        logs: task ID -> what the task wrote.
        missing_images: those that their registry does not have.
        auths: whether registry credentials were to go along, for each service that was created or updated.
    """

    def __init__(self, manager: bool = True) -> None:
        self.calls: list[str] = []
        self.quorum = True
        self.allocates = True
        self.task_list: list[Json] = []
        self.logs: dict[str, str] = {}
        self.missing_images: set[str] = set()
        self.auths: list[bool] = []
        self._index = 10
        self._ids = 0
        self._state = "active" if manager else "inactive"
        self._objects: dict[str, dict[str, Json]] = {
            "secret": {},
            "config": {},
            "service": {},
            "node": {},
            "network": {},
        }
        self._local = [_local_network(name) for name in ("bridge", "host", "none")]
        self._pending: dict[str, list[Callable[[], object]]] = {}
        self.node_id = self.add_node("m1", "192.0.2.11", role="manager", leader=True) if manager else ""

    # What a test does to the swarm behind the back of the code under test.

    def before(self, method: str, action: Callable[[], object]) -> None:
        """Do something once, just before that method's next call: what another run does at that moment."""
        self._pending.setdefault(method, []).append(action)

    def add_node(self, name: str, address: str, role: str = "worker", leader: bool = False, **spec: Any) -> str:
        node_id = self._new_id()
        node = self._stamped(node_id, {"Labels": {}, "Role": role, "Availability": "active", **spec})
        node["Description"] = {"Hostname": name}
        node["Status"] = {"State": "ready", "Addr": address}
        if role == "manager":
            node["ManagerStatus"] = {"Reachability": "reachable", "Addr": address + ":2377"}
            if leader:
                node["ManagerStatus"]["Leader"] = True
        self._objects["node"][node_id] = node
        return node_id

    def lose_node(self, node_id: str) -> None:
        """The node's machine is gone; the swarm has noticed."""
        node = self._objects["node"][node_id]
        node["Status"]["State"] = "down"
        if "ManagerStatus" in node:
            node["ManagerStatus"]["Reachability"] = "unreachable"

    def add_local_network(self, name: str) -> None:
        self._local.append(_local_network(name))

    # The protocol.

    def info(self) -> Json:
        self._called("info")
        swarm: Json = {
            "LocalNodeState": self._state,
            "NodeID": self.node_id,
            "ControlAvailable": self._state == "active",
        }
        if self._state == "active":
            swarm["Cluster"] = {"ID": "cluster"}
        return {"Name": "m1", "ServerVersion": "26.1.5", "Swarm": swarm}

    def swarm_inspect(self) -> Json:
        self._called("swarm_inspect")
        self._manager()
        tokens = {"Worker": "SWMTKN-1-worker", "Manager": "SWMTKN-1-manager"}
        return {"ID": "cluster", "Version": {"Index": self._index}, "Spec": {"Name": "default"}, "JoinTokens": tokens}

    def swarm_init(self, request: Json) -> str:
        self._called("swarm_init")
        self._become_member()
        self.node_id = self.add_node(
            "m1", str(request.get("AdvertiseAddr") or "192.0.2.11"), role="manager", leader=True
        )
        return self.node_id

    def swarm_join(self, request: Json) -> None:
        self._called("swarm_join")
        self._become_member()
        self.node_id = self.add_node("m1", str(request.get("AdvertiseAddr") or "192.0.2.11"), role="manager")

    def nodes(self) -> list[Json]:
        return self._list("nodes", "node")

    def update_node(self, node_id: str, version: int, spec: Json) -> None:
        self._called("update_node")
        self._manager()
        if spec.get("Availability") not in ("active", "pause", "drain") or spec.get("Role") not in (
            "manager",
            "worker",
        ):
            raise translate(400, "invalid Availability or Role")
        node = self._current("node", node_id, version)
        if spec["Role"] != node["Spec"]["Role"]:
            self._change_role(node, spec["Role"])
        node["Spec"] = copy.deepcopy(spec)
        self._touch(node)

    def remove_node(self, node_id: str) -> None:
        self._called("remove_node")
        self._manager()
        node = self._get("node", node_id)
        if node.get("ManagerStatus"):
            words = "node %s is a cluster manager and is a member of the raft cluster. It must be demoted to worker"
            raise translate(400, _rpc("FailedPrecondition", words % node_id))
        if node["Status"]["State"] != "down":
            raise translate(400, _rpc("FailedPrecondition", "node %s is not down and can't be removed" % node_id))
        del self._objects["node"][node_id]

    def secrets(self) -> list[Json]:
        found = self._list("secrets", "secret")
        for secret in found:
            del secret["Spec"]["Data"]
        return found

    def create_secret(self, name: str, data: bytes, labels: Mapping[str, str]) -> str:
        self._called("create_secret")
        return self._create_data("secret", name, data, labels)

    def update_secret(self, secret_id: str, version: int, spec: Json) -> None:
        self._called("update_secret")
        self._update_data("secret", secret_id, version, spec)

    def remove_secret(self, secret_id: str) -> None:
        self._called("remove_secret")
        self._remove_data("secret", secret_id)

    def configs(self, name: str | None = None) -> list[Json]:
        found = self._list("configs", "config")
        return [config for config in found if config["Spec"]["Name"].lower().startswith((name or "").lower())]

    def create_config(self, name: str, data: bytes, labels: Mapping[str, str], *, template_driver: str = "") -> str:
        self._called("create_config")
        config_id = self._create_data("config", name, data, labels)
        if template_driver:
            self._objects["config"][config_id]["Spec"]["Templating"] = {"Name": template_driver}
        return config_id

    def update_config(self, config_id: str, version: int, spec: Json) -> None:
        self._called("update_config")
        self._update_data("config", config_id, version, spec)

    def remove_config(self, config_id: str) -> None:
        self._called("remove_config")
        self._remove_data("config", config_id)

    def networks(self) -> list[Json]:
        self._called("networks")
        shared = list(self._objects["network"].values()) if self._state == "active" and self.quorum else []
        return copy.deepcopy([*shared, *self._local])

    def create_network(self, request: Json) -> str:
        self._called("create_network")
        self._manager()
        name = request["Name"]
        if not _NETWORK_NAME.fullmatch(name) or len(name) > 63:
            raise translate(400, "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component")
        if name in [network["Name"] for network in self._objects["network"].values()]:
            raise translate(409, "network with name %s already exists" % name)
        if name.lower() in [network["Name"].lower() for network in self._objects["network"].values()]:
            raise translate(500, "rpc error: code = Unknown desc = name conflicts with an existing object")
        network_id = self._new_id()
        self._objects["network"][network_id] = self._network(network_id, copy.deepcopy(request))
        return network_id

    def remove_network(self, network_id: str) -> None:
        self._called("remove_network")
        self._manager()
        if network_id not in self._objects["network"]:
            raise translate(404, "network %s not found" % network_id)
        for service in self._objects["service"].values():
            targets = [entry["Target"] for entry in service["Spec"].get("TaskTemplate", {}).get("Networks") or ()]
            if network_id in targets:
                raise translate(
                    400, _rpc("FailedPrecondition", "network %s is in use by service %s" % (network_id, service["ID"]))
                )
        for task in self.task_list:
            attached = [entry["Network"]["ID"] for entry in task.get("NetworksAttachments") or ()]
            if network_id in attached and task["Status"]["State"] in _LIVE and task["DesiredState"] in _LIVE:
                raise translate(
                    400, _rpc("FailedPrecondition", "network %s is in use by task %s" % (network_id, task["ID"]))
                )
        del self._objects["network"][network_id]

    def services(self) -> list[Json]:
        return self._list("services", "service")

    def create_service(self, spec: Json, *, registry_auth: bool = False) -> str:
        self._called("create_service")
        self._manager()
        self._unique("service", spec["Name"])
        service_id = self._new_id()
        self._objects["service"][service_id] = self._stamped(service_id, self._resolved(spec))
        self.auths.append(registry_auth)
        return service_id

    def update_service(self, service_id: str, version: int, spec: Json, *, registry_auth: bool = False) -> None:
        """Every update makes the Spec the PreviousSpec and forgets the UpdateStatus, even when nothing differs."""
        self._called("update_service")
        self._manager()
        service = self._current("service", service_id, version)
        service["PreviousSpec"] = service["Spec"]
        service["Spec"] = self._resolved(spec)
        service.pop("UpdateStatus", None)
        self._touch(service)
        self.auths.append(registry_auth)

    def remove_service(self, service_id: str) -> None:
        self._called("remove_service")
        self._manager()
        del self._objects["service"][self._get("service", service_id)["ID"]]

    def tasks(self, by_hand: bool = False) -> list[Json]:
        self._called("tasks")
        self._manager()
        attached = [task for task in self.task_list if "NetworkAttachmentSpec" in (task.get("Spec") or {})]
        return copy.deepcopy([task for task in self.task_list if by_hand or task not in attached])

    def task_log(self, task_id: str, lines: int) -> str:
        self._called("task_log")
        return "\n".join(self.logs.get(task_id, "").splitlines()[-lines:])

    def distribution(self, image: str) -> Json:
        """A digest that is always the same for a name."""
        self._called("distribution")
        if image in self.missing_images:
            raise translate(404, "manifest unknown: manifest unknown")
        digest = "sha256:" + hashlib.sha256(image.encode()).hexdigest()
        return {"Descriptor": {"digest": digest}, "Platforms": [{"architecture": "amd64", "os": "linux"}]}

    # What the above stand on.

    def _called(self, method: str) -> None:
        self.calls.append(method)
        for action in self._pending.pop(method, ()):
            action()

    def _manager(self) -> None:
        if self._state != "active":
            raise translate(
                503,
                'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node '
                "to swarm and try again.",
            )
        if not self.quorum:
            raise translate(
                500,
                _rpc("Unknown", "The swarm does not have a leader. It's possible that too few managers are online."),
            )

    def _become_member(self) -> None:
        if self._state == "active":
            raise translate(503, 'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm.')
        self._state = "active"

    def _change_role(self, node: Json, role: str) -> None:
        managers = [other for other in self._objects["node"].values() if other["Spec"]["Role"] == "manager"]
        if role == "worker" and len(managers) == 1:
            raise translate(400, _rpc("FailedPrecondition", "attempting to demote the last manager of the swarm"))
        if role == "worker":
            node.pop("ManagerStatus", None)
        else:
            node["ManagerStatus"] = {"Reachability": "reachable", "Addr": node["Status"]["Addr"] + ":2377"}

    def _new_id(self) -> str:
        self._ids += 1
        return "m%024d" % self._ids

    def _stamped(self, object_id: str, spec: Json) -> Json:
        self._index += 1
        version = {"Index": self._index}
        return {
            "ID": object_id,
            "Version": version,
            "CreatedAt": _WHEN,
            "UpdatedAt": _WHEN,
            "Spec": copy.deepcopy(spec),
        }

    def _touch(self, thing: Json) -> None:
        self._index += 1
        thing["Version"] = {"Index": self._index}

    def _list(self, method: str, kind: str) -> list[Json]:
        self._called(method)
        self._manager()
        return copy.deepcopy(list(self._objects[kind].values()))

    def _get(self, kind: str, object_id: str) -> Json:
        if object_id not in self._objects[kind]:
            raise translate(404, "%s %s not found" % (kind, object_id))
        return self._objects[kind][object_id]

    def _current(self, kind: str, object_id: str, version: int) -> Json:
        thing = self._get(kind, object_id)
        if thing["Version"]["Index"] != version:
            raise translate(500, _rpc("Unknown", "update out of sequence"))
        return thing

    def _unique(self, kind: str, name: str) -> None:
        if name.lower() in [thing["Spec"]["Name"].lower() for thing in self._objects[kind].values()]:
            raise translate(409, _rpc("AlreadyExists", "%s %s already exists" % (kind, name)))

    def _create_data(self, kind: str, name: str, data: bytes, labels: Mapping[str, str]) -> str:
        self._manager()
        if not _DATA_NAME.fullmatch(name) or len(name) > 64:
            raise translate(400, _rpc("InvalidArgument", "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed"))
        if not 0 < len(data) < _LIMITS[kind]:
            raise translate(400, "%s data must be larger than 0 and less than %d bytes" % (kind, _LIMITS[kind]))
        self._unique(kind, name)
        object_id = self._new_id()
        spec = {"Name": name, "Labels": dict(labels), "Data": base64.b64encode(data).decode()}
        self._objects[kind][object_id] = self._stamped(object_id, spec)
        return object_id

    def _update_data(self, kind: str, object_id: str, version: int, spec: Json) -> None:
        self._manager()
        thing = self._get(kind, object_id)
        same_data = spec.get("Data") in (None, thing["Spec"]["Data"])
        if spec["Name"] != thing["Spec"]["Name"] or not same_data:
            raise translate(400, _rpc("InvalidArgument", "only updates to Labels are allowed"))
        self._current(kind, object_id, version)["Spec"]["Labels"] = dict(spec.get("Labels") or {})
        self._touch(thing)

    def _remove_data(self, kind: str, object_id: str) -> None:
        self._manager()
        thing = self._get(kind, object_id)
        list_key, id_key = _REFERENCES[kind]
        users = [
            service["Spec"]["Name"]
            for service in self._objects["service"].values()
            for entry in (service["Spec"].get("TaskTemplate", {}).get("ContainerSpec") or {}).get(list_key) or ()
            if entry[id_key] == object_id
        ]
        if users:
            words = "%s '%s' is in use by the following service%s: %s"
            plural = "s" if len(users) > 1 else ""
            raise translate(
                400, _rpc("InvalidArgument", words % (kind, thing["Spec"]["Name"], plural, ", ".join(users)))
            )
        del self._objects[kind][object_id]

    def _resolved(self, spec: Json) -> Json:
        """The spec as the engine keeps it: its own defaults, and networks by ID.

        The networks that every node has are in no list of networks, and have IDs in the swarm all the same (moby,
        daemon/cluster: populateNetworkID, filterPredefinedNetworks).
        """
        result = given_back(spec)
        ids = {"host": "predefined-host", "bridge": "predefined-bridge"}
        ids.update({network["Name"]: network["Id"] for network in self._objects["network"].values()})
        for entry in result.get("TaskTemplate", {}).get("Networks") or ():
            if entry["Target"] not in ids.values():
                if entry["Target"] not in ids:
                    raise translate(404, "network %s not found" % entry["Target"])
                entry["Target"] = ids[entry["Target"]]
        container = result.get("TaskTemplate", {}).get("ContainerSpec") or {}
        for kind, (list_key, id_key) in _REFERENCES.items():
            missing = [
                entry[id_key.replace("ID", "Name")]
                for entry in container.get(list_key) or ()
                if entry[id_key] not in self._objects[kind]
            ]
            if missing:
                raise translate(400, _rpc("InvalidArgument", "%s not found: %s" % (kind, ", ".join(missing))))
        return result

    def _network(self, network_id: str, request: Json) -> Json:
        self._index += 1
        network: Json = {
            "Id": network_id,
            "Name": request["Name"],
            "Created": _WHEN,
            "Scope": "swarm",
            "Driver": "",
            "EnableIPv6": bool(request.get("EnableIPv6")),
            "IPAM": {"Driver": "", "Options": None, "Config": None},
            "Internal": bool(request.get("Internal")),
            "Attachable": bool(request.get("Attachable")),
            "Ingress": False,
            "ConfigFrom": {"Network": ""},
            "ConfigOnly": False,
            "Containers": None,
            "Options": None,
            "Labels": request.get("Labels") or None,
        }
        pools = [dict(pool) for pool in (request.get("IPAM") or {}).get("Config") or [{"Subnet": self._free_subnet()}]]
        taken = list(self._subnets())
        if self.allocates and not any(_subnet(pool).overlaps(other) for pool in pools for other in taken):
            for pool in pools:
                pool.setdefault("Gateway", str(_subnet(pool)[1]))
            network["Driver"] = request["Driver"]
            network["Options"] = {**(request.get("Options") or {}), _VXLAN: str(4096 + self._ids)}
            network["IPAM"] = {"Driver": "default", "Options": None, "Config": pools}
        return network

    def _subnets(self) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        for network in self._objects["network"].values():
            yield from (_subnet(pool) for pool in network["IPAM"]["Config"] or ())

    def _free_subnet(self) -> str:
        """The engine's default address pool, 10.0.0.0/8 in pieces of /24."""
        pieces = ipaddress.ip_network("10.0.0.0/8").subnets(new_prefix=24)
        taken = [subnet for subnet in self._subnets() if subnet.version == 4]
        return str(next(piece for piece in pieces if not any(piece.overlaps(other) for other in taken)))


def _rpc(code: str, words: str) -> str:
    return "rpc error: code = %s desc = %s" % (code, words)


def _subnet(pool: Mapping[str, str]) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(pool["Subnet"])


def _local_network(name: str) -> Json:
    driver = name if name in ("host", "none") else "bridge"
    return {
        "Id": "local-" + name,
        "Name": name,
        "Scope": "local",
        "Driver": driver,
        "IPAM": {"Config": []},
        "Labels": {},
    }
