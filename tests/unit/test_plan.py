# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan: what it shows, what it hides, and how steps that touch one object twice are told."""

from __future__ import annotations

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import (
    CREATE,
    REMOVE,
    UPDATE,
    Difference,
    Plan,
    Step,
)


def test_a_plan_is_true_when_it_has_steps_whatever_it_warns_about() -> None:
    assert not Plan()
    assert not Plan(warnings=("seen",))
    assert Plan((Step(CREATE, "secret", "a_v1"),))


def test_the_diff_shows_what_is_before_and_after() -> None:
    plan = Plan(
        (
            Step(CREATE, "secret", "a_v1", (Difference("version", None, 1),)),
            Step(UPDATE, "node", "w1", (Difference("labels.tier", None, "cache"),)),
            Step(REMOVE, "network", "old", (Difference("subnet", "10.0.0.0/24", None),)),
        )
    )
    assert plan.diff() == {
        "before": {"node w1": {"labels.tier": None}, "network old": {"subnet": "10.0.0.0/24"}},
        "after": {"secret a_v1": {"version": 1}, "node w1": {"labels.tier": "cache"}},
    }


def test_the_diff_of_an_object_that_was_touched_twice_goes_from_the_first_to_the_last() -> None:
    plan = Plan(
        (
            Step(UPDATE, "node", "w1", (Difference("availability", "active", "pause"),)),
            Step(UPDATE, "node", "w1", (Difference("availability", "pause", "drain"),)),
        )
    )
    assert plan.diff() == {
        "before": {"node w1": {"availability": "active"}},
        "after": {"node w1": {"availability": "drain"}},
    }


def test_the_list_holds_everything_but_the_payload() -> None:
    step = Step(CREATE, "secret", "a_v1", (Difference("version", None, 1),), {"data": b"hush"})
    assert Plan((step,)).as_list() == [
        {
            "action": "create",
            "kind": "secret",
            "name": "a_v1",
            "differences": [{"field": "version", "before": None, "after": 1}],
        }
    ]
    assert "hush" not in repr(Plan((step,)))


def test_an_action_is_one_of_three() -> None:
    with pytest.raises(ValueError, match="unknown action 'replace'"):
        Step("replace", "network", "a")


def test_a_declaration_error_names_every_problem() -> None:
    error = DeclarationError("a is wrong", "b is missing")
    assert error.problems == ("a is wrong", "b is missing")
    assert str(error) == "a is wrong; b is missing"
    with pytest.raises(ValueError, match="at least one"):
        raise DeclarationError()
