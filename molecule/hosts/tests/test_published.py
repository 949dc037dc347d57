# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A published port is closed until it is declared: Docker opens it behind every rule of the INPUT chain."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.support.lab import MANAGERS, WORKERS, Lab
from tests.support.lab_firewall import Firewall
from tests.support.packets import CONNECTED, SILENT, addresses, connect, converse

Say = Callable[[str], None]

ADDRESS = "172.30.77.21"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""What a PostgreSQL client says first; the server answers with one letter (PostgreSQL's protocol, "SSLRequest")."""
POSTGRES = (
    "docker service create --detach --name hosts-postgres --constraint node.hostname==w1 --secret hosts-postgres"
    " --env POSTGRES_PASSWORD_FILE=/run/secrets/hosts-postgres --env PGDATA=/tmp/data"
    " --publish mode=%s,published=5432,target=5432 172.30.77.5:5000/postgres:17"
)

SYNS_SEEN = """
import socket, time
eth_p_all = 3
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(eth_p_all))
sniffer.settimeout(0.2)
print("ready", flush=True)
seen, end = 0, time.monotonic() + 4
while time.monotonic() < end:
    try:
        packet = sniffer.recv(64)
    except socket.timeout:
        continue
    header = 4 * (packet[0] & 15)
    if packet[0] >> 4 == 4 and packet[9] == 6 and packet[header + 13] & 18 == 2:
        seen += int.from_bytes(packet[header + 2 : header + 4], "big") == 5432
print(seen)
"""
"""Says that it is ready, then counts for 4 s the SYNs for port 5432 that reach its network namespace."""


def publish_postgres(lab: Lab, mode: str) -> None:
    """PostgreSQL on w1, published on 5432; returns when its task runs."""
    manager = lab.manager()
    lab.run(manager, "head -c 18 /dev/urandom | base64 | docker secret create hosts-postgres -")
    lab.run(manager, POSTGRES % mode)
    lab.wait(
        "PostgreSQL runs",
        lambda: any(task["CurrentState"].startswith("Running") for task in lab.running_tasks("hosts-postgres")),
        120,
    )


@pytest.mark.usefixtures("cleared")
def test_a_database_published_on_its_host(lab: Lab, firewall: Firewall, say: Say) -> None:
    """Fault 36 with ``mode=host``; beside it what Docker does alone."""
    publish_postgres(lab, "host")
    lab.wait("it answers on its own node", lambda: bool(converse("w1", ADDRESS, 5432, SSL_REQUEST, 1)), 60)
    seen = {address: connect("outsider", address, 5432) for address in addresses(21)}
    say(f"not declared: {seen}")
    assert set(seen.values()) == {SILENT}

    lab.run("w1", "nft delete table inet flotilla")
    raw = converse("outsider", ADDRESS, 5432, SSL_REQUEST, 1)
    say(f"Docker alone, without our table: the database answers the outsider with {raw!r}")
    assert raw in (b"N", b"S")
    firewall.apply("w1")
    assert connect("outsider", ADDRESS, 5432) == SILENT

    firewall.apply("w1", swarm_firewall_open=[{"port": 5432}])
    declared = converse("outsider", ADDRESS, 5432, SSL_REQUEST, 1)
    say(f"declared: the database answers the outsider with {declared!r}")
    assert declared in (b"N", b"S")

    firewall.apply("w1", swarm_firewall_open=[{"port": 5432, "from": ["members"]}])
    assert connect("outsider", ADDRESS, 5432) == SILENT
    assert connect("w2", ADDRESS, 5432) == CONNECTED


def syns_in_the_mesh(node: str, address: str) -> int:
    """How many SYNs of the outsider's tries for 5432 get as far as the routing mesh of a node."""
    program = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "namespace = os.open('/run/docker/netns/ingress_sbox', os.O_RDONLY)\n"
        "assert libc.setns(namespace, 0) == 0, os.strerror(ctypes.get_errno())\n" + SYNS_SEEN
    )
    sniffer = subprocess.Popen(
        ["docker", "exec", f"flotilla-{node}", "python3", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert sniffer.stdout is not None
    ready = sniffer.stdout.readline()
    connect("outsider", address, 5432)
    counted, errors = sniffer.communicate(timeout=30)
    assert ready == "ready\n", errors
    return int(counted)


@pytest.fixture
def mesh(lab: Lab) -> Iterator[None]:
    """The way from w2's published ports to the routing mesh, also where Docker does not make it.

    Docker makes it only where the kernel has IPVS. Where it has none, these are the two rules that Docker would add
    (moby, libnetwork's programIngress), so that what comes before them is tried all the same.
    """
    inspect = "docker network inspect docker_gwbridge --format '{{(index .Containers \"ingress-sbox\").IPv4Address}}'"
    lab.wait("w2 has its end of the mesh", lambda: "/" in lab.run("w2", inspect))
    sandbox = lab.run("w2", inspect).strip().partition("/")[0]
    port = "-p tcp --dport 5432"
    rules = [
        f"-t nat %s PREROUTING {port} -m addrtype --dst-type LOCAL -j DNAT --to-destination {sandbox}:5432",
        f"-t filter %s FORWARD -o docker_gwbridge {port} -j ACCEPT",
    ]
    for rule in rules:
        lab.run("w2", "iptables " + rule % "-I")
    yield
    for rule in rules:
        lab.run("w2", "iptables " + rule % "-D")


@pytest.mark.usefixtures("cleared", "mesh")
def test_a_database_published_on_every_node(lab: Lab, firewall: Firewall, say: Say) -> None:
    """Fault 36 through the routing mesh: counted is what comes as far as the mesh; without IPVS it hands nothing on."""
    publish_postgres(lab, "ingress")
    nodes = {name: {"m": 10, "w": 20}[name[0]] + int(name[1]) for name in (*MANAGERS, *WORKERS)}
    seen = {f"{name} {a}": connect("outsider", a, 5432) for name, last in nodes.items() for a in addresses(last)}
    say(f"not declared: {json.dumps(seen)}")
    assert set(seen.values()) == {SILENT}
    assert syns_in_the_mesh("w2", "172.30.77.22") == 0

    lab.run("w2", "nft delete table inet flotilla")
    raw = syns_in_the_mesh("w2", "172.30.77.22")
    say(f"Docker alone, without our table: {raw} of the outsider's SYNs reach the mesh")
    assert raw > 0

    firewall.apply("w2", swarm_firewall_open=[{"port": 5432}])
    declared = syns_in_the_mesh("w2", "172.30.77.22")
    say(f"declared: {declared} reach the mesh")
    assert declared > 0
