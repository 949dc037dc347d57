# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``docker stack config`` says when it refuses a file, with what to do about it.

Its sentences (docker/cli: cli/compose/loader, cli/compose/schema) name the key, and mostly leave the reader with it.
"""

from __future__ import annotations

import re

_QUOTES = (
    "write it in quotes (without them YAML takes a number for a number, true and false for truth values, and the CLI "
    "up to 27 also yes, no, on, off, y and n)"
)
_MENDS = (
    # Of a key that YAML reads as something else than a text only that is told: "non-string key in services: true".
    (re.compile(r"non-string key (?:in \S+|at top level): ", re.IGNORECASE), "a key is a text: " + _QUOTES),
    (re.compile(r"\S+ must be a string"), "the value is to be a text: " + _QUOTES),
    (re.compile(r"does not match format 'duration'", re.IGNORECASE), "write a number with its unit, like 90s or 1m30s"),
    (
        re.compile(r"(?:services|networks|volumes|secrets|configs) additional property \S", re.IGNORECASE),
        "a name there takes letters from a to z, digits, '.', '-' and '_'",
    ),
    (
        re.compile(r"additional property oom_score_adj is not allowed", re.IGNORECASE),
        "it came with Docker 27.1 and version 3.13 of the file: upgrade the CLI and the engines, and leave version out",
    ),
    (
        re.compile(r"additional property \S+ is not allowed", re.IGNORECASE),
        "docker stack doesn't know that key there: see whether it is written right and in its place, or remove it",
    ),
    (re.compile(r"unsupported compose file version", re.IGNORECASE), "leave version out, or write version: '3.12'"),
)


def explained(words: str) -> str:
    """The CLI's words, and the mend where one is known."""
    for pattern, mend in _MENDS:
        if pattern.search(words):
            return "%s: %s" % (words.strip(), mend)
    return words.strip()
