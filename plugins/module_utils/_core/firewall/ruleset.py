# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables table of one host, as text that ``nft -f`` loads in one transaction; nft 1.0.2 to 1.1 read it alike.

Where a packet is judged, and why there:

- Docker publishes ports by DNAT in prerouting (priority -100), for packets to an address of the host; after it, nothing
  tells that the host was meant. So packets to the host itself are judged in prerouting at priority mangle (-150), by
  their original destination. Conntrack has seen them by then (-200), and has put fragments together (-400), for a rule
  that reads ``ct state`` switches both on. Replies to containers still carry the host's address there, and pass as
  established.
- Broadcast and multicast are judged in input: Docker does not translate them, and in prerouting they may be frames that
  a bridge only passes on from one container to another (bridge-nf-call-iptables).
- What is routed to a container and did not come by a published port has found its own way to it: dropped in forward.
  So is what neither comes from a container nor goes to one, unless the host is to route for others: Docker drops that
  only where it was Docker that switched the kernel's forwarding on. Frames that any bridge of the host passes on come
  by there too (bridge-nf-call-iptables).
- The swarm's own ports are decided for each packet by its source, before established flows are let through: a node that
  is no member any more is cut off at once, not when its flows end. Replies to the host's connections are not concerned,
  for there the swarm's port is the source. Replies to a container that sends from one of these ports are: nothing tells
  them from a former member's packets.
- A container can write any source address: what comes out of Docker's bridges is never a member nor an administrator.
  On other nodes it would be one, for there it carries its host's address: so the swarm's ports of all members are
  closed to containers where they leave their host.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .model import ADMIN, ANY, CONTAINERS, MANAGEMENT_PORT, MEMBERS, HostRules, Opening, ports_text

FAMILY, NAME = "inet", "flotilla"
TABLE = "%s %s" % (FAMILY, NAME)

CONTAINER_INTERFACES = ("docker0", "docker_gwbridge", "br-*")
"""Docker's bridges on a host: the default one, the swarm's way out, and those of other networks (br- and an ID).

A set of them would need nft 1.0.3: until then a set can't hold a wildcard.
"""

REMOVAL = "add table %s\ndelete table %s\n" % (TABLE, TABLE)
"""Takes the table away, whether or not it is there."""


_CUSTOM = "chain custom"


@dataclass(frozen=True)
class Rendered:
    """The text, and on which of its lines (from 1) which custom rule (its index) stands."""

    text: str
    custom_lines: dict[int, int] = field(default_factory=dict)


def render(rules: HostRules) -> Rendered:
    """The table of one host. The same rules give the same text."""
    lines = ["# Managed by Ansible (flotilla.swarm.swarm_firewall)", *REMOVAL.splitlines(), "table %s {" % TABLE]
    custom_lines: dict[int, int] = {}
    chains = [_custom(rules), _host(rules), _containers(rules), _to_members(rules), _members_only()]
    blocks = [*_sets(rules), *_hooks(rules), *chains]
    for number, (head, *body) in enumerate(blocks):
        lines.extend([""] if number else [])
        lines.append("\t%s {" % head)
        if head == _CUSTOM:
            custom_lines = {len(lines) + 1 + index: index for index in range(len(body))}
        lines.extend("\t\t" + line for line in body)
        lines.append("\t}")
    return Rendered("\n".join([*lines, "}", ""]), custom_lines)


def _sets(rules: HostRules) -> list[list[str]]:
    members, admin = rules.members, rules.admin_networks
    return [
        _set("members4", "ipv4_addr", (), _of_version(4, members)),
        _set("members6", "ipv6_addr", (), _of_version(6, members)),
        _set("admin4", "ipv4_addr", ("flags interval",), _of_version(4, admin)),
        _set("admin6", "ipv6_addr", ("flags interval",), _of_version(6, admin)),
    ]


def _set(name: str, kind: str, flags: Sequence[str], elements: Sequence[str]) -> list[str]:
    filled = ["elements = {", *("\t%s," % element for element in elements), "}"] if elements else []
    return ["set %s" % name, "type %s" % kind, *flags, *filled]


def _hooks(rules: HostRules) -> list[list[str]]:
    """Where the packets are taken from; see the module's head."""
    past_publishing = ['oifname "%s" counter drop' % name for name in CONTAINER_INTERFACES]
    loopback = 'iifname "lo" accept'
    return [
        _chain(
            "prerouting",
            "type filter hook prerouting priority mangle; policy accept;",
            loopback,
            # Docker lets its bridges reach 127.0.0.0/8 (route_localnet) where its proxy is off.
            "ip daddr 127.0.0.0/8 counter drop",
            "fib daddr type { local, anycast } goto host",
        ),
        _chain(
            "input",
            "type filter hook input priority filter; policy accept;",
            loopback,
            "fib daddr type { local, anycast } accept",
            "goto host",
        ),
        _chain(
            "forward",
            "type filter hook forward priority filter - 10; policy accept;",
            *('iifname "%s" jump to_members' % name for name in CONTAINER_INTERFACES),
            "ct state established,related accept",
            "ct status dnat accept",
            *('iifname "%s" accept' % name for name in CONTAINER_INTERFACES),
            *(past_publishing if rules.routing else ["counter drop"]),
        ),
    ]


