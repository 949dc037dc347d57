# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every deployment leaves a record in the swarm, whatever becomes of it, and clears away what nobody needs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, release_record, releases
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import CREATE, Plan, Step
from ansible_collections.flotilla.swarm.plugins.module_utils._core.releases import Release
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.rollout import Outcome, Planned
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.stack_flow import Deployment
from ansible_collections.flotilla.swarm.tests.support.memory_releases import (
    STACK,
    deploy,
    history,
    live,
    recorder,
    spec,
    states,
)
from ansible_collections.flotilla.swarm.tests.support.memory_stack import STACK_FILE, Docker, Stage, request
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock

Json = dict[str, Any]
PLAIN = 'services: {web: {image: "web:v1", networks: {host: }}}\nnetworks: {host: {name: host, external: true}}\n'
"""A stack whose only objects are services."""


@pytest.fixture
def swarm() -> Stage:
    return Stage()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def planned(name: str = "shop_api", **container: Any) -> Planned:
    wanted = spec(name, **container)
    return Planned(Plan((Step(CREATE, "service", name, (), {"spec": wanted}),)), {name: wanted}, 1)


def test_a_deployment_is_recorded_with_everything_that_it_sent(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    one = history(swarm)[1]
    assert one.release is not None
    assert (one.release.kind, one.release.restores, one.release.who, one.release.when) == (
        "deploy",
        None,
        "tests",
        "today",
    )
    assert sorted(one.release.specs) == ["shop_api", "shop_web"]
    # Networks stand there by name: they may be made anew.
    assert [entry["Target"] for entry in one.release.specs["shop_api"]["TaskTemplate"]["Networks"]] == ["shop_back"]
    (config,) = one.release.specs["shop_api"]["TaskTemplate"]["ContainerSpec"]["Configs"]
    assert config["ConfigName"] == "shop_conf_2cf24dba5fb0"
    assert one.state == releases.GOOD
    assert one.ending.seconds >= 5
    assert one.ending.verdicts == {"shop_api": "converged", "shop_web": "converged"}
    assert set(one.ending.took) == {"shop_api", "shop_web"}


def test_the_record_is_there_before_the_first_service_is_sent(swarm: Stage, clock: Clock) -> None:
    seen: list[Any] = []
    swarm.before("create_service", lambda: seen.append(states(swarm)))
    deploy(swarm, clock)
    assert seen == [{1: "deploying"}]


def test_a_record_has_no_namespace_so_that_the_cli_leaves_it(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    (record,) = swarm.configs("shop.release.")
    assert labels.STACK_NAMESPACE not in record["Spec"]["Labels"]
    assert record["Spec"]["Labels"][labels.OWNER] == "flotilla"


def test_numbers_rise_and_a_run_without_changes_makes_none(swarm: Stage, clock: Clock) -> None:
    for version in ("v1", "v1", "v2", "v2", "v3"):
        deploy(swarm, clock, version)
    assert states(swarm) == {1: "good", 2: "good", 3: "good"}


def test_a_refused_run_makes_none(swarm: Stage, clock: Clock) -> None:
    with pytest.raises(DeclarationError):
        deploy(swarm, clock, text="services: {api: {image: app, configs: [{source: c, target: /c}]}}\nconfigs: {}\n")
    assert states(swarm) == {}


def test_a_failed_run_is_recorded_with_its_reason(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    swarm.fate["shop_api"] = swarm.fail_once
    assert deploy(swarm, clock, "v2").bad
    swarm.fate["shop_api"] = swarm.fail
    assert deploy(swarm, clock, "v3", revert=False).bad
    found = history(swarm)
    assert states(swarm) == {1: "good", 2: "failed", 3: "failed"}
    assert (found[2].ending.reverted, found[3].ending.reverted) == (True, False)
    assert found[2].ending.reason.startswith("shop_api: crashed: ")
    assert found[2].ending.verdicts["shop_api"] == "crashed"
    assert "shop_api" in found[3].ending.took


def test_a_run_that_breaks_off_is_recorded_with_the_engines_words(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)

    def refuse() -> None:
        raise errors.EngineError("no room")

    swarm.before("update_service", refuse)
    with pytest.raises(errors.EngineError):
        deploy(swarm, clock, "v2")
    assert (history(swarm)[2].state, history(swarm)[2].ending.reason) == ("failed", "no room")


def test_a_refusal_after_the_record_was_made_ends_it(swarm: Stage, clock: Clock) -> None:
    """Others came between, and what is wanted can't be any more."""
    deploy(swarm, clock)

    def overtake() -> None:
        swarm.change("shop_api", "Labels", labels.OWNER, to="somebody")

    swarm.before("update_service", overtake)
    with pytest.raises(DeclarationError):
        deploy(swarm, clock, "v2")
    assert history(swarm)[2].state == "failed"
    assert "something else deployed it" in history(swarm)[2].ending.reason


def test_a_run_that_is_killed_stays_deploying(swarm: Stage, clock: Clock) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    swarm.before("create_service", kill)
    with pytest.raises(Killed):
        deploy(swarm, clock)
    assert states(swarm) == {1: "deploying"}
    deploy(swarm, clock)
    assert states(swarm) == {1: "deploying", 2: "good"}


def test_services_that_a_run_leaves_alone_are_part_of_the_release(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    swarm.foreign("shop_theirs")
    text = STACK_FILE.replace('  web: {image: "web:v1", networks: {back: }}\n', "")
    deploy(swarm, clock, "v2", text=text)
    found = history(swarm)[2].release
    assert found is not None
    assert sorted(found.specs) == ["shop_api", "shop_web"]
    assert [entry["Target"] for entry in found.specs["shop_web"]["TaskTemplate"]["Networks"]] == ["shop_back"]
    deploy(swarm, clock, "v2", text=text, prune=True)
    found = history(swarm)[3].release
    assert found is not None
    assert sorted(found.specs) == ["shop_api"]


# -- others, and an engine without an answer ---------------------------------------------------------------------------


def test_who_comes_second_takes_the_next_number(swarm: Stage, clock: Clock) -> None:
    other = recorder(swarm, clock, who="other")
    swarm.before("create_config", partial(other.opened, planned()))
    journal = recorder(swarm, clock)
    with pytest.raises(errors.NameConflict):
        journal.opened(planned())
    # The rollout then plans again.
    journal.opened(planned())
    assert (other.number, journal.number) == (1, 2)


def test_a_rollout_that_is_overtaken_at_the_record_goes_on(swarm: Stage, clock: Clock) -> None:
    taken = Release(STACK, 1, who="other")
    own = release_record.record_labels(taken, "flotilla", releases.Ending())

    def take() -> None:
        swarm.create_config("shop.release.1", release_record.encode(taken), own)

    swarm.before("create_config", take)
    assert not deploy(swarm, clock, text=PLAIN).bad
    assert states(swarm) == {1: "deploying", 2: "good"}


def test_a_lost_answer_makes_no_second_record(swarm: Stage, clock: Clock) -> None:
    create = swarm.create_config
    lost: list[str] = []

    def answerless(name: str, data: bytes, own: Any) -> str:
        made = create(name, data, own)
        if not lost:
            lost.append(name)
            raise errors.NoQuorum("the answer is lost")
        return made

    swarm.create_config = answerless  # type: ignore[method-assign]
    recorder(swarm, clock).opened(planned())
    assert states(swarm) == {1: "deploying"}


def test_a_swarm_without_a_leader_is_told_within_the_promised_time(swarm: Stage, clock: Clock) -> None:
    swarm.quorum = False
    with pytest.raises(errors.NoQuorum):
        recorder(swarm, clock).opened(planned())
    assert 10 <= clock.now <= 30


def test_what_is_planned_anew_takes_the_place_of_the_record(swarm: Stage, clock: Clock) -> None:
    journal = recorder(swarm, clock)
    journal.opened(planned())
    first = history(swarm)[1]
    journal.opened(planned())
    assert history(swarm)[1].id == first.id
    journal.opened(planned(Env=["A=1"]))
    found = history(swarm)[1]
    assert found.release is not None
    assert found.release.specs["shop_api"]["TaskTemplate"]["ContainerSpec"]["Env"] == ["A=1"]
    assert journal.number == 1


def test_the_outcome_is_written_although_somebody_else_touches_the_record(swarm: Stage, clock: Clock) -> None:
    journal = recorder(swarm, clock)
    journal.opened(planned())

    def touch() -> None:
        (record,) = swarm.configs("shop.release.")
        swarm.update_config(
            record["ID"],
            record["Version"]["Index"],
            {**record["Spec"], "Labels": {**record["Spec"]["Labels"], "theirs": "1"}},
        )

    swarm.before("update_config", touch)
    journal.closed(Outcome(Plan()))
    (record,) = swarm.configs("shop.release.")
    assert record["Spec"]["Labels"]["theirs"] == "1"
    assert states(swarm) == {1: "good"}
    assert journal.warnings == []


def test_an_outcome_that_can_not_be_written_is_a_warning(swarm: Stage, clock: Clock) -> None:
    journal = recorder(swarm, clock)
    journal.opened(planned())
    (record,) = swarm.configs("shop.release.")
    swarm.remove_config(record["ID"])
    journal.closed(Outcome(Plan()))
    assert journal.warnings == [
        "how release 1 ended could not be written down: its record shop.release.1 is no longer in the swarm"
    ]


def test_what_can_not_be_removed_is_a_warning(swarm: Stage, clock: Clock) -> None:
    journal = recorder(swarm, clock)
    journal.opened(planned())

    def refuse() -> None:
        raise errors.EngineError("no disk")

    swarm.before("update_config", partial(swarm.before, "configs", refuse))
    journal.closed(Outcome(Plan()))
    assert states(swarm) == {1: "good"}
    assert journal.warnings == ["old releases and configs were not removed: no disk"]


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_a_release_that_can_not_be_recorded_is_refused_before_anything_is_sent(swarm: Stage, clock: Clock) -> None:
    stack = "s" * 55
    journal = recorder(swarm, clock, stack=stack)
    wanted = replace(request(text=PLAIN), stack=stack)
    with pytest.raises(DeclarationError, match="shorten the stack's name"):
        Deployment(wanted, swarm, Docker(), journal, clock, clock.sleep).run()
    assert swarm.written == []
    assert swarm.configs() == []
    with pytest.raises(errors.NotReady, match="shorten the stack's name"):
        journal.opened(planned())
    # Nothing is sent, so nothing is recorded.
    journal.check(Planned(Plan(), {}, 1))


# -- what goes ---------------------------------------------------------------------------------------------------------


def test_old_releases_go_at_the_end_of_a_run(swarm: Stage, clock: Clock) -> None:
    for number in range(1, 5):
        deploy(swarm, clock, "v%d" % number, keep=2)
    assert states(swarm) == {3: "good", 4: "good"}


def test_failures_leave_the_good_ones(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock, "v1", keep=2)
    deploy(swarm, clock, "v2", keep=2)
    for number in range(3, 7):
        swarm.fate["shop_api"] = swarm.fail_once
        deploy(swarm, clock, "v%d" % number, keep=2)
    assert states(swarm) == {1: "good", 2: "good", 5: "failed", 6: "failed"}


def test_a_record_that_can_not_be_read_is_named(swarm: Stage, clock: Clock) -> None:
    own = release_record.record_labels(Release(STACK, 1), "flotilla", releases.Ending())
    swarm.create_config("shop.release.1", b"no record", own)
    swarm.create_config("shop_conf_old", b"x", {labels.STACK_NAMESPACE: STACK, labels.OWNER: "flotilla"})
    journal = recorder(swarm, clock)
    Deployment(request(), swarm, Docker(), journal, clock=clock, sleep=clock.sleep).run()
    assert states(swarm) == {1: "unreadable", 2: "good"}
    assert [text.partition(":")[0] for text in journal.warnings] == ["release 1 of shop can't be read", "configs"]
    assert "docker config rm shop.release.1" in journal.warnings[1]
    assert "shop_conf_old" in names(swarm)


def names(swarm: Stage) -> list[str]:
    return sorted(one["Spec"]["Name"] for one in swarm.configs("shop_conf"))


def test_configs_from_files_go_once_no_service_and_no_release_names_them(swarm: Stage, clock: Clock) -> None:
    made = []
    for number in range(1, 6):
        sources = {"s.yml": STACK_FILE, "app.conf": "version %d" % number}
        journal = recorder(swarm, clock, keep=2)
        wanted = request("v%d" % number)
        Deployment(replace(wanted, sources=sources), swarm, Docker(), journal, clock, clock.sleep).run()
        config = live(swarm)["shop_api"]["TaskTemplate"]["ContainerSpec"]["Configs"][0]
        made.append(config["ConfigName"])
    # The live one, and that of the release before, which is also the previous spec.
    assert names(swarm) == sorted(made[3:])
    assert journal.pruned == ["shop.release.3", made[2]]


def test_a_failed_run_removes_no_config(swarm: Stage, clock: Clock) -> None:
    deploy(swarm, clock)
    swarm.create_config("shop_old", b"x", {labels.STACK_NAMESPACE: STACK, labels.OWNER: "flotilla"})
    swarm.fate["shop_api"] = swarm.fail_once
    deploy(swarm, clock, "v2")
    assert [one["Spec"]["Name"] for one in swarm.configs("shop_old")] == ["shop_old"]
    deploy(swarm, clock, "v3")
    assert swarm.configs("shop_old") == []
