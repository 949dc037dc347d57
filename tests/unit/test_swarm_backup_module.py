# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module swarm_backup: which units it starts, what counts as changed, and in whose words a failure is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._host import backup_units, command
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.modules import swarm_backup

Answer = tuple[int, str, str]
FINE: Answer = (0, "", "")


class Node:
    """A node's systemd in memory. ``units``: what a unit does when it is started."""

    def __init__(self, status: Path) -> None:
        self.status = status
        self.units: dict[str, Callable[[], Answer]] = {}
        self.started: list[str] = []
        self.properties = {"InvocationID": "", "ActiveState": "inactive"}
        self.journal: dict[str, str] = {}

    def note(self, job: str, **values: Any) -> Answer:
        self.status.mkdir(exist_ok=True)
        noted = {"job": job, "verdict": "unverified", "snapshot": "", **values}
        (self.status / (job + ".json")).write_text(json.dumps(noted), encoding="utf-8")
        return FINE

    def run(self, words: Sequence[str], deadline: float = command.DEADLINE) -> Answer:
        if words[:2] == ["systemctl", "start"]:
            self.started.append(words[-1])
            assert deadline == 100
            return self.units[words[-1]]()
        if words[:2] == ["systemctl", "show"]:
            return 0, self.properties[words[3]] + "\n", ""
        if words[0] == "journalctl":
            return 0, self.journal.get(words[-1], ""), ""
        raise AssertionError(words)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    found = Node(tmp_path / "status")
    monkeypatch.setattr(backup_units, "STATUS", found.status)
    monkeypatch.setattr(command, "run", found.run)
    return found


def run(capsys: pytest.CaptureFixture[str], check: bool = False, **options: Any) -> dict[str, Any]:
    arguments = {"deadline": 100, **options, "_ansible_check_mode": check}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        swarm_backup.main()
    return dict(json.loads(capsys.readouterr().out))


def test_a_node_that_never_did_anything_has_no_status(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys)
    assert (found["changed"], found["statuses"], found["made"], node.started) == (False, [], [], [])


def test_a_new_snapshot_is_a_change(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.note("db", snapshot="aaaa")
    node.note("raft", snapshot="bbbb")
    node.units["flotilla-backup@all.service"] = lambda: node.note("db", snapshot="cccc")
    found = run(capsys, state="run")
    assert node.started == ["flotilla-backup@all.service"]
    assert (found["changed"], found["made"]) == (True, ["db"])
    assert found["diff"] == {"before": {"db": "aaaa"}, "after": {"db": "cccc"}}
    assert [status["snapshot"] for status in found["statuses"]] == ["cccc", "bbbb"]


def test_what_is_not_this_nodes_changes_nothing(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.note("db", snapshot="aaaa")
    node.units["flotilla-backup@other.service"] = lambda: FINE
    found = run(capsys, state="run", job="other")
    assert (found["changed"], node.started) == (False, ["flotilla-backup@other.service"])


def test_a_verification_is_no_change(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.note("db", snapshot="aaaa")
    node.units["flotilla-verify@db.service"] = lambda: node.note("db", snapshot="aaaa", verdict="good")
    found = run(capsys, state="verify", job=["db"])
    assert (found["changed"], found["statuses"][0]["verdict"]) == (False, "good")


@pytest.mark.parametrize("state", ["run", "verify"])
def test_nothing_is_started_in_check_mode(node: Node, capsys: pytest.CaptureFixture[str], state: str) -> None:
    node.note("db", snapshot="aaaa")
    found = run(capsys, check=True, state=state)
    assert (found["changed"], node.started, len(found["statuses"])) == (False, [], 1)


def test_a_failure_is_told_in_the_agents_words_and_the_others_are_done(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    node.properties["InvocationID"] = "0123"
    node.journal["_SYSTEMD_INVOCATION_ID=0123"] = "db: wrong password: set swarm_backup_password\n"
    node.units["flotilla-backup@db.service"] = lambda: (1, "", "Job for flotilla-backup@db.service failed.")
    node.units["flotilla-backup@raft.service"] = lambda: node.note("raft", snapshot="bbbb")
    found = run(capsys, state="run", job=["db", "raft"])
    assert found["failed"]
    assert found["msg"] == "flotilla-backup@db.service failed: db: wrong password: set swarm_backup_password"
    assert (found["changed"], found["made"]) == (True, ["raft"])


def test_a_unit_that_never_ran_is_told_in_systemds_words(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.units["flotilla-backup@all.service"] = lambda: (5, "", "Unit flotilla-backup@all.service not found.\n")
    found = run(capsys, state="run")
    assert found["msg"] == "flotilla-backup@all.service failed: Unit flotilla-backup@all.service not found."


@pytest.mark.parametrize(
    ("state", "words"), [("activating", "still runs after 100 s, and goes on"), ("inactive", "no answer")]
)
def test_a_unit_that_takes_longer_goes_on(
    node: Node, capsys: pytest.CaptureFixture[str], state: str, words: str
) -> None:
    def hang() -> Answer:
        raise HostError("no answer")

    node.properties["ActiveState"] = state
    node.units["flotilla-backup@all.service"] = hang
    assert words in run(capsys, state="run")["msg"]


@pytest.mark.parametrize("text", ["{", "[]", '{"job": "other"}'])
def test_a_status_that_can_not_be_read_is_not_taken_for_none(
    node: Node, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    node.note("db")
    (node.status / "db.json").write_text(text, encoding="utf-8")
    found = run(capsys)
    assert found["failed"]
    assert str(node.status / "db.json") in found["msg"]


def test_a_status_that_is_being_written_is_passed_over(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.note("db")
    (node.status / ".db.json").write_text("{", encoding="utf-8")
    (node.status / "db.json.new").write_text("{", encoding="utf-8")
    assert len(run(capsys)["statuses"]) == 1


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("restic 0.18.0 compiled with go1.24.4 on linux/amd64\n", None),
        ("restic 0.18.0-dev (compiled manually)\n", None),
        ("restic 1.0.0\n", None),
        ("restic 0.17.3 compiled with go1.23\n", "restic 0.17 is too old: install restic 0.18 or newer"),
        ("restic 0.9.6\n", "restic 0.9 is too old"),
        (None, "there is no restic on this host: install restic 0.18 or newer"),
    ],
)
def test_restic_is_new_enough(monkeypatch: pytest.MonkeyPatch, said: str | None, problem: str | None) -> None:
    monkeypatch.setattr(command, "find", lambda _name: said and "/usr/bin/restic")
    monkeypatch.setattr(command, "run", lambda _words, _deadline=0: (0, said, ""))
    found = backup_units.restic_problem()
    assert found is None if problem is None else problem in str(found)


def test_a_restic_that_says_no_version_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find", lambda _name: "/usr/bin/restic")
    monkeypatch.setattr(command, "run", lambda _words, _deadline=0: (0, "hello\n", ""))
    with pytest.raises(HostError, match="does not say its version: 'hello'"):
        backup_units.restic_problem()
