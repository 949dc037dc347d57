# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a whole stack back: what it was is what it is again; what can't be is refused before anything changes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import CREATE, REMOVE, UPDATE
from ansible_collections.flotilla.swarm.plugins.module_utils._core.releases import Release
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import planner, preflight, rollback
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.stack_rollback import Request, Rollback, Rolled
from ansible_collections.flotilla.swarm.plugins.modules import swarm_stack_info, swarm_stack_rollback
from ansible_collections.flotilla.swarm.tests.support.memory_releases import (
    OWNER,
    STACK,
    deploy,
    history,
    live,
    spec,
    states,
)
from ansible_collections.flotilla.swarm.tests.support.memory_stack import STACK_FILE, Stage, actions
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock
from ansible_collections.flotilla.swarm.tests.support.module_runner import Runner
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]
WITHOUT_WEB = STACK_FILE.replace('  web: {image: "web:v1", networks: {back: }}\n', "")
SECRETS = STACK_FILE.replace("configs: [{source: conf, target: /conf}]", "secrets: [{source: token}]") + (
    "secrets: {token: {external: true}}\n"
)


@pytest.fixture
def swarm() -> Stage:
    return Stage()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def roll_back(swarm: Stage, clock: Clock, release: int | None = None, **more: Any) -> Rolled:
    return Rollback(Request(STACK, release, **more), swarm, clock, clock.sleep).run()


def refused(swarm: Stage, clock: Clock, release: int | None = None, **more: Any) -> list[str]:
    """The problems for which a rollback is refused; nothing may have been sent or recorded."""
    before, kept = list(swarm.written), states(swarm)
    with pytest.raises(DeclarationError) as caught:
        roll_back(swarm, clock, release, **more)
    assert swarm.written == before
    assert states(swarm) == kept
    return list(caught.value.problems)


def token(swarm: Stage, version: int) -> str:
    own = {labels.OWNER: OWNER, labels.NAME: "token", labels.VERSION: str(version)}
    return swarm.create_secret("token_v%d" % version, b"x", own)


# -- the whole way -----------------------------------------------------------------------------------------------------


