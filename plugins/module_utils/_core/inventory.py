# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can be wrong in a declared swarm before any host is asked: one sentence a problem, with its mend.

A sentence names the key as the user wrote it. It never holds a value of a secret.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from . import labels, naming, networks, nodes, placement, quorum, versioned
from .errors import DeclarationError
from .stack import interpolation, preflight, references


@dataclass(frozen=True)
class Stack:
    """One declared stack, its files read and looked at.

    Attributes:
        name: as declared, unconverted.
        tree: the union of its files; empty when they could not be read.
        variables: as strings.
        problems: what reading and looking at the files gave.
    """

    name: object
    tree: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declaration:
    """A whole inventory as this collection's roles read it; nothing is converted.

    Attributes:
        managers, workers: names of hosts.
        labels: labels by host.
        availability: by host; empty or missing is ``manager_availability`` for a manager, active for a worker.
        secrets, configs: items of swarm_secrets, and of configs by the same form.
        networks: items of swarm_networks.
    """

    managers: Sequence[str] = ()
    workers: Sequence[str] = ()
    labels: Mapping[str, Any] = field(default_factory=dict)
    availability: Mapping[str, Any] = field(default_factory=dict)
    manager_availability: str = "drain"
    allow_even_managers: bool = False
    secrets: Sequence[Any] = ()
    configs: Sequence[Any] = ()
    networks: Sequence[Any] = ()
    stacks: Sequence[Stack] = ()


def problems(declared: Declaration) -> list[str]:
    """All problems, in the order in which the swarm is built: hosts, objects, stacks."""
    found = quorum.declaration_problems(declared.managers, declared.workers, allow_even=declared.allow_even_managers)
    found += [*_hosts(declared), *_objects(declared)]
    found.extend(
        "stacks: %s is declared more than once: keep one" % name
        for name in naming.duplicates(str(stack.name) for stack in declared.stacks)
    )
    expected = _Expected(declared)
    for position, stack in enumerate(declared.stacks):
        where = naming.place("stacks", position, stack.name)
        found.extend("%s: %s" % (where, problem) for problem in _stack(stack, declared, expected))
    return found


def _hosts(declared: Declaration) -> Iterator[str]:
    known = {*declared.managers, *declared.workers}
    for host, host_labels in declared.labels.items():
        yield from labels.problems(host_labels, "labels of %s (swarm_nodes_labels)" % host)
        if host not in known:
            yield "labels: %s is neither a manager nor a worker: correct the name, or add the host" % host
    for host, availability in declared.availability.items():
        if availability not in (*nodes.AVAILABILITIES, "", None):
            yield "availability of %s (swarm_nodes_availability): %r is none of %s" % (
                host,
                availability,
                ", ".join(nodes.AVAILABILITIES),
            )
    if declared.manager_availability not in nodes.AVAILABILITIES:
        choices = ", ".join(nodes.AVAILABILITIES)
        yield "manager_availability: %r is none of %s" % (declared.manager_availability, choices)


def _objects(declared: Declaration) -> Iterator[str]:
    for kind, items in ((versioned.SECRET, declared.secrets), (versioned.CONFIG, declared.configs)):
        mappings = [item for item in items if isinstance(item, Mapping)]
        if len(mappings) < len(items):
            yield "%ss: each item is a mapping with name and value" % kind.name
        try:
            versioned.declared(kind, mappings)
        except DeclarationError as error:
            yield from error.problems
    yield from _networks(declared.networks)


def _networks(items: Sequence[Any]) -> Iterator[str]:
    mappings = [item for item in items if isinstance(item, Mapping)]
    if len(mappings) < len(items):
        yield "networks: each item is a mapping with name"
    known = {attribute.name for attribute in fields(networks.Item)}
    for position, item in enumerate(mappings):
        strange = sorted(str(key) for key in item if key not in known)
        if strange:
            where = naming.place("networks", position, item.get("name"))
            yield "%s: unknown %s; there are %s" % (where, ", ".join(strange), ", ".join(sorted(known)))
    try:
        networks.declared([{key: value for key, value in item.items() if key in known} for item in mappings])
    except DeclarationError as error:
        yield from error.problems


