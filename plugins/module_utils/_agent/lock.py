# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One backup at a time: of a node by a locked file, of the managers' state by an object of the swarm itself."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .._core.backup.definition import LOCK_CONFIG
from .._engine.client import Json
from .._engine.errors import EngineError, NameConflict, NotFound
from .._engine.local import LocalEngine
from .._host.errors import HostError
from . import store
from .errors import Refused

PATIENCE = 10.0
"""Seconds that people wait for another run on this node."""
UNIT = "INVOCATION_ID"
"""What systemd sets for what it runs, and nobody else: systemd.exec(5), "Environment Variables Set or Propagated"."""
STALE = 900
"""Seconds after which the lock of the swarm is taken for one that was left behind: no engine is stopped that long."""
_RESTORE = "a restore, "
_NODE = "swarm.flotilla.backup.node"
_SINCE = "swarm.flotilla.backup.since"


class Held(HostError):
    """Another run works on this node."""

    def __init__(self, message: str, *, restores: bool) -> None:
        super().__init__(message)
        self.restores = restores
        """Whether that puts a backup back."""


@contextmanager
def of_node(patience: float | None = None, *, restores: bool = False) -> Iterator[None]:
    """Be the only run on this node. The lock goes with the process, however that ends.

    Args:
        restores: whether this run puts a backup back.
        patience: seconds to wait for another run. None waits in a unit of systemd until that run ends, or systemd this
            one (TimeoutStartSec), for no timer tries again before the next day; and PATIENCE for people.

    Raises:
        Held: another run has it; the message says which.
    """
    path = store.RUN / "lock"
    if patience is None:
        patience = math.inf if os.environ.get(UNIT) else PATIENCE
    begun, told = time.monotonic(), False
    with path.open("a+", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                file.seek(0)
                holder = file.read().strip() or "one that has just begun"
                working = "another run works on this node (%s)" % holder
                if time.monotonic() - begun >= patience:
                    raise Held(
                        "%s: wait for its end, and start this one again" % working,
                        restores=holder.startswith(_RESTORE),
                    ) from error
                if not told:
                    store.say("%s: waiting for its end" % working)
                    told = True
                time.sleep(0.5)
        file.seek(0)
        file.truncate()
        file.write("%sprocess %d, since %s" % (_RESTORE if restores else "", os.getpid(), store.now()))
        file.flush()
        yield


@contextmanager
def of_swarm(engine: LocalEngine, node: str) -> Iterator[None]:
    """Be the only one in the swarm that stops a manager. The swarm makes objects of one name once.

    Raises:
        Refused: another node has it.
        EngineError: the swarm can't be asked.
    """
    labels = {_NODE: node, _SINCE: str(int(time.time()))}
    try:
        own = engine.create_config(LOCK_CONFIG, b"held", labels)
    except NameConflict:
        holder = another(engine, node)
        if holder:
            raise Refused("%s: wait for its end, and start this again" % holder) from None
        # It was left behind: by another node long ago, or by this one, where no other run works (``of_node``).
        forget(engine)
        try:
            own = engine.create_config(LOCK_CONFIG, b"held", labels)
        except NameConflict as error:
            raise Refused("another manager backs up its state now: wait for its end, and start this again") from error
    try:
        yield
    finally:
        _release(engine, own)


def another(engine: LocalEngine, node: str) -> str:
    """Which other node backs up a manager's state now, in a sentence; empty for none.

    Raises:
        EngineError: the swarm can't be asked.
    """
    for config in _held(engine):
        labels = config["Spec"].get("Labels") or {}
        since = str(labels.get(_SINCE) or "")
        age = time.time() - int(since) if since.isdigit() else STALE
        if age < STALE and labels.get(_NODE) != node:
            return "%s backs up its state for %d s already" % (labels.get(_NODE) or "another manager", age)
    return ""


def forget(engine: LocalEngine) -> None:
    """Take away whatever lock there is. A state that is restored has the one under which it was copied.

    Raises:
        EngineError: the swarm can't be asked.
    """
    for config in _held(engine):
        with contextlib.suppress(NotFound):
            engine.remove_config(str(config["ID"]))


def _held(engine: LocalEngine) -> list[Json]:
    return [config for config in engine.configs() if (config.get("Spec") or {}).get("Name") == LOCK_CONFIG]


def _release(engine: LocalEngine, own: str) -> None:
    """Give the lock back. Managers may be electing a leader just now; what stays is stale soon, so it fails nothing."""
    for pause in (0, 2, 5, 10):
        time.sleep(pause)
        try:
            engine.remove_config(own)
        except NotFound:
            return
        except EngineError:
            continue
        return
