# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets between the lab's containers: what a client on one of them learns about a port of another.

Nothing leaves the lab's own bridge: destinations are checked before the first packet.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from pathlib import Path
from typing import Any

NETWORKS = (ipaddress.ip_network("172.30.77.0/24"), ipaddress.ip_network("fd77:30:77::/64"))

CONNECTED = "connected"
REFUSED = "refused"
"""A reset came back: the packet went through every filter, and nothing listens."""
SILENT = "silent"
"""No answer at all: the packet was dropped on the way."""

_CONNECT = """
import json, socket, sys
given = json.load(sys.stdin)
family = socket.AF_INET6 if ":" in given["address"] else socket.AF_INET
client = socket.socket(family)
client.settimeout(given["timeout"])
said = ""
try:
    if given["source"]:
        client.bind((given["source"], 0))
    client.connect((given["address"], given["port"]))
    result = "connected"
    if given["send"]:
        client.sendall(bytes.fromhex(given["send"]))
    if given["read"]:
        said = client.recv(given["read"]).hex()
except ConnectionRefusedError:
    result = "refused"
except socket.timeout:
    result = "silent"
print(json.dumps({"result": result, "said": said}))
"""


def addresses(number: int) -> list[str]:
    """The addresses of the container with that number: an IPv6 one too where this machine has IPv6 (``lab_ipv6``)."""
    both = [f"172.30.77.{number}", f"fd77:30:77::{number}"]
    return both if Path("/proc/net/if_inet6").exists() else both[:1]


def python(node: str, program: str, given: Any, timeout: float = 60) -> str:
    """What a program prints that runs on a container of the lab, with ``given`` as JSON on its standard input."""
    run = subprocess.run(
        ["docker", "exec", "-i", f"flotilla-{node}", "python3", "-c", program],
        input=json.dumps(given),
        text=True,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    assert run.returncode == 0, f"{node}: {run.stderr}"
    return run.stdout


def _ask(node: str, address: str, port: int, **more: Any) -> dict[str, str]:
    assert any(ipaddress.ip_address(address) in network for network in NETWORKS), f"{address} is not the lab's"
    given = {"address": address, "port": port, "timeout": 2, "source": "", "send": "", "read": 0, **more}
    return dict(json.loads(python(node, _CONNECT, given)))


def connect(node: str, address: str, port: int, source: str = "") -> str:
    """``connected``, ``refused`` or ``silent``: what comes of a TCP connection within 2 s.

    Args:
        source: the client's address, where it has several.
    """
    return _ask(node, address, port, source=source)["result"]


def converse(node: str, address: str, port: int, send: bytes = b"", read: int = 64) -> bytes:
    """The first bytes that a server answers; empty when there is no connection, or no answer within 2 s."""
    return bytes.fromhex(_ask(node, address, port, send=send.hex(), read=read)["said"])
