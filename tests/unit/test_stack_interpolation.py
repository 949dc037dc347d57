# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables in stack files: what is missing, and what the docker CLI would misread (each form was tried on CLI 28)."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import interpolation
from hypothesis import given
from hypothesis import strategies as st

GIVEN = {"V": "1", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("a$$b", "a$b"),
        ("$$V", "$V"),
        ("$V", "1"),
        ("${V}-alpine", "1-alpine"),
        ("$V/x", "1/x"),
        ("$V}x", "1}x"),
        ("${N:-d}", "d"),
        ("${N-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${V:-d-e}", "1"),
        ("${N:-d-e}", "d-e"),
        ("${N:-}", ""),
        ("${V:?needed}", "1"),
        ("${EMPTY?needed}", ""),
        ("${V}${V}$$", "11$"),
    ],
)
def test_variables_are_replaced_as_the_cli_does_it(text: str, value: str) -> None:
    assert interpolation.substitute(text, GIVEN) == value


@pytest.mark.parametrize("text", ["$N", "${N}", "${N:?say}", "${N?say}", "${EMPTY:?say}"])
def test_a_missing_variable_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not defined"):
        interpolation.substitute(text, GIVEN)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("x:$V-alpine", "write ${V}-alpine"),
        ("$V:-d", "write ${V}:-d"),
        ("${V:?no-way}", "leave '-' out"),
        ("${N-a:-b}", "splits"),
        ("${N:-${V}}", "within another's default"),
        ("${V:+r}", "doesn't know the form"),
        ("${V+r}", "doesn't know the form"),
        ("$(cat /run/secrets/x)", "write $$"),
        ("5$", "write $$"),
        ("${}", "write $$"),
        ("${V", "write $$"),
        ("${V x}", "can't be read"),
        ("${HOME}", "write $${HOME} to leave it to the container"),
        ("$PATH", "write $$PATH"),
        ("${HOME:-/root}", "from the node where it runs"),
    ],
)
def test_what_the_cli_would_misread_or_refuse_is_a_problem(text: str, word: str) -> None:
    found = [reference.problem for reference in interpolation.scan(text) if reference.problem]
    assert len(found) == 1
    assert word in found[0]
    with pytest.raises(ValueError, match=r"\S"):
        interpolation.substitute(text, GIVEN)


def test_the_problem_names_variable_file_and_key_once() -> None:
    tree: dict[str, Any] = {
        "services": {"a": {"image": "app:${VERSION}", "labels": ["x=${VERSION}"]}, "b": {"hostname": "$HOST"}},
        "x-note": "${IGNORED}",
        "version": "${IGNORED}",
    }
    found = interpolation.problems(tree, {}, "stack.yml")
    assert len(found) == 2
    assert found[0].startswith("stack.yml: services.b.hostname uses $HOST, which is not in variables")
    assert found[1].startswith("stack.yml: services.a.image and 1 more uses ${VERSION}, which is not in variables")


def test_an_empty_required_variable_is_called_empty() -> None:
    found = interpolation.problems({"services": {"a": {"image": "${EMPTY:?x}"}}}, GIVEN, "s")
    assert "is empty in variables" in found[0]


def test_nothing_is_taken_from_an_environment() -> None:
    tree = {
        "services": {
            "a": {"environment": ["PATH", "X=1", "V"]},
            "b": {"environment": {"HOME": None, "Y": "", "V": None}},
        }
    }
    found = interpolation.problems(tree, GIVEN, "s")
    assert [problem.split(" has no value")[0] for problem in found] == [
        "s: services.a.environment[0]",
        "s: services.b.environment.HOME",
    ]
    assert len(interpolation.environment_problems("# c\n\nA=1\nPATH\nV\n", GIVEN, "e.env")) == 1


@given(st.text(alphabet="a$V{}:-?+ 1", max_size=30))
def test_any_text_is_scanned_and_an_escaped_text_comes_back(text: str) -> None:
    interpolation.scan(text)
    assert interpolation.substitute(interpolation.escape(text), {}) == text
    assert interpolation.scan(interpolation.escape(text)) == ()


@given(
    st.recursive(
        st.text(alphabet="a$") | st.integers() | st.none(), lambda t: st.lists(t) | st.dictionaries(st.text(), t)
    )
)
def test_escaping_doubles_every_dollar_of_every_value_and_nothing_else(tree: Any) -> None:
    escaped = interpolation.escape(tree)
    before, after = dict(interpolation.strings(tree)), dict(interpolation.strings(escaped))
    assert {path: text.replace("$", "$$") for path, text in before.items()} == after


def test_a_tree_with_its_variables_replaced() -> None:
    tree = {"a": ["${V}", 1, None], "$V": {"b": "$$V ${MISSING}", "c": "${V:-x}$$"}}
    assert interpolation.replaced(tree, GIVEN) == {"a": ["1", 1, None], "$V": {"b": "$$V ${MISSING}", "c": "1$"}}
