# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of nodes: their labels, availability and roles.

Labels that we set on a node are named in one more label there (``labels.NODE_LABELS``), so that a label which is no
longer declared can be taken away without touching those that somebody else set.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import labels, naming, node_json, quorum, roles, superseded
from .errors import DeclarationError
from .node_json import DRAIN, MANAGER, WORKER, Json
from .plan import UPDATE, Difference, Plan, Step

MERGE = "merge"
EXACT = "exact"
LABELS_MODES = (MERGE, EXACT)
AVAILABILITIES = ("active", "pause", DRAIN)
ROLES = (MANAGER, WORKER)

_IDENTITIES = ("id", "name", "address")


@dataclass(frozen=True)
class Item:
    """One declared node.

    Attributes:
        by: what it is found by: "id", "name" (its hostname, as the engine has it) or "address".
        value: that id, name or address (normalised).
        labels: None: not managed. ``{}``: it has none of ours.
        availability: one of AVAILABILITIES; None: not managed.
        role: one of ROLES; None: not compared.
    """

    by: str
    value: str
    labels: Mapping[str, str] | None = None
    availability: str | None = None
    role: str | None = None


@dataclass(frozen=True)
class Decision:
    """The plan, and what holds once it is applied.

    Attributes:
        nodes: the declared nodes: ``{"id", "name", "address", "role", "availability", "labels", "state"}``, by name.
        undeclared: the others of the swarm, the same way; nothing is done to them.
        drained: ID -> name of the nodes that are declared as drained, so that their tasks must go.
    """

    plan: Plan
    nodes: tuple[Mapping[str, Any], ...]
    undeclared: tuple[Mapping[str, Any], ...]
    drained: Mapping[str, str] = field(default_factory=dict)


