# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``.env`` file beside a stack file: values for its variables, a line each."""

from __future__ import annotations

import re
from collections.abc import Sequence

FILE = ".env"

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")
_QUOTED = re.compile(r"""(?:'([^']*)'|"([^"\\]*)")\s*(?:#.*)?""")
_COMMENT = re.compile(r"\s+#.*")


def read(content: str) -> tuple[dict[str, str], list[str]]:
    """The values by their names, and problems, one sentence each.

    Values stand as they are, or in quotes; a comment follows a space. Nothing is replaced in them: a ``$`` or a
    backslash that docker compose would work on is a problem, but in single quotes.
    """
    found: dict[str, str] = {}
    problems = []
    for number, raw in enumerate(content.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        value = _value(match.group(2)) if match else None
        if match is None or value is None:
            problems.append(
                "%s, line %d can't be read: write NAME=value, and a value with '$', '\\' or quotes in it in single "
                "quotes" % (FILE, number)
            )
        else:
            found[match.group(1)] = value
    return found, problems


def used(values: dict[str, str], texts: Sequence[str]) -> dict[str, str]:
    """Those of the values that one of the texts may ask for; the others are none of the stack's business."""
    asked = {name for text in texts for name in re.findall(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)", text)}
    return {name: value for name, value in values.items() if name in asked}


def _value(text: str) -> str | None:
    if text[:1] in ("'", '"'):
        quoted = _QUOTED.fullmatch(text)
        if quoted is None:
            return None
        value = quoted.group(1) if quoted.group(1) is not None else quoted.group(2)
        return None if text[0] == '"' and "$" in value else value
    value = "" if text.startswith("#") else _COMMENT.sub("", text).rstrip()
    return None if any(character in value for character in "$\\'\"") else value
