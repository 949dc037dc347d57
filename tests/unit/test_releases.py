# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which release to go back to, which ones stay, and what they keep in the swarm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, release_info, releases
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.releases import (
    DEPLOYING,
    FAILED,
    GOOD,
    UNREADABLE,
    Ending,
    Entry,
    Release,
)
from ansible_collections.flotilla.swarm.tests.support.memory_releases import OWNER, STACK, entry, spec
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]
STATE = st.sampled_from((GOOD, GOOD, FAILED, DEPLOYING, UNREADABLE))


def history(*states: str) -> list[Entry]:
    """Deployments that ended so, the oldest first in the call and the newest first in the result."""
    return [entry(number, state) for number, state in reversed(list(enumerate(states, start=1)))]


def chosen(entries: Sequence[Entry], number: int | None = None) -> int:
    return releases.target(entries, STACK, number).number


# -- the target --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((GOOD, GOOD), 1),
        ((GOOD, FAILED), 1),
        ((GOOD, FAILED, FAILED), 1),
        ((GOOD, GOOD, DEPLOYING), 2),
        ((GOOD, FAILED, GOOD), 1),
        ((GOOD, UNREADABLE), 1),
        ((GOOD, UNREADABLE, GOOD), 1),
    ],
)
def test_the_last_good_one_that_is_not_what_runs(states: tuple[str, ...], expected: int) -> None:
    assert chosen(history(*states)) == expected


def test_a_second_rollback_goes_further_back() -> None:
    entries = history(GOOD, GOOD, GOOD)
    assert chosen(entries) == 2
    entries.insert(0, entry(4, restores=2))
    assert chosen(entries) == 1
    entries.insert(0, entry(5, restores=1))
    with pytest.raises(DeclarationError, match="runs release 5, which brought back release 1, and no good release bef"):
        chosen(entries)


def test_a_deployment_after_a_rollback_goes_back_to_that_rollback() -> None:
    entries = [entry(4), entry(3, restores=1), *history(GOOD, GOOD)]
    assert chosen(entries) == 3
    # And what that one brought back is the first release, before which there is nothing.
    with pytest.raises(DeclarationError, match="no good release before"):
        chosen([entry(5, restores=3), *entries])


@pytest.mark.parametrize("state", [FAILED, DEPLOYING])
def test_a_rollback_that_did_not_end_well_is_tried_again(state: str) -> None:
    """It was to leave release 2, so it must not lead there."""
    assert chosen([entry(3, state, restores=1), *history(GOOD, GOOD)]) == 1
    assert chosen([entry(4, state, restores=2), *history(GOOD, FAILED, FAILED)]) == 1


def test_a_release_can_be_named() -> None:
    entries = history(GOOD, GOOD, FAILED)
    assert chosen(entries, 1) == 1
    assert chosen(entries, 2) == 2


@pytest.mark.parametrize(
    ("entries", "number", "words"),
    [
        ([], None, "name: the stack shop has no release in this swarm"),
        ([], 3, "name: the stack shop has no release in this swarm"),
        (history(GOOD, FAILED), 3, r"no release 3 of shop: kept are 2 \(failed\), 1 \(good\)"),
        (history(GOOD, FAILED), 2, r"release 2 of shop did not end well \(web: crashed\)"),
        (history(GOOD, DEPLOYING), 2, "nobody saw how release 2 of shop ended"),
        (history(GOOD, UNREADABLE), 2, "release 2 of shop can't be read: it is damaged"),
        (history(GOOD), None, "the stack shop runs release 1, and no good release before that is kept"),
        (history(FAILED, DEPLOYING), None, "no release of the stack shop ended well"),
    ],
)
def test_a_target_that_is_none_is_refused(entries: list[Entry], number: int | None, words: str) -> None:
    with pytest.raises(DeclarationError, match=words):
        chosen(entries, number)


@given(st.lists(STATE, max_size=12), st.lists(st.booleans(), max_size=6))
def test_rollbacks_go_back_only(states: list[str], ends: list[bool]) -> None:
    """However the runs before ended, the targets of rollbacks in a row are good, and each is older than the last."""
    entries = history(*states)
    earlier: list[int] = []
    for end in ends:
        try:
            number = chosen(entries)
        except DeclarationError:
            break
        assert {one.number: one.state for one in entries}[number] == GOOD
        origin = releases.origin(entries, next(one for one in entries if one.number == number))
        if earlier:
            assert origin < earlier[-1]
        entries.insert(0, entry(len(entries) + 1, GOOD if end else FAILED, restores=number))
        if not end:
            break
        earlier.append(origin)


# -- what stays --------------------------------------------------------------------------------------------------------


def test_failures_push_nothing_out_that_one_could_go_back_to() -> None:
    entries = history(GOOD, GOOD, GOOD, *[FAILED] * 5)
    assert [one.number for one in releases.surplus(entries, 2)] == [6, 5, 4, 1]


def test_what_can_not_be_read_stays() -> None:
    entries = history(UNREADABLE, UNREADABLE, UNREADABLE, *[GOOD] * 5)
    assert [one.number for one in releases.surplus(entries, 2)] == [6, 5, 4]
    assert releases.unknown(entries) == {"release %d of shop" % number: entries[-number].name for number in (3, 2, 1)}


