# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan: the ordered steps that lead from what is to what was declared.

A planner returns a plan; an executor applies it and decides nothing. ``changed``, the diff, and every message come from
the same recorded differences, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

CREATE = "create"
UPDATE = "update"
REMOVE = "remove"
ACTIONS = (CREATE, UPDATE, REMOVE)


@dataclass(frozen=True)
class Difference:
    """One field that is not as declared. Both values must be fit to be shown: never a secret."""

    field: str
    before: Any
    after: Any

    def as_dict(self) -> dict[str, Any]:
        return {"field": self.field, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class Step:
    """One change of one object.

    Attributes:
        action: one of ``ACTIONS``.
        kind: what sort of object ("node", "secret", "config", "network", "service").
        name: the object's name as the user knows it.
        differences: what changes; shown to the user.
        payload: what the executor sends. It may hold a secret, so it is never shown and never in ``repr``.
    """

    action: str
    kind: str
    name: str
    differences: tuple[Difference, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError("unknown action %r" % (self.action,))

    def as_dict(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "kind": self.kind,
            "name": self.name,
            "differences": [difference.as_dict() for difference in self.differences],
        }


@dataclass(frozen=True)
class Plan:
    """Steps in the order in which they must be applied, and what was seen but is left alone.

    Attributes:
        steps: empty when the swarm already is as declared.
        warnings: sentences about things that were found and are deliberately not touched.
    """

    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def as_list(self) -> list[dict[str, Any]]:
        return [step.as_dict() for step in self.steps]

    def diff(self) -> dict[str, Any]:
        """Ansible's ``diff`` value: the touched fields of each object, before its first step and after its last."""
        before: dict[str, dict[str, Any]] = {}
        after: dict[str, dict[str, Any]] = {}
        for step in self.steps:
            key = "%s %s" % (step.kind, step.name)
            if step.action != CREATE:
                for difference in step.differences:
                    before.setdefault(key, {}).setdefault(difference.field, difference.before)
            if step.action != REMOVE:
                after.setdefault(key, {}).update({d.field: d.after for d in step.differences})
        return {"before": before, "after": after}
