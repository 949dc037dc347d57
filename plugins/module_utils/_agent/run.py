# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backs up: every job that is this node's now, one after the other."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace

from .._core.backup import definition, jobs, restic, status, turns
from .._core.backup.jobs import Job
from .._core.backup.settings import Settings
from .._core.errors import DeclarationError
from .._engine.errors import EngineError
from .._engine.host import observe_membership
from .._engine.local import LocalEngine
from .._host.errors import HostError
from .._host.restic import Restic
from . import databases, left_behind, lock, raft, store, volumes
from .errors import Refused
from .turns import look


def run(asked: str, settings: Settings, engine: LocalEngine) -> list[str]:
    """Do this node's jobs. What went wrong, one sentence each.

    Args:
        asked: a job's name, or ``all``.

    Raises:
        HostError, EngineError, DeclarationError: nothing could be begun.
    """
    wanted = store.jobs_of(asked, settings)
    store.make_directories()
    with lock.of_node():
        left_behind.put_right(engine)
        own, view = [], look(engine, settings.node)
        for job, mine, why in turns.mine(wanted, view):
            store.say("%s: %s: %s" % (job.name, "backed up" if mine else "not backed up here", why))
            own += [job] if mine else []
        store.remember(own, wanted)
        repository = Restic(settings, note=store.note_partial)
        for problem in _discard(repository, patient=False):
            store.say(problem)
        problems = _run_all(own, settings, engine, repository)
        if view.no_quorum and any(job.kind in jobs.OF_THE_SWARM for job in wanted):
            problems.append("the swarm itself is not backed up, for it has no quorum: %s" % view.no_quorum)
        store.write_metrics(settings.textfile)
    return problems


def _run_all(own: list[Job], settings: Settings, engine: LocalEngine, repository: Restic) -> list[str]:
    if not own:
        return []
    swarm = cluster_id(settings, engine)
    problems = []
    for position, job in enumerate(own, 1):
        store.say("%s: %d of %d" % (job.name, position, len(own)))
        problem = _run_one(job, settings, engine, repository, swarm)
        problems += [problem] if problem else []
    # At the end, where nothing stands still any more: it may wait long for other nodes.
    problems += _discard(repository, patient=True)
    if any(job.kind == jobs.DEFINITION for job in own):
        # The leader alone does it, so that it is done once.
        try:
            repository.forget(swarm)
        except (HostError, DeclarationError) as error:
            problems.append("what need not be kept was not forgotten: %s" % error)
    return problems


def _discard(repository: Restic, *, patient: bool) -> list[str]:
    """Take away the snapshots that are noted as no backups; what went wrong, one sentence each.

    A note goes when its snapshot is seen to be gone, and never before: it keeps the snapshot from being taken for good.
    """

    def there(noted: Collection[str]) -> list[str]:
        return sorted({one.id for one in repository.snapshots()}.intersection(noted))

    try:
        noted = store.partial()
        if not noted:
            return []
        found = there(noted)
        if found:
            repository.discard(found, patient=patient)
            found = there(found)
        store.keep_partial(found)
    except (HostError, DeclarationError) as error:
        return ["what could be read in part only was not taken out of the repository: %s" % error]
    return [
        "%s is no backup, and the repository keeps it: remove it with `restic forget %s`, from where it may be removed"
        % (snapshot, snapshot)
        for snapshot in found
    ]


def make_repository(settings: Settings) -> bool:
    """Make the repository where there is none; whether it was made. Only one node may do it at a time.

    Two that make it at once spoil it: restic writes a key and a configuration, and those of two runs don't fit.

    Raises:
        HostError: this node has snapshots in it, so it was lost.
    """
    store.make_directories()
    repository = Restic(settings)
    lost = [before.job for before in store.everything() if before.snapshot]
    if lost and not repository.exists():
        raise HostError(
            "there is no repository at %s any more, and this node has had backups in it (%s): bring it back, or "
            "correct swarm_backup_repository; to begin another one, remove %s on every node"
            % (restic.shown(settings.repository), ", ".join(lost), store.STATE / "status")
        )
    return repository.init_if_absent()


def _run_one(job: Job, settings: Settings, engine: LocalEngine, repository: Restic, swarm: str) -> str:
    """Do one job and note how it went; what went wrong, empty for nothing."""
    begun = store.now()
    try:
        made = _back_up(job, settings, engine, repository, swarm)
        after = status.after_success(store.read(job.name), job, settings.node, made.summary, begun, made.stopped)
        after = replace(after, reason="; ".join(filter(None, (after.reason, made.warning))))
        store.write(after)
    except Refused as error:
        return _failed(job, settings, str(error), begun, refused=True)
    except (HostError, EngineError, DeclarationError) as error:
        return _failed(job, settings, str(error), begun)
    except BaseException:
        _failed(job, settings, "it was stopped before its end", begun)
        raise
    store.say("%s: snapshot %s, %d bytes, %.1f s" % (job.name, after.snapshot, after.bytes or 0, after.seconds or 0))
    return ""


def _failed(job: Job, settings: Settings, reason: str, begun: str, *, refused: bool = False) -> str:
    """Note that a job was not done; what went wrong, and that it could not be noted."""
    try:
        store.write(status.after_failure(store.read(job.name), job, settings.node, reason, begun, refused))
    except HostError as error:
        return "%s: %s; and %s" % (job.name, reason, error)
    return "%s: %s" % (job.name, reason)


def _back_up(job: Job, settings: Settings, engine: LocalEngine, repository: Restic, swarm: str) -> raft.Made:
    if job.kind == jobs.RAFT:
        return raft.back_up(engine, repository, job, swarm, settings.node)
    return raft.Made(_summary(job, engine, repository, swarm), None)


def _summary(job: Job, engine: LocalEngine, repository: Restic, swarm: str) -> restic.Summary:
    if job.kind == jobs.DEFINITION:
        return repository.backup_bytes(_definition(engine), "/definition.json", job, swarm)
    if job.kind in jobs.DATABASES:
        command = databases.dump(job, str(databases.container(engine, str(job.options["service"]))["Id"]))
        return repository.backup_command(command, databases.filename(job), job, swarm)
    if job.kind == jobs.FILES:
        return repository.backup_paths(job.options["paths"], job, swarm)
    name = str(job.options["volume"])
    path = volumes.directory(engine, name)
    if job.options["consistency"] == jobs.CRASH:
        return repository.backup_paths([path], job, swarm)
    # While containers stand still, what was written since is all that is left to do.
    repository.draft([path], swarm)
    with volumes.paused(engine, name):
        return repository.backup_paths([path], job, swarm, frozen=True)


def _definition(engine: LocalEngine) -> bytes:
    exported = definition.export(
        engine.swarm_inspect(), engine.nodes(), engine.services(), engine.networks(), engine.secrets(), engine.configs()
    )
    return (json.dumps(exported, indent=1, sort_keys=True) + "\n").encode("utf-8")


def cluster_id(settings: Settings, engine: LocalEngine) -> str:
    """The swarm whose backups these are.

    Raises:
        HostError: none is set, and this node is in none.
    """
    found = settings.cluster_id or observe_membership(engine).cluster_id
    if not found:
        raise HostError("this node is in no swarm: set swarm_backup_cluster_id, or let it join one")
    return found
