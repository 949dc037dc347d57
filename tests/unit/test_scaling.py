# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scaling: what is refused, what is planned, and what becomes of it on a swarm in memory."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import scaling
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack.preflight import Observation
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors, service_changes
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.rollout import Outcome, Policy
from ansible_collections.flotilla.swarm.tests.support.memory_service import Shop
from ansible_collections.flotilla.swarm.tests.support.memory_stack import actions, states
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def observed(shop: Shop) -> Observation:
    return Observation(shop.services(), shop.nodes(), shop.networks())


def refused(shop: Shop, **replicas: int) -> tuple[str, ...]:
    with pytest.raises(DeclarationError) as caught:
        scaling.plan(scaling.Wanted("shop", replicas), observed(shop), shop.tasks())
    return caught.value.problems


def scale(shop: Shop, clock: Clock, check_mode: bool = False, revert: bool = True, **replicas: int) -> Outcome:
    return service_changes.scale(
        shop,
        scaling.Wanted("shop", replicas),
        Policy("shop", revert=revert),
        check_mode=check_mode,
        clock=clock,
        sleep=clock.sleep,
    )


# --- The declaration --------------------------------------------------------------------------------------------------


def test_counts_are_whole_numbers_also_as_text() -> None:
    assert scaling.counts({"api": 3, "web": "0"}) == {"api": 3, "web": 0}


@pytest.mark.parametrize("value", [-1, "-1", 1.5, True, "many", "", None, "²", "٣", [3]])
def test_anything_else_is_no_count(value: Any) -> None:
    with pytest.raises(DeclarationError, match=r"^replicas\.api: .* is no count of tasks"):
        scaling.counts({"api": value})


def test_no_counts_at_all_are_an_error() -> None:
    with pytest.raises(DeclarationError, match="replicas is empty"):
        scaling.counts({})


def test_a_service_that_is_not_there_is_named_with_those_that_are(shop: Shop) -> None:
    assert refused(shop, apo=3) == ("replicas.apo: the stack shop has no such service: it has api, web",)


def test_a_stack_that_is_not_there_is_named_with_those_that_are(shop: Shop) -> None:
    with pytest.raises(DeclarationError) as caught:
        scaling.plan(scaling.Wanted("shpo", {"api": 3}), observed(shop), [])
    assert str(caught.value) == "stack: there is no stack shpo in the swarm: the swarm's stacks are shop"
    with pytest.raises(DeclarationError, match="the swarm has none at all"):
        scaling.plan(scaling.Wanted("shop", {"api": 3}), Observation(), [])


def test_what_somebody_else_deployed_is_left_alone(shop: Shop) -> None:
    shop.add("their", owner="somebody")
    (problem,) = refused(shop, their=3)
    assert problem == (
        "replicas.their: something else deployed the service shop_their (no label flotilla.swarm.owner=flotilla): "
        "change it there, or take it over with swarm_stack and adopt: true"
    )


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ({"Global": {}}, "the service shop_odd is global"),
        ({"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}, "the service shop_odd is a job"),
        ({"GlobalJob": {}}, "the service shop_odd is a job"),
    ],
)
def test_only_a_replicated_service_has_a_count(shop: Shop, mode: Json, words: str) -> None:
    shop.add("odd", mode=mode)
    (problem,) = refused(shop, odd=3)
    assert problem.startswith("replicas.odd: " + words)


# --- In flight (fault 23) ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["updating", "rollback_started"])
@pytest.mark.parametrize("busy", ["api", "web"])
def test_nothing_is_scaled_while_an_update_of_the_stack_is_in_flight(shop: Shop, state: str, busy: str) -> None:
    shop.update_is(busy, state)
    for count in (2, 3):  # also where there would be nothing to do: the update may yet be taken back
        (problem,) = refused(shop, api=count)
        assert problem.startswith("an update of the service shop_%s is in flight (%s), " % (busy, state))
        assert "wait until it has ended, or roll the stack back" in problem