def _custom(rules: HostRules) -> list[str]:
    return [_CUSTOM, *rules.custom_rules]


def _host(rules: HostRules) -> list[str]:
    """Packets to the host itself, in the order in which they are judged."""
    return _chain(
        "host",
        *_icmp(),
        "jump custom",
        *('iifname "%s" goto containers' % name for name in CONTAINER_INTERFACES),
        *_swarm(rules),
        "ct state established,related accept",
        "ct state invalid counter drop",
        "udp sport 67 udp dport 68 accept",
        "ip6 daddr fe80::/10 udp dport 546 accept",
        *_from_networks(rules),
        "counter drop",
    )


def _icmp() -> list[str]:
    """What a host must hear to work, whoever says it.

    Errors and echo requests; for IPv6 also the packets by which neighbours, routers and multicast listeners find each
    other, which conntrack takes for neither new nor established (RFC 4890, 4.4). Neighbour discovery never crosses a
    router: its hop limit is 255 (RFC 4861, 7.1).
    """
    errors = "destination-unreachable, %stime-exceeded, parameter-problem, echo-request"
    neighbours = "nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert"
    listeners = "mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report"
    return [
        "icmp type { %s } accept" % (errors % ""),
        "icmpv6 type { %s } accept" % (errors % "packet-too-big, "),
        "icmpv6 type { %s } ip6 hoplimit 255 accept" % neighbours,
        "icmpv6 type { %s } ip6 saddr { ::, fe80::/10 } accept" % listeners,
    ]


def _swarm(rules: HostRules) -> list[str]:
    found = []
    if rules.encrypted_vnis:
        # The VXLAN header follows UDP's 8 bytes; its network identifier is the 24 bits from its byte 4 (RFC 7348).
        found.append(
            "meta ipsec missing udp dport %d @th,96,24 %s counter drop"
            % (rules.data_path_port, _group(str(vni) for vni in rules.encrypted_vnis))
        )
    # A worker's management port needs no rule: nothing can be declared for it, so it is closed as all others.
    tcp = [port for port in rules.swarm_ports["tcp"] if rules.manager or port != MANAGEMENT_PORT]
    found.append("tcp dport %s goto members_only" % _group(str(port) for port in tcp))
    found.append("udp dport %s goto members_only" % _group(str(port) for port in sorted(rules.swarm_ports["udp"])))
    if rules.encrypted:
        found.append("meta l4proto esp goto members_only")
    return found


def _from_networks(rules: HostRules) -> list[str]:
    """The administrators' ports, and the openings."""
    ports = "tcp dport %s" % _group(ports_text(ports) for ports in rules.admin_ports)
    admin = ["%s %s accept" % (source, ports) for source in _BY_SET[ADMIN]]
    return admin + [rule for opening in rules.openings for rule in _opening(opening)]


def _opening(opening: Opening) -> list[str]:
    port = "%s dport %s accept" % (opening.protocol, ports_text((opening.first, opening.last)))
    if ANY in opening.sources:
        return [port]
    matches = [match for keyword in (MEMBERS, ADMIN) if keyword in opening.sources for match in _BY_SET[keyword]]
    networks = [source for source in opening.sources if "." in source or ":" in source]
    for version, word in ((4, "ip"), (6, "ip6")):
        of_version = _of_version(version, networks)
        if of_version:
            matches.append("%s saddr %s" % (word, _group(of_version)))
    return ["%s %s" % (match, port) for match in matches]


def _containers(rules: HostRules) -> list[str]:
    """What this host's own containers may reach on it."""
    openings = [opening for opening in rules.openings if {ANY, CONTAINERS} & set(opening.sources)]
    return _chain(
        "containers",
        "ct state established,related accept",
        "ct state invalid counter drop",
        *("%s dport %s accept" % (opening.protocol, ports_text((opening.first, opening.last))) for opening in openings),
        "counter drop",
    )


def _to_members(rules: HostRules) -> list[str]:
    """What this host's containers may not reach on members."""
    return _chain(
        "to_members",
        *(
            "%s daddr @members%d %s dport %s counter drop"
            % (word, version, protocol, _group(str(port) for port in sorted(ports)))
            for word, version in (("ip", 4), ("ip6", 6))
            for protocol, ports in sorted(rules.swarm_ports.items())
        ),
    )


def _members_only() -> list[str]:
    return _chain("members_only", *("%s accept" % source for source in _BY_SET[MEMBERS]), "counter drop")


_BY_SET = {
    MEMBERS: ("ip saddr @members4", "ip6 saddr @members6"),
    ADMIN: ("ip saddr @admin4", "ip6 saddr @admin6"),
}


def _chain(name: str, *rules: str) -> list[str]:
    return ["chain %s" % name, *rules]


def _group(values: Iterable[str]) -> str:
    values = list(values)
    return values[0] if len(values) == 1 else "{ %s }" % ", ".join(values)


def _of_version(version: int, addresses: Iterable[str]) -> list[str]:
    """The addresses or networks of one family; only those of IPv6 hold colons."""
    return [address for address in addresses if (":" in address) == (version == 6)]
