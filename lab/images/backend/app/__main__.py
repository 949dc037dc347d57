"""Start the backend: ``python3 -m app``. Settings are environment variables, credentials are files."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from app.behaviour import behaviour_of, start_hogs
from app.credentials import Credentials, SecretError
from app.dependencies import Postgres, Redis, answer_of
from app.server import Server, serve_until_stopped

# 128 + SIGTERM: "ended because it was told to". Swarm's restart condition on-failure takes 0 for "finished its work",
# and would leave a task stopped that ended with its engine.
EXIT_STOPPED = 143


def say(message: str) -> None:
    sys.stderr.write(f"backend: {message}\n")


def main() -> int:
    version = os.environ.get("VERSION", "unknown")
    behaviour = behaviour_of(version, os.environ)
    if behaviour.crash_at_start:
        say(f"version {version} crashes at start: schema migration 0042 failed")
        return 1
    credentials = Credentials(Path(os.environ.get("SECRETS_DIRECTORY", "/run/secrets")))
    try:
        credentials.check()
    except SecretError as error:
        say(str(error))
        return 1

    instance = socket.gethostname()
    postgres = Postgres(credentials, instance)
    host, port = os.environ.get("REDIS_HOST", "redis"), int(os.environ.get("REDIS_PORT", "6379"))
    redis = Redis(credentials, instance, host, port)

    def health() -> tuple[bool, dict[str, Any]]:
        answers = {"postgres": answer_of(postgres), "redis": answer_of(redis)}
        healthy = not behaviour.unhealthy and all(answer["ok"] for answer in answers.values())
        status = "ok" if healthy else "unhealthy"
        return healthy, {"status": status, "version": version, "instance": instance, **answers}

    if behaviour.exit_after_seconds is not None:
        threading.Timer(behaviour.exit_after_seconds, _crash_late, [version, behaviour.exit_after_seconds]).start()
    start_hogs(behaviour)
    port = int(os.environ.get("PORT", "4000"))
    server = Server(port, health, behaviour.delay_seconds)
    say(f"version {version} listens on port {port}")
    serve_until_stopped(server)
    say("stopped")
    return EXIT_STOPPED


def _crash_late(version: str, seconds: float) -> None:
    say(f"version {version} crashes after {seconds:g} s: connection pool exhausted")
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
