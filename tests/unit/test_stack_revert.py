# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack that doesn't become what it should: everything that this run changed is taken back, and the story is told."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors, rollout
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import translate
from ansible_collections.flotilla.swarm.tests.support.memory_stack import Stage, actions, deploy, request, states
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock

Json = dict[str, Any]

BOTH = """
services:
  api:
    image: app:${VERSION}
    environment: {VERSION: "${VERSION}"}
    networks: {back: }
    secrets: [{source: key}]
    configs: [{source: conf, target: /conf}]
    deploy: {replicas: 2}
  web: {image: "web:${VERSION}", networks: {back: }, deploy: {replicas: 1, update_config: {failure_action: pause}}}
networks: {back: {}}
secrets: {key: {external: true, name: jwt}}
configs: {conf: {file: ./app.conf}}
"""
WITH_ONE_MORE = BOTH.replace(
    "networks: {back: {}}\n", '  new: {image: "new:v1", networks: {back: }}\nnetworks: {back: {}}\n'
)


def version_of_the_secret(swarm: Stage, version: int) -> None:
    own = {labels.OWNER: "flotilla", labels.NAME: "jwt", labels.VERSION: str(version)}
    swarm.create_secret("jwt_v%d" % version, b"x", own)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def swarm(clock: Clock) -> Stage:
    """The stack is deployed with version 1 of everything; version 2 of its secret has come since."""
    found = Stage()
    version_of_the_secret(found, 1)
    deploy(found, clock, request(text=BOTH))
    version_of_the_secret(found, 2)
    found.written.clear()
    return found


def specs(swarm: Stage) -> dict[str, Json]:
    return {service["Spec"]["Name"]: copy.deepcopy(service["Spec"]) for service in swarm.services()}


def test_when_the_second_service_fails_the_first_goes_back_byte_for_byte(swarm: Stage, clock: Clock) -> None:
    before = specs(swarm)
    swarm.fate["shop_web"] = swarm.fail_once
    outcome = deploy(swarm, clock, request("v2", BOTH))
    assert states(outcome) == {"shop_api": "converged", "shop_web": "crashed"}
    assert outcome.reverted is not None
    assert outcome.reverted.as_dict() == {"back": ["shop_web", "shop_api"], "removed": [], "stuck": []}
    assert specs(swarm) == before
    message = outcome.message("shop")
    assert "1 of 2 services of the stack shop did not converge." in message
    assert "| FATAL: no database" in message
    assert "Taken back to what they were before: shop_web, shop_api." in message


def test_what_was_new_is_removed_again(swarm: Stage, clock: Clock) -> None:
    before = specs(swarm)
    swarm.fate["shop_web"] = swarm.fail_once
    outcome = deploy(swarm, clock, request("v2", WITH_ONE_MORE))
    assert actions(outcome)[-3:] == [("update", "shop_api"), ("create", "shop_new"), ("update", "shop_web")]
    assert outcome.reverted is not None
    assert outcome.reverted.removed == ("shop_new",)
    assert specs(swarm) == before
    assert "Removed again, since they were new: shop_new." in outcome.message("shop")


def test_a_first_deployment_that_fails_leaves_no_service(clock: Clock) -> None:
    swarm = Stage()
    version_of_the_secret(swarm, 1)
    swarm.fate["shop_web"] = swarm.fail
    outcome = deploy(swarm, clock, request(text=BOTH))
    assert outcome.reverted is not None
    assert outcome.reverted.removed == ("shop_web", "shop_api")
    assert swarm.services() == []


def test_what_the_swarm_rolled_back_itself_is_not_written_again(swarm: Stage, clock: Clock) -> None:
    before = specs(swarm)
    swarm.fate["shop_web"] = swarm.roll_back
    outcome = deploy(swarm, clock, request("v2", BOTH))
    assert states(outcome)["shop_web"] == "rolled_back"
    # The other one is sent twice on its way back, so that a rollback by hand does not lead to what was refused.
    assert swarm.written == [("update", name) for name in ("shop_api", "shop_web", "shop_api", "shop_api")]
    assert swarm.named("shop_api")["PreviousSpec"] == before["shop_api"]
    assert outcome.reverted is not None
    assert outcome.reverted.back == ("shop_web", "shop_api")
    assert specs(swarm) == before


def test_everything_stays_as_it_is_then_when_told_so(swarm: Stage, clock: Clock) -> None:
    swarm.fate["shop_web"] = swarm.fail_once
    outcome = deploy(swarm, clock, request("v2", BOTH, revert=False))
    assert outcome.reverted is None
    assert swarm.written == [("update", "shop_api"), ("update", "shop_web")]
    assert swarm.image("shop_api") == "app:v2"
    assert "Taken back" not in outcome.message("shop")


def test_nothing_is_taken_back_where_nothing_was_changed(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock, request(text=BOTH))
    swarm.written.clear()
    swarm.fail(swarm.named("shop_web"))
    outcome = deploy(swarm, clock, request(text=BOTH))
    assert states(outcome)["shop_web"] == "crashed"
    assert swarm.written == []
    assert outcome.reverted is not None
    assert outcome.reverted.as_dict() == {"back": [], "removed": [], "stuck": []}


