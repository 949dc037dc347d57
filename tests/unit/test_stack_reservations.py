# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks reserve, against what nodes have."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import changes, preflight, reservations, room
from ansible_collections.flotilla.swarm.tests.support.stack_rooms import GIB, deployed, node, steps_of, task

Json = dict[str, Any]
NODES = [
    node("m1", "drain", cpus=64, gib=64),
    node("w1", cpus=2, gib=4, tier="app"),
    node("w2", cpus=2, gib=4, gpus=2, tier="app"),
    node("w3", cpus=4, gib=8, tier="data"),
]
APP = {"constraints": ["node.labels.tier == app"]}
DATA = {"constraints": ["node.labels.tier == data"]}


def service(
    cpus: str = "", gib: int = 0, gpus: int = 0, placement: Json | None = None, image: str = "app:1", **deploy: Any
) -> Json:
    reserved: Json = {}
    if cpus:
        reserved["cpus"] = cpus
    if gib:
        reserved["memory"] = gib * GIB
    if gpus:
        reserved["generic_resources"] = [{"discrete_resource_spec": {"kind": "gpu", "value": gpus}}]
    if placement:
        deploy["placement"] = placement
    return {"image": image, "deploy": {**deploy, "resources": {"reservations": reserved}}}


def told(
    services: Json,
    present: list[Json] | None = None,
    tasks: list[Json] | None = None,
    nodes: list[Json] | None = None,
) -> list[str]:
    present = present or []
    wanted = changes.of(steps_of(services, present))
    return reservations.problems(wanted, present, nodes or NODES, tasks or [])


@pytest.mark.parametrize(
    ("entry", "refused"),
    [
        (service("1", replicas=8), ""),
        (service("1", replicas=9), "room for 8 (w1 for 2, w2 for 2, w3 for 4)"),
        # 3 CPUs are free on the first two, but not on one of them.
        (service("1.5", replicas=3, placement=APP), "each of 3 tasks reserves 1.5 CPUs, and the eligible nodes have"),
        (service(gib=3, replicas=4), ""),
        (service(gib=3, replicas=5), "reserves 3072 MiB of memory"),
        (service("1", 3, replicas=5), "1 CPUs and 3072 MiB of memory"),
        (service(gpus=1, replicas=2), ""),
        (service(gpus=1, replicas=3), "1 gpu, and the eligible nodes have room for 2 (w1 for 0, w2 for 2, w3 for 0)"),
        (service("3", replicas=0), ""),
        (service(replicas=100), ""),
        (service("2", mode="global"), ""),
        (service("3", mode="global"), "a task reserves 3 CPUs, and there is no room for it on w1, w2"),
        (service("2", replicas=4, mode="replicated-job"), ""),
        (service("2", replicas=5, mode="replicated-job"), "room for 4"),
        (service(replicas=6, placement={"max_replicas_per_node": 2}), ""),
        (service(replicas=7, placement={"max_replicas_per_node": 2}), "7 tasks are more than 2 on each of 3 eligible"),
        (service("1", replicas=6, placement={"max_replicas_per_node": 2}), ""),
        (service(gib=3, replicas=4, placement={"max_replicas_per_node": 1, **APP}), "4 tasks are more than 1"),
        (service(gib=3, replicas=3, placement={"max_replicas_per_node": 2, **APP}), "room for 2"),
    ],
)
def test_one_service(entry: Json, refused: str) -> None:
    problems = told({"app": entry})
    assert len(problems) == bool(refused)
    if refused:
        assert problems[0].startswith("services.app.deploy.")
        assert refused in problems[0]


def test_what_others_reserve_is_gone() -> None:
    there = deployed({"db": service("1", replicas=2)}, "other")
    busy = task("other_db", "w1", NanoCPUs=10**9)
    assert told({"app": service("2", replicas=2, placement=APP)}, there) == []
    (problem,) = told({"app": service("2", replicas=2, placement=APP)}, there, [busy])
    assert "room for 1 (w1 for 0, w2 for 1)" in problem
    ended = [{**busy, "Status": {"State": "shutdown"}}, {**busy, "DesiredState": "shutdown"}, {**busy, "NodeID": ""}]
    assert told({"app": service("2", replicas=2, placement=APP)}, there, ended) == []


