# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host, its disk and its neighbours' ports tell of a swarm that may be lost."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import Membership
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineUnreachable
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.module_utils._recover import evidence

from tests.support.recovering_host import CLUSTER, Host


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_only_ports_that_answer_are_open(port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        closed = gone.getsockname()[1]
    asked = ["127.0.0.1:%d" % number for number in (closed, port)]
    assert evidence.open_ports(asked) == ["127.0.0.1:%d" % port]
    assert evidence.open_ports([]) == []


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("192.0.2.11", "192.0.2.11:2377"),
        ("192.0.2.11:2300", "192.0.2.11:2300"),
        ("2001:db8::1", "[2001:db8::1]:2377"),
        ("[2001:db8::1]", "[2001:db8::1]:2377"),
        ("[2001:db8::1]:2300", "[2001:db8::1]:2300"),
    ],
)
def test_an_address_gets_the_managers_port(given: str, wanted: str) -> None:
    assert evidence.with_port(given) == wanted


def test_a_dead_engines_disk_tells_whose_manager_it_was(here: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    here.fill(here.state)

    def silent(_path: str) -> Any:
        raise EngineUnreachable("no engine answers")

    monkeypatch.setattr(evidence, "HostEngine", silent)
    monkeypatch.setattr(evidence, "docker_root", lambda _info: str(here.engine.root))
    seen, root = evidence.look("socket")
    assert (seen.local_state, seen.cluster_id, seen.node_id, seen.role) == ("silent", CLUSTER, "nodeid", "manager")
    assert evidence.known_managers(seen, root) == [{"node_id": "other", "address": "192.0.2.11:2377"}]


def test_what_the_engine_knows_comes_before_what_it_left(tmp_path: Path) -> None:
    seen = Membership("active", remote_managers=(("a", "192.0.2.1:2377"),))
    assert evidence.known_managers(seen, str(tmp_path)) == [{"node_id": "a", "address": "192.0.2.1:2377"}]
    assert evidence.known_managers(Membership("inactive"), str(tmp_path)) == []


def test_the_data_directory_is_read_from_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    assert evidence.docker_root(None, file) == "/var/lib/docker"
    file.write_text('{"data-root": "/srv/docker"}')
    assert evidence.docker_root(None, file) == "/srv/docker"
    assert evidence.docker_root({"DockerRootDir": "/mnt"}, file) == "/mnt"
    file.write_text("{")
    with pytest.raises(HostError, match="can't be read"):
        evidence.docker_root(None, file)
