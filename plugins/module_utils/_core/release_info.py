# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown of stacks and their releases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import labels, service_json
from .releases import Entry

Json = Mapping[str, Any]


def stacks(
    entries: Iterable[Entry],
    services: Iterable[Json],
    owner: str,
    only: str | None = None,
    full: int | None = None,
) -> list[dict[str, Any]]:
    """Each stack of the owner with its releases and with what is live, by name.

    Args:
        entries: from ``release_record.history``, of this owner.
        services: the engine's list.
        only: this stack alone; it is in the result whatever there is of it.
        full: the number of the release that is shown with its specs.
    """
    histories: dict[str, list[dict[str, Any]]] = {}
    live: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        histories.setdefault(entry.stack, []).append(release(entry, entry.number == full))
    for service in services:
        own = service["Spec"].get("Labels") or {}
        if own.get(labels.STACK_NAMESPACE) and labels.owned_by(own, owner):
            live.setdefault(own[labels.STACK_NAMESPACE], []).append(current(service))
    names: Sequence[str] = sorted({*histories, *live}) if only is None else [only]
    return [
        {
            "name": name,
            "releases": histories.get(name, []),
            "current": sorted(live.get(name, []), key=lambda one: str(one["name"])),
        }
        for name in names
    ]


def release(entry: Entry, with_specs: bool = False) -> dict[str, Any]:
    """One release; what stands in its record is None where that can't be read."""
    found, ending = entry.release, entry.ending
    shown: dict[str, Any] = {
        "number": entry.number,
        "state": entry.state,
        "kind": found and found.kind,
        "restores": found and found.restores,
        "who": found and found.who,
        "when": found and found.when,
        "recorded": entry.created,
        "reverted": ending.reverted,
        "reason": entry.problem or ending.reason,
        "seconds": ending.seconds,
        "services": {
            name: {
                "image": service_json.exact_image(spec),
                "replicas": service_json.replicas(spec),
                "verdict": ending.verdicts.get(name),
                "seconds": ending.took.get(name),
            }
            for name, spec in (found.specs if found else {}).items()
        },
    }
    if with_specs and found:
        shown["specs"] = dict(found.specs)
    return shown


def current(service: Json) -> dict[str, Any]:
    """One live service."""
    spec = service["Spec"]
    return {
        "name": spec["Name"],
        "image": service_json.exact_image(spec),
        "replicas": service_json.replicas(spec),
        "update_status": service_json.update_state(service),
    }
