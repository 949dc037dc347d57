# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When an engine may be restarted, and when it counts as back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import Membership
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host, restart
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import DeadlineExceeded, EngineUnreachable

MANAGER = Membership("active", "c1", "id-m1", "m1", "manager", is_manager=True)
WORKER = Membership("active", "c1", "id-w1", "w1", "worker")
OUTSIDE = Membership("inactive")
LOCKED = Membership("locked")


class Local:
    """What a manager's engine answers: its peers' reachability, and whether autolock is on."""

    def __init__(self, *reachability: str, autolock: bool = False) -> None:
        self._nodes: list[dict[str, Any]] = [
            {"ID": f"id-m{number}", "ManagerStatus": {"Reachability": word}}
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


def test_a_manager_without_control_is_not_back() -> None:
    with pytest.raises(DeadlineExceeded, match=r"active.*journalctl"):
        run(MANAGER, Membership("active", "c1", "id-m1", "m1", "manager"))


def test_a_locked_manager_is_not_back() -> None:
    with pytest.raises(DeadlineExceeded, match="locked"):
        run(MANAGER, LOCKED)


def test_the_old_process_does_not_count_as_the_new_one() -> None:
    with pytest.raises(DeadlineExceeded, match="still stopping"):
        run(WORKER, WORKER, starts=(1.0,))


@pytest.mark.parametrize(("written", "stale"), [(1500.0, False), (1700.0, True)], ids=["before", "after"])
def test_a_configuration_written_after_the_start_is_stale(tmp_path: Path, written: float, stale: bool) -> None:
    ticks = int(600 * os.sysconf("SC_CLK_TCK"))
    fields = ["S", "1", *["0"] * 17, str(ticks), "0"]
    for name, text in {
        "run/docker.pid": "77",
        "proc/77/stat": "77 (docker d) " + " ".join(fields),
        "proc/stat": "cpu 1 2 3\nbtime 1000\n",
        "etc/docker/daemon.json": "{}",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    os.utime(tmp_path / "etc/docker/daemon.json", (written, written))
    assert host.engine_started(tmp_path) == 1600.0
    assert host.configuration_is_stale(tmp_path) is stale


def test_without_a_process_nothing_is_stale(tmp_path: Path) -> None:
    assert host.engine_started(tmp_path) is None
    assert host.configuration_is_stale(tmp_path) is False
