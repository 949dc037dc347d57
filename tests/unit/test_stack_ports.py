# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports of which a swarm has just one."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import ports
from ansible_collections.flotilla.swarm.tests.support.stack_rooms import deployed, live, steps_of
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]


def publishing(*numbers: int, mode: str = "ingress", protocol: str = "tcp", target: int = 80) -> Json:
    return {
        "ports": [
            {"target": target, **({"published": number} if number else {}), "mode": mode, "protocol": protocol}
            for number in numbers
        ]
    }


def told(services: Json, present: list[Json] | None = None, prune: bool = False) -> list[str]:
    present = present or []
    return ports.problems(steps_of(services, present, prune=prune), present)


OTHER = deployed({"web": publishing(8080)}, "other")


@pytest.mark.parametrize(
    ("entry", "refused"),
    [
        (publishing(8080), True),
        (publishing(8080, mode="host"), True),
        (publishing(8080, protocol="udp"), False),
        (publishing(8081), False),
        (publishing(0), False),
        ({}, False),
    ],
)
def test_a_port_of_another_stack_is_named_with_its_service(entry: Json, refused: bool) -> None:
    problems = told({"web": entry}, OTHER)
    assert bool(problems) is refused
    if refused:
        assert problems[0].startswith("services.web.ports: 8080/tcp is published already by the service other_web")
        assert problems[0].endswith("publish another port, or take it from that service first")


def test_a_port_of_the_node_may_be_had_by_many_but_not_beside_one_of_the_swarm() -> None:
    there = deployed({"web": publishing(8080, mode="host")}, "other")
    assert told({"web": publishing(8080, mode="host")}, there) == []
    (problem,) = told({"web": publishing(8080)}, there)
    assert "8080/tcp is published already by the service other_web (mode host)" in problem


def test_a_number_that_swarm_chose_is_taken_too() -> None:
    chosen = [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 30000, "PublishMode": "ingress"}]
    asked = {"EndpointSpec": {"Ports": [{"Protocol": "tcp", "TargetPort": 80, "PublishMode": "ingress"}]}}
    there = live("other_web", asked, "other", chosen)
    (problem,) = told({"web": publishing(30000)}, [there])
    assert "30000/tcp is published already by the service other_web" in problem
    # A service of the same plan keeps it only as long as it asks for its port.
    own = live("shop_api", asked, endpoint=chosen)
    assert "services.api.ports and services.web.ports: both publish 30000/tcp" in "".join(
        told({"web": publishing(30000), "api": publishing(0)}, [own])
    )
    assert told({"web": publishing(30000), "api": publishing(0, target=81)}, [own]) == []


@pytest.mark.parametrize(("mode", "mend"), [("ingress", "give one of them another port"), ("host", "with mode: host")])
def test_two_services_of_the_stack_with_one_port_are_both_named(mode: str, mend: str) -> None:
    (problem,) = told({"a": publishing(80), "b": publishing(80, mode=mode)})
    assert problem.startswith("services.a.ports and services.b.ports: both publish 80/tcp")
    assert mend in problem


def test_a_service_has_its_own_port_already() -> None:
    there = deployed({"web": publishing(80)})
    assert told({"web": {**publishing(80), "hostname": "new"}}, there) == []
    assert told({"web": publishing(80, mode="host")}, there) == []


def test_one_that_does_not_change_keeps_its_port() -> None:
    there = deployed({"web": publishing(80)})
    (problem,) = told({"web": publishing(80), "api": publishing(80)}, there)
    assert problem.startswith("services.api.ports: 80/tcp is published already by the service shop_web")


def test_a_port_is_given_up_before_it_is_taken() -> None:
    there = deployed({"web": publishing(80), "old": publishing(81, 82)})
    services = {"api": publishing(80), "old": publishing(83), "web": publishing(81), "zoo": {}}
    steps = steps_of(services, there)
    assert ports.problems(steps, there) == []
    assert [step.name for step in ports.ordered(steps, there)] == ["shop_old", "shop_zoo", "shop_web", "shop_api"]
    plain = steps_of({"b": {}, "a": {}})
    assert ports.ordered(plain, []) == tuple(plain)


def test_removals_stay_last() -> None:
    there = deployed({"gone": {}, "web": publishing(80)})
    steps = steps_of({"api": publishing(80), "web": {}}, there, prune=True)
    assert [step.name for step in ports.ordered(steps, there)] == ["shop_web", "shop_api", "shop_gone"]


def test_ports_can_not_be_exchanged_in_one_go() -> None:
    there = deployed({"a": publishing(80), "b": publishing(81), "c": publishing(82)})
    (problem,) = told({"a": publishing(81), "b": publishing(80), "c": publishing(83), "d": publishing(82)}, there)
    assert problem == (
        "services.a.ports and services.b.ports: these services take over each other's ports (80/tcp, 81/tcp), and the "
        "engine changes one service at a time: deploy once with other ports, then with these"
    )


def test_what_is_pruned_has_its_port_until_the_end() -> None:
    there = deployed({"old": publishing(80)})
    (problem,) = told({"new": publishing(80)}, there, prune=True)
    assert "by the service shop_old, which is removed last" in problem
    assert "deploy once without this port (prune: true), then with it" in problem
    (left,) = told({"new": publishing(80)}, there)
    assert left.endswith("publish another port, or take it from that service first")


PORTS = st.dictionaries(
    st.sampled_from("abcd"),
    st.builds(
        lambda numbers, mode: publishing(*sorted(numbers), mode=mode),
        st.sets(st.sampled_from([80, 81, 82])),
        st.sampled_from(["ingress", "host"]),
    ),
    min_size=1,
)


@given(PORTS, PORTS)
def test_what_is_no_problem_the_engine_takes_one_after_the_other(before: Json, after: Json) -> None:
    """With the rule of swarmkit's checkPortConflicts for each service as it is sent."""
    if told(before):
        return
    there = deployed(before)
    steps = steps_of(after, there)
    problems = ports.problems(steps, there)
    held = {service["Spec"]["Name"]: ports.published(service["Spec"]) for service in there}
    refused = False
    for step in ports.ordered(steps, there):
        asked = ports.published(step.payload["spec"])
        others = [port for name, those in held.items() if name != step.name for port in those]
        refused = refused or any(port.excludes(other) for port in asked for other in others)
        held[step.name] = asked
    assert refused is bool(problems)
