# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the rendered ruleset as the kernel would, as far as it says what becomes of a new flow to the host itself."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from dataclasses import dataclass

ESP = "esp"


@dataclass(frozen=True)
class Packet:
    """The first packet of a new flow to an address of the host."""

    source: str
    protocol: str
    port: int | None = None
    interface: str = "eth0"
    sport: int = 40000
    secure: bool = False
    vni: int = 0


class Ruleset:
    """The chains and sets of a rendered text."""

    def __init__(self, text: str) -> None:
        body = text[text.index("table inet flotilla {\n") :]
        blocks = re.findall(r"^\t(set|chain) (\w+) \{\n(.*?)^\t\}", body, re.MULTILINE | re.DOTALL)
        self.chains = {
            name: [line.strip() for line in lines.splitlines()] for kind, name, lines in blocks if kind == "chain"
        }
        self.sets = {
            name: re.findall(r"^\t\t\t(\S+),$", lines, re.MULTILINE) for kind, name, lines in blocks if kind == "set"
        }

    def accepts(self, packet: Packet, hook: str = "prerouting") -> bool:
        """Whether the packet passes the chain of a hook; an unknown word is an error."""
        return (self._run(hook, packet) or "accept") == "accept"

    def _run(self, chain: str, packet: Packet) -> str | None:
        """What the chain decides; None where it ends without a decision."""
        for rule in self.chains[chain]:
            words = rule
            if words.startswith("type "):
                continue
            matched = True
            while matched and not re.match(r"(counter |log .*)?(accept|drop|goto|jump|$)", words):
                matched, words = self._match(words, packet)
            if not matched:
                continue
            verdict = re.sub(r"^(counter|log prefix \"[^\"]*\") ?", "", words).split()
            if verdict[:1] in (["accept"], ["drop"]):
                return verdict[0]
            if verdict[:1] == ["goto"]:
                return self._run(verdict[1], packet)
            if verdict[:1] == ["jump"]:
                decided = self._run(verdict[1], packet)
                if decided:
                    return decided
        return None

    def _match(self, words: str, packet: Packet) -> tuple[bool, str]:
        """Whether the first expression of a rule matches, and the rest of the rule."""
        source = ipaddress.ip_address(packet.source)
        for pattern, judge in (
            (r'iifname "(\S+)"', lambda name: fnmatch.fnmatch(packet.interface, name)),
            (r"fib daddr type \{ local, anycast \}", lambda: True),
            (r"ip daddr 127\.0\.0\.0/8", lambda: False),
            (r"ip6 daddr fe80::/10", lambda: False),
            (r"icmp(?:v6)? type \{[^}]*\}(?: ip6 \w+ (?:\{[^}]*\}|\d+))?", lambda: False),
            (r"ct state (\S+)", lambda states: "new" in states.split(",")),
            (r"meta ipsec missing", lambda: not packet.secure),
            (r"@th,96,24 (\{[^}]*\}|\d+)", lambda group: str(packet.vni) in _values(group)),
            (r"meta l4proto esp", lambda: packet.protocol == ESP),
            (r"(tcp|udp) (sport|dport) (\{[^}]*\}|\S+)", lambda *parts: self._port(packet, *parts)),
            (r"(ip6?) saddr (\{[^}]*\}|\S+)", lambda word, group: self._source(source, word, group)),
        ):
            found = re.match(pattern + r"(?: |$)", words)
            if found:
                return judge(*found.groups()), words[found.end() :]
        raise AssertionError("no word of ours: %s" % words)

    @staticmethod
    def _port(packet: Packet, protocol: str, which: str, group: str) -> bool:
        port = packet.port if which == "dport" else packet.sport
        ranges = [[int(part) for part in text.split("-")] for text in _values(group)]
        return packet.protocol == protocol and any(ends[0] <= (port or 0) <= ends[-1] for ends in ranges)

    def _source(self, source: ipaddress.IPv4Address | ipaddress.IPv6Address, word: str, group: str) -> bool:
        networks = self.sets[group[1:]] if group.startswith("@") else _values(group)
        assert all((":" in network) == (word == "ip6") for network in networks)
        return any(source in ipaddress.ip_network(network) for network in networks)


def _values(group: str) -> list[str]:
    return [value.strip() for value in group.strip("{} ").split(",")]
