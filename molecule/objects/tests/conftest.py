# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of this scenario share: names of their own and plays of one task."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import Lab

Say = Callable[[str], None]
Play = Callable[..., str]


def remove(lab: Lab, prefix: str) -> None:
    """Remove the secrets, configs and networks of that prefix, as an administrator would."""
    manager = lab.manager()
    for kind in ("secret", "config", "network"):
        objects = lab.json_lines(manager, f"docker {kind} ls --format json")
        found = [thing["ID"] for thing in objects if thing["Name"].startswith(prefix)]
        if found:
            lab.run(manager, f"docker {kind} rm {' '.join(found)}")


@pytest.fixture
def prefix(lab: Lab) -> Iterator[str]:
    """The beginning of the names that a test gives to what it makes; all of that is removed at the end."""
    own = f"test-{secrets.token_hex(4)}-"
    yield own
    remove(lab, own)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Write a play of one task, whose options are in no argument list; the path of its file is returned."""

    def write(module: str, options: dict[str, Any], host: str = "m1") -> str:
        file = tmp_path / f"{module}-{secrets.token_hex(4)}.yml"
        task = {"name": "The task", f"flotilla.swarm.{module}": options}
        # JSON is YAML.
        file.write_text(json.dumps([{"hosts": host, "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
        return str(file)

    return write
