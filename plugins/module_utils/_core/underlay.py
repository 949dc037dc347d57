# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network below the overlays: which interface of a host carries it, and what its MTU leaves to containers."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ASSUMED_MTU = 1500
"""What the overlay driver takes for the underlay's MTU when a network doesn't say (moby: drivers/overlay, maxMTU)."""
_VXLAN = 50
_ESP = 26
MTU_RANGE = (576, 65535)
"""Bytes, from the smallest packet that every IPv4 host takes to the largest there is."""


@dataclass(frozen=True)
class Route:
    """One IPv4 route: packets to ``network`` leave by ``interface``; the lowest ``metric`` wins among equals."""

    interface: str
    network: ipaddress.IPv4Network
    metric: int = 0


def container_mtu(mtu: int, encrypted: bool) -> int:
    """The MTU of a container's interface in an overlay, in bytes.

    VXLAN takes 50 (``vxlanEncap``); encryption takes 26 more (``pktExpansion``), and what is left is rounded down to a
    multiple of 4. Source: moby, libnetwork/drivers/overlay: ``network.maxMTU`` in encryption.go, and overlay.go.

    Args:
        mtu: the underlay's, as the network's own option says it.
        encrypted: whether the network encrypts.
    """
    left = mtu - _VXLAN
    if encrypted:
        left -= _ESP
        left -= left % 4
    return left


def mtu_problem(mtu: int) -> str | None:
    """Why this can't be an MTU, or None."""
    low, high = MTU_RANGE
    return None if low <= mtu <= high else "%s is not between %d and %d" % (mtu, low, high)


def interface_of(address: str, routes: Sequence[Route], by_address: Mapping[str, str]) -> str | None:
    """The interface that carries the traffic of one of the host's own addresses; None when nothing tells it.

    The IPv4 interface is that of the most exact route to the address's network. Where an address is a network of its
    own (/32, as in some clouds), that is the route to the other hosts, which is the one that counts.

    Args:
        address: the address that the node shows to the others.
        routes: the host's IPv4 routes.
        by_address: IPv6 address in its normal form -> interface.
    """
    try:
        own = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(own, ipaddress.IPv6Address):
        return by_address.get(str(own))
    matching = [route for route in routes if own in route.network]
    return min(matching, key=lambda route: (-route.network.prefixlen, route.metric)).interface if matching else None


@dataclass(frozen=True)
class Survey:
    """What is known of the MTU below the overlays on the hosts of a swarm.

    Attributes:
        mtu: for networks that declare none; None leaves it to the driver.
        known: whether it is known of any host.
        unknown: hosts of which it is not known, sorted: they were left out of the run, or don't tell it.
        unseen: hosts in the swarm that could not tell it yet when they were looked at, in the given order.
    """

    mtu: int | None
    known: bool
    unknown: tuple[str, ...]
    unseen: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "mtu": "" if self.mtu is None else self.mtu,
            "known": self.known,
            "unknown": list(self.unknown),
            "unseen": list(self.unseen),
        }


def survey(
    hosts: Sequence[str], joined: Collection[str], seen: Mapping[str, int | None], later: Mapping[str, int | None]
) -> Survey:
    """The smallest MTU of all hosts.

    What only some of them tell is used where the driver itself would assume more, which they can't carry; a larger one
    may be too large for the others.

    Args:
        hosts: all that are meant to be nodes.
        joined: those of them that are known to be in the swarm; only they can tell it when they are asked again.
        seen: host -> what was seen of it first; None = nothing.
        later: the same of hosts that were asked again.
    """
    told = {host: mtu for host in hosts for mtu in (later.get(host) or seen.get(host),) if mtu}
    unknown = tuple(sorted(set(hosts) - set(told)))
    fit = [mtu for mtu in told.values() if not unknown or mtu < ASSUMED_MTU]
    unseen = tuple(host for host in hosts if host in joined and not seen.get(host))
    return Survey(min(fit, default=None), bool(told), unknown, unseen)
