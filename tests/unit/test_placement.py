# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placement constraints, by the table of swarmkit's own rules."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import placement

NODE: dict[str, Any] = {
    "ID": "n7uc3dz3jvnj",
    "Spec": {"Role": "worker", "Availability": "active", "Labels": {"tier": "application", "Zone": "eu"}},
    "Description": {
        "Hostname": "w1",
        "Platform": {"OS": "linux", "Architecture": "x86_64"},
        "Engine": {"Labels": {"disk": "ssd"}},
    },
    "Status": {"State": "ready", "Addr": "192.0.2.21"},
}


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ("node.labels.tier == application", True),
        ("node.labels.tier==APPLICATION", True),
        ("node.labels.tier != application", False),
        ("NODE.LABELS.tier == application", True),
        ("node.labels.Tier == application", False),
        ("node.labels.Zone == eu", True),
        ("node.labels.missing == x", False),
        ("node.labels.missing != x", True),
        ("node.role == worker", True),
        ("node.role == manager", False),
        ("node.role != manager", True),
        ("node.id == n7uc3dz3jvnj", True),
        ("node.hostname == w1", True),
        ("node.hostname != w1", False),
        ("node.platform.os == linux", True),
        ("node.platform.arch == x86_64", True),
        ("engine.labels.disk == ssd", True),
        ("engine.labels.disk == hdd", False),
        ("node.ip == 192.0.2.21", True),
        ("node.ip == 192.0.2.0/24", True),
        ("node.ip != 192.0.2.0/24", False),
        ("node.ip == 198.51.100.0/24", False),
        ("node.ip == nonsense", False),
        ("node.colour == red", False),
        ("node.colour != red", False),
    ],
)
def test_a_constraint_matches_as_swarmkit_does(expression: str, matches: bool) -> None:
    assert placement.node_matches([expression], NODE) is matches


@pytest.mark.parametrize(
    "expression", ["node.role", "node.role = manager", "== x", "node role == x", "node.role == <x>"]
)
def test_what_swarmkit_refuses_is_refused_and_matches_nothing(expression: str) -> None:
    with pytest.raises(ValueError, match="constraint"):
        placement.parse(expression)
    assert not placement.node_matches([expression], NODE)


@pytest.mark.parametrize(
    ("availability", "state", "takes"),
    [("active", "ready", True), ("drain", "ready", False), ("pause", "ready", False), ("active", "down", False)],
)
def test_only_active_nodes_that_are_not_down_take_tasks(availability: str, state: str, takes: bool) -> None:
    node = {**NODE, "Spec": {**NODE["Spec"], "Availability": availability}, "Status": {"State": state}}
    assert placement.takes_tasks(node) is takes
    assert placement.eligible([], [node]) == ([node] if takes else [])


def test_a_bare_node_matches_only_what_says_not() -> None:
    assert placement.node_matches(["node.hostname != w1", "engine.labels.a != b", "node.platform.os != linux"], {})
    assert not placement.node_matches(["node.ip != 192.0.2.1"], {})
