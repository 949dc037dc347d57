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
from .backup import jobs
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
        secrets, configs: items of swarm_secrets and swarm_configs, with contents in place of ``file``.
        networks: items of swarm_networks.
        backups: items of swarm_backup.
        file_problems: what reading the files of secrets and configs gave.
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
    backups: Sequence[Any] = ()
    stacks: Sequence[Stack] = ()
    file_problems: Sequence[str] = ()


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
    yield from declared.file_problems
    for kind, items in ((versioned.SECRET, declared.secrets), (versioned.CONFIG, declared.configs)):
        try:
            versioned.declared(kind, items)
        except DeclarationError as error:
            yield from error.problems
    yield from _networks(declared.networks)
    try:
        # With the raft state or without: its name is taken.
        jobs.parse(declared.backups, raft=True)
    except DeclarationError as error:
        yield from error.problems


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
        self._names: Mapping[str, Collection[str]] = {
            "secrets": _present(declared.secrets),
            "configs": _present(declared.configs),
            "networks": {*_present(declared.networks), *stack_networks, *references.UNDECLARED_NETWORKS},
        }

    def __contains__(self, wanted: tuple[str, str]) -> bool:
        kind, name = wanted
        if name in self._names[kind]:
            return True
        # A stack may name a version itself: ohlcv_api_key_v1. Which versions there are, an inventory doesn't know.
        version = naming.claimed(name) if kind != "networks" else None
        return version is not None and version.logical in self._names[kind]


def _present(items: Sequence[Any]) -> set[str]:
    """The names of items that are not to go."""
    mappings = (item for item in items if isinstance(item, Mapping))
    return {str(item.get("name")) for item in mappings if item.get("state") != versioned.ABSENT}


_DECLARED_IN = {
    "secrets": "add it to secrets (swarm_secrets_items)",
    "configs": "add it to configs (swarm_configs_items), or give it a file in the stack",
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
