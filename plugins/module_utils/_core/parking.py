# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are parked: stopped, and off the networks that are about to be made anew.

A network that a service's Spec names can't be removed. A parked service has no tasks and does not name it. The swarm
itself remembers what the service was: one update parks it, so its PreviousSpec is the spec to go back to, and a label
says which networks it was taken off, and how each of them is made again. So whoever comes next can put it back, also
when the run that parked it was cut off, and what is not declared of a network is not forgotten with it. Putting it back
is sent twice, for the first time leaves the parked spec as PreviousSpec, and a rollback (by hand, or by the service's
own failure action) would stop the service.

No rolling update takes place on either way: a replicated service without replicas has no tasks to update, and neither
has a global one that no node fits, so its failure action is not asked (swarmkit, manager/orchestrator: ``reconcile`` in
replicated/services.go, ``reconcileServices`` in global/global.go, ``Updater.Run`` in update/updater.go).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import labels, verdict

Json = Mapping[str, Any]

LABEL = labels.PREFIX + "parked"
"""On a parked service: JSON of ``{"owner": …, "networks": {ID: request}}``, the networks that it was taken off.

Each with the engine's request (``POST /networks/create``) that makes it again as it was.
"""
NOWHERE = "node.id==flotilla-parked"
"""A constraint that no node meets: node IDs have 25 characters."""

_UNSETTLED = (*verdict.IN_FLIGHT, *verdict.STANDING)
"""UpdateStatus.State of an update that parking would cut off."""


def targets(spec: Json) -> set[str]:
    """The networks that a spec names, by ID (or by name, as it was sent), at their place and at their old one."""
    found = ((spec.get("TaskTemplate") or {}).get("Networks"), spec.get("Networks"))
    return {str(entry["Target"]) for entries in found for entry in entries or ()}


def obstacle(service: Json, tasks: Sequence[Json], nodes: Sequence[Json]) -> str | None:
    """Why a service can't be taken off its networks and be put back as it was, with the mend; None where it can.

    An update of a job starts its next iteration (swarmkit: controlapi, ``UpdateService``), and a task that has ended
    for good starts anew with its service.
    """
    mode = service["Spec"].get("Mode") or {}
    if "ReplicatedJob" in mode or "GlobalJob" in mode:
        return "it is a job, and would run again: remove it first, and deploy it again when it is to run"
    waiting = unsettled(service)
    if waiting:
        return waiting
    if service["Spec"].get("Networks"):
        return "it names its networks in Spec.Networks, which no update can change: deploy it anew first"
    if verdict.judge(service, tasks, nodes, as_declared=True).state == verdict.JOB_COMPLETE:
        return "it has done its work and rests, and would run again: remove it first"
    return None


def unsettled(service: Json) -> str | None:
    """Whether an update of a service is under way or was stopped half way, with the mend; None when it is at rest."""
    update = str((service.get("UpdateStatus") or {}).get("State") or "")
    if update not in _UNSETTLED:
        return None
    return "its update is not at an end (%s): run it again when the update is finished or rolled back" % update


def park(service: Json, networks: Mapping[str, Json], owner: str) -> dict[str, Any]:
    """The spec that parks a service.

    Args:
        service: it is not parked.
        networks: ID -> the request that makes again, as it is, each of the networks that are made anew.
        owner: who puts it back.
    """
    spec: dict[str, Any] = copy.deepcopy(dict(service["Spec"]))
    gone = {**networks, **{str(request["Name"]): request for request in networks.values()}}
    template = spec["TaskTemplate"]
    off = {entry["Target"]: gone[entry["Target"]] for entry in template["Networks"] if entry["Target"] in gone}
    template["Networks"] = [entry for entry in template["Networks"] if entry["Target"] not in gone]
    if "Global" in (spec.get("Mode") or {}):
        placement = dict(template.get("Placement") or {})
        template["Placement"] = {**placement, "Constraints": [*(placement.get("Constraints") or ()), NOWHERE]}
    else:
        spec["Mode"] = {"Replicated": {"Replicas": 0}}
    spec["Labels"] = {
        **(spec.get("Labels") or {}),
        LABEL: json.dumps({"owner": owner, "networks": off}, sort_keys=True),
    }
    return spec


def networks_left(service: Json, owner: str) -> dict[str, str] | None:
    """ID -> name of the networks that a service was taken off; None where it needs nothing.

    That is so for a parked service, and for one that still has the parked spec as its PreviousSpec.
    """
    found = _left(service, owner)
    return None if found is None else {key: str(request["Name"]) for key, request in found.items()}


def remembered(services: Iterable[Json], owner: str) -> dict[str, Json]:
    """Name -> the request that makes a network again as it was, of each network that services are still to get back."""
    found = [_left(service, owner) or {} for service in services]
    return {str(request["Name"]): request for requests in found for request in requests.values()}


def is_parked(service: Json, owner: str) -> bool:
    """Whether a service is stopped and off its networks now."""
    return _read(service["Spec"], owner) is not None


def is_lost(service: Json, owner: str) -> bool:
    """Whether a parked service was changed by somebody else, so that the swarm no longer has what it was before."""
    previous = service.get("PreviousSpec")
    return is_parked(service, owner) and (not previous or _read(previous, owner) is not None)


def put_back(service: Json, ids: Mapping[str, str], owner: str) -> dict[str, Any] | None:
    """The spec to send next, to put a service back; None when nothing is left to do.

    Args:
        service: as the engine has it now; it is not lost.
        ids: name -> ID of the networks that there are now; it has those of ``networks_left``.
        owner: who parked it.
    """
    left = networks_left(service, owner)
    if left is None:
        return None
    spec: dict[str, Any] = copy.deepcopy(
        dict(service["PreviousSpec"] if is_parked(service, owner) else service["Spec"])
    )
    for entry in spec["TaskTemplate"].get("Networks") or ():
        if entry["Target"] in left:
            entry["Target"] = ids[left[entry["Target"]]]
    return spec


def size(spec: Json) -> str:
    """How much of a service there is, for people: ``3 replicas``, ``global``."""
    mode = spec.get("Mode") or {}
    if "Global" in mode:
        return "global"
    replicas = (mode.get("Replicated") or {}).get("Replicas")
    count = 1 if replicas is None else int(replicas)
    return "%d replica%s" % (count, "" if count == 1 else "s")


def _left(service: Json, owner: str) -> dict[str, Json] | None:
    current = _read(service["Spec"], owner)
    return _read(service.get("PreviousSpec"), owner) if current is None else current


def _read(spec: Json | None, owner: str) -> dict[str, Json] | None:
    text = ((spec or {}).get("Labels") or {}).get(LABEL)
    if text is None:
        return None
    try:
        found = json.loads(text)
        owner_of = found["owner"]
        requests: dict[str, Json] = {str(key): dict(value) for key, value in found["networks"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    named = all(isinstance(request.get("Name"), str) for request in requests.values())
    return requests if owner_of == owner and named else None
