# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of a network: how many it has, and what holds them.

Swarm gives one address in a network to each task on it, one virtual IP to each service on it (unless its endpoint mode
is dnsrr), and one to each node where a task on it is, for the load balancer there; in the ingress network every node
has one. A task holds its address until it has ended, whatever it is meant to do. Source: swarmkit,
manager/allocator/network.go (``doTaskAlloc``, ``getNodeNetworks``), and moby, libnetwork/cnmallocator
(``AllocateTask``, ``AllocateService``, ``AllocateAttachment``). The gateway has one too; the first and the last address
of an IPv4 subnet, and the first of an IPv6 one, are never given out (moby, libnetwork/ipams/defaultipam:
``newPoolData``).

A network whose addresses are used up gives no error: new tasks stay in ``new`` (moby#43052).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from . import node_json

Json = Mapping[str, Any]
IpNetwork = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
IpAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
"""Status.State of tasks that no longer hold an address."""

_OVERLAY = "overlay"


@dataclass(frozen=True)
class Pool:
    """One subnet of a network.

    Attributes:
        subnet: the subnet itself.
        gateway: its gateway; None where none is shown.
        given: the part that addresses are given from; the subnet, unless the network has an IPRange.
    """

    subnet: IpNetwork
    gateway: IpAddress | None
    given: IpNetwork

    @property
    def size(self) -> int:
        """How many addresses it has for tasks, services and nodes."""
        reserved = {self.subnet[0]} if self.subnet.num_addresses > 2 else set()
        if self.subnet.version == 4 and self.subnet.num_addresses > 2:
            reserved.add(self.subnet[-1])
        if self.gateway is None:
            # The engine chooses one: the first that is free.
            return self.given.num_addresses - sum(address in self.given for address in reserved) - 1
        return self.given.num_addresses - sum(address in self.given for address in {*reserved, self.gateway})


@dataclass(frozen=True)
class Addresses:
    """How many addresses a network has for tasks, services and nodes, and how many of them are held."""

    total: int
    used: int

    @property
    def free(self) -> int:
        return max(0, self.total - self.used)

    def as_dict(self) -> dict[str, int]:
        return {"total": self.total, "used": self.used, "free": self.free}


def pools(network: Json) -> Iterator[Pool]:
    """The subnets of a network (``IPAM.Config``); none while the engine has given it no addresses."""
    for config in (network.get("IPAM") or {}).get("Config") or ():
        if config.get("Subnet"):
            subnet = ipaddress.ip_network(config["Subnet"], strict=False)
            gateway = config.get("Gateway")
            part = config.get("IPRange")
            given = ipaddress.ip_network(part, strict=False) if part else subnet
            # Engines differ in whether the gateway that they chose carries its prefix length.
            yield Pool(subnet, ipaddress.ip_interface(gateway).ip if gateway else None, given)


def count(network: Json, services: Iterable[Json], tasks: Sequence[Json], nodes: Sequence[Json]) -> Addresses | None:
    """The addresses of a network of the swarm; None while it has none to give.

    Containers that were attached by hand are counted where their tasks are among those given, which takes a filter.
    """
    total = sum(pool.size for pool in pools(network))
    if not total:
        return None
    held = {address for task in tasks for address in held_by(task, network)}
    held.update(vip for service in services for vip in virtual_ips(service, network))
    return Addresses(total, len(held) + len(balancing(network, tasks, nodes)))


def held_by(task: Json, network: Json) -> list[str]:
    """The addresses that a task holds in a network."""
    if state(task) in ENDED:
        return []
    return [
        str(address)
        for attachment in task.get("NetworksAttachments") or ()
        if (attachment.get("Network") or {}).get("ID") == network["Id"]
        for address in attachment.get("Addresses") or ()
    ]


def is_attached(task: Json, network: Json) -> bool:
    """Whether a task that has not ended is on a network, whether or not it has its address already."""
    names = {network["Id"], network["Name"]}
    attached = {(entry.get("Network") or {}).get("ID") for entry in task.get("NetworksAttachments") or ()}
    return bool(names & attached) and state(task) not in ENDED


def virtual_ips(service: Json, network: Json) -> list[str]:
    """The virtual IPs that a service holds in a network; one at most."""
    entries = (service.get("Endpoint") or {}).get("VirtualIPs") or ()
    return [str(entry["Addr"]) for entry in entries if entry.get("NetworkID") == network["Id"] and entry.get("Addr")]


def balancing(network: Json, tasks: Iterable[Json], nodes: Iterable[Json]) -> set[str]:
    """IDs of the nodes that hold an address in a network for their load balancer."""
    if network.get("Ingress"):
        return {str(node["ID"]) for node in nodes}
    if network.get("Driver") != _OVERLAY:
        return set()
    return {str(task["NodeID"]) for task in tasks if task.get("NodeID") and is_attached(task, network)}


def leaving(network: Json, tasks: Iterable[Json], nodes: Iterable[Json]) -> list[str]:
    """IDs of the tasks that still have to let go of a network before it can be removed.

    A task on a node that is down can't be waited for: nobody sees it end, and its node stops it when it comes back.
    """
    down = {node["ID"] for node in nodes if node_json.state(node) == "down"}
    return sorted(str(task["ID"]) for task in tasks if is_attached(task, network) and task.get("NodeID") not in down)


def state(task: Json) -> str:
    return str((task.get("Status") or {}).get("State") or "")
