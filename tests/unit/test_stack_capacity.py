# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the networks of a stack have enough addresses for it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import capacity, definition, preflight

Json = dict[str, Any]
STACK = "shop"


def node(name: str, availability: str = "active", **labels: str) -> Json:
    return {
        "ID": name,
        "Spec": {"Role": "worker", "Availability": availability, "Labels": labels},
        "Description": {"Hostname": name},
        "Status": {"State": "ready"},
    }


NODES = [node("m1", "drain"), node("w1", tier="app"), node("w2", tier="app"), node("w3", tier="data")]


def network(prefix: int = 28, name: str = "back", driver: str = "overlay") -> Json:
    """A /28 has 13 addresses for tasks, services and nodes."""
    pools = [{"Subnet": "10.20.0.0/%d" % prefix, "Gateway": "10.20.0.1"}]
    return {"Id": "n", "Name": name, "Scope": "swarm", "Driver": driver, "IPAM": {"Config": pools}}


def service(replicas: int | None = None, *, on: str = "back", **deploy: Any) -> Json:
    entry = {"replicas": replicas} if replicas is not None else {"mode": "global"}
    return {"image": "a:1", "networks": {on: None}, "deploy": {**entry, **deploy}}


def told(
    *services: Json,
    networks: list[Json] | None = None,
    own: Json | None = None,
    live: list[Json] | None = None,
    tasks: list[Json] | None = None,
    changing: list[str] | None = None,
) -> list[str]:
    named = {"s%d" % number: entry for number, entry in enumerate(services)}
    tree = definition.prepared({"services": named, "networks": {"back": own or {"name": "back", "external": True}}})
    observed = preflight.Observation(live or [], NODES, [network()] if networks is None else networks)
    names = ["%s_%s" % (STACK, key) for key in named] if changing is None else changing
    return capacity.problems(tree, STACK, observed, tasks or [], names)


def running(name: str, count: int, first: int = 10) -> tuple[Json, list[Json]]:
    """A service with its tasks on network n; one virtual IP, all tasks on w1."""
    held = {"ID": "id-" + name, "Spec": {"Name": name}}
    held["Endpoint"] = {"VirtualIPs": [{"NetworkID": "n", "Addr": "10.20.0.%d/28" % (first + count)}]}
    tasks = [
        {
            "ID": "%s.%d" % (name, number),
            "ServiceID": held["ID"],
            "NodeID": "w1",
            "Status": {"State": "running"},
            "NetworksAttachments": [{"Network": {"ID": "n"}, "Addresses": ["10.20.0.%d/28" % (first + number)]}],
        }
        for number in range(count)
    ]
    return held, tasks


@pytest.mark.parametrize(
    ("services", "needed", "detail"),
    [
        # 9 tasks, 1 virtual IP and 3 nodes are just 13.
        ([service(9)], 13, ""),
        ([service(10)], 14, "10 for tasks, 1 for virtual IPs, 3 for nodes"),
        ([service(11, endpoint_mode="dnsrr")], 14, "11 for tasks, 3 for nodes"),
        ([service(10, endpoint_mode="dnsrr")], 13, ""),
        # A service with one task is on one node, and others may be on the same.
        ([service(1), service(1), service(1), service(1), service(1)], 11, ""),
        ([service(1)] * 7, 15, "7 for tasks, 7 for virtual IPs, 1 for nodes"),
        # Global ones are on the nodes that take tasks: three of four.
        ([service(), service()], 11, ""),
        ([service(), service(), service()], 15, "9 for tasks, 3 for virtual IPs, 3 for nodes"),
        ([service(9, placement={"constraints": ["node.labels.tier==data"]})], 11, ""),
        (
            [
                service(8, placement={"constraints": ["node.labels.tier==data"]}),
                service(2, placement={"constraints": ["node.labels.tier==app"]}),
            ],
            15,
            "10 for tasks, 2 for virtual IPs, 3 for nodes",
        ),
        ([service(5, mode="replicated-job")] * 2, 15, "10 for tasks, 2 for virtual IPs, 3 for nodes"),
    ],
)
def test_what_a_new_stack_needs(services: list[Json], needed: int, detail: str) -> None:
    found = told(*services)
    assert len(found) == (needed > 13)
    if found:
        assert found[0] == (
            "networks.back: the network back has 13 of its 13 addresses free, and this deployment needs %d more (%s): "
            "give it a larger subnet in swarm_networks (recreate: true makes it anew), or deploy fewer tasks"
            % (needed, detail)
        )


