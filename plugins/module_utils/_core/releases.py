# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases: what a stack was at each of its deployments, kept in the swarm itself.

A release is recorded in one config object, ``shop.release.7``. It is written before the first service is sent, so that
also a run that is killed leaves its trace. Its data holds the specs of all services of the stack and never changes; how
the run ended stands in a label, which can. release_record.py writes and reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import labels, versioned
from .data_declaration import CONFIG
from .errors import DeclarationError

Json = Mapping[str, Any]

DEPLOY = "deploy"
ROLLBACK = "rollback"
KINDS = (DEPLOY, ROLLBACK)

DEPLOYING = "deploying"
GOOD = "good"
FAILED = "failed"
UNREADABLE = "unreadable"
STATES = (DEPLOYING, GOOD, FAILED)

KEEP = 10
KEEP_LEAST = 2
"""With one release there would be none to go back to."""
REASON_LENGTH = 300
"""Characters of the reason that is kept of a failure."""


@dataclass(frozen=True)
class Release:
    """What a stack was to be after one run. Written once.

    Attributes:
        number: from 1, in the order of the runs.
        kind: DEPLOY or ROLLBACK.
        restores: the number of the release that a rollback brings back; None for a deployment.
        who, when: as the user gave them.
        specs: ServiceSpec of each service by its name in the swarm; networks by their names, secrets and configs by
            names and IDs.
    """

    stack: str
    number: int
    kind: str = DEPLOY
    restores: int | None = None
    who: str = ""
    when: str = ""
    specs: Mapping[str, Json] = field(default_factory=dict, repr=False)

    @property
    def label(self) -> str:
        """What users call it."""
        return label(self.stack, self.number)


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        state: one of STATES. A run that was killed stays DEPLOYING for ever.
        reverted: every service that it changed has the spec that it had before.
        reason: one line; empty when all is good.
        seconds: from the record to the last verdict, or to the end of taking it back.
        verdicts: service -> its verdict's state.
        took: service that the run sent -> seconds until it was as its verdict says.
    """

    state: str = DEPLOYING
    reverted: bool = False
    reason: str = ""
    seconds: float = 0.0
    verdicts: Mapping[str, str] = field(default_factory=dict)
    took: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A release as the swarm holds it.

    Attributes:
        id, name, created: of the config object; ``created`` is the engine's own time.
        release: None when it can't be read; ``problem`` says why then.
    """

    stack: str
    number: int
    id: str
    name: str
    created: str
    ending: Ending
    release: Release | None
    problem: str = ""

    @property
    def state(self) -> str:
        return UNREADABLE if self.release is None else self.ending.state

    @property
    def label(self) -> str:
        """What users call it."""
        return label(self.stack, self.number)


def label(stack: str, number: int) -> str:
    return "release %d of %s" % (number, stack)


def checked_keep(keep: int) -> int:
    """How many releases to keep, when there can be so few.

    Raises:
        DeclarationError: fewer than KEEP_LEAST.
    """
    if keep < KEEP_LEAST:
        raise DeclarationError(
            "keep_releases: %d is too few: keep at least %d, or there is none to go back to" % (keep, KEEP_LEAST)
        )
    return keep


def one_line(text: str) -> str:
    """The first line of a text, cut to REASON_LENGTH."""
    line = (text.strip().splitlines() or [""])[0].rstrip()
    return line if len(line) <= REASON_LENGTH else line[: REASON_LENGTH - 1] + "…"


def unreadable(entries: Iterable[Entry]) -> list[str]:
    """A sentence about each that can't be read."""
    return ["%s can't be read: %s" % (entry.label, entry.problem) for entry in entries if entry.release is None]


# -- which one to go back to -----------------------------------------------------------------------------------------


