# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules swarm_scale and swarm_restart from their options to their results, on a swarm in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.modules import swarm_restart, swarm_scale
from ansible_collections.flotilla.swarm.tests.support.memory_service import Shop
from ansible_collections.flotilla.swarm.tests.support.module_runner import Runner

Json = dict[str, Any]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def runner(shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    running = Runner(monkeypatch, capsys)
    running.engine = shop
    return running


def scale(runner: Runner, check_mode: bool = False, **options: Any) -> Json:
    return runner.run(swarm_scale, check_mode, **{"stack": "shop", "stable_for": 1, **options})


def restart(runner: Runner, check_mode: bool = False, **options: Any) -> Json:
    return runner.run(swarm_restart, check_mode, **{"stack": "shop", "stable_for": 1, **options})


def test_scaling_foretold_done_and_done_already(runner: Runner, shop: Shop) -> None:
    foretold = scale(runner, check_mode=True, replicas={"api": "3"})
    assert shop.written == []
    done = scale(runner, replicas={"api": "3"})
    assert foretold["changed"] is done["changed"] is True
    assert foretold["plan"] == done["plan"]
    assert "verdicts" not in foretold
    assert done["diff"]["after"] == {"service shop_api": {"replicas": 3}}
    assert [(one["service"], one["state"], one["running"]) for one in done["verdicts"]] == [
        ("shop_api", "converged", 3)
    ]
    again = scale(runner, replicas={"api": 3})
    assert again["changed"] is False
    assert [one["state"] for one in again["verdicts"]] == ["converged"]


def test_a_scaling_that_fails_tells_all_and_takes_it_back(runner: Runner, shop: Shop) -> None:
    shop.fate["shop_api"] = shop.fail_once
    result = scale(runner, replicas={"api": 3})
    assert result["failed"] is True
    assert result["changed"] is True
    assert result["msg"].startswith("1 of 1 services of the stack shop did not converge.\n  shop_api: crashed")
    assert result["reverted"]["back"] == ["shop_api"]
    assert shop.replicas("api") == 2


def test_a_scaling_whose_half_is_kept(runner: Runner, shop: Shop) -> None:
    shop.fate["shop_api"] = shop.fail_once
    result = scale(runner, replicas={"api": 3}, on_failure="keep")
    assert result["failed"] is True
    assert "reverted" not in result
    assert shop.replicas("api") == 3


def test_scaling_in_flight_is_refused(runner: Runner, shop: Shop) -> None:
    shop.update_is("api", "updating")
    for check_mode in (False, True):
        result = scale(runner, check_mode, replicas={"api": 3})
        assert "an update of the service shop_api is in flight (updating)" in result["msg"]
        assert len(result["problems"]) == 1
    assert shop.written == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"replicas": {}}, "replicas is empty"),
        ({"replicas": {"api": -1}}, "replicas.api: -1 is no count of tasks"),
        ({"replicas": {"api": 1}, "owner": " "}, "owner is empty"),
        ({"replicas": {"api": 1}, "owner": "somebody"}, "something else deployed the service shop_api"),
    ],
)
def test_what_makes_no_sense_is_refused(runner: Runner, options: Json, words: str) -> None:
    assert words in scale(runner, **options)["msg"]


def test_a_restart_foretold_and_done(runner: Runner, shop: Shop) -> None:
    foretold = restart(runner, check_mode=True)
    assert shop.written == []
    done = restart(runner)
    assert foretold["changed"] is done["changed"] is True
    assert foretold["plan"] == done["plan"]
    assert [one["service"] for one in done["verdicts"]] == ["shop_api", "shop_web"]
    assert restart(runner, services=["web"])["changed"] is True
    assert (shop.restarts("api"), shop.restarts("web")) == (1, 2)


def test_a_restart_that_fails_tells_what_was_left_alone(runner: Runner, shop: Shop) -> None:
    shop.add("off", 0)
    shop.fate["shop_api"] = shop.fail
    result = restart(runner)
    assert "shop_off: not restarted: it has no tasks" in runner.words
    assert result["failed"] is True
    assert result["changed"] is True
    assert result["untouched"] == ["shop_web"]
    assert [one["state"] for one in result["verdicts"]] == ["crashed"]
    assert "Not restarted: shop_web." in result["msg"]


def test_a_restart_in_flight_is_refused(runner: Runner, shop: Shop) -> None:
    shop.update_is("web", "rollback_started")
    assert "an update of the service shop_web is in flight" in restart(runner, services=["api"])["msg"]
    assert shop.written == []
