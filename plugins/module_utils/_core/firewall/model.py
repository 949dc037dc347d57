# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared of one host's firewall, checked and brought into one form."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Union

from ..errors import DeclarationError
from .custom import custom_problem

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

MANAGEMENT_PORT = 2377
"""TCP, managers only: joining, the raft and the dispatcher."""
GOSSIP_PORT = 7946
"""TCP and UDP, every node: who is where in the overlays."""
DATA_PATH_PORT = 4789
"""UDP, every node: VXLAN, unless the swarm was made with another port."""
DATA_PATH_PORTS = (1024, 49151)
"""What ``docker swarm init --data-path-port`` takes."""
LARGEST_VNI = (1 << 24) - 1

ANY, MEMBERS, ADMIN, CONTAINERS = "any", "members", "admin", "containers"
KEYWORDS = (ANY, MEMBERS, ADMIN, CONTAINERS)
PROTOCOLS = ("tcp", "udp")
OPENING_KEYS = ("port", "protocol", "from")


@dataclass(frozen=True)
class Opening:
    """Ports ``first`` to ``last`` of a protocol, open to ``sources``: keywords, and networks in canonical form."""

    first: int
    last: int
    protocol: str = "tcp"
    sources: tuple[str, ...] = (ANY,)

    def __str__(self) -> str:
        return "%s/%s from %s" % (ports_text((self.first, self.last)), self.protocol, ", ".join(self.sources))


@dataclass(frozen=True)
class HostRules:
    """The whole declaration of one host. Addresses and networks are in canonical form, sorted, without repetition.

    Attributes:
        members: the addresses of every node of the swarm, v4 and v6, the host's own too.
        manager: whether it is to be reached on the management port.
        data_path_port: UDP port of the swarm's VXLAN.
        encrypted: whether some overlay is encrypted, so that members send ESP.
        encrypted_vnis: VXLAN network identifiers that may come only out of ESP.
        admin_networks: where administrators come from; never empty.
        admin_ports: TCP ports for them, as first and last.
        openings: what else is open, in the order in which it was declared.
        custom_rules: nft rules that come before all of this, one a line, in the order in which they were declared.
        routing: whether the host passes on (routes or bridges) what neither comes from its containers nor goes to them.
    """

    members: tuple[str, ...]
    manager: bool
    data_path_port: int = DATA_PATH_PORT
    encrypted: bool = False
    encrypted_vnis: tuple[int, ...] = ()
    admin_networks: tuple[str, ...] = ()
    admin_ports: tuple[tuple[int, int], ...] = ((22, 22),)
    openings: tuple[Opening, ...] = ()
    custom_rules: tuple[str, ...] = ()
    routing: bool = False

    @property
    def swarm_ports(self) -> dict[str, tuple[int, ...]]:
        """Ports that the swarm itself decides, by protocol; on a worker the management port is simply not open."""
        return {"tcp": (MANAGEMENT_PORT, GOSSIP_PORT), "udp": (GOSSIP_PORT, self.data_path_port)}


def parse(options: Mapping[str, Any]) -> HostRules:
    """The declaration in the module's options, in one form.

    Args:
        options: members, manager, data_path_port, encrypted, encrypted_vnis, admin_networks, admin_ports, open,
            custom_rules and routing, as the module takes them. What is left out or None has its default.

    Raises:
        DeclarationError: with everything that is wrong, each problem naming the key and the mend.
    """
    return _Reader(options).rules()


def own_addresses(values: Iterable[str]) -> tuple[str, ...]:
    """Addresses of the host itself, in canonical form, without those that several of its interfaces may have.

    Raises:
        DeclarationError: some are none.
    """
    found, problems = [], []
    for value in values:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            problems.append("reached_at: %s is no IP address: give addresses, not names" % (value or "''"))
            continue
        if not address.is_link_local:
            found.append(str(address))
    if problems:
        raise DeclarationError(*problems)
    return tuple(found)


def ports_text(ports: tuple[int, int]) -> str:
    """``80``, or ``8000-8010``."""
    first, last = ports
    return str(first) if first == last else "%d-%d" % ports


def as_network(text: str) -> Network:
    """The network that a canonical address or network stands for."""
    return ipaddress.ip_network(text)


def overlap(one: Network, other: Network) -> bool:
    """Whether two networks share an address; those of different families never do."""
    return one.version == other.version and one.overlaps(other)


