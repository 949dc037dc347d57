# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks of day 2, as a user runs them: deploy, scale, restart, rollback."""

from __future__ import annotations

import json

from tests.support.lab import Lab
from tests.support.lab_stacks import REGISTRY, Own


def play(lab: Lab, name: str, **variables: object) -> str:
    """What a playbook that must succeed prints."""
    run = lab.playbook(f"playbooks/{name}.yml", "-e", json.dumps(variables))
    assert run.returncode == 0, run.stdout
    return run.stdout


def test_a_day_of_a_stack(lab: Lab, own: Own) -> None:
    own.does("app.yml", MONITOR="1s")
    before = own.specs()
    declared = {
        "name": own.name,
        "files": [str(own.node.files / "app.yml")],
        "variables": {"REGISTRY": REGISTRY, "MONITOR": "1s", "SCRIPT": "exec sleep 86401"},
    }
    play(lab, "deploy", stack=own.name, swarm_stack_items=[declared])
    assert own.script() == "exec sleep 86401"

    play(lab, "scale", stack=own.name, replicas={"app": 2})
    (old, *_others) = own.running()
    assert len(own.running()) == 2

    play(lab, "restart", stack=own.name, services=["app"])
    assert len(own.running()) == 2
    assert old["ID"] not in {task["ID"] for task in own.running()}

    play(lab, "rollback", stack=own.name)
    assert own.specs() == before
