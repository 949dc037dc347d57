# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations: which services move, how they move one by one, and how all come back when one fails."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, labels, rotation, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._core.rotation import Move, Target
from ansible_collections.flotilla.swarm.plugins.module_utils._core.versioned import CONFIG, SECRET
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.rotation import ATTEMPTS, Limits, Rotation
from ansible_collections.flotilla.swarm.tests.support.memory_shop import OWNER, Shop
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock, Swarm
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]


@pytest.fixture
def shop() -> Shop:
    swarm = Shop()
    for version in (1, 2):
        swarm.version_of("key", version)
    swarm.service("api", "key_v1")
    swarm.service("idle")
    swarm.service("web", "key_v1")
    return swarm


def moves(swarm: Swarm) -> tuple[Move, ...]:
    ids = {secret["Spec"]["Name"]: secret["ID"] for secret in swarm.secrets()}
    current = {"key": {"name": "key_v2", "id": ids["key_v2"], "version": 2}}
    return rotation.moves(swarm.services(), [(SECRET, rotation.targets(swarm.secrets(), current, OWNER))])


def settled(swarm: Swarm) -> dict[str, str]:
    current = {"key": {"name": "key_v2", "id": "", "version": 2}}
    return rotation.settled_users(SECRET, swarm.services(), current, {move.service for move in moves(swarm)})


def rotate(swarm: Shop, clock: Clock | None = None, **limits: Any) -> Any:
    ticking = clock or Clock()
    run = Rotation(swarm, Limits(**limits), ticking, ticking.sleep)
    found = moves(swarm)
    run.check(found, settled(swarm))
    return run.run(found)


def test_every_service_that_mounts_an_old_version_moves_one_by_one(shop: Shop) -> None:
    before = copy.deepcopy(shop.named("api")["Spec"])
    outcome = rotate(shop)
    assert (outcome.failure, outcome.back, outcome.stuck) == ("", (), ())
    assert [verdict.state for verdict in outcome.verdicts] == ["converged", "converged"]
    assert shop.written == [("api", ["key_v2"]), ("web", ["key_v2"])]
    after = copy.deepcopy(shop.named("api")["Spec"])
    mount = after["TaskTemplate"]["ContainerSpec"]["Secrets"][0]
    assert mount["File"] == {"Name": "key", "Mode": 256}
    mount.update(before["TaskTemplate"]["ContainerSpec"]["Secrets"][0])
    assert after == before
    assert moves(shop) == ()


def test_a_rotation_that_was_interrupted_goes_on_with_the_rest(shop: Shop) -> None:
    shop.service("new", "key_v2")
    assert [move.service for move in moves(shop)] == ["api", "web"]
    rotate(shop)
    assert "new" not in [name for name, _mounted in shop.written]


@pytest.mark.parametrize("fate", ["crash", "roll_back"])
def test_when_the_second_service_fails_the_first_goes_back_too(shop: Shop, fate: str) -> None:
    shop.fate["web"] = getattr(shop, fate)
    outcome = rotate(shop)
    assert [verdict.state for verdict in outcome.verdicts] == [
        "converged",
        {"crash": "crashed", "roll_back": "rolled_back"}[fate],
    ]
    assert outcome.failure.startswith("web: ")
    assert "task: non-zero exit (3)" in outcome.failure
    assert (outcome.back, outcome.stuck) == (("web", "api"), ())
    assert {name: shop.mounted(name) for name in ("api", "web")} == {"api": ["key_v1"], "web": ["key_v1"]}
    assert "every service that was touched has its old version again: web, api" in outcome.story()
    # No rollback of any service leads to what failed.
    for name in ("api", "web"):
        previous = shop.named(name)["PreviousSpec"]["TaskTemplate"]["ContainerSpec"]["Secrets"]
        assert [one["SecretName"] for one in previous] == ["key_v1"]


def test_what_the_swarm_rolled_back_itself_is_written_once_more_for_its_rollback_target(shop: Shop) -> None:
    shop.fate["web"] = lambda service: shop.roll_back(service) if shop.mounted("web") == ["key_v2"] else None
    rotate(shop)
    assert shop.written[:2] == [("api", ["key_v2"]), ("web", ["key_v2"])]
    assert shop.written[2:] == [("web", ["key_v1"]), ("api", ["key_v1"]), ("api", ["key_v1"])]


