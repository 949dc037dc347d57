# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that reads a swarm's definition."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.flotilla.swarm.plugins.modules import swarm_definition_info
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from ansible_collections.flotilla.swarm.tests.support.module_runner import Runner


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(monkeypatch, capsys)


def test_it_returns_every_section_and_no_secret(runner: Runner) -> None:
    runner.engine.create_secret("key_v1", b"canary", {"version": "1"})
    runner.engine.create_config("words", b"good words", {})
    result = runner.run(swarm_definition_info)
    assert not result["changed"]
    assert result["cluster_id"] == "cluster"
    definition = result["definition"]
    assert set(definition) == {"format", "swarm", "nodes", "services", "networks", "secrets", "configs"}
    assert definition["secrets"] == {"key_v1": {"labels": {"version": "1"}}}
    assert base64.b64decode(definition["configs"]["words"]["data"]) == b"good words"
    printed = json.dumps(result)
    assert "canary" not in printed
    assert base64.b64encode(b"canary").decode() not in printed


def test_what_the_engine_has_new_ids_for_is_equal(runner: Runner) -> None:
    """A swarm that was made anew out of a backup on other nodes."""
    runner.engine.create_secret("gone", b"x", {})
    runner.engine.create_secret("key_v1", b"canary", {})
    runner.engine.remove_secret(runner.engine.secrets()[0]["ID"])
    before = runner.run(swarm_definition_info)["definition"]
    runner.engine = MemoryEngine()
    runner.engine.create_secret("key_v1", b"canary", {})
    assert runner.run(swarm_definition_info)["definition"] == before


def test_a_worker_is_told_to_ask_a_manager(runner: Runner) -> None:
    runner.engine = MemoryEngine(manager=False)
    result = runner.run(swarm_definition_info)
    assert result["failed"]
    assert "Run it on a manager" in result["msg"]
