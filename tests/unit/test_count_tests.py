# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of a check tells of tests that failed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "count_tests.py"

REPORT = """<testsuites><testsuite>
<testcase classname="hosts.test_reloads" name="test_twenty_reloads">
<failure message="AssertionError: PLAY [Reload]&#10;\
TASK [Apply another ruleset]&#10;\
fatal: [w1]: FAILED! =&gt; start of the service was attempted too often&#10;\
w1 : ok=1">tests/test_reloads.py:76: AssertionError</failure></testcase>
<testcase classname="hosts.test_clock" name="test_skew"><error message="fixture not found">no text</error></testcase>
<testcase classname="hosts.test_order" name="test_order"><skipped message="needs root"/></testcase>
<testcase classname="hosts.test_audit" name="test_audit"/>
</testsuite></testsuites>"""


def test_each_failure_is_told_with_its_place_and_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "molecule-hosts.xml"
    file.write_text(REPORT, encoding="utf-8")
    run = subprocess.run([sys.executable, str(SCRIPT), str(file)], capture_output=True, text=True, check=True)
    said = run.stdout.splitlines()
    assert said[0] == "  FAILED in molecule-hosts: hosts.test_reloads::test_twenty_reloads"
    assert said[1] == "    tests/test_reloads.py:76: AssertionError"
    assert any("start of the service was attempted too often" in line for line in said)
    assert "  FAILED in molecule-hosts: hosts.test_clock::test_skew" in said
    assert said[-2:] == ["  1 skipped in molecule-hosts: needs root", "1 passed, 2 failed, 1 skipped"]
