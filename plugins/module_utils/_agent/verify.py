# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores the newest backup of each job, on the node that made it, into something that is thrown away, and asks it.

Only then a backup is good.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from .._core.backup import jobs, restic, state, status
from .._core.backup.jobs import Job
from .._core.backup.restic import Snapshot
from .._core.backup.settings import Settings
from .._core.backup.status import Status
from .._core.errors import DeclarationError
from .._engine.client import Json
from .._engine.errors import EngineError
from .._engine.local import LocalEngine
from .._host import swarm_state
from .._host.errors import HostError
from .._host.restic import Restic, Unavailable
from . import databases, fetch, left_behind, lock, raft, store, trials
from .errors import Refused
from .run import cluster_id

STAGING = store.STAGING / "verify"
_ROOM = 1.1
"""Free space that restored files need, for each of their bytes."""
_UNPACKED = 10
"""Bytes that a database may need for each one of its dump, which is compressed and has no indexes."""


def verify(asked: str, settings: Settings, engine: LocalEngine) -> list[str]:
    """Prove the backups that this node has made. What went wrong, one sentence each.

    Args:
        asked: a job's name, or ``all``.

    Raises:
        HostError, EngineError, DeclarationError: nothing could be begun.
    """
    wanted = store.jobs_of(asked, settings)
    store.make_directories()
    with lock.of_node():
        left_behind.put_right(engine)
        noted = [(job, store.read(job.name)) for job in wanted]
        for job, before in noted:
            if before is None:
                store.say("%s: not verified here: this node has never backed it up" % job.name)
        own = [(job, before) for job, before in noted if before is not None]
        if not own:
            return []
        repository = Restic(settings)
        swarm, snapshots = cluster_id(settings, engine), repository.snapshots()
        problems = []
        for job, before in own:
            host = settings.node if job.kind in jobs.OF_EACH_NODE else None
            newest = restic.newest(snapshots, job.name, swarm, host=host)
            problems.append(_verify_one(job, before, newest, settings, engine, repository))
        store.write_metrics(settings.textfile)
    return [problem for problem in problems if problem]


def _verify_one(
    job: Job, before: Status, newest: Snapshot | None, settings: Settings, engine: LocalEngine, repository: Restic
) -> str:
    """Prove one job's newest snapshot and note how it went; what went wrong, empty for nothing."""
    if newest is None and not before.snapshot:
        return "%s: there is no backup of it: %s" % (job.name, before.reason)
    if newest is None:
        gone = "the repository does not have it any more"
        return _note(job, before, settings, before.snapshot, before.taken, reason=gone)
    if newest.host != settings.node:
        store.say("%s: not verified here: %s has made a newer backup of it" % (job.name, newest.host))
        return ""
    known = before.snapshot == newest.id
    lacks = store.partial().get(newest.id, "")
    # Where this one is none, the last backup is still the one before.
    taken = before.taken if known or lacks else newest.time
    try:
        _is_whole(lacks)
        evidence = _evidence(job, newest, before.bytes if known else None, engine, repository, settings)
    except (Refused, Unavailable) as error:
        # It tells nothing of the backup, good or bad.
        return "%s: not verified: %s" % (job.name, error)
    except (HostError, EngineError, DeclarationError) as error:
        return _note(job, before, settings, newest.id, taken, reason=str(error))
    return _note(job, before, settings, newest.id, taken, evidence=evidence)


def _is_whole(lacks: str) -> None:
    """See that nothing was noted that a snapshot lacks: it can be restored all the same.

    Raises:
        HostError: something was.
    """
    if lacks:
        raise HostError("it is not whole: %s; then back up again" % lacks)


def _note(
    job: Job, before: Status, settings: Settings, snapshot: str, taken: str, *, evidence: str = "", reason: str = ""
) -> str:
    """Note how a verification went; what went wrong, empty for nothing."""
    node, now = settings.node, store.now()
    store.write(status.after_verification(before, job, node, snapshot, taken, now, evidence, reason))
    if reason:
        return "%s: the backup %s is not good: %s" % (job.name, snapshot, reason)
    store.say("%s: %s: %s" % (job.name, snapshot, evidence))
    return ""


