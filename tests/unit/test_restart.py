# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an engine may be restarted, and when it counts as back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import Membership
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import loaded_config, restart
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import DeadlineExceeded, EngineUnreachable
from ansible_collections.flotilla.swarm.plugins.modules import engine_restart

MANAGER = Membership("active", "c1", "id-m1", "m1", "manager", is_manager=True)
WORKER = Membership("active", "c1", "id-w1", "w1", "worker")
OUTSIDE = Membership("inactive")
LOCKED = Membership("locked")


class Local:
    """What a manager's engine answers: its peers' reachability, and whether autolock is on."""

    def __init__(self, *reachability: str, autolock: bool = False, leader: int = 0) -> None:
        self._nodes: list[dict[str, Any]] = [
            {"ID": f"id-m{number}", "ManagerStatus": {"Reachability": word, "Leader": number == leader}}
            for number, word in enumerate(reachability, 1)
        ]
        self._autolock = autolock

    def nodes(self) -> list[dict[str, Any]]:
        return [*self._nodes, {"ID": "id-w1"}]

    def swarm_inspect(self) -> dict[str, Any]:
        return {"Spec": {"EncryptionConfig": {"AutoLockManagers": self._autolock}}}


@pytest.mark.parametrize(
    ("engine", "before", "word"),
    [
        (Local("reachable", "reachable", "reachable"), MANAGER, None),
        (Local("reachable", "reachable", "unreachable"), MANAGER, "quorum"),
        (Local("reachable", "reachable"), MANAGER, "quorum"),
        (Local("reachable"), MANAGER, None),
        (Local("reachable", "reachable", "reachable", autolock=True), MANAGER, "autolock"),
        (Local(), WORKER, None),
        (Local(), OUTSIDE, None),
        (Local(), Membership("active", "c1", "id-m1", "m1", "manager", error="no leader"), "no leader"),
    ],
    ids=["three of three", "two of three", "two of two", "the only one", "autolock", "worker", "outside", "no quorum"],
)
def test_a_manager_is_restarted_only_while_the_quorum_holds(
    engine: Local, before: Membership, word: str | None
) -> None:
    reason = restart.refusal(engine, before)
    if word is None:
        assert reason is None
    else:
        assert reason is not None
        assert word in reason


@pytest.mark.parametrize(
    ("engine", "before", "seconds"),
    [
        (Local("reachable", "reachable", "reachable", leader=1), MANAGER, restart.ELECTION),
        (Local("reachable", "reachable", "reachable", leader=2), MANAGER, 0),
        (Local("reachable", leader=1), MANAGER, 0),
        (Local(), WORKER, 0),
        (Local(), OUTSIDE, 0),
    ],
    ids=["leader", "follower", "the only one", "worker", "outside"],
)
def test_a_leader_stays_down_until_another_one_is_elected(engine: Local, before: Membership, seconds: int) -> None:
    assert restart.pause(engine, before) == seconds


def run(before: Membership, *seen: Membership | Exception, starts: tuple[float, ...] = (1.0, 2.0)) -> list[str]:
    """Restart an engine that then shows these states, one a look; returns what was done."""
    done: list[str] = []
    states, times = list(seen), list(starts)

    def observe() -> Membership:
        state = states.pop(0) if len(states) > 1 else states[0]
        if isinstance(state, Exception):
            raise state
        return state

    def started() -> float:
        return times.pop(0) if len(times) > 1 else times[0]

    restart.restart(lambda: done.append("restart"), observe, started, before, 0.0 if len(seen) == 1 else 30.0)
    return done


@pytest.mark.parametrize("before", [MANAGER, WORKER, OUTSIDE], ids=["manager", "worker", "outside"])
def test_it_returns_when_the_host_is_what_it_was(before: Membership) -> None:
    assert run(before, EngineUnreachable("gone"), Membership("pending"), before) == ["restart"]


def test_an_engine_that_was_still_joining_may_come_back_as_a_member() -> None:
    assert run(Membership("pending"), EngineUnreachable("gone"), WORKER) == ["restart"]


def test_a_manager_without_control_is_not_back() -> None:
    with pytest.raises(DeadlineExceeded, match=r"active.*journalctl"):
        run(MANAGER, Membership("active", "c1", "id-m1", "m1", "manager"))


def test_a_locked_manager_is_not_back() -> None:
    with pytest.raises(DeadlineExceeded, match="locked"):
        run(MANAGER, LOCKED)


def test_the_old_process_does_not_count_as_the_new_one() -> None:
    with pytest.raises(DeadlineExceeded, match="still stopping"):
        run(WORKER, WORKER, starts=(1.0,))


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The root of a host whose engine was started at second 1600, with its file written before."""
    ticks = int(600 * os.sysconf("SC_CLK_TCK"))
    fields = ["S", "1", *["0"] * 17, str(ticks), "0"]
    for name, text in {
        "run/docker.pid": "77",
        "proc/77/cmdline": "/usr/sbin/dockerd\0-H\0fd://\0",
        "proc/77/stat": "77 (docker d) " + " ".join(fields),
        "proc/stat": "cpu 1 2 3\nbtime 1000\n",
        "etc/docker/daemon.json": '{"a": 1, "b": {"c": 2, "d": 3}}',
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    write(tmp_path, '{"a": 1, "b": {"c": 2, "d": 3}}', 1500.0)
    return tmp_path


def write(root: Path, text: str, when: float) -> None:
    file = root / loaded_config.FILE
    file.write_text(text, encoding="utf-8")
    os.utime(file, (when, when))


def restarted(root: Path) -> None:
    """The engine's process is another one, started at second 1900."""
    fields = ["S", "1", *["0"] * 17, str(int(900 * os.sysconf("SC_CLK_TCK"))), "0"]
    (root / "proc/77/stat").write_text("77 (docker d) " + " ".join(fields), encoding="utf-8")


