# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent asks of its own engine, over a real socket."""

from __future__ import annotations

import base64
import http.server
import json
import socketserver
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import (
    EngineError,
    EngineUnreachable,
    NameConflict,
    NoQuorum,
    NotAManager,
    NotFound,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.local import LocalEngine


class Served(socketserver.ThreadingUnixStreamServer):
    """An engine that gives one answer, and keeps what was asked: (METHOD and path, body)."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Handler)
        self.status = 200
        self.content = b"{}"
        self.asked: list[tuple[str, Any]] = []

    def answer(self, status: int, content: Any) -> None:
        self.status, self.content = status, json.dumps(content).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    server: Served

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(("%s %s" % (self.command, self.path), json.loads(raw) if raw else None))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        if self.server.content:  # without any, whoever asked is gone already
            self.wfile.write(self.server.content)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815  names that http.server asks for

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with Served(tmp_path / "docker.sock") as found:
        threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield found
        found.shutdown()


@pytest.fixture
def engine(served: Served) -> LocalEngine:  # the memory engine of other tests answers no requests
    return LocalEngine(str(served.server_address))


Ask = Callable[[LocalEngine], Any]


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        (LocalEngine.nodes, "/nodes"),
        (LocalEngine.services, "/services"),
        (LocalEngine.tasks, "/tasks"),
        (LocalEngine.networks, "/networks"),
        (LocalEngine.secrets, "/secrets"),
        (LocalEngine.configs, "/configs"),
    ],
)
def test_lists_are_given_as_they_come(served: Served, engine: LocalEngine, ask: Ask, path: str) -> None:
    served.answer(200, [{"ID": "a"}, {"ID": "b"}])
    assert ask(engine) == [{"ID": "a"}, {"ID": "b"}]
    assert served.asked == [("GET " + path, None)]


@pytest.mark.parametrize(
    ("ask", "path"),
    [
        (lambda engine: engine.node("n1"), "/nodes/n1"),
        (lambda engine: engine.container("c1"), "/containers/c1/json"),
        (lambda engine: engine.volume("shop_uploads"), "/volumes/shop_uploads"),
        (lambda engine: engine.volume("../nodes?x=1"), "/volumes/..%2Fnodes%3Fx%3D1"),
    ],
)
def test_one_thing_is_asked_by_its_name(served: Served, engine: LocalEngine, ask: Ask, path: str) -> None:
    served.answer(200, {"ID": "a"})
    assert ask(engine) == {"ID": "a"}
    assert served.asked == [("GET " + path, None)]


@pytest.mark.parametrize(
    ("ask", "request_line", "body"),
    [
        (
            lambda engine: engine.update_node("n1", 7, {"Role": "worker"}),
            "POST /nodes/n1/update?version=7",
            {"Role": "worker"},
        ),
        (lambda engine: engine.remove_node("n1"), "DELETE /nodes/n1?force=false", None),
        (lambda engine: engine.remove_node("n1", True), "DELETE /nodes/n1?force=true", None),
        (lambda engine: engine.remove_config("c1"), "DELETE /configs/c1", None),
        (lambda engine: engine.unlock("SWMKEY-1-x"), "POST /swarm/unlock", {"UnlockKey": "SWMKEY-1-x"}),
        (
            lambda engine: engine.update_swarm(7, {"Name": "default"}),
            "POST /swarm/update?version=7",
            {"Name": "default"},
        ),
        (
            lambda engine: engine.update_swarm(7, {}, rotateManagerUnlockKey=True, rotateWorkerToken=False),
            "POST /swarm/update?version=7&rotateManagerUnlockKey=true&rotateWorkerToken=false",
            {},
        ),
        (lambda engine: engine.leave(), "POST /swarm/leave?force=false", None),
        (lambda engine: engine.leave(force=True), "POST /swarm/leave?force=true", None),
        (lambda engine: engine.pause("c1"), "POST /containers/c1/pause", None),
        (lambda engine: engine.unpause("c1"), "POST /containers/c1/unpause", None),
    ],
)
def test_a_change_is_asked_for_once(
    served: Served, engine: LocalEngine, ask: Ask, request_line: str, body: Any
) -> None:
    served.status, served.content = 204, b""
    assert ask(engine) is None
    assert served.asked == [(request_line, body)]


def test_a_config_is_made_with_its_labels(served: Served, engine: LocalEngine) -> None:
    served.answer(201, {"ID": "c1"})
    assert engine.create_config("lock", b"\x00held", {"node": "n1"}) == "c1"
    body = {"Name": "lock", "Data": base64.b64encode(b"\x00held").decode(), "Labels": {"node": "n1"}}
    assert served.asked == [("POST /configs/create", body)]


def test_a_new_cluster_is_forced_only_when_that_is_said(served: Served, engine: LocalEngine) -> None:
    served.answer(200, "n1")
    request = {"AdvertiseAddr": "192.0.2.11"}
    assert engine.force_new_cluster(request) == "n1"
    assert engine.swarm_init(request) == "n1"
    assert served.asked == [
        ("POST /swarm/init", {"AdvertiseAddr": "192.0.2.11", "ForceNewCluster": True}),
        ("POST /swarm/init", {"AdvertiseAddr": "192.0.2.11"}),
    ]


@pytest.mark.parametrize(("content", "key"), [({"UnlockKey": "SWMKEY-1-x"}, "SWMKEY-1-x"), ({"UnlockKey": ""}, "")])
def test_the_unlock_key_is_empty_without_autolock(
    served: Served, engine: LocalEngine, content: dict[str, str], key: str
) -> None:
    served.answer(200, content)
    assert engine.unlock_key() == key
    assert served.asked == [("GET /swarm/unlockkey", None)]


@pytest.mark.parametrize(
    ("filters", "asked"),
    [
        ({}, {}),
        ({"volume": "shop uploads&x"}, {"volume": ["shop uploads&x"]}),
        (
            {"label": "com.docker.swarm.service.name=shop_db"},
            {"label": ["com.docker.swarm.service.name=shop_db"]},
        ),
    ],
)
def test_containers_are_filtered_by_the_engine(
    served: Served, engine: LocalEngine, filters: dict[str, str], asked: dict[str, list[str]]
) -> None:
    served.answer(200, [{"Id": "c1"}])
    assert engine.containers(**filters) == [{"Id": "c1"}]
    ((request, body),) = served.asked
    path, _mark, query = request.partition("?")
    assert (path, body) == ("GET /containers/json", None)
    ((key, value),) = urllib.parse.parse_qsl(query, strict_parsing=True)
    assert (key, json.loads(value)) == ("filters", asked)


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (404, "config c1 not found", NotFound),
        (409, "rpc error: code = AlreadyExists desc = config lock already exists", NameConflict),
        (503, "This node is not a swarm manager. Worker nodes can't be used to view", NotAManager),
        (500, "rpc error: code = Unknown desc = The swarm does not have a leader.", NoQuorum),
        (500, "something else", EngineError),
    ],
)
def test_a_refusal_is_told_by_its_kind(
    served: Served, engine: LocalEngine, status: int, words: str, kind: type[EngineError]
) -> None:
    served.answer(status, {"message": words})
    for ask in (engine.configs, lambda: engine.remove_config("c1"), lambda: engine.create_config("lock", b"", {})):
        with pytest.raises(EngineError) as raised:
            ask()
        assert raised.type is kind
        assert str(raised.value) == words


def test_an_engine_that_does_not_listen_is_unreachable_and_has_no_empty_lists(tmp_path: Path) -> None:
    with pytest.raises(EngineUnreachable, match=r"docker\.sock"):
        LocalEngine(str(tmp_path / "docker.sock")).containers()
