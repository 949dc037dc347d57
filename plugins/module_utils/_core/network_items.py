# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as a user declares them, checked."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import labels, naming, underlay
from .address_space import IpNetwork
from .errors import DeclarationError

PRESENT = "present"
ABSENT = "absent"
STATES = (PRESENT, ABSENT)

OPTION_MTU = "com.docker.network.driver.mtu"
OPTION_ENCRYPTED = "encrypted"
"""The overlay driver looks whether this option is there, not at its value: ``encrypted: "false"`` encrypts."""
_OWN_KEYS = {OPTION_ENCRYPTED: "encrypted", OPTION_MTU: "mtu"}


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


def declared(items: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
    """The networks as a user wrote them, checked.

    Args:
        items: dictionaries with the attributes of ``Item``, unconverted.

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
        strange = [*_strange(values)]
        problems.extend("%s: %s" % (where, text) for text in strange)
        if strange:
            continue
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


def checked_underlay(mtu: int | None) -> int | None:
    """The underlay's MTU, when it can be one; None is not known.

    Raises:
        DeclarationError: it can't be one.
    """
    problem = None if mtu is None else underlay.mtu_problem(mtu)
    if problem:
        raise DeclarationError("underlay_mtu: %s" % problem)
    return mtu


def _strange(values: Mapping[str, Any]) -> Iterator[str]:
    """What is not of the sort that it must be, as an inventory may hold it: INI files and ``-e`` give only strings."""
    if values.get("state", PRESENT) not in STATES:
        yield "state is neither present nor absent"
    for key in ("attachable", "internal", "encrypted"):
        if not isinstance(values.get(key, False), bool):
            yield "%s is neither true nor false" % key
    mtu = values.get("mtu", 0)
    if isinstance(mtu, bool) or not isinstance(mtu, int):
        yield "mtu is not a whole number of bytes (in quotes it is a string)"
    for key in ("driver", "subnet", "gateway"):
        # ipaddress would take a number for an address too.
        if not isinstance(values.get(key, ""), str):
            yield "%s is not a string" % key


def _option_problems(values: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(_OWN_KEYS.keys() & _keys(values.get("driver_opts"))):
        note = ": the driver looks only whether it is there" if key == OPTION_ENCRYPTED else ""
        yield "driver_opts.%s: say it with the option %s%s" % (key, _OWN_KEYS[key], note)
    problem = underlay.mtu_problem(values["mtu"]) if "mtu" in values else None
    if problem:
        yield "mtu: %s" % problem


def _keys(value: object) -> set[object]:
    return set(value) if isinstance(value, Mapping) else set()


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
    taken: list[tuple[str, IpNetwork]] = []
    for item in items:
        if item.state != PRESENT or item.subnet is None:
            continue
        subnet = ipaddress.ip_network(item.subnet)
        for name, other in taken:
            if subnet.overlaps(other):
                yield "networks: %s (%s) and %s (%s) share addresses" % (name, other, item.name, subnet)
        taken.append((item.name, subnet))
