# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Five hundred secrets in one call: made, left alone, one of them changed, and all of them removed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from tests.support.lab import Lab

COUNT = 500


def names(lab: Lab, prefix: str) -> set[str]:
    """The names of the swarm's secrets that begin so."""
    found = lab.json_lines(lab.manager(), "docker secret ls --format json")
    return {secret["Name"] for secret in found if secret["Name"].startswith(prefix)}


def test_500_secrets(lab: Lab, prefix: str, play: Callable[..., str], say: Callable[[str], None]) -> None:
    items = [{"name": f"{prefix}{number:03d}", "value": f"value of {number}\r\n"} for number in range(COUNT)]

    def applied(what: str, items: list[dict[str, str]]) -> bool:
        """Whether an apply of these changed something."""
        begin = time.monotonic()
        run = lab.playbook(play("swarm_secrets", {"secrets": items}))
        assert run.returncode == 0, run.stdout
        changed = re.findall(r"changed=(\d)", run.stdout) == ["1"]
        say(f"{what}: {time.monotonic() - begin:.1f} s with the start of ansible-playbook, changed={changed}")
        return changed

    first = {f"{prefix}{number:03d}_v1" for number in range(COUNT)}
    assert applied(f"{COUNT} new secrets", items)
    assert names(lab, prefix) == first

    assert not applied("the same again", items)
    assert names(lab, prefix) == first

    items[250]["value"] = "another value"
    assert applied("one value changed", items)
    new = names(lab, prefix) - first
    say(f"new versions: {', '.join(sorted(new))}")
    assert new == {f"{prefix}250_v2"}
    assert names(lab, prefix) == first | new

    absent = [{"name": item["name"], "state": "absent"} for item in items]
    assert applied("all of them absent", absent)
    assert names(lab, prefix) == set()
