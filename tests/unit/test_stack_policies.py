# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Update policies that end before a healthcheck can fail."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import policies
from ansible_collections.flotilla.swarm.tests.support.stack_rooms import deployed, steps_of

Json = dict[str, Any]
CHECK = {"test": ["CMD", "true"], "interval": "30s", "retries": 3, "start_period": "60s"}


def service(check: Json | None, **update: Any) -> Json:
    return {"healthcheck": check, "deploy": {"update_config": update} if update else {}}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (service(CHECK, monitor="60s"), "for 60s, and its healthcheck takes 90s to fail"),
        (service(CHECK, monitor="90s"), ""),
        # The engine's defaults: a monitor of 5s, 30s * 3 for a healthcheck.
        (service({"test": ["CMD", "true"]}, parallelism=2), "for 5s, and its healthcheck takes 90s"),
        (service({**CHECK, "interval": "1s"}, parallelism=2), ""),
        (service(CHECK, monitor="5s", failure_action="continue"), ""),
        (service(CHECK), ""),
        (service(None, monitor="1s"), ""),
        (service({"disable": True}, monitor="1s"), ""),
    ],
)
def test_a_monitor_that_is_too_short_is_told_with_its_numbers(entry: Json, told: str) -> None:
    found = policies.warnings(steps_of({"web": entry}), 60)
    assert len(found) == bool(told)
    if told:
        assert found[0].startswith("services.web.deploy.update_config.monitor: ")
        assert told in found[0]
        assert "set monitor: 90s" in found[0]
    there = deployed({"web": entry})
    assert policies.warnings(steps_of({"web": entry}, there), 60) == []


@pytest.mark.parametrize(
    ("cap", "told"), [(60, "watches for 60s, and no longer (stable_for): "), (200, "watches for 150s: ")]
)
def test_it_says_what_the_deployment_itself_sees(cap: float, told: str) -> None:
    (found,) = policies.warnings(steps_of({"web": service(CHECK, monitor="5s")}), cap)
    assert told in found
