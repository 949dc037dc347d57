# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the networks of a stack have enough addresses for it.

Where one hasn't, the engine takes the stack, and tasks stay in ``new`` without a word (moby#43052). What needs an
address is told in ``_core/address_space``. Counted is what the deployment needs at the least.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import address_space, placement
from . import definition, pace
from .preflight import Observation
from .references import externals, mapping, section, sequence

Tree = Mapping[str, Any]
Json = Mapping[str, Any]

_GLOBAL = ("global", "global-job")


@dataclass(frozen=True)
class _Service:
    """One service that is to be deployed.

    Attributes:
        tasks: how many it is to have.
        surge: tasks that an update starts before it stops the old ones.
        balanced: whether it has a virtual IP in each of its networks.
        nodes: IDs of the nodes that take its tasks.
        live: as it is in the swarm now; None when it is new.
        own: the tasks that it has now.
    """

    tasks: int
    surge: int
    balanced: bool
    nodes: frozenset[str]
    live: Json | None
    own: Sequence[Json]


@dataclass(frozen=True)
class _Demand:
    """What one service needs on one network, beyond what it holds there.

    Attributes:
        tasks: addresses for tasks.
        surge: those for the tasks that an update starts before it stops the old ones.
        virtual_ip: 1 when it has none there and needs one.
        places: how many nodes its tasks will be on at the least.
        nodes: IDs of the nodes where they may be.
    """

    tasks: int
    surge: int
    virtual_ip: int
    places: int
    nodes: frozenset[str]


def problems(
    tree: Tree,
    stack: str,
    observed: Observation,
    tasks: Sequence[Json],
    changing: Collection[str],
    replacing: Collection[str] | None = None,
) -> list[str]:
    """The networks that have too few addresses for the services that are about to be deployed, one sentence each.

    Networks that the deployment makes itself are counted where the stack gives them a subnet.

    Args:
        tree: the resolved definition.
        stack: its name.
        observed: what the swarm holds.
        tasks: the engine's list of tasks.
        changing: names, in the swarm, of the services that are created or updated; the others keep what they have.
        replacing: those of them whose tasks are replaced if they have any; None for all.
    """
    live: Mapping[str, tuple[Json | None, Sequence[Json]]] = _live(observed, tasks)
    attached: dict[str, list[_Service]] = {}
    for item in definition.declared(tree, stack):
        if item.name in changing:
            present, own = live.get(item.name, (None, ()))
            rolls = replacing is None or item.name in replacing
            service = _service(item, observed.nodes, present, own, rolls)
            for key in definition.networks_of(item.entry):
                attached.setdefault(key, []).append(service)
    found = []
    for key, services in sorted(attached.items()):
        network, name = _network(tree, stack, key, observed.networks)
        room = address_space.count(network, observed.services, tasks, observed.nodes) if network else None
        if network is None or room is None:
            continue
        demands = [_demand(service, network) for service in services]
        parts = (
            (sum(demand.tasks for demand in demands), "for tasks"),
            # Updates may wait for one another: each gives back what it took.
            (max(demand.surge for demand in demands), "for tasks that start before others stop"),
            (sum(demand.virtual_ip for demand in demands), "for virtual IPs"),
            (_new_places(demands, network, address_space.balancing(network, tasks, observed.nodes)), "for nodes"),
        )
        needed = sum(count for count, _what in parts)
        if needed > room.free:
            detail = ", ".join("%d %s" % part for part in parts if part[0])
            found.append(
                "networks.%s: the network %s has %d of its %d addresses free, and this deployment needs %d more (%s): "
                "%s" % (key, name, room.free, room.total, needed, detail, _mend(tree, key))
            )
    return found


def _mend(tree: Tree, key: str) -> str:
    external = any(item.kind == "networks" and item.key == key for item in externals(tree))
    if external:
        return "give it a larger subnet in swarm_networks (recreate: true makes it anew), or deploy fewer tasks"
    return "give it a larger subnet (an existing network has to be removed first), or deploy fewer tasks"


