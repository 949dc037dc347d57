# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The .env file beside a stack file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import dotenv
from ansible_collections.flotilla.swarm.plugins.plugin_utils import stack_files
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("export A = 1", "1"),
        ("A=", ""),
        ("A= # nothing", ""),
        ("A=x y # why", "x y"),
        ("A=x#y", "x#y"),
        ("A='it costs $5 # or so' # really", "it costs $5 # or so"),
        ('A="two words"', "two words"),
        ("A=a=b", "a=b"),
    ],
)
def test_a_line_gives_a_value(line: str, value: str) -> None:
    assert dotenv.read("# first\n\n%s\r\n" % line) == ({"A": value}, [])


@pytest.mark.parametrize("line", ["A", "1A=x", "A=$B", 'A="$B"', "A=x\\n", "A='x", "A='x' y", 'A="a\\"b"', "A-B=c"])
def test_a_line_that_others_read_otherwise_is_named(line: str) -> None:
    found, problems = dotenv.read("OK=1\n" + line)
    assert found == {"OK": "1"}
    assert [problem.startswith(".env, line 2 can't be read: write NAME=value") for problem in problems] == [True]


@given(st.text(st.characters(exclude_characters="'", exclude_categories=["Cc", "Cs", "Zl", "Zp"])))
def test_what_stands_in_single_quotes_is_taken_as_it_is(text: str) -> None:
    assert dotenv.read("A='%s'" % text) == ({"A": text}, [])


def gathered(folder: Path, env: str, given_: Mapping[str, str], text: str = "") -> stack_files.Gathered:
    stack = folder / "stack.yml"
    stack.write_text(text or "services: {a: {image: 'x:${VERSION}'}}", encoding="utf-8")
    (folder / ".env").write_text(env, encoding="utf-8")
    return stack_files.gather([str(stack)], given_, lambda path: path)


def test_it_gives_what_the_play_does_not(tmp_path: Path) -> None:
    assert gathered(tmp_path, "VERSION=1\nPASSWORD=secret\n", {}).variables == {"VERSION": "1"}
    found = gathered(tmp_path, "VERSION=1\n", {"VERSION": "2", "MORE": "3"})
    assert (found.variables, found.problems) == ({"VERSION": "2", "MORE": "3"}, ())


def test_what_is_wrong_with_it_is_a_problem_before_anything_is_sent(tmp_path: Path) -> None:
    (problem, *_more) = gathered(tmp_path, "VERSION=$OTHER\n", {}).problems
    assert ".env, line 1" in problem


def test_names_that_a_variable_can_not_have_are_refused_there_too(tmp_path: Path) -> None:
    found = gathered(tmp_path, "HOME=/srv\n", {}, "services: {a: {image: 'x:${HOME}'}}")
    assert any("HOME" in problem for problem in found.problems)


def test_without_one_nothing_is_missing(tmp_path: Path) -> None:
    stack = tmp_path / "stack.yml"
    stack.write_text("services: {a: {image: x}}", encoding="utf-8")
    assert stack_files.gather([str(stack)], {}, lambda path: path).problems == ()
