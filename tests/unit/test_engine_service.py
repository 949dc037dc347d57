# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd is asked for when an engine is restarted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._host import command, engine_service
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(command, "demand", lambda words, _what: found.append(" ".join(words)))
    return found


def test_an_engine_is_restarted_at_once(asked: list[str]) -> None:
    engine_service.restart()
    assert asked == ["systemctl restart --no-block docker.service"]


def test_one_that_stays_down_is_started_by_a_timer_that_is_there_before_the_stop(asked: list[str]) -> None:
    engine_service.restart(30)
    timer, stop = asked
    assert timer.startswith("systemd-run --on-active=30s ")
    assert timer.endswith("systemctl start docker.socket docker.service")
    assert stop == "systemctl stop --no-block -- docker.socket docker.service"


def test_without_the_timer_nothing_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(words: Sequence[str], _what: str) -> None:
        assert words[0] == "systemd-run"
        raise HostError("no")

    monkeypatch.setattr(command, "demand", refuse)
    with pytest.raises(HostError):
        engine_service.restart(30)