def test_a_service_that_can_not_go_back_is_named(shop: Shop) -> None:
    def fail_for_ever(service: Json) -> None:
        for task in shop.task_list:
            if task["ServiceID"] == service["ID"]:
                task["DesiredState"] = "shutdown"
        shop.task(service["Spec"]["Name"], "failed", desired="shutdown", err="task: non-zero exit (3)")

    shop.fate["web"] = fail_for_ever
    outcome = rotate(shop)
    assert outcome.back == ("api",)
    assert outcome.stuck[0].startswith("web has its old version again, but does not run well: web: crashed")
    assert "not every service could be taken back" in outcome.story()


def test_a_deadline_that_passes_is_a_failure(shop: Shop) -> None:
    def hang(service: Json) -> None:
        if shop.mounted("api") == ["key_v1"]:
            shop.settle(service["Spec"]["Name"])

    shop.fate["api"] = hang
    clock = Clock()
    outcome = rotate(shop, clock, deadline=40)
    assert outcome.verdicts[0].state == "timeout"
    assert (outcome.back, outcome.stuck) == (("api",), ())
    assert 40 < clock.now < 120


@pytest.mark.parametrize("state", ["running", "failed", "pending"])
def test_no_move_is_planted_on_an_update_in_flight_however_its_tasks_fare(shop: Shop, state: str) -> None:
    service = shop.named("web")
    service["UpdateStatus"] = {"State": "updating", "Message": ""}
    shop.task_list.clear()
    shop.task("api")
    shop.task("web", state, err="no suitable node" if state == "pending" else "")
    with pytest.raises(errors.DeadlineExceeded):
        rotate(shop)
    assert shop.written == []


def test_an_update_that_begins_after_the_check_stops_the_rotation_and_takes_it_back(shop: Shop) -> None:
    def deploy(_service: Json) -> None:
        shop.settle("api")
        shop.named("web")["UpdateStatus"] = {"State": "paused", "Message": "update paused"}

    shop.fate["api"] = deploy
    outcome = rotate(shop)
    assert "service web: service web stands half way" in outcome.failure
    assert (shop.mounted("api"), shop.mounted("web")) == (["key_v1"], ["key_v1"])
    assert outcome.back == ("api",)


def test_a_service_that_an_interrupted_run_moved_must_run_well(shop: Shop) -> None:
    shop.service("new", "key_v2")
    shop.task_list.pop()
    shop.task("new", "failed", desired="shutdown", err="task: non-zero exit (3)")
    with pytest.raises(errors.NotReady, match="service new mounts key_v2 already and does not run well"):
        rotate(shop)
    assert shop.written == []


def test_two_versions_of_one_name_in_one_service_are_refused(shop: Shop) -> None:
    shop.service("both", "key_v2", "key_v1")
    with pytest.raises(errors.NotReady, match="service both mounts two versions of one name"):
        rotate(shop)
    assert shop.written == []
    current = {"key": {"name": "key_v3", "id": "3", "version": 3}}
    found = rotation.moves(shop.services(), [(SECRET, rotation.targets(shop.secrets(), current, OWNER))])
    assert "service both mounts two versions of one name" in "".join(
        rotation.problems(found, {}, shop.services(), shop.tasks(), shop.nodes())
    )


def test_a_service_that_somebody_else_repointed_meanwhile_is_no_success(shop: Shop) -> None:
    found = moves(shop)
    third = shop.version_of("key", 3)
    mount = shop.named("api")["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"][0]
    mount.update({"SecretID": third, "SecretName": "key_v3"})
    shop.task_list.clear()
    shop.task("api")
    shop.task("web")
    clock = Clock()
    outcome = Rotation(shop, Limits(), clock, clock.sleep).run(found)
    assert "it mounts neither the old version nor the new one" in outcome.failure
    assert shop.mounted("api") == ["key_v3"]
    # And a newer version than ours is never moved back to it.
    assert "api" not in [move.service for move in moves(shop)]


def test_a_leader_election_in_the_middle_fails_nothing(shop: Shop) -> None:
    clock = Clock()

    def election(_service: Json) -> None:
        shop.settle("api")
        shop.quorum = False
        clock.at(clock.now + 20, lambda: setattr(shop, "quorum", True))

    shop.fate["api"] = election
    outcome = rotate(shop, clock)
    assert outcome.failure == ""
    assert [shop.mounted(name) for name in ("api", "web")] == [["key_v2"], ["key_v2"]]