def _network(tree: Tree, stack: str, key: str, networks: Sequence[Json]) -> tuple[Json | None, str]:
    """A network of the stack as the swarm has it, or as it will be where its subnet is declared; and its name."""
    entry = mapping(section(tree, "networks").get(key))
    outside = {item.key: item.name for item in externals(tree) if item.kind == "networks"}
    name = outside.get(key) or str(entry.get("name") or "%s_%s" % (stack, key))
    for network in networks:
        if network.get("Name") == name and network.get("Scope") == "swarm":
            return network, name
    configs = sequence(mapping(entry.get("ipam")).get("config"))
    pools = [{"Subnet": str(mapping(config).get("subnet"))} for config in configs if _is_subnet(config)]
    if key in outside or not pools:
        return None, name
    driver = str(entry.get("driver") or "overlay")
    return {"Id": "", "Name": name, "Driver": driver, "IPAM": {"Config": pools}}, name


def _is_subnet(config: Any) -> bool:
    """Whether it names a network; what names none the CLI refuses in its own words."""
    try:
        ipaddress.ip_network(str(mapping(config).get("subnet")), strict=False)
    except ValueError:
        return False
    return True


def _live(observed: Observation, tasks: Sequence[Json]) -> Mapping[str, tuple[Json, Sequence[Json]]]:
    """The live services by their names, each with its tasks."""
    found: dict[str, tuple[Json, list[Json]]] = {str(one["ID"]): (one, []) for one in observed.services}
    for task in tasks:
        if task.get("ServiceID") in found:
            found[task["ServiceID"]][1].append(task)
    return {str(one["Spec"]["Name"]): (one, own) for one, own in found.values()}


def _service(
    item: definition.Declared, nodes: Sequence[Json], live: Json | None, tasks: Sequence[Json], rolls: bool
) -> _Service:
    deploy = mapping(item.entry.get("deploy"))
    constraints = [str(text) for text in sequence(mapping(deploy.get("placement")).get("constraints"))]
    eligible = frozenset(str(node["ID"]) for node in placement.eligible(constraints, nodes))
    wanted = len(eligible) if item.mode in _GLOBAL else _replicas(item, deploy, live)
    surge = 0
    if live is not None and rolls and mapping(deploy.get("update_config")).get("order") == "start-first":
        surge = min(wanted, pace.of_service(item.entry).update.parallelism or wanted)
    balanced = str(deploy.get("endpoint_mode")).lower() != "dnsrr"
    return _Service(wanted, surge, balanced, eligible, live, tasks)


def _replicas(item: definition.Declared, deploy: Tree, live: Json | None) -> int:
    replicas = deploy.get("replicas")
    if replicas is None and item.mode == "replicated" and live is not None:
        # A count that the file leaves out stays as others set it (see planner).
        replicas = mapping(mapping(live["Spec"].get("Mode")).get("Replicated")).get("Replicas")
    return 1 if replicas is None else int(replicas)


def _demand(service: _Service, network: Json) -> _Demand:
    held = sum(len(address_space.held_by(task, network)) for task in service.own)
    has_one = service.live is not None and bool(address_space.virtual_ips(service.live, network))
    return _Demand(
        tasks=max(0, service.tasks - held),
        surge=service.surge,
        virtual_ip=1 if service.balanced and not has_one else 0,
        # Swarm spreads the tasks of a service over the nodes that it may use.
        places=min(service.tasks, len(service.nodes)),
        nodes=service.nodes,
    )


def _new_places(demands: Sequence[_Demand], network: Json, balancing: Collection[str]) -> int:
    """How many nodes at the least come to a network that are not on it now."""
    if network["Driver"] != "overlay":
        return 0
    sure = {node for demand in demands if demand.places == len(demand.nodes) for node in demand.nodes} - set(balancing)
    there = sure | set(balancing)
    return len(sure) + max([0, *_beyond(demands, there)])


def _beyond(demands: Sequence[_Demand], there: Collection[str]) -> Iterator[int]:
    """For each service, how many nodes it needs beyond those that are there anyway; services may share new ones."""
    for demand in demands:
        yield demand.places - len(demand.nodes & set(there))
