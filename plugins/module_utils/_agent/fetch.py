# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts a backup of the managers' state where a lost swarm is made anew from, once all of it was proved.

The engine may be stopped, and the host in no swarm. Nothing of either is touched: all that is written lies below one
directory of our own.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._core import certificate
from .._core.backup import jobs, restic, state
from .._core.backup.restic import Snapshot
from .._core.backup.settings import Settings
from .._host import command, node_key, raft_state
from .._host.errors import HostError
from .._host.restic import Restic
from . import raft, store

RECOVERY = Path("/var/lib/flotilla/recovery")
STATE = "state"
_FETCHING = ".fetching"
LATEST = "latest"
_VERSION = re.compile(r"version ([0-9][^\s,]*)")
_LISTED = 5
"""How many snapshots a sentence names."""


def fetch(asked: str, cluster_id: str, settings: Settings, repository: Restic | None = None) -> dict[str, Any]:
    """Fetch a manager's state, prove it, and take the lock off it.

    Args:
        asked: a snapshot's ID, or ``latest``.
        cluster_id: the swarm whose state it must be; empty is the one of the settings, else the only one that there is.

    Returns:
        ``snapshot``, ``taken``, ``node`` (who made it), ``state`` (where it is), ``metadata`` and ``evidence``.

    Raises:
        HostError: there is none, it is another swarm's or a newer engine's, or it can't be opened. What was fetched
            before is still there then.
    """
    repository = repository or Restic(settings)
    found = choose(repository.snapshots(), asked, cluster_id or settings.cluster_id)
    metadata = read_metadata(repository, found.id)
    _refuse(state.problems(metadata, found.swarm, _engine_version()), found.id)
    new, place = RECOVERY / _FETCHING, RECOVERY / STATE
    try:
        _remove(new)
        new.mkdir(mode=0o700, parents=True)
        RECOVERY.chmod(0o700)
        repository.restore(found.id, str(raft.STAGING), str(new))
        new.chmod(0o700)
        key = unlock_key(repository, found.id, metadata)
        evidence = prove(new, metadata, key)
        node_key.unlock(new / "swarm", key)
        _remove(place)
        new.rename(place)
    except OSError as error:
        raise HostError("%s can't be written: %s" % (error.filename or RECOVERY, error.strerror)) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return {
        "snapshot": found.id,
        "taken": found.time,
        "node": found.host,
        "state": str(place / "swarm"),
        "metadata": metadata,
        "evidence": evidence,
    }


def choose(snapshots: Sequence[Snapshot], asked: str, cluster_id: str) -> Snapshot:
    """The snapshot of a manager's state that is meant.

    Raises:
        HostError: there is none, or it can't be told which.
    """
    states = [one for one in snapshots if one.kind == jobs.RAFT]
    swarms = sorted({one.swarm for one in states})
    if not states:
        raise HostError(
            "the repository holds no state of a swarm's managers: see that swarm_backup_repository is the right one"
        )
    if cluster_id and cluster_id not in swarms:
        raise HostError(
            "the repository holds no state of the swarm %s, only of %s: correct the cluster's ID, or "
            "swarm_backup_repository" % (cluster_id, ", ".join(swarms))
        )
    if not cluster_id and len(swarms) > 1:
        raise HostError(
            "the repository holds the states of %d swarms (%s): say which one is to be restored, with its ID"
            % (len(swarms), ", ".join(swarms))
        )
    return pick(states, asked, jobs.RAFT, cluster_id or swarms[0])


def pick(snapshots: Sequence[Snapshot], asked: str, job: str, cluster_id: str) -> Snapshot:
    """A job's snapshot with an ID, or its newest; one that this node knows to lack something is none.

    Raises:
        HostError: there is none.
    """
    made = [one for one in snapshots if one.job == job and one.swarm == cluster_id]
    lacking = store.partial()
    own = [one for one in made if one.id not in lacking]
    newest = restic.newest(own, job, cluster_id)
    if newest is None:
        raise HostError("the repository holds no backup of %s of the swarm %s" % (job, cluster_id))
    if asked == LATEST:
        return newest
    # restic shows short IDs as well as long ones.
    fitting = [one for one in made if asked.startswith(one.id) or (len(asked) > 3 and one.id.startswith(asked))]
    if len(fitting) != 1:
        listed = ", ".join("%s (%s)" % (one.id, one.time) for one in sorted(own, key=lambda one: one.time)[-_LISTED:])
        raise HostError(
            "there is no one snapshot %s of %s of the swarm %s: name one of its newest, %s, or %s"
            % (asked, job, cluster_id, listed, LATEST)
        )
    if fitting[0].id in lacking:
        raise HostError("the snapshot %s is no backup: %s" % (fitting[0].id, lacking[fitting[0].id]))
    return fitting[0]


def read_metadata(repository: Restic, snapshot: str) -> Any:
    """What was noted beside a manager's state, unconverted.

    Raises:
        HostError: it can't be read.
    """
    try:
        return json.loads(repository.dump(snapshot, str(raft.STAGING / "metadata.json")))
    except ValueError as error:
        raise HostError("the metadata.json of the snapshot %s can't be read: %s" % (snapshot, error)) from error


def unlock_key(repository: Restic, snapshot: str, metadata: dict[str, Any]) -> str:
    """The unlock key that was kept with a state; empty where it needs none."""
    if not metadata["autolock"]:
        return ""
    return repository.dump(snapshot, str(raft.KEY)).decode("ascii", "replace").strip()


def prove(directory: Path, metadata: dict[str, Any], key: str) -> str:
    """Open a manager's state as its engine would.

    Args:
        directory: holds ``swarm``.
        metadata: in which nothing is wrong.
        key: its unlock key, or empty.

    Returns:
        What was found, for people.

    Raises:
        HostError: it can't be opened, or is not what the metadata says.
    """
    swarm = directory / "swarm"
    path = swarm / node_key.CERTIFICATE
    try:
        own = certificate.parse(path.read_bytes())
    except (OSError, ValueError) as error:
        raise HostError("%s says whose state this is, and can't be read: %s" % (path, error)) from error
    if own.cluster_id != metadata["cluster_id"] or own.node_id != metadata["node_id"]:
        raise HostError(
            "the state is of the node %s of the swarm %s, and its metadata.json says %s of %s: restore another backup"
            % (own.node_id, own.cluster_id, metadata["node_id"], metadata["cluster_id"])
        )
    opened = node_key.open_key(swarm, key or None)
    found = raft_state.open_raft(swarm, opened.raft_keys)
    lock = "its key opened with the unlock key" if opened.key.encrypted else "its key opened"
    return "the state of %s: %s; %s" % (metadata["node_name"], lock, found)


def _refuse(problems: Sequence[str], snapshot: str) -> None:
    if problems:
        raise HostError("the snapshot %s is not fetched: %s" % (snapshot, "; ".join(problems)))


def _engine_version() -> str:
    """Of the engine that is installed here, be it up or not."""
    said = command.demand(["dockerd", "--version"], "the engine's version can't be told")
    found = _VERSION.search(said)
    if found is None:
        raise HostError("the engine's version can't be told from %r" % said.strip())
    return found[1]


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
