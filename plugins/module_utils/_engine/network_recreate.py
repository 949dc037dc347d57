# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The executor of plans that may make networks anew, and with that stop their services for a while.

What is to be done, and in which order, is decided in ``_core/networks``. Here it is carried out with the waits that it
takes, and when it can't go on, everything is put back as far as that can be done. Once something was stopped or
removed, a swarm that has no leader for a moment is waited for, in every look and every write.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .._core import address_space, labels, parking
from .._core.networks import Decision, Observation
from .._core.plan import CREATE, REMOVE, UPDATE, Plan, Step
from . import apply, errors
from .apply import ATTEMPTS, Ids, Outcome
from .client import Engine, Json
from .errors import EngineError, InUse, StaleVersion
from .patience import patiently
from .wait import DeadlineExceeded, wait_until
from .watch import PASSING, Watch, Watched, with_log

REMOVAL = 30.0
"""Seconds for a network to be let go of after its last task is gone (moby#29293)."""
ALLOCATION = 30.0
"""Seconds for the swarm to give a new network its addresses; it takes less than one."""
PATIENCE = 60.0
"""Seconds for a swarm without a leader to get one; an election takes a few."""
POLL = 0.5

T = TypeVar("T")


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
    return apply.converge(
        lambda source: run.look(lambda: observe(source)),
        plan,
        engine,
        dry_run=dry_run,
        carry_out=lambda what, _engine, done, ids: run.apply(what, done, ids),
        on_failure=run.restore,
    )


