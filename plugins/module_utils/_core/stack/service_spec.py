# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a service in a stack file to the engine's ServiceSpec.

The meaning of each key is the docker CLI's (docker/cli: cli/compose/convert), so that a stack deployed by either is the
same; tests/oracle holds both against each other. What the CLI drops and the engine can do is done here too:
``security_opt`` (no-new-privileges, seccomp, AppArmor).

Durations go to the engine in nanoseconds, sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import labels, service_json
from . import container_spec
from .references import mapping, section, sequence
from .scalars import nano_cpus, nanoseconds, put, strings, texts

Tree = Mapping[str, Any]

PREDEFINED_NETWORKS = ("bridge", "default", "host", "none")
"""Networks that every node has of its own: no user's, so a service has no aliases in them (moby:
container.NetworkMode.IsUserDefined), and the engine doesn't list them with the swarm's."""


def convert(tree: Tree, stack: str, key: str, names: container_spec.Names, own: Mapping[str, str]) -> dict[str, Any]:
    """The ServiceSpec of one service, as ``POST /services/create`` takes it.

    Args:
        tree: the normal form, external names resolved; ``service_problems`` finds nothing wrong with the service.
        stack: the stack's name.
        key: the service's key.
        names: IDs of the secrets and configs.
        own: labels of ours for the service.
    """
    entry = mapping(section(tree, "services")[key])
    deploy = mapping(entry.get("deploy"))
    namespace = {labels.STACK_NAMESPACE: stack}
    spec: dict[str, Any] = {
        "Name": "%s_%s" % (stack, key),
        "Labels": {**strings(deploy.get("labels")), **namespace, service_json.IMAGE_LABEL: entry["image"], **own},
        "TaskTemplate": {
            "ContainerSpec": container_spec.convert(tree, stack, entry, names, namespace),
            "Resources": _resources(mapping(deploy.get("resources"))),
            "Placement": _placement(mapping(deploy.get("placement"))),
            "Networks": _networks(tree, stack, key, entry),
        },
        "Mode": _mode(deploy),
        "EndpointSpec": _endpoint(entry, deploy),
    }
    policy = deploy.get("restart_policy")
    put(spec["TaskTemplate"], "RestartPolicy", _legacy(entry) if policy is None else policy, _restart_policy)
    put(spec["TaskTemplate"], "LogDriver", entry.get("logging"), _log_driver)
    put(spec, "UpdateConfig", deploy.get("update_config"), _update_config)
    put(spec, "RollbackConfig", deploy.get("rollback_config"), _update_config)
    return spec


def _networks(tree: Tree, stack: str, key: str, entry: Tree) -> list[dict[str, Any]]:
    """The attachments, by the networks' names in the swarm; a service always has its own key as an alias."""
    found = []
    for network, attachment in (mapping(entry.get("networks")) or {"default": {}}).items():
        target = str(mapping(section(tree, "networks").get(network)).get("name") or "%s_%s" % (stack, network))
        one: dict[str, Any] = {"Target": target, "Aliases": texts(mapping(attachment).get("aliases"))}
        if target not in PREDEFINED_NETWORKS:
            one["Aliases"].append(key)
        put(one, "DriverOpts", mapping(attachment).get("driver_opts"), strings)
        found.append(one)
    return sorted(found, key=lambda one: str(one["Target"]))


def _placement(placement: Tree) -> dict[str, Any]:
    result: dict[str, Any] = {}
    put(result, "Constraints", placement.get("constraints"), texts)
    spreads = [str(one.get("spread") or "") for one in sequence(placement.get("preferences"))]
    if spreads:
        result["Preferences"] = [{"Spread": {"SpreadDescriptor": spread}} for spread in spreads]
    put(result, "MaxReplicas", placement.get("max_replicas_per_node"), int)
    return result


def _resources(resources: Tree) -> dict[str, Any]:
    result: dict[str, Any] = {}
    put(result, "Limits", resources.get("limits"), _limits)
    put(result, "Reservations", resources.get("reservations"), _reservations)
    return result


def _limits(limits: Any) -> dict[str, Any]:
    result = _amounts(limits)
    put(result, "Pids", limits.get("pids"), int)
    return result


def _reservations(reservations: Any) -> dict[str, Any]:
    result = _amounts(reservations)
    entries = map(mapping, sequence(reservations.get("generic_resources")))
    generic = [mapping(one["discrete_resource_spec"]) for one in entries if one.get("discrete_resource_spec")]
    if generic:
        result["GenericResources"] = [
            {"DiscreteResourceSpec": {"Kind": str(one.get("kind", "")), "Value": int(one.get("value", 0))}}
            for one in generic
        ]
    return result


def _amounts(amounts: Tree) -> dict[str, Any]:
    result: dict[str, Any] = {}
    put(result, "NanoCPUs", amounts.get("cpus"), nano_cpus)
    put(result, "MemoryBytes", amounts.get("memory"), int)
    return result


def _mode(deploy: Tree) -> dict[str, Any]:
    mode, replicas = str(deploy.get("mode") or "replicated"), deploy.get("replicas")
    if mode == "global":
        return {"Global": {}}
    if mode == "global-job":
        return {"GlobalJob": {}}
    # The engine makes 1 of a count that is left out (the planner keeps a live one).
    count = 1 if replicas is None else int(replicas)
    if mode == "replicated-job":
        return {"ReplicatedJob": {"MaxConcurrent": count, "TotalCompletions": count}}
    return {"Replicated": {"Replicas": count}}


def _endpoint(entry: Tree, deploy: Tree) -> dict[str, Any]:
    ports: list[dict[str, Any]] = [
        {
            "Protocol": str(port.get("protocol") or "tcp").lower(),
            "TargetPort": int(port["target"]),
            "PublishedPort": int(port.get("published") or 0),
            "PublishMode": str(port.get("mode") or "ingress").lower(),
        }
        for port in sequence(entry.get("ports"))
    ]
    # Those that are published alike stay in the order of the file.
    ports.sort(key=lambda port: int(port["PublishedPort"]))
    result: dict[str, Any] = {"Ports": ports}
    put(result, "Mode", deploy.get("endpoint_mode"), lambda mode: str(mode).lower())
    return result


def _legacy(entry: Tree) -> dict[str, Any] | None:
    """The restart policy in ``restart``, which counts where there is none in ``deploy``, whatever the CLI prints."""
    name, _colon, attempts = str(entry.get("restart") or "no").partition(":")
    if name == "no":
        return None
    policy: dict[str, Any] = {"condition": "on-failure" if name == "on-failure" else "any"}
    if attempts.isdigit() and int(attempts):
        policy["max_attempts"] = int(attempts)
    return policy


def _restart_policy(policy: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    put(result, "Condition", policy.get("condition"), str)
    put(result, "Delay", policy.get("delay"), nanoseconds)
    put(result, "MaxAttempts", policy.get("max_attempts"), int)
    put(result, "Window", policy.get("window"), nanoseconds)
    return result


def _log_driver(logging: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"Name": str(logging.get("driver") or "")}
    put(result, "Options", logging.get("options"), strings)
    return result


def _update_config(config: Any) -> dict[str, Any]:
    parallelism = config.get("parallelism")
    result: dict[str, Any] = {"Parallelism": 1 if parallelism is None else int(parallelism)}
    for key, name in (("delay", "Delay"), ("monitor", "Monitor")):
        put(result, name, config.get(key), nanoseconds)
    put(result, "FailureAction", config.get("failure_action"), str)
    put(result, "MaxFailureRatio", config.get("max_failure_ratio"), float)
    put(result, "Order", config.get("order"), str)
    return result
