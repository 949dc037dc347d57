# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of this node: where they lie, and holding still what writes to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from .._engine.errors import EngineError, NotFound
from .._engine.local import LocalEngine
from .._host.errors import HostError
from . import store

PAUSED = store.RUN / "paused"
"""Which containers are frozen, so that they are thawed whatever becomes of the agent."""


def directory(engine: LocalEngine, name: str) -> str:
    """Where the files of a volume are on this host.

    Raises:
        HostError: it lies elsewhere.
        EngineError: there is no such volume.
    """
    found = engine.volume(name)
    if found.get("Driver") != "local" or not found.get("Mountpoint"):
        raise HostError(
            "the volume %s is no local one (driver %s): back it up where it is" % (name, found.get("Driver"))
        )
    return str(found["Mountpoint"])


@contextmanager
def paused(engine: LocalEngine, name: str) -> Iterator[None]:
    """Freeze every container that has the volume, and thaw them, also when this is stopped half way (``thaw``)."""
    # Who is frozen already was so by somebody else, and stays it.
    users = [str(one["Id"]) for one in engine.containers(volume=name) if one.get("State") != "paused"]
    store.write_file(PAUSED, json.dumps(users), 0o600)
    try:
        for user in users:
            engine.pause(user)
        yield
    finally:
        thaw(engine)


def thaw(engine: LocalEngine) -> None:
    """Thaw what a run on this node has frozen, however it ended.

    Raises:
        EngineError: a container stays frozen.
    """
    if not PAUSED.exists():
        return
    problems = []
    for user in json.loads(PAUSED.read_text(encoding="utf-8")):
        try:
            engine.unpause(user)
        except NotFound:
            continue
        except EngineError as error:
            if "not paused" not in str(error):
                problems.append(error)
    if problems:
        raise problems[0]
    PAUSED.unlink()
