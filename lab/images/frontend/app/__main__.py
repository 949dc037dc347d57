"""Start the frontend: ``python3 -m app``. ``BACKEND_URL`` says whom to ask."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import urllib.error
import urllib.request
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from app.page import render

VERSION = os.environ.get("VERSION", "unknown")
BACKEND_URL = os.environ.get("BACKEND_URL", "http://app-backend:4000")
BACKEND_SECONDS = 10
# 128 + SIGTERM: see the backend.
EXIT_STOPPED = 143


def ask_backend() -> dict[str, Any]:
    """The backend's health document, healthy or not; ``{"error": reason}`` when no document came."""
    url = f"{BACKEND_URL}/api/health"
    try:
        with urllib.request.urlopen(url, timeout=BACKEND_SECONDS) as response:  # noqa: S310 - the stack's own setting
            document = json.load(response)
    except urllib.error.HTTPError as error:
        try:
            document = json.load(error)
        except ValueError:
            return {"error": f"HTTP {error.code}"}
    except (OSError, ValueError) as error:
        return {"error": str(getattr(error, "reason", error))}
    return document if isinstance(document, dict) else {"error": "not a health document"}


class Handler(BaseHTTPRequestHandler):
    # A client that connects and says nothing must not hold up the end.
    timeout = 10

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/healthz":
            # The frontend's own health: a backend that is down must not get the frontend restarted.
            self._send(HTTPStatus.OK, "text/plain; charset=utf-8", "ok\n")
        elif path == "/":
            answer = ask_backend()
            status = HTTPStatus.OK if answer.get("status") == "ok" else HTTPStatus.SERVICE_UNAVAILABLE
            self._send(status, "text/html; charset=utf-8", render(VERSION, socket.gethostname(), answer))
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", "not found\n")

    def _send(self, status: HTTPStatus, content_type: str, body: str) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        # Traefik keeps the access log.
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128


def main() -> int:
    port = int(os.environ.get("PORT", "3000"))
    server = Server(("", port), Handler)
    # shutdown() waits for the loop that the handler interrupts: it needs a thread of its own.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _signal, _frame: threading.Thread(target=server.shutdown).start())
    sys.stderr.write(f"frontend: version {VERSION} listens on port {port}\n")
    server.serve_forever(poll_interval=0.2)
    server.server_close()
    return EXIT_STOPPED


if __name__ == "__main__":
    sys.exit(main())
