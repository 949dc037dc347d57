# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploying a stack: from sources to verdicts, on a swarm in memory and with a docker CLI in memory."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors, rollout
from ansible_collections.flotilla.swarm.tests.support.memory_stack import (
    STACK_FILE,
    Docker,
    Stage,
    actions,
    deploy,
    request,
    states,
)
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock

Json = dict[str, Any]
KEEP = {"revert": False}


@pytest.fixture
def swarm() -> Stage:
    return Stage()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_deployment_makes_everything_and_holds_for_the_window(swarm: Stage, clock: Clock) -> None:
    docker = Docker()
    outcome = deploy(swarm, clock, docker=docker)
    assert [(step.action, step.kind, step.name) for step in outcome.plan] == [
        ("create", "config", "shop_conf_2cf24dba5fb0"),
        ("create", "network", "shop_back"),
        ("create", "service", "shop_api"),
        ("create", "service", "shop_web"),
    ]
    assert states(outcome) == {"shop_api": "converged", "shop_web": "converged"}
    assert outcome.bad == ()
    assert outcome.reverted is None
    assert clock.now >= 5
    assert not docker.directory.exists()


def test_configs_and_networks_come_first_and_services_name_them_by_their_ids(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    made = [call for call in swarm.calls if call.startswith("create_")]
    assert made == ["create_config", "create_network", "create_service", "create_service"]
    (config,) = swarm.configs()
    (network,) = [network for network in swarm.networks() if network["Scope"] == "swarm"]
    template = swarm.named("shop_api")["Spec"]["TaskTemplate"]
    assert template["ContainerSpec"]["Configs"] == [
        {
            "ConfigID": config["ID"],
            "ConfigName": "shop_conf_2cf24dba5fb0",
            "File": {"Name": "/conf", "UID": "0", "GID": "0", "Mode": 0o444},
        }
    ]
    assert template["Networks"] == [{"Target": network["Id"], "Aliases": ["api"]}]


def test_everything_that_is_made_carries_the_stack_and_the_owner(swarm: Stage, clock: Clock) -> None:
    text = STACK_FILE.replace("networks: {back: {}}", "networks: {back: {labels: {a: b}}}")
    deploy(swarm, clock, request(text=text))
    own = {labels.STACK_NAMESPACE: "shop", labels.OWNER: "flotilla"}
    (network,) = [network for network in swarm.networks() if network["Scope"] == "swarm"]
    assert network["Labels"] == {"a": "b", **own}
    assert swarm.configs()[0]["Spec"]["Labels"] == own
    for service in swarm.services():
        assert own.items() <= service["Spec"]["Labels"].items()


def test_only_the_changed_service_is_sent(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    swarm.written.clear()
    assert actions(deploy(swarm, clock, request("v2"))) == [("update", "shop_api")]
    assert swarm.written == [("update", "shop_api")]


def test_registry_credentials_are_sent_when_asked_for(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    assert swarm.auths == [False, False]
    deploy(swarm, clock, request("v2", with_registry_auth=True))
    assert swarm.auths == [False, False, True]


def test_check_mode_plans_and_changes_nothing(swarm: Stage, clock: Clock) -> None:
    outcome = deploy(swarm, clock, request(check_mode=True))
    assert len(outcome.plan.steps) == 4
    assert outcome.verdicts == ()
    assert not [call for call in swarm.calls if call.startswith(("create", "update", "remove"))]
    assert clock.now == 0


def test_a_rollback_is_a_failure_with_the_tasks_own_words(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    swarm.healthy = False
    service = swarm.named("shop_api")

    def roll_back() -> None:
        failed = swarm.task("shop_api", "failed", desired="shutdown", err="task: non-zero exit (3)")
        swarm.logs[failed["ID"]] = "FATAL: no config\n"
        service["Spec"] = service.pop("PreviousSpec")
        message = "update rolled back due to failure or early termination of task %s" % failed["ID"]
        service["UpdateStatus"] = {"State": "rollback_started", "Message": message}

    def finish() -> None:
        swarm.task("shop_api", "rejected", image="app:v2", desired="shutdown", err="unknown network")
        service["UpdateStatus"] = {"State": "rollback_completed", "Message": "rollback completed"}

    clock.at(clock.now + 2, roll_back)
    clock.at(clock.now + 4, finish)
    outcome = deploy(swarm, clock, request("v2"))
    assert states(outcome) == {"shop_api": "rolled_back", "shop_web": "converged"}
    message = outcome.message("shop")
    assert "1 of 2 services of the stack shop did not converge." in message
    assert "on m1 failed with exit code 3: task: non-zero exit (3)" in message
    assert "| FATAL: no config" in message
    # The version that runs now is the declared one again: nothing to do, and no failure.
    again = deploy(swarm, clock, request("v1"))
    assert not again.plan
    assert again.bad == ()


def test_a_crash_after_the_swarms_monitor_is_caught_by_the_window(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)

    def crash() -> None:
        swarm.task_list[-1]["DesiredState"] = "shutdown"
        swarm.task_list[-1]["Status"] = {"State": "failed", "Err": "task: non-zero exit (4)"}
        swarm.task("shop_api", "ready", desired="ready")

    clock.at(clock.now + 3, crash)
    outcome = deploy(swarm, clock, request("v2", **KEEP))
    assert states(outcome)["shop_api"] == "crashed"
    assert "within the 5 s for which it must run" in outcome.message("shop")


def crash_of_a_new_service(swarm: Stage) -> None:
    swarm.task("shop_web")
    swarm.task("shop_api", "failed", desired="shutdown", err="task: non-zero exit (3): no database")
    swarm.task("shop_api", "ready", desired="ready")


def test_a_new_service_may_fail_until_what_it_needs_is_there(swarm: Stage, clock: Clock) -> None:
    swarm.healthy = False
    clock.at(1, lambda: crash_of_a_new_service(swarm))
    clock.at(30, lambda: swarm.settle("shop_api"))
    assert deploy(swarm, clock).bad == ()
    assert clock.now >= 35


def test_a_service_that_keeps_crashing_is_told_at_the_deadline(swarm: Stage, clock: Clock) -> None:
    swarm.healthy = False
    clock.at(1, lambda: crash_of_a_new_service(swarm))
    clock.at(28, lambda: swarm.settle("shop_api"))
    outcome = deploy(swarm, clock, request(deadline=30, **KEEP))
    assert states(outcome)["shop_api"] == "crashed"
    assert "it keeps failing and starting again" in outcome.message("shop")
    assert clock.now == pytest.approx(30)


def test_the_deadline_is_kept_and_names_the_reason(swarm: Stage, clock: Clock) -> None:
    swarm.healthy = False
    words = "no suitable node (insufficient resources on 1 node)"

    def stick() -> None:
        swarm.task("shop_web")
        swarm.task("shop_api", "pending", err=words)

    clock.at(1, stick)
    outcome = deploy(swarm, clock, request(deadline=20, **KEEP))
    assert states(outcome) == {"shop_api": "unschedulable", "shop_web": "converged"}
    assert words in outcome.message("shop")
    assert clock.now == pytest.approx(20)


def test_a_deadline_within_the_window_is_no_success(swarm: Stage, clock: Clock) -> None:
    outcome = deploy(swarm, clock, request(deadline=2, **KEEP))
    assert set(states(outcome).values()) == {"timeout"}
    assert "had run undisturbed for 5 s" in outcome.message("shop")


def test_the_deadline_counts_the_tasks_that_there_really_are(swarm: Stage, clock: Clock) -> None:
    """An update of ten tasks, one at a time, takes its time; also when the file leaves their number to others."""
    text = STACK_FILE.replace("deploy: {replicas: 1, ", "deploy: {")
    deploy(swarm, clock, request(text=text))
    swarm.change("shop_api", "Mode", to={"Replicated": {"Replicas": 10}})
    swarm.settle("shop_api")
    swarm.healthy = False
    started = clock.now
    clock.at(started + 300, lambda: swarm.settle("shop_api"))
    assert deploy(swarm, clock, request("v2", text)).bad == ()
    assert clock.now >= started + 300


TROUBLES = [
    errors.NoQuorum("The swarm does not have a leader."),
    errors.EngineUnreachable("the engine gave no answer within 60 s"),
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_passing_trouble_of_the_engine_costs_no_verdict(
    trouble: errors.EngineError, swarm: Stage, clock: Clock
) -> None:
    clock.at(1, swarm.interrupt(trouble))
    clock.at(9, swarm.interrupt(None))
    outcome = deploy(swarm, clock)
    assert states(outcome) == {"shop_api": "converged", "shop_web": "converged"}
    assert clock.now == pytest.approx(9)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_until_the_deadline_fails_with_the_last_verdicts_and_the_engines_words(
    trouble: errors.EngineError, swarm: Stage, clock: Clock
) -> None:
    swarm.healthy = False
    clock.at(1, lambda: crash_of_a_new_service(swarm))
    clock.at(8, swarm.interrupt(trouble))
    outcome = deploy(swarm, clock, request(deadline=20, **KEEP))
    assert states(outcome) == {"shop_api": "crashed", "shop_web": "converged"}
    assert clock.now == pytest.approx(20)
    message = outcome.message("shop")
    assert "no database" in message
    assert "at the deadline the swarm could not be read: %s" % trouble in message
    assert "(the log can't be read: %s)" % trouble in message


@pytest.mark.parametrize("trouble", TROUBLES)
def test_services_that_were_never_seen_again_time_out(trouble: errors.EngineError, swarm: Stage, clock: Clock) -> None:
    swarm.fate["shop_web"] = lambda _service: swarm.interrupt(trouble)()
    outcome = deploy(swarm, clock, request(deadline=10, **KEEP))
    assert set(states(outcome).values()) == {"timeout"}
    assert "it was never seen after the deployment" in outcome.message("shop")
    assert str(trouble) in outcome.message("shop")


def test_a_lasting_refusal_while_watching_is_passed_on_at_once(swarm: Stage, clock: Clock) -> None:
    clock.at(2, swarm.interrupt(errors.NotAManager("This node is not a swarm manager.")))
    with pytest.raises(errors.NotAManager):
        deploy(swarm, clock)
    assert clock.now == pytest.approx(2)


def test_it_waits_for_an_update_in_flight_and_plans_then(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    swarm.written.clear()
    service = swarm.named("shop_api")
    service["UpdateStatus"] = {"State": "updating"}
    with pytest.raises(errors.DeadlineExceeded, match=r"so nothing was changed: shop_api \(updating\)"):
        deploy(swarm, clock, request("v2", deadline=5))
    assert swarm.written == []
    clock.at(clock.now + 3, lambda: service.update({"UpdateStatus": {"State": "completed"}}))
    assert actions(deploy(swarm, clock, request("v2"))) == [("update", "shop_api")]


def test_a_paused_update_goes_on_when_the_same_is_deployed_again(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    swarm.named("shop_api")["UpdateStatus"] = {"State": "paused", "Message": "update paused"}
    (step,) = deploy(swarm, clock).plan
    assert [item.as_dict() for item in step.differences] == [
        {"field": "update", "before": "paused", "after": "resumed"}
    ]


def overtake(swarm: Stage, method: str, times: int) -> None:
    """Just before our next ``times`` writes, somebody else changes a label of the API's service."""

    def change() -> None:
        nonlocal times
        times -= 1
        swarm.change("shop_api", "Labels", "by", to="hand %d" % times)
        if times:
            swarm.before(method, change)

    swarm.before(method, change)


def test_a_stale_version_is_planned_again(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    overtake(swarm, "update_service", rollout.ATTEMPTS - 1)
    outcome = deploy(swarm, clock, request("v2"))
    assert actions(outcome) == [("update", "shop_api")]
    assert outcome.bad == ()
    assert "by" not in swarm.named("shop_api")["Spec"]["Labels"]


def test_a_stack_that_never_stops_changing_is_given_up(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    overtake(swarm, "update_service", rollout.ATTEMPTS)
    with pytest.raises(errors.StaleVersion, match="planned 5 times, overtaken each time"):
        deploy(swarm, clock, request("v2"))
    assert swarm.image("shop_api") == "app:v1"


def test_a_service_that_somebody_made_just_now_is_updated_instead(swarm: Stage, clock: Clock) -> None:
    other = Clock()
    swarm.before("create_service", lambda: deploy(swarm, other, request("v0")))
    outcome = deploy(swarm, clock)
    assert actions(outcome)[-1] == ("update", "shop_api")
    assert swarm.image("shop_api") == "app:v1"


def test_a_service_that_was_sent_is_not_waited_for_while_the_rest_is_planned_again(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    text = STACK_FILE.replace("web:v1", "web:${VERSION}")
    service = swarm.named("shop_api")
    swarm.fate["shop_api"] = lambda _service: service.update({"UpdateStatus": {"State": "updating"}})
    sent: list[float] = []

    def note(service: Json) -> None:
        sent.append(clock.now)
        swarm.settle(service["Spec"]["Name"])

    def finish() -> None:
        service.update({"UpdateStatus": {"State": "completed"}})
        swarm.settle("shop_api")

    swarm.fate["shop_web"] = note
    clock.at(clock.now + 3, finish)
    stale = partial(swarm.change, "shop_web", "Labels", "by", to="hand")
    swarm.before("update_service", partial(swarm.before, "update_service", stale))
    started = clock.now
    outcome = deploy(swarm, clock, request("v2", text))
    assert actions(outcome) == [("update", "shop_api"), ("update", "shop_web")]
    assert outcome.bad == ()
    assert sent == [started]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("services: {a: {image: 'x:${MISSING}'}}", "${MISSING}"),
        ("services: {a: {image: x, privileged: true}}", "services.a.privileged"),
        ("services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {external: true}}", "no secret s in the swarm"),
        ("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {external: true}}", "network n is not in the swarm"),
        ("services: {a: {image: x, deploy: {placement: {constraints: [node.role == worker]}}}}", "0 eligible nodes"),
        ("services: {a: {image: x}}\nnetworks: {default: {ipam: {config: [{subnet: 10.2.0.0/30}]}}}", "needs 3 more"),
        ("services: {a: {image: x}}\nconfigs: {c: {file: missing.conf}}", "missing.conf is not among the sources"),
        ("services: {a: {image: x, env_file: missing.env}}", "missing.env is not among the sources"),
        ("services: {a: {command: [x]}}", "services.a.image"),
        ("services: {a: {image: x, deploy: {mode: replicatd}}}", "services.a.deploy.mode: replicatd is none of"),
        ("services: {a: {image: x, secrets: [{source: s}]}}\nsecrets: {s: {driver: d}}", "neither external nor made"),
    ],
)
def test_what_is_wrong_is_said_before_anything_changes(swarm: Stage, clock: Clock, text: str, word: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        deploy(swarm, clock, request(text=text))
    assert word in str(refused.value)
    assert not [call for call in swarm.calls if call.startswith(("create", "update", "remove"))]


def test_pruning_comes_last_and_only_when_asked(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    without = STACK_FILE.replace('  web: {image: "web:v1", networks: {back: }}\n', "")
    kept = deploy(swarm, clock, request("v2", without))
    assert "shop_web" in kept.plan.warnings[0]
    assert swarm.named("shop_web")
    pruned = deploy(swarm, clock, request("v3", without, prune=True))
    assert actions(pruned) == [("update", "shop_api"), ("remove", "shop_web")]
    assert swarm.written[-2:] == [("update", "shop_api"), ("remove", "shop_web")]
    broken = without + "secrets: {s: {external: true}}\n"
    deploy(swarm, clock, request("v2"))
    with pytest.raises(DeclarationError):
        deploy(swarm, clock, request("v2", broken, prune=True))
    assert swarm.named("shop_web")


def test_pruning_leaves_alone_what_something_else_deployed(swarm: Stage, clock: Clock) -> None:
    swarm.foreign("shop_theirs")
    outcome = deploy(swarm, clock, request(prune=True))
    assert swarm.named("shop_theirs")
    assert "service shop_theirs" in outcome.plan.warnings[0]