def _evidence(
    job: Job, snapshot: Snapshot, size: int | None, engine: LocalEngine, repository: Restic, settings: Settings
) -> str:
    """What was found in a snapshot that was restored.

    Args:
        size: bytes of what was backed up, as far as that is known.

    Raises:
        Refused: it can't be restored on this node now.
        HostError, EngineError, DeclarationError: it can't be restored.
    """
    if job.kind in jobs.DATABASES:
        _has_room(engine, job, size)
    if job.kind == jobs.POSTGRES:
        return trials.postgres(repository, job, snapshot.id, _container(engine, job))
    if job.kind == jobs.REDIS:
        return trials.redis(repository, job, snapshot.id, _container(engine, job))
    if job.kind == jobs.DEFINITION:
        return _definition(repository, snapshot.id, settings)
    if job.kind == jobs.RAFT:
        return _raft(repository, snapshot, engine)
    return _files(repository, snapshot.id, size)


def _has_room(engine: LocalEngine, job: Job, size: int | None) -> None:
    """See that what is restored for a trial takes nothing that the database which runs beside it needs.

    Raises:
        Refused: there is no room.
    """
    needed = (size or 0) * _UNPACKED
    if job.kind == jobs.REDIS:
        what, free = "this node's memory", _memory()
    else:
        root = Path(str(engine.info().get("DockerRootDir") or "/var/lib/docker"))
        what, free = str(root), swarm_state.free(root) if needed else 0
    if needed > free:
        raise Refused(
            "there is no room to restore it beside what runs: %s has %d MiB free, and it may take %d: make room there"
            % (what, free >> 20, needed >> 20)
        )


def _memory() -> int:
    """Bytes that programs can still have (proc_meminfo(5))."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024


def _container(engine: LocalEngine, job: Job) -> Json:
    """The container of a job's service, whose image can restore its data."""
    try:
        found = databases.container(engine, str(job.options["service"]))
    except HostError as error:
        raise Refused("%s, so its image is not at hand" % error) from error
    return engine.container(str(found["Id"]))


def _definition(repository: Restic, snapshot: str, settings: Settings) -> str:
    """The swarm's definition; and the repository as a whole, which one node reads for all."""
    repository.check()
    try:
        found = json.loads(repository.dump(snapshot, "/definition.json"))
        counts = {key: len(found[key]) for key in ("services", "nodes", "networks", "secrets", "configs")}
    except (KeyError, TypeError, ValueError) as error:
        raise HostError("it is no definition of a swarm: %r" % error) from error
    if not counts["nodes"]:
        raise HostError("it is no definition of a swarm: it has no nodes")
    listed = ", ".join("%d %s" % (count, key) for key, count in counts.items())
    return "%s; the repository is whole (%s of its data read)" % (listed, settings.check_subset)


def _raft(repository: Restic, snapshot: Snapshot, engine: LocalEngine) -> str:
    metadata = fetch.read_metadata(repository, snapshot.id)
    problems = state.problems(metadata, snapshot.swarm, str(engine.info().get("ServerVersion") or ""))
    if problems:
        raise HostError("; ".join(problems))
    with _staging(None) as place:
        repository.restore(snapshot.id, str(raft.STAGING), str(place))
        return fetch.prove(place, metadata, fetch.unlock_key(repository, snapshot.id, metadata))


def _files(repository: Restic, snapshot: str, size: int | None) -> str:
    """Files and volumes. restic compares what it has written with what it was to write."""
    with _staging(size) as place:
        repository.restore(snapshot, "/", str(place))
        files, found = measure(place)
    if size is not None and size != found:
        raise HostError("%d bytes were backed up, and %d restored" % (size, found))
    return "%d files restored and compared, %d bytes" % (files, found)


@contextlib.contextmanager
def _staging(size: int | None) -> Iterator[Path]:
    """A directory to restore into; it is removed.

    Raises:
        Refused: there is no room for so many bytes.
    """
    shutil.rmtree(STAGING, ignore_errors=True)
    free = swarm_state.free(STAGING.parent)
    if size is not None and free < size * _ROOM:
        raise Refused(
            "there is no room to restore it: %s has %d MiB free, and %d are needed: make room there"
            % (STAGING.parent, free >> 20, int(size * _ROOM) >> 20)
        )
    try:
        STAGING.mkdir(mode=0o700)
        yield STAGING
    except OSError as error:
        raise HostError("%s can't be used: %s" % (STAGING, error.strerror)) from error
    finally:
        shutil.rmtree(STAGING, ignore_errors=True)


def measure(directory: Path) -> tuple[int, int]:
    """How many files are below a directory, and how many bytes they have."""
    sizes = [found.st_size for found in (path.lstat() for path in directory.rglob("*")) if stat.S_ISREG(found.st_mode)]
    return len(sizes), sum(sizes)
