# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parties that want places, each of which serves one of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import matching
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack.matching import Want
from hypothesis import given
from hypothesis import strategies as st

PLACES = "abcde"
WANTS = st.lists(st.builds(Want, st.integers(0, 3), st.lists(st.sampled_from(PLACES), unique=True)), max_size=4)


@pytest.mark.parametrize(
    ("wants", "crowded"),
    [
        ([], []),
        ([Want(0, "")], []),
        ([Want(1, "")], [0]),
        ([Want(2, "ab"), Want(1, "c")], []),
        # The first has to make way for the second.
        ([Want(1, "ab"), Want(1, "a")], []),
        ([Want(2, "abc"), Want(1, "a"), Want(1, "b")], [0, 1, 2]),
        ([Want(1, "abc"), Want(1, "a"), Want(1, "b")], []),
        # The last two are too many, whatever the first does.
        ([Want(1, "abc"), Want(1, "d"), Want(1, "d")], [1, 2]),
    ],
)
def test_wants(wants: list[Want], crowded: list[int]) -> None:
    assert matching.crowded(wants) == crowded


def can_be_met(wants: Sequence[Want]) -> bool:
    """By trying everything."""
    seats = [want.places for want in wants for _time in range(want.count)]
    return any(len(set(chosen)) == len(chosen) for chosen in itertools.product(*seats))


@given(WANTS)
def test_crowded_wants_are_those_that_can_not_be_met(wants: list[Want]) -> None:
    crowded = [wants[position] for position in matching.crowded(wants)]
    assert can_be_met(wants) is not bool(crowded)
    if crowded:
        places = {place for want in crowded for place in want.places}
        assert sum(want.count for want in crowded) > len(places)
