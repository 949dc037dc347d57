# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the history of a stack into the swarm, and clear away what it no longer needs.

What a release is, and which of them stay, is told in ``_core/releases``.
"""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from .._core import labels, release_record, releases, versioned
from .._core.errors import DeclarationError
from .._core.plan import REMOVE
from .._core.releases import Ending, Release
from .._core.stack import planner, rollback
from .._core.verdict import Verdict
from . import errors
from .client import Json, gone
from .patience import patiently
from .rollout import Outcome, Planned

T = TypeVar("T")

ATTEMPTS = 5
"""How often the outcome is written when somebody else changes the record at the same moment."""
PATIENCE_BEFORE = 20.0
"""Seconds in which a swarm without a leader must have one, before anything was sent. The promise to refuse is 30 s."""
PATIENCE_AFTER = 60.0
"""The same once services were changed."""


class RecordEngine(Protocol):
    """What keeping a history needs of an engine; it must be a manager's."""

    def services(self) -> list[Json]: ...

    def networks(self) -> list[Json]: ...

    def configs(self, name: str | None = None) -> list[Json]: ...

    def create_config(self, name: str, data: bytes, labels: Mapping[str, str]) -> str: ...

    def update_config(self, config_id: str, version: int, spec: Json) -> None: ...

    def remove_config(self, config_id: str) -> None: ...


@dataclass(frozen=True)
class About:
    """What a record says beside the specs.

    Attributes:
        owner: whose stack it is.
        restores: the release that a rollback brings back; None for a deployment.
        who, when: as the user gave them.
        keep: how many good releases stay, and how many others.
    """

    stack: str
    owner: str = labels.DEFAULT_OWNER
    restores: int | None = None
    who: str = ""
    when: str = ""
    keep: int = releases.KEEP


