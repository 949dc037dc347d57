# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that no node takes: docker waits for ever; we refuse, or take it back at the deadline and say why."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.support.lab_stacks import Own, Raw

AtOnce = Callable[..., None]

FOREVER = 8.0
"""Seconds after which an update must still be in flight. Its own monitor is shorter by far."""


def stays_in_flight(raw: Raw) -> None:
    raw.wait("the update begins", lambda: raw.update() == "updating")
    time.sleep(FOREVER)
    assert raw.update() == "updating"


def test_update_that_no_node_takes(raw: Raw, own: Own, at_once: AtOnce) -> None:
    def docker() -> None:
        raw.does("volume.yml", DRIVER="local")
        raw.wait_until_running()
        raw.does("volume.yml", DRIVER="nowhere")
        stays_in_flight(raw)

    def ours() -> None:
        own.does("volume.yml", DRIVER="local")
        before = own.specs()
        start = time.monotonic()
        result = own.deploy("volume.yml", options={"deadline": 8}, DRIVER="nowhere")
        assert result["failed"]
        assert result["verdicts"][0]["state"] == "unschedulable"
        assert "missing plugin" in result["msg"]
        assert result["reverted"]["back"] == [own.full("app")]
        assert time.monotonic() - start < 30
        assert own.specs() == before
        assert len(own.running()) == 1

    at_once(docker, ours)


def test_update_with_a_constraint_that_nobody_meets(raw: Raw, own: Own, at_once: AtOnce) -> None:
    def docker() -> None:
        raw.does("app.yml", MONITOR="1s")
        raw.wait_until_running()
        raw.does("app.yml", MONITOR="1s", CONSTRAINT="node.labels.tier==nowhere")
        stays_in_flight(raw)

    def ours() -> None:
        own.does("app.yml", MONITOR="1s")
        before = own.indexes()
        result = own.deploy("app.yml", MONITOR="1s", CONSTRAINT="node.labels.tier==nowhere")
        assert result["failed"]
        assert "services.app.deploy.placement.constraints: 0 eligible nodes" in result["msg"]
        assert "node.labels.tier==nowhere" in result["msg"]
        assert own.indexes() == before
        assert len(own.running()) == 1

    at_once(docker, ours)


def test_service_for_managers_that_are_all_drained(raw: Raw, own: Own, at_once: AtOnce) -> None:
    """What the stack files do that MediaNest's strategy came with."""
    for_managers = {"CONSTRAINT": "node.role == manager"}

    def docker() -> None:
        raw.does("app.yml", **for_managers)
        raw.wait("the scheduler has looked", lambda: "no suitable node" in raw.tasks()[0]["Error"])
        assert raw.tasks()[0]["CurrentState"].startswith("Pending")

    def ours() -> None:
        result = own.deploy("app.yml", **for_managers)
        assert result["failed"]
        assert "0 eligible nodes for node.role == manager" in result["msg"]
        assert "m1 is drained, m2 is drained, m3 is drained" in result["msg"]
        assert own.services() == {}

    at_once(docker, ours)
