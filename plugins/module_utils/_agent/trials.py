# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases restored into a container that is thrown away, with the database's own tools out of the service's image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

from .._core.backup.jobs import Job
from .._engine.client import Json
from .._engine.wait import DeadlineExceeded, wait_until
from .._host.errors import HostError
from .._host.restic import Restic
from . import databases
from .throwaway import PLACE, Throwaway, throwaway

LOAD_SECONDS = 900.0
"""For a Redis server to load what it was given."""
TABLES = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
_ROWS = re.compile(r"\n\s*(?:DETAIL|CONTEXT|LINE \d+|Command was):")
_DEPENDENT = re.compile(r"objects depend on it\n\s*DETAIL:\s*(.*?)\s*(?:\n\s*(?:HINT|Command was):|\Z)", re.DOTALL)
"""The one detail that names objects, and no rows."""
_RDB_ERROR = re.compile(r"RDB ERROR DETECTED ---\s*(.*)")
_ANSWER_LENGTH = 200
"""Characters of a query's answer that are noted at most."""


# -- PostgreSQL ------------------------------------------------------------------------------------------------------


def postgres(restic: Restic, job: Job, snapshot: str, container: Json) -> str:
    """Restore a dump into a new server, and ask that what the job says.

    Args:
        container: the engine's JSON of the service's container.

    Returns:
        What was found, for people.

    Raises:
        HostError: it can't be restored, or does not answer.
    """
    user = str(job.options["user"])
    with throwaway(container, "postgres") as place:
        place.needs("initdb", "pg_ctl", "pg_restore", "psql")
        data = PLACE + "/data"
        place.run(
            "initdb", "--pgdata=%s" % data, "--username=%s" % user, "--auth=trust", "--encoding=UTF8", "--no-sync"
        )
        # It need not outlive this, and nobody reaches it but through its socket.
        options = "-c listen_addresses= -c unix_socket_directories=%s -c fsync=off" % PLACE
        log = "--log=%s/log" % PLACE
        place.run("pg_ctl", "--pgdata=%s" % data, log, "--options=%s" % options, "--wait", "--timeout=120", "start")
        # The database is made anew as it was, with its encoding and its locale, even one that initdb has made.
        # Its tablespaces are directories of the other server, which are not here.
        words = ["--create", "--clean", "--if-exists", "--no-tablespaces"]
        argv = place.argv(*databases.undump(user, "template1", *words, place=PLACE))
        feed_postgres(restic, job, snapshot, argv)
        ask = partial(_ask_postgres, place, job)
        return told(ask(TABLES), str(job.options["query"]), ask(str(job.options["query"])))


def feed_postgres(restic: Restic, job: Job, snapshot: str, argv: Sequence[str]) -> str:
    """Feed a dump into a command that is ``databases.undump``; what that says of the roles it made, or nothing.

    Raises:
        HostError: it failed. Of what the server says, the lines that quote rows are left out.
    """
    try:
        return restic.dump_to(snapshot, databases.filename(job), argv).decode("utf-8", "replace").strip()
    except HostError as error:
        whole = str(error).replace(" ".join(argv), "pg_restore")  # a script is no sentence
        said, dependent = _ROWS.split(whole)[0].strip(), _DEPENDENT.search(whole)
        if dependent:
            said += " (%s): drop what was added since the backup, and start again" % (
                "; ".join(line.strip() for line in dependent[1].splitlines())
            )
        raise type(error)(said) from error


def _ask_postgres(place: Throwaway, job: Job, query: str) -> str:
    return place.run("psql", "--host=%s" % PLACE, *psql(job, query))


def psql(job: Job, query: str) -> list[str]:
    """The arguments with which psql prints a query's answer and nothing else."""
    return [
        *("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--no-password"),
        *("--username=%s" % job.options["user"], "--dbname=%s" % job.options["database"], "--command=%s" % query),
    ]


def told(tables: str, query: str, answer: str, where: str = "restored") -> str:
    """What a restored database has told.

    Raises:
        HostError: it has told nothing.
    """
    said = " ".join(answer.split())
    if not said:
        raise HostError("the database was restored, and has no answer to the job's query: %s" % query)
    if len(said) > _ANSWER_LENGTH:
        said = said[:_ANSWER_LENGTH] + "..."
    return "%s tables %s; %s = %s" % (tables.strip(), where, " ".join(query.split()), said)


# -- Redis -----------------------------------------------------------------------------------------------------------


def redis(restic: Restic, job: Job, snapshot: str, container: Json) -> str:
    """Let a new Redis server load a dump, and count its keys.

    Raises:
        HostError: it does not load it.
    """
    socket = PLACE + "/redis.sock"
    with throwaway(container, "redis") as place:
        keys = load(restic, job, snapshot, place, ["--port", "0", "--unixsocket", socket], ["-s", socket])
    return "%d keys restored" % keys


def load(restic: Restic, job: Job, snapshot: str, place: Throwaway, listen: list[str], connect: list[str]) -> int:
    """Start a Redis server with a dump in a container; how many keys it has.

    Args:
        listen: arguments with which the server listens.
        connect: arguments with which ``redis-cli`` reaches it.

    Raises:
        HostError: the dump is damaged, or the server does not load it in time.
    """
    place.needs("redis-server", "redis-cli", "redis-check-rdb")
    there = place.receive(restic, snapshot, databases.filename(job))
    code, out, err = place.try_run("redis-check-rdb", there)
    if code != 0:
        # The rest of it names keys.
        found = _RDB_ERROR.search(out)
        raise HostError(
            "redis can't load what was backed up: redis-check-rdb says: %s"
            % (found[1] if found else err.strip() or code)
        )
    log = PLACE + "/log"
    # It writes nothing, and to a replica it gives all at once.
    server = ["--dir", PLACE, "--dbfilename", there.rpartition("/")[2], "--save", "", "--appendonly", "no"]
    server += ["--repl-diskless-sync-delay", "0", "--daemonize", "yes", "--logfile", log]
    place.run("redis-server", *listen, *server)

    def ping() -> str:
        return place.try_run("redis-cli", *connect, "PING")[1].strip()

    try:
        wait_until(ping, lambda said: said == "PONG", LOAD_SECONDS)
    except DeadlineExceeded as error:
        raise HostError(
            "redis has not loaded what was backed up within %g s: %s"
            % (LOAD_SECONDS, " ".join(place.run("tail", "-n", "3", log).split()))
        ) from error
    return keys(information(place.run("redis-cli", *connect, "INFO", "keyspace")))


def information(text: str) -> dict[str, str]:
    """What ``INFO`` says, line by line."""
    pairs = (line.strip().partition(":") for line in text.splitlines() if ":" in line)
    return {name: value for name, _colon, value in pairs}


def keys(keyspace: Mapping[str, str]) -> int:
    """How many keys all databases together have, of ``INFO keyspace``."""
    counts = (
        value.partition(",")[0].partition("=")[2]
        for name, value in keyspace.items()
        if name[:2] == "db" and name[2:].isdigit()
    )
    return sum(int(count) for count in counts)
