# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory of a swarm's member: measured, copied, set aside and put back, in real directories."""

from __future__ import annotations

import shutil
import socket
import stat
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._host import swarm_state
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

FILES = ("docker-state.json", "state.json", "raft/wal-v3-encrypted/0.wal", "certificates/swarm-node.key")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    found = tmp_path / "docker" / "swarm"
    for name in FILES:
        file = found / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, encoding="utf-8")
        file.chmod(0o600)
    found.chmod(0o755)
    return found


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


# -- size ------------------------------------------------------------------------------------------------------------


def test_the_size_is_what_files_take_on_the_disk(root: Path) -> None:
    before = swarm_state.size(root)
    (root / "raft" / "more").write_bytes(b"x" * (1 << 20))
    with (root / "raft" / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert 1 << 20 <= swarm_state.size(root) - before < 2 << 20


def test_a_state_that_is_not_there_has_no_size(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="nothing can't be read: No such file"):
        swarm_state.size(tmp_path / "nothing")


def test_a_file_that_goes_meanwhile_takes_no_room(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Path.rglob

    def and_then_it_goes(self: Path, pattern: str) -> list[Path]:
        found = list(listed(self, pattern))
        (root / FILES[2]).unlink()
        return found

    monkeypatch.setattr(Path, "rglob", and_then_it_goes)
    assert swarm_state.size(root) > 0


def test_what_is_free_is_what_the_file_system_says(tmp_path: Path) -> None:
    assert swarm_state.free(tmp_path) == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
    with pytest.raises(HostError, match="can't be read"):
        swarm_state.free(tmp_path / "nothing")


# -- copy ------------------------------------------------------------------------------------------------------------


def test_a_copy_has_all_files_with_their_content_and_modes(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "staging" / "raft" / "swarm"
    swarm_state.copy(root, target)
    assert files(target) == sorted(FILES)
    assert all((target / name).read_text(encoding="utf-8") == name for name in FILES)
    assert {stat.S_IMODE((target / name).stat().st_mode) for name in FILES} == {0o600}


def test_a_copy_is_for_root_alone(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "staging" / "swarm"
    swarm_state.copy(root, target)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (target, target.parent)} == {0o700}


def test_links_stay_links_and_sockets_stay_behind(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "link").symlink_to("/etc/hostname")
    monkeypatch.chdir(root)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as served:
        served.bind("control.sock")
        swarm_state.copy(root, tmp_path / "target")
    assert (tmp_path / "target" / "link").readlink() == Path("/etc/hostname")
    assert (root / "control.sock").is_socket()
    assert not (tmp_path / "target" / "control.sock").exists()


def test_half_a_copy_is_removed(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shutil.copy2

    def full(source: str, target: str, **options: bool) -> str:
        if source.endswith("0.wal"):
            raise OSError(28, "No space left on device")
        return str(whole(source, target, **options))

    monkeypatch.setattr(shutil.copytree, "__defaults__", (False, None, full, False, False))
    with pytest.raises(HostError, match=r"can't be copied to .*No space left on device"):
        swarm_state.copy(root, tmp_path / "target")
    assert not (tmp_path / "target").exists()
    assert files(root) == sorted(FILES)


def test_a_copy_leaves_what_was_there_before(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "precious").touch()
    with pytest.raises(HostError, match="target is there already, so nothing was copied to it"):
        swarm_state.copy(root, target)
    assert files(target) == ["precious"]


# -- set aside, put, forget ------------------------------------------------------------------------------------------


def test_a_state_that_is_set_aside_lies_beside_its_place(root: Path) -> None:
    aside = swarm_state.set_aside(root)
    assert aside is not None
    assert aside.parent == root.parent
    assert aside.name.startswith("swarm.aside-")
    assert not root.exists()
    assert files(aside) == sorted(FILES)


def test_where_there_is_no_state_none_is_set_aside(tmp_path: Path) -> None:
    assert swarm_state.set_aside(tmp_path / "swarm") is None


def test_a_state_that_can_not_be_set_aside_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm_state.time, "time", lambda: 1.0)
    taken = root.with_name("swarm.aside-1")
    taken.mkdir()
    (taken / "older").touch()
    with pytest.raises(HostError, match="swarm can't be set aside: Directory not empty"):
        swarm_state.set_aside(root)
    assert files(root) == sorted(FILES)
    assert files(taken) == ["older"]


def test_a_state_is_put_where_there_is_none(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "other" / "swarm"
    swarm_state.put(root, target)
    assert files(target) == sorted(FILES)
    assert files(root) == sorted(FILES)


def test_a_state_is_never_put_over_another(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "other" / "swarm"
    target.mkdir(parents=True)
    (target / "precious").touch()
    with pytest.raises(HostError, match="would be overwritten: set it aside first"):
        swarm_state.put(root, target)
    assert files(target) == ["precious"]


def test_addresses_are_forgotten_and_nothing_else(root: Path) -> None:
    swarm_state.forget_addresses(root)
    assert files(root) == ["certificates/swarm-node.key", "raft/wal-v3-encrypted/0.wal"]
    swarm_state.forget_addresses(root)


def test_an_address_that_can_not_be_forgotten_is_said(root: Path) -> None:
    (root / "state.json").unlink()
    (root / "state.json").mkdir()
    with pytest.raises(HostError, match=r"state\.json can't be removed"):
        swarm_state.forget_addresses(root)
