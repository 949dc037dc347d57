# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading YAML that others wrote, within bounds."""

from __future__ import annotations

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils import _stack_yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import tree as document

_ALIASES = "".join("a%d: &a%d [%s]\n" % (k, k, ", ".join(["*a%d" % (k - 1)] * 10)) for k in range(1, 10))
_MERGES = "".join("a%d: &a%d {<<: [%s]}\n" % (k, k, ", ".join(["*a%d" % (k - 1)] * 10)) for k in range(1, 10))


def test_sources_keep_every_plain_scalar_as_it_is_written() -> None:
    text = "a: &a {on: yes, octal: 010, n: , version: 1.10, day: 2001-01-01, eq: =}\nb: {<<: *a, on: no}"
    read = _stack_yaml.load_source(text)
    assert read["a"] == {
        "on": "yes",
        "octal": "010",
        "n": None,
        "version": "1.10",
        "day": "2001-01-01",
        "eq": "=",
    }
    assert read["b"]["on"] == "no"
    assert read["b"]["octal"] == "010"


def test_the_normal_form_is_typed_by_the_rules_that_its_writer_quotes_for() -> None:
    text = 'ratio: 1e-05\nmode: 288\nyes: true\nquoted: "1"\neq: =\nday: 2001-01-01\nhalf: .5\nnothing: null\n"n": no'
    assert _stack_yaml.load_normal(text) == {
        "ratio": 1e-05,
        "mode": 288,
        "yes": True,
        "quoted": "1",
        "eq": "=",
        "day": "2001-01-01",
        "half": 0.5,
        "nothing": None,
        "n": "no",
    }


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a0: &a0 [%s]\n" % ", ".join("x" * 10) + _ALIASES, "stand for more than"),
        ("a0: &a0 {x: 1}\n" + _MERGES, "not valid YAML"),
        ("a: &a [*a]", "holds itself"),
        ("a: &a {b: *a}", "holds itself"),
        ("[" * 600, "nested too deeply"),
        ("- " * 50_000, "nested too deeply"),
        ("a: b: c", "line 1"),
        ("a: [", "not valid YAML"),
        ("a: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("a: \x07", "not valid YAML"),
        ("x" * (_stack_yaml.MAX_BYTES + 1), "larger than"),
    ],
)
def test_bad_documents_are_refused_with_a_sentence(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        _stack_yaml.load_source(text)


def test_a_document_is_measured_with_its_aliases_written_out() -> None:
    shared = [1, 2, 3]
    assert document.measure({"a": shared, "b": shared}) == 9
    with pytest.raises(ValueError, match="more than 8"):
        document.measure({"a": shared, "b": shared}, 8)
