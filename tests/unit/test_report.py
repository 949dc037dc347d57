# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: tables that line up, and reasons where something is wrong."""

from __future__ import annotations

from typing import Any

from ansible_collections.flotilla.swarm.plugins.filter.swarm_report import swarm_report
from ansible_collections.flotilla.swarm.plugins.module_utils._core import report

NODE = {
    "name": "w1",
    "role": "worker",
    "leader": False,
    "reachability": None,
    "state": "ready",
    "availability": "active",
}
SERVICE = {
    "name": "app_web",
    "running": 1,
    "desired": 3,
    "state": "crashed",
    "image": "web:1",
    "reason": "non-zero exit (1)",
}


def snapshot(**service: Any) -> dict[str, Any]:
    return {
        "cluster": {"id": "c1"},
        "quorum": {"managers": 3, "reachable": 2, "leader": None, "tolerates": 0},
        "tasks": {"running_by_node": {"w1": 4}},
        "nodes": [{**NODE, "engine_version": "26.1.5", "labels": {"tier": "db", "a": "b"}}],
        "services": [{**SERVICE, "ports": [{"published": 80, "target": 8080}], **service}],
    }


def test_it_names_the_quorum_the_nodes_and_the_services() -> None:
    assert swarm_report(snapshot()) == [
        "swarm c1: 2 of 3 managers reachable, leader none, 0 more may fail",
        "",
        "NODE  ROLE    STATE  AVAILABILITY  ENGINE  TASKS  LABELS",
        "w1    worker  ready  active        26.1.5  4      a=b tier=db",
        "",
        "SERVICE  RUNNING  STATE    IMAGE  PORTS     REASON",
        "app_web  1/3      crashed  web:1  80->8080  non-zero exit (1)",
    ]


def test_a_converged_service_needs_no_reason() -> None:
    assert report.lines(snapshot(state="converged", reason="3 of 3 tasks run"))[-1].endswith("80->8080")


def test_only_stacks_with_a_url_are_named() -> None:
    stacks = [{"name": "app", "url": "https://app.example.com/"}, {"name": "db"}]
    assert report.lines(snapshot(), stacks)[-2:] == ["", "app: https://app.example.com/"]
