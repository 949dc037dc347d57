"""The HTTP side: one endpoint, and an end that lets running requests finish."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Health = Callable[[], tuple[bool, dict[str, Any]]]


class Server(ThreadingHTTPServer):
    """Serves ``GET /api/health`` until told to stop, then waits for the requests it has accepted."""

    daemon_threads = False
    block_on_close = True
    # A burst of connections waits instead of being refused; the library's default is 5.
    request_queue_size = 128

    def __init__(self, port: int, health: Health, delay_seconds: float) -> None:
        super().__init__(("", port), _Handler)
        self.health = health
        self.delay_seconds = delay_seconds


class _Handler(BaseHTTPRequestHandler):
    server: Server
    # A client that connects and says nothing must not hold up the end.
    timeout = 10

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/api/health":
            self._send(HTTPStatus.NOT_FOUND, {"error": f"there is nothing at {self.path}"})
            return
        time.sleep(self.server.delay_seconds)
        healthy, body = self.server.health()
        self._send(HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE, body)

    def _send(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        # Traefik keeps the access log; health checks would drown everything else here.
        pass


def serve_until_stopped(server: Server) -> None:
    """Serve until SIGTERM or SIGINT, then return once every accepted request has been answered."""

    def stop(_signal: int, _frame: object) -> None:
        # shutdown() waits for the loop that this handler interrupts: it needs a thread of its own.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever(poll_interval=0.2)
    server.server_close()
