# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations of a host's firewall, for tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

GOOD: dict[str, Any] = {
    "members": ["192.0.2.11", "192.0.2.21", "2001:db8::11"],
    "admin_networks": ["198.51.100.0/24", "2001:db8:1::/48"],
}

# Few of each, so that sources, members and networks meet.
ADDRESSES = [
    *("192.0.2.%d" % number for number in range(1, 9)),
    "198.51.100.9",
    "203.0.113.77",
    *("2001:db8::%x" % number for number in range(1, 9)),
    "2001:db8:1::9",
]
PORTS = (22, 53, 80, 443, 2376, 2378, 4788, 5432, 7945, 7947, 8000, 65535)
_NETWORKS = [
    *("192.0.2.%d/30" % number for number in (0, 4, 8)),
    "198.51.100.0/24",
    "203.0.113.64/26",
    *("2001:db8::%x/126" % number for number in (0, 4, 8)),
    "2001:db8:1::/48",
]


def _ranges() -> st.SearchStrategy[Any]:
    # Not over a port of the swarm's own.
    return st.sampled_from([*PORTS, "22-443", "2378-4788", "8000-9000"])


def _some(values: list[Any], least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=4, unique=True)


@st.composite
def declarations(draw: st.DrawFn) -> dict[str, Any]:
    """Declarations without a mistake."""
    openings: list[dict[str, Any]] = []
    for _index in range(draw(st.integers(0, 4))):
        sources = draw(st.one_of(st.just(["any"]), _some(["members", "admin", "containers", *_NETWORKS], 1)))
        opening = {"port": draw(_ranges()), "protocol": draw(st.sampled_from(["tcp", "udp"])), "from": sources}
        if not any(_meet(opening, other) for other in openings):
            openings.append(opening)
    ports: list[Any] = []
    for port in draw(st.lists(_ranges(), min_size=1, max_size=3)):
        if not any(_ports_meet(port, other) for other in ports):
            ports.append(port)
    encrypted = draw(st.booleans())
    return {
        "members": draw(_some(ADDRESSES, 1)),
        "manager": draw(st.booleans()),
        "data_path_port": draw(st.sampled_from([4789, 4790])),
        "encrypted": encrypted,
        "encrypted_vnis": draw(_some([4097, 4098])) if encrypted else [],
        "admin_networks": draw(_some(_NETWORKS, 1)),
        "admin_ports": ports,
        "open": openings,
        "custom_rules": draw(_some(["ip saddr 203.0.113.1 udp dport 161 accept", 'log prefix "seen; "'])),
    }


def _meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["protocol"] == other["protocol"] and _ports_meet(one["port"], other["port"])


def _ports_meet(one: Any, other: Any) -> bool:
    (first, last), (low, high) = _ends(one), _ends(other)
    return first <= high and low <= last


def _ends(port: Any) -> tuple[int, int]:
    parts = [int(part) for part in str(port).split("-")]
    return parts[0], parts[-1]
