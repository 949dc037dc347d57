# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that a plan takes with services, with what the engine needs to take them (``_engine/rollout``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import service_json, verdict
from ..plan import CREATE, REMOVE, UPDATE, Difference, Step
from . import comparison, service_spec
from .references import mapping

Json = Mapping[str, Any]


def create(spec: Json, key: str = "") -> Step:
    """Make a service; ``key`` is its key in the stack file."""
    found = [Difference("image", None, service_json.image(spec))]
    replicas = service_json.replicas(spec)
    if replicas is not None:
        found.append(Difference("replicas", None, replicas))
    return Step(CREATE, "service", str(spec["Name"]), tuple(found), {"key": key, "spec": spec})


def bring_to(service: Json, spec: Json, networks: Mapping[str, str], key: str = "") -> Step | None:
    """Bring a service to a spec; None when it has it.

    Args:
        networks: ID -> name. The spec has networks by name, the live one by ID.
    """
    found = comparison.differences(with_network_names(service["Spec"], networks, spec), spec)
    update_state = service_json.update_state(service)
    if not found and update_state in verdict.STANDING:
        # Sending the same definition again is what makes a paused update go on.
        found = (Difference("update", update_state, "resumed"),)
    return update(service, spec, found, key) if found else None


def update(service: Json, spec: Json, differences: Sequence[Difference], key: str = "") -> Step:
    """Send a service another spec."""
    payload = {
        "key": key,
        "id": service["ID"],
        "version": service["Version"]["Index"],
        "spec": spec,
        "before": service["Spec"],
    }
    return Step(UPDATE, "service", service_json.name(service), tuple(differences), payload)


def remove(service: Json) -> Step:
    difference = Difference("image", service_json.image(service["Spec"]), None)
    return Step(REMOVE, "service", service_json.name(service), (difference,), {"id": service["ID"]})


def with_network_names(spec: Json, names: Mapping[str, str], wanted: Json) -> dict[str, Any]:
    """A live spec with its networks by name, as a stack file has them; the engine keeps their IDs.

    The engine's list of networks leaves out those that every node has, host and bridge (moby, daemon/cluster:
    filterPredefinedNetworks), so an ID that is not in it stands for the one of them that is wanted.
    """
    template = mapping(spec.get("TaskTemplate"))
    declared = [one["Target"] for one in mapping(wanted.get("TaskTemplate")).get("Networks") or ()]
    unlisted = iter([name for name in declared if name in service_spec.PREDEFINED_NETWORKS])
    targets = []
    for one in template.get("Networks") or ():
        name = names.get(str(one["Target"])) or next(unlisted, one["Target"])
        targets.append({**one, "Target": name})
    return {**spec, "TaskTemplate": {**template, "Networks": targets}}