def test_after_two_bad_deployments_the_last_good_one_is_back_to_the_byte(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    good = live(swarm)
    for version in ("v2", "v3"):
        swarm.fate["shop_api"] = swarm.fail
        assert deploy(swarm, clock, version, revert=False).bad
    swarm.fate.clear()
    rolled = roll_back(swarm, clock, who="me", when="now")
    assert not rolled.outcome.bad
    assert live(swarm) == good
    assert (rolled.target.number, rolled.number) == (1, 4)
    record = history(swarm)[4].release
    assert record is not None
    assert (record.kind, record.restores, record.who, record.when) == ("rollback", 1, "me", "now")
    assert states(swarm) == {1: "good", 2: "failed", 3: "failed", 4: "good"}
    assert history(swarm)[4].ending.verdicts == {"shop_api": "converged", "shop_web": "converged"}


def test_two_rollbacks_go_back_twice_and_a_third_has_nowhere_to_go(swarm: Stage, clock: Clock) -> None:
    seen = []
    for version in ("v1", "v2", "v3"):
        deploy(swarm, clock, version)
        seen.append(live(swarm))
    assert roll_back(swarm, clock).target.number == 2
    assert live(swarm) == seen[1]
    assert roll_back(swarm, clock).target.number == 1
    assert live(swarm) == seen[0]
    (problem,) = refused(swarm, clock)
    assert "no good release before that is kept" in problem


def test_replicas_and_what_was_changed_by_hand_are_restored(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    good = live(swarm)
    swarm.change("shop_api", "Mode", to={"Replicated": {"Replicas": 7}})
    swarm.change("shop_api", "TaskTemplate", "ContainerSpec", "Env", to=["HAND=1"])
    swarm.change("shop_web", "TaskTemplate", "ForceUpdate", to=3)
    swarm.settle("shop_web")
    rolled = roll_back(swarm, clock, 1)
    assert actions(rolled.outcome) == [(UPDATE, "shop_api")]
    found = {difference.field for step in rolled.outcome.plan for difference in step.differences}
    assert found == {"Mode.Replicated.Replicas", "TaskTemplate.ContainerSpec.Env[HAND]"}
    assert live(swarm)["shop_api"] == good["shop_api"]
    # That it was restarted by hand is no difference.
    assert live(swarm)["shop_web"]["TaskTemplate"]["ForceUpdate"] == 3


def test_secrets_come_back_with_their_versions(swarm: Stage, clock: Clock) -> None:
    token(swarm, 1)
    deploy(swarm, clock, text=SECRETS)
    good = live(swarm)
    token(swarm, 2)
    deploy(swarm, clock, text=SECRETS)
    assert live(swarm) != good
    roll_back(swarm, clock)
    assert live(swarm) == good


def test_what_is_as_it_was_is_not_touched_or_recorded(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    written = list(swarm.written)
    rolled = roll_back(swarm, clock, 1)
    assert not rolled.outcome.plan
    assert rolled.number is None
    assert [item.state for item in rolled.outcome.verdicts] == ["converged", "converged"]
    assert swarm.written == written
    assert states(swarm) == {1: "good"}


def test_services_come_and_go_with_the_release(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    good = live(swarm)
    deploy(swarm, clock, "v2", text=WITHOUT_WEB.replace("  api:", "  api2:"), prune=True)
    assert set(live(swarm)) == {"shop_api2"}
    swarm.foreign("shop_theirs")
    rolled = roll_back(swarm, clock)
    assert actions(rolled.outcome) == [(CREATE, "shop_api"), (CREATE, "shop_web"), (REMOVE, "shop_api2")]
    assert swarm.written[-1] == ("remove", "shop_api2")
    theirs = live(swarm)["shop_theirs"]
    assert live(swarm) == {**good, "shop_theirs": theirs}
    (warning,) = rolled.outcome.plan.warnings
    assert warning.startswith("service shop_theirs: of the stack shop, but left alone: deployed by something else")
    assert set((history(swarm)[3].release or Release(STACK, 1)).specs) == {"shop_api", "shop_web"}


def test_a_rollback_that_fails_is_taken_back_and_recorded(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    deploy(swarm, clock, "v2")
    before = live(swarm)
    swarm.fate["shop_api"] = swarm.fail_once
    rolled = roll_back(swarm, clock)
    assert [item.service for item in rolled.outcome.bad] == ["shop_api"]
    assert live(swarm) == before
    assert states(swarm) == {1: "good", 2: "good", 3: "failed"}
    assert history(swarm)[3].ending.reverted


def test_an_update_that_hangs_is_replaced_and_not_waited_for(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    good = live(swarm)
    swarm.fate["shop_api"] = lambda service: service.update(UpdateStatus={"State": "updating"})
    assert deploy(swarm, clock, "v2", revert=False).bad
    swarm.fate.clear()
    roll_back(swarm, clock)
    assert live(swarm) == good


def test_a_paused_update_to_what_is_wanted_goes_on(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    swarm.named("shop_api")["UpdateStatus"] = {"State": "paused"}
    rolled = roll_back(swarm, clock, 1)
    assert actions(rolled.outcome) == [(UPDATE, "shop_api")]


def test_check_mode_changes_nothing(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    deploy(swarm, clock, "v2")
    written, before = list(swarm.written), live(swarm)
    rolled = roll_back(swarm, clock, check_mode=True)
    assert actions(rolled.outcome) == [(UPDATE, "shop_api")]
    assert swarm.written == written
    assert live(swarm) == before
    assert states(swarm) == {1: "good", 2: "good"}


def test_credentials_go_along_where_that_is_asked_for(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    deploy(swarm, clock, "v2")
    roll_back(swarm, clock, with_registry_auth=True)
    assert swarm.auths[-1] is True


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_stack_without_a_history_is_refused(swarm: Stage, clock: Clock) -> None:
    (problem,) = refused(swarm, clock)
    assert problem.startswith("name: the stack shop has no release")


def test_a_history_of_another_owner_is_none(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    assert "has no release" in refused(swarm, clock, owner="other")[0]


def test_too_few_releases_to_keep_are_refused(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    assert "keep_releases: 1 is too few" in refused(swarm, clock, 1, keep=1)[0]


def test_everything_that_is_gone_is_named_at_once(swarm: Stage, clock: Clock) -> None:
    first = token(swarm, 1)
    deploy(swarm, clock, text=SECRETS)
    swarm.remove_service(swarm.named("shop_web")["ID"])
    swarm.remove_service(swarm.named("shop_api")["ID"])
    swarm.remove_secret(first)
    (network,) = [one for one in swarm.networks() if one["Name"] == "shop_back"]
    swarm.remove_network(network["Id"])
    swarm.add_local_network("shop_back")
    mend = "which is no longer in the swarm: make it again under that name, or restore another release"
    assert refused(swarm, clock, 1) == [
        "release 1 names the network shop_back (shop_api, shop_web), " + mend,
        "release 1 names the secret token_v1 (shop_api), " + mend,
    ]


def test_what_was_made_anew_under_its_name_is_taken_with_a_warning(swarm: Stage, clock: Clock) -> None:
    first = token(swarm, 1)
    deploy(swarm, clock, text=SECRETS)
    for name in ("shop_api", "shop_web"):
        swarm.remove_service(swarm.named(name)["ID"])
    swarm.remove_secret(first)
    second = token(swarm, 1)
    (network,) = [one for one in swarm.networks() if one["Name"] == "shop_back"]
    swarm.remove_network(network["Id"])
    anew = swarm.create_network({"Name": "shop_back", "Driver": "overlay"})
    rolled = roll_back(swarm, clock, 1)
    template = live(swarm)["shop_api"]["TaskTemplate"]
    assert template["ContainerSpec"]["Secrets"][0]["SecretID"] == second
    assert template["Networks"][0]["Target"] == anew
    (warning,) = rolled.outcome.plan.warnings
    assert warning.startswith("the secret token_v1 (shop_api) is not the one of release 1, but one that was made later")


def test_a_service_with_another_mode_is_refused(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    swarm.change("shop_api", "Mode", to={"Global": {}})
    (problem,) = refused(swarm, clock, 1)
    assert "the service shop_api has the mode global, and replicated in release 1" in problem
    assert "docker service rm shop_api" in problem


def test_a_service_of_somebody_else_is_refused(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    swarm.change("shop_api", "Labels", labels.OWNER, to="cli")
    swarm.change("shop_web", "Labels", labels.STACK_NAMESPACE, to="bank")
    problems = refused(swarm, clock, 1)
    assert "the service shop_api is in the swarm, and something else deployed it" in problems[0]
    assert problems[1] == "the service shop_web is in the swarm, and no part of the stack shop: remove it first"


def test_constraints_that_no_node_meets_and_lack_of_room_do_not_bar_the_way_back(swarm: Stage, clock: Clock) -> None:
    text = STACK_FILE.replace("{replicas: 1,", "{replicas: 1, placement: {constraints: [node.labels.a == b]},")
    node = swarm.nodes()[0]
    swarm.update_node(node["ID"], node["Version"]["Index"], {**node["Spec"], "Labels": {"a": "b"}})
    deploy(swarm, clock, text=text)
    deploy(swarm, clock, "v2")
    node = swarm.nodes()[0]
    swarm.update_node(node["ID"], node["Version"]["Index"], {**node["Spec"], "Labels": {}})
    rolled = roll_back(swarm, clock, check_mode=True)
    (warning, *_more) = rolled.outcome.plan.warnings
    assert warning.startswith("service shop_api: 0 eligible nodes for node.labels.a == b in release 1")
    assert ("update", "service", "shop_api") in [
        (step.action, step.kind, step.name) for step in rolled.outcome.plan.steps
    ]


def test_reservations_that_find_no_room_are_a_warning_of_a_rollback(swarm: Stage, clock: Clock) -> None:
    text = STACK_FILE.replace("{replicas: 1,", "{replicas: 1, resources: {reservations: {memory: 1073741824}},")
    deploy(swarm, clock, text=text)
    deploy(swarm, clock, "v2")
    for node in swarm._objects["node"].values():
        node["Description"]["Resources"] = {"NanoCPUs": 10**9, "MemoryBytes": 2**20}
    (warning,) = roll_back(swarm, clock).outcome.plan.warnings
    assert "reserves 1024 MiB of memory, and the eligible nodes have room for 0" in warning
    assert live(swarm)["shop_api"]["TaskTemplate"]["ContainerSpec"]["Image"].startswith("app:v1")


def test_a_record_that_can_not_be_written_stops_it_before_anything_is_sent(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    deploy(swarm, clock, "v2")
    written = list(swarm.written)

    def refuse() -> None:
        raise errors.EngineError("no room")

    swarm.before("create_config", refuse)
    with pytest.raises(errors.EngineError, match="no room"):
        roll_back(swarm, clock)
    assert swarm.written == written


# -- the planner -------------------------------------------------------------------------------------------------------


def observed(swarm: Stage) -> preflight.Observation:
    return preflight.Observation(swarm.services(), swarm.nodes(), swarm.networks(), swarm.secrets(), swarm.configs())


def test_a_credential_spec_gets_the_id_that_its_config_has_now(swarm: Stage) -> None:
    recorded = spec("shop_api")
    recorded["TaskTemplate"]["ContainerSpec"].update(
        {
            "Privileges": {"CredentialSpec": {"Config": "old"}, "NoNewPrivileges": True},
            "Configs": [{"Runtime": {}, "ConfigID": "old", "ConfigName": "gmsa"}],
        }
    )
    now = swarm.create_config("gmsa", b"{}", {})
    decision = rollback.plan(Release(STACK, 1, specs={"shop_api": recorded}), observed(swarm), OWNER)
    container = decision.specs["shop_api"]["TaskTemplate"]["ContainerSpec"]
    assert container["Privileges"] == {"CredentialSpec": {"Config": now}, "NoNewPrivileges": True}
    assert container["Configs"] == [{"Runtime": {}, "ConfigID": now, "ConfigName": "gmsa"}]


def test_a_network_that_every_node_has_is_not_missed(swarm: Stage, clock: Clock) -> None:
    text = 'services: {web: {image: "web:v1", networks: {host: }}}\nnetworks: {host: {name: host, external: true}}\n'
    deploy(swarm, clock, text=text)
    # Not declared any more, so it is recorded as it is live, with the ID of a network that is in no list.
    deploy(swarm, clock, text=text.replace("web: {", "api: {"))
    before = live(swarm)
    swarm.change("shop_web", "Mode", to={"Replicated": {"Replicas": 2}})
    rolled = roll_back(swarm, clock, 2)
    assert actions(rolled.outcome) == [(UPDATE, "shop_web")]
    assert live(swarm) == before


def test_networks_are_recorded_by_name() -> None:
    attached = {"Name": "a", "TaskTemplate": {"Networks": [{"Target": "n1", "Aliases": ["a"]}, {"Target": "n2"}]}}
    before = copy.deepcopy(attached)
    assert rollback.named(attached, {"n1": "back"}) == {
        "Name": "a",
        "TaskTemplate": {"Networks": [{"Target": "back", "Aliases": ["a"]}, {"Target": "n2"}]},
    }
    assert attached == before
    assert rollback.named({"Name": "a"}, {}) == {"Name": "a"}


SERVICES = st.dictionaries(
    st.sampled_from(("shop_a", "shop_b", "shop_c")),
    st.builds(
        lambda image, env, replicas: (image, env, replicas),
        st.sampled_from(("app:v1", "app:v2")),
        st.lists(st.sampled_from(("A=1", "A=2", "B=1")), max_size=2, unique_by=lambda text: text[0]),
        st.integers(0, 3),
    ),
)


def specs(drawn: dict[str, tuple[str, list[str], int]]) -> dict[str, Json]:
    return {
        name: {**spec(name, image, Env=env), "Mode": {"Replicated": {"Replicas": replicas}}}
        for name, (image, env, replicas) in drawn.items()
    }


def in_any_order(drawn: tuple[str, list[str], int]) -> tuple[str, list[str], int]:
    """The drawn service with its variables sorted: their order is no difference, no two have one name."""
    image, env, replicas = drawn
    return image, sorted(env), replicas


def carry_out(swarm: Stage, decision: planner.Decision) -> None:
    for step in decision.plan:
        if step.action == CREATE:
            swarm.create_service(step.payload["spec"])
        elif step.action == UPDATE:
            swarm.update_service(step.payload["id"], step.payload["version"], step.payload["spec"])
        else:
            swarm.remove_service(step.payload["id"])


@given(SERVICES, SERVICES)
def test_a_plan_leaves_nothing_to_do_and_does_no_more(now: dict[str, Any], then: dict[str, Any]) -> None:
    swarm = Stage()
    for one in specs(now).values():
        swarm.create_service(one)
    release = Release(STACK, 1, specs=specs(then))
    before, kept = observed(swarm), copy.deepcopy(release)
    decision = rollback.plan(release, before, OWNER)
    assert (before, release) == (observed(swarm), kept)
    equal = {name for name in then if name in now and in_any_order(now[name]) == in_any_order(then[name])}
    assert {step.name for step in decision.plan} == {*now, *then} - equal
    order = [step.action == REMOVE for step in decision.plan]
    assert order == sorted(order)
    carry_out(swarm, decision)
    assert set(live(swarm)) == set(then)
    assert not rollback.plan(release, observed(swarm), OWNER).plan


# -- the modules -------------------------------------------------------------------------------------------------------


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], swarm: Stage) -> Runner:
    result = Runner(monkeypatch, capsys)
    result.engine = swarm
    return result


def test_the_module_says_what_it_did(runner: Runner, swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    deploy(swarm, clock, "v2")
    foretold = runner.run(swarm_stack_rollback, check_mode=True, name=STACK)
    assert foretold["changed"]
    assert foretold["restored"] == 1
    assert "release" not in foretold
    done = runner.run(swarm_stack_rollback, name=STACK, stable_for=0, who="me")
    assert (done["changed"], done["restored"], done["release"]) == (True, 1, 3)
    assert done["plan"] == foretold["plan"]
    assert [one["state"] for one in done["verdicts"]] == ["converged", "converged"]
    again = runner.run(swarm_stack_rollback, name=STACK, release=1, stable_for=0)
    assert (again["changed"], again["release"], again["pruned"]) == (False, None, [])


def test_the_module_fails_with_the_whole_story(runner: Runner, swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    deploy(swarm, clock, "v2")
    swarm.fate["shop_api"] = swarm.fail_once
    swarm.foreign("shop_theirs")
    failed = runner.run(swarm_stack_rollback, name=STACK, stable_for=0)
    assert failed["failed"]
    assert failed["msg"].startswith(
        "The rollback to release 1 of shop failed. 1 of 2 services of the stack shop did not"
    )
    assert failed["reverted"]["back"] == ["shop_api"]
    assert (failed["restored"], failed["release"]) == (1, 3)
    assert "shop_theirs" in runner.words


def test_the_module_names_every_problem(runner: Runner, swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    refusal = runner.run(swarm_stack_rollback, name=STACK, release=9)
    assert refusal["problems"] == ["release: there is no release 9 of shop: kept are 1 (good)"]
    assert "owner is empty" in runner.run(swarm_stack_rollback, name=STACK, owner="")["msg"]


def test_the_info_module_shows_histories(runner: Runner, swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    deploy(swarm, clock, "v2")
    (one,) = runner.run(swarm_stack_info)["stacks"]
    assert [release["number"] for release in one["releases"]] == [2, 1]
    assert [service["name"] for service in one["current"]] == ["shop_api", "shop_web"]
    (one,) = runner.run(swarm_stack_info, name=STACK, release=1, specs=True)["stacks"]
    (release,) = one["releases"]
    assert release["specs"]["shop_api"]["Name"] == "shop_api"
    assert runner.run(swarm_stack_info, name="bank")["stacks"] == [{"name": "bank", "releases": [], "current": []}]


def test_the_info_module_names_what_can_not_be_read(runner: Runner, swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    own = {labels.OWNER: OWNER, labels.STACK: STACK, labels.RELEASE: "2", labels.RELEASE_OUTCOME: "fine"}
    swarm.create_config("shop.release.2", b"no record", own)
    (one,) = runner.run(swarm_stack_info, name=STACK)["stacks"]
    assert [release["state"] for release in one["releases"]] == ["unreadable", "good"]
    assert "release 2 of shop can't be read" in runner.words


@pytest.mark.parametrize("options", [{"release": 1}, {"specs": True, "name": STACK}, {"release": 9, "name": STACK}])
def test_the_info_module_refuses_what_it_can_not_show(runner: Runner, options: Json) -> None:
    assert runner.run(swarm_stack_info, **options)["failed"]
