# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of versioned data objects: secrets and configs, which the engine never lets change their data.

A declared value that differs from the newest version becomes the next version; services are pointed to it by somebody
else, later. Whether it differs, a config's data tells; a secret can't be read, so there its keyed digest does (see
digest.py). Versions go only when they are ours and neither a service's Spec, nor its PreviousSpec, which a rollback
needs, nor a kept release names them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import digest, labels, naming
from .claims import Claim, Claims, Versions, newest
from .data_declaration import ABSENT, CONFIG, PRESENT, SECRET, Item, Kind, Recipe, declared
from .errors import DeclarationError
from .plan import CREATE, REMOVE, UPDATE, Difference, Plan, Step

__all__ = (
    "ABSENT",
    "CONFIG",
    "PRESENT",
    "SECRET",
    "Decision",
    "Item",
    "Kind",
    "Observation",
    "Recipe",
    "declared",
    "held_back",
    "newest",
    "plan",
    "uses",
)

Json = Mapping[str, Any]

HIDDEN = "(not shown)"
CHANGED = "(not shown, changed)"
RENEWED = "(not shown, renewed)"
ASSUMED = "(not shown, taken to be as declared)"


@dataclass(frozen=True)
class Observation:
    """What was read from the swarm.

    Attributes:
        objects: the engine's list of the kind that is planned.
        key: the key of the digests, stored or fresh; configs need none.
        services: the engine's list of services, read after the objects; needed to remove anything.
        releases: what else uses objects: a label for the user, and a ServiceSpec. One label may come with many.
        unknown: users that may use any object, since they can't be read: a label, and the name of the record. While
            there is one, nothing is removed.
    """

    objects: Sequence[Json]
    key: digest.Key | None
    services: Sequence[Json] | None = None
    releases: Sequence[tuple[str, Json]] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """The plan, and what holds once it is applied.

    Attributes:
        current: logical name -> ``{"name", "id", "version"}`` of its newest version; the id of one that the plan
            creates is None. Absent items are not in it.
        kept: ``{"name", "used_by"}`` of each version that would go, were it not used by these services and releases.
        assumed: logical names of the secrets whose newest version this plan adopts, and takes to hold what is declared.
    """

    plan: Plan
    current: Mapping[str, Mapping[str, Any]]
    kept: tuple[Mapping[str, Any], ...] = ()
    assumed: tuple[str, ...] = ()


def plan(
    kind: Kind,
    items: Sequence[Item],
    observed: Observation,
    owner: str,
    prune: bool = False,
    renew: frozenset[str] = frozenset(),
) -> Decision:
    """What leads from the observed objects to the declared ones: adopt, create, relabel, remove; each by name.

    Args:
        kind: SECRET or CONFIG.
        items: from ``declared``; those with a recipe hold a fresh value.
        observed: what the swarm holds.
        owner: whose objects these are; those of others are touched only by items that adopt them.
        prune: remove versions of the declared names that are not the newest and that nothing uses.
        renew: logical names that get a new version even if their value is the same. A second plan makes yet another.

    Raises:
        DeclarationError: a name is taken by somebody else's object, or too long with its next version, or is to be
            renewed and not declared.
    """
    problems = [
        "%s: %s is to be renewed and is not declared: declare it, or correct the name" % (kind.plural, name)
        for name in sorted(renew - {item.name for item in items if item.state == PRESENT})
    ]
    planner = _Planner(kind, observed, owner)
    for item in sorted(items, key=lambda item: item.name):
        if item.state == ABSENT:
            planner.absent(item)
        else:
            planner.present(item, prune, item.name in renew)
    problems.extend(planner.problems)
    if problems:
        raise DeclarationError(*problems)
    return planner.decision()


def uses(kind: Kind, services: Iterable[Json], releases: Iterable[tuple[str, Json]] = ()) -> dict[str, set[str]]:
    """What uses an object, by its ID and by its name.

    Users are names of services, whose Spec and PreviousSpec both count, and labels of releases.
    """
    found: dict[str, set[str]] = {}
    specs = [(one["Spec"]["Name"], one.get(key) or {}) for one in services for key in ("Spec", "PreviousSpec")]
    for user, spec in (*specs, *releases):
        for reference in _references(kind, spec):
            found.setdefault(reference, set()).add(user)
    return found


def held_back(things: str, unknown: Mapping[str, str]) -> str:
    """The warning that nothing was removed, because of users that can't be read (``Observation.unknown``)."""
    return (
        "%s: none is removed, for %s can't be read, and may name any: prune with the version of the collection that "
        "wrote it, or remove what nobody will restore: docker config rm %s"
        % (things, ", ".join(unknown), " ".join(unknown.values()))
    )


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