class Recorder:
    """The journal of one run (``rollout.Journal``).

    Attributes:
        number: of the release that this run is; None until it is recorded.
        pruned: names of the configs that were removed, those of old releases among them.
        warnings: what could not be done after the services were changed; the run stands all the same.
    """

    def __init__(
        self,
        engine: RecordEngine,
        about: About,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.number: int | None = None
        self.pruned: list[str] = []
        self.warnings: list[str] = []
        self._engine = engine
        self._about = about
        self._clock = clock
        self._sleep = sleep
        self._opened = 0.0
        self._name = ""
        self._data = b""

    def check(self, planned: Planned) -> None:
        """See that the run can be recorded, before anything of it is made.

        Raises:
            DeclarationError: the engine would refuse the record.
        """
        if any(step.kind == "service" for step in planned.plan):
            release = self._release(planned, release_record.next_number(self._configs(), self._about.stack))
            problems = release_record.problems(release, release_record.encode(release))
            if problems:
                raise DeclarationError(*problems)

    def opened(self, planned: Planned) -> None:
        """Record what the stack is to be; again, when that was planned anew.

        Raises:
            NotReady: the engine would refuse the record.
            NameConflict: somebody else took the number at the same moment.
            EngineError: it can't be written.
        """
        if not self._name:
            self._opened = self._clock()
        self._patiently(partial(self._write, planned), PATIENCE_BEFORE)

    def closed(self, outcome: Outcome) -> None:
        """Write down how the run ended, and remove what nobody needs any more. What fails here is a warning."""
        try:
            self._patiently(partial(self._end, self._ending(outcome)))
        except errors.EngineError as error:
            self.warnings.append("how release %s ended could not be written down: %s" % (self.number, error))
            return
        try:
            self._patiently(partial(self._prune, outcome.good))
        except errors.EngineError as error:
            self.warnings.append("old releases and configs were not removed: %s" % error)

    def _write(self, planned: Planned) -> None:
        configs = self._configs()
        mine = next((one for one in configs if self._is_mine(one)), None)
        number = self.number if mine and self.number else release_record.next_number(configs, self._about.stack)
        release = self._release(planned, number)
        data = release_record.encode(release)
        if mine is not None and data == self._data:
            # An earlier attempt made it, if only the answer to that was lost.
            return
        problems = release_record.problems(release, data)
        if problems:
            raise errors.NotReady(*problems)
        if mine is not None:
            # A config's data never changes.
            gone(self._engine.remove_config, str(mine["ID"]))
        self.number, self._name, self._data = number, release_record.name_of(release), data
        self._engine.create_config(self._name, data, release_record.record_labels(release, self._about.owner, Ending()))

    def _release(self, planned: Planned, number: int) -> Release:
        networks = {str(network.get("Id")): str(network.get("Name")) for network in self._engine.networks()}
        specs = {**self._leftover(planned), **planned.specs}
        kind = releases.DEPLOY if self._about.restores is None else releases.ROLLBACK
        return Release(
            self._about.stack,
            number,
            kind,
            self._about.restores,
            self._about.who,
            self._about.when,
            {name: rollback.named(spec, networks) for name, spec in specs.items()},
        )

    def _leftover(self, planned: Planned) -> dict[str, Any]:
        """The owner's services of the stack that this run leaves alone, as they are."""
        going = {step.name for step in planned.plan if step.kind == "service" and step.action == REMOVE}
        return {
            str(service["Spec"]["Name"]): service["Spec"]
            for service in self._engine.services()
            if planner.belongs(service, self._about.stack)
            and labels.owned_by(service["Spec"].get("Labels"), self._about.owner)
            and service["Spec"]["Name"] not in going
        }

    def _ending(self, outcome: Outcome) -> Ending:
        bad = "; ".join(_told(item) for item in outcome.bad)
        return Ending(
            releases.GOOD if outcome.good else releases.FAILED,
            reverted=outcome.reverted is not None and not outcome.reverted.stuck,
            reason=releases.one_line(outcome.error or bad),
            seconds=self._clock() - self._opened,
            verdicts={item.service: item.state for item in outcome.verdicts},
            took=outcome.took,
        )

    def _end(self, ending: Ending) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            record = next((one for one in self._configs() if self._is_mine(one)), None)
            if record is None:
                raise errors.NotFound("its record %s is no longer in the swarm" % self._name)
            outcome = {labels.RELEASE_OUTCOME: release_record.encode_ending(ending)}
            spec = {**record["Spec"], "Labels": {**record["Spec"]["Labels"], **outcome}}
            try:
                self._engine.update_config(str(record["ID"]), int(record["Version"]["Index"]), spec)
            except errors.StaleVersion:
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    def _prune(self, good: bool) -> None:
        stack, owner = self._about.stack, self._about.owner
        entries = release_record.history(self._configs(), stack, owner)
        self.warnings += [text for text in releases.unreadable(entries) if text not in self.warnings]
        for entry in releases.surplus(entries, self._about.keep):
            self._remove(entry.id, entry.name)
        if not good:
            return
        configs = self._engine.configs()
        every = release_record.history(configs)
        unknown = releases.unknown(every)
        if unknown:
            self.warnings.append(versioned.held_back("configs", unknown))
            return
        # Services last: what comes into use while the rest is read is then seen.
        for config in releases.unused_configs(stack, owner, configs, self._engine.services(), every):
            self._remove(str(config["ID"]), str(config["Spec"]["Name"]))

    def _remove(self, config_id: str, name: str) -> None:
        with contextlib.suppress(errors.InUse):
            gone(self._engine.remove_config, config_id)
            if name not in self.pruned:
                self.pruned.append(name)

    def _configs(self) -> list[Json]:
        return self._engine.configs(release_record.prefix(self._about.stack))

    def _is_mine(self, config: Json) -> bool:
        spec = config["Spec"]
        return bool(spec["Name"] == self._name and base64.b64decode(str(spec.get("Data") or "")) == self._data)

    def _patiently(self, action: Callable[[], T], deadline: float = PATIENCE_AFTER) -> T:
        return patiently(action, self._clock, self._sleep, deadline)


def _told(item: Verdict) -> str:
    """A bad verdict in one line; never with the container's log, which may hold what is not for everyone."""
    task = "" if item.failure is None else " (%s)" % replace(item.failure, log="").describe()
    return "%s: %s: %s%s" % (item.service, item.state, item.reason, task)