def test_what_a_service_holds_already_is_not_needed_again() -> None:
    held, tasks = running("shop_s0", 6)
    # 6 tasks, 1 virtual IP and 1 node are there, so 5 are free; the other two nodes are to come.
    assert told(service(9), live=[held], tasks=tasks) == []
    (problem,) = told(service(10), live=[held], tasks=tasks)
    assert "has 5 of its 13 addresses free, and this deployment needs 6 more (4 for tasks, 2 for nodes)" in problem


@pytest.mark.parametrize(("parallelism", "fits"), [(2, True), (3, False), (0, False), (None, True)])
def test_an_update_that_starts_before_it_stops_needs_room_for_both(parallelism: int | None, fits: bool) -> None:
    held, tasks = running("shop_s0", 9)
    update = {"order": "start-first"} if parallelism is None else {"order": "start-first", "parallelism": parallelism}
    only = {"constraints": ["node.labels.tier==app", "node.hostname==w1"]}
    problems = told(service(9, placement=only, update_config=update), live=[held], tasks=tasks)
    assert bool(problems) is not fits
    assert not fits or told(service(9, placement=only, update_config={}), live=[held], tasks=tasks) == []
    # A service that does not change takes nothing.
    assert told(service(9, placement=only, update_config=update), live=[held], tasks=tasks, changing=[]) == []
    # Nor does one that is new stop anything.
    assert told(service(9, placement=only, update_config=update)) == []


def test_updates_may_wait_for_one_another() -> None:
    first, tasks = running("shop_s0", 4, first=2)
    second, more = running("shop_s1", 4, first=8)
    entry = service(4, placement={"constraints": ["node.hostname==w1"]}, update_config={"order": "start-first"})
    assert told(entry, entry, live=[first, second], tasks=[*tasks, *more]) == []


def test_what_others_hold_is_not_free() -> None:
    held, tasks = running("other", 8)
    (problem,) = told(service(2), live=[held], tasks=tasks)
    assert "has 3 of its 13 addresses free, and this deployment needs 4 more" in problem


def test_a_driver_without_balancers_needs_none_for_nodes() -> None:
    assert told(service(12), networks=[network(driver="some-plugin")]) == []


@pytest.mark.parametrize(
    ("own", "refused"),
    [
        ({"ipam": {"config": [{"subnet": "10.20.0.0/28"}]}}, True),
        ({"ipam": {"config": [{"subnet": "10.20.0.0/24"}]}}, False),
        ({"ipam": {"config": [{"subnet": "no network"}]}}, False),
        ({"ipam": {"driver": "default"}}, False),
        ({"driver": "overlay"}, False),
    ],
)
def test_a_network_that_the_stack_makes_is_counted_where_it_has_a_subnet(own: Json, refused: bool) -> None:
    problems = told(service(10), own=own, networks=[])
    assert bool(problems) is refused
    if refused:
        assert "the network shop_back has 13 of its 13 addresses free" in problems[0]
        assert problems[0].endswith("(an existing network has to be removed first), or deploy fewer tasks")


def test_a_network_that_the_stack_has_made_is_counted_as_it_is() -> None:
    own = {"ipam": {"config": [{"subnet": "10.20.0.0/24"}]}}
    assert told(service(10), own=own, networks=[network(name="shop_back")])
    assert told(service(10), own={"driver": "overlay"}, networks=[network(name="shop_back")])
    assert told(service(10), own={"driver": "overlay"}, networks=[network(name="shop_back", prefix=24)]) == []


@pytest.mark.parametrize(
    "networks", [[], [{**network(), "Scope": "local"}], [{**network(), "Driver": "", "IPAM": {"Config": None}}]]
)
def test_where_nothing_is_known_nothing_is_refused(networks: list[Json]) -> None:
    assert told(service(100), networks=networks) == []
