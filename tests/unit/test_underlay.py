# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network below the overlays."""

from __future__ import annotations

import ipaddress

import pytest
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
