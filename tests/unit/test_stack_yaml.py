# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading YAML that others wrote, within bounds."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils import _stack_yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import tree as document

_ALIASES = "".join("a%d: &a%d [%s]\n" % (k, k, ", ".join(["*a%d" % (k - 1)] * 10)) for k in range(1, 10))
_WIDE = "a: &a {%s}\n" % ", ".join("k%d: 1" % k for k in range(9000)) + "".join(
    "m%d: {<<: *a}\n" % k for k in range(99)
)
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
        ("a0: &a0 {x: 1}\n" + _MERGES, "merge keys stand for too many values"),
        (_WIDE, "merge keys stand for too many values"),
        ("- a\n" * 500_000, "more than 200000 values"),
        ("a: &a [*a]", "holds itself"),
        ("a: &a {b: *a}", "holds itself"),
        ("[" * 600, "nested too deeply"),
        ("- " * 50_000, "nested too deeply"),
        ("a: b: c", "line 1"),
        ("a: [", "not valid YAML"),
        ("a: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("a: \x07", "no text: YAML allows no control characters"),
        ("\x7fELF\x02\x01\0\0", "no text"),
        ("a:\n\tb: c", "at line 2: a tab can't indent: write spaces"),
        ("a:\n  - b\n \t- c", "at line 3: a tab can't indent: write spaces"),
        ("a: 1\n---\nb: 2", "several YAML documents; a second one begins at line 2: write each into a file of its own"),
        ("a:\n  b: 1\n  c: 2\n  'b': 3", "the key b is there twice, at line 2 and line 4: remove one of them"),
        ("a: &x 1\nb: &x 2", "defined a second time at line 2: give that one another name"),
        ("a: *x", "line 1: found undefined alias"),
        ("? [a]\n: b", "line 1"),
        ("x" * (_stack_yaml.MAX_BYTES + 1), "larger than"),
    ],
)
def test_bad_documents_are_refused_with_a_sentence(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        _stack_yaml.load_source(text)


def test_several_merge_keys_add_up() -> None:
    read = _stack_yaml.load_source("x: &x {a: 1}\ny: &y {b: 2}\nz:\n  <<: *x\n  <<: *y\n  c: 3")
    assert read["z"] == {"a": "1", "b": "2", "c": "3"}


def test_without_the_parser_in_c_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_stack_yaml.yaml, "CSafeLoader")
    assert _stack_yaml.load_source("a: &a {on: yes}\nb: {<<: *a}") == {"a": {"on": "yes"}, "b": {"on": "yes"}}
    for text in ("[" * 600, "a0: &a0 {x: 1}\n" + _MERGES, "a: 1\na: 2", "a: \x07", "a: 1\n---\nb: 2"):
        with pytest.raises(ValueError, match=r"deeply|merge keys|twice|no text|several"):
            _stack_yaml.load_source(text)


def test_a_large_stack_is_read_in_a_moment() -> None:
    service = "  s%d:\n    image: app:1\n    environment:\n" + "".join("      V%d: value\n" % k for k in range(90))
    started = time.process_time()
    read = _stack_yaml.load_source("services:\n" + "".join(service % number for number in range(300)))
    assert len(read["services"]) == 300
    assert time.process_time() - started < (2 if hasattr(_stack_yaml.yaml, "CSafeLoader") else 30)


def test_a_document_is_measured_with_its_aliases_written_out() -> None:
    shared = [1, 2, 3]
    assert document.measure({"a": shared, "b": shared}) == 9
    with pytest.raises(ValueError, match="more than 8"):
        document.measure({"a": shared, "b": shared}, 8)


@pytest.mark.parametrize("load", [_stack_yaml.load_source, _stack_yaml.load_normal])
def test_a_merge_mark_as_a_value_is_text(load: Any) -> None:
    assert load("a: <<\nb: [<<]\nc:\n  <<: {d: x}\n") == {"a": "<<", "b": ["<<"], "c": {"d": "x"}}
