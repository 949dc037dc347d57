# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine is started with, wherever that is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._host import engine_command

SHOWN = """LoadState=loaded
ExecStart={ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// ${ROOT}/x $DOCKER_OPTS $NO ; ignore_errors=no }
Environment=A=b "ROOT=--data-root=/srv"
EnvironmentFiles=/etc/default/docker (ignore_errors=yes)
"""
DEFAULTS = """# DOCKER_OPTS="--dns 192.0.2.1"

DOCKER_OPTS="--icc=false \\
  --default-ulimit nofile=9:9"
"""


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What systemctl says; it is not there when it says nothing."""
    said: dict[str, str] = {}
    monkeypatch.setattr(engine_command, "find", lambda name: "/bin/" + name if said else None)
    monkeypatch.setattr(engine_command, "run", lambda _command, _deadline: (0, said["show"], ""))
    return said


def put(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


def runs(root: Path, command: str) -> None:
    put(root, "run/docker.pid", "77")
    put(root, "proc/77/cmdline", command)


def test_the_unit_counts_for_the_next_start_whatever_runs(systemd: dict[str, str], tmp_path: Path) -> None:
    """A drop-in may have come after the running engine's start."""
    systemd["show"] = SHOWN
    runs(tmp_path, "/usr/sbin/dockerd\0--mtu=1400\0")
    assert engine_command.arguments(tmp_path) == ["-H", "fd://", "--data-root=/srv/x"]


@pytest.mark.parametrize(
    "show",
    ["", "LoadState=not-found\nExecStart=\n", "LoadState=masked\nExecStart=\n"],
    ids=["none", "no unit", "masked"],
)
def test_a_running_engine_is_asked_where_there_is_no_unit(systemd: dict[str, str], tmp_path: Path, show: str) -> None:
    if show:
        systemd["show"] = show
    runs(tmp_path, "/usr/sbin/dockerd\0--icc=true\0")
    assert engine_command.arguments(tmp_path) == ["--icc=true"]


def test_another_program_with_the_engines_old_process_id_is_not_asked(systemd: dict[str, str], tmp_path: Path) -> None:
    assert not systemd
    runs(tmp_path, "/usr/sbin/nginx\0--icc=true\0")
    assert engine_command.arguments(tmp_path) == ["-H", "fd://"]


def test_a_unit_is_read_with_its_variables(systemd: dict[str, str], tmp_path: Path) -> None:
    systemd["show"] = SHOWN
    put(tmp_path, "etc/default/docker", DEFAULTS)
    expected = ["-H", "fd://", "--data-root=/srv/x", "--icc=false", "--default-ulimit", "nofile=9:9"]
    assert engine_command.arguments(tmp_path) == expected


@pytest.mark.parametrize("there", [True, False], ids=["systemd", "no systemd"])
def test_before_there_is_a_unit_it_is_the_packages(systemd: dict[str, str], tmp_path: Path, there: bool) -> None:
    if there:
        systemd["show"] = "LoadState=not-found\nExecStart=\n"
    assert engine_command.arguments(tmp_path) == ["-H", "fd://"]
    put(tmp_path, "etc/default/docker", DEFAULTS)
    assert engine_command.arguments(tmp_path) == ["-H", "fd://", "--icc=false", "--default-ulimit", "nofile=9:9"]


def test_a_drop_in_may_be_there_before_the_unit(systemd: dict[str, str], tmp_path: Path) -> None:
    assert not systemd
    put(tmp_path, "etc/systemd/system/docker.service.d/10.conf", "[Service]\nExecStart=/usr/sbin/dockerd --icc=false\n")
    put(
        tmp_path,
        "etc/systemd/system/docker.service.d/20.conf",
        "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --log-driver \\\n  loki\n",
    )
    assert engine_command.arguments(tmp_path) == ["--log-driver", "loki"]
