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

from .. import labels, naming, placement
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
    if reference.name in references.ENGINE_NETWORKS:
        return None
    scopes = [network.get("Scope") for network in networks if network.get("Name") == reference.name]
    where = "networks.%s: the external network %s" % (reference.key, reference.name)
    if not scopes:
        return "%s is not in the swarm: declare it with swarm_networks" % where
    if "swarm" not in scopes:
        return "%s has the scope %s, not swarm: remove that one and declare it with swarm_networks" % (where, scopes[0])
    return None


_SERVICE_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?")
SERVICE_NAME_LENGTH = 63
"""Characters in a service's name: swarm takes it as a DNS component (swarmkit, controlapi/common.go)."""


def name_problems(tree: Tree, stack: str) -> list[str]:
    """Services whose name in the swarm the engine would refuse."""
    problems = []
    for key in section(tree, "services"):
        name = "%s_%s" % (stack, key)
        if not _SERVICE_NAME.fullmatch(name):
            problems.append(
                "services.%s: %s is no name for a service: letters, digits, '-' and '_', a letter or digit at both ends"
                % (key, name)
            )
        elif len(name) > SERVICE_NAME_LENGTH:
            problems.append(
                "services.%s: the name %s has %d characters, the engine allows %d: shorten it"
                % (key, name, len(name), SERVICE_NAME_LENGTH)
            )
    return problems


def placement_problems(tree: Tree, nodes: Sequence[Json]) -> list[str]:
    """Services whose constraints no node meets that takes tasks."""
    problems = []
    for service, constraints in references.constraints(tree):
        where = "services.%s.deploy.placement.constraints" % service
        try:
            for expression in constraints:
                placement.parse(expression)
        except ValueError as error:
            problems.append("%s: %s" % (where, error))
            continue
        if placement.eligible(constraints, nodes):
            continue
        written = " and ".join(constraints) or "(none)"
        matching = [node for node in nodes if placement.node_matches(constraints, node)]
        if matching:
            why = ", ".join("%s %s" % (_hostname(node), _idle(node)) for node in matching)
            mend = "they match only nodes that take no tasks (%s): make one active, or change the constraints" % why
        else:
            mend = "no node of the swarm satisfies them: label a node (swarm_nodes), or change the constraints"
        problems.append("%s: 0 eligible nodes for %s: %s" % (where, written, mend))
    return problems


def _hostname(node: Json) -> str:
    return str(mapping(node.get("Description")).get("Hostname") or node.get("ID"))


def _idle(node: Json) -> str:
    """Why a node takes no tasks."""
    if mapping(node.get("Status")).get("State") == "down":
        return "is down"
    return {"drain": "is drained", "pause": "is paused"}.get(
        str(mapping(node.get("Spec")).get("Availability")), "is not active"
    )
