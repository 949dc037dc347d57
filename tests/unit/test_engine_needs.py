# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that an older engine takes and forgets."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import engine_needs

Json = dict[str, Any]


def told(entry: Json, *versions: str) -> list[str]:
    nodes = [
        {
            "ID": "id",
            "Spec": {"Availability": "active"},
            "Description": {"Hostname": "n%d" % position, "Engine": {"EngineVersion": version}},
        }
        for position, version in enumerate(versions, 1)
    ]
    return engine_needs.problems({"services": {"a": {"image": "x", **entry}}}, nodes)


@pytest.mark.parametrize(
    ("entry", "key", "needed", "older"),
    [
        ({"oom_score_adj": 5}, "oom_score_adj", "27.0", "26.1.5+dfsg1"),
        ({"security_opt": ["no-new-privileges"]}, "security_opt", "25.0", "24.0.9"),
        ({"healthcheck": {"start_interval": "1s"}}, "healthcheck.start_interval", "25.0", "20.10.24"),
        ({"volumes": [{}, {"volume": {"subpath": "x"}}]}, "volumes[1].volume.subpath", "26.0", "25.0.6"),
    ],
)
def test_the_oldest_node_decides(entry: Json, key: str, needed: str, older: str) -> None:
    assert told(entry, "29.1.0", older, "28.0.1") == [
        "services.a.%s needs Docker Engine %s on every node that takes its tasks, and n2 has %s, which would ignore "
        "it: upgrade it, or remove the key" % (key, needed, older)
    ]
    assert told(entry, "29.1.0", needed + ".0") == []


def test_an_engine_of_ones_own_is_taken_for_a_new_one() -> None:
    assert told({"oom_score_adj": 5}, "dev", "") == told({"oom_score_adj": 5}) == []
    assert len(told({"oom_score_adj": 5}, "dev", "26.1.5")) == 1


def test_keys_that_say_nothing_need_nothing() -> None:
    assert told({"oom_score_adj": 0, "security_opt": [], "volumes": [{}, {"volume": {}}]}, "20.10.0") == []


def test_only_nodes_that_take_the_services_tasks_count() -> None:
    def node(name: str, version: str, **status: str) -> Json:
        described = {"Hostname": name, "Engine": {"EngineVersion": version}}
        return {"ID": name, "Spec": {"Availability": "active"}, "Status": status, "Description": described}

    old = node("old", "26.1.5")
    tree: Json = {"services": {"a": {"oom_score_adj": 5}}}
    assert len(engine_needs.problems(tree, [node("new", "29.1.0"), old])) == 1
    assert engine_needs.problems(tree, [node("new", "29.1.0"), node("down", "26.1.5", State="down")]) == []
    assert engine_needs.problems(tree, [{**old, "Spec": {"Availability": "drain"}}]) == []
    placed = {"constraints": ["node.hostname == new"]}
    tree["services"]["a"]["deploy"] = {"placement": placed}
    assert engine_needs.problems(tree, [node("new", "29.1.0"), old]) == []
