# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long one task of a playbook takes on the running lab, and the lines that tell how far a benchmark is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "benchmarks"
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
CONTAINER = "flotilla-m1"
"""Of the host that the playbooks name."""
BEGIN = time.monotonic()
"""Of the run, for the lines that tell how far it is."""


def say(what: str) -> None:
    print(f"[{time.monotonic() - BEGIN:6.0f} s] {what}", flush=True)


def timed(playbook: str, tag: str, variables: dict[str, Any]) -> tuple[float, bool]:
    """Seconds that the one task with that tag took, and whether it changed something.

    Args:
        playbook: its path below benchmarks/, without the extension.
        variables: for the play.
    """
    with tempfile.TemporaryDirectory() as directory:
        durations, extra = Path(directory) / "durations", Path(directory) / "variables.json"
        extra.write_text(json.dumps(variables), encoding="utf-8")
        environment = {
            "DURATIONS_FILE": str(durations),
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "durations",
            "ANSIBLE_STRATEGY": "linear",
        }
        command = [str(PLAYBOOK), "-i", "inventories/local", f"benchmarks/{playbook}.yml"]
        run = subprocess.run(
            [*command, "--tags", tag, "-e", f"@{extra}"],
            cwd=ROOT,
            env=os.environ | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if run.returncode != 0:
            sys.exit(f"{playbook}.yml failed at {tag}:\n{run.stdout}")
        _name, seconds, changed = durations.read_text(encoding="utf-8").strip().split("\t")
        return float(seconds), changed == "True"
