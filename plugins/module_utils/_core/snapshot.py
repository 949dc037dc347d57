# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot: what a swarm is and what runs on it, in a schema that roles, tests and reports can rely on.

Everything comes from one reading of the engine's lists, so its parts agree. Nothing in it is a secret: of secrets and
configs it has the names, never the data nor its digest. Lists are sorted by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import address_space, certificate, labels, naming, networks, node_json, quorum, service_json, verdict, versioned

Json = Mapping[str, Any]

SCHEMA = 1
"""Raised when a field changes its meaning or goes; new fields don't raise it."""

_STACK = "com.docker.stack.namespace"
_SERVICE = "service "


@dataclass(frozen=True)
class Observation:
    """The engine's answers, as they came: one swarm inspection and the lists."""

    swarm: Json
    nodes: Sequence[Json] = ()
    services: Sequence[Json] = ()
    tasks: Sequence[Json] = ()
    networks: Sequence[Json] = ()
    secrets: Sequence[Json] = ()
    configs: Sequence[Json] = ()


def take(observed: Observation) -> dict[str, Any]:
    """The snapshot of what was observed.

    Returns:
        ``schema``, ``cluster``, ``quorum``, ``nodes``, ``services``, ``tasks``, ``networks``, ``secrets``, ``configs``
        and ``stacks``; the fields of each are documented in the module ``swarm_info``.
    """
    services = sorted((_service(service, observed) for service in observed.services), key=_by_name)
    stacks: dict[str, list[str]] = {}
    for service in services:
        if service["stack"]:
            stacks.setdefault(service["stack"], []).append(service["name"])
    return {
        "schema": SCHEMA,
        "cluster": _cluster(observed.swarm),
        "quorum": _quorum(observed.nodes),
        "nodes": sorted((_node(node) for node in observed.nodes), key=_by_name),
        "services": services,
        "tasks": _tasks(observed),
        "networks": _networks(observed),
        "secrets": _versioned(versioned.SECRET, observed.secrets, observed.services),
        "configs": _versioned(versioned.CONFIG, observed.configs, observed.services),
        "stacks": dict(sorted(stacks.items())),
    }


def _by_name(entry: Json) -> tuple[str, str]:
    return str(entry["name"]), str(entry["id"])


def _cluster(swarm: Json) -> dict[str, Any]:
    spec = swarm.get("Spec") or {}
    return {
        "id": swarm.get("ID"),
        "created": swarm.get("CreatedAt"),
        "autolock": bool((spec.get("EncryptionConfig") or {}).get("AutoLockManagers")),
        "data_path_port": swarm.get("DataPathPort") or 4789,
        "address_pools": list(swarm.get("DefaultAddrPool") or ()),
        "subnet_size": swarm.get("SubnetSize"),
        "ca_not_after": _end_of_ca(swarm),
        "ca_rotating": bool(swarm.get("RootRotationInProgress")),
    }


def _end_of_ca(swarm: Json) -> str | None:
    """When the swarm's own CA ends; None when the engine doesn't show its certificate."""
    try:
        return certificate.parse(str((swarm.get("TLSInfo") or {}).get("TrustRoot") or "").encode()).not_after
    except ValueError:
        return None


def _quorum(nodes: Sequence[Json]) -> dict[str, Any]:
    managers = [node for node in nodes if node_json.in_raft(node)]
    reachable = [node for node in managers if node_json.reachable(node)]
    leaders = sorted(node_json.name(node) for node in managers if node_json.leads(node))
    return {
        "managers": len(managers),
        "reachable": len(reachable),
        "needed": quorum.needed(len(managers)),
        "tolerates": max(0, len(reachable) - quorum.needed(len(managers))),
        "leader": leaders[0] if len(leaders) == 1 else None,
        "leaders": leaders,
    }


def _node(node: Json) -> dict[str, Any]:
    spec, status = node.get("Spec") or {}, node.get("Status") or {}
    description, manager = node.get("Description") or {}, node.get("ManagerStatus") or {}
    resources, platform = description.get("Resources") or {}, description.get("Platform") or {}
    return {
        "id": node.get("ID"),
        "name": node_json.name(node),
        "role": spec.get("Role"),
        "availability": spec.get("Availability"),
        "state": status.get("State"),
        "message": status.get("Message") or "",
        "address": status.get("Addr"),
        "leader": bool(manager.get("Leader")),
        "reachability": manager.get("Reachability"),
        "manager_address": manager.get("Addr"),
        "engine_version": (description.get("Engine") or {}).get("EngineVersion"),
        "platform": "/".join(filter(None, (platform.get("OS"), platform.get("Architecture")))),
        "cpus": int(resources.get("NanoCPUs") or 0) / 1e9,
        "memory_bytes": int(resources.get("MemoryBytes") or 0),
        "labels": labels.foreign(spec.get("Labels")),
    }


