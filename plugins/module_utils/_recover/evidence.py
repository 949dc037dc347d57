# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host and its disk tell of its swarm, and which managers take a connection from it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from .._core import membership
from .._core.membership import Membership
from .._engine import host
from .._engine.client import Json
from .._engine.errors import EngineUnreachable
from .._engine.host import HostEngine
from .._host.errors import HostError

DOCKER_ROOT = "/var/lib/docker"
DAEMON_JSON = Path("/etc/docker/daemon.json")
PORT = 2377
PROBE_SECONDS = 2.0


def look(path: str) -> tuple[Membership, str]:
    """What this host is to a swarm, and its engine's data directory.

    Where the engine does not say it, the state on its disk does: whose manager a host was that has a dead engine, or
    one that stands in the middle of a recovery.
    """
    seen, info = membership.NOT_INSTALLED, None
    if host.is_installed(path):
        try:
            info = HostEngine(path).info()
        except EngineUnreachable as error:
            seen = Membership(membership.SILENT, error=str(error))
        else:
            seen = host.membership_of(info)
    root = docker_root(info)
    if seen.cluster_id:
        return seen, root
    found = host.read_certificate(root)
    if found is None:
        return seen, root
    return replace(seen, cluster_id=found.cluster_id, node_id=found.node_id, role=found.role), root


def docker_root(info: Json | None, daemon_json: Path = DAEMON_JSON) -> str:
    """The engine's data directory: by its own word, else by its configuration.

    Raises:
        HostError: the configuration can't be read.
    """
    if info and info.get("DockerRootDir"):
        return str(info["DockerRootDir"])
    try:
        configured = json.loads(daemon_json.read_text(encoding="utf-8") or "{}")
    except FileNotFoundError:
        return DOCKER_ROOT
    except (OSError, ValueError) as error:
        raise HostError("%s tells where the engine's data is, and can't be read: %s" % (daemon_json, error)) from error
    return str(configured.get("data-root") or DOCKER_ROOT)


def known_managers(seen: Membership, root: str) -> list[dict[str, str]]:
    """Node ID and address of the managers that this host knows: from its engine, else from what the engine left.

    Raises:
        HostError: what it left can't be read.
    """
    if seen.remote_managers:
        return [{"node_id": node_id, "address": address} for node_id, address in seen.remote_managers]
    path = Path(root) / "swarm" / "state.json"
    try:
        peers = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise HostError("%s names the swarm's managers, and can't be read: %s" % (path, error)) from error
    return [{"node_id": str(peer["node_id"]), "address": str(peer["addr"])} for peer in peers or ()]


def open_ports(addresses: Iterable[str], seconds: float = PROBE_SECONDS) -> list[str]:
    """Which of these ``address:port`` take a TCP connection from here within so many seconds; all are asked at once."""
    asked = sorted(set(addresses))
    if not asked:
        return []
    with ThreadPoolExecutor(max_workers=len(asked)) as pool:
        answers = list(pool.map(lambda address: _is_open(address, seconds), asked))
    return [address for address, answered in zip(asked, answers) if answered]


def _is_open(address: str, seconds: float) -> bool:
    name, _colon, port = address.rpartition(":")
    try:
        with socket.create_connection((name.strip("[]"), int(port)), timeout=seconds):
            return True
    except OSError:
        return False


def with_port(address: str) -> str:
    """``address:2377`` of an address without a port; an IPv6 one gets its brackets."""
    if address.startswith("["):
        return address if "]:" in address else "%s:%d" % (address, PORT)
    colons = address.count(":")
    if colons > 1:
        return "[%s]:%d" % (address, PORT)
    return address if colons else "%s:%d" % (address, PORT)
