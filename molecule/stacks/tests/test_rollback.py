# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: docker knows one earlier spec of each service, and forgets it; we know the releases of the stack."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.lab import Lab
from tests.support.lab_stacks import Json, Node, Own, Raw, succeeded

AtOnce = Callable[..., None]
Say = Callable[[str], None]

BAD = "exit 3"

ONE = {"RELEASE": "v1", "MARK": "one", "COUNT": "2", "WORDS": "words.txt"}
TWO = {"RELEASE": "v2", "MARK": "two", "COUNT": "1", "WORDS": "other_words.txt"}


def back(own: Own, **options: int) -> Json:
    return own.node.module("swarm_stack_rollback", name=own.name, stable_for=2, **options)


def history(own: Own) -> list[str]:
    """How the stack's releases ended, the oldest first."""
    (stack,) = succeeded(own.node.module("swarm_stack_info", name=own.name))["stacks"]
    return [release["state"] for release in reversed(stack["releases"])]


def test_same_bad_release_twice(raw: Raw, own: Own, at_once: AtOnce, say: Say) -> None:
    good = {"ACTION": "pause", "MONITOR": "4s"}
    bad = {**good, "SCRIPT": BAD}

    def docker() -> None:
        raw.does("app.yml", **good)
        raw.wait_until_running()
        for _time in range(2):
            raw.does("app.yml", **bad)
            raw.wait("the swarm pauses the update", lambda: raw.update() in ("", "paused"))
        raw.node.ask(f"docker service rollback --detach {raw.full('app')}")
        assert raw.script() == BAD

    def ours() -> None:
        own.does("app.yml", **good)
        before = own.specs()
        for _time in range(2):
            assert own.deploy("app.yml", options={"on_failure": "keep"}, **bad)["failed"]
            assert own.script() == BAD
        result = succeeded(back(own))
        assert result["restored"] == 1
        assert own.specs() == before
        assert len(own.running()) == 1
        say(f"releases: {history(own)}")
        assert history(own) == ["good", "failed", "failed", "good"]

    at_once(docker, ours)


def keep_key(node: Node, name: str, value: str) -> None:
    succeeded(node.module("swarm_secrets", secrets=[{"name": name, "value": value}]))


def key_in(lab: Lab, own: Own) -> str:
    """What the worker's container reads where the secret is mounted."""
    (task,) = own.running("worker")
    container = f"{own.full('worker')}.1.{task['ID']}"
    return lab.run(task["Node"], "docker exec %s cat /run/secrets/key", container)


def test_whole_stack(lab: Lab, prefix: str, raw: Raw, own: Own, at_once: AtOnce, say: Say) -> None:
    def docker() -> None:
        for key, value in (("old", "the old value"), ("new", "the new value")):
            raw.node.ask(f"printf '{value}' | docker secret create {prefix}raw-{key} -")
        raw.does("shop.yml", "shop_one.yml", KEY=f"{prefix}raw-old", **ONE)
        before = raw.specs()
        # A config's content can't change under its name, so docker refuses the other words.
        two = {**TWO, "WORDS": ONE["WORDS"], "KEY": f"{prefix}raw-new"}
        for _time in range(2):
            raw.does("shop.yml", "shop_two.yml", options="--prune --detach=true", **two)
        after = raw.specs()
        for key in after:
            raw.node.run(f"docker service rollback --detach {raw.full(key)}")
        # The second time nothing was new, and after it there is no way back; what was pruned has none at all.
        assert raw.specs() == after
        assert set(after) == {*before, "two"} - {"one"}

    def ours() -> None:
        logical = f"{prefix}own-key"
        keep_key(own.node, logical, "the old value")
        own.does("shop.yml", "shop_one.yml", KEY=logical, **ONE)
        before, read = own.specs(), key_in(lab, own)
        assert read == "the old value"

        keep_key(own.node, logical, "the new value")
        for _time in range(2):
            own.does("shop.yml", "shop_two.yml", options={"prune": True}, KEY=logical, **TWO)
        after = own.specs()
        assert key_in(lab, own) == "the new value"
        assert {key for key in before if after.get(key) != before[key]} == {"web", "worker", "one"}
        assert "two" in after

        result = succeeded(back(own, release=1))
        say("; ".join(f"{step['action']} {step['name']}" for step in result["plan"]))
        assert own.specs() == before
        assert key_in(lab, own) == read
        assert len(own.running("web")) == 2
        assert {one["state"] for one in result["verdicts"]} == {"converged"}

    at_once(docker, ours)
