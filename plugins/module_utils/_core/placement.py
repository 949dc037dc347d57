# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes a service may run on: swarmkit's placement constraints, matched the way swarmkit matches them.

The rules are those of swarmkit's manager/constraint/constraint.go: values are compared without regard to case, the
name of a label with regard to it, an absent label counts as the empty string, and an unknown key matches nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_KEY = re.compile(r"^[a-z_][a-z0-9\-_.]+$", re.IGNORECASE)
_VALUE = re.compile(r"^[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+$", re.IGNORECASE)
_OPERATORS = ("==", "!=")
NODE_LABEL = "node.labels."
ENGINE_LABEL = "engine.labels."

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "node.id": ("ID",),
    "node.hostname": ("Description", "Hostname"),
    "node.role": ("Spec", "Role"),
    "node.platform.os": ("Description", "Platform", "OS"),
    "node.platform.arch": ("Description", "Platform", "Architecture"),
}
_LABELS = ((NODE_LABEL, ("Spec", "Labels")), (ENGINE_LABEL, ("Description", "Engine", "Labels")))


def _text(node: Mapping[str, Any], path: tuple[str, ...]) -> str:
    """What stands there in the engine's JSON; empty where nothing does."""
    found: Any = node
    for key in path:
        found = (found or {}).get(key)
    return str(found or "")


@dataclass(frozen=True)
class Constraint:
    """One parsed constraint; ``equal`` is False for ``!=``."""

    key: str
    equal: bool
    value: str

    def holds(self, actual: str) -> bool:
        return (self.value.casefold() == actual.casefold()) == self.equal

    def matches(self, node: Mapping[str, Any]) -> bool:
        """Whether a node (the engine's JSON) satisfies this constraint."""
        key = self.key.lower()
        if key == "node.ip":
            return self._matches_address(str((node.get("Status") or {}).get("Addr") or ""))
        for prefix, path in _LABELS:
            if key.startswith(prefix) and len(key) > len(prefix):
                return self.holds(_text(node, (*path, self.key[len(prefix) :])))
        return key in _FIELDS and self.holds(_text(node, _FIELDS[key]))

    def _matches_address(self, address: str) -> bool:
        try:
            actual = ipaddress.ip_address(address)
            wanted = ipaddress.ip_network(self.value, strict=False)
        except ValueError:
            return False
        return (actual in wanted) == self.equal


def parse(expression: str) -> Constraint:
    """Parse ``key==value`` or ``key!=value``; blanks around both are allowed.

    Raises:
        ValueError: swarmkit would refuse the expression; the message says why.
    """
    for operator in _OPERATORS:
        if operator in expression:
            key, value = (part.strip() for part in expression.split(operator, 1))
            if not _KEY.match(key):
                raise ValueError("the key %r of the constraint %r is not valid" % (key, expression))
            if not _VALUE.match(value):
                raise ValueError("the value %r of the constraint %r is not valid" % (value, expression))
            return Constraint(key, operator == "==", value)
    raise ValueError("the constraint %r has neither == nor !=" % expression)


def node_matches(expressions: Iterable[str], node: Mapping[str, Any]) -> bool:
    """Whether a node satisfies all constraints. One that can't be parsed matches nothing."""
    return bool(_matching(expressions, [node]))


def takes_tasks(node: Mapping[str, Any]) -> bool:
    """Whether the scheduler gives new tasks to this node at all: active, and not known to be down."""
    return (node.get("Spec") or {}).get("Availability") == "active" and (node.get("Status") or {}).get(
        "State"
    ) != "down"


def eligible(expressions: Sequence[str], nodes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The nodes that take new tasks and satisfy all constraints."""
    return _matching(expressions, [node for node in nodes if takes_tasks(node)])


def _matching(expressions: Iterable[str], nodes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    try:
        constraints = [parse(expression) for expression in expressions]
    except ValueError:
        return []
    return [node for node in nodes if all(constraint.matches(node) for constraint in constraints)]