@pytest.mark.parametrize("state", ["paused", "rollback_paused"])
def test_a_service_that_stands_half_way_in_an_update_is_not_scaled(shop: Shop, state: str) -> None:
    shop.update_is("web", state)
    (problem,) = refused(shop, web=3)
    assert problem.startswith("the last update of the service shop_web stands half way (%s)" % state)
    assert "swarm_stack_rollback" in problem
    assert scaling.plan(scaling.Wanted("shop", {"api": 3}), observed(shop), []).plan


@pytest.mark.parametrize("state", ["completed", "rollback_completed"])
def test_an_update_that_ended_is_no_obstacle(shop: Shop, clock: Clock, state: str) -> None:
    shop.update_is("api", state)
    assert states(scale(shop, clock, api=3)) == {"shop_api": "converged"}


def test_a_refusal_waits_for_nothing_and_sends_nothing(shop: Shop, clock: Clock) -> None:
    shop.update_is("web", "updating")
    with pytest.raises(DeclarationError):
        scale(shop, clock, api=3)
    assert (shop.written, clock.now) == ([], 0)


# --- Room -------------------------------------------------------------------------------------------------------------


def test_no_node_that_takes_tasks(shop: Shop) -> None:
    shop.add("picky", placement={"Constraints": ["node.labels.tier==gold"]})
    (problem,) = refused(shop, picky=2)
    assert problem.startswith("services.picky.deploy.placement.constraints: 0 eligible nodes for")
    assert not scaling.plan(scaling.Wanted("shop", {"picky": 1}), observed(shop), []).plan
    assert scaling.plan(scaling.Wanted("shop", {"picky": 0}), observed(shop), []).plan


@pytest.mark.parametrize(
    ("options", "room", "where"),
    [
        ({"placement": {"MaxReplicas": 2}}, 4, "deploy.placement.max_replicas_per_node"),
        ({"ports": [{"TargetPort": 80, "PublishedPort": 80, "PublishMode": "host"}]}, 2, "ports"),
    ],
)
def test_a_node_takes_only_so_many(shop: Shop, options: Json, room: int, where: str) -> None:
    shop.add_node("w1", "192.0.2.21")
    shop.add("front", **options)
    assert scaling.plan(scaling.Wanted("shop", {"front": room}), observed(shop), []).plan
    (problem,) = refused(shop, front=room + 1)
    assert problem.startswith("services.front.%s: " % where)


def test_networks_need_an_address_for_each_task(shop: Shop) -> None:
    # A /28 has 13 addresses for tasks, services and nodes.
    pools = [{"Subnet": "10.20.0.0/28"}]
    shop.create_network({"Name": "back", "Driver": "overlay", "IPAM": {"Config": pools}})
    shop.add("wide", networks=["back"])
    network = next(one for one in shop.networks() if one["Name"] == "back")
    held = shop.tasks()[-1]
    held["NetworksAttachments"] = [{"Network": {"ID": network["Id"]}, "Addresses": ["10.20.0.2/28"]}]
    # One task and one node hold an address. The memory keeps no virtual IPs, so the service still needs one.
    scaling.plan(scaling.Wanted("shop", {"wide": 11}), observed(shop), [held])
    with pytest.raises(DeclarationError, match="the network back has 11 of its 13 addresses free") as caught:
        scaling.plan(scaling.Wanted("shop", {"wide": 12}), observed(shop), [held])
    assert len(caught.value.problems) == 1


def test_a_service_on_no_network_needs_no_address(shop: Shop) -> None:
    pools = [{"Subnet": "10.20.0.0/29"}]
    shop.create_network({"Name": "shop_default", "Driver": "overlay", "IPAM": {"Config": pools}})
    assert scaling.plan(scaling.Wanted("shop", {"api": 50}), observed(shop), []).plan


