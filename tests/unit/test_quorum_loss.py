# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a majority is lost for good: what all hosts said, in every way in which the answer must be no."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.filter.quorum_loss_plan import FilterModule, quorum_loss_plan
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import Membership
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery.quorum_loss import Evidence, may_force
from hypothesis import given
from hypothesis import strategies as st

MANAGERS = ["m1", "m2", "m3"]
ADDRESSES = {"m1": "192.0.2.11", "m2": "192.0.2.12", "m3": "192.0.2.13", "w1": "192.0.2.21"}
NO_QUORUM = "The swarm does not have a leader."
UNREACHABLE = {"unreachable": True, "msg": "no route"}


def peers(*names: str) -> list[dict[str, str]]:
    return [
        {"node_id": "id-" + name, "address": ADDRESSES.get(name, "192.0.2.9" + name[1:]) + ":2377"} for name in names
    ]


def said(
    name: str,
    state: str = "active",
    *,
    role: str = "manager",
    knows: list[dict[str, str]] | None = None,
    open_: tuple[str, ...] = (),
    swarm: str | None = "swarm",
    error: str = NO_QUORUM,
) -> dict[str, Any]:
    manager = role == "manager" and state == "active"
    found = Membership(
        state, swarm, "id-" + name if swarm else None, name, role if swarm else None, manager, error=error
    )
    return {
        "membership": found.as_dict(),
        "known_managers": peers(*MANAGERS) if knows is None else knows,
        "open": [ADDRESSES[other] + ":2377" for other in open_],
    }


def worker(*open_: str, **options: Any) -> dict[str, Any]:
    return said("w1", role="worker", open_=open_, error="", **options)


def bare(name: str) -> dict[str, Any]:
    return said(name, "inactive", swarm=None, knows=[], error="")


def plan(survivor: str = "", **observed: dict[str, Any]) -> dict[str, Any]:
    return quorum_loss_plan({"w1": worker("m1"), **observed}, MANAGERS, ADDRESSES, survivor)


LOST = {"m1": said("m1", open_=("m1",)), "m2": UNREACHABLE, "m3": UNREACHABLE}


def test_it_is_the_filter_that_ansible_finds() -> None:
    assert FilterModule().filters() == {"quorum_loss_plan": quorum_loss_plan}


def test_two_of_three_that_answer_nobody_are_lost() -> None:
    assert plan(**LOST) == {
        "survivor": "m1",
        "cluster_id": "swarm",
        "address": "192.0.2.11",
        "fence": [],
        "gone": ["m2 (192.0.2.12:2377)", "m3 (192.0.2.13:2377)"],
        "routes": [{"old": "192.0.2.12", "new": "192.0.2.11"}, {"old": "192.0.2.13", "new": "192.0.2.11"}],
        "recovered": False,
        "problems": [],
    }


def test_an_isolated_manager_is_refused_while_the_others_have_the_quorum() -> None:
    """Row 7 of the faults: m3 can't reach the others, Ansible can reach all three."""
    observed = {name: said(name, error="") for name in ("m1", "m2")}
    found = plan("m3", **observed, m3=said("m3", open_=("m3",)))
    assert any("has its quorum, which answers on m1 (192.0.2.11:2377), m2" in problem for problem in found["problems"])
    assert any("3 of 3 managers live" in problem for problem in found["problems"])


def test_an_isolated_manager_is_refused_when_a_worker_reaches_the_others() -> None:
    """Ansible is cut off from them together with m3."""
    found = plan(m1=UNREACHABLE, m2=UNREACHABLE, m3=said("m3"), w1=worker("m1", "m2"))
    assert any("2 are a majority" in problem for problem in found["problems"])
    assert any("m1 (192.0.2.11:2377) answers on its port to w1" in problem for problem in found["problems"])


def test_one_lost_manager_that_answers_on_its_port_is_enough_to_refuse() -> None:
    found = plan(**{**LOST, "w1": worker("m1", "m3")})
    assert [p for p in found["problems"] if p.startswith("m3 (192.0.2.13:2377) answers on its port to w1")]


def test_two_managers_that_only_do_not_reach_each_other_are_a_majority() -> None:
    found = plan("m1", **{**LOST, "m2": said("m2")})
    assert [p for p in found["problems"] if "2 of 3 managers live" in p]