def declared(items: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
    """The nodes as a user wrote them, checked.

    Args:
        items: ``{"id" or "name" or "address", "labels", "availability", "role"}`` each, unconverted.

    Raises:
        DeclarationError: every problem of every item.
    """
    problems: list[str] = []
    result = []
    for position, item in enumerate(items):
        by = [key for key in _IDENTITIES if item.get(key) is not None]
        where = naming.place("nodes", position, item[by[0]] if by else None)
        if len(by) == 1:
            value, problem = _identity(by[0], item[by[0]])
        else:
            value, problem = "", "give exactly one of id, name and address"
        if problem:
            problems.append("%s: %s" % (where, problem))
        if item.get("labels") is not None:
            problems.extend(labels.problems(item["labels"], where + ": labels"))
        for key, choices in (("availability", AVAILABILITIES), ("role", ROLES)):
            if item.get(key) is not None and item[key] not in choices:
                problems.append("%s: %s: %r is none of %s" % (where, key, item[key], ", ".join(choices)))
        result.append(Item("".join(by[:1]), value, item.get("labels"), item.get("availability"), item.get("role")))
    if problems:
        raise DeclarationError(*problems)
    return tuple(result)


def plan(
    items: Sequence[Item],
    observed: Sequence[Json],
    labels_mode: str = MERGE,
    remove_superseded: bool = False,
    *,
    change_roles: bool = False,
    asked: str | None = None,
) -> Decision:
    """What leads from the observed nodes to the declared ones.

    Nodes that keep their role come first, by name; then what is removed; then promotions, because they add to the
    quorum; then demotions. A node gets one step, whatever is different.

    Args:
        items: from ``declared``.
        observed: the engine's list of nodes.
        labels_mode: MERGE leaves labels alone that somebody else set; EXACT removes them too.
        remove_superseded: remove what is left of hosts that were installed anew, of those that are declared by ID.
        change_roles: promote and demote; otherwise another role is a warning.
        asked: ID of the manager that carries the plan out. It can't see its own demotion through.

    Raises:
        DeclarationError: an item fits no node, or several; or two items fit one node; or a role can't be changed.
    """
    matched = _matched(items, observed)
    by_id = [node_id for node_id, item in matched.items() if item.by == "id"] if remove_superseded else []
    remnants = superseded.remnants(by_id, observed, addresses)
    gone = {node["ID"] for node in remnants}
    staying = sorted(
        (node for node in observed if node["ID"] not in gone), key=lambda node: (node_json.name(node), node["ID"])
    )
    undeclared = [_summary(node, node["Spec"]) for node in staying if node["ID"] not in matched]
    changes = [
        _Change(node, *_wanted(matched[node["ID"]], node, labels_mode, change_roles))
        for node in staying
        if node["ID"] in matched
    ]
    promoted = [change.node for change in changes if change.role == MANAGER]
    demoted = roles.in_order(change.node for change in changes if change.role == WORKER)
    problems = roles.problems(promoted, demoted, staying, asked)
    if problems:
        raise DeclarationError(*problems)
    names = Counter(node_json.name(node) for node in observed)
    steps = {change.node["ID"]: change.step(names) for change in changes if change.differences}
    turned = {node["ID"]: steps.pop(node["ID"]) for node in [*promoted, *demoted]}
    ordered = (*steps.values(), *superseded.steps(remnants), *turned.values())
    return Decision(
        Plan(ordered, tuple(_warnings(matched, changes, staying, undeclared))),
        tuple(_summary(change.node, change.spec) for change in changes),
        tuple(undeclared),
        {c.node["ID"]: node_json.name(c.node) for c in changes if matched[c.node["ID"]].availability == DRAIN},
    )


@dataclass(frozen=True)
class _Change:
    """A declared node, its whole spec as it is to be, and what is different in that."""

    node: Json
    spec: Mapping[str, Any]
    differences: tuple[Difference, ...]

    @property
    def role(self) -> str | None:
        """The role that it gets; None = it keeps its own."""
        return self.spec["Role"] if self.spec["Role"] != self.node["Spec"]["Role"] else None

    def step(self, names: Mapping[str, int]) -> Step:
        """The update of the node; its ID is told with its name when several nodes have that."""
        name = node_json.name(self.node)
        payload = {"id": self.node["ID"], "version": self.node["Version"]["Index"], "spec": self.spec}
        if self.role:
            payload["role"] = self.role
        known = name if names[name] == 1 else "%s (%s)" % (name, self.node["ID"])
        return Step(UPDATE, "node", known, self.differences, payload)


def _warnings(
    matched: Mapping[str, Item], changes: Sequence[_Change], staying: Sequence[Json], undeclared: Sequence[Json]
) -> Iterator[str]:
    raft = roles.raft(staying)
    for change in changes:
        yield from _role_warnings(change, matched[change.node["ID"]].role)
        yield from _drain_warnings(change, raft)
    if undeclared:
        yield "the swarm has nodes that are not declared, and they are left as they are: %s" % ", ".join(
            "%s (%s, %s)" % (node["name"], node["id"], node["state"]) for node in undeclared
        )


def _role_warnings(change: _Change, declared_role: str | None) -> Iterator[str]:
    name, role = node_json.name(change.node), change.spec["Role"]
    if declared_role not in (None, role):
        yield "node %s is a %s and declared as a %s; it is left so (change_roles: true changes it)" % (
            name,
            role,
            declared_role,
        )
    elif declared_role and not change.role and node_json.in_raft(change.node) != (role == MANAGER):
        yield "node %s was made a %s before, and the swarm has not carried that out yet" % (name, role)


def _drain_warnings(change: _Change, raft: roles.Raft) -> Iterator[str]:
    """A drain stops no engine, but what is drained is usually stopped next.

    With one manager there is no quorum to keep, and no other way.
    """
    node = change.node
    drains = change.spec["Availability"] == DRAIN != node["Spec"]["Availability"]
    if not drains or change.role or node["ID"] not in raft.reachable or len(raft.members) == 1:
        return
    answer = quorum.may_stop(raft.members, raft.reachable, node["ID"])
    if not answer.allowed:
        yield "the manager %s is drained, but don't stop its engine: %s" % (node_json.name(node), answer.reason)


def addresses(node: Json) -> frozenset[str]:
    """The addresses, normalised, by which the swarm knows a node: its own, and a manager's raft address."""
    manager = (node.get("ManagerStatus") or {}).get("Addr") or ""
    host = manager.rpartition(":")[0].strip("[]")
    found = (_address(text) for text in ((node.get("Status") or {}).get("Addr"), host))
    # A manager may show 0.0.0.0 for itself until its first heartbeat: that is every node's address, so it is nobody's.
    return frozenset(address for address in found if address and not ipaddress.ip_address(address).is_unspecified)


def _identity(by: str, value: object) -> tuple[str, str | None]:
    if not isinstance(value, str) or not value:
        return "", "%s is not a string (or empty): write it in quotes" % by
    if by != "address":
        return value, None
    address = _address(value)
    return address or "", None if address else "address: %r is no IP address" % value


def _address(text: str | None) -> str | None:
    try:
        return str(ipaddress.ip_address(text or ""))
    except ValueError:
        return None


def _fits(item: Item, node: Json) -> bool:
    if item.by == "id":
        return bool(node["ID"] == item.value)
    if item.by == "name":
        return node_json.name(node) == item.value
    return item.value in addresses(node)


def _matched(items: Sequence[Item], observed: Sequence[Json]) -> dict[str, Item]:
    """Node ID -> the one item that fits it."""
    problems: list[str] = []
    found: dict[str, Item] = {}
    for item in items:
        fitting = [node for node in observed if _fits(item, node)]
        what = "the node with the %s %s" % (item.by, item.value)
        if not fitting:
            problems.append("%s is not in the swarm; in it are: %s" % (what, _listed(observed)))
        elif len(fitting) > 1:
            problems.append(
                "%s is not one node but %d: %s. Declare it by its id, or remove the one that is gone"
                % (what, len(fitting), _listed(fitting))
            )
        elif fitting[0]["ID"] in found:
            problems.append("%s is declared more than once: %s" % (what, _listed(fitting)))
        else:
            found[fitting[0]["ID"]] = item
    if problems:
        raise DeclarationError(*problems)
    return found


def _listed(nodes: Sequence[Json]) -> str:
    return ", ".join(
        "%s (id %s, %s, %s)"
        % (node_json.name(node), node["ID"], "/".join(sorted(addresses(node))) or "no address", node_json.state(node))
        for node in sorted(nodes, key=lambda node: (node_json.name(node), node["ID"]))
    )


def _summary(node: Json, spec: Json) -> dict[str, Any]:
    return {
        "id": node["ID"],
        "name": node_json.name(node),
        "address": (node.get("Status") or {}).get("Addr"),
        "role": spec["Role"],
        "availability": spec["Availability"],
        "labels": labels.foreign(spec.get("Labels")),
        "state": node_json.state(node),
    }


def _wanted(
    item: Item, node: Json, labels_mode: str, change_roles: bool
) -> tuple[dict[str, Any], tuple[Difference, ...]]:
    """The node's whole spec as declared (the engine takes no part of one), and what is different in it."""
    spec = dict(node["Spec"])
    differences: tuple[Difference, ...] = ()
    if change_roles and item.role is not None and item.role != spec["Role"]:
        differences += (Difference("role", spec["Role"], item.role),)
        spec["Role"] = item.role
    if item.availability is not None and item.availability != spec["Availability"]:
        differences += (Difference("availability", spec["Availability"], item.availability),)
        spec["Availability"] = item.availability
    if item.labels is not None:
        before = spec.get("Labels") or {}
        after = _wanted_labels(item.labels, before, labels_mode)
        differences += labels.differences(before, after)
        spec["Labels"] = after
    return spec, differences


def _wanted_labels(wanted: Mapping[str, str], before: Mapping[str, str], labels_mode: str) -> dict[str, str]:
    ours = set(before.get(labels.NODE_LABELS, "").split(","))
    gone = (
        labels.foreign(before) if labels_mode == EXACT else {key for key in ours if not key.startswith(labels.PREFIX)}
    )
    after = {key: value for key, value in before.items() if key not in gone and key != labels.NODE_LABELS}
    after.update(wanted)
    if wanted:
        after[labels.NODE_LABELS] = ",".join(sorted(wanted))
    return after
