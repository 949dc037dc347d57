# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of the swarm's networks.

A network can't be changed, only removed and made again, and that takes its services down. So a network that is there
and differs from its declaration is reported, difference by difference, and left alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from . import labels, naming
from .errors import DeclarationError
from .plan import CREATE, REMOVE, Difference, Plan, Step

Json = Mapping[str, Any]
_IpNetwork = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

PRESENT = "present"
ABSENT = "absent"
STATES = (PRESENT, ABSENT)

OPTION_MTU = "com.docker.network.driver.mtu"
OPTION_ENCRYPTED = "encrypted"
"""The overlay driver looks whether this option is there, not at its value: ``encrypted: "false"`` encrypts."""
_ENGINES_OPTIONS = frozenset({"com.docker.network.driver.overlay.vxlanid_list"})
_OWN_KEYS = {OPTION_ENCRYPTED: "encrypted", OPTION_MTU: "mtu"}

_ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
"""Status.State of tasks that no longer hold an address."""


@dataclass(frozen=True)
class Item:
    """One declared network. Every attribute but the first three: None is not managed.

    Attributes:
        mtu: the underlay's MTU in bytes: containers get 50 less, 76 or a little more when encrypted.
        subnet: in its normal form (``10.20.0.0/24``).
        gateway: an address of the subnet, in its normal form.
        driver_opts: options of the driver but encrypted and mtu; others that the network has don't matter.
    """

    name: str
    state: str = PRESENT
    driver: str = "overlay"
    attachable: bool | None = None
    internal: bool | None = None
    encrypted: bool | None = None
    mtu: int | None = None
    subnet: str | None = None
    gateway: str | None = None
    labels: Mapping[str, str] | None = None
    driver_opts: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Observation:
    """The engine's lists. Services and tasks tell what uses a network; they are needed only to remove one."""

    networks: Sequence[Json]
    services: Sequence[Json] = ()
    tasks: Sequence[Json] = ()


@dataclass(frozen=True)
class Decision:
    """The plan, and what else was seen.

    Attributes:
        networks: name -> ``{"id", "owned"}`` of each declared network that is present once the plan is applied; the
            id of one that the plan creates is None.
        drift: ``{"network", "field", "before", "after"}`` for each way in which a network is not as declared.
    """

    plan: Plan
    networks: Mapping[str, Mapping[str, Any]]
    drift: tuple[Mapping[str, Any], ...] = ()


