# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The executor of plans that may make networks anew, and with that stop their services for a while.

What is to be done, and in which order, is decided in ``_core/networks``. Here it is carried out with the waits that it
takes, and when it can't go on, everything is put back as far as that can be done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._core import address_space, parking
from .._core.errors import DeclarationError
from .._core.networks import Decision, Observation
from .._core.plan import CREATE, REMOVE, UPDATE, Plan, Step
from . import apply, errors
from .apply import ATTEMPTS, OVERTAKEN, Ids, Outcome
from .client import Engine, Json
from .errors import EngineError, InUse, StaleVersion
from .wait import DeadlineExceeded, wait_until
from .watch import Watch, Watched, with_log

REMOVAL = 30.0
"""Seconds for a network to be let go of after its last task is gone (moby#29293)."""
ALLOCATION = 30.0
"""Seconds for the swarm to give a new network its addresses; it takes less than one."""
POLL = 0.5


def converge(
    observe: Callable[[Engine], Observation],
    plan: Callable[[Observation], Decision],
    engine: Engine,
    owner: str,
    dry_run: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome[Decision]:
    """Observe, plan and apply, until a whole plan could be applied; see ``apply.converge``.

    Raises:
        DeclarationError: the planner refuses.
        EngineError: the engine refuses, or a deadline came first. The message tells what had been done by then, and
            what was put back.
    """
    run = _Run(engine, owner, clock, sleep)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            decision = plan(observe(engine))
            if dry_run:
                return Outcome(decision, decision.plan, {})
            run.apply(decision.plan)
        except OVERTAKEN as error:
            if attempt == ATTEMPTS:
                run.give_up(error, "planned %d times, overtaken each time" % ATTEMPTS)
                raise
        except (DeclarationError, EngineError) as error:
            run.give_up(error)
            raise
        else:
            return Outcome(decision, Plan(tuple(run.done), decision.plan.warnings), run.ids)
    raise AssertionError("unreachable: the last attempt returns or raises")


class _Run:
    """One run: the engine, the clock, and what has been done so far."""

    def __init__(self, engine: Engine, owner: str, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.done: list[Step] = []
        self.ids: Ids = {}
        self._engine = engine
        self._owner = owner
        self._clock = clock
        self._sleep = sleep
        self._removed: dict[str, Json] = {}
        self._parked = False

    def apply(self, plan: Plan) -> None:
        """Carry out every step in order, and see that the services that were put back run as they did before."""
        # A service that is put on a network without addresses gets no virtual IP, and swarm tries again only after 5
        # minutes (swarmkit: allocator, retryInterval).
        awaited = any(step.kind == "service" for step in plan)
        for step in plan:
            if step.kind == "service":
                self._service(step)
            elif step.action == REMOVE and "like" in step.payload:
                self._remove(step)
            else:
                apply.apply(Plan((step,)), self._engine, self.done, self.ids)
                if step.action == CREATE and (awaited or "anew" in step.payload):
                    self._await_addresses(step.name)
        self._prove([step for step in plan if step.payload.get("prove")])

    def _service(self, step: Step) -> None:
        payload = step.payload
        if "spec" in payload:
            self._parked = True
            self._engine.update_service(payload["id"], payload["version"], payload["spec"])
        else:
            self._put_back(payload["id"])
        self.done.append(step)

    def _remove(self, step: Step) -> None:
        """Remove a network once no task is on it; the engine itself would not wait for tasks that are stopping."""
        network = {"Id": step.payload["id"], "Name": step.name}

        def leaving() -> list[str]:
            return address_space.leaving(network, self._engine.tasks(), self._engine.nodes())

        def refusal() -> str:
            try:
                self._engine.remove_network(network["Id"])
            except InUse as error:
                return str(error)
            return ""

        try:
            self._wait(leaving, lambda tasks: not tasks, step.payload["seconds"])
        except DeadlineExceeded as late:
            raise errors.DeadlineExceeded(
                "network %s could not be removed, since tasks were still on it after %g s: %s"
                % (step.name, step.payload["seconds"], ", ".join(late.last))
            ) from late
        self._removed[step.name] = step.payload["like"]
        try:
            self._wait(refusal, lambda words: not words, REMOVAL)
        except DeadlineExceeded as late:
            raise errors.DeadlineExceeded(
                "network %s was still in use %g s after its services had left it (a container that was attached by "
                "hand holds it too): %s" % (step.name, REMOVAL, late.last)
            ) from late
        self.done.append(step)

    def _await_addresses(self, name: str) -> None:
        try:
            self._wait(lambda: self._network(name), lambda network: bool((network or {}).get("Driver")), ALLOCATION)
        except DeadlineExceeded as late:
            raise errors.DeadlineExceeded(
                "the swarm gave network %s no addresses within %g s: is its subnet taken by something else, or its "
                "driver missing?" % (name, ALLOCATION)
            ) from late

    def _network(self, name: str) -> Json | None:
        found = [n for n in self._engine.networks() if n["Name"] == name and n.get("Scope") == "swarm"]
        return found[0] if found else None

    def _put_back(self, service_id: str) -> None:
        """Send what ``parking.put_back`` says until nothing is left of it; twice, when nobody interferes."""
        for _attempt in range(ATTEMPTS):
            found = [service for service in self._engine.services() if service["ID"] == service_id]
            left = parking.networks_left(found[0], self._owner) if found else None
            if left is None:
                return  # it was removed, or somebody else has put it back
            if parking.is_lost(found[0], self._owner):
                raise EngineError("it was changed by somebody else while it was parked: deploy it again")
            ids = {n["Name"]: str(n["Id"]) for n in self._engine.networks() if n.get("Scope") == "swarm"}
            missing = sorted(set(left.values()) - set(ids))
            if missing:
                raise EngineError("network %s is not there" % ", ".join(missing))
            spec = parking.put_back(found[0], ids, self._owner)
            try:
                self._engine.update_service(service_id, found[0]["Version"]["Index"], spec or {})
            except StaleVersion:
                # The swarm itself writes to a service whose networks change: its virtual IPs.
                self._sleep(POLL)
        raise StaleVersion("it was changed again and again by somebody else")

    def _prove(self, steps: Sequence[Step]) -> None:
        watched = [Watched(step.name, UPDATE, step.payload["window"]) for step in steps]
        if not watched:
            return
        watch = Watch(self._engine, watched, self._clock)
        allowed = max(step.payload["seconds"] + step.payload["window"] for step in steps)
        try:
            verdicts = [seen.verdict for seen in self._wait(watch.observe, watch.settled, allowed)]
        except DeadlineExceeded as late:
            verdicts = [watch.at_deadline(seen) for seen in late.last]
        bad = [with_log(self._engine, verdict) for verdict in verdicts if not verdict.good]
        if bad:
            raise EngineError(
                "every network is as declared and every service was put back, but %d of %d services did not converge.\n"
                "  %s" % (len(bad), len(verdicts), "\n  ".join(verdict.describe() for verdict in bad))
            )

    def give_up(self, error: Exception, note: str = "") -> None:
        """Put back what can be put back, and let the error's message tell how things stand."""
        notes = [note] if note else []
        if self.done:
            steps = ", ".join("%s %s %s" % (step.action, step.kind, step.name) for step in self.done)
            notes.append("already done: " + steps)
        notes.extend(self._restore())
        if notes and isinstance(error, DeclarationError):
            error.problems += tuple(notes)
            error.args = ("; ".join(error.problems),)
        elif notes:
            error.args = ("%s (%s)" % (error, "; ".join(notes)),)

    def _restore(self) -> list[str]:
        """Networks that are gone as they were, then the services. Returns how each of them stands."""
        told = []
        for name, request in sorted(self._removed.items()):
            try:
                if self._make_again(name, request):
                    told.append("network %s was made again as it was before" % name)
            except EngineError as error:
                told.append("network %s is gone, and could not be made again: %s" % (name, error))
        if not self._parked:
            return told
        try:
            services = [item for item in self._engine.services() if parking.networks_left(item, self._owner)]
        except EngineError as error:
            return [*told, "services may still be parked, for they could not be read: %s. %s" % (error, _NEXT)]
        for service in sorted(services, key=lambda item: str(item["Spec"]["Name"])):
            told.append(self._tell_putting_back(service))
        return told

    def _tell_putting_back(self, service: Mapping[str, Any]) -> str:
        name = service["Spec"]["Name"]
        try:
            self._put_back(service["ID"])
        except EngineError as error:
            return "service %s is stopped, and could not be put back: %s. %s" % (name, error, _NEXT)
        return "service %s was put back" % name

    def _make_again(self, name: str, request: Json) -> bool:
        """Whether a network had to be made again; one that got no addresses is no network to put a service on."""
        network = self._network(name)
        if network is not None and network.get("Driver"):
            return False
        if network is not None:
            self._engine.remove_network(network["Id"])
        self._engine.create_network(request)
        self._await_addresses(name)
        return True

    def _wait(self, observe: Callable[[], Any], done: Callable[[Any], bool], deadline: float) -> Any:
        return wait_until(observe, done, deadline, POLL, self._clock, self._sleep)


_NEXT = "The next run puts back what is left"
