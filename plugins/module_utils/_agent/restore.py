# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a backup back into what runs: a database of a service on this node, or a volume."""

from __future__ import annotations

import contextlib
import shutil
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .._core.backup import jobs
from .._core.backup.jobs import Job
from .._core.backup.restic import Snapshot
from .._core.backup.settings import Settings
from .._engine.client import Json
from .._engine.local import LocalEngine
from .._engine.wait import DeadlineExceeded, wait_until
from .._host import command, swarm_state
from .._host.backup_agent import CUT_SHORT
from .._host.errors import CutShort, HostError
from .._host.restic import Restic, Untouched
from . import databases, left_behind, lock, store, trials, volumes
from .fetch import LATEST, pick
from .run import cluster_id
from .throwaway import throwaway
from .verify import measure

SYNC_SECONDS = 1800.0
"""For a Redis server to take over what was restored, and to write it to its disk."""
_LOADING_SECONDS = 300.0
"""For it to answer again while it loads that."""
_PORT = 16379
"""Where the Redis server that holds the backup listens, inside the service's container alone."""
_LOCK_WAIT = "60s"
"""How long a restore waits for whoever uses a table."""
_SETTINGS = "PGOPTIONS=-c lock_timeout=%s" % _LOCK_WAIT
_READ_ONLY = "PGOPTIONS=-c default_transaction_read_only=on"
_ASK_SECONDS = 600.0
_ROOM = 1.1
"""Free space that restored files need, for each of their bytes."""

_ELSEWHERE = {
    jobs.FILES: "look into it with `restic restore`, and copy what you need",
    jobs.DEFINITION: "it is what playbooks/phase2_production_migration.yml would deploy, to compare with",
    jobs.RAFT: "playbooks/dr/full_rebuild.yml does it",
}


def restore(name: str, asked: str, settings: Settings, engine: LocalEngine, host: str = "") -> dict[str, Any]:
    """Put a backup of a job back. What was there before is lost.

    Args:
        name: the job's.
        asked: a snapshot's ID, or ``latest``.
        host: whose snapshot it must be, for a volume that several nodes have, each with its own content; empty is
            anybody's.

    Returns:
        ``job``, ``snapshot``, ``taken``, ``node`` (who made it) and ``evidence``.

    Raises:
        HostError, EngineError: it can't be put back; the message says what is there now.
        CutShort: a part of it may be there, or still be written.
    """
    job = next((job for job in settings.jobs if job.name == name), None)
    if job is None:
        raise HostError(
            "there is no job %s: name one of %s"
            % (name, ", ".join(one.name for one in settings.jobs) or "those declared")
        )
    if job.kind in _ELSEWHERE:
        raise HostError("%s is not restored into what runs: %s" % (name, _ELSEWHERE[job.kind]))
    store.make_directories()
    try:
        with lock.of_node(restores=True):
            left_behind.put_right(engine)
            repository = Restic(settings)
            held = _made_by(host, repository.snapshots(), asked, name)
            found = pick(held, asked, name, cluster_id(settings, engine))
            evidence = _PUT_BACK[job.kind](repository, job, found.id, engine)
    except lock.Held as error:
        if error.restores:  # maybe this very one, begun over a connection that was lost since
            raise CutShort(str(error)) from error
        raise
    return {"job": name, "snapshot": found.id, "taken": found.time, "node": found.host, "evidence": evidence}


def _made_by(host: str, snapshots: Sequence[Snapshot], asked: str, name: str) -> Sequence[Snapshot]:
    """The snapshots that a host made, or all of them where none is named.

    Raises:
        HostError: it made none of this job, and its newest is asked for.
    """
    if not host:
        return snapshots
    made = [one for one in snapshots if one.host == host]
    if asked == LATEST and not any(one.job == name for one in made):
        others = sorted({one.host for one in snapshots if one.job == name})
        raise HostError(
            "the repository holds no backup of %s that %s made (%s): leave this job out, and give it another node's "
            "with playbooks/dr/restore_volume.yml, which takes a node and a snapshot"
            % (name, host, "there are those of %s" % ", ".join(others) if others else "nor of another node")
        )
    return made


def _postgres(repository: Restic, job: Job, snapshot: str, engine: LocalEngine) -> str:
    """All or nothing: one transaction replaces what the backup has. Only roles that were missing stay if it fails."""
    container = str(databases.container(engine, str(job.options["service"]))["Id"])
    user, database = str(job.options["user"]), str(job.options["database"])
    words = databases.undump(user, database, "--clean", "--if-exists", "--single-transaction")
    try:
        argv = ["docker", "exec", "--interactive", "--env", _SETTINGS, container, *words]
        roles = trials.feed_postgres(repository, job, snapshot, argv)
    except HostError as error:
        raise HostError("the database is as it was: %s" % error) from error

    def ask(query: str) -> str:
        words = ["docker", "exec", "--env", _READ_ONLY, container, "psql", *trials.psql(job, query)]
        return command.demand(words, "the database was restored, and does not answer", _ASK_SECONDS)

    query = str(job.options["query"])
    evidence = trials.told(ask(trials.TABLES), query, ask(query), "there")
    return "; ".join(filter(None, (evidence, roles)))