def declared(items: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
    """The networks as a user wrote them, checked.

    Args:
        items: dictionaries with the attributes of ``Item``; labels and driver_opts unconverted.

    Raises:
        DeclarationError: every problem of every item.
    """
    problems: list[str] = []
    result = []
    for position, item in enumerate(items):
        where = naming.place("networks", position, item.get("name"))
        values = {key: value for key, value in item.items() if value is not None}
        problem = naming.network_name_problem(values.get("name"))
        if problem:
            problems.append("%s: name: %s" % (where, problem))
        for key in ("labels", "driver_opts"):
            if key in values:
                problems.extend(labels.problems(values[key], "%s: %s" % (where, key)))
        problems.extend("%s: %s" % (where, text) for text in _option_problems(values))
        problems.extend("%s: %s" % (where, text) for text in _normalise_addresses(values))
        result.append(Item(**{**values, "name": str(values.get("name"))}))
    problems.extend(
        "networks: %s is declared more than once (upper and lower case are the same to the swarm): keep one" % name
        for name in naming.duplicates(item.name for item in result)
    )
    if not problems:
        problems.extend(_overlaps(result))
    if problems:
        raise DeclarationError(*problems)
    return tuple(result)


def plan(items: Sequence[Item], observed: Observation, owner: str) -> Decision:
    """What leads from the observed networks to the declared ones: remove, then create, each by name.

    Removals come first, since a new network may take the addresses of one that goes.

    Args:
        items: from ``declared``.
        observed: what the swarm holds.
        owner: whose networks these are; only they are ever removed.

    Raises:
        DeclarationError: a name or a subnet is taken by a network that is not as declared.
    """
    planner = _Planner(observed, owner)
    ordered = sorted(items, key=lambda item: item.name)
    for item in ordered:
        if item.state == ABSENT:
            planner.remove(item)
    for item in ordered:
        if item.state == PRESENT:
            planner.ensure(item)
    return planner.decision()


def request(item: Item, owner: str) -> dict[str, Any]:
    """The engine's request (``POST /networks/create``) for a network."""
    options = dict(item.driver_opts or {})
    if item.encrypted:
        options[OPTION_ENCRYPTED] = ""
    if item.mtu is not None:
        options[OPTION_MTU] = str(item.mtu)
    body: dict[str, Any] = {
        "Name": item.name,
        "Driver": item.driver,
        "Scope": "swarm",
        "Attachable": bool(item.attachable),
        "Internal": bool(item.internal),
        "Options": options,
        "Labels": {**(item.labels or {}), labels.OWNER: owner},
    }
    if item.subnet is not None:
        pool = {"Subnet": item.subnet}
        if item.gateway is not None:
            pool["Gateway"] = item.gateway
        body["IPAM"] = {"Driver": "default", "Config": [pool]}
        body["EnableIPv6"] = ipaddress.ip_network(item.subnet).version == 6
    return body


def drift(item: Item, network: Json, owned: bool) -> tuple[Difference, ...]:
    """How a network is not as declared; what is not managed (None) is not compared.

    Labels of a network that we made are compared whole; on others, only the declared ones.
    """
    pairs = list(_flag_pairs(item, network))
    if network.get("Driver"):
        pairs.extend(_driver_pairs(item, network))
    found = [Difference(name, before, after) for name, before, after in pairs if before != after]
    if item.labels is not None:
        before = labels.foreign(network.get("Labels"))
        if not owned:
            before = {key: value for key, value in before.items() if key in item.labels}
        found.extend(labels.differences(before, item.labels))
    return tuple(found)


def users(network: Json, observed: Observation) -> list[str]:
    """What uses a network, sorted: services with it in Spec or PreviousSpec, and tasks that hold an address in it."""
    names = {network["Id"], network["Name"]}
    services = {service["ID"]: "service %s" % service["Spec"]["Name"] for service in observed.services}
    found = {services[service["ID"]] for service in observed.services if names.intersection(_targets(service))}
    for task in observed.tasks:
        attached = {(entry.get("Network") or {}).get("ID") for entry in task.get("NetworksAttachments") or ()}
        if names & attached and (task.get("Status") or {}).get("State") not in _ENDED:
            # A task without a service is a container that was attached by hand.
            found.add(services.get(task.get("ServiceID", ""), "task %s" % task["ID"]))
    return sorted(found)


def _targets(service: Json) -> Iterator[str]:
    for spec in (service.get("Spec") or {}, service.get("PreviousSpec") or {}):
        # The engine still takes the list at its old place, directly in the spec.
        for entries in ((spec.get("TaskTemplate") or {}).get("Networks"), spec.get("Networks")):
            for entry in entries or ():
                yield entry["Target"]


def _option_problems(values: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(_OWN_KEYS.keys() & set(values.get("driver_opts") or ())):
        note = ": the driver looks only whether it is there" if key == OPTION_ENCRYPTED else ""
        yield "driver_opts.%s: say it with the option %s%s" % (key, _OWN_KEYS[key], note)
    mtu = values.get("mtu")
    if mtu is not None and not 576 <= mtu <= 65535:
        yield "mtu: %s is not between 576 and 65535" % mtu


def _normalise_addresses(values: dict[str, Any]) -> Iterator[str]:
    """Put subnet and gateway into their normal forms, and yield what is wrong with them."""
    subnet = None
    if "subnet" in values:
        try:
            subnet = ipaddress.ip_network(values["subnet"])
            values["subnet"] = str(subnet)
        except ValueError as error:
            yield "subnet: %s; write a network like 10.20.0.0/24" % error
            return
    if "gateway" in values:
        try:
            gateway = ipaddress.ip_address(values["gateway"])
        except ValueError as error:
            yield "gateway: %s" % error
            return
        values["gateway"] = str(gateway)
        if subnet is None:
            yield "gateway: it needs a subnet beside it"
        elif gateway not in subnet:
            yield "gateway: %s is not in the subnet %s" % (gateway, subnet)


def _overlaps(items: Sequence[Item]) -> Iterator[str]:
    taken: list[tuple[str, _IpNetwork]] = []
    for item in items:
        if item.state != PRESENT or item.subnet is None:
            continue
        subnet = ipaddress.ip_network(item.subnet)
        for name, other in taken:
            if subnet.overlaps(other):
                yield "networks: %s (%s) and %s (%s) share addresses" % (name, other, item.name, subnet)
        taken.append((item.name, subnet))


def _pools(network: Json) -> Iterator[tuple[_IpNetwork, str | None]]:
    for pool in (network.get("IPAM") or {}).get("Config") or ():
        if pool.get("Subnet"):
            gateway = pool.get("Gateway")
            yield ipaddress.ip_network(pool["Subnet"], strict=False), str(_host(gateway)) if gateway else None


def _host(gateway: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    # Engines differ in whether the gateway that they chose carries its prefix length.
    return ipaddress.ip_interface(gateway).ip


def _flag_pairs(item: Item, network: Json) -> Iterator[tuple[str, Any, Any]]:
    for name, key in (("attachable", "Attachable"), ("internal", "Internal")):
        wanted = getattr(item, name)
        if wanted is not None:
            yield name, bool(network.get(key)), wanted


def _driver_pairs(item: Item, network: Json) -> Iterator[tuple[str, Any, Any]]:
    """What the engine shows only once it has given the network its addresses (moby: convert.BasicNetworkFromGRPC)."""
    options = {key: value for key, value in (network.get("Options") or {}).items() if key not in _ENGINES_OPTIONS}
    yield "driver", network["Driver"], item.driver
    if item.encrypted is not None:
        yield "encrypted", OPTION_ENCRYPTED in options, item.encrypted
    if item.mtu is not None:
        mtu = options.get(OPTION_MTU)
        yield "mtu", int(mtu) if mtu and mtu.isdigit() else mtu, item.mtu
    for key in sorted(item.driver_opts or ()):
        yield "driver_opts." + key, options.get(key), (item.driver_opts or {})[key]
    if item.subnet is not None:
        pools = {str(subnet): gateway for subnet, gateway in _pools(network)}
        if item.subnet not in pools:
            yield "subnet", ", ".join(pools) or None, item.subnet
        elif item.gateway is not None:
            yield "gateway", pools[item.subnet], item.gateway


class _Planner:
    """Gathers the steps of one plan; one instance lives for one call of ``plan``."""

    def __init__(self, observed: Observation, owner: str) -> None:
        self._observed = observed
        self._owner = owner
        self._swarms = {naming.fold(n["Name"]): n for n in observed.networks if n.get("Scope") == "swarm"}
        self._local = {n["Name"]: n for n in observed.networks if n.get("Scope") != "swarm"}
        self._steps: list[Step] = []
        self._going: set[str] = set()
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
        self._going.add(network["Id"])
        differences = tuple(Difference("subnet", str(subnet), None) for subnet, _gateway in _pools(network))
        self._steps.append(Step(REMOVE, "network", item.name, differences, {"id": network["Id"]}))

    def ensure(self, item: Item) -> None:
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
        for other, subnet in self._taken_pools():
            if item.subnet is not None and ipaddress.ip_network(item.subnet).overlaps(subnet):
                # The engine would take the request and then never give the network its addresses.
                self._problems.append(
                    "networks: the subnet %s of %s shares addresses with the network %s (%s)"
                    % (item.subnet, item.name, other, subnet)
                )
        body = request(item, self._owner)
        self._networks[item.name] = {"id": None, "owned": True}
        self._steps.append(Step(CREATE, "network", item.name, _shown(item), {"request": body}))

    def _taken_pools(self) -> Iterator[tuple[str, _IpNetwork]]:
        for network in self._swarms.values():
            if network["Id"] not in self._going:
                yield from ((network["Name"], subnet) for subnet, _gateway in _pools(network))

    def _compare(self, item: Item, network: Json) -> None:
        owned = labels.owned_by(network.get("Labels"), self._owner)
        self._networks[item.name] = {"id": network["Id"], "owned": owned}
        if not network.get("Driver"):
            self._warnings.append(
                "network %s has no addresses yet, so its driver's options and its subnet were not compared" % item.name
            )
        differences = drift(item, network, owned)
        self._drift.extend({"network": item.name, **difference.as_dict()} for difference in differences)
        if differences:
            self._warnings.append(
                "network %s is not as declared: %s. It is left as it is: a network can't be changed, only made anew"
                % (item.name, _told(differences))
            )

    def decision(self) -> Decision:
        if self._problems:
            raise DeclarationError(*self._problems)
        return Decision(Plan(tuple(self._steps), tuple(self._warnings)), self._networks, tuple(self._drift))


def _shown(item: Item) -> tuple[Difference, ...]:
    shown = ("driver", "attachable", "internal", "encrypted", "mtu", "subnet", "gateway", "labels", "driver_opts")
    values = ((name, getattr(item, name)) for name in shown)
    return tuple(
        Difference(name, None, dict(value) if isinstance(value, Mapping) else value)
        for name, value in values
        if value is not None
    )


def _told(differences: Iterable[Difference]) -> str:
    return ", ".join("%s is %s, declared %s" % (d.field, d.before, d.after) for d in differences)
