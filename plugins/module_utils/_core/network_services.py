# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of networks that are made anew: which of them are parked, and which are put back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from . import address_space, pace, parking, verdict
from .network_json import like
from .network_users import Observation
from .plan import UPDATE, Difference, Step

Json = Mapping[str, Any]

STABLE_CAP = 60.0
"""The longest time, in seconds, for which a service must run undisturbed after it was put back."""


class Services:
    """Plans the steps of the services; one instance lives for one plan.

    Attributes:
        problems: why a service can't be parked, once ``parkings`` was called.
        warnings: about services that are left alone.
        emptied: IDs of the networks that services are taken off, once ``parkings`` was read to its end.
    """

    def __init__(self, observed: Observation, owner: str, anew: Mapping[str, Json]) -> None:
        """``anew``: ID -> each network that is made anew, as it is now."""
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.emptied: set[str] = set()
        self._observed = observed
        self._owner = owner
        self._anew = anew

    def parkings(self) -> Iterator[tuple[Step, Step]]:
        """For each service of a network that is made anew: the step that parks it, and the one that puts it back."""
        for service in self._sorted_services():
            name = str(service["Spec"]["Name"])
            named = self._named_anew(service["Spec"])
            on = sorted({*named.values(), *self._held_anew(service)})
            why = self._obstacle(service, bool(named)) if on else None
            if why:
                self.problems.append(
                    "network %s can't be made anew while service %s uses it: %s" % (", ".join(on), name, why)
                )
            elif named:
                self.emptied.update(named)
                spec = parking.park(service, {key: like(self._anew[key]) for key in named}, self._owner)
                payload = {"id": service["ID"], "version": service["Version"]["Index"], "spec": spec}
                yield (
                    Step(UPDATE, "service", name, _aside(service, named, back=False), payload),
                    # One that did not run well before can't prove anything.
                    self._putting_back(
                        service, _aside(service, named, back=True), named.values(), prove=self._runs_well(service)
                    ),
                )
            else:
                self._look_back(service)

    def _runs_well(self, service: Json) -> bool:
        return verdict.judge(service, self._observed.tasks, self._observed.nodes, as_declared=True).good

    def _named_anew(self, spec: Json) -> dict[str, str]:
        """ID -> name of the networks that a spec names and that are made anew."""
        targets = parking.targets(spec)
        return {key: str(network["Name"]) for key, network in self._anew.items() if targets & {key, network["Name"]}}

    def _held_anew(self, service: Json) -> Iterator[str]:
        """Names of the networks that tasks of a service are on, whatever it names now, and that are made anew."""
        own = [task for task in self._observed.tasks if task.get("ServiceID") == service["ID"]]
        for network in self._anew.values():
            if any(address_space.is_attached(task, network) for task in own):
                yield str(network["Name"])

    def _obstacle(self, service: Json, named: bool) -> str | None:
        """Why a service can't leave its networks; one that doesn't name them any more only has to be at rest."""
        if not named:
            return parking.unsettled(service)
        if parking.networks_left(service, self._owner) is not None:
            return "an earlier run has not put it back yet: run once without recreate"
        return parking.obstacle(service, self._observed.tasks, self._observed.nodes)

    def _look_back(self, service: Json) -> None:
        """Warn of a service that could be rolled back to a network that is made anew, and no longer can."""
        lost = sorted(self._named_anew(service.get("PreviousSpec") or {}).values())
        if lost and parking.networks_left(service, self._owner) is None:
            self.warnings.append(
                "service %s used network %s before its last update: it can no longer be rolled back to that, for the "
                "network is made anew" % (service["Spec"]["Name"], ", ".join(lost))
            )

    def unfinished(self, there: Collection[str]) -> Iterator[Step]:
        """Put back what an earlier run has left parked.

        Args:
            there: names of the networks that there are by then.
        """
        for service in self._sorted_services():
            left = parking.networks_left(service, self._owner)
            if left is None:
                continue
            name = service["Spec"]["Name"]
            missing = sorted(set(left.values()) - set(there))
            if parking.is_lost(service, self._owner):
                self.warnings.append(
                    "service %s was parked to make network %s anew, and changed by somebody else before it could be "
                    "put back: deploy it again" % (name, ", ".join(sorted(left.values())))
                )
            elif missing:
                self.warnings.append(
                    "service %s is parked, and can't be put back without network %s: declare it"
                    % (name, ", ".join(missing))
                )
            else:
                yield self._putting_back(*self._rest(service, left), left.values(), prove=True)

    def _rest(self, service: Json, left: Mapping[str, str]) -> tuple[Json, tuple[Difference, ...]]:
        """A service with the spec that it gets back, and what that changes."""
        if not parking.is_parked(service, self._owner):
            return service, (Difference("rollback_target", "parked", "as it is"),)
        back = {**service, "Spec": service["PreviousSpec"]}
        return back, _aside(back, left, back=True)

    def _putting_back(
        self, service: Json, differences: tuple[Difference, ...], networks: Iterable[str], prove: bool
    ) -> Step:
        """The last step of a service.

        Args:
            service: with the spec that it gets back.
            differences: what that changes.
            networks: names of those that it gets back.
            prove: whether it must then run well.
        """
        policy = pace.of_spec(service["Spec"])
        payload = {
            "id": service["ID"],
            "networks": sorted(set(networks)),
            "prove": prove,
            "seconds": policy.create_seconds(),
            "window": policy.stable_for(STABLE_CAP),
        }
        return Step(UPDATE, "service", service["Spec"]["Name"], differences, payload)

    def _sorted_services(self) -> list[Json]:
        return sorted(self._observed.services, key=lambda service: str(service["Spec"]["Name"]))


def _aside(service: Json, networks: Mapping[str, str], back: bool) -> tuple[Difference, ...]:
    size = parking.size(service["Spec"])
    fields = [("runs", size, "parked")]
    fields += [("network " + name, "attached", "taken off") for name in sorted(set(networks.values()))]
    if back:
        fields = [(name, after, before) for name, before, after in fields]
    return tuple(Difference(*field) for field in fields)
