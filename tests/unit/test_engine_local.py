# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent asks of an engine, as it goes over the socket."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import NotFound
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.local import LocalEngine


def test_requests_are_as_the_engine_wants_them(tmp_path: Path) -> None:
    asked: list[tuple[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(("%s %s" % (self.command, self.path), json.loads(body) if body else None))
            listed, missing = self.path.startswith("/containers/json"), "gone" in self.path
            raw = b'[{"Id": "c1"}]' if listed else b'{"message": "no such"}' if missing else b'{"ID": "new"}'
            self.send_response(404 if missing else 200)
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815  names that http.server asks for

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "s"), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        engine = LocalEngine(str(tmp_path / "s"))
        assert engine.containers(label="a=b&c d") == [{"Id": "c1"}]
        assert engine.create_config("lock", b"\0\xff", {"k": "v"}) == "new"
        engine.update_swarm(7, {"Name": "default"}, rotateManagerUnlockKey=True, rotateWorkerToken=False)
        engine.leave(force=True)
        engine.remove_node("a/b")
        with pytest.raises(NotFound, match="no such"):
            engine.remove_config("gone")
        server.shutdown()
    path, _question, query = asked[0][0].partition("?")
    assert (path, set(query) & set(" &{")) == ("GET /containers/json", set())
    assert json.loads(urllib.parse.parse_qs(query)["filters"][0]) == {"label": ["a=b&c d"]}
    assert asked[1:] == [
        ("POST /configs/create", {"Name": "lock", "Data": "AP8=", "Labels": {"k": "v"}}),
        ("POST /swarm/update?version=7&rotateManagerUnlockKey=true&rotateWorkerToken=false", {"Name": "default"}),
        ("POST /swarm/leave?force=true", None),
        ("DELETE /nodes/a%2Fb?force=false", None),
        ("DELETE /configs/gone", None),
    ]
