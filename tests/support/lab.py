# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running lab, for tests: its nodes by name, and questions answered by the engines' own CLI."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import testinfra
from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[2]
MANAGERS = ("m1", "m2", "m3")
WORKERS = ("w1", "w2", "w3", "w4", "w5")
INVENTORY = "inventories/local"
# Molecule asks for colours, which would split the words that tests look for.
PLAIN = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
INGRESS_URL = "http://172.30.77.25/"


class Lab:
    """Eight node containers, and the ``outsider``. Every question fails loudly when it can't be answered."""

    def node(self, name: str) -> Host:
        return testinfra.get_host("docker://flotilla-" + name)

    def run(self, node: str, command: str, *arguments: str) -> str:
        """The standard output of a command on a node or the outsider (arguments are quoted for ``%s``)."""
        result = self.node(node).run(command, *arguments)
        assert result.rc == 0, f"{node}: {command}: {result.stderr}"
        return str(result.stdout)

    def json_lines(self, node: str, command: str, *arguments: str) -> list[dict[str, Any]]:
        """What a ``docker … ls --format json`` prints: one object a line."""
        return [json.loads(line) for line in self.run(node, command, *arguments).splitlines() if line]

    def manager(self) -> str:
        """The name of a manager that answers for the swarm."""
        for name in MANAGERS:
            if self.node(name).run("docker node ls").rc == 0:
                return name
        raise AssertionError("no manager of the lab answers")

    def managers_agree(self) -> bool:
        """Whether each manager by itself says that all are reached, by one leader.

        One's word is not enough after a loss: a manager that was alone overthrows the leader that the others have just
        elected, again and again, for its term is newer and its log older than theirs.
        """
        command = "docker node ls --filter role=manager --format '{{.ManagerStatus}}: {{.Hostname}}'"
        lists = [sorted(self.node(name).run(command).stdout.splitlines()) for name in MANAGERS]
        states = [line.partition(":")[0] for line in lists[0]]
        return states == ["Leader", *["Reachable"] * (len(MANAGERS) - 1)] and all(one == lists[0] for one in lists)

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        answer = json.loads(self.run(self.manager(), "docker %s inspect %s", kind, name))
        return dict(answer[0])

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Node JSON by host name; a name that is there twice is an error, because it hides a ghost."""
        manager = self.manager()
        ids = self.run(manager, "docker node ls --quiet").split()
        nodes = json.loads(self.run(manager, "docker node inspect " + " ".join(ids)))
        by_name = {node["Description"]["Hostname"]: node for node in nodes}
        assert len(by_name) == len(nodes), sorted(node["Description"]["Hostname"] for node in nodes)
        return by_name

    def service_indexes(self) -> dict[str, int]:
        """The version index of every service: it moves with every write."""
        manager = self.manager()
        ids = self.run(manager, "docker service ls --quiet").split()
        return {
            service["Spec"]["Name"]: service["Version"]["Index"]
            for service in json.loads(self.run(manager, "docker service inspect " + " ".join(ids)))
        }

    def complete(self) -> bool:
        """Whether every service has all its tasks."""
        counts = self.run(self.manager(), "docker service ls --format '{{.Replicas}}'").split()
        return all(count.split("/")[0] == count.split("/")[1] for count in counts if "/" in count)

    def running_tasks(self, service: str) -> list[dict[str, Any]]:
        """The service's running tasks, with the name of their node."""
        return self.json_lines(
            self.manager(), "docker service ps --no-trunc --filter desired-state=running --format json %s", service
        )

    def playbook(
        self, *arguments: str, inventory: str = INVENTORY, timeout: int = 900
    ) -> subprocess.CompletedProcess[str]:
        """Run ``ansible-playbook`` in the checkout as a user would."""
        return subprocess.run(
            ["ansible-playbook", "-i", inventory, *arguments],
            cwd=ROOT,
            env=PLAIN,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )

    def module(self, host: str, name: str) -> subprocess.CompletedProcess[str]:
        """Run one of our modules on a host, without options."""
        return subprocess.run(
            ["ansible", "-i", INVENTORY, host, "-m", f"flotilla.swarm.{name}"],
            cwd=ROOT,
            env=PLAIN,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
            check=False,
        )

    def wait(self, what: str, done: Callable[[], bool], seconds: float = 60) -> None:
        """Until ``done``, asked every second; fails when that takes longer than ``seconds``.

        A question that gets no answer, as while a leader is elected, is asked again.
        """
        end = time.monotonic() + seconds
        while True:
            why = ""
            try:
                if done():
                    return
            except AssertionError as error:
                why = f" ({error})"
            assert time.monotonic() < end, f"not within {seconds:g} s: {what}{why}"
            time.sleep(1)

    def fetch(self, url: str = INGRESS_URL) -> str:
        """What a client inside the lab gets from the ingress; fails unless it is a 2xx."""
        return self.run(MANAGERS[0], "curl --silent --show-error --fail --max-time 20 %s", url)