@pytest.mark.parametrize(("written", "stale"), [(1500.0, False), (1700.0, True)], ids=["before", "after"])
def test_a_configuration_written_after_the_start_is_stale(host: Path, written: float, stale: bool) -> None:
    os.utime(host / loaded_config.FILE, (written, written))
    assert loaded_config.engine_ticks(host) == 600 * os.sysconf("SC_CLK_TCK")
    assert loaded_config.is_stale(host) is stale


@pytest.mark.parametrize(
    ("text", "stale"),
    [
        ('{"b": {"d": 3, "c": 2},\n\n  "a": 1}', False),
        ('{"a": 1, "b": {"c": 2, "d": 4}}', True),
        ('{"a": true, "b": {"c": 2, "d": 3}}', True),
        ("{broken", True),
    ],
    ids=["another form", "another value", "true for 1", "broken"],
)
def test_a_file_that_was_remembered_is_stale_only_when_it_says_something_else(
    host: Path, text: str, stale: bool
) -> None:
    loaded_config.remember(host)
    write(host, text, 1700.0)
    assert loaded_config.is_stale(host) is stale


def test_a_file_that_the_engine_was_not_started_with_is_not_remembered(host: Path) -> None:
    write(host, "{}", 1700.0)
    loaded_config.remember(host)
    assert not (host / loaded_config.MEMORY).exists()


def test_what_is_remembered_of_another_start_counts_for_nothing(host: Path) -> None:
    loaded_config.remember(host)
    first = (host / loaded_config.FILE).read_text(encoding="utf-8")
    write(host, "{}", 1800.0)
    restarted(host)
    assert loaded_config.is_stale(host) is False
    write(host, first, 2000.0)
    assert loaded_config.is_stale(host) is True


def test_a_file_from_the_future_costs_one_restart_and_not_one_each_run(host: Path) -> None:
    """Its clock was an hour ahead when it was written, and was set back since."""
    write(host, "{}", 5200.0)
    assert loaded_config.is_stale(host) is True
    before = loaded_config.digest(host)
    restarted(host)
    assert loaded_config.is_stale(host) is True, "what the next run would see if nothing were kept"
    loaded_config.remember_start(before, host)
    assert loaded_config.is_stale(host) is False
    loaded_config.remember(host)
    assert loaded_config.is_stale(host) is False


def test_a_change_is_seen_although_the_clock_was_set_forward_since(host: Path) -> None:
    """``btime`` moves with the clock, and so does a start that is told by it; the time of a file stays."""
    loaded_config.remember(host)
    write(host, "{}", 1700.0)
    (host / "proc/stat").write_text("btime 4600\n", encoding="utf-8")
    loaded_config.remember(host)
    assert loaded_config.is_stale(host) is True


def test_a_file_that_was_changed_while_the_engine_started_is_not_kept_as_loaded(host: Path) -> None:
    before = loaded_config.digest(host)
    write(host, "{}", 2000.0)
    restarted(host)
    loaded_config.remember_start(before, host)
    assert loaded_config.is_stale(host) is True


def test_the_module_keeps_what_it_has_restarted_the_engine_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest is of before: what is written while the engine starts may not have been loaded."""
    done: list[str] = []
    monkeypatch.setattr(engine_restart.host, "observe_membership", lambda _engine: WORKER)
    monkeypatch.setattr(engine_restart.loaded_config, "digest", lambda: done.append("digest") or "before")
    monkeypatch.setattr(engine_restart.loaded_config, "remember_start", done.append)
    monkeypatch.setattr(engine_restart.restarting, "restart", lambda *_arguments: done.append("restart"))
    with patch_module_args({}), pytest.raises(SystemExit):
        engine_restart.main()
    assert done == ["digest", "restart", "before"]


def test_what_can_not_be_remembered_is_no_failure(host: Path) -> None:
    (host / "run/flotilla").write_text("a file where a directory should be", encoding="utf-8")
    loaded_config.remember(host)
    os.utime(host / loaded_config.FILE, (1700.0, 1700.0))
    assert loaded_config.is_stale(host) is True


@pytest.mark.parametrize("command", ["/usr/sbin/nginx\0dockerd\0", ""], ids=["another program", "a kernel thread"])
def test_of_another_program_with_its_old_process_id_it_can_not_be_told(host: Path, command: str) -> None:
    (host / "proc/77/cmdline").write_text(command, encoding="utf-8")
    assert loaded_config.engine_ticks(host) is None
    assert loaded_config.is_stale(host) is None


def test_without_a_process_it_can_not_be_told(tmp_path: Path) -> None:
    assert loaded_config.engine_ticks(tmp_path) is None
    assert loaded_config.is_stale(tmp_path) is None
    loaded_config.remember(tmp_path)
    assert not (tmp_path / loaded_config.MEMORY).exists()
