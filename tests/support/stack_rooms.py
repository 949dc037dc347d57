# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of small stacks, and swarms for them, for the tests of what a stack needs room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import Step
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import definition, planner
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack.preflight import Observation

Json = dict[str, Any]
STACK = "shop"
GIB = 2**30


def node(
    name: str, availability: str = "active", cpus: float | None = None, gib: float = 0, gpus: int = 0, **tags: str
) -> Json:
    """A worker; without ``cpus`` it doesn't say what it has."""
    description: Json = {"Hostname": name}
    if cpus is not None:
        description["Resources"] = {"NanoCPUs": round(cpus * 10**9), "MemoryBytes": round(gib * GIB)}
        description["Resources"]["GenericResources"] = [
            {"NamedResourceSpec": {"Kind": "gpu", "Value": "gpu%d" % number}} for number in range(gpus)
        ]
    return {
        "ID": "id-" + name,
        "Spec": {"Role": "worker", "Availability": availability, "Labels": tags},
        "Description": description,
        "Status": {"State": "ready"},
    }


def live(name: str, spec: Mapping[str, Any] | None = None, stack: str = STACK, endpoint: Sequence[Json] = ()) -> Json:
    """A service of the swarm, as if ``swarm_stack`` had deployed it."""
    own = {labels.STACK_NAMESPACE: stack, labels.OWNER: labels.DEFAULT_OWNER} if stack else {}
    given = dict(spec or {})
    return {
        "ID": "id-" + name,
        "Version": {"Index": 7},
        "Spec": {
            "TaskTemplate": {},
            "Mode": {"Replicated": {"Replicas": 1}},
            **given,
            "Name": name,
            "Labels": {**given.get("Labels", {}), **own},
        },
        "Endpoint": {"Ports": list(endpoint or (given.get("EndpointSpec") or {}).get("Ports") or ())},
    }


def deployed(services: Json, stack: str = STACK) -> list[Json]:
    """The services of a stack as they are once deployed."""
    steps = steps_of(services, stack=stack)
    return [live(step.name, step.payload["spec"], stack) for step in steps]


def task(service: str, on: str, state: str = "running", desired: str = "running", **reserved: int) -> Json:
    return {
        "ServiceID": "id-" + service,
        "NodeID": "id-" + on,
        "Status": {"State": state},
        "DesiredState": desired,
        "Spec": {"Resources": {"Reservations": reserved}},
    }


def steps_of(services: Json, present: Sequence[Json] = (), stack: str = STACK, prune: bool = False) -> list[Step]:
    """The steps for services that the plan of a stack of just these has."""
    entries = {key: {"image": "app:1", "networks": {"host": None}, **entry} for key, entry in services.items()}
    networks = {"host": {"name": "host", "external": True}}
    tree = definition.prepared({"services": entries, "networks": networks})
    observed = Observation(services=list(present))
    plan = planner.plan(planner.Wanted(stack, tree, prune=prune, adopt=True), observed).plan
    return [step for step in plan if step.kind == "service"]
