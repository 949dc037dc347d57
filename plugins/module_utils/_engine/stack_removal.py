# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove a stack, and return when it is gone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from .._core import address_space, node_json
from .._core.plan import Plan
from .._core.stack import planner, preflight
from . import errors
from .client import Json
from .patience import patiently
from .wait import DeadlineExceeded, wait_until

DEADLINE = 120.0
POLL = 0.5


class RemovalEngine(Protocol):
    """What a removal needs of an engine; it must be a manager's."""

    def services(self) -> list[Json]: ...

    def tasks(self) -> list[Json]: ...

    def nodes(self) -> list[Json]: ...

    def networks(self) -> list[Json]: ...

    def secrets(self) -> list[Json]: ...

    def configs(self) -> list[Json]: ...

    def remove_config(self, config_id: str) -> None: ...

    def remove_network(self, network_id: str) -> None: ...

    def remove_service(self, service_id: str) -> None: ...


class Removal:
    """One run for one stack: whose it is, and until when it must be gone.

    Args:
        deadline: seconds; None: DEADLINE.
    """

    def __init__(
        self,
        stack: str,
        owner: str,
        engine: RemovalEngine,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stack = stack
        self._owner = owner
        self._engine = engine
        self._clock = clock
        self._sleep = sleep
        self._end = clock() + (DEADLINE if deadline is None else deadline)

    def run(self, check_mode: bool = False) -> Plan:
        """Remove what the owner deployed as this stack, and return when it is gone.

        A task on a node that is down is not waited for: nobody sees it end, and its node stops it when it comes back.

        Raises:
            EngineError: the engine refused, or something was still there at the deadline.
        """
        observed = preflight.Observation(
            services=self._engine.services(),
            networks=self._engine.networks(),
            secrets=self._engine.secrets(),
            configs=self._engine.configs(),
        )
        plan = planner.plan_absent(self._stack, observed, self._owner)
        if not plan:
            return plan
        services = [step for step in plan if step.kind == "service"]
        gone = {step.payload["id"] for step in services}
        lost = self._on_nodes_down(gone)
        if check_mode:
            return self._with_warning(plan, lost)
        for step in services:
            self._remove(self._engine.remove_service, step.payload["id"])

        def tasks_left() -> list[str]:
            down = _down(self._engine.nodes())
            left = [task for task in self._engine.tasks() if task.get("ServiceID") in gone]
            lost.clear()
            lost.update(_by_node(left, down))
            return sorted(str(task["ID"])[:12] for task in left if task.get("NodeID") not in down)

        self._until(tasks_left, "tasks")
        removers = {"network": self._engine.remove_network, "config": self._engine.remove_config}
        left = {(step.kind, step.name): step for step in plan if step.kind in removers}

        def objects_left() -> list[str]:
            # A network stays in use for a moment after its last task is gone (moby#29293).
            for key, step in list(left.items()):
                try:
                    self._remove(removers[step.kind], step.payload["id"])
                    del left[key]
                except errors.InUse:
                    pass
            return sorted("%s %s" % key for key in left)

        self._until(objects_left, "networks and configs")
        return self._with_warning(plan, lost)

    def _on_nodes_down(self, services: set[Any]) -> dict[str, int]:
        tasks = [task for task in self._engine.tasks() if task.get("ServiceID") in services]
        return _by_node(tasks, _down(self._engine.nodes()))

    def _with_warning(self, plan: Plan, lost: Mapping[str, int]) -> Plan:
        if not lost:
            return plan
        told = ", ".join("%d on %s" % (count, name) for name, count in sorted(lost.items()))
        warning = (
            "tasks of the stack %s on nodes that are down are not waited for (%s): a node that comes back stops them "
            "itself" % (self._stack, told)
        )
        return Plan(plan.steps, (*plan.warnings, warning))

    def _remove(self, remove: Callable[[str], None], identifier: str) -> None:
        """Remove a thing, also while the managers elect a leader; one that is gone already is as wanted."""

        def attempt() -> None:
            with contextlib.suppress(errors.NotFound):
                remove(identifier)

        patiently(attempt, self._clock, self._sleep, max(0.0, self._end - self._clock()))

    def _until(self, left: Callable[[], list[str]], what: str) -> None:
        remaining = max(1.0, self._end - self._clock())
        try:
            wait_until(
                lambda: patiently(left, self._clock, self._sleep, max(0.0, self._end - self._clock())),
                lambda names: not names,
                remaining,
                POLL,
                self._clock,
                self._sleep,
            )
        except DeadlineExceeded as late:
            raise errors.DeadlineExceeded(
                "the stack %s is not gone at the deadline; %s that are left: %s"
                % (self._stack, what, ", ".join(late.last))
            ) from late


def _down(nodes: Iterable[Json]) -> dict[str, str]:
    """The nodes that are down: their names by their IDs."""
    return {str(node["ID"]): node_json.name(node) for node in nodes if node_json.state(node) == "down"}


def _by_node(tasks: Iterable[Json], down: Mapping[str, str]) -> dict[str, int]:
    """How many of these tasks have not ended on each of these nodes, by the node's name."""
    found: dict[str, int] = {}
    for task in tasks:
        name = down.get(str(task.get("NodeID")))
        if name is not None and address_space.state(task) not in address_space.ENDED:
            found[name] = found.get(name, 0) + 1
    return found
