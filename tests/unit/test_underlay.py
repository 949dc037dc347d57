# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network below the overlays."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.filter.underlay import FilterModule
from ansible_collections.flotilla.swarm.plugins.module_utils._core import underlay
from ansible_collections.flotilla.swarm.plugins.module_utils._core.underlay import Route


@pytest.mark.parametrize(
    ("mtu", "encrypted", "left"),
    [(1500, False, 1450), (1500, True, 1424), (1450, False, 1400), (1450, True, 1372), (9000, True, 8924)],
)
def test_what_an_underlay_leaves_to_containers(mtu: int, encrypted: bool, left: int) -> None:
    assert underlay.container_mtu(mtu, encrypted) == left


def route(interface: str, network: str, metric: int = 0) -> Route:
    return Route(interface, ipaddress.IPv4Network(network), metric)


ROUTES = [
    route("eth0", "0.0.0.0/0", 100),
    route("wlan0", "0.0.0.0/0", 600),
    route("docker0", "172.17.0.0/16"),
    route("eth1", "10.0.0.0/16"),
    route("eth0", "192.0.2.0/24"),
]


@pytest.mark.parametrize(
    ("address", "interface"),
    [
        ("192.0.2.21", "eth0"),
        ("10.0.7.1", "eth1"),
        # An address that is a network of its own: the way to the others.
        ("198.51.100.7", "eth0"),
        ("2001:db8::5", "eth2"),
        ("2001:DB8:0::5", "eth2"),
        ("2001:db8::6", None),
        ("", None),
        ("a-name", None),
    ],
)
def test_the_interface_of_an_address(address: str, interface: str | None) -> None:
    assert underlay.interface_of(address, ROUTES, {"2001:db8::5": "eth2"}) == interface


def test_without_a_route_nothing_is_told() -> None:
    assert underlay.interface_of("192.0.2.21", ROUTES[2:4], {}) is None


# --- What the hosts of a run tell together ----------------------------------------------------------------------------


def of_hosts(mtus: dict[str, int | None], joined: dict[str, int | None]) -> dict[str, Any]:
    """What the filter makes of the hosts' variables.

    Args:
        mtus: host -> what swarm_cluster has seen there; no such host was in the run when it is -1.
        joined: the same of hosts that the role itself asked, for they are in the swarm by now.
    """
    hostvars: dict[str, dict[str, Any]] = {
        name: {} if mtu == -1 else {"__swarm_cluster_host": {"underlay": {"mtu": mtu}}} for name, mtu in mtus.items()
    }
    for name in joined:
        hostvars[name]["swarm_cluster_node_id"] = "id"
    results = [{"__swarm_networks_host": name, "underlay": {"mtu": mtu}} for name, mtu in joined.items()]
    found: dict[str, Any] = FilterModule().filters()["underlay"](hostvars, [*mtus], results)
    return found


@pytest.mark.parametrize(
    ("mtus", "joined", "mtu", "unknown"),
    [
        ({"m1": 1500, "w1": 1450, "w2": 9000}, {}, 1450, []),
        ({"m1": 9000, "w1": 8950}, {}, 8950, []),
        ({"m1": 1500, "w1": None}, {"w1": 1400}, 1400, []),
        ({"m1": 1500, "w1": None}, {"w1": None}, "", ["w1"]),
        # With --limit: what the others carry is not known. The driver's own 1500 is no promise, 9000 would be one.
        ({"m1": 9000, "w1": -1, "w2": -1}, {}, "", ["w1", "w2"]),
        ({"m1": 1500, "w1": -1}, {}, "", ["w1"]),
        ({"m1": 1450, "w1": -1}, {}, 1450, ["w1"]),
        ({"m1": -1, "w1": -1}, {}, "", ["m1", "w1"]),
    ],
)
def test_a_network_is_made_for_the_smallest_of_all_hosts_or_says_which_it_does_not_know(
    mtus: dict[str, int | None], joined: dict[str, int | None], mtu: int | str, unknown: list[str]
) -> None:
    found = of_hosts(mtus, joined)
    assert (found["mtu"], found["unknown"]) == (mtu, unknown)
    assert found["unseen"] == [*joined]
