# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as the engine has them: the request for one, and how one that is there differs from its declaration."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from . import address_space, labels, underlay
from .network_items import OPTION_ENCRYPTED, OPTION_MTU, Item
from .plan import Difference

Json = Mapping[str, Any]

_ENGINES_OPTIONS = frozenset({"com.docker.network.driver.overlay.vxlanid_list"})
_OVERLAY = "overlay"


def request(item: Item, owner: str, underlay_mtu: int | None = None, before: Json | None = None) -> dict[str, Any]:
    """The engine's request (``POST /networks/create``) for a network.

    Args:
        item: the declaration.
        owner: whose it will be.
        underlay_mtu: for an overlay that declares no MTU of its own; not written when it is what the driver assumes.
        before: the network whose place it takes. What is not managed is then as it was there.
    """
    body = _plain(item.name) if before is None else like(before)
    same_driver = before is None or before.get("Driver") == item.driver
    body["Driver"] = item.driver
    for key, value in (("Attachable", item.attachable), ("Internal", item.internal)):
        body[key] = bool(body[key]) if value is None else value
    options = dict(body["Options"]) if same_driver else {}
    if item.encrypted is not None:
        options.pop(OPTION_ENCRYPTED, None)
    if item.encrypted:
        options[OPTION_ENCRYPTED] = ""
    mtu = _wanted_mtu(item, options, underlay_mtu)
    if mtu is not None:
        options[OPTION_MTU] = str(mtu)
    body["Options"] = {**options, **(item.driver_opts or {})}
    kept = labels.foreign(body["Labels"]) if item.labels is None else item.labels
    body["Labels"] = {**kept, labels.OWNER: owner}
    if item.subnet is not None:
        pool = {"Subnet": item.subnet}
        gateway = item.gateway or _gateway_of(item.subnet, before)
        if gateway is not None:
            pool["Gateway"] = gateway
        body["IPAM"] = {"Driver": "default", "Config": [pool]}
        body["EnableIPv6"] = ipaddress.ip_network(item.subnet).version == 6
    return body


def like(network: Json) -> dict[str, Any]:
    """The request that makes a network again as it is: its subnets too, though not its ID."""
    options = network.get("Options") or {}
    body: dict[str, Any] = {
        **_plain(network["Name"]),
        "Driver": network.get("Driver") or _OVERLAY,
        "Attachable": bool(network.get("Attachable")),
        "Internal": bool(network.get("Internal")),
        "Options": {key: value for key, value in options.items() if key not in _ENGINES_OPTIONS},
        "Labels": dict(network.get("Labels") or {}),
    }
    ipam = network.get("IPAM") or {}
    if ipam.get("Config"):
        pools = [{key: value for key, value in pool.items() if value} for pool in ipam["Config"]]
        body["IPAM"] = {"Driver": ipam.get("Driver") or "default", "Config": pools}
        if ipam.get("Options"):
            body["IPAM"]["Options"] = dict(ipam["Options"])
        body["EnableIPv6"] = bool(network.get("EnableIPv6"))
    return body


def drift(item: Item, network: Json, owned: bool, underlay_mtu: int | None = None) -> tuple[Difference, ...]:
    """How a network is not as declared; what is not managed (None) is not compared.

    Labels of a network that we made are compared whole; on others, only the declared ones. The MTU of an overlay that
    declares none is compared with the underlay's, and differs only when the underlay can't carry it.
    """
    found = [Difference(*pair) for pair in compared(item, network, underlay_mtu) if pair[1] != pair[2]]
    if item.labels is not None:
        before = labels.foreign(network.get("Labels"))
        if not owned:
            before = {key: value for key, value in before.items() if key in item.labels}
        found.extend(labels.differences(before, item.labels))
    return tuple(found)


def compared(item: Item, network: Json, underlay_mtu: int | None = None) -> Iterator[tuple[str, Any, Any]]:
    """(field, what the network has, what is declared) for each field that is managed, but the labels."""
    for name, key in (("attachable", "Attachable"), ("internal", "Internal")):
        wanted = getattr(item, name)
        if wanted is not None:
            yield name, bool(network.get(key)), wanted
    # The engine shows the rest only once it has given the network its addresses (moby: convert.BasicNetworkFromGRPC).
    if network.get("Driver"):
        yield from _driver_pairs(item, network, underlay_mtu)


def container_mtu(network: Json) -> int | None:
    """The MTU of containers in a network, or in one that a request makes; None where no overlay driver sets it."""
    options = network.get("Options") or {}
    mtu = _mtu_of(options)
    if network.get("Driver") != _OVERLAY or not isinstance(mtu, int):
        return None
    return underlay.container_mtu(mtu, OPTION_ENCRYPTED in options)


def option_mtu(network: Json) -> Any:
    """The MTU that a network, or a request for one, says of the underlay; None where it says none."""
    options = network.get("Options") or {}
    return _mtu_of(options) if OPTION_MTU in options else None


def _plain(name: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Driver": _OVERLAY,
        "Scope": "swarm",
        "Attachable": False,
        "Internal": False,
        "Options": {},
        "Labels": {},
    }


def _wanted_mtu(item: Item, options: Mapping[str, str], underlay_mtu: int | None) -> int | None:
    """What must be written into the options; None leaves them as they are."""
    if item.mtu is not None:
        return item.mtu
    if item.driver != _OVERLAY or underlay_mtu is None:
        return None
    now = _mtu_of(options)
    if OPTION_MTU in options and isinstance(now, int) and now <= underlay_mtu:
        return None
    return None if underlay_mtu == now == underlay.ASSUMED_MTU else underlay_mtu


def _mtu_of(options: Mapping[str, str]) -> Any:
    """The underlay's MTU for which a network is made; the option's text when that is no number."""
    mtu = options.get(OPTION_MTU)
    if not mtu:
        return underlay.ASSUMED_MTU
    return int(mtu) if mtu.isdigit() else mtu


def _gateway_of(subnet: str, network: Json | None) -> str | None:
    found = [pool.gateway for pool in address_space.pools(network or {}) if str(pool.subnet) == subnet]
    return str(found[0]) if found and found[0] else None


def _driver_pairs(item: Item, network: Json, underlay_mtu: int | None) -> Iterator[tuple[str, Any, Any]]:
    options = {key: value for key, value in (network.get("Options") or {}).items() if key not in _ENGINES_OPTIONS}
    yield "driver", network["Driver"], item.driver
    if item.encrypted is not None:
        yield "encrypted", OPTION_ENCRYPTED in options, item.encrypted
    mtu = _mtu_of(options)
    if item.mtu is not None:
        yield "mtu", option_mtu(network), item.mtu
    elif underlay_mtu is not None and network["Driver"] == item.driver == _OVERLAY:
        fits = isinstance(mtu, int) and mtu <= underlay_mtu
        yield "mtu", mtu, mtu if fits else underlay_mtu
    for key in sorted(item.driver_opts or ()):
        yield "driver_opts." + key, options.get(key), (item.driver_opts or {})[key]
    if item.subnet is not None:
        pools = {str(pool.subnet): pool.gateway for pool in address_space.pools(network)}
        if item.subnet not in pools:
            yield "subnet", ", ".join(pools) or None, item.subnet
        elif item.gateway is not None:
            gateway = pools[item.subnet]
            yield "gateway", str(gateway) if gateway else None, item.gateway
