# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read everything that a snapshot holds, each list once."""

from __future__ import annotations

from typing import Protocol

from .._core.snapshot import Observation
from .client import Json


class Observed(Protocol):
    """What a snapshot needs of an engine; it must be a manager's."""

    def swarm_inspect(self) -> Json: ...

    def nodes(self) -> list[Json]: ...

    def services(self) -> list[Json]: ...

    def tasks(self) -> list[Json]: ...

    def networks(self) -> list[Json]: ...

    def secrets(self) -> list[Json]: ...

    def configs(self) -> list[Json]: ...


def observe(engine: Observed) -> Observation:
    """One pass over the engine's lists.

    The services come before the tasks, so that a new service is not without them. The secrets come after the networks:
    an engine without quorum leaves the swarm's networks out of its list without a word, but fails to list secrets.

    Raises:
        NotAManager, NoQuorum, EngineError: nothing is returned when a part can't be read.
    """
    return Observation(
        swarm=engine.swarm_inspect(),
        nodes=engine.nodes(),
        services=engine.services(),
        tasks=engine.tasks(),
        networks=engine.networks(),
        secrets=engine.secrets(),
        configs=engine.configs(),
    )
