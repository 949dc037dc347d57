# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be right in the swarm before a stack is deployed: the objects that it expects, and nodes for its
services."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import labels, naming, node_json, placement
from . import references
from .references import mapping, section

Tree = Mapping[str, Any]
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Observation:
    """The engine's JSON, read once."""

    services: Sequence[Json] = ()
    nodes: Sequence[Json] = ()
    networks: Sequence[Json] = ()
    secrets: Sequence[Json] = ()
    configs: Sequence[Json] = ()


def resolve(
    tree: Tree, observed: Observation, owner: str, coming: Sequence[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Point external secrets and configs to the objects they mean, and see that external networks are there.

    An exact name wins. Otherwise a logical name stands for the newest version of it that ``owner`` has (``jwt_secret``
    for ``jwt_secret_v3``).

    Args:
        tree: the normal form.
        observed: what the swarm holds.
        owner: whose versions count.
        coming: names of configs that the same run makes before it deploys.

    Returns:
        The tree with the real names, and problems, one sentence each.
    """
    result = dict(tree)
    problems: list[str] = []
    present = {"secrets": observed.secrets, "configs": observed.configs}
    for reference in references.externals(tree):
        if reference.kind == "networks":
            problem = _network_problem(reference, observed.networks)
            if problem:
                problems.append(problem)
            continue
        name = _current_name(reference.name, present[reference.kind], owner)
        if name is None and reference.name not in coming:
            singular = reference.kind[:-1]
            problems.append(
                "%s.%s: there is no %s %s in the swarm, nor a version of it with the owner %s: declare it with swarm_%s"
                % (reference.kind, reference.key, singular, reference.name, owner, reference.kind)
            )
        entries = dict(section(result, reference.kind))
        entries[reference.key] = {**mapping(entries[reference.key]), "name": name or reference.name, "external": True}
        result[reference.kind] = entries
    return result, problems


def _current_name(name: str, objects: Sequence[Json], owner: str) -> str | None:
    newest: tuple[int, str] | None = None
    for thing in objects:
        spec = thing.get("Spec") or {}
        actual = str(spec.get("Name", ""))
        if actual == name:
            return name
        version = naming.parse(actual, spec.get("Labels"))
        if version and version.logical == name and labels.owned_by(spec.get("Labels"), owner):
            newest = max(newest or (0, ""), (version.version, actual))
    return newest[1] if newest else None


def _network_problem(reference: references.ExternalReference, networks: Sequence[Json]) -> str | None:
    if reference.name in references.UNDECLARED_NETWORKS:
        return None
    scopes = [network.get("Scope") for network in networks if network.get("Name") == reference.name]
    where = "networks.%s: the external network %s" % (reference.key, reference.name)
    if not scopes:
        return "%s is not in the swarm: declare it with swarm_networks" % where
    if "swarm" not in scopes:
        return "%s has the scope %s, not swarm: remove that one and declare it with swarm_networks" % (where, scopes[0])
    return None


_LOCAL_VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")


def name_problems(tree: Tree, stack: str) -> list[str]:
    """Names of services, networks and volumes that the engine would refuse.

    Args:
        tree: the normal form, or stack files as written; a name with a variable in it is let pass.
        stack: the stack's name, which the others begin with.
    """
    # A service's name is a DNS component as a network's is (swarmkit, controlapi/common.go: validateAnnotations).
    problem = naming.dns_name_problem(stack)
    if problem:
        return ["name: %s" % problem]
    services = section(tree, "services")
    found = _same_but_for_case(services)
    for key in services:
        problem = naming.network_name_problem("%s_%s" % (stack, key))
        found += ["services.%s: %s" % (key, problem)] if problem else []
    external = {(reference.kind, reference.key) for reference in references.externals(tree)}
    used = {key for entry in services.values() for key in _networks_of(mapping(entry))}
    for key in sorted(used):
        name = _name_of(tree, stack, "networks", key)
        problem = None if ("networks", key) in external or "$" in name else naming.network_name_problem(name)
        found += ["networks.%s: %s" % (key, problem)] if problem else []
    for key, entry in section(tree, "volumes").items():
        name = _name_of(tree, stack, "volumes", key)
        local = mapping(entry).get("driver") in (None, "", "local") and not mapping(entry).get("external")
        # Each task may make a volume of its own name out of a template.
        if local and "$" not in name and "{{" not in name and not _LOCAL_VOLUME.fullmatch(name):
            found.append(
                "volumes.%s: %r can't be a name: it takes letters, digits, '-', '_' and '.', and a letter or digit at "
                "its beginning" % (key, name)
            )
    return found


def _networks_of(entry: Tree) -> list[str]:
    keys = entry.get("networks")
    return [str(key) for key in keys] if isinstance(keys, (list, Mapping)) and keys else ["default"]


def _name_of(tree: Tree, stack: str, kind: str, key: str) -> str:
    return str(mapping(section(tree, kind).get(key)).get("name") or "%s_%s" % (stack, key))


def _same_but_for_case(services: Tree) -> list[str]:
    """Services whose names are one name to the swarm."""
    first: dict[str, str] = {}
    found = []
    for key in sorted(map(str, services)):
        other = first.setdefault(naming.fold(key), key)
        if other != key:
            found.append(
                "services.%s and services.%s are one name to the swarm, which looks at no case: give one another key"
                % (other, key)
            )
    return found


def placement_problems(tree: Tree, nodes: Sequence[Json]) -> list[str]:
    """Services whose constraints no node meets that takes tasks, or that swarm can't read.

    A global service without a node is complete, so it is none of them.
    """
    problems = []
    for service, constraints in references.constraints(tree):
        where = "services.%s.deploy.placement.constraints" % service
        try:
            for expression in constraints:
                placement.parse(expression)
        except ValueError as error:
            problems.append("%s: %s" % (where, error))
            continue
        mode = mapping(mapping(section(tree, "services")[service]).get("deploy")).get("mode")
        if mode == "global" or placement.eligible(constraints, nodes):
            continue
        written = " and ".join(constraints) or "(none)"
        matching = [node for node in nodes if placement.node_matches(constraints, node)]
        if matching:
            why = ", ".join(sorted("%s %s" % (node_json.name(node), _idle(node)) for node in matching))
            mend = "they match only nodes that take no tasks (%s): make one active, or change the constraints" % why
        else:
            mend = "no node of the swarm satisfies them: label a node (swarm_nodes), or change the constraints"
        problems.append("%s: 0 eligible nodes for %s: %s" % (where, written, mend))
    return problems


def _idle(node: Json) -> str:
    """Why a node takes no tasks."""
    if mapping(node.get("Status")).get("State") == "down":
        return "is down"
    return {"drain": "is drained", "pause": "is paused"}.get(
        str(mapping(node.get("Spec")).get("Availability")), "is not active"
    )
