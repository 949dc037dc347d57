# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking services back while the swarm itself is in trouble."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import Step
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.revert import ATTEMPTS, PATIENCE, Reverted, revert
from ansible_collections.flotilla.swarm.tests.support.memory_stack import Stage
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock

Json = dict[str, Any]
NO_LEADER = errors.NoQuorum("The swarm does not have a leader.")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def swarm() -> Stage:
    """Two services that were changed, and one that is new."""
    found = Stage()
    for name in ("a", "b", "new"):
        found.foreign(name)
    found.written.clear()
    return found


def done(swarm: Stage) -> list[Step]:
    """Bring a and b to their second version; what has been done by then."""
    steps = []
    for name in ("a", "b"):
        before = copy.deepcopy(swarm.named(name)["Spec"])
        swarm.change(name, "TaskTemplate", "ContainerSpec", "Image", to="new:2")
        sent = copy.deepcopy(swarm.named(name)["Spec"])
        steps.append(Step("update", "service", name, (), {"before": before, "spec": sent}))
    present = {service["Spec"]["Name"]: service["Spec"] for service in swarm.services()}
    new = Step("create", "service", "new", (), {"spec": copy.deepcopy(present.get("new", {}))})
    return [Step("create", "network", "n"), *steps, new, Step("remove", "service", "gone")]


def taken_back(swarm: Stage, clock: Clock) -> Reverted:
    return revert(swarm, done(swarm), clock, clock.sleep)


def test_the_last_one_goes_back_first(swarm: Stage, clock: Clock) -> None:
    assert taken_back(swarm, clock) == Reverted(("b", "a"), ("new",), ())
    # Each twice: the second time makes what it had the swarm's own rollback target.
    assert swarm.written == [("remove", "new"), *(("update", name) for name in "baba")]
    assert all(swarm.named(name)["PreviousSpec"] == swarm.named(name)["Spec"] for name in "ab")
    assert [swarm.image(name) for name in ("a", "b")] == ["old:1", "old:1"]


def test_nothing_that_was_done_is_nothing_to_take_back(swarm: Stage, clock: Clock) -> None:
    assert revert(swarm, [], clock, clock.sleep) == Reverted()
    assert Reverted().describe() == []


@pytest.mark.parametrize("error", [NO_LEADER, errors.EngineUnreachable("no answer within 25 s")])
def test_an_election_is_waited_for(swarm: Stage, clock: Clock, error: errors.EngineError) -> None:
    steps = done(swarm)
    swarm.trouble = error
    clock.at(20, swarm.interrupt(None))
    assert revert(swarm, steps, clock, clock.sleep) == Reverted(("b", "a"), ("new",), ())
    assert clock.now >= 20


def test_a_swarm_that_stays_without_a_leader_is_not_waited_for_for_ever(swarm: Stage, clock: Clock) -> None:
    steps = done(swarm)
    swarm.trouble = NO_LEADER
    outcome = revert(swarm, steps, clock, clock.sleep)
    assert (outcome.back, outcome.removed) == ((), ())
    assert outcome.stuck == tuple("%s: %s" % (name, NO_LEADER) for name in ("new", "b", "a"))
    assert clock.now == pytest.approx(PATIENCE)


def test_a_lasting_refusal_leaves_the_rest_to_be_tried(swarm: Stage, clock: Clock) -> None:
    def refuse() -> None:
        raise errors.EngineError("rpc error: code = InvalidArgument desc = secret not found: key_v1")

    swarm.before("update_service", refuse)
    outcome = taken_back(swarm, clock)
    assert outcome.back == ("a",)
    assert outcome.stuck == ("b: rpc error: code = InvalidArgument desc = secret not found: key_v1",)
    assert outcome.describe() == [
        "  Taken back to what they were before: a.",
        "  Removed again, since they were new: new.",
        "  Not taken back: b: rpc error: code = InvalidArgument desc = secret not found: key_v1",
    ]


def test_a_stale_version_is_read_again_within_bounds(swarm: Stage, clock: Clock) -> None:
    times = 0

    def overtaken(bound: int) -> None:
        nonlocal times
        times += 1
        swarm.change("b", "Mode", to={"Replicated": {"Replicas": times}})
        if times < bound:
            swarm.before("update_service", lambda: overtaken(bound))

    swarm.before("update_service", lambda: overtaken(ATTEMPTS - 1))
    assert taken_back(swarm, clock).back == ("b", "a")
    times = 0
    swarm.before("update_service", lambda: overtaken(ATTEMPTS))
    outcome = taken_back(swarm, clock)
    assert outcome.back == ("a",)
    assert "update out of sequence" in outcome.stuck[0]


def test_what_somebody_removed_meanwhile_is_named_unless_it_was_new(swarm: Stage, clock: Clock) -> None:
    steps = done(swarm)
    for name in ("b", "new"):
        swarm.remove_service(swarm.named(name)["ID"])
    outcome = revert(swarm, steps, clock, clock.sleep)
    assert (outcome.back, outcome.removed) == (("a",), ("new",))
    assert outcome.stuck == ("b: it is no longer in the swarm: somebody removed it meanwhile",)


@pytest.mark.parametrize("name", ["b", "new"])
def test_what_somebody_else_has_sent_since_is_left_as_it_is(swarm: Stage, clock: Clock, name: str) -> None:
    steps = done(swarm)
    swarm.change(name, "TaskTemplate", "ContainerSpec", "Image", to="theirs:3")
    outcome = revert(swarm, steps, clock, clock.sleep)
    assert outcome.stuck == ("%s: somebody changed it meanwhile, so it is left as it is" % name,)
    assert swarm.image(name) == "theirs:3"
    assert name not in (*outcome.back, *outcome.removed)


def test_a_job_that_is_taken_back_runs_once_more_and_not_twice(swarm: Stage, clock: Clock) -> None:
    swarm.change("a", "Mode", to={"ReplicatedJob": {"TotalCompletions": 1}})
    taken_back(swarm, clock)
    assert swarm.written.count(("update", "a")) == 1
    assert swarm.written.count(("update", "b")) == 2


def test_when_nobody_can_look_any_more_the_story_is_still_told(swarm: Stage, clock: Clock) -> None:
    steps = done(swarm)

    def refuse() -> None:
        raise errors.NotAManager("This node is not a swarm manager.")

    swarm.before("nodes", refuse)
    outcome = revert(swarm, steps, clock, clock.sleep)
    assert outcome.back == ()
    assert outcome.stuck[0].startswith("b has its spec back, but nobody could look: This node")


def test_it_waits_until_they_run_and_no_longer_than_their_policies_need(swarm: Stage, clock: Clock) -> None:
    swarm.healthy = False
    for name in ("a", "b"):
        clock.at(40, partial(swarm.settle, name))
    assert taken_back(swarm, clock).stuck == ()
    assert clock.now == pytest.approx(40)
    swarm.task_list.clear()
    outcome = taken_back(swarm, clock)
    assert outcome.back == ()
    assert len(outcome.stuck) == 2
    assert clock.now < 400
