# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services must move from old versions of secrets and configs to the current ones, and how their specs change.

A service moves when it mounts any version but the current one of a logical name. Everything else of the mount (path in
the container, owner, mode) stays, so the application finds the new value where the old one was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import labels, naming, verdict
from .digest import KEY_CONFIG
from .plan import CREATE, UPDATE, Difference, Plan, Step
from .versioned import CONFIG, SECRET, Kind, uses

Json = Mapping[str, Any]


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
    """ID of each version that is older than the current one of a declared name -> the current one.

    Args:
        objects: the engine's list of secrets, or of configs.
        current: ``versioned.Decision.current``: logical name -> ``{"name", "id", "version"}``.
        owner: whose versions count.
    """
    found = {}
    for thing in objects:
        version = _version(thing, owner)
        wanted = current.get(version.logical) if version else None
        if version and wanted and version.version < wanted["version"]:
            found[str(thing["ID"])] = Target(wanted["name"], wanted["id"])
    return found


def settled_users(
    kind: Kind, services: Iterable[Json], current: Mapping[str, Mapping[str, Any]], moving: Collection[str]
) -> dict[str, str]:
    """Services that mount a current version and need no move -> that version's name.

    An earlier run may have moved them and been interrupted before it saw how they fared.
    """
    names = {str(entry["name"]) for entry in current.values()}
    found = {}
    for service in services:
        name = str(service["Spec"]["Name"])
        mounts = {str(entry.get(kind.references[2])) for entry in _entries(kind, service["Spec"])}
        if name not in moving and mounts & names:
            found[name] = sorted(mounts & names)[0]
    return found


def applied(objects: Sequence[Json], plan: Plan, kind: Kind) -> list[dict[str, Any]]:
    """The objects as they are once a plan is carried out; one that it creates has its name for an ID."""
    changed = {
        step.payload["id"]: step.payload["spec"] for step in plan if step.kind == kind.name and step.action == UPDATE
    }
    made = [
        {"ID": step.name, "Version": {"Index": 0}, "Spec": {"Name": step.name, "Labels": step.payload["labels"]}}
        for step in plan
        if step.kind == kind.name and step.action == CREATE
    ]
    return [*({**thing, "Spec": changed.get(thing["ID"], thing["Spec"])} for thing in objects), *made]


def moved(services: Iterable[Json], found: Iterable[Move]) -> list[dict[str, Any]]:
    """The services as they are once they are moved."""
    by_name = {move.service: move for move in found}

    def after(service: Json) -> dict[str, Any]:
        move = by_name.get(str(service["Spec"]["Name"]))
        if move is None:
            return dict(service)
        return {**service, "Spec": repointed(service["Spec"], move.swaps), "PreviousSpec": service["Spec"]}

    return [after(service) for service in services]


def unused(made: Plan, services: Sequence[Json]) -> list[Step]:
    """The versions that a plan made and that no service names, neither in its Spec nor in its PreviousSpec."""
    users = {kind.name: uses(kind, services) for kind in (SECRET, CONFIG)}
    ours = [step for step in made if step.action == CREATE and step.name != KEY_CONFIG]
    # A Spec names an object by its name too, so the ID need not be known here.
    return [step for step in ours if step.name not in users[step.kind]]


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


def mounts_all(spec: Json, swaps: Iterable[Swap]) -> bool:
    """Whether a spec has what every swap would put there."""
    return all(
        any(entry.get(swap.kind.references[1]) == swap.after.id for entry in _entries(swap.kind, spec))
        for swap in swaps
    )


def names_any(spec: Json | None, swaps: Iterable[Swap]) -> bool:
    """Whether a spec mounts anything that a swap would put there."""
    return any(
        entry.get(swap.kind.references[1]) == swap.after.id
        for swap in swaps
        for entry in _entries(swap.kind, spec or {})
    )


def is_busy(service: Json, tasks: Sequence[Json], nodes: Sequence[Json]) -> bool:
    """Whether a service is still being updated, or its tasks are still coming up."""
    judged = verdict.judge(service, tasks, nodes, as_declared=True)
    return judged.update in verdict.IN_FLIGHT or judged.state == verdict.PENDING


def problems(
    found: Sequence[Move],
    settled: Mapping[str, str],
    services: Iterable[Json],
    tasks: Sequence[Json],
    nodes: Sequence[Json],
) -> list[str]:
    """Why the moves can't begin, one sentence each.

    A move is proved by the service running well afterwards. One that did not before would fail for its old reason, and
    take all the others back with it.

    Args:
        found: from ``moves``.
        settled: from ``settled_users``: service -> the current version that it mounts already.
        services, tasks, nodes: the engine's lists.
    """
    by_name = {str(service["Spec"]["Name"]): service for service in services}
    sentences: list[str] = []
    for move in found:
        if move.service in by_name:
            sentences += _move_problems(move, by_name[move.service], tasks, nodes)
    for name, version in sorted(settled.items()):
        judged = verdict.judge(by_name[name], tasks, nodes, as_declared=True)
        if not judged.good:
            sentences.append(
                "service %s mounts %s already and does not run well: %s. If a rotation was interrupted there, declare "
                "the value before it and deploy its stack" % (name, version, judged.describe())
            )
    return sentences


def _move_problems(move: Move, service: Json, tasks: Sequence[Json], nodes: Sequence[Json]) -> Iterator[str]:
    after = [(swap.kind.name, swap.after.name) for swap in move.swaps]
    if len(set(after)) < len(after) or names_any(service["Spec"], move.swaps):
        yield (
            "service %s mounts two versions of one name, and a rotation would leave it two equal ones: let it mount "
            "one, or declare each under a name of its own" % move.service
        )
    judged = verdict.judge(service, tasks, nodes, as_declared=True)
    if judged.update in verdict.STANDING:
        yield "service %s stands half way in a paused update: finish it or roll it back first" % move.service
    elif not judged.good:
        yield (
            "service %s does not run well before anything was changed, so it could not prove the new version: %s. "
            "Mend it first; playbooks/dr/service_failure.yml shows what is wrong, and restarts it"
            % (move.service, judged.describe())
        )


def _swaps(kind: Kind, spec: Json, by_id: Mapping[str, Target]) -> Iterator[Swap]:
    _list, id_key, name_key = kind.references
    seen = set()
    for entry in _entries(kind, spec):
        before = str(entry.get(id_key))
        if before in by_id and before not in seen:
            seen.add(before)
            yield Swap(kind, Target(str(entry.get(name_key)), before), by_id[before])


def _credential_config(container: Json) -> Any:
    return ((container.get("Privileges") or {}).get("CredentialSpec") or {}).get("Config")


def _entries(kind: Kind, spec: Json) -> Sequence[Json]:
    container = (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
    return container.get(kind.references[0]) or ()


def _version(thing: Json, owner: str) -> naming.VersionedName | None:
    spec = thing["Spec"]
    if not labels.owned_by(spec.get("Labels"), owner):
        return None
    return naming.parse(spec["Name"], spec.get("Labels"))
