# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services that a plan creates or updates, as the checks of their room look at them: by their specs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import address_space, node_json, placement
from ..plan import CREATE, UPDATE, Step
from .references import mapping, sequence

Json = Mapping[str, Any]

_REPLACING = ("TaskTemplate", "EndpointSpec", "update")
"""Where a difference makes swarm replace a service's tasks (swarmkit, orchestrator/task.go: IsTaskDirty), or go on
replacing them."""


@dataclass(frozen=True)
class Change:
    """One service that is created or updated.

    Attributes:
        where: what a sentence calls it: ``services.KEY``.
        name: its name in the swarm.
        after: the spec that it is to have.
        before: the one that it has; None for a new service.
        replaces: whether tasks that run are replaced.
    """

    where: str
    name: str
    after: Json
    before: Json | None = None
    replaces: bool = False

    @property
    def is_global(self) -> bool:
        mode = mapping(self.after.get("Mode"))
        return "Global" in mode or "GlobalJob" in mode

    @property
    def start_first(self) -> str:
        """The keys that let a new task start before the old one stops; empty where none does."""
        policies = (("UpdateConfig", "update_config"), ("RollbackConfig", "rollback_config"))
        found = ["deploy.%s.order" % key for name, key in policies if self._order(name) == "start-first"]
        return " and ".join(found)

    @property
    def updates_start_first(self) -> bool:
        return bool(self._order("UpdateConfig") == "start-first")

    @property
    def max_per_node(self) -> int:
        """How many of its tasks one node takes; 0 for any number."""
        return int(self._placement.get("MaxReplicas") or 0)

    def eligible(self, nodes: Sequence[Json]) -> list[Json]:
        """The nodes that take its tasks, by their hostnames."""
        constraints = [str(text) for text in sequence(self._placement.get("Constraints"))]
        return sorted(placement.eligible(constraints, nodes), key=node_json.name)

    def tasks(self, nodes: Sequence[Any]) -> int:
        """How many tasks it has at a time.

        Args:
            nodes: those that take them.
        """
        return len(nodes) if self.is_global else _count(self.after)

    @property
    def starts_tasks(self) -> bool:
        """Whether new tasks have to find a place; what runs stays where it is otherwise."""
        if self.before is None or self.replaces:
            return True
        return not self.is_global and _count(self.after) > _count(self.before)

    @property
    def _placement(self) -> Json:
        return mapping(mapping(self.after.get("TaskTemplate")).get("Placement"))

    def _order(self, policy: str) -> Any:
        return mapping(self.after.get(policy)).get("Order")


def of(steps: Iterable[Step]) -> tuple[Change, ...]:
    """The services that these steps create or update, in their order."""
    found = []
    for step in steps:
        if step.kind == "service" and step.action in (CREATE, UPDATE):
            where = "services.%s" % (step.payload.get("key") or step.name)
            before = step.payload.get("before")
            replaces = before is not None and any(
                difference.field.startswith(_REPLACING) for difference in step.differences
            )
            found.append(Change(where, step.name, step.payload["spec"], before, replaces))
    return tuple(found)


def _count(spec: Json) -> int:
    """How many tasks a service that is not global has at a time."""
    mode = mapping(spec.get("Mode"))
    count = mapping(mode.get("Replicated")).get("Replicas")
    if "ReplicatedJob" in mode:
        count = mapping(mode["ReplicatedJob"]).get("MaxConcurrent")
    return 1 if count is None else int(count)


def stays(task: Json) -> bool:
    """Whether a task holds what it has on its node, and goes on holding it."""
    return address_space.state(task) not in address_space.ENDED and task.get("DesiredState") in (None, "running")


def named(names: Sequence[str], most: int = 5) -> str:
    """Some names in a sentence, and how many more there are."""
    more = " and %d more" % (len(names) - most) if len(names) > most else ""
    return ", ".join(names[:most]) + more