@pytest.mark.parametrize("state", ["silent", "inactive", "absent"])
def test_a_stopped_manager_that_would_give_the_quorum_back_is_refused(state: str) -> None:
    found = plan(**{**LOST, "m2": said("m2", state)})
    (problem,) = found["problems"]
    assert problem == (
        "2 of 3 managers live or could live (m1 (192.0.2.11:2377), m2 (192.0.2.12:2377)) and 2 are a majority: on m2 "
        "(192.0.2.12:2377), start its engine (systemctl start docker); if its state can't be used, set it aside with "
        "flotilla.swarm.swarm_fence and run again"
    )


def test_two_stopped_managers_are_a_majority_whichever_is_named() -> None:
    observed = {"m1": said("m1", "silent"), "m2": said("m2", "silent"), "m3": UNREACHABLE, "w1": worker()}
    for survivor in ("m1", "m2"):
        (problem,) = plan(survivor, **observed)["problems"]
        assert "on m1 (192.0.2.11:2377), m2 (192.0.2.12:2377), start its engine" in problem


def test_stopped_managers_are_fenced_when_they_make_no_majority() -> None:
    five = peers(*MANAGERS, "x4", "x5")
    observed: dict[str, Any] = dict.fromkeys(("m3", "x4", "x5"), UNREACHABLE)
    observed.update(m1=said("m1", knows=five), m2=said("m2", "silent", knows=five))
    found = plan(**observed)
    assert found["problems"] == []
    assert found["survivor"] == "m1"
    assert found["fence"] == ["m2"]
    assert found["gone"] == ["m3 (192.0.2.13:2377)", "192.0.2.94:2377", "192.0.2.95:2377"]
    observed["m3"] = said("m3", "silent", knows=five)
    assert [p for p in plan(**observed)["problems"] if "3 of 5 managers live or could live" in p]


def test_a_stopped_manager_counts_in_the_raft_that_it_knows_itself() -> None:
    """It was made anew alone before, and leads as soon as it starts."""
    five = peers(*MANAGERS, "x4", "x5")
    found = plan(m1=said("m1", knows=five), m2=said("m2", "silent", knows=peers("m2")), m3=UNREACHABLE)
    assert [p for p in found["problems"] if p.startswith("1 of 1 managers live or could live (m2")]


def test_a_worker_that_was_a_manager_could_not_live_as_one() -> None:
    assert plan(**{**LOST, "m2": said("m2", "silent", role="worker")})["problems"] == []


def test_a_host_that_was_installed_anew_is_not_fenced_and_its_old_disk_is_named() -> None:
    found = plan(**{**LOST, "m2": bare("m2")})
    assert found["problems"] == []
    assert found["fence"] == []
    assert found["gone"][0] == "m2 (192.0.2.12:2377)"


def test_an_engine_that_is_silent_but_listens_lives() -> None:
    found = plan(**{**LOST, "m2": said("m2", "silent"), "w1": worker("m1", "m2")})
    assert [p for p in found["problems"] if "2 of 3 managers live" in p]


@pytest.mark.parametrize("state", ["locked", "pending", "error"])
def test_a_survivor_need_not_be_active(state: str) -> None:
    assert plan(**{**LOST, "m1": said("m1", state)}) == plan(**LOST)


def test_a_recovery_that_was_interrupted_can_be_run_again() -> None:
    """The engine is in no swarm then and has forgotten the managers, but its state and its workers tell them."""
    found = plan(**{**LOST, "m1": said("m1", "inactive", knows=[], error="")})
    assert found["problems"] == []
    assert found["survivor"] == "m1"


def test_a_manager_that_the_survivor_never_met_counts_when_a_worker_knows_it() -> None:
    observed = worker("m1", knows=peers("m1", "x1"))
    observed["open"].append("192.0.2.91:2377")
    found = plan(**{**LOST, "w1": observed})
    assert [p for p in found["problems"] if p.startswith("192.0.2.91:2377 answers on its port to w1")]


def test_managers_that_only_a_worker_remembers_make_no_majority_a_minority() -> None:
    """m1 and m2 are two of the three that they know; two more of former days don't change that."""
    found = plan("m1", m1=said("m1"), m2=said("m2"), m3=UNREACHABLE, w1=worker(knows=peers("x1", "x2")))
    assert [p for p in found["problems"] if "2 of 3 managers live" in p]


