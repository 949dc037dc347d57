# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A swarm made anew out of the state that was found fit for it, and what was there put back where that fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .._agent import lock
from .._core.recovery import node_key as key_core
from .._core.recovery.keys import locked as is_locked
from .._engine import swarm_spec
from .._engine.client import Json
from .._engine.errors import EngineError, EngineUnreachable
from .._engine.local import LocalEngine
from .._engine.wait import DeadlineExceeded, wait_until
from .._host import engine_service, node_key, swarm_state
from .._host.errors import HostError
from .files import read_key
from .prepare import Prepared, Request

_START = 60.0
"""Seconds for the engine to stop, and to start."""


def recover(
    path: str,
    wanted: Request,
    found: Prepared,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Make the swarm anew on this host, and wait until the host leads it.

    Returns:
        ``node_id``, ``kept`` (where the state is that was there before; "" when there was none) and ``autolock``.

    Raises:
        HostError, EngineError: it failed. The message says where the state is that was there before: where it was, if
            the engine refused.
    """
    end = clock() + wanted.deadline
    engine = LocalEngine(path)
    kept = _replace_state(found)
    request = {
        "AdvertiseAddr": wanted.advertise_addr,
        "ListenAddr": wanted.listen_addr,
        "DataPathAddr": wanted.data_path_addr,
        "DataPathPort": wanted.data_path_port,
        # Else the engine switches autolock off (moby: daemon/cluster, initClusterSpec), and the unlock key is gone.
        "Spec": {"EncryptionConfig": {"AutoLockManagers": found.autolock}},
    }
    try:
        _force(engine, request)
    except EngineError as error:
        error.args = (_put_back(error, kept, found.root, replaced=True),)
        raise
    try:
        node_id = _lead(engine, max(1.0, end - clock()), clock, sleep)
        swarm_spec.set_autolock(engine, found.autolock)
        lock.forget(engine)
    except (EngineError, HostError) as error:
        error.args = ("%s. The state that was there before is in %s" % (error, kept or "no place: there was none"),)
        raise
    return {"node_id": node_id, "kept": str(kept or ""), "autolock": is_locked(engine.swarm_inspect())}


def _replace_state(found: Prepared) -> Path | None:
    """With the engine stopped, make its state the one to go on with, and start it; it then takes part in no swarm.

    It is made beside the engine's own, whose place it takes when it is whole: a host that dies meanwhile has its state.

    Returns:
        Where the state is that was there before; None when there was none.

    Raises:
        HostError: it failed. The message says whether what was there before is there again.
    """
    kept: Path | None = None
    replaced = False
    new = _new(found.root)
    try:
        engine_service.stop(_START)
        swarm_state.remove(new)
        swarm_state.put(found.state, new)
        if found.unlock_key:
            node_key.unlock(new, found.unlock_key)
        _forget_lock(new)
        swarm_state.forget_addresses(new)
        kept = swarm_state.set_aside(found.root)
        replaced = True
        swarm_state.move(new, found.root)
        engine_service.start(_START)
    except HostError as error:
        raise HostError(_put_back(error, kept, found.root, replaced=replaced)) from error
    return kept


def _new(root: Path) -> Path:
    """Where a state is made; also where one lies that a recovery which was killed has left."""
    return root.with_name(root.name + ".new")


def _forget_lock(state: Path) -> None:
    """Let the key of this copy be older than any unlock key, so that the engine locks it by the one that the swarm has.

    Of two that claim to be the same version, one of them no key at all, its manager would stop (swarmkit:
    manager/deks.go, compareKEKs). A key that is locked stays as it is.
    """
    path = state / node_key.KEY
    key = read_key(path)
    if key.encrypted or key_core.VERSION not in key.headers:
        return
    try:
        path.write_bytes(key_core.render(replace(key, headers={**key.headers, key_core.VERSION: key_core.OLDEST})))
    except OSError as error:
        raise HostError("%s can't be written: %s" % (path, error.strerror)) from error


def _put_back(why: Exception, kept: Path | None, root: Path, *, replaced: bool) -> str:
    """Let the engine have again what it had; what to tell of that, and of what led here.

    Args:
        why: what led here.
        kept: where the state is that was there before; None when it was not set aside, or there was none.
        replaced: whether what is in its place now, if anything, is a copy.
    """
    new = _new(root)
    try:
        engine_service.stop(_START)
        if replaced:
            _swap_back(kept, root, new)
    except HostError as error:
        if replaced:  # the engine is not started on what is half put back
            told = "the swarm was not made anew: %s. What was there before is not put back, and is in %s: %s"
            return told % (why, kept or "no place: there was none", error)
    told = "the swarm was not made anew, and this host's state is as it was: %s" % why
    steps: tuple[Callable[[], None], ...] = (lambda: swarm_state.remove(new), lambda: engine_service.start(_START))
    for step in steps:
        try:
            step()
        except HostError as error:
            told += "; %s" % error
    return told


def _swap_back(kept: Path | None, root: Path, new: Path) -> None:
    """Take the copy out of the place of what was there before, and put that back."""
    if root.exists():
        swarm_state.remove(new)
        swarm_state.move(root, new)
    if kept is not None:
        swarm_state.move(kept, root)


def _force(engine: LocalEngine, request: Json) -> None:
    try:
        engine.force_new_cluster(request)
    except EngineUnreachable:
        return  # no answer in time is no refusal: what is awaited next tells


def _lead(engine: LocalEngine, deadline: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> str:
    """Wait until this node leads the swarm and is ready; its ID."""

    def read() -> Json | str:
        try:
            own = (engine.info().get("Swarm") or {}).get("NodeID")
            return next((node for node in engine.nodes() if node["ID"] == own), "the swarm has no such node")
        except EngineError as error:  # it starts, and elects itself
            return str(error)

    try:
        seen = wait_until(read, _leads, deadline, clock=clock, sleep=sleep)
    except DeadlineExceeded as late:
        said = late.last if isinstance(late.last, str) else json.dumps(late.last.get("ManagerStatus") or {})
        raise EngineError("the swarm was made anew, and has no leader after %g s (%s)" % (deadline, said)) from late
    return str(seen["ID"]) if isinstance(seen, dict) else ""


def _leads(node: Json | str) -> bool:
    if isinstance(node, str):
        return False
    return bool((node.get("ManagerStatus") or {}).get("Leader")) and (node.get("Status") or {}).get("State") == "ready"
