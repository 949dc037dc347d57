# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that fails: docker says that all is well, or nothing at all; we fail, say why, and take it back."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.lab_stacks import REGISTRY, Json, Own, Raw

AtOnce = Callable[..., None]

GOOD = "exec sleep 86400"
BAD = "echo no such table; exit 3"
GOOD_IMAGE = "frontend:secure-v1"
BAD_IMAGE = "backend:secure-crash"
BAD_WORDS = "schema migration 0042 failed"


def verdict(result: Json, key: str = "app") -> Json:
    """What the result of a failed run says of a service."""
    assert result.get("failed"), result
    (found,) = [one for one in result["verdicts"] if one["service"].endswith(f"_{key}")]
    return dict(found)


def test_image_that_crashes(raw: Raw, own: Own, at_once: AtOnce) -> None:
    def docker() -> None:
        raw.does("image.yml", RELEASE=GOOD_IMAGE)
        raw.wait_until_running()
        raw.does("image.yml", RELEASE=BAD_IMAGE, options="--detach=false")
        # It was rolled back, and the command that was to wait for the outcome exits with 0.
        assert raw.update() == "rollback_completed"

    def ours() -> None:
        own.does("image.yml", RELEASE=GOOD_IMAGE)
        before = own.specs()
        result = own.deploy("image.yml", RELEASE=BAD_IMAGE)
        failure = verdict(result)["failure"]
        assert verdict(result)["state"] == "rolled_back"
        assert failure["exit_code"] == 1
        assert BAD_WORDS in failure["log"]
        assert BAD_WORDS in result["msg"]
        assert own.specs() == before
        (task,) = own.running()
        assert GOOD_IMAGE in task["Image"]

    at_once(docker, ours)


def test_crash_after_the_monitor(raw: Raw, own: Own, at_once: AtOnce) -> None:
    late = {"SCRIPT": "sleep 8; echo pool exhausted; exit 3", "MONITOR": "5s"}

    def docker() -> None:
        raw.does("app.yml", MONITOR="5s")
        raw.wait_until_running()
        raw.does("app.yml", options="--detach=false", **late)
        assert raw.update() == "completed"
        raw.wait("the release fails", lambda: any(task["CurrentState"].startswith("Failed") for task in raw.tasks()))
        assert raw.update() == "completed"
        assert raw.script() == late["SCRIPT"]

    def ours() -> None:
        own.does("app.yml", MONITOR="5s")
        before = own.specs()
        result = own.deploy("app.yml", options={"stable_for": 60}, **late)
        assert verdict(result)["state"] == "crashed"
        assert verdict(result)["failure"]["exit_code"] == 3
        assert "pool exhausted" in result["msg"]
        assert own.specs() == before
        assert len(own.running()) == 1

    at_once(docker, ours)


def test_first_deployment(raw: Raw, own: Own, at_once: AtOnce) -> None:
    def docker() -> None:
        raw.does("app.yml", SCRIPT=BAD)
        raw.wait("it crashes", lambda: any(task["CurrentState"].startswith("Failed") for task in raw.tasks()))
        raw.node.ask(f"docker stack rm {raw.name}")
        # To wait for it is to wait for ever: it crashes again and again, and there is no deadline.
        waiting = f"timeout 10 docker stack deploy --compose-file app.yml --detach=false {raw.name}"
        assert raw.node.run(waiting, {"REGISTRY": REGISTRY, "SCRIPT": BAD}).rc == 124

    def ours() -> None:
        result = own.deploy("app.yml", options={"deadline": 15}, SCRIPT=BAD)
        assert verdict(result)["state"] == "crashed"
        assert verdict(result)["failure"]["exit_code"] == 3
        assert "no such table" in result["msg"]
        assert result["reverted"]["removed"] == [own.full("app")]
        assert own.services() == {}

    at_once(docker, ours)


def test_keep_the_half(own: Own, say: Callable[[str], None]) -> None:
    own.does("two.yml")
    before = own.specs()
    result = own.deploy("two.yml", options={"on_failure": "keep"}, MARK="new", SCRIPT=BAD)
    assert verdict(result, "bad")["state"] == "paused"
    assert verdict(result, "good")["state"] == "converged"
    assert "no such table" in result["msg"]
    assert "reverted" not in result
    # Both have what was deployed, and the one that fails is where the swarm left it.
    assert {key for key, spec in own.specs().items() if spec != before[key]} == {"good", "bad"}
    assert own.update("bad") == "paused"
    assert own.script("bad") == BAD
    say(result["msg"])
