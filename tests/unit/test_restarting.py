# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarting: which services, in what order, and where it stops, on a swarm in memory."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import restarting
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors, service_changes
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.rollout import Policy
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.service_changes import Restarted
from ansible_collections.flotilla.swarm.tests.support.memory_service import Shop
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock

Json = dict[str, Any]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def select(shop: Shop, *services: str) -> restarting.Selection:
    return restarting.select(restarting.Wanted("shop", services), shop.services(), shop.tasks(), shop.nodes())


def refused(shop: Shop, *services: str) -> tuple[str, ...]:
    with pytest.raises(DeclarationError) as caught:
        select(shop, *services)
    return caught.value.problems


def restart(shop: Shop, clock: Clock, *services: str, check_mode: bool = False) -> Restarted:
    return service_changes.restart(
        shop,
        restarting.Wanted("shop", services),
        Policy("shop"),
        check_mode=check_mode,
        clock=clock,
        sleep=clock.sleep,
    )


# --- Which ------------------------------------------------------------------------------------------------------------


def test_all_of_the_stack_by_name(shop: Shop) -> None:
    assert select(shop).turns == {"api": 0, "web": 0}
    assert select(shop).plan.warnings == ()


def test_those_that_are_named_in_that_order_and_once(shop: Shop) -> None:
    assert list(select(shop, "web", "api", "web").turns) == ["web", "api"]


