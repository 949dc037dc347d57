# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent is called with, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import (
    cli,
    fetch,
    lock,
    raft,
    restore,
    store,
    verify,
    volumes,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._agent.errors import Refused
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import status
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Summary
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineError
from ansible_collections.flotilla.swarm.plugins.module_utils._host import engine_service
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import CutShort, HostError

from tests.support.backup_agent import JOB, NODE, Engine, Repository, on_node, settings

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """Leave the process as it was."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGALRM)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Of a node in whose place memory and a directory are."""
    found = Engine()
    on_node(tmp_path, monkeypatch, Repository(), lambda _words: None)
    monkeypatch.setattr(cli, "LocalEngine", lambda: found)
    monkeypatch.setattr(raft, "STOPPED", tmp_path / "run" / "engine-stopped")
    monkeypatch.setattr(raft, "KEY", tmp_path / "run" / "unlock-key")
    monkeypatch.setattr(raft, "STAGING", tmp_path / "lib" / "staging" / "raft")
    store.make_directories()
    store.write_file(store.SETTINGS, json.dumps(settings("pg").as_dict()), 0o600)
    return found


def runs(monkeypatch: pytest.MonkeyPatch, ends: Any) -> None:
    """Let ``run`` end with problems, or with what it raises."""

    def run(*_arguments: Any) -> Any:
        if isinstance(ends, BaseException):
            raise ends
        return ends

    monkeypatch.setattr(cli, "run", run)


# -- how it is called ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["backup"],
        ["run"],
        ["run", "pg", "rd"],
        ["verify"],
        ["make-repository", "now"],
        ["start-engine", "now"],
        ["status", "pg"],
        ["fetch-state"],
        ["fetch-state", "latest", "cluster1", "more"],
        ["restore", "pg"],
        ["restore", "pg", "latest", "n1", "60", "more"],
    ],
)
def test_what_is_not_understood_is_told_the_usage(capsys: Captured, arguments: list[str]) -> None:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "run JOB|all, verify JOB|all, start-engine, status" in err


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("module", "name", "arguments", "passed"),
    [
        (cli, "run", ["run", "pg"], ["pg", "settings", "engine"]),
        (verify, "verify", ["verify", "all"], ["all", "settings", "engine"]),
        (fetch, "fetch", ["fetch-state", "latest"], ["latest", "", "settings"]),
        (fetch, "fetch", ["fetch-state", "abcd1234", "cluster1"], ["abcd1234", "cluster1", "settings"]),
        (restore, "restore", ["restore", "pg", "latest"], ["pg", "latest", "settings", "engine", ""]),
        (restore, "restore", ["restore", "pg", "latest", "n1", "60"], ["pg", "latest", "settings", "engine", "n1"]),
    ],
)
def test_a_command_is_passed_what_it_was_given(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, arguments: list[str], passed: list[str]
) -> None:
    seen: list[Any] = []

    def taken(*values: Any) -> Any:
        seen.extend(values)
        return [] if name in ("run", "verify") else {}

    monkeypatch.setattr(module, name, taken)
    assert cli.main(arguments) == 0
    known = {"settings": settings("pg"), "engine": engine}
    assert seen == [known.get(one, one) for one in passed]


# -- how it ends -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("kind", [HostError, EngineError, DeclarationError, Refused])
def test_an_error_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: Captured, kind: type[Exception]) -> None:
    runs(monkeypatch, kind("it is so: mend it"))
    assert cli.main(["run", "pg"]) == 1
    assert capsys.readouterr() == ("", "it is so: mend it\n")


@pytest.mark.usefixtures("engine")
def test_each_problem_is_a_line(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    runs(monkeypatch, ["pg: one", "rd: two"])
    assert cli.main(["run", "all"]) == 1
    assert capsys.readouterr().err == "pg: one\nrd: two\n"


def test_a_fault_of_the_agent_itself_is_not_hidden(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine
    runs(monkeypatch, KeyError("ID"))
    with pytest.raises(KeyError):
        cli.main(["run", "pg"])


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not there: run the role swarm_backup on this host"),
        ("{", "can't be read"),
        ('{"format": 9}', "its format is 9, and this agent reads 1"),
    ],
)
def test_settings_that_are_no_use_are_said_with_their_mend(capsys: Captured, content: str | None, said: str) -> None:
    store.SETTINGS.unlink()
    if content is not None:
        store.SETTINGS.write_text(content, encoding="utf-8")
    assert cli.main(["run", "pg"]) == 1
    err = capsys.readouterr().err
    assert said in err
    assert "run the role swarm_backup on this host" in err
    assert err.count("\n") == 1


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_who_is_stopped_puts_right_what_it_began(monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> None:
    """By systemd, the end of the connection that started it, or a key; and a second one cuts nothing short."""
    put_right: list[bool] = []

    def run(*_arguments: Any) -> list[str]:
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGINT)
            put_right.append(True)
        return []

    monkeypatch.setattr(cli, "run", run)
    signal.signal(number, signal.SIG_IGN)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["run", "pg"])
    assert stopped.value.code == code
    assert put_right == [True]


