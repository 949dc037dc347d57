# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether hosts' clocks agree: only a difference that is sure counts."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.action import swarm_host_info
from ansible_collections.flotilla.swarm.plugins.filter.cluster_plan import cluster_plan
from ansible_collections.flotilla.swarm.plugins.module_utils._core import clock
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import Membership
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_795_331_700.0
SECONDS = st.floats(0, 30, allow_nan=False)


def reading(
    skew: float = 0.0, way: float = 0.5, inside: float = 0.2, back: float = 0.5, at: float = NOW
) -> dict[str, Any]:
    """What a host whose clock is ``skew`` ahead returns; the module's journey took ``way`` and ``back`` seconds."""
    first = at + way
    return {"sent": at, "first": first + skew, "last": first + inside + skew, "received": first + inside + back}


def test_clocks_that_agree_are_nobodys_concern() -> None:
    assert clock.skews({"m1": reading(), "w1": reading(4.0), "w2": reading(way=20.0)}, 5) == []


def test_the_host_that_is_wrong_is_named_with_the_skew_and_the_mend() -> None:
    (said,) = clock.skews({"m1": reading(), "m2": reading(0.1), "w1": reading(60.0), "w2": reading()}, 5)
    assert said.startswith("the clock of w1 is at least 59.0 s ahead of that of m1")
    assert "chronyc makestep" in said


def test_a_first_host_that_is_wrong_is_named_too() -> None:
    (said,) = clock.skews({"m1": reading(-60.0), "m2": reading(), "w1": reading()}, 5)
    assert said.startswith("the clock of m1 is at least 59.0 s behind that of m2")


def test_each_wrong_clock_is_named_once() -> None:
    said = clock.skews({"m1": reading(), "m2": reading(), "m3": reading(), "w1": reading(60), "w2": reading(-60)}, 5)
    assert sorted(sentence.split()[3] for sentence in said) == ["w1", "w2"]


def test_of_two_the_later_one_is_named() -> None:
    (said,) = clock.skews({"m1": reading(60.0), "m2": reading()}, 5)
    assert said.startswith("the clock of m2 is at least 59.0 s behind that of m1")


@pytest.mark.parametrize(
    "unread", [None, {}, {"first": 1.0, "last": 2.0}, {**reading(), "sent": None}, reading(inside=-9)]
)
def test_a_clock_that_was_not_read_proves_nothing(unread: dict[str, Any] | None) -> None:
    assert clock.skews({"m1": reading(), "w1": unread}, 5) == []


def test_a_limit_of_zero_judges_nothing() -> None:
    assert clock.skews({"m1": reading(), "w1": reading(600.0)}, 0) == []


@given(skew=st.floats(-100, 100, allow_nan=False), ways=st.tuples(SECONDS, SECONDS, SECONDS, SECONDS))
def test_what_is_said_for_sure_is_never_more_than_the_truth(skew: float, ways: tuple[float, ...]) -> None:
    right = clock.offset(reading(way=ways[0], back=ways[1]))
    skewed = clock.offset(reading(skew, way=ways[2], back=ways[3]))
    assert right is not None
    assert skewed is not None
    said = clock.ahead(skewed, right)
    assert abs(said) <= abs(skew) + 1e-5
    assert said == 0 or (said > 0) == (skew > 0)


def outside(skew: float = 0.0, state: str = "inactive") -> dict[str, Any]:
    return {"membership": Membership(state).as_dict(), "clock": reading(skew)}


def inside(host: str, skew: float = 0.0) -> dict[str, Any]:
    member = Membership("active", "swarm", "id-" + host, host, "manager", is_manager=True)
    return {"membership": member.as_dict(), "clock": reading(skew)}


def test_no_host_makes_or_joins_a_swarm_while_clocks_differ() -> None:
    for first in (outside(), inside("m1")):
        found = cluster_plan({"m1": first, "w1": outside(60)}, ["m1"], ["w1"], max_clock_skew=5)
        assert [p for p in found["problems"] if "the clock of w1" in p]


def test_a_complete_swarm_is_warned_only() -> None:
    found = cluster_plan({"m1": inside("m1"), "m2": inside("m2", 60), "m3": inside("m3")}, ["m1", "m2", "m3"], [],
                         max_clock_skew=5)  # fmt: skip
    assert found["problems"] == []
    assert [w for w in found["warnings"] if "the clock of m2" in w]


def test_who_mends_clocks_before_the_next_look_is_warned_only() -> None:
    observed = {"m1": outside(), "w1": outside(60)}
    found = cluster_plan(observed, ["m1"], ["w1"], allow_silent=True, max_clock_skew=5)
    assert (found["action"], found["problems"]) == ("init", [])
    assert [w for w in found["warnings"] if "the clock of w1" in w]


def test_a_host_whose_clock_was_not_read_does_not_join() -> None:
    for unread in ({}, {"first": 1.0, "last": 2.0}):
        observed = {"m1": inside("m1"), "w1": {**outside(), "clock": unread}}
        found = cluster_plan(observed, ["m1"], ["w1"], max_clock_skew=5)
        (said,) = found["problems"]
        assert said.startswith("the clock of w1 was not read")
        assert cluster_plan(observed, ["m1"], ["w1"])["problems"] == []
        assert cluster_plan(observed, ["m1"], ["w1"], allow_silent=True, max_clock_skew=5)["problems"] == []


def test_a_complete_swarm_is_only_warned_of_a_clock_that_was_not_read() -> None:
    found = cluster_plan({"m1": {**inside("m1"), "clock": None}}, ["m1"], [], max_clock_skew=5)
    assert (found["action"], found["problems"]) == ("none", [])
    assert [w for w in found["warnings"] if "the clock of m1 was not read" in w]


def test_of_a_host_that_did_not_answer_only_that_is_said() -> None:
    for silent in (None, {"unreachable": True}):
        found = cluster_plan({"m1": inside("m1"), "w1": silent}, ["m1"], ["w1"], max_clock_skew=5)
        assert not [said for said in [*found["problems"], *found["warnings"]] if "clock" in said]


class Base:
    """What stands for Ansible's own half: two commands on the host, and the module's result."""

    def _low_level_execute_command(self, command: str) -> dict[str, str]:
        return {"stdout": '{"clock": {}}' if command == "module" else ""}


def test_the_action_brackets_the_execution_that_read_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr(swarm_host_info.time, "time", lambda: next(ticks))
    monkeypatch.setattr(swarm_host_info.ActionBase, "_low_level_execute_command", Base._low_level_execute_command)
    monkeypatch.setattr(swarm_host_info.ActionBase, "run", lambda _self, _tmp, _vars: {})
    action = swarm_host_info.ActionModule.__new__(swarm_host_info.ActionModule)
    action._task = type("Task", (), {"args": {}})()

    def execute(**_options: Any) -> dict[str, Any]:
        for command in ("mkdir", "module", "rm"):
            action._low_level_execute_command(command)
        return {"changed": False, "clock": {"first": 5.0, "last": 6.0}}

    monkeypatch.setattr(action, "_execute_module", execute, raising=False)
    assert action.run()["clock"] == {"first": 5.0, "last": 6.0, "sent": 1, "received": 2}