def refuse(swarm: Stage, error: errors.EngineError) -> None:
    """The engine refuses the second service that is sent to it."""

    def raise_it() -> None:
        raise error

    def second() -> None:
        swarm.before("update_service", raise_it)

    swarm.before("update_service", second)


REFUSAL = translate(400, "rpc error: code = InvalidArgument desc = ContainerSpec: duplicate mount point: /x")
TAKEN = translate(400, "rpc error: code = InvalidArgument desc = port '80' is already in use by service 'x'")


def test_a_refusal_half_way_takes_back_what_was_sent(swarm: Stage, clock: Clock) -> None:
    before = specs(swarm)
    refuse(swarm, REFUSAL)
    with pytest.raises(errors.EngineError) as told:
        deploy(swarm, clock, request("v2", BOTH))
    assert str(told.value).splitlines() == [str(REFUSAL), "  Taken back to what they were before: shop_api."]
    assert specs(swarm) == before


def test_a_port_that_was_given_up_a_moment_ago_is_waited_for(swarm: Stage, clock: Clock) -> None:
    assert isinstance(TAKEN, errors.PortInUse)
    refuse(swarm, TAKEN)
    assert states(deploy(swarm, clock, request("v2", BOTH))) == {"shop_api": "converged", "shop_web": "converged"}


def test_a_refusal_half_way_leaves_the_half_when_told_so(swarm: Stage, clock: Clock) -> None:
    refuse(swarm, REFUSAL)
    with pytest.raises(errors.EngineError) as told:
        deploy(swarm, clock, request("v2", BOTH, revert=False))
    assert str(told.value) == str(REFUSAL)
    assert swarm.image("shop_api") == "app:v2"
    assert swarm.image("shop_web") == "web:v1"


def test_a_refusal_of_the_first_service_has_nothing_to_take_back(swarm: Stage, clock: Clock) -> None:
    def raise_it() -> None:
        raise REFUSAL

    swarm.before("update_service", raise_it)
    with pytest.raises(errors.EngineError) as told:
        deploy(swarm, clock, request("v2", BOTH))
    assert str(told.value) == str(REFUSAL)
    assert swarm.written == []


def lose_the_answer(swarm: Stage, clock: Clock, name: str, silence: float) -> None:
    """The request for this service is carried out, its answer gets lost, and then there is none for some seconds."""
    gone = errors.EngineUnreachable("the engine gave no answer within 25 s")

    def lose(_service: Json) -> None:
        swarm.fate.pop(name)
        swarm.settle(name)
        swarm.trouble = gone
        clock.at(clock.now + silence, swarm.interrupt(None))
        raise gone

    swarm.fate[name] = lose


@pytest.mark.parametrize("name", ["shop_web", "shop_new"])
def test_an_answer_that_was_lost_is_no_reason_to_stop_half_way(swarm: Stage, clock: Clock, name: str) -> None:
    lose_the_answer(swarm, clock, name, 20)
    outcome = deploy(swarm, clock, request("v2", WITH_ONE_MORE))
    assert states(outcome) == dict.fromkeys(("shop_api", "shop_new", "shop_web"), "converged")
    assert sorted(step.name for step in outcome.plan) == ["shop_api", "shop_new", "shop_web"]
    assert swarm.written.count(("create", "shop_new")) == 1


@pytest.mark.parametrize("name", ["shop_web", "shop_new"])
def test_what_may_have_arrived_without_an_answer_is_taken_back_too(swarm: Stage, clock: Clock, name: str) -> None:
    before = specs(swarm)
    lose_the_answer(swarm, clock, name, rollout.PATIENCE + 20)
    with pytest.raises(errors.EngineUnreachable, match="shop_api"):
        deploy(swarm, clock, request("v2", WITH_ONE_MORE if name == "shop_new" else BOTH))
    assert specs(swarm) == before


def overtaken_at_the_second(swarm: Stage, change: Callable[[], None]) -> None:
    """Somebody does something just before the second service is sent, which then is stale."""

    def second() -> None:
        swarm.change("shop_web", "Labels", "by", to="hand")
        change()

    swarm.before("update_service", lambda: swarm.before("update_service", second))


def test_what_the_file_needs_may_vanish_half_way(swarm: Stage, clock: Clock) -> None:
    before = specs(swarm)["shop_api"]

    def vanish() -> None:
        for service in swarm.services():
            swarm.change(service["Spec"]["Name"], "TaskTemplate", "ContainerSpec", "Secrets", to=[])
        for secret in swarm.secrets():
            swarm.remove_secret(secret["ID"])

    overtaken_at_the_second(swarm, vanish)
    with pytest.raises(errors.EngineError) as told:
        deploy(swarm, clock, request("v2", BOTH))
    assert "it can't go on: secrets.key: there is no secret jwt in the swarm" in str(told.value)
    # Somebody changed that one too.
    assert "Not taken back: shop_api: somebody changed it meanwhile" in str(told.value)
    assert specs(swarm)["shop_api"] != before


