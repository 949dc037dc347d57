# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fault 34: Docker's own chains and a connection that is open survive twenty reloads."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable

import pytest

from tests.support.lab import Lab
from tests.support.lab_firewall import Firewall

RELOADS = 20
ADDRESS = "172.30.77.21"
REDIS = (
    "docker service create --detach --name hosts-redis --constraint node.hostname==w1"
    " --publish mode=host,published=6390,target=6379 172.30.77.5:5000/redis:8 redis-server --protected-mode no"
)

# One connection for the whole time, asked five times a second; ends when its standard input does.
TALK = """
import json, select, socket, sys, time
client = socket.create_connection(("172.30.77.21", 6390), timeout=5)
asked, slowest = 0, 0.0
print("talking", flush=True)
while not select.select([sys.stdin], [], [], 0.2)[0]:
    begin = time.monotonic()
    client.sendall(b"PING\\r\\n")
    answer = client.recv(16)
    assert answer == b"+PONG\\r\\n", answer
    asked, slowest = asked + 1, max(slowest, time.monotonic() - begin)
print(json.dumps({"asked": asked, "slowest": slowest}))
"""


def docker_rules(lab: Lab) -> str:
    """Every rule on the node that is not ours, without its counters."""
    rules = lab.run("w1", "iptables-save; ip6tables-save; nft list tables")
    return re.sub(r"^#.*\n|\[\d+:\d+\]", "", rules, flags=re.MULTILINE)


def egress(lab: Lab) -> None:
    """From inside the task's network namespace to a server outside the node."""
    container = lab.run("w1", "docker ps --quiet --filter name=hosts-redis").strip()
    pid = lab.run("w1", "docker inspect --format {{.State.Pid}} %s", container).strip()
    lab.run("w1", f"nsenter --target {pid} --net curl --silent --fail --max-time 5 http://172.30.77.5:5000/v2/")


@pytest.mark.usefixtures("cleared")
def test_twenty_reloads(lab: Lab, firewall: Firewall, say: Callable[[str], None]) -> None:
    lab.run(lab.manager(), REDIS)
    lab.wait(
        "redis runs",
        lambda: any(task["CurrentState"].startswith("Running") for task in lab.running_tasks("hosts-redis")),
    )
    firewall.apply("w1", swarm_firewall_open=[{"port": 6390}])
    before, table = docker_rules(lab), firewall.loaded("w1")
    assert "DOCKER-USER" in before
    assert "--dport 6390 -j DNAT" in before
    talker = subprocess.Popen(
        ["docker", "exec", "-i", "flotilla-outsider", "python3", "-c", TALK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert talker.stdout is not None
    try:
        assert talker.stdout.readline() == "talking\n"
        run = lab.playbook("molecule/hosts/files/reload.yml", "-e", json.dumps({"reloads": RELOADS}))
        assert run.returncode == 0, run.stdout
        assert re.search(rf"w1\s+: ok=\d+\s+changed={RELOADS}\b", run.stdout), run.stdout
        egress(lab)
    finally:
        said, errors = talker.communicate("\n", timeout=30)
    assert talker.returncode == 0, errors
    talked = json.loads(said)
    say(f"{RELOADS} reloads: {talked['asked']} answers on one connection, the slowest after {talked['slowest']:.2f} s")
    assert talked["asked"] > RELOADS
    assert docker_rules(lab) == before
    assert firewall.loaded("w1") != table
