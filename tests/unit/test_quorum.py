# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many managers a swarm needs, and which may be stopped or demoted."""

from __future__ import annotations

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import quorum
from hypothesis import given
from hypothesis import strategies as st

IDS = st.sets(st.sampled_from("abcdefg"))


@pytest.mark.parametrize(
    ("managers", "needed", "tolerates"), [(0, 0, 0), (1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (7, 4, 3)]
)
def test_a_majority_of_all_managers_is_needed(managers: int, needed: int, tolerates: int) -> None:
    assert (quorum.needed(managers), quorum.tolerates(managers)) == (needed, tolerates)


def test_one_of_three_may_be_stopped_and_the_reason_counts() -> None:
    answer = quorum.may_stop("abc", "abc", "a")
    assert answer.allowed
    assert answer.reason == "2 of 3 managers would be reachable and 2 are needed"


@pytest.mark.parametrize("managers", ["a", "ab"])
def test_the_only_manager_and_one_of_two_may_not(managers: str) -> None:
    assert not quorum.may_stop(managers, managers, "a").allowed


def test_none_of_three_may_be_stopped_while_one_is_away() -> None:
    answer = quorum.may_stop("abc", "ab", "a")
    assert not answer.allowed
    assert "would lose its quorum" in answer.reason


def test_a_worker_and_a_manager_that_is_away_already_may() -> None:
    assert quorum.may_stop("abc", "abc", "worker").allowed
    assert quorum.may_stop("abc", "ab", "c").allowed


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, ["no host is a manager"]),
        (1, []),
        (2, ["2 managers survive the loss of 0, as 1 do"]),
        (3, []),
        (7, []),
        (8, ["8 managers survive the loss of 3, as 7 do", "8 managers slow every write down"]),
        (9, ["9 managers slow every write down"]),
    ],
)
def test_a_bad_count_is_named_with_its_key_and_its_mend(count: int, said: list[str]) -> None:
    managers = ["m%d" % number for number in range(count)]
    found = quorum.declaration_problems(managers, ["w1"], allow_even=False)
    assert len(found) == len(said)
    for problem, word in zip(found, said, strict=True):
        assert problem.startswith("swarm_managers: " + word)
        assert count == 0 or problem.endswith("or set swarm_cluster_allow_even_managers")
    assert bool(quorum.declaration_problems(managers, ["w1"], allow_even=True)) is (count == 0)


def test_a_host_in_both_groups_is_named_once() -> None:
    assert quorum.declaration_problems(["a", "b", "c", "b"], ["b"], allow_even=False) == [
        "swarm_managers: b is in swarm_workers too: take it out of one of the two groups"
    ]


@given(managers=IDS, reachable=IDS, which=st.sampled_from("abcdefgh"))
def test_a_quorum_that_is_there_outlives_what_is_allowed(managers: set[str], reachable: set[str], which: str) -> None:
    answer = quorum.may_stop(managers, reachable, which)
    up = managers & reachable
    if answer.allowed and len(up) >= quorum.needed(len(managers)):
        assert len(up - {which}) >= quorum.needed(len(managers))


@pytest.mark.parametrize(
    ("managers", "reachable", "which", "allowed", "reason"),
    [
        ("abc", "abc", "a", True, "2 of the other 2 would be reachable and 2 are needed"),
        ("ab", "ab", "a", True, "1 of the other 1 would be reachable and 1 are needed"),
        ("abc", "ab", "c", True, "2 of the other 2 would be reachable and 2 are needed"),
        ("abc", "ab", "a", False, "would have no quorum: 1 of the other 2 would be reachable and 2 are needed"),
        ("abcde", "abc", "a", False, "would have no quorum: 2 of the other 4 would be reachable and 3 are needed"),
        ("abcde", "abcd", "a", True, "3 of the other 4 would be reachable and 3 are needed"),
        ("a", "a", "a", False, "no manager would be left"),
        ("ab", "ab", "c", False, "the raft has not taken it in yet"),
    ],
)
def test_a_demotion_is_held_against_the_smaller_raft(
    managers: str, reachable: str, which: str, allowed: bool, reason: str
) -> None:
    answer = quorum.may_demote(managers, reachable, which)
    assert answer.allowed is allowed
    assert answer.reason.endswith(reason)


@given(managers=IDS, reachable=IDS, which=st.sampled_from("abcdefgh"))
def test_the_managers_that_a_demotion_leaves_have_a_quorum(managers: set[str], reachable: set[str], which: str) -> None:
    if quorum.may_demote(managers, reachable, which).allowed:
        left = managers - {which}
        assert left
        assert len(left & reachable) >= quorum.needed(len(left))


@given(managers=IDS, reachable=IDS, which=st.sampled_from("abcdefg"), more=st.sets(st.sampled_from("uvwxyz")))
def test_managers_that_come_before_a_demotion_never_make_it_wrong(
    managers: set[str], reachable: set[str], which: str, more: set[str]
) -> None:
    if quorum.may_demote(managers, reachable, which).allowed:
        assert quorum.may_demote(managers | more, reachable | more, which).allowed
