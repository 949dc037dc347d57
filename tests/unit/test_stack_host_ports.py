# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of nodes, of which each task needs a node of its own."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import changes, host_ports
from ansible_collections.flotilla.swarm.tests.support.stack_rooms import deployed, node, steps_of, task

Json = dict[str, Any]
NODES = [node("m1", "drain"), node("w1", tier="app"), node("w2", tier="app"), node("w3", tier="edge")]
EDGE = {"placement": {"constraints": ["node.labels.tier == edge"]}}
APP = {"placement": {"constraints": ["node.labels.tier == app"]}}


def service(*numbers: int, protocol: str = "tcp", image: str = "app:1", **deploy: Any) -> Json:
    ports = [
        {"target": number, "published": number, "mode": "host", "protocol": protocol} for number in numbers or (80,)
    ]
    return {"image": image, "ports": ports, "deploy": deploy}


def told(services: Json, present: list[Json] | None = None, tasks: list[Json] | None = None) -> list[str]:
    present = present or []
    wanted = changes.of(steps_of(services, present))
    return host_ports.problems(wanted, present, NODES, tasks or [])


def test_a_task_needs_a_node_of_its_own() -> None:
    assert told({"web": service(replicas=3)}) == []
    assert told({"web": service(replicas=1, **EDGE)}) == []
    assert told({"web": service(mode="global")}) == []
    assert told({"web": service(replicas=0, placement={"constraints": ["node.hostname == no"]})}) == []
    (problem,) = told({"web": service(80, 443, replicas=2, **EDGE)})
    assert problem == (
        "services.web.ports: 80/tcp, 443/tcp with mode: host is a port of the node; 2 tasks want a node each, and only "
        "1 of the 1 eligible has it free: ask for fewer tasks, let more nodes take its tasks "
        "(deploy.placement.constraints), or publish another port"
    )
    assert told({"web": {"ports": [{"target": 80, "mode": "host"}], "deploy": {"replicas": 9}}}) == []
    assert told({"job": service(mode="replicated-job", replicas=4)}) != []


@pytest.mark.parametrize(
    ("services", "crowded"),
    [
        ({"a": service(**EDGE), "b": service(**EDGE)}, ["a", "b"]),
        ({"a": service(**EDGE), "b": service(**APP)}, []),
        ({"a": service(**EDGE), "b": service(replicas=2)}, []),
        ({"a": service(**EDGE), "b": service(replicas=3)}, ["a", "b"]),
        ({"a": service(mode="global"), "b": service(**EDGE)}, ["a", "b"]),
        ({"a": service(mode="global", **APP), "b": service(**EDGE)}, []),
        ({"a": service(**EDGE), "b": service(protocol="udp", **EDGE)}, []),
        ({"a": service(**EDGE), "b": service(81, **EDGE)}, []),
        ({"a": service(**APP), "b": service(**EDGE), "c": service(**EDGE)}, ["b", "c"]),
    ],
)
def test_services_of_one_port_need_nodes_side_by_side(services: Json, crowded: list[str]) -> None:
    problems = told(services)
    assert bool(problems) is bool(crowded)
    if crowded:
        assert problems[0].startswith(" and ".join("services.%s.ports" % key for key in crowded) + ": 80/tcp")


def test_where_others_have_it_the_port_is_not_free() -> None:
    there = deployed({"proxy": service(replicas=2)}, "other")
    tasks = [task("other_proxy", "w3"), task("other_proxy", "w1")]
    (problem,) = told({"web": service(**EDGE)}, there, tasks)
    assert "the task wants a node, and only 0 of the 1 eligible have it free (others are taken by" in problem
    assert "taken by other_proxy)" in problem
    assert told({"web": service(**APP)}, there, tasks) == []
    assert told({"web": service(replicas=2, **APP)}, there, tasks) != []
    assert told({"web": service(mode="global")}, there, tasks) != []
    gone = [task("other_proxy", "w3", "shutdown"), task("other_proxy", "w3", "running", desired="shutdown")]
    assert told({"web": service(**EDGE)}, there, gone) == []


def test_a_service_of_the_plan_may_go_elsewhere() -> None:
    there = deployed({"web": service(), "api": service(81, **EDGE)})
    tasks = [task("shop_web", "w3"), task("shop_api", "w3")]
    assert told({"web": service(image="app:2"), "api": service(80, **EDGE)}, there, tasks) == []
    # One that does not change stays where it is.
    (problem,) = told({"web": service(), "api": service(80, **EDGE)}, there, tasks)
    assert "services.api.ports" in problem
    assert "(others are taken by shop_web)" in problem


FIRST = {"update_config": {"order": "start-first"}}


@pytest.mark.parametrize(
    ("deploy", "refused"),
    [
        ({"replicas": 2}, False),
        ({"replicas": 3}, True),
        ({"replicas": 0}, False),
        ({**EDGE}, True),
        ({"mode": "global"}, True),
    ],
)
def test_start_first_needs_a_node_more_than_there_are_tasks(deploy: Json, refused: bool) -> None:
    problems = told({"web": service(**deploy, **FIRST)})
    assert bool(problems) is refused
    assert told({"web": service(**deploy, update_config={"order": "stop-first"})}) == []
    if refused:
        assert problems[0].startswith("services.web.deploy.update_config.order: with start-first")
        assert "the old one has 80/tcp of its node (mode: host)" in problems[0]
        assert ("write order: stop-first, or let one more" in problems[0]) is ("mode" not in deploy)


def test_start_first_counts_what_others_want() -> None:
    assert told({"web": service(replicas=1, **APP, **FIRST), "api": service(replicas=2)}) != []
    assert told({"web": service(replicas=1, **APP, **FIRST), "api": service(**EDGE)}) == []


def test_a_rollback_that_starts_first_is_named() -> None:
    both = {**EDGE, **FIRST, "rollback_config": {"order": "start-first"}}
    (problem,) = told({"web": service(**both)})
    assert problem.startswith("services.web.deploy.update_config.order and deploy.rollback_config.order: ")


def test_a_change_that_replaces_no_task_is_let_pass() -> None:
    there = deployed({"web": service(replicas=2, **FIRST)})
    assert told({"web": service(replicas=3, **FIRST)}, there) == []
    assert told({"web": service(replicas=4, **FIRST)}, there) != []
    assert told({"web": service(replicas=3, image="app:2", **FIRST)}, there) != []


def test_a_swarm_of_many_nodes_is_matched_at_once() -> None:
    nodes = [node("n%03d" % number) for number in range(200)]
    services = {"s%03d" % number: service(80 + number % 3, replicas=3) for number in range(180)}
    wanted = changes.of(steps_of(services))
    assert host_ports.problems(wanted, [], nodes, []) == []