def _redis(repository: Restic, job: Job, snapshot: str, engine: LocalEngine) -> str:
    """The running server becomes for a moment the replica of one that holds the backup.

    Its files can't be replaced under it, and stopping its container would race with the swarm, which starts another.
    As a replica it loads everything at once and writes its own files itself, with or without an append-only file.
    """
    live = engine.container(str(databases.container(engine, str(job.options["service"]))["Id"]))

    def ask(request: str) -> str:
        return _ask_redis(live, job, request)

    role = trials.information(ask("INFO replication")).get("role")
    if role != "master":
        raise HostError(
            "the server of %s is a replica (role %s): restore into its master; if a restore that was cut short left "
            "it so, REPLICAOF NO ONE mends that" % (job.options["service"], role)
        )
    with throwaway(live, "redis", "container:%s" % live["Id"]) as place:
        port = str(_PORT)
        listen = ["--port", port, "--bind", "127.0.0.1"]
        backed_up = trials.load(repository, job, snapshot, place, listen, ["-h", "127.0.0.1", "-p", port])
        try:
            _agreed(ask("REPLICAOF 127.0.0.1 %s" % port))
            _until(lambda: trials.information(ask("INFO replication")), _is_synced, "taken over what was backed up")
        finally:
            _release(ask, str(job.options["service"]))
    _keep(ask)
    there = trials.keys(trials.information(ask("INFO keyspace")))
    if backed_up and not there:
        raise HostError("%d keys were loaded, and the server has none: see its log" % backed_up)
    return "%d keys restored; the server has %d" % (backed_up, there)


def _release(ask: Callable[[str], str], service: str) -> None:
    """Let the server be nobody's replica any more. While it loads what it took over, it agrees to nothing.

    Raises:
        CutShort: it stays a replica, and refuses every write.
    """
    try:
        said = wait_until(
            lambda: _last(ask("REPLICAOF NO ONE")), lambda said: not said.startswith("LOADING"), _LOADING_SECONDS
        )
    except (HostError, DeadlineExceeded) as error:
        said = str(error)
    if not said.startswith("OK"):
        raise CutShort(
            "the server of %s is left a replica of nobody, which refuses every write; REPLICAOF NO ONE mends that, "
            "once it agrees to it (%s)" % (service, said)
        )


def _keep(ask: Callable[[str], str]) -> None:
    """See that what was restored is on the server's disk."""
    if trials.information(ask("INFO persistence")).get("aof_enabled") == "1":
        # It has begun to write the append-only file anew by itself.
        _until(lambda: trials.information(ask("INFO persistence")), _is_appended, "written its append-only file")
        return
    ask("BGSAVE")
    _until(lambda: trials.information(ask("INFO persistence")), _is_saved, "saved what was restored")


def _is_synced(replication: dict[str, str]) -> bool:
    return replication.get("master_link_status") == "up" and replication.get("master_sync_in_progress") == "0"


def _is_appended(persistence: dict[str, str]) -> bool:
    idle = all(persistence.get("aof_rewrite_" + key) == "0" for key in ("in_progress", "scheduled"))
    return idle and persistence.get("aof_last_bgrewrite_status") == "ok"


def _is_saved(persistence: dict[str, str]) -> bool:
    idle = persistence.get("rdb_bgsave_in_progress") == "0"
    return idle and persistence.get("rdb_last_bgsave_status") == "ok"


def _until(read: Callable[[], dict[str, str]], done: Callable[[dict[str, str]], bool], what: str) -> None:
    try:
        wait_until(read, done, SYNC_SECONDS)
    except DeadlineExceeded as error:
        raise HostError("redis has not %s within %g s: its log says why" % (what, SYNC_SECONDS)) from error


def _agreed(answer: str) -> None:
    if not _last(answer).startswith("OK"):
        raise HostError("redis refuses: %s" % _last(answer))


def _last(answer: str) -> str:
    return (answer.strip().splitlines()[-1:] or [""])[0]


def _ask_redis(live: Json, job: Job, request: str) -> str:
    """What the service's server says."""
    program = databases.REDIS_ASK + '\nask "$2"\n'
    words = [
        "docker",
        "exec",
        str(live["Id"]),
        "sh",
        "-euc",
        program,
        "flotilla",
        str(job.options["password_file"]),
        request,
    ]
    code, out, err = command.run(words, _ASK_SECONDS)
    if code != 0 or "NOAUTH" in out or "WRONGPASS" in out:
        raise HostError("redis does not answer `%s`: %s" % (request, (err or out).strip()))
    return out


