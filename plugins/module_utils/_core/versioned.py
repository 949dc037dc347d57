# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of versioned data objects: secrets and configs, which the engine never lets change their data.

A declared value that differs from the newest version (told by its keyed digest, see digest.py) becomes the next
version; services are pointed to it by somebody else, later. Old versions go only when they are ours and no service's
Spec or PreviousSpec names them, for a rollback needs what PreviousSpec names.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import digest, labels, naming
from .errors import DeclarationError
from .plan import CREATE, REMOVE, UPDATE, Difference, Plan, Step

Json = Mapping[str, Any]

HIDDEN = "(not shown)"


@dataclass(frozen=True)
class Kind:
    """What tells secrets and configs apart.

    Attributes:
        name: the kind in steps and sentences.
        limit: bytes of data, and the engine takes less than this (swarmkit: api/validation/secrets.go and
            controlapi/config.go).
        references: the list in a ContainerSpec that names such objects, and an entry's fields with their ID and name.
    """

    name: str
    limit: int
    references: tuple[str, str, str]


SECRET = Kind("secret", 500 * 1024, ("Secrets", "SecretID", "SecretName"))
CONFIG = Kind("config", 1000 * 1024, ("Configs", "ConfigID", "ConfigName"))


@dataclass(frozen=True)
class Item:
    """One declared object: its logical name, its exact bytes, and its labels (None: leave those it has)."""

    name: str
    data: bytes = field(repr=False)
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Observation:
    """What was read from the swarm.

    Attributes:
        objects: the engine's list of the kind that is planned.
        key: the key of the digests, stored or fresh.
        services: the engine's list of services; needed only to prune.
    """

    objects: Sequence[Json]
    key: digest.Key
    services: Sequence[Json] = ()


@dataclass(frozen=True)
class Decision:
    """The plan, and what holds once it is applied.

    Attributes:
        current: logical name -> ``{"name", "id", "version"}`` of its newest version; the id of one that the plan
            creates is None.
        kept: ``{"name", "used_by"}`` of each old version that pruning left, because services (their names) use it.
    """

    plan: Plan
    current: Mapping[str, Mapping[str, Any]]
    kept: tuple[Mapping[str, Any], ...] = ()


