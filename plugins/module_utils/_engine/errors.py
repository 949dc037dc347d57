# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between a module and a Docker Engine, told apart by what the user must do about it."""

from __future__ import annotations


class EngineError(Exception):
    """The engine refused a request or gave no usable answer. The message is fit to be shown."""


class EngineUnreachable(EngineError):
    """No engine answers on the socket, or not in time."""


class NotAManager(EngineError):
    """The engine answers, but it is not a manager of a swarm."""


class NoQuorum(EngineError):
    """The swarm has no leader: a majority of the managers is gone, so nothing can be read or written."""


class NotFound(EngineError):
    """The object that a request names does not exist."""


class NameConflict(EngineError):
    """An object of that name exists already."""


class PortInUse(EngineError):
    """A published port is taken, or was given up a moment ago."""


class InUse(EngineError):
    """The object can't be removed, because a service still uses it."""


class StaleVersion(EngineError):
    """Somebody changed the object after it was read ("update out of sequence"): read again, plan again."""


class DeadlineExceeded(EngineError):
    """What was waited for did not come in time."""


class NotReady(EngineError):
    """The swarm, as it is now, is in no state for what was asked; nothing was changed.

    Attributes:
        reasons: one sentence each, naming what stands in the way and how to mend it.
    """

    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))
