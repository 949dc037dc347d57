# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose the secrets and configs of a swarm are: which are versions of a name, which could become such, which stand in
the way.

A name like ``db_v1`` only claims to be a version of ``db``; its labels prove it. One that nobody labelled, and one that
another owner made, can be adopted: labels can be changed, names can't. So an object is adopted only under the very name
that it has, upper and lower case included, although two names that differ in nothing else are one to the swarm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from . import labels, naming

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Claim:
    """An object whose name claims to be a version of something.

    Attributes:
        logical: what its name claims to be a version of.
        version: and which one.
        thing: the object as the engine lists it.
        owner: whose it is by its label; None for one that nobody labelled.
        proven: its labels say the same as its name.
    """

    logical: str
    version: int
    thing: Json
    owner: str | None
    proven: bool

    @property
    def id(self) -> str:
        return str(self.thing["ID"])

    @property
    def name(self) -> str:
        return str(self.thing["Spec"]["Name"])

    @property
    def labels(self) -> Mapping[str, str]:
        return self.thing["Spec"].get("Labels") or {}

    @property
    def adoptable(self) -> bool:
        """Whether labels could make it a version of somebody."""
        exact = str(naming.VersionedName(self.logical, self.version)) == self.name
        return self.proven or (self.owner is None and exact)


Versions = Mapping[int, Claim]
"""Version -> the object."""


class Claims:
    """All claims among the objects of one kind, as they look to one owner."""

    def __init__(self, objects: Iterable[Json], owner: str) -> None:
        self._owner = owner
        self._by_name: dict[str, list[Claim]] = {}
        self._bare: dict[str, str] = {}
        for thing in objects:
            claim = _claim(thing)
            if claim:
                self._by_name.setdefault(naming.fold(claim.logical), []).append(claim)
            if not (claim and claim.proven):
                name = str(thing["Spec"]["Name"])
                self._bare[naming.fold(name)] = name

    def owned(self, logical: str) -> dict[int, Claim]:
        """The owner's versions of a name."""
        found = (claim for claim in self._alike(logical) if claim.proven and claim.owner == self._owner)
        return {claim.version: claim for claim in found if claim.logical == logical}

    def adoptable(self, logical: str) -> dict[int, Claim]:
        """What adoption takes: all versions of another owner, or, where nobody labelled any, the newest of them."""
        labelled, unlabelled = self._candidates(logical)
        if labelled:
            return {version: claim for version, claim in labelled.items() if claim.owner != self._owner}
        return {version: unlabelled[version] for version in [max(unlabelled, default=0)] if version}

    def late(self, logical: str) -> dict[int, Claim]:
        """Those that nobody labelled and that are newer than every labelled version, where there is one.

        Somebody made them by hand beside versions that are kept here. Nothing says that they hold what is declared.
        """
        labelled, unlabelled = self._candidates(logical)
        last = max(labelled, default=0)
        return {version: claim for version, claim in unlabelled.items() if 0 < last < version}

    def others(self, logical: str) -> list[str]:
        """The names of what looks like a version of a name, or bears that very name, and is no version of the owner."""
        found = {claim.name for claim in self._alike(logical) if not (claim.proven and claim.owner == self._owner)}
        bare = self._bare.get(naming.fold(logical))
        return sorted(found if bare is None else found | {bare})

    def obstacle(self, wanted: naming.VersionedName, ours: Collection[Claim]) -> str | None:
        """What stands in the way of a new version, and the mend; None when nothing does.

        Args:
            wanted: the version to be made.
            ours: what belongs, or is about to belong, to the owner.
        """
        known = {claim.id for claim in ours}
        strangers = [
            claim
            for claim in self._alike(wanted.logical)
            if claim.id not in known
            # What is older than the new version, and nobody's version by its labels, is in nobody's way.
            and (claim.version >= wanted.version or (claim.proven and claim.owner != self._owner))
        ]
        if not strangers:
            return None
        stranger = max(strangers, key=lambda claim: (claim.version, claim.name))
        return "%s can't become %s: %s is in the swarm and %s" % (
            wanted.logical,
            wanted,
            stranger.name,
            self._whose(stranger, wanted.logical),
        )

    def _whose(self, stranger: Claim, logical: str) -> str:
        if not stranger.adoptable:
            whose = "is no version of it, for its labels don't say so"
            return whose + ". Choose another name, or remove that one when nothing uses it"
        if stranger.logical != logical:
            whose = "is the same name to it (upper and lower case don't count)"
            more = "" if stranger.owner == self._owner else " with adopt: true to take it over"
            return "%s. Write %s%s, or choose another name" % (whose, stranger.logical, more)
        if stranger.owner is None:
            whose = "was not made by this collection"
        else:
            whose = "has the owner %r, not %r" % (stranger.owner, self._owner)
        if stranger.version in self.late(logical):
            return whose + ". Remove it, or set adopt: true to make the next version above it"
        return whose + ". Set adopt: true to take it over, or choose another name"

    def _candidates(self, logical: str) -> tuple[dict[int, Claim], dict[int, Claim]]:
        """The versions that somebody labelled, and what only labels are missing to."""
        claims = [claim for claim in self._alike(logical) if claim.adoptable and claim.logical == logical]
        labelled = {claim.version: claim for claim in claims if claim.owner is not None}
        return labelled, {claim.version: claim for claim in claims if claim.owner is None}

    def _alike(self, logical: str) -> Iterable[Claim]:
        return self._by_name.get(naming.fold(logical), ())


def newest(objects: Iterable[Json]) -> dict[str, int]:
    """The highest version of each logical name that any object's name claims, whoever made it."""
    found: dict[str, int] = {}
    for thing in objects:
        claim = _claim(thing)
        if claim:
            found[claim.logical] = max(found.get(claim.logical, 0), claim.version)
    return found


def _claim(thing: Json) -> Claim | None:
    spec = thing["Spec"]
    claimed = naming.claimed(spec["Name"])
    if claimed is None:
        return None
    owner = (spec.get("Labels") or {}).get(labels.OWNER)
    proven = owner is not None and naming.parse(spec["Name"], spec.get("Labels")) == claimed
    return Claim(claimed.logical, claimed.version, thing, owner, proven)
