# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing a stack: what goes, what stays, and when it is gone."""

from __future__ import annotations

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import Plan
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors, stack_removal
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.stack_removal import Removal
from ansible_collections.flotilla.swarm.tests.support.memory_stack import Stage, deploy
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def swarm(clock: Clock) -> Stage:
    """The stack is deployed."""
    found = Stage()
    deploy(found, clock)
    return found


def remove(swarm: Stage, clock: Clock, deadline: float | None = None, check_mode: bool = False) -> Plan:
    return Removal("shop", "flotilla", swarm, deadline, clock, clock.sleep).run(check_mode)


def test_it_waits_until_the_tasks_are_gone_and_then_removes_the_rest(swarm: Stage, clock: Clock) -> None:
    rehearsed = remove(swarm, clock, check_mode=True)
    assert len(swarm.services()) == 2
    started = clock.now
    clock.at(started + 3, swarm.task_list.clear)
    plan = remove(swarm, clock)
    assert plan == rehearsed
    assert [step.kind for step in plan] == ["service", "service", "network", "config"]
    assert clock.now >= started + 3
    assert (swarm.services(), swarm.configs()) == ([], [])
    assert "shop_back" not in [network["Name"] for network in swarm.networks()]
    assert not remove(swarm, clock)


def test_it_leaves_alone_what_something_else_deployed_under_the_same_name(swarm: Stage, clock: Clock) -> None:
    swarm.foreign("shop_theirs")
    swarm.create_secret("shop_key", b"x", {labels.STACK_NAMESPACE: "shop", labels.OWNER: "flotilla"})
    clock.at(clock.now + 3, swarm.task_list.clear)
    plan = remove(swarm, clock)
    assert [service["Spec"]["Name"] for service in swarm.services()] == ["shop_theirs"]
    assert [secret["Spec"]["Name"] for secret in swarm.secrets()] == ["shop_key"]
    assert "service shop_theirs" in plan.warnings[0]
    assert "secret shop_key" in plan.warnings[1]


def test_it_has_a_deadline(swarm: Stage, clock: Clock) -> None:
    with pytest.raises(errors.DeadlineExceeded, match="tasks that are left: task1, task2"):
        remove(swarm, clock, deadline=10)
    assert clock.now == pytest.approx(15)


class Holding(Stage):
    """A swarm that never lets go of a config."""

    def remove_config(self, config_id: str) -> None:
        raise errors.InUse("config '%s' is in use by the following service: x" % config_id)


def test_the_deadline_is_for_everything_and_there_is_one_without_being_asked(clock: Clock) -> None:
    swarm = Holding()
    deploy(swarm, clock)
    started = clock.now
    clock.at(started + 100, swarm.task_list.clear)
    with pytest.raises(errors.DeadlineExceeded, match="networks and configs that are left: config shop_conf_"):
        remove(swarm, clock)
    assert clock.now - started == pytest.approx(stack_removal.DEADLINE)


def test_a_network_that_is_still_in_use_for_a_moment_is_tried_again(swarm: Stage, clock: Clock) -> None:
    swarm.task_list.clear()

    def in_use() -> None:
        raise errors.InUse("network shop_back has active endpoints")

    swarm.before("remove_network", in_use)
    remove(swarm, clock)
    assert swarm.calls.count("remove_network") == 2
    assert swarm.calls.count("remove_config") == 1
    assert "shop_back" not in [network["Name"] for network in swarm.networks()]


def test_what_somebody_else_removed_meanwhile_is_gone_too(swarm: Stage, clock: Clock) -> None:
    swarm.task_list.clear()
    swarm.before("remove_service", swarm._objects["service"].clear)
    assert len(remove(swarm, clock).steps) == 4
    assert swarm.services() == []


def test_tasks_on_a_node_that_is_down_are_not_waited_for_and_a_warning_names_it(swarm: Stage, clock: Clock) -> None:
    lost = swarm.add_node("w4", "192.0.2.4")
    swarm._objects["node"][lost]["Status"]["State"] = "down"
    for task in swarm.task_list:
        task["NodeID"] = lost
    (warning,) = remove(swarm, clock, check_mode=True).warnings
    assert "(2 on w4)" in warning
    assert remove(swarm, clock).warnings == (warning,)
    assert (swarm.services(), swarm.configs()) == ([], [])


@pytest.mark.parametrize("method", ["remove_service", "remove_network", "remove_config", "tasks"])
def test_an_election_half_way_does_not_end_it(swarm: Stage, clock: Clock, method: str) -> None:
    def no_leader() -> None:
        raise errors.NoQuorum("The swarm does not have a leader.")

    if method == "tasks":
        # The first read is before anything is changed.
        swarm.before("remove_service", lambda: swarm.before("tasks", no_leader))
    else:
        swarm.before(method, no_leader)
    swarm.task_list.clear()
    remove(swarm, clock)
    assert (swarm.services(), swarm.configs()) == ([], [])
