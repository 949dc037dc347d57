# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Managers that were asked one by one: of one mind, or two halves of a swarm."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.swarm.plugins.filter.swarm_view_differences import FilterModule
from ansible_collections.flotilla.swarm.plugins.module_utils._core import views

differences = FilterModule().filters()["swarm_view_differences"]


def view(leader: str | None = "m1", nodes: str = "m1 m2 m3 w1", cluster: str = "one") -> dict[str, Any]:
    """What ``views.of`` gives: a node's ID is its name behind ``id-``."""
    names = nodes.split()
    snapshot = {
        "cluster": {"id": cluster},
        "nodes": [{"id": f"id-{name}", "name": name, "leader": name == leader} for name in names],
    }
    return views.of(snapshot)


def test_of_one_mind() -> None:
    assert differences({"m1": view(), "m2": view(), "m3": view()}) == []


def test_one_manager_alone_or_none_differs_from_nobody() -> None:
    assert differences({"m1": view()}) == differences({}) == []


def test_two_halves_with_one_id() -> None:
    (said,) = differences({"m1": view(), "m2": view(), "m3": view("m3")})
    assert said.startswith(
        "the managers follow 2 leaders: "
        "m1, m2: the swarm one, led by m1 (id-m1); m3: the swarm one, led by m3 (id-m3). "
    )
    assert "docker swarm leave --force" in said


def test_two_swarms() -> None:
    said = differences({"m1": view(), "m3": view("m3", "m3", "two")})
    assert "m1: the swarm one, led by m1 (id-m1); m3: the swarm two, led by m3 (id-m3)" in said[0]
    assert said[1:] == [
        "m1 (id-m1) is a node to m1, and not to m3",
        "m2 (id-m2) is a node to m1, and not to m3",
        "w1 (id-w1) is a node to m1, and not to m3",
    ]


def test_an_election_is_no_leader() -> None:
    assert "m2: the swarm one, led by nobody" in differences({"m1": view(), "m2": view(None)})[0]


def test_a_node_of_one_half_alone() -> None:
    seen = {"m1": view(), "m2": view(nodes="m1 m2 m3 w1 w2"), "m3": view()}
    assert differences(seen) == ["w2 (id-w2) is a node to m2, and not to m1, m3"]


def test_who_saw_no_quorum_has_no_view() -> None:
    assert differences({"m1": view(), "m2": {}}) == []
