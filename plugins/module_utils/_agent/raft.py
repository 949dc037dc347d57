# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The managers' own state: copied while one manager's engine stands still, which is started again whatever happens.

The engine keeps the state open, and a copy of an open one may not be whole. So it is stopped, a non-leader's, one in
the swarm at a time, and only where the others keep their majority. What is stopped is noted first: when this process is
killed, systemd runs ``start-engine``, and after a loss of power the engine starts by itself.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._core import node_json, quorum
from .._core.backup import state
from .._core.backup.jobs import Job
from .._core.backup.restic import Summary
from .._engine.client import Json
from .._engine.errors import EngineError
from .._engine.local import LocalEngine
from .._engine.wait import DeadlineExceeded, wait_until
from .._host import engine_service, swarm_state
from .._host.errors import HostError
from .._host.restic import Restic
from . import lock, store
from .errors import Refused
from .turns import SERVICE

STOPPED = store.RUN / "engine-stopped"
"""There while the engine stands still because of us."""
KEY = store.RUN / "unlock-key"
"""The key that the copy's manager needs, in memory only, while a backup runs."""
STAGING = store.STAGING / "raft"
BACK = 120.0
"""Seconds for the engine to be a reachable manager again."""
_ROOM = 1.2
"""Free space that the copy needs, for each byte of the state."""
_LOCKED = "locked"


@dataclass(frozen=True)
class Made:
    """A snapshot, for how many seconds the engine stood still for it (None where it ran on), and a warning of that."""

    summary: Summary
    stopped: float | None
    warning: str = ""


def back_up(engine: LocalEngine, restic: Restic, job: Job, swarm: str, node: str) -> Made:
    """Copy this manager's state, and make a snapshot of the copy, its metadata and its unlock key.

    Raises:
        Refused: it would cost the swarm its quorum, its leader, or there is no room; nothing was stopped.
        HostError, EngineError: it failed; the engine was started again.
    """
    clear()
    restic.demand()
    try:
        with lock.of_swarm(engine, node):
            root = Path(_may_stop(engine)) / "swarm"
            _has_room(root)
            seen, warning = _describe(engine), _beside(engine)
            _may_stop(engine)  # it may lead by now
            stopped = _copy(engine, root, seen)
        paths = [str(STAGING), *([str(KEY)] if KEY.exists() else [])]
        return Made(restic.backup_paths(paths, job, swarm), stopped, warning)
    finally:
        clear()


def clear() -> None:
    """Take away the copy, and the key where no engine waits for it any more: also those of a run that was killed."""
    shutil.rmtree(STAGING, ignore_errors=True)
    if not STOPPED.exists():
        KEY.unlink(missing_ok=True)


def _may_stop(engine: LocalEngine) -> str:
    """The engine's directory, where this manager may be stopped now."""
    info = engine.info()
    own = str((info.get("Swarm") or {}).get("NodeID") or "")
    members = [node for node in engine.nodes() if node_json.in_raft(node)]
    status = {str(node["ID"]): node.get("ManagerStatus") or {} for node in members}
    if (status.get(own) or {}).get("Leader"):
        raise Refused("this manager leads the swarm, and a leader is never stopped for a backup")
    reachable = [node_id for node_id, one in status.items() if one.get("Reachability") == "reachable"]
    answer = quorum.may_stop(list(status), reachable, own)
    if not answer.allowed:
        raise Refused("the raft state is not backed up now: %s" % answer.reason)
    return str(info.get("DockerRootDir") or "/var/lib/docker")


def _has_room(root: Path) -> None:
    needed, free = swarm_state.size(root) * _ROOM, swarm_state.free(store.STAGING)
    if free < needed:
        raise Refused(
            "there is no room for a copy of the raft state: %s has %d MiB free, and %d are needed: make room there"
            % (store.STAGING, free >> 20, int(needed) >> 20)
        )


def _describe(engine: LocalEngine) -> dict[str, Any]:
    """The metadata; the unlock key goes into memory."""
    seen = state.metadata(engine.info(), engine.swarm_inspect(), engine.nodes(), store.now())
    if seen["autolock"]:
        key = engine.unlock_key()
        if not key:
            raise HostError("autolock is on, and the engine names no unlock key")
        store.write_file(KEY, key + "\n", 0o600)
    return seen


def _beside(engine: LocalEngine) -> str:
    """What else stands still with the engine, and how to spare it; empty for nothing."""
    names = {
        str((one.get("Labels") or {}).get(SERVICE) or (one.get("Names") or [one["Id"]])[0]).lstrip("/")
        for one in engine.containers()
    }
    if not names:
        return ""
    return "containers stood still with the engine (%s): drain the managers, or place these elsewhere" % ", ".join(
        sorted(names)
    )


def _copy(engine: LocalEngine, root: Path, seen: dict[str, Any]) -> float:
    """Copy the state while the engine stands still; for how many seconds it did."""
    store.write_file(STOPPED, store.now() + "\n", 0o600)
    begin = time.monotonic()
    try:
        engine_service.stop()
        swarm_state.copy(root, STAGING / "swarm")
    finally:
        start_engine(engine)
    stopped = time.monotonic() - begin
    store.write_file(STAGING / "metadata.json", json.dumps(seen, indent=2, sort_keys=True) + "\n", 0o600)
    return stopped


def start_engine(engine: LocalEngine) -> None:
    """Start the engine that a backup on this node has stopped, and wait until it is what it was.

    Nothing is done where no backup has stopped it.

    Raises:
        HostError: it does not start, or is no reachable manager in time. While it does not run, or is locked, the next
            call tries again; what else it lacks is the swarm's trouble, and in nobody's way.
    """
    if not STOPPED.exists():
        return
    engine_service.start()
    try:
        wait_until(lambda: _state(engine), lambda each: each == "", BACK, 0.5)
    except DeadlineExceeded as error:
        if _runs(engine):
            STOPPED.unlink()
        raise HostError(
            "the engine was started again, and is no reachable manager after %g s: %s" % (BACK, error.last)
        ) from error
    STOPPED.unlink()


def _runs(engine: LocalEngine) -> bool:
    """Whether the engine answers, and is not locked."""
    try:
        return (engine.info().get("Swarm") or {}).get("LocalNodeState") != _LOCKED
    except EngineError:
        return False


def _state(engine: LocalEngine) -> str:
    """What this manager still lacks; empty when it is reachable. A locked one is unlocked."""
    try:
        swarm = engine.info().get("Swarm") or {}
        if swarm.get("LocalNodeState") == _LOCKED:
            if not KEY.exists():
                return "it is locked, and its unlock key is not at hand: docker swarm unlock"
            engine.unlock(KEY.read_text(encoding="utf-8").strip())
            return "it was unlocked just now"
        node: Json = engine.node(str(swarm.get("NodeID") or "none"))
    except EngineError as error:
        return str(error)
    reachability = (node.get("ManagerStatus") or {}).get("Reachability")
    return "" if reachability == "reachable" else "it is %s" % (reachability or "no manager")
