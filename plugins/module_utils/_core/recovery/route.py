# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a manager's old address leads while a swarm moves to new ones.

A swarm that was restored to a new address still names the old one: in its join command, in its list of managers, in
what its workers remember. Until managers with new addresses have joined, every other host sends what it has for
OLD:2377 to NEW:2377, by a table of its own that is gone afterwards.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import DeclarationError

NAME = "flotilla_recovery"
FAMILIES = ("ip", "ip6")
PORT = 2377
_RULE = re.compile(r"(ip6?) daddr (\S+) tcp dport (\d+) dnat to \[?([0-9a-fA-F.:]+?)\]?:(\d+)\s*$", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Route:
    """What goes to ``old``, port 2377, goes to ``new`` instead. Both in their canonical form."""

    old: str
    new: str

    @property
    def family(self) -> str:
        return "ip6" if ":" in self.old else "ip"


def declared(items: Sequence[Mapping[str, str]]) -> list[Route]:
    """The routes that are asked for.

    Args:
        items: each with ``old`` and ``new``.

    Raises:
        DeclarationError: what is no address, two of different families, one that leads nowhere else, or twice the same
            old address.
    """
    problems: list[str] = []
    routes: dict[str, Route] = {}
    for number, item in enumerate(items):
        where = "routes[%d]" % number
        try:
            old, new = ipaddress.ip_address(item["old"]), ipaddress.ip_address(item["new"])
        except ValueError as error:
            problems.append("%s: %s: give IP addresses without a port" % (where, error))
            continue
        if old.version != new.version:
            problems.append("%s: %s and %s are of different families: give two of one family" % (where, old, new))
        elif old == new:
            problems.append("%s: %s leads to itself: a host that kept its address needs no route" % (where, old))
        elif str(old) in routes:
            problems.append("%s: %s is there twice: an address leads to one place" % (where, old))
        routes[str(old)] = Route(str(old), str(new))
    if problems:
        raise DeclarationError(*problems)
    return sorted(routes.values())


def table(family: str) -> str:
    return "%s %s" % (family, NAME)


def render(routes: Iterable[Route]) -> str:
    """What ``nft -f`` loads in one transaction, whatever was there: the tables with these routes, or none."""
    lines = []
    wanted = sorted(routes)
    for family in FAMILIES:
        lines += ["add table %s" % table(family), "delete table %s" % table(family)]
        own = [route for route in wanted if route.family == family]
        if own:
            lines += ["table %s {" % table(family), "\tchain output {"]
            lines.append("\t\ttype nat hook output priority -100; policy accept;")
            lines += ["\t\t%s" % _rule(route) for route in own]
            lines += ["\t}", "}"]
    return "\n".join([*lines, ""])


def _rule(route: Route) -> str:
    new = "[%s]" % route.new if route.family == "ip6" else route.new
    return "%s daddr %s tcp dport %d dnat to %s:%d" % (route.family, route.old, PORT, new, PORT)


def parse(listing: str) -> list[Route]:
    """The routes in what nft lists of a table."""
    return sorted(Route(old, new) for _family, old, _port, new, _to in _RULE.findall(listing))
