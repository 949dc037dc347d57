# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that the user writes in nft's own words: what is refused before nft reads them.

A rule is one line of a chain of ours. nft itself judges what it says; here it is only kept from ending its line, its
chain or its table, and from reaching beyond them.
"""

from __future__ import annotations

import re
from typing import Any

_QUOTED = re.compile(r'"[^"]*"')
_FORBIDDEN = {
    "flush": "it would empty tables",
    "table": "only the firewall's own table is ever touched",
    "chain": "it stands in a chain already",
    "include": "what a file holds can't be compared",
    "define": "it stands alone",
    "redefine": "it stands alone",
    "undefine": "it stands alone",
    "iif": "at boot no interface is there yet, so write iifname",
    "oif": "at boot no interface is there yet, so write oifname",
    "meter": "it fills a set while it runs, so the table would never be as declared",
}


def custom_problem(value: Any) -> str | None:
    """What is wrong with a rule, and the mend; None when nft may read it."""
    if not isinstance(value, str) or not value.strip():
        return "%r is no rule: write one in nft's words, for instance 'ip saddr 192.0.2.7 udp dport 161 accept'" % (
            value,
        )
    if any(ord(character) < 32 or ord(character) == 127 for character in value.strip()):
        return "%r holds a newline or another control character: write each rule as an item of its own" % value
    bare = _QUOTED.sub('""', value)
    return _of_signs(value, bare) or _of_words(value, bare)


def _of_signs(value: str, bare: str) -> str | None:
    if bare.count('"') % 2:
        return "'%s' opens quotes and does not close them" % value
    if ";" in bare:
        return "'%s' holds a ';': write each rule as an item of its own" % value
    if "\\" in bare:
        return "'%s' holds a backslash, with which nft would join it to the next line: leave it out" % value
    if "#" in bare:
        return "'%s' holds a '#', after which nft reads nothing: put the words into comment \"...\"" % value
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            break
    return "the braces of '%s' are not in pairs" % value if depth else None


def _of_words(value: str, bare: str) -> str | None:
    for word in re.findall(r"[A-Za-z_][\w-]*", bare):
        if word in _FORBIDDEN:
            return "'%s' says %s: %s" % (value, word, _FORBIDDEN[word])
    return None