def _volume(repository: Restic, job: Job, snapshot: str, engine: LocalEngine) -> str:
    """Nobody has it meanwhile, also where it is frozen for a backup.

    Frozen is enough to read under somebody, and never to write: a database would go on with what it has in memory and
    with its open files, and write that over what was restored.

    It is written over in place, so all of the backup is restored elsewhere first: a damaged one costs nothing then, nor
    one for which there is no room or no time.
    """
    name = str(job.options["volume"])
    place = volumes.directory(engine, name)
    _unused(engine, name)
    with _there(name, "is as it was", HostError):
        begun = time.monotonic()
        more = _rehearse(repository, job, snapshot, place)
        _in_time(time.monotonic() - begun)
        _has_room(Path(place), more, "what the volume does not have yet")
    # That took its time: asked again, for who has come meanwhile.
    _unused(engine, name)
    with _there(name, "holds a mixture now: restore it again before its service runs", CutShort):
        repository.restore(snapshot, place, place, delete=True)
        _unused(engine, name)  # who has come while it was written over has read a part, and may write over it
    with _there(name, "is restored", HostError):
        files, found = measure(Path(place))
    return "%d files restored and compared, %d bytes" % (files, found)


@contextlib.contextmanager
def _there(name: str, now: str, failure: type[HostError]) -> Iterator[None]:
    """Say what a volume holds now, when what is done with it fails or is stopped."""
    try:
        yield
    except Untouched as error:
        raise HostError("the volume %s is as it was: %s" % (name, error)) from error
    except Exception as error:  # also one that nobody thought of: its status would say that nothing is half done
        raise failure("the volume %s %s: %s" % (name, now, error)) from error
    except SystemExit as stop:  # by a signal, or by the deadline, which says so itself
        sys.stderr.write("the volume %s %s\n" % (name, now))
        if isinstance(stop.code, str):
            sys.stderr.write(stop.code + "\n")
        raise SystemExit(CUT_SHORT if failure is CutShort else 1) from stop


def _in_time(seconds: float) -> None:
    """See that so much time is left until the alarm of the deadline; without one there is no end of it.

    Raises:
        HostError: there is less.
    """
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    if 0 < left < seconds:
        raise HostError(
            "to restore it elsewhere first took %d s, and %d s are left to write it over, which could be cut short: "
            "give it a longer deadline (swarm_backup_deadline), and start it again" % (seconds, left)
        )


def _has_room(directory: Path, size: int, what: str) -> None:
    """See that so many bytes can be written where a directory lies.

    Raises:
        HostError: there is no room.
    """
    needed, free = size * _ROOM, swarm_state.free(directory)
    if free < needed:
        raise HostError(
            "there is no room for %s: %s has %d MiB free, and %d are needed: make room there"
            % (what, directory, free >> 20, int(needed) >> 20)
        )


def _unused(engine: LocalEngine, name: str) -> None:
    """See that no running container has a volume; one that is frozen runs.

    Raises:
        HostError: one has it.
    """
    users = engine.containers(volume=name)
    if users:
        raise HostError(
            "the volume %s is in use by %s: scale its service to 0 first, and up again after the restore"
            % (name, ", ".join(sorted(str((one.get("Names") or [one["Id"]])[0]).lstrip("/") for one in users)))
        )


def _rehearse(repository: Restic, job: Job, snapshot: str, place: str) -> int:
    """Restore all of a volume's backup into a directory that is thrown away; the bytes that the volume will need more.

    Raises:
        HostError: it can't be restored, or there is no room for it.
    """
    staging = store.STAGING / "restore"
    shutil.rmtree(staging, ignore_errors=True)  # of a run that was killed
    root = Path(place)
    size: int | None = None
    with contextlib.suppress(HostError):  # a damaged note is no reason to restore nothing
        before = store.read(job.name)
        size = before.bytes if before is not None and before.snapshot == snapshot else None
    if size is None:  # what the volume has now is the nearest that is known
        size = swarm_state.size(root) if root.exists() else 0
    _has_room(store.STAGING, size, "all of it beside the volume first")
    try:
        staging.mkdir(mode=0o700)
        repository.restore(snapshot, place, str(staging))
        return sum(max(0, _bytes(one) - _bytes(root / one.relative_to(staging))) for one in staging.rglob("*"))
    except OSError as error:
        raise HostError("%s can't be used: %s" % (staging, error.strerror)) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _bytes(path: Path) -> int:
    """What a file has on the disk. restic writes a file over, and removes what the backup does not have only then."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return found.st_blocks * 512 if stat.S_ISREG(found.st_mode) else 0


_PUT_BACK: dict[str, Callable[[Restic, Job, str, LocalEngine], str]] = {
    jobs.POSTGRES: _postgres,
    jobs.REDIS: _redis,
    jobs.VOLUME: _volume,
}