class _Planner:
    """Gathers the steps of one plan; one instance lives for one call of ``plan``."""

    def __init__(self, kind: Kind, observed: Observation, owner: str) -> None:
        self.problems: list[str] = []
        self._kind = kind
        self._observed = observed
        self._owner = owner
        self._claims = Claims(observed.objects, owner)
        self._uses = uses(kind, observed.services or (), observed.releases)
        self._key_used = False
        self._adoptions: list[Step] = []
        self._creates: list[Step] = []
        self._updates: list[Step] = []
        self._removes: list[Step] = []
        self._current: dict[str, dict[str, Any]] = {}
        self._kept: list[dict[str, Any]] = []
        self._assumed: list[str] = []
        self._rekeyed: list[str] = []
        self._held_back = False
        self._warnings: list[str] = []

    def present(self, item: Item, prune: bool, renew: bool) -> None:
        versions: Versions = self._claims.owned(item.name)
        late: Versions = {}
        if item.adopt:
            versions = {**versions, **self._claims.adoptable(item.name)}
            late = self._claims.late(item.name)
        before = versions.get(max(versions, default=0))
        why = self._why_new(item, before, renew)
        name = naming.VersionedName(item.name, max((*versions, *late), default=0) + 1)
        problem = self._problem(name, versions) if why else None
        if problem:
            self.problems.append("%s: %s" % (self._kind.plural, problem))
            return
        if late:
            self._warnings.append(
                "%s: not taken over, since labelled versions of %s are there: %s. Remove that when nothing uses it"
                % (self._kind.plural, item.name, ", ".join(late[version].name for version in sorted(late)))
            )
        old = {version: claim for version, claim in versions.items() if why or claim is not before}
        removed = self._remove(old) if prune else set()
        for version in sorted(old.keys() - removed):
            self._relabel(old[version], self._bookkeeping(old[version]), None)
        if before is None or why:
            self._create(item, name, before, why)
        else:
            self._keep(item, before)

    def absent(self, item: Item) -> None:
        before = len(self._kept)
        self._remove(self._claims.owned(item.name))
        used = ["%s (%s)" % (entry["name"], ", ".join(entry["used_by"])) for entry in self._kept[before:]]
        if used:
            self._warnings.append(
                "%s: %s is declared absent, but what is in use stays: %s"
                % (self._kind.plural, item.name, ", ".join(used))
            )
        others = self._claims.others(item.name)
        if others:
            self._warnings.append(
                "%s: %s is declared absent, but what is no version of the owner %r stays: %s"
                % (self._kind.plural, item.name, self._owner, ", ".join(others))
            )

    def decision(self) -> Decision:
        warnings = list(self._warnings)
        if self._rekeyed:
            warnings.append(
                "the digest key is not the one that these were made with, so their values can't be compared and each "
                "gets a new version: %s" % ", ".join(self._rekeyed)
            )
        if self._held_back:
            warnings.append(held_back(self._kind.plural, self._observed.unknown))
        key = [digest.key_step(self._key(), self._owner)] if self._key_used and self._key().missing else []
        # Adoption comes before creation: a new version beside one that is still a stranger's would hide that one.
        steps = (*key, *self._adoptions, *self._creates, *self._updates, *self._removes)
        return Decision(Plan(steps, tuple(warnings)), self._current, tuple(self._kept), tuple(self._assumed))

    def _problem(self, name: naming.VersionedName, versions: Versions) -> str | None:
        """Why this next version can't be made, or None."""
        return naming.data_name_problem(name.logical, name.version) or self._claims.obstacle(name, versions.values())

    # -- what a version holds ---------------------------------------------------------------------------------------

    def _why_new(self, item: Item, before: Claim | None, renew: bool) -> tuple[Difference, ...]:
        if before is None:
            return (Difference("value", None, HIDDEN),)
        if renew:
            return (Difference("value", HIDDEN, RENEWED),)
        if item.recipe or self._trusted(item, before):
            return ()
        label = before.labels.get(labels.DIGEST)
        if self._kind.readable:
            same = base64.b64decode(before.thing["Spec"].get("Data") or "") == item.data
            verdict = digest.SAME if same else digest.DIFFERENT
        else:
            verdict = digest.compare(label, self._key(), self._kind.name, item.name, item.data)
        if verdict == digest.OTHER_KEY:
            self._rekeyed.append(item.name)
            return (Difference("digest_key", digest.key_id_of(label), self._key().id),)
        return () if verdict == digest.SAME else (Difference("value", HIDDEN, CHANGED),)

    def _trusted(self, item: Item, claim: Claim) -> bool:
        """What is in a secret that nobody labelled can't be known: it is taken to be what is declared."""
        return not self._kind.readable and claim.owner is None and item.recipe is None

    def _digest(self, item: Item) -> dict[str, str]:
        """The label that says what a version holds; of a config it needs none."""
        if self._kind.readable:
            return {}
        self._key_used = True
        return {labels.DIGEST: digest.digest(self._key(), self._kind.name, item.name, item.data)}

    def _key(self) -> digest.Key:
        if self._observed.key is None:
            raise ValueError("the digest key must be read before secrets are planned")
        return self._observed.key

    # -- steps ------------------------------------------------------------------------------------------------------

    def _create(self, item: Item, name: naming.VersionedName, before: Claim | None, why: Iterable[Difference]) -> None:
        if not item.data:
            raise ValueError("%s has no value: one to be generated is made before it is planned" % item.name)
        wanted = item.labels
        if wanted is None:
            wanted = labels.foreign(before.labels) if before else {}
        differences = (Difference("version", before.version if before else None, name.version), *why)
        if wanted:
            differences += (Difference("labels", None, dict(wanted)),)
        ours = {labels.OWNER: self._owner, labels.NAME: item.name, labels.VERSION: str(name.version)}
        payload = {"data": item.data, "labels": {**wanted, **ours, **self._digest(item)}}
        self._creates.append(Step(CREATE, self._kind.name, str(name), differences, payload))
        self._current[item.name] = {"name": str(name), "id": None, "version": name.version}

    def _keep(self, item: Item, claim: Claim) -> None:
        self._current[item.name] = {"name": claim.name, "id": claim.id, "version": claim.version}
        if not self._trusted(item, claim):
            self._relabel(claim, self._bookkeeping(claim), item.labels)
            return
        self._assumed.append(item.name)
        self._warnings.append(
            "%s: what %s holds can't be read, so it is taken to be what is declared for %s: make sure that it is"
            % (self._kind.plural, claim.name, item.name)
        )
        bookkeeping = {**self._bookkeeping(claim), **self._digest(item)}
        self._relabel(claim, bookkeeping, item.labels, Difference("value", HIDDEN, ASSUMED))

    def _bookkeeping(self, claim: Claim) -> dict[str, str]:
        """This collection's labels on a version that is, or is to be, the owner's. Any owner's digest stays true."""
        known = claim.labels if claim.proven else {}
        return {
            **{key: value for key, value in known.items() if key.startswith(labels.PREFIX)},
            labels.OWNER: self._owner,
            labels.NAME: claim.logical,
            labels.VERSION: str(claim.version),
        }

    def _relabel(
        self, claim: Claim, bookkeeping: Mapping[str, str], wanted: Mapping[str, str] | None, *more: Difference
    ) -> None:
        """Bring a version's labels, and with them its owner, to what they must be; no step when they are."""
        before = labels.foreign(claim.labels)
        after = before if wanted is None else wanted
        differences = (*more, *labels.differences(before, after))
        steps = self._updates
        if claim.owner != self._owner:
            differences = (Difference("owner", claim.owner, self._owner), *differences)
            steps = self._adoptions
        if not differences:
            return
        payload = {
            "id": claim.id,
            "version": claim.thing["Version"]["Index"],
            "spec": {**claim.thing["Spec"], "Labels": {**after, **bookkeeping}},
        }
        steps.append(Step(UPDATE, self._kind.name, claim.name, differences, payload))

    def _remove(self, versions: Versions) -> set[int]:
        """Remove what nothing uses, and note what is used; returns the versions that go."""
        if self._observed.services is None:
            raise ValueError("services must be read before anything is removed")
        removed = set()
        unknown = self._observed.unknown
        self._held_back |= bool(versions and unknown)
        for version in sorted(versions):
            claim = versions[version]
            used_by = self._uses.get(claim.id, set()) | self._uses.get(claim.name, set()) | set(unknown)
            if used_by:
                self._kept.append({"name": claim.name, "used_by": sorted(used_by)})
            else:
                differences = (Difference("version", version, None),)
                self._removes.append(Step(REMOVE, self._kind.name, claim.name, differences, {"id": claim.id}))
                removed.add(version)
        return removed