class _Run:
    """One run: the engine, the clock, and what the engine itself does not remember of what was done."""

    def __init__(self, engine: Engine, owner: str, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._engine = engine
        self._owner = owner
        self._clock = clock
        self._sleep = sleep
        self._removed: dict[str, Json] = {}
        self._held: dict[str, str] = {}
        self._parked = False
        self._patient = False
        self._exhausted = False
        self._lost = 0.0

    def look(self, observe: Callable[[], Observation]) -> Observation:
        """What is there, and what this run has learned."""
        return replace(self._patiently(observe), held=dict(self._held), removed=dict(self._removed))

    def apply(self, plan: Plan, done: list[Step], ids: Ids) -> None:
        """Carry out every step in order, and see that the services that were put back run as they did before."""
        # A service that is put on a network without addresses gets no virtual IP, and swarm tries again only after 5
        # minutes (swarmkit: allocator, retryInterval).
        awaited = any(step.kind == "service" for step in plan)
        # These come first in any plan.
        plain = [step for step in plan if step.action == REMOVE and "like" not in step.payload]
        self._remove_unused(plain, done)
        for step in plan.steps[len(plain) :]:
            if step.kind == "service":
                self._service(step)
            elif step.action == REMOVE:
                self._remove(step)
            else:
                ids[step.kind, step.name] = self._create(step.name, step.payload["request"])
            done.append(step)
            if step.action == CREATE and (awaited or "anew" in step.payload):
                self._await_addresses(step.name)
        self._prove([step for step in plan if step.payload.get("prove")])

    def _remove_unused(self, steps: Sequence[Step], done: list[Step]) -> None:
        """Remove what nothing uses; the next plan lets alone what the engine does not let go of.

        Raises:
            InUse: one or more of them are in use all the same, and the others are gone.
        """
        refusal: InUse | None = None
        for step in steps:
            try:
                self._delete(step.payload["id"])
            except InUse as error:
                self._held[step.payload["id"]] = str(error)
                refusal = error
            else:
                done.append(step)
        if refusal is not None:
            raise refusal

    def _service(self, step: Step) -> None:
        payload = step.payload
        if "spec" not in payload:
            self._patient = True
            for name in payload["networks"]:
                self._await_addresses(name)
            self._put_back(payload["id"])
            return
        wanted = payload["spec"]["Labels"][parking.LABEL]

        def park() -> None:
            self._engine.update_service(payload["id"], payload["version"], payload["spec"])

        def is_parked() -> bool:
            found = self._service_now(payload["id"])
            return found is not None and (found["Spec"].get("Labels") or {}).get(parking.LABEL) == wanted

        self._parked = True
        self._write(park, is_parked)
        self._patient = True

    def _remove(self, step: Step) -> None:
        """Remove a network once no task is on it; the engine itself would not wait for tasks that are stopping."""
        network = {"Id": step.payload["id"], "Name": step.name}

        def leaving() -> list[str]:
            return address_space.leaving(network, self._engine.tasks(by_hand=True), self._engine.nodes())

        def refusal() -> str:
            try:
                self._delete(network["Id"])
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
        self._patient = True
        self._removed[step.name] = step.payload["like"]
        try:
            self._wait(refusal, lambda words: not words, REMOVAL)
        except DeadlineExceeded as late:
            raise errors.DeadlineExceeded(
                "network %s was still in use %g s after its services had left it: %s" % (step.name, REMOVAL, late.last)
            ) from late

    def _create(self, name: str, request: Mapping[str, Any]) -> str:
        """The ID of the new network."""
        made = ""

        def create() -> None:
            nonlocal made
            made = self._engine.create_network(dict(request))

        def is_there() -> bool:
            nonlocal made
            network = self._network(name)
            if network is None or not labels.owned_by(network.get("Labels"), self._owner):
                return False
            made = str(network["Id"])
            return True

        self._write(create, is_there)
        return made

    def _await_addresses(self, name: str) -> None:
        try:
            self._wait(lambda: self._network(name), lambda network: bool((network or {}).get("Driver")), ALLOCATION)
        except DeadlineExceeded as late:
            raise errors.DeadlineExceeded(
                "the swarm gave network %s no addresses within %g s: is its subnet taken by something else, or its "
                "driver missing?" % (name, ALLOCATION)
            ) from late

    # -- services go back -------------------------------------------------------------------------------------------

    def _put_back(self, service_id: str) -> None:
        """Send what ``parking.put_back`` says until nothing is left of it; twice, when nobody interferes."""
        for _again in range(ATTEMPTS):
            if self._patiently(lambda: self._is_back(service_id)):
                return
        raise StaleVersion("it was changed again and again by somebody else")

    def _is_back(self, service_id: str) -> bool:
        """Whether a service has all that it had; if not, the next spec on its way there was sent."""
        found = self._service_now(service_id)
        left = None if found is None else parking.networks_left(found, self._owner)
        if found is None or left is None:
            return True  # it was removed, or somebody else has put it back
        if parking.is_lost(found, self._owner):
            raise EngineError("it was changed by somebody else while it was parked: deploy it again")
        ids = {str(network["Name"]): str(network["Id"]) for network in self._networks()}
        missing = sorted(set(left.values()) - set(ids))
        if missing:
            raise EngineError("network %s is not there" % ", ".join(missing))
        spec = parking.put_back(found, ids, self._owner)
        try:
            self._engine.update_service(service_id, found["Version"]["Index"], spec or {})
        except StaleVersion:
            # The swarm itself writes to a service whose networks change: its virtual IPs.
            self._sleep(POLL)
        return False

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

    # -- when it can't go on ----------------------------------------------------------------------------------------

    def restore(self) -> list[str]:
        """Networks that are gone as they were, then the services. Returns how each of them stands."""
        # Also where the first write had no answer: it may have been carried out.
        self._patient = True
        told = []
        for name, request in sorted(self._removed.items()):
            try:
                if self._make_again(name, request):
                    told.append("network %s was made again as it was before" % name)
            except EngineError as error:
                told.append("network %s may be gone, and could not be made again as it was: %s" % (name, error))
        if not self._parked:
            return told
        try:
            services = self._patiently(self._engine.services)
        except EngineError as error:
            return [*told, "services may still be parked, for they could not be read: %s. %s" % (error, _NEXT)]
        left = [service for service in services if parking.networks_left(service, self._owner)]
        for service in sorted(left, key=lambda item: str(item["Spec"]["Name"])):
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
        network = self._patiently(lambda: self._network(name))
        if network is not None and network.get("Driver"):
            return False
        if network is not None:
            self._delete(network["Id"])
        self._create(name, request)
        self._await_addresses(name)
        return True

    # -- what the above stand on ------------------------------------------------------------------------------------

    def _networks(self) -> list[Json]:
        """The swarm's networks.

        The engine's list leaves them out, without an error, when the swarm can't be read (moby: getNetworksList). So
        another list, which fails then, is read before it and after it: a network is never gone because of a bad read.
        """
        self._engine.nodes()
        found = [network for network in self._engine.networks() if network.get("Scope") == "swarm"]
        self._engine.nodes()
        return found

    def _network(self, name: str) -> Json | None:
        return next((network for network in self._networks() if network["Name"] == name), None)

    def _delete(self, network_id: str) -> None:
        def is_gone() -> bool:
            return all(network["Id"] != network_id for network in self._networks())

        self._write(lambda: self._engine.remove_network(network_id), is_gone)

    def _service_now(self, service_id: str) -> Json | None:
        return next((service for service in self._engine.services() if service["ID"] == service_id), None)

    def _write(self, send: Callable[[], object], is_done: Callable[[], bool]) -> None:
        """Send something, and again where no answer comes, unless a look then says that it was carried out."""
        unanswered = False

        def attempt() -> None:
            nonlocal unanswered
            if unanswered and is_done():
                return
            try:
                send()
            except PASSING:
                unanswered = True
                raise

        self._patiently(attempt)

    def _patiently(self, action: Callable[[], T]) -> T:
        """Do something, with patience once something was stopped; a swarm that stays away exhausts it for good."""
        if not self._patient or self._exhausted:
            return action()
        start = began = self._clock()

        def attempt() -> T:
            nonlocal began
            began = self._clock()
            return action()

        try:
            return patiently(attempt, self._clock, self._sleep, PATIENCE)
        except PASSING:
            self._exhausted = True
            raise
        finally:
            self._lost += began - start

    def _answered(self) -> float:
        """A clock that stands while the swarm gives no answer, since nothing that is waited for goes on meanwhile."""
        return self._clock() - self._lost

    def _wait(self, observe: Callable[[], T], done: Callable[[T], bool], deadline: float) -> T:
        return wait_until(lambda: self._patiently(observe), done, deadline, POLL, self._answered, self._sleep)


_NEXT = "The next run puts back what is left"
