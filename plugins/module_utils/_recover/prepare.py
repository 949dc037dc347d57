# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a swarm is to be made anew, and what can be wrong with that before anything is touched."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from .._agent import fetch, store
from .._core import membership
from .._core.backup import state as backup_state
from .._core.errors import DeclarationError
from .._core.membership import MANAGER, Membership
from .._core.plan import UPDATE, Difference, Plan, Step
from .._core.recovery import node_key as key_core
from .._core.recovery.keys import locked as is_locked
from .._engine.errors import EngineUnreachable
from .._engine.host import HostEngine
from .._engine.local import LocalEngine
from .._host import command, node_key
from .._host.errors import HostError
from .._host.restic import Restic
from .evidence import look
from .files import read_certificate, read_key, read_metadata

OWN = "own"
FETCHED = "fetched"
SOURCES = (OWN, FETCHED)
_VERSION = re.compile(r"version (\d+\.\d+\.\d+)")


@dataclass(frozen=True)
class Request:
    """How the swarm is made anew on this host.

    Attributes:
        source: ``own`` (out of this host's state) or ``fetched`` (out of a backup).
        state_dir: the fetched state, beside its ``metadata.json``.
        cluster_id: the swarm's ID, which the state must have.
        advertise_addr, listen_addr, data_path_addr: as in the engine's API; "" = the engine chooses.
        data_path_port: UDP port of the overlay traffic; 0 = the default.
        unlock_key: opens the state of a swarm with autolock; "" = none is given.
        key_from_backup: where one is needed and none is given, take that of the newest backup.
        autolock: whether managers are to be locked afterwards; None = as the state has it.
        deadline: seconds for everything.
    """

    source: str
    cluster_id: str
    state_dir: str = ""
    advertise_addr: str = ""
    listen_addr: str = "0.0.0.0:2377"
    data_path_addr: str = ""
    data_path_port: int = 0
    unlock_key: str = field(default="", repr=False)
    key_from_backup: bool = False
    autolock: bool | None = None
    deadline: float = 120.0


@dataclass(frozen=True)
class Prepared:
    """What was found before anything was touched.

    Attributes:
        state: the directory whose state the swarm goes on with.
        root: where the engine has its own.
        unlock_key: what opens the state; "" when it is not locked.
        autolock: whether managers are to be locked afterwards.
        done: the swarm lives here already, and nothing is left to do.
        node_id: of this node, by its certificate.
    """

    state: Path
    root: Path
    unlock_key: str = field(repr=False)
    autolock: bool
    done: bool
    node_id: str


def prepare(path: str, wanted: Request) -> Prepared:
    """Look for everything that can be wrong. Changes nothing.

    Raises:
        DeclarationError: the host or the state is not what was asked for, or the key does not open it.
        HostError, EngineError: it can't be told.
    """
    seen, docker = look(path)
    root = Path(docker) / "swarm"
    done = _is_done(path, seen, wanted)
    if done:
        return Prepared(root, root, "", is_locked(LocalEngine(path).swarm_inspect()), True, str(seen.node_id))
    state = root if wanted.source == OWN else Path(wanted.state_dir)
    found = read_certificate(state)
    problems = []
    if found.cluster_id != wanted.cluster_id:
        problems.append(
            "cluster_id: %s holds the state of the swarm %s, not of %s" % (state, found.cluster_id, wanted.cluster_id)
        )
    if found.role != MANAGER:
        problems.append("%s holds a worker's state, out of which no swarm can be made" % state)
    metadata = read_metadata(state) if wanted.source == FETCHED else {}
    if wanted.source == FETCHED:
        problems += backup_state.problems(metadata, wanted.cluster_id, _engine_version(path))
    if problems:
        raise DeclarationError(*problems)
    key = _key(state, wanted)
    before = bool(metadata["autolock"]) if metadata else bool(key) or _was_locked(root, str(found.node_id))
    autolock = before if wanted.autolock is None else wanted.autolock
    return Prepared(state, root, key, autolock, False, str(found.node_id))