class _Expected:
    """The names that stacks may count on once the declaration is carried out."""

    def __init__(self, declared: Declaration) -> None:
        stack_networks = {
            name for stack in declared.stacks for name in references.own_networks(stack.tree, str(stack.name))
        }
        present = [
            item for item in declared.networks if isinstance(item, Mapping) and item.get("state") != networks.ABSENT
        ]
        self._names: Mapping[str, Collection[str]] = {
            "secrets": _names(declared.secrets),
            "configs": _names(declared.configs),
            "networks": {*_names(present), *stack_networks, *references.ENGINE_NETWORKS},
        }

    def __contains__(self, wanted: tuple[str, str]) -> bool:
        kind, name = wanted
        return name in self._names[kind]


def _names(items: Sequence[Any]) -> set[str]:
    return {str(item.get("name")) for item in items if isinstance(item, Mapping)}


_DECLARED_IN = {
    "secrets": "add it to secrets (swarm_secrets_items)",
    "configs": "add it to configs, or give it a file in the stack",
    "networks": "add it to networks (swarm_networks_items)",
}


def _stack(stack: Stack, declared: Declaration, expected: _Expected) -> Iterator[str]:
    if not isinstance(stack.name, str) or not stack.name:
        yield "name: every stack has a name"
    yield from stack.problems
    yield from preflight.name_problems(stack.tree, str(stack.name))
    for reference in references.externals(stack.tree):
        try:
            name = interpolation.substitute(reference.name, stack.variables)
        except ValueError:
            continue  # said among the stack's own problems
        if (reference.kind, name) not in expected:
            mend = _DECLARED_IN[reference.kind]
            yield "%s.%s: the external %s %s is not declared: %s" % (
                reference.kind,
                reference.key,
                reference.kind[:-1],
                name,
                mend,
            )
    for service, constraints in references.constraints(stack.tree):
        problem = _placement_problem(constraints, stack, declared)
        if problem:
            yield "services.%s.deploy.placement.constraints: %s" % (service, problem)


def _placement_problem(written: Sequence[str], stack: Stack, declared: Declaration) -> str | None:
    """Why no declared host could run a service, judged by what an inventory knows: labels, roles, availability."""
    try:
        constraints = [placement.parse(interpolation.substitute(text, stack.variables)) for text in written]
    except ValueError as error:
        return str(error) if not any("$" in text for text in written) else None
    known = [
        item
        for item in constraints
        if item.key.lower().startswith(placement.NODE_LABEL) or item.key.lower() == "node.role"
    ]
    hosts = list(_declared_nodes(declared))
    matching = [(host, node) for host, node in hosts if all(item.matches(node) for item in known)]
    if not hosts or any(placement.takes_tasks(node) for _host, node in matching):
        return None
    text = " and ".join(written) or "no constraint at all"
    if matching:
        idle = ", ".join("%s (%s)" % (host, node["Spec"]["Availability"]) for host, node in matching)
        return "0 eligible nodes for %s: only hosts that take no tasks meet it: %s: make one active, or change it" % (
            text,
            idle,
        )
    return "0 eligible nodes for %s: no declared host meets it: set swarm_nodes_labels on a host, or change it" % text


def _declared_nodes(declared: Declaration) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each host with what its node's JSON will say, as far as an inventory knows."""
    for role, hosts, default in (
        ("manager", declared.managers, declared.manager_availability),
        ("worker", declared.workers, "active"),
    ):
        for host in hosts:
            spec = {
                "Role": role,
                "Availability": declared.availability.get(host) or default,
                "Labels": references.mapping(declared.labels.get(host)),
            }
            yield host, {"Spec": spec}