# --- The plan ---------------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.sampled_from(["api", "web"]), st.integers(0, 4), min_size=1))
def test_the_plan_is_carried_out_once_and_touches_nothing_else(replicas: dict[str, int]) -> None:
    shop = Shop()
    before = observed(shop)
    kept = copy.deepcopy(before)
    wanted = scaling.Wanted("shop", replicas)
    found = scaling.plan(wanted, before, shop.tasks())
    assert before == kept
    assert [step.name for step in found.plan] == sorted(step.name for step in found.plan)
    assert set(found.specs) == {"shop_" + key for key in replicas}
    for step in found.plan:
        sent = step.payload
        assert {**sent["spec"], "Mode": None} == {**sent["before"], "Mode": None}
        shop.update_service(sent["id"], sent["version"], sent["spec"])
    assert {key: shop.replicas(key) for key in replicas} == replicas
    assert not scaling.plan(wanted, observed(shop), shop.tasks()).plan


# --- The run ----------------------------------------------------------------------------------------------------------


def test_services_get_their_counts_and_a_verdict(shop: Shop, clock: Clock) -> None:
    outcome = scale(shop, clock, web=3, api=0)
    assert actions(outcome) == [("update", "shop_api"), ("update", "shop_web")]
    assert outcome.plan.diff() == {
        "before": {"service shop_api": {"replicas": 2}, "service shop_web": {"replicas": 1}},
        "after": {"service shop_api": {"replicas": 0}, "service shop_web": {"replicas": 3}},
    }
    assert states(outcome) == {"shop_api": "converged", "shop_web": "converged"}
    assert clock.now >= 5


def test_a_count_that_is_there_already_touches_nothing(shop: Shop, clock: Clock) -> None:
    outcome = scale(shop, clock, api=2)
    assert not outcome.plan
    assert states(outcome) == {"shop_api": "converged"}
    assert shop.written == []


def test_check_mode_sends_nothing(shop: Shop, clock: Clock) -> None:
    outcome = scale(shop, clock, check_mode=True, api=3)
    assert actions(outcome) == [("update", "shop_api")]
    assert outcome.verdicts == ()
    assert shop.written == []


def test_when_one_fails_all_get_their_counts_back(shop: Shop, clock: Clock) -> None:
    shop.fate["shop_web"] = shop.fail_once
    outcome = scale(shop, clock, api=3, web=2)
    assert states(outcome) == {"shop_api": "converged", "shop_web": "crashed"}
    assert outcome.reverted is not None
    assert sorted(outcome.reverted.back) == ["shop_api", "shop_web"]
    assert (shop.replicas("api"), shop.replicas("web")) == (2, 1)


def test_the_half_stays_when_it_is_wanted(shop: Shop, clock: Clock) -> None:
    shop.fate["shop_web"] = shop.fail_once
    outcome = scale(shop, clock, revert=False, api=3, web=2)
    assert outcome.reverted is None
    assert (shop.replicas("api"), shop.replicas("web")) == (3, 2)


def test_somebody_elses_change_in_between_is_kept(shop: Shop, clock: Clock) -> None:
    shop.before("update_service", lambda: shop.change("shop_api", "Labels", "by", to="hand"))
    assert states(scale(shop, clock, api=3)) == {"shop_api": "converged"}
    assert shop.named("shop_api")["Spec"]["Labels"]["by"] == "hand"


def test_an_update_that_begins_in_between_stops_it_and_takes_back_what_was_sent(shop: Shop, clock: Clock) -> None:
    def overtake() -> None:
        # The first service is scaled; then a deployment of the other one begins.
        shop.fate.pop("shop_api")
        shop.settle("shop_api")
        shop.change("shop_web", "Labels", "by", to="a deployment")
        shop.update_is("web", "updating")

    shop.fate["shop_api"] = lambda _service: overtake()
    with pytest.raises(errors.EngineError, match=r"it can't go on: an update of the service shop_web is in flight"):
        scale(shop, clock, api=3, web=2)
    assert (shop.replicas("api"), shop.replicas("web")) == (2, 1)
