# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a swarm's member: copied whole or not at all, and never overwritten."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from unittest.mock import Mock

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._host import swarm_state
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError


@pytest.fixture
def state(tmp_path: Path) -> Path:
    root = tmp_path / "swarm"
    (root / "raft").mkdir(parents=True)
    (root / "raft" / "wal").write_bytes(b"x" * 10000)
    for name in swarm_state.ADDRESSES:
        (root / name).write_text("{}")
    return root


def test_a_copy_has_everything_but_sockets(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(state)  # a socket's path may not be long
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("control.sock")
        swarm_state.copy(state, target := tmp_path / "made" / "copy")
    assert sorted(one.name for one in target.iterdir()) == ["docker-state.json", "raft", "state.json"]
    assert (target / "raft" / "wal").read_bytes() == b"x" * 10000
    assert [path.stat().st_mode & 0o777 for path in (target.parent, target)] == [0o700, 0o700]


def test_a_copy_that_fails_leaves_nothing(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "utime", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(HostError, match=r"can't be copied to .*No space left"):
        swarm_state.copy(state, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_what_is_set_aside_lies_beside_it(state: Path) -> None:
    aside = swarm_state.set_aside(state)
    assert aside is not None
    assert aside.match("swarm.aside-*")
    assert (aside / "raft" / "wal").exists()
    assert swarm_state.set_aside(state) is None


def test_nothing_is_put_over_what_is_there(state: Path, tmp_path: Path) -> None:
    swarm_state.put(state / "raft", tmp_path / "other")
    with pytest.raises(HostError, match="is there, and would be overwritten"):
        swarm_state.put(state, tmp_path / "other")
    assert (tmp_path / "other" / "wal").exists()


def test_addresses_alone_are_forgotten(state: Path) -> None:
    for _again in range(2):
        swarm_state.forget_addresses(state)
        assert [one.name for one in state.iterdir()] == ["raft"]


def test_size_is_what_the_disk_holds(state: Path, tmp_path: Path) -> None:
    before = swarm_state.size(state)
    with (state / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert 10000 <= before <= swarm_state.size(state) < 1 << 20
    with pytest.raises(HostError, match="can't be read"):
        swarm_state.size(tmp_path / "nowhere")
