# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module swarm_rotate from its options to its result, on a swarm in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors
from ansible_collections.flotilla.swarm.plugins.modules import swarm_rotate, swarm_secrets
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from ansible_collections.flotilla.swarm.tests.support.memory_shop import Shop
from ansible_collections.flotilla.swarm.tests.support.module_runner import Runner

OLD = {"secrets": [{"name": "key", "value": "the old value"}]}
NEW = {"secrets": [{"name": "key", "value": "the new value"}]}


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    running = Runner(monkeypatch, capsys)
    running.engine = Shop()
    running.run(swarm_secrets, **OLD)
    running.engine.service("api", "key_v1")
    running.engine.service("web", "key_v1")
    return running


def shop_of(runner: Runner) -> Shop:
    assert isinstance(runner.engine, Shop)
    return runner.engine


def names(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(step["action"], step["kind"], step["name"]) for step in result["plan"]]


def rotate(runner: Runner, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    return runner.run(swarm_rotate, check_mode, stable_for=1, **options)


def test_check_mode_tells_what_the_run_then_does_and_a_second_run_does_nothing(runner: Runner) -> None:
    predicted = rotate(runner, check_mode=True, **NEW)
    assert shop_of(runner).written == []
    done = rotate(runner, **NEW)
    assert predicted["changed"] is done["changed"] is True
    assert names(predicted) == names(done)
    assert names(done) == [("create", "secret", "key_v2"), ("update", "service", "api"), ("update", "service", "web")]
    assert done["current"]["secrets"]["key"]["name"] == "key_v2"
    assert [verdict["state"] for verdict in done["verdicts"]] == ["converged", "converged"]
    again = rotate(runner, **NEW)
    assert again["changed"] is False
    assert names(again) == []


def test_pruning_is_foretold_and_leaves_what_a_rollback_needs(runner: Runner) -> None:
    rotate(runner, **NEW)
    predicted = rotate(runner, check_mode=True, prune=True, **OLD)
    done = rotate(runner, prune=True, **OLD)
    assert names(predicted) == names(done)
    assert ("remove", "secret", "key_v1") in names(done)
    assert [secret["Spec"]["Name"] for secret in runner.engine.secrets()] == ["key_v2", "key_v3"]
    assert done["kept"] == [{"name": "key_v2", "used_by": ["api", "web"]}]


def test_a_failed_rotation_tells_everything_and_leaves_the_old_value_as_the_newest(runner: Runner) -> None:
    shop = shop_of(runner)
    shop.fate["web"] = shop.crash
    result = rotate(runner, **NEW)
    assert result["failed"] is True
    assert result["changed"] is True
    assert result["back"] == ["web", "api"]
    assert result["dropped"] == ["key_v2"]
    assert names(result) == [("create", "secret", "key_v2")]
    assert result["diff"]["after"]
    assert [verdict["state"] for verdict in result["verdicts"]] == ["converged", "crashed"]
    assert [secret["Spec"]["Name"] for secret in shop.secrets()] == ["key_v1"]
    assert shop.mounted("api") == shop.mounted("web") == ["key_v1"]


def test_a_version_that_can_not_be_dropped_does_not_hide_why_the_rotation_failed(runner: Runner) -> None:
    shop = shop_of(runner)
    shop.fate["web"] = shop.crash

    def refuse(_secret_id: str) -> None:
        raise errors.NoQuorum("the swarm does not have a leader")

    shop.remove_secret = refuse  # type: ignore[method-assign]
    result = rotate(runner, **NEW)
    assert "The rotation failed, and every service that was touched has its old version again" in result["msg"]
    assert "new versions were not removed: the swarm does not have a leader" in result["msg"]
    assert result["dropped"] == []


def test_a_value_in_a_failed_containers_log_is_not_shown(runner: Runner) -> None:
    shop = shop_of(runner)

    def crash(service: dict[str, Any]) -> None:
        shop.crash(service)
        shop.logs[shop.task_list[-1]["ID"]] = "auth failed with password the new value\nbye"

    shop.fate["web"] = crash
    result = rotate(runner, **NEW)
    assert "auth failed with password" in result["msg"]
    assert "the new value" not in runner.output


def test_a_sick_service_is_refused_in_check_mode_too(runner: Runner) -> None:
    shop = shop_of(runner)
    shop.task_list.pop()
    shop.task("web", "failed", desired="shutdown", err="task: non-zero exit (3)")
    for check_mode in (True, False):
        result = rotate(runner, check_mode=check_mode, **NEW)
        assert result["error"] == "NotReady"
        assert "service web does not run well before anything was changed" in result["msg"]
    assert [secret["Spec"]["Name"] for secret in shop.secrets()] == ["key_v1"]


def test_an_adopted_secret_is_not_rotated_by_trust(runner: Runner) -> None:
    shop = shop_of(runner)
    shop.create_secret("hand_v1", b"what nobody knows", {})
    result = rotate(runner, secrets=[{"name": "hand", "value": "the new value", "adopt": True}])
    assert result["failed"] is True
    assert "hand: an adopted secret is taken to hold the declared value" in result["msg"]
    assert [secret["Spec"].get("Labels") for secret in shop.secrets() if secret["Spec"]["Name"] == "hand_v1"] == [{}]


def test_configs_move_too(runner: Runner) -> None:
    shop = shop_of(runner)
    rotate(runner, configs=[{"name": "conf", "value": "a: 1"}])
    container = shop.named("api")["Spec"]["TaskTemplate"]["ContainerSpec"]
    config = next(one for one in shop.configs() if one["Spec"]["Name"] == "conf_v1")
    container["Configs"] = [{"ConfigID": config["ID"], "ConfigName": "conf_v1", "File": {"Name": "/conf"}}]
    shop.settle("api")
    result = rotate(runner, configs=[{"name": "conf", "value": "a: 2"}])
    assert names(result) == [("create", "config", "conf_v2"), ("update", "service", "api")]
    (mount,) = shop.named("api")["Spec"]["TaskTemplate"]["ContainerSpec"]["Configs"]
    assert (mount["ConfigName"], mount["File"]) == ("conf_v2", {"Name": "/conf"})


def test_a_renewal_moves_services_to_a_fresh_version(runner: Runner) -> None:
    result = rotate(runner, renew=["key"], **OLD)
    assert result["current"]["secrets"]["key"]["name"] == "key_v2"
    assert shop_of(runner).mounted("web") == ["key_v2"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"deadline": 0}, "deadline: 0 is no time"),
        ({"renew": ["nobody"]}, "renew: nobody: not declared"),
        ({"secrets": [{"name": "key", "value": 5}]}, "write it in quotes"),
    ],
)
def test_what_is_declared_wrongly_names_the_key(runner: Runner, options: dict[str, Any], words: str) -> None:
    result = rotate(runner, **{**NEW, **options})
    assert result["failed"] is True
    assert words in result["msg"]
    assert shop_of(runner).written == []


def test_a_prune_that_fails_does_not_hide_the_rotation(runner: Runner) -> None:
    shop = shop_of(runner)
    rotate(runner, **NEW)

    def refuse(_secret_id: str) -> None:
        raise errors.EngineError("no")

    shop.remove_secret = refuse  # type: ignore[method-assign]
    result = rotate(runner, prune=True, **OLD)
    assert result["changed"] is True
    assert [verdict["state"] for verdict in result["verdicts"]] == ["converged", "converged"]
    assert "old versions were not removed: no" in runner.words


def test_a_worker_is_refused_with_the_mend(runner: Runner) -> None:
    runner.engine = MemoryEngine(manager=False)
    result = rotate(runner, **NEW)
    assert result["error"] == "NotAManager"
    assert "Run it on a manager" in result["msg"]
