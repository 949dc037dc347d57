# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Staying with a swarm that gives no answer for a moment."""

from __future__ import annotations

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import (
    EngineError,
    EngineUnreachable,
    NoQuorum,
    StaleVersion,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.patience import patiently
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock


class Answers:
    """Raises one error after the other, and answers at last."""

    def __init__(self, *errors: EngineError) -> None:
        self.errors = list(errors)
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def test_an_answer_is_given_at_once() -> None:
    clock = Clock()
    assert patiently(Answers(), clock, clock.sleep) == "answer"
    assert clock.now == 0


def test_no_answer_is_asked_for_again() -> None:
    clock, answers = Clock(), Answers(NoQuorum("a"), EngineUnreachable("b"))
    assert patiently(answers, clock, clock.sleep) == "answer"
    assert (answers.asked, clock.now) == (3, 2)


def test_the_last_refusal_is_raised_at_the_deadline() -> None:
    clock, answers = Clock(), Answers(*(NoQuorum(str(number)) for number in range(100)))
    with pytest.raises(NoQuorum, match=r"^4$"):
        patiently(answers, clock, clock.sleep, deadline=3.5)
    assert (answers.asked, clock.now) == (5, 3.5)


def test_a_refusal_that_is_an_answer_is_raised_at_once() -> None:
    clock, answers = Clock(), Answers(NoQuorum("a"), StaleVersion("b"))
    with pytest.raises(StaleVersion):
        patiently(answers, clock, clock.sleep)
    assert answers.asked == 2
