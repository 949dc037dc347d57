# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a parsed document really is.

A YAML alias costs the parser nothing, for it repeats a reference; whoever walks the result pays for every repetition.
A few lines of anchors stand for billions of values that way, or for a value that holds itself, so a document is
measured before anything walks it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_VALUES = 200_000
"""Values in one document, repetitions counted. 300 services of 100 lines each are 30,000."""


def measure(tree: Any, limit: int = MAX_VALUES) -> int:
    """The number of values in a tree with every alias written out; the work done is that of the tree as it is in
    memory.

    Raises:
        ValueError: more than ``limit``, or the tree holds itself.
    """
    sizes: dict[int, int] = {}
    open_: set[int] = set()

    def size(value: Any) -> int:
        if not isinstance(value, (Mapping, list, tuple)):
            return 1
        key = id(value)
        if key in open_:
            raise ValueError("an anchor holds itself")
        if key not in sizes:
            open_.add(key)
            children = value.values() if isinstance(value, Mapping) else value
            total = 1
            for child in children:
                total += size(child)
                if total > limit:
                    raise ValueError("its anchors stand for more than %d values" % limit)
            open_.discard(key)
            sizes[key] = total
        return sizes[key]

    try:
        return size(tree)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
