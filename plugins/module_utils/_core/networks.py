# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of the swarm's networks.

A network can't be changed, not even its labels, only removed and made again, and that stops its services for a while.
So a network that is there and differs from its declaration is reported, difference by difference, and left alone,
unless the user asks for it to be made anew. Its services are then parked (see ``parking``), and put back at the end.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import address_space, labels, naming, pace, parking
from .address_space import IpNetwork
from .errors import DeclarationError
from .network_items import ABSENT, PRESENT, STATES, Item, checked_underlay, declared
from .network_json import compared, container_mtu, drift, like, option_mtu, request
from .network_services import Services
from .network_users import Observation, others_among, present_users, services_among, users
from .plan import CREATE, REMOVE, Difference, Plan, Step

__all__ = [
    "ABSENT",
    "PRESENT",
    "STATES",
    "Decision",
    "Item",
    "Observation",
    "checked_underlay",
    "declared",
    "drift",
    "plan",
    "present",
    "request",
    "users",
]

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Decision:
    """The plan, and what else was seen.

    Attributes:
        networks: name -> what ``present`` says of each declared network that is present once the plan is applied; the
            id of one that the plan creates is None, and so are its addresses.
        drift: ``{"network", "field", "before", "after", "services"}`` for each way in which a network is not as
            declared and stays so; the services are the names of those that use it.
    """

    plan: Plan
    networks: Mapping[str, Mapping[str, Any]]
    drift: tuple[Mapping[str, Any], ...] = ()


def plan(
    items: Sequence[Item],
    observed: Observation,
    owner: str,
    *,
    recreate: bool = False,
    underlay_mtu: int | None = None,
) -> Decision:
    """What leads from the observed networks to the declared ones.

    First what is declared absent goes, since a new network may take its addresses. Networks without services that are
    made anew follow, each removed and created at once. Then the services of the others are parked, these networks go,
    everything that is missing is created, and services are put back. Each of these by name, but networks whose subnet
    is fixed are created before those that may get any. What an earlier run has begun is brought to its end, whether or
    not this one may recreate: a network that it has removed is created as it was, but for what is declared.

    Args:
        items: from ``declared``.
        observed: what the swarm holds.
        owner: whose networks these are; only they are ever removed.
        recreate: make the owner's networks that are not as declared anew.
        underlay_mtu: for overlays that declare no MTU.

    Raises:
        DeclarationError: a name or a subnet is taken by a network that is not as declared, or a service can't be taken
            off its network.
    """
    planner = _Planner(observed, owner, recreate, underlay_mtu)
    ordered = sorted(items, key=lambda item: item.name)
    for item in ordered:
        if item.state == ABSENT:
            planner.remove(item)
    for item in ordered:
        if item.state == PRESENT:
            planner.ensure(item)
    return planner.decision()


def present(network: Json, observed: Observation, owner: str) -> dict[str, Any]:
    """``{"id", "owned", "container_mtu", "addresses"}`` of a network that is there."""
    addresses = address_space.count(network, observed.services, observed.tasks, observed.nodes)
    return {
        "id": network["Id"],
        "owned": labels.owned_by(network.get("Labels"), owner),
        "container_mtu": container_mtu(network),
        "addresses": addresses.as_dict() if addresses else None,
    }


