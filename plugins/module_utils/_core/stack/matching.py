# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether each of several parties can have as many places as it wants, where a place serves one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Want:
    """How many places a party wants, and those that suit it."""

    count: int
    places: Sequence[str]


def crowded(wants: Sequence[Want]) -> list[int]:
    """Positions of wants that are more than the places that suit any of them; empty when all can be met at once.

    A matching that grows by one place after the other (Kuhn); where it can't grow, the wants that the search came to
    are too many for their places (Hall).
    """
    owners: dict[str, int] = {}
    for position, want in enumerate(wants):
        for _time in range(want.count):
            reached = _grown(position, wants, owners)
            if reached:
                return sorted(reached)
    return []


def _grown(first: int, wants: Sequence[Want], owners: dict[str, int]) -> list[int]:
    """Give one want a place more, moving others where that helps; the wants in its way when it can't be."""
    seekers: dict[str, int] = {}
    given_up: dict[int, str] = {}
    queue = [first]
    asked = 0
    while asked < len(queue):
        seeker = queue[asked]
        asked += 1
        for place in wants[seeker].places:
            owner = owners.get(place)
            if place in seekers or owner == seeker:
                continue
            seekers[place] = seeker
            if owner is None:
                _move(place, seekers, given_up, owners)
                return []
            if owner != first and owner not in given_up:
                given_up[owner] = place
                queue.append(owner)
    return queue


def _move(free: str, seekers: Mapping[str, int], given_up: Mapping[int, str], owners: dict[str, int]) -> None:
    """Take a free place, and pass on what is given up for it until somebody gives up nothing."""
    place: str | None = free
    while place is not None:
        owner = owners[place] = seekers[place]
        place = given_up.get(owner)
