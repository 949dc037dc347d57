# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is noted beside the raft state, and which state is never restored."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import state
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from hypothesis import given
from hypothesis import strategies as st

TAKEN = "2026-11-22T23:00:00Z"
EVERYWHERE = "0.0.0.0"  # noqa: S104  what an engine says
INFO = {
    "Name": "m2",
    "ServerVersion": "26.1.5+dfsg1",
    "Swarm": {"NodeID": "id2", "NodeAddr": "192.0.2.12", "LocalNodeState": "active"},
}
SWARM = {
    "ID": "cluster",
    "DataPathPort": 0,
    "JoinTokens": {"Manager": "SWMTKN-1-canary", "Worker": "SWMTKN-1-canary"},
    "Spec": {"Name": "default", "EncryptionConfig": {"AutoLockManagers": True}},
}


def node(number: int, *, manager: bool, leader: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ID": "id%d" % number,
        "Description": {"Hostname": "m%d" % number if manager else "w%d" % number},
        "Status": {"State": "ready", "Addr": EVERYWHERE if leader else "192.0.2.1%d" % number},
    }
    if manager:
        address = "192.0.2.1%d:2377" % number
        found["ManagerStatus"] = {"Reachability": "reachable", "Leader": leader, "Addr": address}
    return found


NODES = [node(4, manager=False), node(2, manager=True), node(1, manager=True, leader=True)]
GOOD = state.metadata(INFO, SWARM, NODES, TAKEN)


def test_everything_that_a_restore_needs_is_noted() -> None:
    before = copy.deepcopy((INFO, SWARM, NODES))
    assert state.metadata(INFO, SWARM, NODES[::-1], TAKEN) == GOOD
    assert before == (INFO, SWARM, NODES)
    assert {
        "format": 1,
        "cluster_id": "cluster",
        "node_id": "id2",
        "node_name": "m2",
        "address": "192.0.2.12",
        "listen_addr": "0.0.0.0:2377",
        "data_path_port": 4789,
        "engine_version": "26.1.5+dfsg1",
        "autolock": True,
        "taken": TAKEN,
        # The leader's own status says 0.0.0.0.
        "managers": [
            {"id": "id1", "name": "m1", "address": "192.0.2.11"},
            {"id": "id2", "name": "m2", "address": "192.0.2.12"},
        ],
        "workers": [{"id": "id4", "name": "w4", "address": "192.0.2.14"}],
    } == GOOD
    assert "canary" not in json.dumps(GOOD)


def test_ports_of_its_own_are_noted() -> None:
    own = copy.deepcopy(NODES)
    own[1]["ManagerStatus"]["Addr"] = "[2001:db8::12]:2477"
    found = state.metadata(INFO, {**SWARM, "DataPathPort": 5789}, own, TAKEN)
    assert (found["listen_addr"], found["data_path_port"]) == ("[::]:2477", 5789)
    assert found["managers"][1]["address"] == "2001:db8::12"


def test_no_autolock_is_noted_too() -> None:
    assert state.metadata(INFO, {**SWARM, "Spec": {"Name": "default"}}, NODES, TAKEN)["autolock"] is False


@pytest.mark.parametrize(
    ("info", "swarm", "nodes", "said"),
    [
        ({**INFO, "Swarm": {}}, SWARM, NODES, "node_id is missing"),
        (INFO, {}, NODES, "cluster_id is missing"),
        ({**INFO, "ServerVersion": ""}, SWARM, NODES, "engine_version is missing"),
        (INFO, SWARM, NODES[:1], "its own node is not among the managers"),
    ],
)
def test_answers_that_lack_something_make_no_metadata(
    info: dict[str, Any], swarm: dict[str, Any], nodes: list[dict[str, Any]], said: str
) -> None:
    with pytest.raises(DeclarationError, match=said):
        state.metadata(info, swarm, nodes, TAKEN)


@pytest.mark.parametrize("engine", ["26.1.5", "26.1.0", "26.1.5-ce", "26.2.0~rc1", "27.0.1", "100.0.0"])
def test_the_state_of_this_swarm_is_restored_on_an_engine_that_is_as_new(engine: str) -> None:
    assert state.problems(json.loads(json.dumps(GOOD)), "cluster", engine) == []


@pytest.mark.parametrize("engine", ["26.0.9", "25.0.5", "9.9.9"])
def test_an_older_engine_gets_no_newer_engines_state(engine: str) -> None:
    assert state.problems(GOOD, "cluster", engine) == [
        "the state was written by an engine 26.1.5+dfsg1, and this one is %s: install 26.1 or newer here first" % engine
    ]


@pytest.mark.parametrize("engine", ["", "dev", "26"])
def test_a_version_that_cannot_be_compared_is_no_yes(engine: str) -> None:
    (problem,) = state.problems(GOOD, "cluster", engine)
    assert problem.startswith("%r is no version of an engine" % engine)
    (problem,) = state.problems({**GOOD, "engine_version": engine or "?"}, "cluster", "26.1.5")
    assert "is no version of an engine" in problem


def test_another_swarms_state_is_refused() -> None:
    (problem,) = state.problems(GOOD, "other", "26.1.5")
    assert problem.startswith("this is the state of the swarm cluster, not of other: restore a backup of that one, or ")


def test_no_swarms_name_fits_every_state() -> None:
    (problem,) = state.problems(GOOD, "", "26.1.5")
    assert problem.endswith("this is the state of cluster: set swarm_backup_cluster_id to that if it is the one")


@pytest.mark.parametrize("key", sorted(GOOD))
def test_what_is_missing_is_named(key: str) -> None:
    found = state.problems({name: value for name, value in GOOD.items() if name != key}, "cluster", "26.1.5")
    assert len(found) == 1
    assert found[0].startswith("metadata.json: ")
    assert key in found[0]
    assert found[0].endswith(": restore another backup")


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"format": True},
        {"node_id": "id4"},
        {"node_id": 7},
        {"autolock": "yes"},
        {"data_path_port": "4789"},
        {"taken": "yesterday"},
        {"managers": []},
        {"managers": "m1"},
        {"managers": [{"id": "id2", "name": "m2"}]},
        {"workers": ""},
        {"workers": ["w4"]},
    ],
)
def test_what_is_damaged_is_refused(changed: dict[str, Any]) -> None:
    assert state.problems({**GOOD, **changed}, "cluster", "26.1.5")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(GOOD)), inner),
        max_leaves=8,
    )
)
def test_whatever_else_a_file_holds_is_refused_without_a_crash(found: object) -> None:
    assert state.problems(found, "cluster", "26.1.5")


@given(st.sampled_from(sorted(GOOD)), st.none() | st.integers() | st.text() | st.lists(st.text()))
def test_a_field_that_holds_something_else_is_judged_without_a_crash(key: str, value: object) -> None:
    state.problems({**GOOD, key: value}, "cluster", "26.1.5")
