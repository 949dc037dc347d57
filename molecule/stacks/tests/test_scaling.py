# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts of tasks: what scaling does to an update that fails, and what a deployment does to a count."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.support.lab_stacks import Json, Own, Raw, Stack, script_of, succeeded

AtOnce = Callable[..., None]

FAILS = {"SCRIPT": "sleep 10; exit 3", "MONITOR": "20s"}


def scaled(own: Own, count: int) -> Json:
    return own.node.module("swarm_scale", stack=own.name, replicas={"app": count}, stable_for=2)


def count(stack: Stack) -> int:
    return int(stack.service()["Spec"]["Mode"]["Replicated"]["Replicas"])


def test_scaling_while_an_update_fails(raw: Raw, own: Own, at_once: AtOnce) -> None:
    def docker() -> None:
        raw.does("app.yml")
        raw.wait_until_running()
        raw.does("app.yml", **FAILS)
        raw.wait("the update is in flight", lambda: raw.update() == "updating")
        raw.node.ask(f"docker service scale --detach {raw.full('app')}=2")
        # The engine forgets the update, and that it was to be rolled back; what a rollback leads to is the bad release.
        assert raw.update() == ""
        assert script_of(raw.service()["PreviousSpec"]) == FAILS["SCRIPT"]
        raw.node.ask(f"docker service rollback --detach {raw.full('app')}")
        assert raw.script() == FAILS["SCRIPT"]

    def ours() -> None:
        own.does("app.yml")
        before = own.specs()
        with ThreadPoolExecutor(1) as pool:
            deploying = pool.submit(own.deploy, "app.yml", **FAILS)
            own.wait("the update is in flight", lambda: own.update() == "updating")
            refused = scaled(own, 2)
            assert own.update() == "updating", "too late: the update is over"
        assert refused["failed"]
        assert "in flight" in refused["msg"]
        assert deploying.result()["failed"]
        assert deploying.result()["verdicts"][0]["state"] == "rolled_back"
        assert own.specs() == before
        # Now that it is over, it may be scaled.
        assert succeeded(scaled(own, 2))["changed"]
        assert len(own.running()) == 2

    at_once(docker, ours)


def test_count_that_an_autoscaler_set(raw: Raw, own: Own, at_once: AtOnce) -> None:
    def autoscaled(stack: Stack) -> None:
        stack.node.ask(f"docker service scale --detach {stack.full('app')}=4")
        stack.wait_until_running(count=4)

    def docker() -> None:
        raw.does("app.yml", MONITOR="1s")
        autoscaled(raw)
        raw.does("app.yml", MONITOR="1s")
        assert count(raw) == 1

    def ours() -> None:
        own.does("app.yml", MONITOR="1s")
        autoscaled(own)
        before = own.indexes()
        assert not own.does("app.yml", MONITOR="1s")["changed"]
        assert own.indexes() == before
        own.does("app.yml", MONITOR="1s", SCRIPT="exec sleep 86401")
        assert count(own) == 4
        assert len(own.running()) == 4

    at_once(docker, ours)
