# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of a check tells of tests that failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "count_tests.py"

TESTS = """
import pytest

PLAYBOOK = "\\n".join(["", "PLAY [Reload] ***", "", *(f"ok: [w{number}]" for number in range(200)),
    "fatal: [w1]: FAILED! => start of the service was attempted too often", "", "PLAY RECAP ***", "w1 : ok=1"])

def test_twenty_reloads():
    assert 1 == 2, PLAYBOOK

def test_skew(there_is_no_such_fixture):
    pass

def test_order():
    pytest.skip("needs root")

def test_audit():
    pass
"""


def test_each_failure_is_told_with_its_place_and_its_reason(tmp_path: Path) -> None:
    (tmp_path / "test_hosts.py").write_text(TESTS, encoding="utf-8")
    file = tmp_path / "molecule-hosts.xml"
    # The report is pytest's own: what it keeps of a long message has changed between its releases.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={file}", "test_hosts.py"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 1, made.stdout
    run = subprocess.run([sys.executable, str(SCRIPT), str(file)], capture_output=True, text=True, check=True)
    said = run.stdout.splitlines()
    assert said[0] == "  FAILED in molecule-hosts: test_hosts::test_twenty_reloads"
    assert said[1].startswith("    test_hosts.py:")
    assert "    fatal: [w1]: FAILED! => start of the service was attempted too often" in said
    assert len(said) < 40
    assert "  FAILED in molecule-hosts: test_hosts::test_skew" in said
    assert any("there_is_no_such_fixture" in line for line in said)
    assert said[-2:] == ["  1 skipped in molecule-hosts: needs root", "1 passed, 2 failed, 1 skipped"]