def _service(service: Json, observed: Observation) -> dict[str, Any]:
    spec = service.get("Spec") or {}
    template = spec.get("TaskTemplate") or {}
    image, _at, digest = str((template.get("ContainerSpec") or {}).get("Image") or "").partition("@")
    own = [task for task in observed.tasks if task.get("ServiceID") == service.get("ID")]
    judged = verdict.judge(service, own, observed.nodes)
    endpoint = (service.get("Endpoint") or {}).get("Spec") or {}
    return {
        "id": service.get("ID"),
        "name": spec.get("Name"),
        "stack": (spec.get("Labels") or {}).get(_STACK) or "",
        "mode": service_json.mode(spec),
        "image": image,
        "image_digest": digest,
        "running": judged.running,
        "desired": judged.desired,
        "state": judged.state,
        "reason": judged.reason,
        "update": judged.update,
        "endpoint_mode": endpoint.get("Mode") or (spec.get("EndpointSpec") or {}).get("Mode") or "vip",
        "ports": [_port(port) for port in (service.get("Endpoint") or {}).get("Ports") or ()],
        "constraints": list((template.get("Placement") or {}).get("Constraints") or ()),
        "volumes": _volumes(template),
        "version": (service.get("Version") or {}).get("Index"),
        "created": service.get("CreatedAt"),
        "updated": service.get("UpdatedAt"),
        "labels": labels.foreign(spec.get("Labels")),
    }


def _volumes(template: Json) -> list[str]:
    """Names of the volumes that its tasks have, also while none of them runs."""
    mounts = (template.get("ContainerSpec") or {}).get("Mounts") or ()
    return sorted({str(one["Source"]) for one in mounts if one.get("Type") == "volume" and one.get("Source")})


def _port(port: Json) -> dict[str, Any]:
    return {
        "published": port.get("PublishedPort"),
        "target": port.get("TargetPort"),
        "protocol": port.get("Protocol"),
        "mode": port.get("PublishMode"),
    }


def _tasks(observed: Observation) -> dict[str, Any]:
    names = {node.get("ID"): node_json.name(node) for node in observed.nodes}
    states = Counter(str((task.get("Status") or {}).get("State")) for task in observed.tasks)
    # The tasks of a node that is down were running when it was last heard of, and run elsewhere by now.
    running = Counter(
        names.get(task.get("NodeID"), str(task.get("NodeID")))
        for task in observed.tasks
        if (task.get("Status") or {}).get("State") == "running" and task.get("DesiredState") != "shutdown"
    )
    return {
        "total": len(observed.tasks),
        "states": dict(sorted(states.items())),
        "running_by_node": dict(sorted(running.items())),
    }


def _networks(observed: Observation) -> list[dict[str, Any]]:
    seen = networks.Observation(observed.networks, observed.services, observed.tasks)
    found = []
    for network in observed.networks:
        if network.get("Scope") != "swarm":
            continue
        options = network.get("Options") or {}
        addresses = address_space.count(network, observed.services, observed.tasks, observed.nodes)
        found.append(
            {
                "id": network.get("Id"),
                "name": network.get("Name"),
                "driver": network.get("Driver"),
                "attachable": bool(network.get("Attachable")),
                "internal": bool(network.get("Internal")),
                "ingress": bool(network.get("Ingress")),
                # The engine tests only whether the key is there: "encrypted": "false" encrypts too.
                "encrypted": "encrypted" in options,
                "subnets": [
                    pool["Subnet"] for pool in (network.get("IPAM") or {}).get("Config") or () if pool.get("Subnet")
                ],
                "addresses": addresses.as_dict() if addresses else None,
                "owner": (network.get("Labels") or {}).get(labels.OWNER),
                "labels": labels.foreign(network.get("Labels")),
                "used_by": [
                    user[len(_SERVICE) :] for user in networks.users(network, seen) if user.startswith(_SERVICE)
                ],
            }
        )
    return sorted(found, key=_by_name)


def _versioned(kind: versioned.Kind, objects: Sequence[Json], services: Sequence[Json]) -> list[dict[str, Any]]:
    uses = versioned.uses(kind, services)
    found = []
    for thing in objects:
        spec = thing.get("Spec") or {}
        name = str(spec.get("Name"))
        version = naming.parse(name, spec.get("Labels"))
        found.append(
            {
                "id": thing.get("ID"),
                "name": name,
                "logical_name": version.logical if version else name,
                "version": version.version if version else None,
                "owner": (spec.get("Labels") or {}).get(labels.OWNER),
                "labels": labels.foreign(spec.get("Labels")),
                "created": thing.get("CreatedAt"),
                "used_by": sorted(uses.get(str(thing.get("ID")), set()) | uses.get(name, set())),
            }
        )
    return sorted(found, key=_by_name)