def test_what_does_not_run_for_good_is_left_out_with_a_word(shop: Shop) -> None:
    shop.add("job", mode={"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}})
    shop.add("off", 0)
    shop.add("their", owner="somebody")
    shop.healthy = False
    shop.add("once")
    shop.named("shop_once")["Spec"]["TaskTemplate"]["RestartPolicy"] = {"Condition": "none"}
    shop.task("shop_once", "complete", desired="shutdown")
    chosen = select(shop)
    assert list(chosen.turns) == ["api", "web"]
    assert chosen.plan.warnings == (
        "shop_job: not restarted: it is a job, and would run again: name it if it is to",
        "shop_off: not restarted: it has no tasks",
        "shop_once: not restarted: its work is done, and would be done again: name it if it is to",
        "shop_their: not restarted: something else deployed it (no label flotilla.swarm.owner=flotilla)",
    )
    assert list(select(shop, "job", "once").turns) == ["job", "once"]


def test_nothing_to_restart_is_an_error_that_says_why() -> None:
    shop = Shop()
    for name in ("api", "web"):
        shop.change("shop_" + name, "Labels", "flotilla.swarm.owner", to="somebody")
    assert len(refused(shop)) == 2


def test_a_service_that_crashes_is_restarted_too(shop: Shop) -> None:
    shop.fail(shop.named("shop_api"))
    assert list(select(shop).turns) == ["api", "web"]


def test_a_wrong_name_and_another_owners_service_are_refused(shop: Shop) -> None:
    shop.add("their", owner="somebody")
    problems = refused(shop, "apo", "their")
    assert problems[0] == "services.apo: the stack shop has no such service: it has api, their, web"
    assert problems[1].startswith("services.their: something else deployed the service shop_their")


@pytest.mark.parametrize("state", ["updating", "rollback_started"])
def test_nothing_is_restarted_while_an_update_of_the_stack_is_in_flight(shop: Shop, state: str) -> None:
    shop.update_is("api", state)
    (problem,) = refused(shop, "web")
    assert problem.startswith("an update of the service shop_api is in flight (%s), " % state)


@pytest.mark.parametrize("state", ["paused", "rollback_paused"])
def test_a_service_that_stands_half_way_in_an_update_is_not_restarted(shop: Shop, state: str) -> None:
    shop.update_is("api", state)
    (problem,) = refused(shop)
    assert problem.startswith("the last update of the service shop_api stands half way (%s)" % state)
    assert list(select(shop, "web").turns) == ["web"]


def test_planning_changes_nothing_and_moves_the_counter_alone(shop: Shop) -> None:
    services = shop.services()
    kept = copy.deepcopy(services)
    chosen = restarting.select(restarting.Wanted("shop"), services, shop.tasks(), shop.nodes())
    assert services == kept
    for step in chosen.plan:
        sent = step.payload
        template = {**sent["spec"]["TaskTemplate"], "ForceUpdate": 0}
        assert {**sent["spec"], "TaskTemplate": template} == sent["before"]
        assert [one.as_dict() for one in step.differences] == [
            {"field": "TaskTemplate.ForceUpdate", "before": 0, "after": 1}
        ]


# --- The run ----------------------------------------------------------------------------------------------------------


def test_one_after_the_other_each_proved_before_the_next(shop: Shop, clock: Clock) -> None:
    when: list[float] = []
    for name in ("shop_api", "shop_web"):
        shop.fate[name] = lambda service: (when.append(clock.now), shop.settle(service["Spec"]["Name"]))
    restarted = restart(shop, clock)
    assert restarted.good
    assert [item.service for item in restarted.verdicts] == ["shop_api", "shop_web"]
    assert [step.name for step in restarted.plan] == ["shop_api", "shop_web"]
    assert (shop.restarts("api"), shop.restarts("web")) == (1, 1)
    assert when[1] - when[0] >= 5
    assert restart(shop, clock).plan
    assert (shop.restarts("api"), shop.restarts("web")) == (2, 2)


def test_check_mode_sends_nothing(shop: Shop, clock: Clock) -> None:
    restarted = restart(shop, clock, check_mode=True)
    assert [step.name for step in restarted.plan] == ["shop_api", "shop_web"]
    assert restarted.verdicts == ()
    assert shop.written == []


def test_one_that_does_not_come_back_stops_it_and_nothing_is_taken_back(shop: Shop, clock: Clock) -> None:
    shop.fate["shop_api"] = shop.fail
    restarted = restart(shop, clock)
    assert not restarted.good
    assert restarted.untouched == ("shop_web",)
    assert shop.written == [("update", "shop_api")]
    assert shop.restarts("api") == 1
    message = restarted.message("shop")
    assert message.startswith("The restart of the stack shop stopped.\n  shop_api: crashed (0/2):")
    assert "| FATAL: no database" in message
    assert message.endswith("Not restarted: shop_web.")


def test_an_update_that_begins_in_between_stops_it(shop: Shop, clock: Clock) -> None:
    clock.at(2, lambda: shop.update_is("web", "updating"))
    restarted = restart(shop, clock)
    assert restarted.untouched == ("shop_web",)
    assert restarted.failure.startswith("shop_web: an update of the service shop_web is in flight (updating)")
    assert "shop_web: an update of" in restarted.message("shop")
    assert shop.written == [("update", "shop_api")]


def test_what_the_engine_refuses_at_once_is_its_own_error(shop: Shop, clock: Clock) -> None:
    shop.trouble = errors.EngineError("no")
    with pytest.raises(errors.EngineError, match="no"):
        restart(shop, clock)


def test_an_answer_that_was_lost_restarts_nothing_twice(shop: Shop, clock: Clock) -> None:
    def lose(service: Json) -> None:
        shop.fate.clear()
        shop.settle("shop_api")
        service["UpdateStatus"] = {"State": "updating", "Message": "update in progress"}
        clock.at(clock.now + 3, lambda: shop.update_is("api", "completed"))
        raise errors.NoQuorum("the swarm does not have a leader")

    shop.fate["shop_api"] = lose
    restarted = restart(shop, clock, "api")
    assert restarted.good
    assert shop.restarts("api") == 1


def test_somebody_elses_change_in_between_is_kept(shop: Shop, clock: Clock) -> None:
    shop.before("update_service", lambda: shop.change("shop_api", "Labels", "by", to="hand"))
    assert restart(shop, clock, "api").good
    assert shop.named("shop_api")["Spec"]["Labels"]["by"] == "hand"
    assert shop.restarts("api") == 1