def test_two_of_five_that_are_left_must_be_told_apart_and_agree() -> None:
    five = [*MANAGERS, "x4", "x5"]
    observed: dict[str, Any] = dict.fromkeys(("m3", "x4", "x5"), UNREACHABLE)
    observed.update(m1=said("m1", knows=peers(*five)), m2=said("m2", knows=peers(*five)))
    assert plan(**observed)["problems"] == [
        "m1, m2 hold a manager's state: name the one to go on with, with -e survivor="
    ]
    found = plan("m1", **observed)
    assert found["problems"] == []
    assert found["fence"] == ["m2"]
    observed["m2"] = said("m2", knows=peers(*five, "x6"))
    assert [p for p in plan("m1", **observed)["problems"] if "know different managers" in p]


def test_a_host_that_could_not_be_asked_is_a_problem_and_no_evidence() -> None:
    found = plan(**{**LOST, "m2": {"failed": True, "msg": "no python"}})
    assert [p for p in found["problems"] if p.startswith("m2 could not be asked (no python)")]
    found = plan(**{**LOST, "m2": {}})
    assert [p for p in found["problems"] if p.startswith("m2 could not be asked (it was left out of this run)")]


def test_a_machine_that_is_off_is_lost_whatever_the_connection_calls_that() -> None:
    """As community.docker's connection has it, of a container that was killed."""
    off = {
        "failed": True,
        "rc": 1,
        "module_stdout": "",
        "module_stderr": "Container 2a4c is not running",
        "msg": "no json",
    }
    assert plan(**{**LOST, "m2": off}) == plan(**LOST)


@pytest.mark.parametrize(
    ("rc", "stderr"), [(127, "/bin/sh: 1: python3: not found"), (137, "Killed"), (1, "MemoryError")]
)
def test_a_machine_that_lives_and_can_not_run_the_module_is_a_problem(rc: int, stderr: str) -> None:
    mute = {"failed": True, "rc": rc, "module_stdout": "", "module_stderr": stderr, "msg": "no json"}
    found = plan(**{**LOST, "m2": mute})
    assert [p for p in found["problems"] if p.startswith("m2 could not be asked (no json)")]


@pytest.mark.parametrize("stderr", ["", "\n", "Error response from daemon: No such container: m2"])
def test_a_shell_that_is_silent_or_is_missed_by_docker_is_that_of_a_machine_that_is_off(stderr: str) -> None:
    off = {"failed": True, "rc": 1, "module_stdout": "", "module_stderr": stderr, "msg": "no json"}
    assert plan(**{**LOST, "m2": off}) == plan(**LOST)


ALONE = said("m1", error="", knows=peers("m1"), open_=("m1",))
"""The survivor after it was forced: its raft, and so what it knows, has one member."""


def test_what_comes_after_the_force_can_be_run_again() -> None:
    assert plan(**{**LOST, "m1": ALONE}) == {**plan(**LOST), "recovered": True}
    found = plan(m1=ALONE, m2=UNREACHABLE, m3=UNREACHABLE, w1=worker("m1", knows=peers("m1")))
    assert (found["recovered"], found["problems"]) == (True, [])


def test_a_stopped_manager_of_the_raft_that_is_no_more_is_fenced() -> None:
    found = plan(**{**LOST, "m1": ALONE, "m2": said("m2", "silent"), "m3": said("m3", "silent")})
    assert found["recovered"]
    assert found["problems"] == []
    assert found["fence"] == ["m2", "m3"]


def test_a_raft_of_one_is_not_recovered_while_another_manager_lives() -> None:
    found = plan(**{**LOST, "m1": ALONE, "m2": said("m2", error="")})
    assert [p for p in found["problems"] if "has its quorum, which answers on m2" in p]
    found = plan(**{**LOST, "m1": ALONE, "m2": said("m2")})
    assert [p for p in found["problems"] if "know different managers" in p]
    found = plan(**{**LOST, "m1": ALONE, "w1": worker("m1", "m3")})
    assert [p for p in found["problems"] if p.startswith("m3 (192.0.2.13:2377) answers on its port to w1")]


def test_a_raft_of_more_or_a_swarm_of_one_declared_manager_is_not_recovered() -> None:
    found = plan(**{**LOST, "m1": said("m1", error="", knows=peers("m1", "m2"))})
    assert not found["recovered"]
    assert [p for p in found["problems"] if "has its quorum, which answers on m1" in p]
    found = quorum_loss_plan({"m1": ALONE, "w1": worker("m1", knows=peers("m1"))}, ["m1"], ADDRESSES)
    assert not found["recovered"]
    assert [p for p in found["problems"] if "has its quorum, which answers on m1" in p]


