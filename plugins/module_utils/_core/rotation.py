# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services must move from old versions of secrets and configs to the current ones, and how their specs change.

A service moves when it mounts any version but the current one of a logical name. Everything else of the mount (path in
the container, owner, mode) stays, so the application finds the new value where the old one was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import labels, naming, verdict
from .plan import UPDATE, Difference, Plan, Step
from .versioned import CONFIG, Kind

Json = Mapping[str, Any]

_STANDING = ("paused", "rollback_paused")


@dataclass(frozen=True)
class Target:
    """An object to point to. ``id`` is None in check mode, for one that would be created."""

    name: str
    id: str | None


@dataclass(frozen=True)
class Swap:
    """One object that takes another one's place in a service."""

    kind: Kind
    before: Target
    after: Target


@dataclass(frozen=True)
class Move:
    """One service and its swaps, in the order of its spec."""

    service: str
    swaps: tuple[Swap, ...]

    def step(self) -> Step:
        """The move as a step of a plan; it is carried out elsewhere, since it is only done once it is proved."""
        return Step(
            UPDATE,
            "service",
            self.service,
            tuple(Difference(swap.kind.name, swap.before.name, swap.after.name) for swap in self.swaps),
        )

    def back(self) -> Move:
        """The move that undoes this one."""
        return Move(self.service, tuple(Swap(swap.kind, swap.after, swap.before) for swap in self.swaps))


def targets(objects: Sequence[Json], current: Mapping[str, Mapping[str, Any]], owner: str) -> dict[str, Target]:
    """ID of each object that is a version but not the current one of a declared name -> the current one.

    Args:
        objects: the engine's list of secrets, or of configs.
        current: ``versioned.Decision.current``: logical name -> ``{"name", "id"}``.
        owner: whose versions count.
    """
    found = {}
    for thing in objects:
        spec = thing["Spec"]
        version = naming.parse(spec["Name"], spec.get("Labels"))
        if version is None or not labels.owned_by(spec.get("Labels"), owner) or version.logical not in current:
            continue
        wanted = current[version.logical]
        if spec["Name"] != wanted["name"]:
            found[str(thing["ID"])] = Target(wanted["name"], wanted["id"])
    return found


def moves(services: Iterable[Json], wanted: Sequence[tuple[Kind, Mapping[str, Target]]]) -> tuple[Move, ...]:
    """The services that must move, by name.

    Args:
        services: the engine's list.
        wanted: for each kind, what ``targets`` gave.
    """
    found = []
    for service in sorted(services, key=lambda service: str(service["Spec"]["Name"])):
        swaps = tuple(swap for kind, by_id in wanted for swap in _swaps(kind, service["Spec"], by_id))
        if swaps:
            found.append(Move(str(service["Spec"]["Name"]), swaps))
    return tuple(found)


def plan(found: Sequence[Move]) -> Plan:
    """The moves as the steps of a plan."""
    return Plan(tuple(move.step() for move in found))


def repointed(spec: Json, swaps: Iterable[Swap]) -> dict[str, Any]:
    """The whole spec with every swap made; unchanged where it mounts none of the objects."""
    result = dict(spec)
    for swap in swaps:
        template = dict(result["TaskTemplate"])
        container = dict(template["ContainerSpec"])
        entries, id_key, name_key = swap.kind.references
        new = {id_key: swap.after.id, name_key: swap.after.name}
        mounts = container.get(entries) or ()
        if mounts:
            container[entries] = [{**one, **new} if one.get(id_key) == swap.before.id else one for one in mounts]
        if swap.kind is CONFIG and _credential_config(container) == swap.before.id:
            privileges = container["Privileges"]
            credential = {**privileges["CredentialSpec"], "Config": swap.after.id}
            container["Privileges"] = {**privileges, "CredentialSpec": credential}
        template["ContainerSpec"] = container
        result["TaskTemplate"] = template
    return result


def problems(
    found: Sequence[Move], services: Iterable[Json], tasks: Sequence[Json], nodes: Sequence[Json]
) -> list[str]:
    """Why the moves can't begin, one sentence for each service that is not well before anything was done to it.

    A move is proved by the service running well afterwards. One that did not before would fail for its old reason, and
    take all the others back with it.
    """
    by_name = {str(service["Spec"]["Name"]): service for service in services}
    sentences = []
    for move in found:
        service = by_name[move.service]
        judged = verdict.judge(service, tasks, nodes, as_declared=True)
        if judged.update in _STANDING:
            sentences.append(
                "service %s stands half way in a paused update: finish it or roll it back first" % move.service
            )
        elif not judged.good and judged.update not in verdict.IN_FLIGHT:
            sentences.append(
                "service %s does not run well before anything was changed, so it could not prove the new version: %s. "
                "Mend it first" % (move.service, judged.describe())
            )
    return sentences


def _swaps(kind: Kind, spec: Json, by_id: Mapping[str, Target]) -> Iterator[Swap]:
    container = (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
    entries, id_key, name_key = kind.references
    seen = set()
    for entry in container.get(entries) or ():
        before = str(entry.get(id_key))
        if before in by_id and before not in seen:
            seen.add(before)
            yield Swap(kind, Target(str(entry.get(name_key)), before), by_id[before])


def _credential_config(container: Json) -> Any:
    return ((container.get("Privileges") or {}).get("CredentialSpec") or {}).get("Config")