def test_a_write_whose_answer_was_lost_is_still_proved(shop: Shop) -> None:
    lost: list[int] = []
    write = shop.update_service

    def unanswered(service_id: str, version: int, spec: Json) -> None:
        write(service_id, version, spec)
        if not lost:
            lost.append(1)
            raise errors.EngineUnreachable("the engine gave no answer within 25 s")

    shop.update_service = unanswered  # type: ignore[method-assign, assignment]
    clock = Clock()
    assert not rotate(shop, clock).failure
    assert clock.now >= 2 * 5
    assert [name for name, _mounted in shop.written] == ["api", "web"]


def test_somebody_elses_change_meanwhile_is_kept(shop: Shop) -> None:
    def labelled() -> None:
        service = shop.named("api")
        service["Spec"] = {**service["Spec"], "Labels": {"by": "hand"}}
        shop._touch(service)

    shop.before("update_service", labelled)
    assert not rotate(shop).failure
    assert shop.named("api")["Spec"]["Labels"] == {"by": "hand"}
    assert shop.mounted("api") == ["key_v2"]


def test_a_service_that_never_stops_changing_fails_the_rotation(shop: Shop) -> None:
    attempts: list[int] = []

    def overtaken() -> None:
        shop._touch(shop.named("api"))
        attempts.append(1)
        if len(attempts) < ATTEMPTS:
            shop.before("update_service", overtaken)

    shop.before("update_service", overtaken)
    outcome = rotate(shop)
    assert outcome.failure.startswith("service api: ")
    assert shop.mounted("api") == ["key_v1"]


def test_a_service_that_was_removed_meanwhile_fails_the_rotation(shop: Shop) -> None:
    found = moves(shop)
    shop.remove_service(shop.named("web")["ID"])
    clock = Clock()
    outcome = Rotation(shop, Limits(), clock, clock.sleep).run(found)
    assert "service web: it is no longer in the swarm" in outcome.failure
    assert outcome.back == ("api",)
    assert shop.mounted("api") == ["key_v1"]


def test_a_service_that_is_not_well_already_stops_it_before_anything_is_changed(shop: Shop) -> None:
    shop.task_list.clear()
    shop.task("api")
    shop.task("web", "failed", desired="shutdown", err="task: non-zero exit (3)")
    with pytest.raises(errors.NotReady, match="service web does not run well before anything was changed"):
        rotate(shop)
    assert shop.written == []


def test_a_paused_update_stops_it_before_anything_is_changed(shop: Shop) -> None:
    shop.named("web")["UpdateStatus"] = {"State": "paused", "Message": "update paused"}
    with pytest.raises(errors.NotReady, match="service web stands half way in a paused update"):
        rotate(shop)
    assert shop.written == []


def test_an_update_in_flight_is_waited_for(shop: Shop) -> None:
    service = shop.named("api")
    service["UpdateStatus"] = {"State": "updating", "Message": ""}
    clock = Clock()
    clock.at(30, lambda: service.update({"UpdateStatus": {"State": "completed", "Message": ""}}))
    assert not rotate(shop, clock).failure
    assert clock.now > 30


def test_an_update_in_flight_that_does_not_end_changes_nothing(shop: Shop) -> None:
    shop.named("api")["UpdateStatus"] = {"State": "updating", "Message": ""}
    with pytest.raises(errors.DeadlineExceeded, match=r"nothing was changed there.*: api$"):
        rotate(shop)
    assert shop.written == []


# The planner.

NAMES = st.sampled_from(["key", "key_v1", "db", "KEY"])


@st.composite
def swarms(draw: st.DrawFn) -> tuple[list[Json], list[Json], dict[str, dict[str, Any]]]:
    """Objects of several logical names, versions and owners; services that mount some; what is current."""
    objects = []
    for logical in ("key", "key_v1", "db"):
        for version in range(1, draw(st.integers(1, 3)) + 1):
            own = {labels.OWNER: draw(st.sampled_from([OWNER, OWNER, "other"])), labels.NAME: logical}
            spec = {"Name": "%s_v%d" % (logical, version), "Labels": {**own, labels.VERSION: str(version)}}
            objects.append({"ID": "id%d" % len(objects), "Spec": spec})
    services = [
        {
            "Spec": {
                "Name": name,
                "TaskTemplate": {
                    "ContainerSpec": {
                        "Secrets": [
                            {"SecretID": one["ID"], "SecretName": one["Spec"]["Name"], "File": {"Name": str(position)}}
                            for position, one in enumerate(draw(st.lists(st.sampled_from(objects), max_size=3)))
                        ]
                    }
                },
            }
        }
        for name in draw(st.permutations(["a", "b", "c"]))
    ]
    newest = {labels_["flotilla.swarm.name"]: one for one in objects for labels_ in [one["Spec"]["Labels"]]}
    chosen = draw(st.sets(st.sampled_from(sorted(newest))))
    current = {
        name: {
            "name": newest[name]["Spec"]["Name"],
            "id": newest[name]["ID"],
            "version": int(newest[name]["Spec"]["Labels"][labels.VERSION]),
        }
        for name in chosen
    }
    return objects, services, current


