# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module swarm_backup_repository: when a repository is made, and when one was lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import store
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.settings import Settings
from ansible_collections.flotilla.swarm.plugins.module_utils._host import backup_agent
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.modules import swarm_backup_repository

from tests.support.backup_agent import settings

HAD = {"job": "db", "verdict": "good", "snapshot": "1f0c5a9e"}
NEVER = {"job": "raft", "verdict": "refused", "snapshot": ""}


class Place:
    """Where the repository is, or is to be."""

    def __init__(self) -> None:
        self.there = False
        self.away = False
        self.asked: list[Sequence[str]] = []

    def answer(self, words: Sequence[str], deadline: float) -> dict[str, Any]:
        assert deadline == 900
        self.asked.append(words)
        made, self.there = not self.there, True
        return {"made": made}

    def restic(self, _settings: Settings) -> Place:
        return self

    def exists(self) -> bool:
        if self.away:
            raise HostError("the host of it does not answer")
        return self.there


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Place:
    found = Place()
    monkeypatch.setattr(backup_agent, "answer", found.answer)
    monkeypatch.setattr(store, "settings", settings)
    monkeypatch.setattr(swarm_backup_repository, "Restic", found.restic)
    return found


def run(capsys: pytest.CaptureFixture[str], check: bool = False, **options: Any) -> dict[str, Any]:
    with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        swarm_backup_repository.main()
    return dict(json.loads(capsys.readouterr().out))


def test_it_is_made_once_where_no_host_has_had_a_backup(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    statuses = {"m1": [], "m2": [NEVER]}
    found = run(capsys, statuses=statuses)
    assert (found["changed"], found["made"]) == (True, True)
    found = run(capsys, statuses=statuses)
    assert (found["changed"], found["made"]) == (False, False)
    assert place.asked == [["make-repository"]] * 2


def test_none_is_made_where_any_host_has_had_a_backup(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that would make it may be new, and know nothing of that."""
    found = run(capsys, statuses={"m1": [], "w2": [HAD, {**HAD, "job": "etc"}], "w1": [NEVER, HAD]})
    assert found["failed"]
    assert found["msg"].startswith("there is no repository at /srv/backup any more, and hosts have had backups in it")
    assert "which are w1 (db), w2 (db, etc): bring it back" in found["msg"]
    assert (place.there, place.asked) == (False, [])


def test_one_that_is_there_will_do(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.there = True
    found = run(capsys, statuses={"m1": [], "w1": [HAD]}, unasked=["w2"])
    assert (found["changed"], found["made"]) == (False, False)


def test_none_is_made_where_not_all_hosts_were_asked(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, statuses={"m1": []}, unasked=["w2", "w1"])
    assert found["failed"]
    assert "it is not known whether w1, w2 had backups in one: run this without --limit" in found["msg"]
    assert (place.there, place.asked) == (False, [])


def test_one_that_does_not_answer_is_not_taken_for_lost(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.away = True
    assert run(capsys, statuses={"w1": [HAD]})["msg"] == "the host of it does not answer"


def test_nothing_is_asked_in_check_mode(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.away = True
    found = run(capsys, check=True, statuses={"w1": [HAD]})
    assert (found["changed"], place.asked) == (False, [])