class _Planner:
    """Gathers the steps of one plan; one instance lives for one call of ``plan``."""

    def __init__(self, observed: Observation, owner: str, recreate: bool, underlay_mtu: int | None) -> None:
        self._observed = observed
        self._owner = owner
        self._recreate = recreate
        self._underlay_mtu = underlay_mtu
        self._removed = {**parking.remembered(observed.services, owner), **observed.removed}
        self._swarms = {naming.fold(n["Name"]): n for n in observed.networks if n.get("Scope") == "swarm"}
        self._local = {n["Name"]: n for n in observed.networks if n.get("Scope") != "swarm"}
        self._removals: list[Step] = []
        self._creations: list[Step] = []
        self._going: set[str] = set()
        self._anew: dict[str, Json] = {}
        self._warnings: list[str] = []
        self._problems: list[str] = []
        self._networks: dict[str, dict[str, Any]] = {}
        self._drift: list[dict[str, Any]] = []

    def remove(self, item: Item) -> None:
        network = self._swarms.get(naming.fold(item.name))
        if network is None or network["Name"] != item.name:
            return
        if not labels.owned_by(network.get("Labels"), self._owner):
            self._warnings.append(
                "network %s is declared absent, but it does not belong to the owner %r: it stays"
                % (item.name, self._owner)
            )
            return
        used_by = users(network, self._observed)
        if used_by:
            self._warnings.append(
                "network %s is declared absent, but it is in use: it stays until %s leave it"
                % (item.name, ", ".join(used_by))
            )
            return
        if network["Id"] in self._observed.held:
            self._warnings.append(
                "network %s is declared absent, but the engine says that it is in use: it stays until that is gone (%s)"
                % (item.name, self._observed.held[network["Id"]])
            )
            return
        self._going.add(network["Id"])
        differences = tuple(Difference("subnet", str(pool.subnet), None) for pool in address_space.pools(network))
        self._removals.append(Step(REMOVE, "network", item.name, differences, {"id": network["Id"]}))

    def ensure(self, item: Item) -> None:
        if self._underlay_mtu is not None and item.mtu is not None and item.mtu > self._underlay_mtu:
            self._warnings.append(
                "network %s: its mtu %d is more than the network below carries (%d): large packets will be lost"
                % (item.name, item.mtu, self._underlay_mtu)
            )
        network = self._swarms.get(naming.fold(item.name))
        if network is None:
            self._create(item)
        elif network["Name"] != item.name:
            self._problems.append(
                "networks: the swarm has %s, which is the same name as %s to it (upper and lower case don't count)"
                % (network["Name"], item.name)
            )
        else:
            self._compare(item, network)

    def _create(self, item: Item) -> None:
        local = self._local.get(item.name)
        if local is not None:
            self._problems.append(
                "networks: %s is there as a network of this node alone (driver %s, scope %s): remove that, or choose "
                "another name" % (item.name, local.get("Driver"), local.get("Scope"))
            )
        body = request(item, self._owner, self._underlay_mtu, self._removed.get(item.name))
        self._creations.append(Step(CREATE, "network", item.name, _shown(item, body), {"request": body}))
        self._will_be(item.name, body)

    def _compare(self, item: Item, network: Json) -> None:
        if not network.get("Driver"):
            self._warnings.append(
                "network %s has no addresses yet, so its driver's options and its subnet were not compared" % item.name
            )
        self._networks[item.name] = present(network, self._observed, self._owner)
        owned = bool(self._networks[item.name]["owned"])
        differences = drift(item, network, owned, self._underlay_mtu)
        if not differences:
            return
        if self._recreate and owned and network.get("Driver"):
            self._make_anew(item, network, differences)
            return
        used_by = present_users(network, self._observed)
        services = services_among(used_by)
        self._drift.extend(
            {"network": item.name, **difference.as_dict(), "services": services} for difference in differences
        )
        self._warnings.append(
            "network %s is not as declared: %s. It is left as it is: %s"
            % (item.name, _told(differences), self._why_left(owned, used_by))
        )

    def _why_left(self, owned: bool, used_by: Sequence[str]) -> str:
        if not owned:
            return "it does not belong to the owner %r, and a network can't be changed, only made anew" % self._owner
        if self._recreate:
            return "it has no addresses yet, so not all of it is known: run it again"
        stopped = "stops %s for a while" % ", ".join(used_by) if used_by else "stops nothing, for nothing uses it"
        return "a network can't be changed, only made anew. recreate: true does that, and %s" % stopped

    # -- networks that are made anew --------------------------------------------------------------------------------

    def _make_anew(self, item: Item, network: Json, differences: Sequence[Difference]) -> None:
        used_by = present_users(network, self._observed)
        by_hand, services = others_among(used_by), services_among(used_by)
        if by_hand:
            self._problems.append(
                "network %s can't be made anew while containers that are no services are attached to it: stop %s"
                % (item.name, ", ".join(by_hand))
            )
        self._going.add(network["Id"])
        self._anew[network["Id"]] = network
        named = {difference.field: difference.before for difference in differences}
        before = {**{name: seen for name, seen, _wanted in compared(item, network, self._underlay_mtu)}, **named}
        shown = tuple(Difference(name, value, None) for name, value in before.items())
        specs = [service["Spec"] for service in self._observed.services if service["Spec"]["Name"] in services]
        seconds = pace.FLOOR + max([pace.STOP_GRACE, *(pace.of_spec(spec).stop_grace for spec in specs)])
        payload: dict[str, Any] = {"id": network["Id"], "like": like(network), "seconds": seconds}
        self._removals.append(Step(REMOVE, "network", item.name, shown, payload))
        body = request(item, self._owner, self._underlay_mtu, network)
        payload = {"request": body, "anew": True}
        self._creations.append(Step(CREATE, "network", item.name, _shown(item, body), payload))
        self._will_be(item.name, body)

    # -- what comes of it -------------------------------------------------------------------------------------------

    def _will_be(self, name: str, body: Json) -> None:
        self._networks[name] = {"id": None, "owned": True, "container_mtu": container_mtu(body), "addresses": None}

    def _collisions(self) -> Iterator[str]:
        """Subnets that are taken: the engine would take the request and then never give the network its addresses."""
        staying = [network for network in self._swarms.values() if network["Id"] not in self._going]
        taken: list[tuple[str, IpNetwork]] = [
            (network["Name"], pool.subnet) for network in staying for pool in address_space.pools(network)
        ]
        for step in self._creations:
            wanted = [ipaddress.ip_network(pool["Subnet"], strict=False) for pool in _config(step.payload["request"])]
            for subnet in wanted:
                for other, pool in taken:
                    if subnet.overlaps(pool):
                        yield (
                            "networks: the subnet %s of %s shares addresses with the network %s (%s)"
                            % (subnet, step.name, other, pool)
                        )
            taken.extend((step.name, subnet) for subnet in wanted)

    def _waits_for_another(self, network: Json, creation: Step) -> bool:
        """Whether a network that is made anew gets addresses of another one that is, so that this has to go first."""
        others = [other for key, other in self._anew.items() if key != network["Id"]]
        pools = [pool.subnet for other in others for pool in address_space.pools(other)]
        wanted = [pool.subnet for pool in address_space.pools(creation.payload["request"])]
        return any(mine.overlaps(pool) for mine in wanted for pool in pools)

    def _at_once(self, emptied: Container[str]) -> Iterator[Step]:
        """For each network that is made anew and has no services: its removal, and its creation right after it.

        No service remembers what such a network was, so nothing must come between the two.
        """
        creations = {step.name: step for step in self._creations}
        for removal in self._removals:
            network = self._anew.get(removal.payload["id"])
            if network is None or network["Id"] in emptied:
                continue
            if not self._waits_for_another(network, creations[removal.name]):
                yield from (removal, creations[removal.name])

    def decision(self) -> Decision:
        services = Services(self._observed, self._owner, self._anew)
        pairs = list(services.parkings())
        there = {str(network["Name"]) for network in self._swarms.values()} | set(self._networks)
        back = [*(last for _first, last in pairs), *services.unfinished(there)]
        problems = [*self._problems, *services.problems, *self._collisions()]
        if problems:
            raise DeclarationError(*problems)
        plain = [step for step in self._removals if "like" not in step.payload]
        at_once = list(self._at_once(services.emptied))
        early = {step.name for step in at_once}
        anew = [step for step in self._removals if "like" in step.payload and step.name not in early]
        creations = [step for step in self._creations if step.name not in early]
        steps = (
            *plain,
            *at_once,
            *(first for first, _last in pairs),
            *anew,
            *sorted(creations, key=lambda step: not _config(step.payload["request"])),
            *sorted(back, key=lambda step: step.name),
        )
        warnings = (*self._warnings, *services.warnings)
        return Decision(Plan(steps, warnings), self._networks, tuple(self._drift))


def _config(body: Json) -> Sequence[Json]:
    return (body.get("IPAM") or {}).get("Config") or ()


def _shown(item: Item, body: Json) -> tuple[Difference, ...]:
    """What is declared of a network, and the MTU where the underlay gives it."""
    shown = ("driver", "attachable", "internal", "encrypted", "mtu", "subnet", "gateway", "labels", "driver_opts")
    values = {name: getattr(item, name) for name in shown}
    values["mtu"] = option_mtu(body)
    return tuple(
        Difference(name, None, dict(value) if isinstance(value, Mapping) else value)
        for name, value in values.items()
        if value is not None
    )


def _told(differences: Iterable[Difference]) -> str:
    return ", ".join("%s is %s, declared %s" % (d.field, d.before, d.after) for d in differences)
