# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module backup_agent: what it installs runs by itself, and is replaced only where it differs."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from ansible import constants
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.action import host_files
from ansible_collections.flotilla.swarm.plugins.module_utils._host import backup_units
from ansible_collections.flotilla.swarm.plugins.modules import backup_agent

needs_python = pytest.mark.skipif(
    os.geteuid() != 0 or not Path(backup_agent.PYTHON).exists(), reason="files are given to root; a node has a Python"
)


@pytest.fixture(autouse=True)
def restic(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """What is wrong with this host's restic."""
    found: dict[str, str | None] = {"problem": None}
    monkeypatch.setattr(backup_units, "restic_problem", lambda: found["problem"])
    return found


def run(capsys: pytest.CaptureFixture[str], path: Path, check: bool = False) -> dict[str, Any]:
    with patch_module_args({"path": str(path), "_ansible_check_mode": check}), pytest.raises(SystemExit):
        backup_agent.main()
    return dict(json.loads(capsys.readouterr().out))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@needs_python
def test_it_is_installed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lib/backup.pyz"
    rehearsed = run(capsys, path, check=True)
    assert (rehearsed["changed"], path.parent.exists()) == (True, False)
    found = run(capsys, path)
    assert (found["changed"], found["path"], found["sha256"]) == (True, str(path), digest(path))
    assert found["diff"] == rehearsed["diff"]
    assert found["diff"]["before"] == ""
    assert "%04o" % stat.S_IMODE(path.stat().st_mode) == "0644"
    again = run(capsys, path)
    assert (again["changed"], again["diff"]) == (False, {})


@needs_python
@pytest.mark.parametrize("older", [b"\xff\x00 an older one", b""])
def test_another_one_is_replaced_and_shown_by_its_digest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], older: bytes
) -> None:
    path = tmp_path / "backup.pyz"
    path.write_bytes(older)
    path.chmod(0o600)
    found = run(capsys, path)
    assert found["changed"]
    assert found["diff"]["before"].splitlines()[0] == "sha256: " + hashlib.sha256(older).hexdigest()
    assert found["diff"]["before"].splitlines()[3] == "mode: 0600"
    assert found["diff"]["after"].splitlines()[0] == "sha256: " + digest(path)
    assert list(tmp_path.iterdir()) == [path]


@needs_python
def test_one_that_does_not_start_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "backup.pyz"
    path.write_bytes(b"the old one")
    monkeypatch.setattr(backup_agent, "content", lambda: b"no archive")
    found = run(capsys, path)
    assert found["failed"]
    assert "nothing was changed" in found["msg"]
    assert path.read_bytes() == b"the old one"


@needs_python
def test_it_runs_without_ansible_and_without_packages(tmp_path: Path) -> None:
    path = tmp_path / "backup.pyz"
    path.write_bytes(backup_agent.content())
    program = (
        backup_agent.TRIAL + "; print(sorted({name.split('.')[0] for name in sys.modules} & {'ansible', 'docker'}))"
    )
    ran = subprocess.run(
        [backup_agent.PYTHON, "-I", "-S", "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


def test_a_host_without_restic_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], restic: dict[str, str | None]
) -> None:
    restic["problem"] = "there is no restic on this host: install it"
    found = run(capsys, tmp_path / "backup.pyz")
    assert found["failed"]
    assert found["msg"] == restic["problem"]
    assert list(tmp_path.iterdir()) == []


def test_a_rehearsal_on_a_host_without_restic_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], restic: dict[str, str | None]
) -> None:
    restic["problem"] = "there is no restic on this host: install it"
    assert run(capsys, tmp_path / "backup.pyz", check=True)["changed"]


@pytest.mark.parametrize("no_log", [True, False])
def test_files_that_are_not_to_be_logged_lie_nowhere_else(monkeypatch: pytest.MonkeyPatch, no_log: bool) -> None:
    """The repository's password is placed by host_files, which is sent by pipelining then, or not at all."""
    monkeypatch.setattr(constants, "DEFAULT_KEEP_REMOTE_FILES", True)
    arguments = {"files": [{"path": "/x", "content": "kanarienvogel"}]}
    made = host_files.ActionModule(
        task=mock.Mock(args=arguments, async_val=0, no_log=no_log, environment=None),
        connection=mock.Mock(_shell=SimpleNamespace(tmpdir="/never")),
        play_context=mock.Mock(check_mode=False),
        loader=mock.Mock(),
        templar=mock.Mock(),
        shared_loader_obj=mock.Mock(),
    )
    made._execute_module = mock.Mock(return_value={"changed": True})
    result = made.run(task_vars={})
    if no_log:
        made._execute_module.assert_not_called()
        assert result["failed"]
        assert "ANSIBLE_KEEP_REMOTE_FILES" in result["msg"]
        assert "kanarienvogel" not in result["msg"]
    else:
        assert made._execute_module.call_args.kwargs["module_args"] == arguments
        assert result["changed"]
