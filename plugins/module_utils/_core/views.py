# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether managers that were asked one by one see the same swarm.

After ``--force-new-cluster`` on one manager while the others live there are two swarms with one ID, each with a leader
and a quorum of its own. Nothing that one manager says gives that away; two answers side by side do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

View = Mapping[str, Any]

MEND = (
    "Choose the half that is to stay; on each manager of the other, `docker swarm leave --force`, and then "
    "playbooks/dr/node_failure.yml for it. If a leader was elected at this moment, look again"
)


def of(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """What is compared of a snapshot: ``cluster`` and ``leader`` (IDs, the latter None), ``nodes`` (ID to name)."""
    return {
        "cluster": snapshot["cluster"]["id"],
        "leader": next((node["id"] for node in snapshot["nodes"] if node["leader"]), None),
        "nodes": {node["id"]: node["name"] for node in snapshot["nodes"]},
    }


def differences(views: Mapping[str, View]) -> list[str]:
    """Where the managers' views of their swarm differ, one sentence each; empty when they are of one mind.

    Args:
        views: inventory name of a manager to what ``of`` gave there. One that saw nothing is not among them.
    """
    if not views:
        return []
    return [*_swarms(views), *_nodes(views)]


def _swarms(views: Mapping[str, View]) -> Iterator[str]:
    halves: dict[tuple[Any, Any], list[str]] = {}
    for host, view in views.items():
        halves.setdefault((view["cluster"], view["leader"]), []).append(host)
    if len(halves) > 1:
        said = [
            "%s: the swarm %s, led by %s" % (_listed(hosts), cluster, _name(leader, views[hosts[0]]))
            for (cluster, leader), hosts in halves.items()
        ]
        yield "the managers follow %d leaders: %s. %s" % (len(halves), "; ".join(said), MEND)


def _name(leader: str | None, view: View) -> str:
    return "%s (%s)" % (view["nodes"][leader], leader) if leader else "nobody"


def _nodes(views: Mapping[str, View]) -> Iterator[str]:
    names = {node_id: name for view in views.values() for node_id, name in view["nodes"].items()}
    for node_id, name in sorted(names.items(), key=lambda entry: (entry[1], entry[0])):
        knows = [host for host, view in views.items() if node_id in view["nodes"]]
        others = [host for host in views if host not in knows]
        if others:
            yield "%s (%s) is a node to %s, and not to %s" % (name, node_id, _listed(knows), _listed(others))


def _listed(hosts: Iterable[str]) -> str:
    return ", ".join(sorted(hosts))
