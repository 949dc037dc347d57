# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The concerns of hardening, gathered into one batch for each module.

A concern is a mapping: ``id``, ``enabled``, and what it consists of, each part optional: ``packages``; ``files`` for
``host_files``; ``sysctls``, ``modules`` and ``denied`` for ``host_kernel``; ``services`` for ``host_services``; and in
``extra_sysctls`` those of the user, which replace the ones of the same name in any concern.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DeclarationError
from . import needs, sysctl

NAMED = ("files", "services", "sysctls")
"""Parts whose items are told which concern they belong to."""
PARTS = ("packages", "modules", "denied", *NAMED)
EXTRA = "extra_sysctls"
_EXTRA_KEY = "node_hardening_sysctl_extra"


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
    extra: list[dict[str, Any]] = []
    ids = [str(concern.get("id", "")) for concern in concerns]
    problems += ["two concerns have the id %r" % name for name in dict.fromkeys(ids) if ids.count(name) > 1]
    for concern, name in zip(concerns, ids):
        unknown = sorted(set(concern) - {"id", "enabled", EXTRA, *PARTS})
        if unknown:
            known = ", ".join((*PARTS, EXTRA))
            problems.append("the concern %s has no part %s: there are %s" % (name, unknown[0], known))
        if not concern.get("enabled"):
            batch["off"].append(name)
            continue
        for part in PARTS:
            items = concern.get(part) or []
            batch[part] += [{**item, "concern": name} for item in items] if part in NAMED else items
        extra += [{**item, "concern": name} for item in concern.get(EXTRA) or []]
    batch["packages"] = list(dict.fromkeys(batch["packages"]))
    problems += needs.contradictions(batch["sysctls"], batch["denied"])
    problems += ["%s: %s" % (_EXTRA_KEY, problem) for problem in _wrong(extra)]
    if problems:
        raise DeclarationError(*problems)
    batch["sysctls"] = _replaced(batch["sysctls"], extra)
    return batch


def _wrong(extra: Sequence[Mapping[str, Any]]) -> list[str]:
    try:
        sysctl.parse(extra)
    except DeclarationError as error:
        return list(error.problems)
    return needs.contradictions(extra, [])


def _replaced(settings: Sequence[Mapping[str, Any]], extra: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The settings with the user's in the places of those of the same name, since the order matters, then the others.

    What is required stays so: the user chooses the value, and a swarm needs the setting none the less.
    """
    chosen = {str(item["name"]): item for item in extra}
    found: list[Mapping[str, Any]] = []
    for item in settings:
        own = chosen.pop(str(item["name"]), None)
        required = bool(item.get("required")) or bool(own and own.get("required"))
        found.append(item if own is None else {**own, "required": required, "concern": item["concern"]})
    return [*found, *chosen.values()]
