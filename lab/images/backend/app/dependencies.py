"""What the backend stands on: a probe each for PostgreSQL and Redis that writes something and reads it back."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Protocol

import psycopg
import redis

from app.credentials import Credentials, SecretError

CONNECT_SECONDS = 3
# The server's default max_connections is 100: this leaves room for ten replicas.
POSTGRES_CONNECTIONS = 8


class Probe(Protocol):
    """Answers what it found, or raises one of ``ERRORS``."""

    def __call__(self) -> dict[str, Any]: ...


ERRORS = (psycopg.Error, redis.RedisError, SecretError, TimeoutError, ValueError)


def answer_of(probe: Probe) -> dict[str, Any]:
    """The probe's answer with ``ok`` and ``milliseconds``; on failure ``ok: false`` and the error's first line."""
    started = time.monotonic()
    try:
        answer = {"ok": True, **probe()}
    except ERRORS as error:
        lines = str(error).splitlines() or [type(error).__name__]
        answer = {"ok": False, "error": lines[0]}
    answer["milliseconds"] = round((time.monotonic() - started) * 1000, 1)
    return answer


class Postgres:
    """Writes one row per instance and reads it back, over a few kept connections."""

    _SCHEMA = """
        CREATE TABLE IF NOT EXISTS health_probe (
            instance text PRIMARY KEY, token text NOT NULL, seen timestamptz NOT NULL DEFAULT now()
        )
    """
    # Two first probes at once would both find the table missing, and one would fail: hence the lock.
    _LOCK = "SELECT pg_advisory_xact_lock(8020117)"

    def __init__(self, credentials: Credentials, instance: str) -> None:
        self._credentials = credentials
        self._instance = instance
        self._idle: queue.LifoQueue[psycopg.Connection[Any]] = queue.LifoQueue()
        self._slots = threading.BoundedSemaphore(POSTGRES_CONNECTIONS)
        self._prepared = False

    def __call__(self) -> dict[str, Any]:
        if not self._slots.acquire(timeout=CONNECT_SECONDS):
            raise TimeoutError(f"all {POSTGRES_CONNECTIONS} PostgreSQL connections stayed busy for {CONNECT_SECONDS} s")
        try:
            return self._with_connection(self._round_trip)
        finally:
            self._slots.release()

    def _with_connection(self, work: Callable[[psycopg.Connection[Any]], dict[str, Any]]) -> dict[str, Any]:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            return self._keep_after(self._connect(), work)
        try:
            return self._keep_after(connection, work)
        except psycopg.OperationalError:
            # The server went away since; a connection made now tells whether it is back.
            return self._keep_after(self._connect(), work)

    def _keep_after(
        self, connection: psycopg.Connection[Any], work: Callable[[psycopg.Connection[Any]], dict[str, Any]]
    ) -> dict[str, Any]:
        try:
            answer = work(connection)
        except BaseException:
            connection.close()
            raise
        self._idle.put(connection)
        return answer

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            self._credentials.read("database_url"),
            connect_timeout=CONNECT_SECONDS,
            application_name="medianest-backend",
            options="-c statement_timeout=5000",
        )

    def _round_trip(self, connection: psycopg.Connection[Any]) -> dict[str, Any]:
        token = uuid.uuid4().hex
        with connection.transaction(), connection.cursor() as cursor:
            if not self._prepared:
                cursor.execute(self._LOCK)
                cursor.execute(self._SCHEMA)
                cursor.execute("DELETE FROM health_probe WHERE seen < now() - interval '1 day'")
            cursor.execute(
                "INSERT INTO health_probe (instance, token) VALUES (%s, %s)"
                " ON CONFLICT (instance) DO UPDATE SET token = excluded.token, seen = now()",
                (self._instance, token),
            )
            cursor.execute("SELECT current_setting('server_version') FROM health_probe WHERE token = %s", (token,))
            row = cursor.fetchone()
        if row is None:
            raise ValueError("PostgreSQL did not give back the row just written")
        self._prepared = True
        return {"server": f"PostgreSQL {row[0].split()[0]}", "round_trip": "row written and read back"}


class Redis:
    """Sets a key that expires and gets it back."""

    def __init__(self, credentials: Credentials, instance: str, host: str, port: int) -> None:
        self._credentials = credentials
        self._key = f"health_probe:{instance}"
        self._host = host
        self._port = port
        self._client: redis.Redis | None = None

    def __call__(self) -> dict[str, Any]:
        token = uuid.uuid4().hex
        # One transaction: two requests at once share the key.
        with self._connected().pipeline(transaction=True) as commands:
            commands.set(self._key, token, ex=60)
            commands.get(self._key)
            commands.info("server")
            _set, got, server = commands.execute()
        if got != token:
            raise ValueError("Redis did not give back the key just set")
        return {"server": f"Redis {server['redis_version']}", "round_trip": "key set and got back"}

    def _connected(self) -> redis.Redis:
        if self._client is None:
            self._client = redis.Redis(
                host=self._host,
                port=self._port,
                password=self._credentials.read("redis_password"),
                decode_responses=True,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=CONNECT_SECONDS,
            )
        return self._client