class _Reader:
    """Reads the options one after another and gathers what is wrong with them."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._problems: list[str] = []

    def rules(self) -> HostRules:
        members = self._members()
        data_path_port = self._data_path_port()
        encrypted = self._flag("encrypted")
        vnis = self._vnis()
        if vnis and not encrypted:
            self._problems.append(
                "encrypted_vnis: these networks' packets may come encrypted only, but encrypted is false: set it"
            )
        rules = HostRules(
            members=members,
            manager=self._flag("manager"),
            data_path_port=data_path_port,
            encrypted=encrypted,
            encrypted_vnis=vnis,
            admin_networks=self._admin_networks(),
            admin_ports=self._admin_ports(),
            openings=self._openings(),
            custom_rules=self._custom_rules(),
            routing=self._flag("routing"),
        )
        self._refuse_swarm_ports(rules)
        if self._problems:
            raise DeclarationError(*self._problems)
        return rules

    def _list(self, key: str) -> list[Any]:
        value = self._options.get(key)
        if value is None:
            return []
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            self._problems.append("%s: %r is no list: write a list" % (key, value))
            return []
        return list(value)

    def _flag(self, key: str) -> bool:
        value = self._options.get(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self._problems.append("%s: %r is neither true nor false" % (key, value))
        return False

    def _members(self) -> tuple[str, ...]:
        found = set()
        for value in self._list("members"):
            address = _address(value)
            if isinstance(address, str):
                self._problems.append("members: %s" % address)
            else:
                found.add(address)
        if not found and not self._problems:
            self._problems.append(
                "members: no address is given, so the nodes could not reach each other: give every node's addresses"
            )
        return tuple(str(address) for address in sorted(found, key=_order))

    def _data_path_port(self) -> int:
        value = self._options.get("data_path_port")
        if value is None:
            return DATA_PATH_PORT
        low, high = DATA_PATH_PORTS
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self._problems.append(
                "data_path_port: %r is no port from %d to %d: give the one that the swarm was made with (%d by default)"
                % (value, low, high, DATA_PATH_PORT)
            )
            return DATA_PATH_PORT
        if value == GOSSIP_PORT:
            self._problems.append("data_path_port: %d is the port of the swarm's gossip: choose another" % value)
        return value

    def _vnis(self) -> tuple[int, ...]:
        vnis = set()
        for value in self._list("encrypted_vnis"):
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_VNI:
                self._problems.append(
                    "encrypted_vnis: %r is no VXLAN network identifier: give a number from 1 to %d"
                    % (value, LARGEST_VNI)
                )
            else:
                vnis.add(value)
        return tuple(sorted(vnis))

    def _admin_networks(self) -> tuple[str, ...]:
        values = self._list("admin_networks")
        if not values:
            self._problems.append(
                "admin_networks: none is given, and nobody could log in any more: give the networks that "
                "administrators and this controller come from, for instance 192.0.2.0/24"
            )
        return tuple(str(network) for network in sorted(self._networks("admin_networks", values), key=_order))

    def _networks(self, key: str, values: Iterable[Any]) -> list[Network]:
        """The networks of a list; those that share an address are problems."""
        found = []
        for value in values:
            network = _network(value)
            if isinstance(network, str):
                self._problems.append("%s: %s" % (key, network))
            else:
                found.append(network)
        for one, other in combinations(found, 2):
            if one == other:
                self._problems.append("%s: %s is given twice: leave one out" % (key, one))
            elif overlap(one, other):
                small, large = sorted((one, other), key=lambda network: -network.prefixlen)
                self._problems.append("%s: %s overlaps %s, which holds it: leave one out" % (key, small, large))
        return found

    def _admin_ports(self) -> tuple[tuple[int, int], ...]:
        if self._options.get("admin_ports") is None:
            return HostRules.admin_ports
        found = []
        values = self._list("admin_ports")
        if not values:
            self._problems.append("admin_ports: none is given, and nobody could log in any more: give SSH's port")
        for value in values:
            ports = _ports(value)
            if isinstance(ports, str):
                self._problems.append("admin_ports: %s" % ports)
            else:
                found.append(ports)
        for one, other in combinations(sorted(found), 2):
            if other[0] <= one[1]:
                self._problems.append(
                    "admin_ports: %s overlaps %s: leave one out" % (ports_text(one), ports_text(other))
                )
        return tuple(sorted(found))

    def _openings(self) -> tuple[Opening, ...]:
        found = [
            opening
            for index, item in enumerate(self._list("open"))
            for opening in self._opening("open[%d]" % index, item)
        ]
        for one, other in combinations(found, 2):
            if _openings_overlap(one, other):
                self._problems.append("open: %s overlaps %s: leave one out, or make one of both" % (one, other))
        return tuple(found)

    def _opening(self, key: str, item: Any) -> list[Opening]:
        """The opening of one item; none when something is wrong with it."""
        if not isinstance(item, Mapping):
            self._problems.append("%s: %r is no mapping with port, protocol and from" % (key, item))
            return []
        before = len(self._problems)
        self._problems.extend(
            "%s: there is no key %s: the keys are %s" % (key, name, ", ".join(OPENING_KEYS))
            for name in item
            if name not in OPENING_KEYS
        )
        ports = _ports(item.get("port"))
        if isinstance(ports, str):
            self._problems.append("%s.port: %s" % (key, ports))
        protocol = item.get("protocol")
        protocol = "tcp" if protocol is None else protocol
        if protocol not in PROTOCOLS:
            self._problems.append("%s.protocol: %r is neither tcp nor udp" % (key, protocol))
        sources = self._sources(key + ".from", item.get("from"))
        if isinstance(ports, str) or len(self._problems) > before:
            return []
        return [Opening(ports[0], ports[1], protocol, sources)]

    def _sources(self, key: str, given: Any) -> tuple[str, ...]:
        """Keywords first, then networks."""
        if given is None:
            return (ANY,)
        if isinstance(given, (str, bytes)) or not isinstance(given, Sequence) or not given:
            self._problems.append(
                "%s: %r is no list of sources: write some of %s or a network, for instance [192.0.2.0/24]"
                % (key, given, ", ".join(KEYWORDS))
            )
            return ()
        keywords = [keyword for keyword in KEYWORDS if keyword in given]
        if keywords and keywords[0] == ANY and len(given) > 1:
            self._problems.append("%s: any is everybody: leave the rest out" % key)
        networks = self._networks(key, [value for value in given if value not in KEYWORDS])
        return (*keywords, *(str(network) for network in sorted(networks, key=_order)))

    def _custom_rules(self) -> tuple[str, ...]:
        found = []
        for index, value in enumerate(self._list("custom_rules")):
            problem = custom_problem(value)
            if problem:
                self._problems.append("custom_rules[%d]: %s" % (index, problem))
            else:
                found.append(value.strip())
        return tuple(found)

    def _refuse_swarm_ports(self, rules: HostRules) -> None:
        """Ports of the swarm are decided before the others: an opening of one would be of no effect."""
        declared = [("admin_ports", ports_text(ports), "tcp", ports) for ports in rules.admin_ports]
        declared += [
            ("open", str(opening), opening.protocol, (opening.first, opening.last)) for opening in rules.openings
        ]
        for key, shown, protocol, (first, last) in declared:
            for port in rules.swarm_ports[protocol]:
                if first <= port <= last:
                    self._problems.append(
                        "%s: %s holds %d/%s, which is the swarm's own and open to its members alone: leave it out"
                        % (key, shown, port, protocol)
                    )


def _order(value: Any) -> tuple[Any, ...]:
    """IPv4 before IPv6, then by number."""
    if isinstance(value, (ipaddress.IPv4Network, ipaddress.IPv6Network)):
        return value.version, int(value.network_address), value.prefixlen
    return value.version, int(value)


def _openings_overlap(one: Opening, other: Opening) -> bool:
    if one.protocol != other.protocol or one.last < other.first or other.last < one.first:
        return False
    return any(_sources_overlap(first, second) for first in one.sources for second in other.sources)


def _sources_overlap(one: str, other: str) -> bool:
    if ANY in (one, other) or one == other:
        return True
    if one in KEYWORDS or other in KEYWORDS:
        return False
    return overlap(as_network(one), as_network(other))


def _address(value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address | str:
    """The address of a node, or what is wrong with it."""
    if not isinstance(value, str):
        return "%r is no IP address" % (value,)
    if "/" in value:
        return "%s is a network: give each node's own address" % value
    if "%" in value:
        return "%s is an address on one link only: give one that all nodes reach" % value
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return "%s is no IP address: give addresses, not names" % (value or "''")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local:
        return "%s is no address by which other hosts reach a node: give the one that the swarm uses" % value
    return address


def _network(value: Any) -> Network | str:
    """The network, or what is wrong with it; an address stands for itself alone."""
    if not isinstance(value, str):
        return "%r is no network: write it as 192.0.2.0/24" % (value,)
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        return _mended(value)
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped:
        return "%s is an IPv4 network in IPv6 form: write it in IPv4 form" % value
    return network


def _mended(value: str) -> str:
    try:
        mended = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return "%s is no network: write it as 192.0.2.0/24 or 2001:db8::/32" % (value or "''")
    return "%s has bits of a host behind its prefix: write %s, or %s for that host alone" % (
        value,
        mended,
        value.split("/", maxsplit=1)[0],
    )


def _ports(value: Any) -> tuple[int, int] | str:
    """The first and the last port, or what is wrong with them."""
    text = str(value).strip() if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    parts = text.split("-")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() for part in parts):
        return "%r is no port: write a number from 1 to 65535, or a range as 8000-8010" % (value,)
    first, last = int(parts[0]), int(parts[-1])
    wrong = [port for port in (first, last) if not 1 <= port <= 65535]
    if wrong:
        return "%d is no port: ports are from 1 to 65535" % wrong[0]
    if first > last:
        return "%s ends before it begins: write %d-%d" % (text, last, first)
    return first, last
