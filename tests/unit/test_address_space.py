# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses of a network."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import address_space

Json = dict[str, Any]


def network(*pools: Json, **more: Any) -> Json:
    return {"Id": "n", "Name": "net", "Driver": "overlay", "IPAM": {"Config": list(pools)}, **more}


def task(number: int, state: str = "running", node: str = "w1", address: str | None = "", **more: Any) -> Json:
    addresses = [] if address is None else [address or "10.20.0.%d/24" % (100 + number)]
    return {
        "ID": "t%d" % number,
        "NodeID": node,
        "Status": {"State": state},
        "NetworksAttachments": [{"Network": {"ID": "n"}, "Addresses": addresses}],
        **more,
    }


def vip(address: str, network_id: str = "n") -> Json:
    return {"Endpoint": {"VirtualIPs": [{"NetworkID": network_id, "Addr": address}]}}


NODES = [{"ID": name} for name in ("m1", "w1", "w2", "w3")]
C24 = {"Subnet": "10.20.0.0/24", "Gateway": "10.20.0.1"}


@pytest.mark.parametrize(
    ("pools", "total"),
    [
        ([C24], 253),
        ([{"Subnet": "10.20.0.0/28", "Gateway": "10.20.0.1/28"}], 13),
        ([{"Subnet": "10.20.0.0/28"}], 13),
        ([{"Subnet": "10.20.0.0/31", "Gateway": "10.20.0.1"}], 1),
        ([{"Subnet": "10.20.0.0/24", "Gateway": "10.20.0.1", "IPRange": "10.20.0.128/25"}], 127),
        ([{"Subnet": "10.20.0.0/24", "Gateway": "10.20.0.1", "IPRange": ""}], 253),
        ([C24, {"Subnet": "10.21.0.0/28", "Gateway": "10.21.0.1"}], 266),
        ([{"Subnet": "2001:db8::/120", "Gateway": "2001:db8::1"}], 254),
    ],
)
def test_how_many_there_are(pools: list[Json], total: int) -> None:
    found = address_space.count(network(*pools), [], [], NODES)
    assert found is not None
    assert found.as_dict() == {"total": total, "used": 0, "free": total}


@pytest.mark.parametrize("ipam", [{"Driver": "", "Config": None}, {"Config": []}, {"Config": [{"Subnet": ""}]}, None])
def test_a_network_without_addresses_has_none_to_count(ipam: Any) -> None:
    assert address_space.count(network(IPAM=ipam), [], [task(1)], NODES) is None


def test_tasks_virtual_ips_and_one_for_each_node_with_a_task() -> None:
    tasks = [task(1), task(2), task(3, node="w2", state="starting"), task(4, state="shutdown", node="w3")]
    services = [vip("10.20.0.2/24"), vip("10.20.0.9/24", "other"), {"Endpoint": {}}, {}]
    found = address_space.count(network(C24), services, tasks, NODES)
    assert found == address_space.Addresses(253, 3 + 1 + 2)


def test_a_task_without_an_address_yet_holds_none_and_one_without_a_node_brings_no_balancer() -> None:
    found = address_space.count(network(C24), [], [task(1, "new", node="", address=None)], NODES)
    assert found == address_space.Addresses(253, 0)


def test_in_the_ingress_network_every_node_has_an_address() -> None:
    assert address_space.count(network(C24, Ingress=True), [], [], NODES) == address_space.Addresses(253, 4)


def test_only_overlays_have_balancers() -> None:
    assert address_space.count(network(C24, Driver="some-plugin"), [], [task(1)], NODES) == address_space.Addresses(
        253, 1
    )


def test_there_are_never_fewer_than_none_free() -> None:
    assert address_space.Addresses(2, 5).free == 0


def test_what_stops_holds_its_network_but_not_on_a_node_that_is_down() -> None:
    tasks = [task(1), task(2, DesiredState="shutdown"), task(3, "shutdown"), task(4, node="w2"), task(5, node="")]
    nodes = [{"ID": "w1", "Status": {"State": "ready"}}, {"ID": "w2", "Status": {"State": "down"}}]
    assert address_space.leaving(network(C24), tasks, nodes) == ["t1", "t2", "t5"]
