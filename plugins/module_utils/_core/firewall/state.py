# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has of its firewall against what it is to have, and the way back from a change."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from .ruleset import REMOVAL


@dataclass(frozen=True)
class Observed:
    """A host's firewall. Listings are nft's own words for a table, so that two that say the same are the same text.

    Attributes:
        text: what the file for the boot is to hold.
        wanted: the listing of that.
        live: the listing of the table that is loaded; None when there is none.
        persisted: what the file for the boot holds; None when there is none.
        confirmed: the listing of that; None when there is none or nft can't read it.
        starts: whether the file is loaded at boot.
        kept: the way back from rules that wait, or waited; None when there is none.
    """

    text: str
    wanted: str
    live: str | None
    persisted: str | None
    confirmed: str | None
    starts: bool
    kept: str | None = None


def differences(observed: Observed) -> list[str]:
    """What is not as declared, a sentence each; empty when there is nothing to do."""
    found = []
    if observed.live is None:
        found.append("the table is not loaded")
    elif observed.live != observed.wanted:
        found.append("the loaded table is not as declared")
    if observed.persisted is None or not observed.starts:
        found.append("the table is not loaded at boot")
    elif observed.persisted != observed.text:
        found.append("what is loaded at boot is not as declared")
    return found


def drift(observed: Observed) -> list[str]:
    """What somebody changed by hand in the loaded table since it was confirmed: lines of a diff, - gone and + added."""
    if observed.confirmed is None or observed.live == observed.confirmed:
        return []
    if observed.live is None:
        return ["- the whole table"]
    before, now = observed.confirmed.splitlines(), observed.live.splitlines()
    lines = difflib.unified_diff(before, now, lineterm="", n=0)
    changed = [line for line in list(lines)[2:] if not line.startswith("@@")]
    return [line[0] + " " + line[1:].strip() for line in changed if line[1:].strip()]


def way_back(observed: Observed) -> str:
    """The text that is loaded when nobody confirms: what was confirmed last.

    Where that can't be read any more, the way back that is there already: what is loaded then may itself wait to be
    confirmed. Without one, what is loaded now; where there is neither, no table at all.
    """
    if observed.confirmed is not None and observed.persisted is not None:
        return observed.persisted
    return observed.kept or REMOVAL + (observed.live or "")
