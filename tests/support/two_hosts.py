# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two network namespaces with a cable between them: two hosts, as far as packets and nftables are concerned."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import module_on_node

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("ip", "nft", "nsenter", "unshare")
HERE = ("192.0.2.1", "2001:db8::1")
THERE = ("192.0.2.2", "2001:db8::2")
"""Documentation addresses: they lead nowhere but through that cable."""


def lacking() -> str:
    """Why there can't be two hosts on this machine; empty when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return "this machine lacks " + ", ".join(missing)
    tried = subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], capture_output=True, text=True, check=False)
    return f"no nftables in a network namespace: {tried.stderr.strip()}" if tried.returncode else ""


class Host:
    """One of the two."""

    def __init__(self, process: int) -> None:
        self.process = process
        self._enter = ["nsenter", "--target", str(process), "--net"]

    def run(self, *command: str, given: str = "") -> str:
        """The standard output of a command that runs in this host's network; it must succeed."""
        run = subprocess.run(
            [*self._enter, *command], input=given, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def module(self, name: str, /, **options: Any) -> dict[str, Any]:
        """What one of our modules returns there."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT / ".collections")}
        run = subprocess.run(
            [*self._enter, sys.executable, module_on_node.__file__, name],
            input=json.dumps(options),
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        result: dict[str, Any] = json.loads(run.stdout)
        return result


@contextlib.contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Both hosts, with the addresses HERE and THERE; they are gone afterwards."""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(_namespace()) for _host in range(2)]
        here, there = Host(processes[0]), Host(processes[1])
        here.run("ip", "link", "add", "cable0", "type", "veth", "peer", "name", "cable0", "netns", str(processes[1]))
        for host, addresses in ((here, HERE), (there, THERE)):
            host.run("ip", "link", "set", "lo", "up")
            host.run("ip", "link", "set", "cable0", "up")
            host.run("ip", "address", "add", addresses[0] + "/24", "dev", "cable0")
            # Not looked for on the link first: there is nobody else on it.
            host.run("ip", "address", "add", addresses[1] + "/64", "dev", "cable0", "nodad")
        yield here, there


@contextlib.contextmanager
def a_host() -> Iterator[Host]:
    """Another one, without a cable; it is gone afterwards."""
    with _namespace() as process:
        yield Host(process)


@contextlib.contextmanager
def _namespace() -> Iterator[int]:
    """The process that keeps a network namespace."""
    keeper = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo ready; exec sleep 300"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "ready\n"
        yield keeper.pid
    finally:
        keeper.kill()
        keeper.communicate()