@pytest.mark.usefixtures("engine")
def test_a_restore_ends_itself_in_time_to_put_right_what_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def takes_long(*_arguments: Any) -> dict[str, Any]:
        try:
            time.sleep(20)
        finally:
            done.append("put right")
        return {}

    monkeypatch.setattr(restore, "restore", takes_long)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["restore", "pg", "latest", "", "1"])
    assert "pg was not restored within 1 s" in str(stopped.value.code)
    assert done == ["put right"]


@pytest.mark.usefixtures("engine")
def test_what_is_half_done_has_a_status_of_its_own(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    def fails(*_arguments: Any) -> dict[str, Any]:
        raise CutShort("a mixture")

    monkeypatch.setattr(restore, "restore", fails)
    assert cli.main(["restore", "pg", "latest"]) == 3
    assert capsys.readouterr().err == "a mixture\n"


@pytest.mark.usefixtures("engine")
def test_a_restore_that_ends_in_time_is_not_stopped_later(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    left: list[int] = []
    monkeypatch.setattr(restore, "restore", lambda *_arguments: left.append(signal.alarm(60)) or {})
    assert cli.main(["restore", "pg", "latest", "", "100"]) == 0
    assert 0 < left[0] <= 100
    assert signal.alarm(0) == 0
    assert cli.main(["restore", "pg", "latest", "", "soon"]) == 1
    assert "soon is no number of seconds" in capsys.readouterr().err


# -- status and start-engine -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("engine")
def test_the_status_of_all_jobs_is_one_line_of_json(capsys: Captured) -> None:
    for name in ("rd", "pg"):
        store.write(status.after_success(None, JOB[name], NODE, Summary("new-" + name, 7, 1.5), "2026-11-22T23:00:00Z"))
    assert cli.main(["status"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert [(one["job"], one["snapshot"]) for one in json.loads(line)["statuses"]] == [
        ("pg", "new-pg"),
        ("rd", "new-rd"),
    ]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(engine_service, "start", lambda: found.append("start"))
    monkeypatch.setattr(raft, "_state", lambda _engine: "")
    return found


@pytest.mark.usefixtures("engine")
def test_an_engine_that_nobody_stopped_is_not_started(started: list[str]) -> None:
    assert cli.main(["start-engine"]) == 0
    assert started == []


def test_what_a_killed_run_left_is_put_right(engine: Engine, started: list[str]) -> None:
    store.write_file(raft.STOPPED, "now\n", 0o600)
    store.write_file(volumes.PAUSED, '["live"]', 0o600)
    engine.frozen = ["live"]
    assert cli.main(["start-engine"]) == 0
    assert started == ["start"]
    assert engine.frozen == []
    assert not raft.STOPPED.exists()
    assert not volumes.PAUSED.exists()


@pytest.mark.usefixtures("engine", "started")
@pytest.mark.parametrize("stopped", [True, False])
def test_the_unlock_key_of_a_killed_run_is_removed(stopped: bool) -> None:
    if stopped:
        store.write_file(raft.STOPPED, "now\n", 0o600)
    store.write_file(raft.KEY, "SWMKEY-1-kept\n", 0o600)
    assert cli.main(["start-engine"]) == 0
    assert not raft.KEY.exists()


def test_what_another_run_does_is_left_to_it(engine: Engine, started: list[str]) -> None:
    raft.STAGING.mkdir()
    store.write_file(raft.STOPPED, "now\n", 0o600)
    store.write_file(volumes.PAUSED, '["live"]', 0o600)
    engine.frozen = ["live"]
    with lock.of_node():
        cli.main(["start-engine"])
    assert started == []
    assert engine.frozen == ["live"]
    assert raft.STAGING.exists()
