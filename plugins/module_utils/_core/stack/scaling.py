# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other numbers of tasks for services of a stack that is in the swarm, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import labels, service_json
from ..errors import DeclarationError
from ..plan import Difference, Plan, Step
from . import capacity, members, planner, preflight, room, service_steps
from .preflight import Observation
from .references import mapping, sequence

Json = Mapping[str, Any]

OPTION = "replicas"
_REPLICATED = "Replicated"


@dataclass(frozen=True)
class Wanted:
    """How many tasks services of a stack are to have, by their keys in its file."""

    stack: str
    replicas: Mapping[str, int]
    owner: str = labels.DEFAULT_OWNER


def counts(given: Mapping[Any, Any]) -> dict[str, int]:
    """The counts as they were given, as numbers; ``-e count=4`` makes a string of a number.

    Raises:
        DeclarationError: there are none, or one is no count.
    """
    if not given:
        raise DeclarationError("replicas is empty: give each service that is to be scaled its count: {backend: 4}")
    problems = []
    found = {}
    for key, value in given.items():
        text = "" if isinstance(value, bool) else str(value)
        # isdigit alone is true for digits that int can't read.
        if text.isascii() and text.isdigit():
            found[str(key)] = int(text)
        else:
            problems.append("replicas.%s: %r is no count of tasks: give a whole number, 0 or more" % (key, value))
    if problems:
        raise DeclarationError(*problems)
    return found


def plan(wanted: Wanted, observed: Observation, tasks: Sequence[Json]) -> planner.Decision:
    """The updates by which the services get their counts, by their keys; a service that has its count is not touched.

    Raises:
        DeclarationError: a service is not there, is another owner's or has no count; an update of the stack is in
            flight or stands half way; or the tasks would have no room.
    """
    live = members.of_stack(wanted.stack, observed.services)
    problems = members.refusals(wanted.stack, wanted.owner, OPTION, wanted.replicas, live)
    known = {key: live[key] for key in sorted(wanted.replicas) if key in live}
    problems += [_no_count(key, service) for key, service in known.items() if _REPLICATED not in _mode(service)]
    problems += members.unsettled(known, live)
    if problems:
        raise DeclarationError(*problems)
    specs = {key: _scaled(service["Spec"], wanted.replicas[key]) for key, service in known.items()}
    steps = [_step(key, service, specs[key]) for key, service in known.items()]
    problems = _room_problems(wanted.stack, [step for step in steps if _growth(step) > 0], observed, tasks)
    if problems:
        raise DeclarationError(*problems)
    moving = tuple(step for step in steps if _growth(step))
    return planner.Decision(Plan(moving), {str(spec["Name"]): spec for spec in specs.values()})


def _mode(service: Json) -> Json:
    return mapping(service["Spec"].get("Mode"))


def _no_count(key: str, service: Json) -> str:
    name = service_json.name(service)
    if "Global" in _mode(service):
        return (
            "replicas.%s: the service %s is global: it has a task on every node that its constraints allow, and no "
            "count: change the constraints, or the nodes" % (key, name)
        )
    return (
        "replicas.%s: the service %s is a job, and any update of a job runs it again: change its count in the stack "
        "file" % (key, name)
    )


def _count(spec: Json) -> int:
    found = service_json.replicas(spec)
    return 1 if found is None else found


def _scaled(spec: Json, count: int) -> dict[str, Any]:
    return {**spec, "Mode": {_REPLICATED: {"Replicas": count}}}


def _step(key: str, service: Json, spec: Json) -> Step:
    difference = Difference(OPTION, _count(service["Spec"]), _count(spec))
    return service_steps.update(service, spec, (difference,), key)


def _growth(step: Step) -> int:
    return _count(step.payload["spec"]) - _count(step.payload["before"])


def _room_problems(stack: str, growing: Sequence[Step], observed: Observation, tasks: Sequence[Json]) -> list[str]:
    """Why the tasks that are to come would not all run, as far as that can be known."""
    tree = _tree({str(step.payload["key"]): step.payload["spec"] for step in growing}, stack, observed.networks)
    # One that is on no network would count as on the stack's default network.
    attached = [step.name for step in growing if tree["services"][step.payload["key"]]["networks"]]
    return [
        *preflight.placement_problems(tree, observed.nodes),
        *room.problems(growing, observed, tasks),
        *capacity.problems(tree, stack, observed, tasks, attached),
    ]


def _tree(specs: Mapping[str, Json], stack: str, networks: Sequence[Json]) -> dict[str, Any]:
    """As much of a stack's definition as the checks of its room read, from specs of services by their keys.

    An update policy is not in it: a count changes without an update, so no task is replaced.
    """
    names = {str(network.get("Id")): str(network.get("Name")) for network in networks}
    services: dict[str, dict[str, Any]] = {}
    for key, spec in specs.items():
        template = mapping(spec.get("TaskTemplate"))
        targets = [str(one["Target"]) for one in sequence(template.get("Networks"))]
        placement = mapping(template.get("Placement"))
        services[key] = {
            "networks": {names.get(target, target): None for target in targets},
            "deploy": {
                "replicas": _count(spec),
                "placement": {"constraints": [str(text) for text in sequence(placement.get("Constraints"))]},
                "endpoint_mode": mapping(spec.get("EndpointSpec")).get("Mode"),
            },
        }
    own = {str(network.get("Name")) for network in networks if planner.belongs(network, stack)}
    attached = {name for entry in services.values() for name in entry["networks"]}
    return {
        "services": services,
        "networks": {name: {"name": name, "external": name not in own} for name in sorted(attached)},
    }
