# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs that start at the same moment and declare the same names."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.lab import Lab

COUNT = 40
"""Secrets in each run: enough that both are at it at the same time."""


def at_once(lab: Lab, plays: Iterable[str]) -> list[subprocess.CompletedProcess[str]]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lab.playbook, plays))


def versions(lab: Lab, prefix: str) -> dict[str, list[int]]:
    """Logical name -> the versions of it that are in the swarm, sorted; labels and name must agree."""
    found: dict[str, list[int]] = {}
    secrets = lab.json_lines(lab.manager(), "docker secret ls --format json")
    for name in sorted(secret["Name"] for secret in secrets if secret["Name"].startswith(prefix)):
        labels = lab.inspect("secret", name)["Spec"]["Labels"]
        logical, version = labels["flotilla.swarm.name"], int(labels["flotilla.swarm.version"])
        assert name == f"{logical}_v{version}"
        found.setdefault(logical, []).append(version)
    return found


def told(found: dict[str, list[int]]) -> str:
    counts = Counter(tuple(numbers) for numbers in found.values())
    return ", ".join(f"{count} names with the versions {list(numbers)}" for numbers, count in counts.items())


def declared(prefix: str, value: str) -> dict[str, Any]:
    return {"secrets": [{"name": f"{prefix}{number:02d}", "value": f"{value} {number}"} for number in range(COUNT)]}


def test_same_values(lab: Lab, prefix: str, play: Callable[..., str], say: Callable[[str], None]) -> None:
    runs = at_once(lab, [play("swarm_secrets", declared(prefix, "one and the same")) for _run in range(2)])
    for run in runs:
        assert run.returncode == 0, run.stdout
    found = versions(lab, prefix)
    changed = [re.findall(r"changed=(\d)", run.stdout) for run in runs]
    say(f"changed: {changed}; {told(found)}")
    assert len(found) == COUNT
    assert all(numbers == [1] for numbers in found.values())


def test_different_values(lab: Lab, prefix: str, play: Callable[..., str], say: Callable[[str], None]) -> None:
    sides = {value: play("swarm_secrets", declared(prefix, value)) for value in ("the left one", "the right one")}
    runs = dict(zip(sides, at_once(lab, sides.values()), strict=True))
    for value, run in runs.items():
        say(f"{value}: rc {run.returncode}")
        # Each looks again when the other was faster; who is overtaken again and again says so and gives up.
        assert run.returncode == 0 or "overtaken each time" in run.stdout, run.stdout
    assert any(run.returncode == 0 for run in runs.values())
    found = versions(lab, prefix)
    say(told(found))
    assert len(found) == COUNT
    # Whoever came later saw the other's first version, and made the second.
    assert all(numbers in ([1], [1, 2]) for numbers in found.values())
    if all(run.returncode == 0 for run in runs.values()):
        assert all(numbers == [1, 2] for numbers in found.values())

    # A rehearsal of either tells which of its values are not the newest.
    newest: dict[str, int] = {}
    for value, file in sides.items():
        run = lab.playbook(file, "--check", "--diff")
        assert run.returncode == 0, run.stdout
        newest[value] = COUNT - len(set(re.findall(rf"{re.escape(prefix)}\d\d_v\d", run.stdout)))
    say(f"the newest version is: {newest}")
    assert sum(newest.values()) == COUNT
    assert versions(lab, prefix) == found, "a rehearsal made something"