@given(swarms())
def test_after_the_moves_nothing_is_left_to_move(case: tuple[list[Json], list[Json], dict[str, Any]]) -> None:
    objects, services, current = case
    untouched = copy.deepcopy(case)
    wanted = rotation.targets(objects, current, OWNER)
    found = rotation.moves(services, [(SECRET, wanted)])
    assert rotation.moves(list(reversed(services)), [(SECRET, wanted)]) == found
    by_name = {move.service: move for move in found}
    after = [
        {"Spec": rotation.repointed(one["Spec"], by_name[one["Spec"]["Name"]].swaps)}
        if one["Spec"]["Name"] in by_name
        else one
        for one in services
    ]
    assert case == untouched
    assert rotation.moves(after, [(SECRET, wanted)]) == ()
    tasks: list[Json] = []
    for before, now in zip(services, after, strict=True):
        move = by_name.get(before["Spec"]["Name"])
        if move and not any("two versions" in text for text in rotation.problems([move], {}, services, tasks, [])):
            assert rotation.repointed(now["Spec"], move.back().swaps) == before["Spec"]
        mounts = zip(
            before["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"],
            now["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"],
            strict=True,
        )
        for old, new in mounts:
            assert old["File"] == new["File"]
            assert new["SecretID"] == (wanted[old["SecretID"]].id if old["SecretID"] in wanted else old["SecretID"])


def test_strangers_and_prefix_neighbours_do_not_move() -> None:
    swarm = Swarm()
    own = {labels.OWNER: OWNER, labels.NAME: "key_v1", labels.VERSION: "1"}
    swarm.create_secret("key_v1_v1", b"x", own)
    swarm.create_secret("key_v1", b"x", {})
    swarm.create_secret("key_v2", b"x", {**own, labels.OWNER: "other", labels.NAME: "key", labels.VERSION: "2"})
    assert rotation.targets(swarm.secrets(), {"key": {"name": "key_v3", "id": "3", "version": 3}}, OWNER) == {}


def test_a_credential_spec_moves_with_its_config() -> None:
    spec = {
        "Name": "a",
        "TaskTemplate": {
            "ContainerSpec": {
                "Configs": [{"ConfigID": "1", "ConfigName": "cred_v1", "Runtime": {}}],
                "Privileges": {"CredentialSpec": {"Config": "1"}, "SELinuxContext": None},
            }
        },
    }
    (move,) = rotation.moves([{"Spec": spec}], [(CONFIG, {"1": Target("cred_v2", "2")})])
    container = rotation.repointed(spec, move.swaps)["TaskTemplate"]["ContainerSpec"]
    assert container["Configs"] == [{"ConfigID": "2", "ConfigName": "cred_v2", "Runtime": {}}]
    assert container["Privileges"] == {"CredentialSpec": {"Config": "2"}, "SELinuxContext": None}
    assert rotation.repointed(rotation.repointed(spec, move.swaps), move.back().swaps) == spec


def test_a_plan_shows_names_only(shop: Shop) -> None:
    (step, _web) = rotation.plan(moves(shop)).as_list()
    assert step == {
        "action": "update",
        "kind": "service",
        "name": "api",
        "differences": [{"field": "secret", "before": "key_v1", "after": "key_v2"}],
    }


def test_versions_and_targets_fit_together() -> None:
    swarm = Swarm()
    key = digest.Key(b"k" * 32)
    first = versioned.plan(
        SECRET, versioned.declared(SECRET, [{"name": "key", "value": "one"}]), versioned.Observation([], key), OWNER
    )
    step = first.plan.steps[-1]
    swarm.create_secret(step.name, step.payload["data"], step.payload["labels"])
    second = versioned.plan(
        SECRET,
        versioned.declared(SECRET, [{"name": "key", "value": "two"}]),
        versioned.Observation(swarm.secrets(), key),
        OWNER,
    )
    assert rotation.targets(swarm.secrets(), second.current, OWNER) == {
        swarm.secrets()[0]["ID"]: Target("key_v2", None)
    }
