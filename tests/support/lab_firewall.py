# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall of the lab's nodes, for tests."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.support.lab import INVENTORY, MANAGERS, PLAIN, ROOT, WORKERS, Lab

PLAYBOOK = "playbooks/firewall.yml"


class Firewall:
    """The firewall of the lab's nodes: what is loaded, what is persisted, and how it is changed."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.touched: set[str] = set()
        """Nodes whose rules were changed here, or were to be."""

    def loaded(self, node: str) -> str:
        """The table as the node's kernel has it."""
        return self.lab.run(node, "nft --stateless list table inet flotilla")

    def persisted(self, node: str) -> str:
        """What the node loads when it starts."""
        return self.lab.run(node, "cat /etc/flotilla/firewall.nft")

    def both(self, node: str) -> tuple[str, str]:
        return self.loaded(node), self.persisted(node)

    def arguments(self, *nodes: str, **variables: Any) -> list[str]:
        self.touched |= set(nodes or (*MANAGERS, *WORKERS))
        limit = ["--limit", ",".join(nodes)] if nodes else []
        return [PLAYBOOK, *limit, "-e", json.dumps(variables)]

    def run(self, *nodes: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        return self.lab.playbook(*self.arguments(*nodes, **variables))

    def apply(self, *nodes: str, **variables: Any) -> str:
        """Run the playbook with these variables on these nodes (all where none is named); returns what it printed."""
        run = self.run(*nodes, **variables)
        assert run.returncode == 0, run.stdout
        return run.stdout

    def start(self, *nodes: str, **variables: Any) -> subprocess.Popen[str]:
        """Begin such a run, and do not wait for it."""
        return subprocess.Popen(
            ["ansible-playbook", "-i", INVENTORY, *self.arguments(*nodes, **variables)],
            cwd=ROOT,
            env=PLAIN,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