@given(st.lists(STATE, max_size=30), st.integers(2, 12))
def test_pruning_keeps_the_newest_good_one_and_the_newest_of_all(states: list[str], keep: int) -> None:
    entries = history(*states)
    gone = releases.surplus(entries, keep)
    stay = [one for one in entries if one not in gone]
    good = [one.number for one in entries if one.state == GOOD]
    assert [one.number for one in stay if one.state == GOOD] == good[:keep]
    assert len([one for one in stay if one.state != UNREADABLE]) <= 2 * keep
    assert stay[:1] == entries[:1]
    assert releases.surplus(stay, keep) == []


@given(st.lists(STATE, min_size=1, max_size=30), st.integers(2, 12))
def test_pruning_does_not_change_where_a_rollback_goes(states: list[str], keep: int) -> None:
    entries = history(*states)
    gone = releases.surplus(entries, keep)
    try:
        expected = chosen(entries)
    except DeclarationError:
        return
    assert chosen([one for one in entries if one not in gone]) == expected


def test_fewer_than_two_are_not_kept() -> None:
    assert releases.checked_keep(2) == 2
    with pytest.raises(DeclarationError, match="keep_releases: 1 is too few: keep at least 2"):
        releases.checked_keep(1)


def test_what_may_be_restored_is_in_use() -> None:
    entries = [
        entry(4, UNREADABLE),
        entry(3, DEPLOYING, shop_api=spec("shop_api", "app:v3")),
        entry(2, FAILED, shop_api=spec("shop_api", "app:v2")),
        entry(1, GOOD, shop_api=spec("shop_api", "app:v1"), shop_web=spec("shop_web")),
    ]
    used = [(label, one["Name"]) for label, one in releases.users(entries)]
    assert used == [
        ("release 3 of shop", "shop_api"),
        ("release 1 of shop", "shop_api"),
        ("release 1 of shop", "shop_web"),
    ]


def stack_config(name: str, owner: str = OWNER, stack: str = STACK) -> Json:
    own = {labels.STACK_NAMESPACE: stack, labels.OWNER: owner}
    return {"ID": "id-" + name, "Spec": {"Name": name, "Labels": own}}


def mounting(name: str) -> Json:
    return spec("shop_api", Configs=[{"ConfigID": "id-" + name, "ConfigName": name}])


def test_configs_that_nothing_names_are_unused() -> None:
    names = ("unused", "live", "previous", "kept", "failed")
    configs = [
        *(stack_config(name) for name in names),
        stack_config("foreign", owner="cli"),
        stack_config("neighbour", stack="bank"),
        {"ID": "id-plain", "Spec": {"Name": "plain"}},
    ]
    services = [{"Spec": mounting("live"), "PreviousSpec": mounting("previous")}]
    entries = [entry(2, FAILED, shop_api=mounting("failed")), entry(1, GOOD, shop_api=mounting("kept"))]
    found = releases.unused_configs(STACK, OWNER, configs, services, entries)
    assert [one["Spec"]["Name"] for one in found] == ["failed", "unused"]


def test_a_reason_is_one_line_with_a_bound() -> None:
    assert releases.one_line("") == ""
    assert releases.one_line("\n first \nsecond") == "first"
    assert len(releases.one_line("x" * 1000)) == releases.REASON_LENGTH


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_stacks_are_shown_with_their_history_and_what_is_live() -> None:
    ending = Ending(GOOD, seconds=12.5, verdicts={"shop_api": "converged"}, took={"shop_api": 3.0})
    release = Release(STACK, 1, who="me", when="today", specs={"shop_api": spec("shop_api")})
    entries = [Entry(STACK, 1, "id", "shop.release.1", "2026", ending, release)]
    services = [
        {"Spec": spec("shop_api", "app:v2"), "UpdateStatus": {"State": "completed"}},
        {"Spec": {**spec("bank_api"), "Labels": {labels.STACK_NAMESPACE: "bank"}}},
    ]
    (shown,) = release_info.stacks(entries, services, OWNER, full=1)
    assert shown["name"] == "shop"
    assert shown["current"] == [{"name": "shop_api", "image": "app:v2", "replicas": 1, "update_status": "completed"}]
    (one,) = shown["releases"]
    assert one["specs"] == {"shop_api": spec("shop_api")}
    assert one["services"] == {"shop_api": {"image": "app:v1", "replicas": 1, "verdict": "converged", "seconds": 3.0}}
    assert (one["number"], one["state"], one["kind"], one["restores"]) == (1, "good", "deploy", None)
    assert (one["who"], one["when"], one["recorded"], one["seconds"]) == ("me", "today", "2026", 12.5)


def test_a_stack_that_is_asked_for_is_shown_even_if_there_is_nothing() -> None:
    assert release_info.stacks([], [], OWNER, "shop") == [{"name": "shop", "releases": [], "current": []}]
    assert release_info.stacks([], [], OWNER) == []


def test_what_can_not_be_read_is_shown_as_that() -> None:
    shown = release_info.release(entry(3, UNREADABLE), with_specs=True)
    assert (shown["state"], shown["reason"], shown["kind"], shown["services"]) == (
        "unreadable",
        "it is damaged",
        None,
        {},
    )
    assert "specs" not in shown