def test_somebody_elses_update_in_flight_half_way_is_waited_for_no_longer_than_the_deadline(
    swarm: Stage, clock: Clock
) -> None:
    before = specs(swarm)["shop_api"]
    overtaken_at_the_second(swarm, lambda: swarm.named("shop_web").update({"UpdateStatus": {"State": "updating"}}))
    with pytest.raises(errors.DeadlineExceeded) as told:
        deploy(swarm, clock, request("v2", BOTH, deadline=20))
    assert "before every service could be sent: shop_web (updating)" in str(told.value)
    assert "Taken back to what they were before: shop_api." in str(told.value)
    assert specs(swarm)["shop_api"] == before


def test_a_service_that_was_sent_twice_goes_back_to_what_it_was_the_first_time(swarm: Stage, clock: Clock) -> None:
    before = specs(swarm)["shop_api"]
    overtaken_at_the_second(swarm, lambda: swarm.change("shop_api", "Labels", "by", to="hand"))
    swarm.fate["shop_web"] = swarm.fail_once
    outcome = deploy(swarm, clock, request("v2", BOTH))
    # Twice there, and twice back.
    assert [name for _action, name in swarm.written].count("shop_api") == 4
    assert outcome.reverted is not None
    assert "shop_api" in outcome.reverted.back
    assert specs(swarm)["shop_api"] == before


def test_a_stack_that_never_stops_changing_is_taken_back(swarm: Stage, clock: Clock) -> None:
    before = specs(swarm)["shop_api"]
    times = 0

    def again() -> None:
        nonlocal times
        times += 1
        swarm.change("shop_web", "Labels", "by", to="hand %d" % times)
        if times < rollout.ATTEMPTS:
            swarm.before("update_service", again)

    swarm.before("update_service", lambda: swarm.before("update_service", again))
    with pytest.raises(errors.StaleVersion) as told:
        deploy(swarm, clock, request("v2", BOTH))
    assert "(planned 5 times, overtaken each time)" in str(told.value)
    assert "Taken back to what they were before: shop_api." in str(told.value)
    assert specs(swarm)["shop_api"] == before


def test_an_engine_that_can_not_be_asked_any_more_is_no_success(swarm: Stage, clock: Clock) -> None:
    """It refuses to be read while the services are watched, once."""
    before = specs(swarm)

    def refuse() -> None:
        raise errors.EngineError("rpc error: code = Unknown")

    swarm.fate["shop_web"] = lambda _service: swarm.before("tasks", refuse)
    with pytest.raises(errors.EngineError) as told:
        deploy(swarm, clock, request("v2", BOTH))
    assert "code = Unknown" in str(told.value)
    assert "shop_api" in str(told.value)
    assert specs(swarm) == before


def test_a_service_that_somebody_gives_another_spec_meanwhile_did_not_converge(swarm: Stage, clock: Clock) -> None:
    """A rollback by hand, say, whose spec runs well."""

    def replace_it(service: Json) -> None:
        swarm.settle(service["Spec"]["Name"])
        image = partial(swarm.change, "shop_web", "TaskTemplate", "ContainerSpec", "Image", to="web:v1")
        clock.at(clock.now + 1, lambda: (image(), swarm.settle("shop_web")))

    swarm.fate["shop_web"] = replace_it
    outcome = deploy(swarm, clock, request("v2", BOTH))
    assert states(outcome)["shop_web"] == "replaced"
    assert outcome.reverted is not None
    assert outcome.reverted.stuck == ("shop_web: somebody changed it meanwhile, so it is left as it is",)
    assert swarm.image("shop_web") == "web:v1"


def test_a_count_that_somebody_sets_meanwhile_is_no_other_spec(swarm: Stage, clock: Clock) -> None:
    def scale(service: Json) -> None:
        swarm.change(service["Spec"]["Name"], "Mode", to={"Replicated": {"Replicas": 2}})
        swarm.settle(service["Spec"]["Name"])

    swarm.fate["shop_web"] = scale
    assert states(deploy(swarm, clock, request("v2", BOTH)))["shop_web"] == "converged"


def test_a_deadline_that_is_too_short_to_prove_anything_is_told(swarm: Stage, clock: Clock) -> None:
    plan = deploy(swarm, clock, request("v2", BOTH, check_mode=True, deadline=2)).plan
    assert [text for text in plan.warnings if text.startswith("deadline: 2 s is less than the 5 s for which shop_api")]


def test_a_service_that_does_not_run_with_its_old_spec_either_is_named(swarm: Stage, clock: Clock) -> None:
    swarm.fate["shop_web"] = swarm.fail
    outcome = deploy(swarm, clock, request("v2", BOTH))
    assert outcome.reverted is not None
    assert outcome.reverted.back == ("shop_api",)
    (stuck,) = outcome.reverted.stuck
    assert stuck.startswith("shop_web has its spec back, but does not run well: ")
    assert "Not taken back: shop_web" in outcome.message("shop")