def test_what_the_service_itself_reserves_is_free_again() -> None:
    there = deployed({"app": service("2", replicas=2, placement=APP)})
    tasks = [task("shop_app", "w1", NanoCPUs=2 * 10**9), task("shop_app", "w2", NanoCPUs=2 * 10**9)]
    assert told({"app": service("2", replicas=2, placement=APP, image="app:2")}, there, tasks) == []


@pytest.mark.parametrize(
    ("services", "refused"),
    [
        ({"a": service("2", placement=APP), "b": service("2", placement=APP)}, ""),
        ({"a": service("2", placement=APP), "b": service("1.5", placement=APP, replicas=2)}, "services.a, services.b."),
        ({"a": service("4", placement=DATA), "b": service("1", placement=APP, replicas=4), "c": service("1")}, "a, s"),
        ({"a": service("4", placement=DATA), "b": service("1", replicas=4)}, ""),
        ({"a": service(gib=8, placement=DATA), "b": service("4", placement=DATA)}, ""),
        ({"a": service("1", mode="global"), "b": service("2", placement=APP, replicas=2)}, ""),
    ],
)
def test_services_side_by_side(services: Json, refused: str) -> None:
    problems = told(services)
    assert len(problems) == bool(refused)
    if refused:
        assert refused in problems[0]
        assert "deploy.resources.reservations: together their tasks reserve" in problems[0]


def test_a_node_that_says_nothing_has_room() -> None:
    assert told({"a": service("100", replicas=100)}, nodes=[*NODES, node("w4")]) == []
    assert told({"a": service("2", mode="global"), "b": service("2")}, nodes=[node("w4")]) == []


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({"labels": {"a": "b"}}, False),
        ({"replicas": 1}, False),
        ({"replicas": 3}, True),
        ({"placement": {**APP, "max_replicas_per_node": 1}}, True),
    ],
)
def test_only_a_change_that_starts_tasks_needs_room(changed: Json, refused: bool) -> None:
    entry = service("1", placement=DATA, replicas=2)
    there = deployed({"app": entry})
    # The node has less now than when the service came.
    steps = steps_of({"app": {**entry, "deploy": {**entry["deploy"], **changed}}}, there)
    assert len(steps) == 1
    observed = preflight.Observation(services=there, nodes=[node("w3", cpus=1, gib=1, tier="data")])
    assert bool(room.problems(steps, observed, [task("shop_app", "w3", NanoCPUs=10**9)] * 2)) is refused


FIRST = {"update_config": {"order": "start-first"}}


@pytest.mark.parametrize(
    ("entry", "held", "refused"),
    [
        (service("2", placement=APP, **FIRST), ["w1"], ""),
        (
            service("2", placement=APP, replicas=2, **FIRST),
            ["w1", "w2"],
            "beside the old ones there is no room for 2 CPUs on w1, w2 (",
        ),
        (service("1", placement=APP, replicas=2, **FIRST), ["w1", "w2"], ""),
        (
            service("2", placement=APP, mode="global", **FIRST),
            ["w1", "w2"],
            "beside the old ones there is no room for 2 CPUs on w1, w2 (",
        ),
        (service("1", placement=APP, mode="global", **FIRST), ["w1", "w2"], ""),
        (service(placement={**DATA, "max_replicas_per_node": 1}, **FIRST), ["w3"], "each eligible node then has its 1"),
        (service(placement={**APP, "max_replicas_per_node": 1}, **FIRST), ["w1"], ""),
        (service(placement={"max_replicas_per_node": 1}, mode="global", **FIRST), ["w3"], "then has its 1 already"),
        (service(placement={"max_replicas_per_node": 2}, mode="global", **FIRST), ["w3"], ""),
    ],
)
def test_an_update_that_starts_before_it_stops_needs_room_for_both(entry: Json, held: list[str], refused: str) -> None:
    there = deployed({"app": entry})
    each = reservations.reserved(there[0]["Spec"])
    tasks = [task("shop_app", name, **each) for name in held]
    assert told({"app": entry}, [], []) == []
    problems = told({"app": {**entry, "image": "app:2"}}, there, tasks)
    assert len(problems) == bool(refused)
    if refused:
        assert problems[0].startswith("services.app.deploy.update_config.order: with start-first")
        assert refused in problems[0]
        assert "write order: stop-first" in problems[0]
