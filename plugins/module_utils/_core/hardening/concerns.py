# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The concerns of hardening, gathered into one batch for each module.

A concern is a mapping: ``id``, ``enabled``, and what it consists of, each part optional: ``packages``; ``files`` for
``host_files``; ``sysctls``, ``modules`` and ``denied`` for ``host_kernel``; ``services`` for ``host_services``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DeclarationError
from . import needs

NAMED = ("files", "services")
"""Parts whose items are told which concern they belong to."""
PARTS = ("packages", "sysctls", "modules", "denied", *NAMED)


def gather(concerns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The parts of all enabled concerns, in order, and the IDs of those that are switched off.

    Returns:
        a list for each of ``PARTS``, and ``off``.

    Raises:
        DeclarationError: an ID is taken twice, a concern has an unknown part, or something would break a swarm.
    """
    problems: list[str] = []
    batch: dict[str, Any] = {part: [] for part in PARTS}
    batch["off"] = []
    ids = [str(concern.get("id", "")) for concern in concerns]
    problems += ["two concerns have the id %r" % name for name in dict.fromkeys(ids) if ids.count(name) > 1]
    for concern, name in zip(concerns, ids):
        unknown = sorted(set(concern) - {"id", "enabled", *PARTS})
        if unknown:
            problems.append("the concern %s has no part %s: there are %s" % (name, unknown[0], ", ".join(PARTS)))
        if not concern.get("enabled"):
            batch["off"].append(name)
            continue
        for part in PARTS:
            items = concern.get(part) or []
            batch[part] += [{**item, "concern": name} for item in items] if part in NAMED else items
    batch["packages"] = list(dict.fromkeys(batch["packages"]))
    problems += needs.contradictions(batch["sysctls"], batch["denied"])
    if problems:
        raise DeclarationError(*problems)
    return batch
