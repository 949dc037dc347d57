# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run left that was killed, and whose ``start-engine`` found the lock taken: who comes next puts it right."""

from __future__ import annotations

from .._engine.local import LocalEngine
from . import raft, volumes


def put_right(engine: LocalEngine) -> None:
    """Start the engine that was stopped, and thaw what was frozen. The node's lock must be held.

    Raises:
        HostError: the engine does not come back; what is frozen is thawed all the same.
        EngineError: a container stays frozen.
    """
    try:
        raft.start_engine(engine)
    finally:
        volumes.thaw(engine)