def declared(kind: Kind, items: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
    """The items as a user wrote them, checked.

    Args:
        kind: SECRET or CONFIG.
        items: ``{"name", "value" or "value_base64", "labels"}`` each, unconverted.

    Raises:
        DeclarationError: every problem of every item; none of them shows a value.
    """
    problems: list[str] = []
    result = []
    for position, item in enumerate(items):
        name = item.get("name")
        where = naming.place(kind.name + "s", position, name)
        problem = naming.data_name_problem(name)
        if problem:
            problems.append("%s: name: %s" % (where, problem))
        data = b""
        try:
            data = _data(kind, item)
        except _BadValueError as error:
            problems.append("%s: %s" % (where, error))
        item_labels = item.get("labels")
        if item_labels is not None:
            problems.extend(labels.problems(item_labels, where + ": labels"))
        result.append(Item(str(name), data, item_labels))
    problems.extend(
        "%ss: %s is declared more than once (upper and lower case are the same to the swarm): keep one"
        % (kind.name, name)
        for name in naming.duplicates(item.name for item in result)
    )
    if problems:
        raise DeclarationError(*problems)
    return tuple(result)


def plan(kind: Kind, items: Sequence[Item], observed: Observation, owner: str, prune: bool = False) -> Decision:
    """What leads from the observed objects to the declared ones: create, then relabel, then remove; each by name.

    Args:
        kind: SECRET or CONFIG.
        items: from ``declared``.
        observed: what the swarm holds.
        owner: whose objects these are; those of other owners are never touched.
        prune: remove versions of the declared names that are not the newest and that nothing uses.

    Raises:
        DeclarationError: a name is taken by somebody else's object, or too long with its next version.
    """
    planner = _Planner(kind, observed, owner)
    for item in sorted(items, key=lambda item: item.name):
        planner.add(item, prune)
    return planner.decision()


def uses(kind: Kind, services: Iterable[Json]) -> dict[str, set[str]]:
    """Which services (their names) use an object, by its ID and by its name; Spec and PreviousSpec both count."""
    found: dict[str, set[str]] = {}
    for service in services:
        for spec in (service.get("Spec"), service.get("PreviousSpec")):
            for reference in _references(kind, spec or {}):
                found.setdefault(reference, set()).add(service["Spec"]["Name"])
    return found


def _references(kind: Kind, spec: Json) -> Iterator[str]:
    container = (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
    list_key, id_key, name_key = kind.references
    for entry in container.get(list_key) or ():
        yield from (entry[key] for key in (id_key, name_key) if entry.get(key))
    if kind is CONFIG:
        # The one other place where a service names a config: a credential spec.
        credential = (container.get("Privileges") or {}).get("CredentialSpec") or {}
        if credential.get("Config"):
            yield credential["Config"]


class _BadValueError(ValueError):
    """The message begins with the key of the item and never shows the value."""


def _data(kind: Kind, item: Mapping[str, Any]) -> bytes:
    value, encoded = item.get("value"), item.get("value_base64")
    key = "value" if encoded is None else "value_base64"
    if (value is None) == (encoded is None):
        raise _BadValueError("value: give either value or value_base64")
    text = value if encoded is None else encoded
    if not isinstance(text, str):
        raise _BadValueError(
            "%s is not a string (YAML makes a number of 0123, a boolean of yes): write it in quotes" % key
        )
    data = _encoded(text) if key == "value" else _decoded(text)
    if not data:
        raise _BadValueError("%s is empty: the engine takes no empty %s" % (key, kind.name))
    if len(data) >= kind.limit:
        raise _BadValueError(
            "%s has %d bytes; the engine takes less than %d (%d KiB) in a %s"
            % (key, len(data), kind.limit, kind.limit // 1024, kind.name)
        )
    return data


# The exceptions' own messages and chains would show the value or where in it something stands, hence "from None".
def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise _BadValueError("value is not valid Unicode: give it as value_base64") from None


def _decoded(text: str) -> bytes:
    try:
        # Line breaks, as base64(1) and YAML blocks make them, mean nothing; anything else that is foreign is an error.
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:  # binascii.Error is one; so is text that is not ASCII
        raise _BadValueError("value_base64 is not valid base64") from None


class _Planner:
    """Gathers the steps of one plan; one instance lives for one call of ``plan``."""

    def __init__(self, kind: Kind, observed: Observation, owner: str) -> None:
        self._kind = kind
        self._key = observed.key
        self._owner = owner
        self._uses = uses(kind, observed.services)
        self._taken = {naming.fold(thing["Spec"]["Name"]): thing for thing in observed.objects}
        self._versions: dict[str, dict[int, Json]] = {}
        self._strangers: dict[str, str] = {}
        for thing in observed.objects:
            self._sort_in(thing)
        self._creates: list[Step] = []
        self._updates: list[Step] = []
        self._removes: list[Step] = []
        self._problems: list[str] = []
        self._current: dict[str, dict[str, Any]] = {}
        self._kept: list[dict[str, Any]] = []
        self._rekeyed: list[str] = []
        self._declared = 0

    def _sort_in(self, thing: Json) -> None:
        spec = thing["Spec"]
        found = naming.parse(spec["Name"], spec.get("Labels"))
        if found is None:
            return
        if labels.owned_by(spec.get("Labels"), self._owner):
            self._versions.setdefault(found.logical, {})[found.version] = thing
        else:
            self._strangers.setdefault(naming.fold(found.logical), spec["Name"])

    def add(self, item: Item, prune: bool) -> None:
        self._declared += 1
        versions = self._versions.get(item.name, {})
        newest = max(versions, default=0)
        why = self._why_new(item, versions.get(newest))
        if why:
            name = naming.VersionedName(item.name, newest + 1)
            problem = self._problem(item, name)
            if problem:
                self._problems.append("%ss: %s" % (self._kind.name, problem))
                return
            self._create(item, name, versions.get(newest), why)
        else:
            self._keep(item, newest, versions[newest])
        if prune:
            self._prune(versions, self._current[item.name]["version"])

    def _why_new(self, item: Item, newest: Json | None) -> tuple[Difference, ...]:
        if newest is None:
            return (Difference("value", None, HIDDEN),)
        label = newest["Spec"]["Labels"].get(labels.DIGEST)
        verdict = digest.compare(label, self._key, self._kind.name, item.name, item.data)
        if verdict == digest.SAME:
            return ()
        if verdict == digest.OTHER_KEY:
            self._rekeyed.append(item.name)
            return (Difference("digest_key", digest.key_id_of(label), self._key.id),)
        return (Difference("value", HIDDEN, "(not shown, changed)"),)

    def _problem(self, item: Item, name: naming.VersionedName) -> str | None:
        problem = naming.data_name_problem(name.logical, name.version)
        if problem:
            return problem
        thing = self._taken.get(naming.fold(str(name)))
        stranger = thing["Spec"]["Name"] if thing else self._strangers.get(naming.fold(item.name))
        if stranger is None:
            return None
        whose = self._whose(self._taken[naming.fold(stranger)])
        return (
            "%s can't become %s: %s is in the swarm and %s. Choose another name, or remove that one when nothing uses "
            "it" % (item.name, name, stranger, whose)
        )

    def _whose(self, thing: Json) -> str:
        owner = (thing["Spec"].get("Labels") or {}).get(labels.OWNER)
        if owner is None:
            return "not made by this collection"
        if owner == self._owner:
            return "is the same name to it (upper and lower case don't count)"
        return "has the owner %r, not %r" % (owner, self._owner)

    def _create(self, item: Item, name: naming.VersionedName, before: Json | None, why: Iterable[Difference]) -> None:
        wanted = item.labels
        if wanted is None:
            wanted = labels.foreign(before["Spec"].get("Labels")) if before else {}
        differences = (Difference("version", name.version - 1 or None, name.version), *why)
        if wanted:
            differences += (Difference("labels", None, dict(wanted)),)
        ours = {
            labels.OWNER: self._owner,
            labels.NAME: item.name,
            labels.VERSION: str(name.version),
            labels.DIGEST: digest.digest(self._key, self._kind.name, item.name, item.data),
        }
        payload = {"data": item.data, "labels": {**wanted, **ours}}
        self._creates.append(Step(CREATE, self._kind.name, str(name), differences, payload))
        self._current[item.name] = {"name": str(name), "id": None, "version": name.version}

    def _keep(self, item: Item, version: int, thing: Json) -> None:
        spec = thing["Spec"]
        self._current[item.name] = {"name": spec["Name"], "id": thing["ID"], "version": version}
        before = labels.foreign(spec.get("Labels"))
        if item.labels is None or before == dict(item.labels):
            return
        ours = {key: value for key, value in spec["Labels"].items() if key not in before}
        payload = {
            "id": thing["ID"],
            "version": thing["Version"]["Index"],
            "spec": {**spec, "Labels": {**item.labels, **ours}},
        }
        differences = labels.differences(before, item.labels)
        self._updates.append(Step(UPDATE, self._kind.name, spec["Name"], differences, payload))

    def _prune(self, versions: Mapping[int, Json], current: int) -> None:
        for version in sorted(versions):
            if version == current:
                continue
            thing = versions[version]
            name = thing["Spec"]["Name"]
            used_by = self._uses.get(thing["ID"], set()) | self._uses.get(name, set())
            if used_by:
                self._kept.append({"name": name, "used_by": sorted(used_by)})
            else:
                differences = (Difference("version", version, None),)
                self._removes.append(Step(REMOVE, self._kind.name, name, differences, {"id": thing["ID"]}))

    def decision(self) -> Decision:
        if self._problems:
            raise DeclarationError(*self._problems)
        warnings = []
        if self._rekeyed:
            warnings.append(
                "the digest key is not the one that these were made with, so their values can't be compared and each "
                "gets a new version: %s" % ", ".join(self._rekeyed)
            )
        key = [digest.key_step(self._key, self._owner)] if self._key.missing and self._declared else []
        steps = (*key, *self._creates, *self._updates, *self._removes)
        return Decision(Plan(steps, tuple(warnings)), self._current, tuple(self._kept))