def test_nobody_but_the_survivor_can_tell() -> None:
    """This controller and m1 may be cut off from a swarm that lives."""
    found = plan(**{**LOST, "w1": UNREACHABLE})
    assert [p for p in found["problems"] if p.startswith("none of w1 answers")]
    assert quorum_loss_plan(LOST, MANAGERS, ADDRESSES)["problems"] == []


def test_a_swarm_of_one_manager_has_no_quorum_to_lose() -> None:
    found = plan(m1=said("m1", "locked", knows=peers("m1")), w1=worker("m1", knows=peers("m1")))
    assert [p for p in found["problems"] if "is the only manager" in p]


def test_a_survivor_that_knows_nobody_is_not_taken_for_the_only_manager() -> None:
    found = plan(m1=said("m1", knows=[]), w1=worker(knows=[]))
    assert [p for p in found["problems"] if "does not tell which other managers" in p]


def test_without_any_managers_state_the_other_runbook_is_named() -> None:
    found = plan(m1=bare("m1"), m2=UNREACHABLE, m3=UNREACHABLE)
    assert found["survivor"] == ""
    assert [p for p in found["problems"] if "full_rebuild.yml" in p]


def test_a_survivor_that_is_named_must_hold_a_state() -> None:
    found = plan("w1", **LOST)
    assert found["problems"] == ["w1 holds no manager's state of a swarm: choose another one with -e survivor="]


def test_managers_of_two_swarms_are_refused() -> None:
    found = plan("m1", **{**LOST, "m2": said("m2", swarm="other")})
    assert [p for p in found["problems"] if p.startswith("m2 is a manager of the swarm other")]
    assert found["fence"] == []


# --- Whatever the hosts say -------------------------------------------------------------------------------------------

ANSWERS = st.sampled_from(["up", "leading", "alone", "dead", "bare", "gone", "failed"])


def answer(name: str, kind: str) -> dict[str, Any]:
    made = {
        "up": lambda: said(name),
        "leading": lambda: said(name, error=""),
        "alone": lambda: said(name, error="", knows=peers(name)),
        "dead": lambda: said(name, "silent"),
        "bare": lambda: bare(name),
        "gone": lambda: UNREACHABLE,
        "failed": lambda: {"failed": True, "msg": "x"},
    }
    return made[kind]()


@given(st.tuples(ANSWERS, ANSWERS, ANSWERS), st.sets(st.sampled_from(MANAGERS)), st.sampled_from(["", *MANAGERS]))
def test_nothing_is_forced_while_a_majority_lives_or_could(
    kinds: tuple[str, ...], open_: set[str], survivor: str
) -> None:
    observed = {name: answer(name, kind) for name, kind in zip(MANAGERS, kinds, strict=True)}
    observed["w1"] = worker(*sorted(open_))
    before = copy.deepcopy(observed)
    found = quorum_loss_plan(observed, MANAGERS, ADDRESSES, survivor)
    assert observed == before
    kind_of = dict(zip(MANAGERS, kinds, strict=True))
    living = {name for name, kind in kind_of.items() if kind in ("up", "leading", "alone") or name in open_}
    could = living | {name for name, kind in kind_of.items() if kind == "dead"}
    if len(living) >= 2 or "leading" in kinds or "failed" in kinds:
        assert found["problems"]
    # One that has a raft of its own already makes no majority with those that are stopped.
    if len(could) >= 2 and "alone" not in kinds:
        assert found["problems"]
    assert found["recovered"] == (kind_of.get(found["survivor"]) == "alone")
    if "alone" in kinds and not found["recovered"]:
        assert found["problems"]
    if not found["problems"]:
        others = set(MANAGERS) - {found["survivor"]}
        dealt_with = {name for name in others if name in found["fence"] or any(name in gone for gone in found["gone"])}
        assert dealt_with == others


def test_may_force_gives_every_reason_at_once() -> None:
    survivor = Evidence("m1", "1", "192.0.2.11:2377", True, "active", knows=frozenset("123"))
    others = [
        Evidence("m2", "2", "192.0.2.12:2377", True, "active", has_quorum=True, knows=frozenset("1234")),
        Evidence("m3", "3", "192.0.2.13:2377", False, port_2377_open_from=("w1",)),
    ]
    answer = may_force(survivor, others, "swarm")
    assert not answer.allowed
    assert len(answer.reasons) == 4
