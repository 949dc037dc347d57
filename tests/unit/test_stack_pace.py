# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pace of a service in a stack file."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.pace import of_spec
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import pace


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("1m30s", 90),
        ("1h0m0s", 3600),
        ("250ms", 0.25),
        ("1.5s", 1.5),
        ("100µs", 1e-4),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_go_durations(text: str, seconds: float) -> None:
    assert pace.seconds(text, 7) == pytest.approx(seconds)


@pytest.mark.parametrize("text", [None, "", "soon", "5", "5x", "s", 5])
def test_what_is_no_duration_is_the_default(text: Any) -> None:
    assert pace.seconds(text, 7) == 7


def test_the_health_grace_is_that_of_the_declared_check() -> None:
    def grace(check: dict[str, Any]) -> float:
        return pace.of_service({"healthcheck": check}).health_grace

    assert pace.of_service({}).health_grace == 0
    assert grace({"test": ["NONE"]}) == 0
    assert grace({"disable": True}) == 0
    assert grace({"test": ["CMD", "x"]}) == 90
    assert grace({"test": ["CMD", "x"], "interval": "5s", "retries": 2, "start_period": "20s"}) == 30


_POLICY = {"parallelism": 2, "delay": "30s", "monitor": "10s", "failure_action": "rollback"}
_SPEC_POLICY = {"Parallelism": 2, "Delay": 30 * 10**9, "Monitor": 10 * 10**9, "FailureAction": "rollback"}
_CHECK = {"test": ["CMD", "x"], "interval": "5s", "retries": 2, "start_period": "20s"}
_SPEC_CHECK = {"Test": ["CMD", "x"], "Interval": 5 * 10**9, "Retries": 2, "StartPeriod": 20 * 10**9}


@pytest.mark.parametrize(
    ("entry", "spec"),
    [
        ({}, {}),
        ({"deploy": {"update_config": _POLICY}}, {"UpdateConfig": _SPEC_POLICY}),
        (
            {"deploy": {"update_config": _POLICY, "rollback_config": {"parallelism": 0, "monitor": "3s"}}},
            {"UpdateConfig": _SPEC_POLICY, "RollbackConfig": {"Parallelism": 0, "Monitor": 3 * 10**9}},
        ),
        (
            {"healthcheck": _CHECK, "stop_grace_period": "30s"},
            {"TaskTemplate": {"ContainerSpec": {"Healthcheck": _SPEC_CHECK, "StopGracePeriod": 30 * 10**9}}},
        ),
        ({"healthcheck": {"disable": True}}, {"TaskTemplate": {"ContainerSpec": {"Healthcheck": {"Test": ["NONE"]}}}}),
    ],
)
def test_a_stack_file_and_the_service_made_from_it_have_one_pace(entry: dict[str, Any], spec: dict[str, Any]) -> None:
    assert pace.of_service(entry) == of_spec(spec)
