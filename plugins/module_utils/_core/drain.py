# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks are left on drained nodes, and what to say about them.

A drain makes the swarm shut down a node's tasks, also those of global services; each gets its service's stop grace
period. Two kinds of containers stay: a replicated job's task runs to its end (swarmkit's orchestrator of jobs shuts
nothing down for a drain), and what was started beside the swarm, which is in no list of tasks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from . import node_json
from .errors import DeclarationError
from .node_json import Json

_ON_NODE = ("assigned", "accepted", "preparing", "ready", "starting", "running")
"""Task states from the assignment of a node to the end of the container. The desired state would not do: a job's task
wants to be "complete" from its start, and a task that ended may want to be "running" still."""


def checked_deadline(seconds: float) -> float:
    """The deadline, when it can be one.

    Raises:
        DeclarationError: it is negative or endless.
    """
    if not math.isfinite(seconds) or seconds < 0:
        raise DeclarationError("drain_deadline is %g: give seconds, or 0 not to wait" % seconds)
    return seconds


def left(tasks: Iterable[Json], node_ids: Collection[str]) -> list[Json]:
    """The tasks of these nodes that hold a container, or soon will."""
    return [task for task in tasks if task.get("NodeID") in node_ids and task["Status"]["State"] in _ON_NODE]


def silent(nodes: Iterable[Json]) -> set[str]:
    """The IDs of the nodes that can't report the end of their tasks."""
    return {node["ID"] for node in nodes if node_json.is_down(node)}


def stranded(tasks: Iterable[Json], names: Mapping[str, str]) -> Iterator[str]:
    """A warning for each drained node that is down and has tasks.

    Args:
        tasks: those that are left on such nodes.
        names: node ID -> name.
    """
    counts = Counter(names[task["NodeID"]] for task in tasks)
    for name, count in sorted(counts.items()):
        yield (
            "node %s is drained and down, and %d of its tasks count as running until it is back or removed; that was "
            "not waited for" % (name, count)
        )


def problem(tasks: Iterable[Json], names: Mapping[str, str], services: Iterable[Json], deadline: float) -> str:
    """What to say when tasks are left at the deadline: nodes, services and states, and the mend.

    Args:
        tasks: those that are left.
        names: node ID -> name.
        services: the engine's list.
        deadline: seconds that were waited.
    """
    known = {service["ID"]: str(service["Spec"]["Name"]) for service in services}
    by_node: dict[str, Counter[str]] = {}
    for task in tasks:
        service = known.get(task.get("ServiceID"), "the removed service %s" % task.get("ServiceID"))
        kind = ", a job" if task.get("JobIteration") else ""
        what = "%s (%s%s)" % (service, task["Status"]["State"], kind)
        by_node.setdefault(names[task["NodeID"]], Counter())[what] += 1
    said = "; ".join(
        "node %s: %s" % (node, ", ".join("%d x %s" % (count, what) for what, count in sorted(counts.items())))
        for node, counts in sorted(by_node.items())
    )
    return (
        "drained, but after %g s tasks are left on %s. A task has its service's stop grace period to end, and a job's "
        "runs to its end: raise drain_deadline, or read `journalctl -u docker` there, and run again" % (deadline, said)
    )
