# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit finds what is bad, names it, and lets nothing bad go without a reason; it changes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from tests.support.lab import Lab
from tests.support.lab_firewall import Firewall

AUDIT = "playbooks/audit.yml"
Say = Callable[[str], None]


def changed(output: str) -> set[str]:
    return set(re.findall(r"changed=(\d+)", output))


def test_every_failed_item_is_mended_or_waived(lab: Lab, say: Say) -> None:
    run = lab.playbook(AUDIT)
    say(run.stdout)
    assert run.returncode == 0, run.stdout
    assert changed(run.stdout) == {"0"}
    assert "score 100 %" in run.stdout
    section = {f"cis-7.{number}" for number in range(1, 10)}
    assert section <= set(re.findall(r"cis-7\.\d+", run.stdout))


def test_what_is_bad_is_found(lab: Lab, firewall: Firewall, tmp_path: Path, say: Say) -> None:
    report = tmp_path / "audit.json"
    lab.run("w1", "chmod 0666 /etc/docker/daemon.json")
    lab.run("w2", "nft delete table inet flotilla")
    try:
        run = lab.playbook(AUDIT, "-e", json.dumps({"swarm_audit_report": str(report)}))
    finally:
        lab.run("w1", "chmod 0644 /etc/docker/daemon.json")
        firewall.apply("w2")
    assert run.returncode != 0, run.stdout
    bad = {(one["id"], one["where"]) for one in json.loads(report.read_text())["findings"] if one["status"] == "fail"}
    say(str(sorted(bad)))
    assert bad == {("cis-3.18", "w1"), ("flotilla-firewall-loaded", "w2")}


def test_a_waiver_that_nothing_needs_is_an_error(lab: Lab) -> None:
    waiver = [{"id": "cis-7.1", "reason": "it passes, so this is of no use"}]
    run = lab.playbook(AUDIT, "-e", json.dumps({"swarm_audit_waivers": waiver}))
    assert run.returncode != 0, run.stdout
    assert "nothing needs the waiver of cis-7.1 any more" in " ".join(run.stdout.split())