def _key(state: Path, wanted: Request) -> str:
    """The unlock key, proved to open the state; "" when it is not locked.

    Raises:
        HostError: it can't be opened.
    """
    locked = read_key(state / node_key.KEY).encrypted
    if wanted.source == OWN and not locked:
        return ""  # its engine has opened it, and a host without backups lacks what opens it without an engine
    key = wanted.unlock_key
    if locked and not key and wanted.key_from_backup:
        key = _key_from_backup(wanted.cluster_id)
    return key if node_key.check(state, key or None) else ""


def _was_locked(root: Path, node_id: str) -> bool:
    """Whether this node's key was locked in a state that was set aside here by a recovery which failed late.

    That leaves the key open, and older than any; it alone would say that there was no autolock. What an earlier
    recovery has set aside tells of another time.
    """
    if read_key(root / node_key.KEY).headers.get(key_core.VERSION) != key_core.OLDEST:
        return False
    for aside in root.parent.glob(root.name + ".aside-*"):
        with contextlib.suppress(HostError):  # no state, or half of one, says nothing
            if read_certificate(aside).node_id == node_id and read_key(aside / node_key.KEY).encrypted:
                return True
    return False


def _key_from_backup(cluster_id: str) -> str:
    """The unlock key that was kept with the newest backup of a swarm's state; "" when it had no autolock then.

    Raises:
        HostError: there is no backup, or it can't be read.
    """
    settings = store.settings()
    repository = Restic(settings)
    found = fetch.choose(repository.snapshots(), fetch.LATEST, cluster_id)
    metadata = fetch.read_metadata(repository, found.id)
    problems = backup_state.problems(metadata, cluster_id, str(metadata.get("engine_version")))
    if problems:
        raise HostError("the snapshot %s gives no unlock key: %s" % (found.id, "; ".join(problems)))
    return fetch.unlock_key(repository, found.id, metadata)


def _is_done(path: str, seen: Membership, wanted: Request) -> bool:
    """Whether the swarm lives here already.

    Raises:
        DeclarationError: it lives with others too, or the host is in another swarm.
    """
    if seen.local_state in (membership.ACTIVE, membership.PENDING, membership.LOCKED, membership.ERROR):
        if seen.cluster_id != wanted.cluster_id:
            raise DeclarationError(
                "cluster_id: this host is in the swarm %s, not in %s: check the inventory"
                % (seen.cluster_id, wanted.cluster_id)
            )
        if wanted.source == FETCHED and not seen.answers:
            raise DeclarationError(
                "source: this host holds a state of the swarm %s itself, which is newer than any backup: use "
                "playbooks/dr/quorum_loss.yml, or let the host leave with `docker swarm leave --force`"
                % wanted.cluster_id
            )
    if not seen.answers:
        return False
    others = [node for node in LocalEngine(path).nodes() if node.get("ManagerStatus") and node["ID"] != seen.node_id]
    if wanted.source == OWN and others:
        raise DeclarationError(
            "source: this host answers for the swarm %s, which has its quorum: there is nothing to recover"
            % wanted.cluster_id
        )
    return True


def _engine_version(path: str) -> str:
    """The version of this host's engine, be it up or not."""
    try:
        return str(HostEngine(path).info().get("ServerVersion") or "")
    except EngineUnreachable:
        said = command.demand(["dockerd", "--version"], "the engine's version can't be told")
    version = _VERSION.search(said)
    if version is None:
        raise HostError("the engine's version can't be told from %r" % said.strip())
    return version[1]


def planned(found: Prepared, wanted: Request) -> Plan:
    """What is shown before it is done."""
    if found.done:
        return Plan()
    differences = [
        Difference("state", None, str(found.state)),
        Difference("managers", "those of the state", "this host alone"),
        Difference("advertise_addr", None, wanted.advertise_addr or "chosen by the engine"),
        Difference("autolock", None, found.autolock),
    ]
    return Plan((Step(UPDATE, "swarm", wanted.cluster_id, tuple(differences)),))