def target(entries: Sequence[Entry], stack: str, number: int | None = None) -> Release:
    """The release to restore.

    Without a number it is the last good one that is not what runs: when the newest release did not end well, the newest
    good one; else the newest good one before what the newest brought. That of a rollback is what it brought back, so a
    second rollback goes further back, and never to what the first one left. A rollback that did not end well is tried
    again.

    Args:
        entries: the stack's history, from ``release_record.history``.

    Raises:
        DeclarationError: there is none such, or it did not end well.
    """
    if not entries:
        raise DeclarationError("name: the stack %s has no release in this swarm that could be restored" % stack)
    if number is not None:
        return _named(entries, stack, number)
    newest = entries[0]
    good = [entry.release for entry in entries if entry.release is not None and entry.state == GOOD]
    if newest.state == GOOD:
        base = origin(entries, newest)
        good = [release for release in good if release.number < base]
        if not good:
            raise DeclarationError(
                "release: the stack %s runs %s, and no good release before that is kept: deploy what is wanted, or "
                "name a release: %s" % (stack, _number_text(newest.number, base), _known(entries))
            )
    elif newest.release is not None and newest.release.kind == ROLLBACK:
        base = origin(entries, newest)
        good = [release for release in good if release.number <= base]
    if not good:
        raise DeclarationError("release: no release of the stack %s ended well: %s" % (stack, _known(entries)))
    return good[0]


def origin(entries: Iterable[Entry], entry: Entry) -> int:
    """The number of the deployment whose specs a release has: its own, but a rollback's is what it brought back."""
    by_number = {one.number: one for one in entries}
    number = entry.number
    # A release restores only an older one (release_record.py sees to it), so this ends.
    while number in by_number:
        release = by_number[number].release
        if release is None or release.restores is None:
            break
        number = release.restores
    return number


def _named(entries: Sequence[Entry], stack: str, number: int) -> Release:
    for entry in entries:
        if entry.number != number:
            continue
        if entry.release is None:
            raise DeclarationError("release: %s can't be read: %s" % (entry.label, entry.problem))
        if entry.state == DEPLOYING:
            raise DeclarationError(
                "release: nobody saw how %s ended: its run was interrupted, or goes on. Name another: %s"
                % (entry.label, _known(entries))
            )
        if entry.state != GOOD:
            raise DeclarationError(
                "release: %s did not end well (%s), so it is nothing to go back to. Name another: %s"
                % (entry.label, entry.ending.reason, _known(entries))
            )
        return entry.release
    raise DeclarationError("release: there is no release %d of %s: %s" % (number, stack, _known(entries)))


def _number_text(number: int, base: int) -> str:
    return "release %d" % number if base == number else "release %d, which brought back release %d" % (number, base)


def _known(entries: Iterable[Entry]) -> str:
    return "kept are " + ", ".join("%d (%s)" % (entry.number, entry.state) for entry in entries)


# -- what is kept ----------------------------------------------------------------------------------------------------


def surplus(entries: Sequence[Entry], keep: int) -> list[Entry]:
    """The releases of one stack that are one too many, the newest first.

    Good ones and the others are counted apart: a series of failures takes away nothing that one could go back to. One
    that can't be read stays: it may be a good one.
    """
    good = [entry for entry in entries if entry.state == GOOD]
    other = [entry for entry in entries if entry.state not in (GOOD, UNREADABLE)]
    gone = {entry.number for entry in (*good[keep:], *other[keep:])}
    return [entry for entry in entries if entry.number in gone]


def users(entries: Iterable[Entry]) -> list[tuple[str, Json]]:
    """What must stay because a release may be restored: its label with each of its specs (``versioned.Observation``).

    A release that failed is never restored. Of one that is being deployed nobody knows yet. Those that can't be read
    are not in it: ``unknown`` has them.
    """
    return [
        (entry.label, spec)
        for entry in entries
        if entry.release is not None and entry.state != FAILED
        for spec in entry.release.specs.values()
    ]


def unknown(entries: Iterable[Entry]) -> dict[str, str]:
    """The releases of which nobody knows what they name, by their labels, each with the name of its record."""
    return {entry.label: entry.name for entry in entries if entry.release is None}


def unused_configs(
    stack: str, owner: str, configs: Iterable[Json], services: Iterable[Json], entries: Iterable[Entry]
) -> list[Json]:
    """The configs that deployments of a stack made from its files and that nothing names any more, by name.

    What counts is the Spec and the PreviousSpec of every service, and the releases that may be restored. While there is
    a release that can't be read, every config may be named: ``unknown`` is to be asked first.
    """
    used = versioned.uses(CONFIG, services, users(entries))
    found = [
        config
        for config in configs
        if _labels(config).get(labels.STACK_NAMESPACE) == stack
        and labels.owned_by(_labels(config), owner)
        and str(config["ID"]) not in used
        and str(config["Spec"]["Name"]) not in used
    ]
    return sorted(found, key=lambda config: str(config["Spec"]["Name"]))


def _labels(config: Json) -> Mapping[str, str]:
    return config["Spec"].get("Labels") or {}
