# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New tasks for services of a stack that is in the swarm, with the spec that they have.

Swarm replaces the tasks of a service by its update policy when the counter ``ForceUpdate`` moves, which is what
``docker service update --force`` does. A job is run again by every update (swarmkit, manager/controlapi/service.go:
UpdateService), so a job is restarted only when it is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import labels, service_json, verdict
from ..errors import DeclarationError
from ..plan import Difference, Plan, Step
from . import members, service_steps
from .references import mapping

Json = Mapping[str, Any]

OPTION = "services"
_FIELD = "TaskTemplate.ForceUpdate"
_JOBS = ("ReplicatedJob", "GlobalJob")


@dataclass(frozen=True)
class Wanted:
    """The services of a stack that are to be restarted, by their keys; none means all that run for good."""

    stack: str
    services: Sequence[str] = ()
    owner: str = labels.DEFAULT_OWNER


@dataclass(frozen=True)
class Selection:
    """``turns``: the counter of each service that is restarted, by its key and in that order; ``plan``: all of it."""

    turns: Mapping[str, int]
    plan: Plan


def select(wanted: Wanted, services: Sequence[Json], tasks: Sequence[Json], nodes: Sequence[Json]) -> Selection:
    """Which services are restarted: those that are named, else those that run for good; a warning names the others.

    Raises:
        DeclarationError: a service is not there or is another owner's; there is nothing to restart; or an update of
            the stack is in flight or stands half way.
    """
    live = members.of_stack(wanted.stack, services)
    named = list(dict.fromkeys(wanted.services))
    problems = members.refusals(wanted.stack, wanted.owner, OPTION, named, live)
    resting: dict[str, str] = {}
    if not named:
        why_not = {key: _foreign(live[key], wanted.owner) or _rests(live[key], tasks, nodes) for key in live}
        resting = {key: why for key, why in why_not.items() if why}
    keys = named or [key for key in live if key not in resting]
    left = ["%s: not restarted: %s" % (service_json.name(live[key]), why) for key, why in sorted(resting.items())]
    problems += members.unsettled(keys, live) if keys else left
    if problems:
        raise DeclarationError(*problems)
    turns = {key: counter(live[key]["Spec"]) for key in keys}
    return Selection(turns, Plan(tuple(_step(live[key], turns[key]) for key in keys), tuple(left)))


def turn(wanted: Wanted, key: str, before: int, services: Sequence[Json]) -> tuple[Plan, str, Json]:
    """What is left to be done to restart one service, its name, and the spec that it has then.

    Args:
        before: the counter that it had when it was selected. One that has moved since was moved by this run, or by
            somebody who restarted it too: there is nothing left to do.

    Raises:
        DeclarationError: as ``select``.
    """
    live = members.of_stack(wanted.stack, services)
    problems = members.refusals(wanted.stack, wanted.owner, OPTION, [key], live)
    if problems:
        raise DeclarationError(*problems)
    service = live[key]
    name = service_json.name(service)
    if counter(service["Spec"]) > before:
        return Plan(), name, service["Spec"]
    problems = members.unsettled([key], live)
    if problems:
        raise DeclarationError(*problems)
    step = _step(service, before)
    return Plan((step,)), name, step.payload["spec"]


def counter(spec: Json) -> int:
    return int(mapping(spec.get("TaskTemplate")).get("ForceUpdate") or 0)


def _step(service: Json, before: int) -> Step:
    spec = service["Spec"]
    wanted = {**spec, "TaskTemplate": {**mapping(spec.get("TaskTemplate")), "ForceUpdate": before + 1}}
    return service_steps.update(service, wanted, (Difference(_FIELD, before, before + 1),))


def _rests(service: Json, tasks: Sequence[Json], nodes: Sequence[Json]) -> str:
    """Why a service has nothing that could be restarted; empty when it has."""
    mode = mapping(service["Spec"].get("Mode"))
    if any(kind in mode for kind in _JOBS):
        return "it is a job, and would run again: name it if it is to"
    if mapping(mode.get("Replicated")).get("Replicas") == 0:
        return "it has no tasks"
    if verdict.judge(service, tasks, nodes, as_declared=True).state == verdict.JOB_COMPLETE:
        return "its work is done, and would be done again: name it if it is to"
    return ""


def _foreign(service: Json, owner: str) -> str:
    if labels.owned_by(mapping(service["Spec"].get("Labels")), owner):
        return ""
    return "something else deployed it (no label %s=%s)" % (labels.OWNER, owner)
