# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's names, and versions read back from them exactly."""

from __future__ import annotations

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, naming
from hypothesis import given
from hypothesis import strategies as st

LOGICAL = st.from_regex(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,30}[a-zA-Z0-9])?", fullmatch=True)
VERSIONS = st.integers(min_value=1, max_value=10**9)


def _labels(logical: str, version: str) -> dict[str, str]:
    return {labels.NAME: logical, labels.VERSION: version}


@given(LOGICAL, VERSIONS)
def test_what_is_written_is_read_back(logical: str, version: int) -> None:
    name = naming.VersionedName(logical, version)
    assert naming.parse(str(name), _labels(logical, str(version))) == name


@given(LOGICAL, VERSIONS, LOGICAL, VERSIONS)
def test_two_objects_have_one_name_only_when_they_are_one(a: str, m: int, b: str, n: int) -> None:
    first, second = naming.VersionedName(a, m), naming.VersionedName(b, n)
    assert (str(first) == str(second)) == (first == second)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("db_vault_v1", _labels("db", "1")),  # a prefix is no proof
        ("db_v1", {}),
        ("db_v1", {labels.NAME: "db"}),
        ("db_v1", {labels.VERSION: "1"}),
        ("db_v1", _labels("db", "2")),
        ("db_v01", _labels("db", "01")),
        ("db_v0", _labels("db", "0")),
        ("db_v-1", _labels("db", "-1")),
        ("db_v1\n", _labels("db", "1\n")),
        ("db_v\u0661", _labels("db", "\u0661")),
        ("DB_v1", _labels("db", "1")),
        ("db_v" + "9" * 5000, _labels("db", "9" * 5000)),
    ],
)
def test_a_name_is_not_ours_unless_labels_and_name_agree(name: str, found: dict[str, str]) -> None:
    assert naming.parse(name, found) is None


@given(LOGICAL, VERSIONS)
def test_a_name_claims_what_was_written_into_it_and_nothing_else(logical: str, version: int) -> None:
    name = naming.VersionedName(logical, version)
    assert naming.claimed(str(name)) == name
    assert naming.claimed("%s_v1" % name) == naming.VersionedName(str(name), 1)


@pytest.mark.parametrize("name", ["db", "db_v", "db_v0", "db_v01", "db_vault", "db_v1x", "_v1", "db_v\u0661", "db-v1"])
def test_a_name_that_claims_nothing(name: str) -> None:
    assert naming.claimed(name) is None


def test_what_the_swarm_takes_for_a_version_claims_to_be_one() -> None:
    assert naming.claimed("DB_V2") == naming.VersionedName("DB", 2)


def test_an_object_without_labels_is_not_ours() -> None:
    assert naming.parse("db_v1", None) is None


@pytest.mark.parametrize("name", ["a", "A9", "a-b_c.d", "db_vault_v1", "x" * 61])
def test_good_data_names(name: str) -> None:
    assert naming.data_name_problem(name) is None


@pytest.mark.parametrize("name", ["", "-a", "a-", ".a", "a.", "_a", "a b", "a/b", "ä", "a\n", None, 7, ["a"]])
def test_bad_data_names(name: object) -> None:
    problem = naming.data_name_problem(name)
    assert problem is not None
    assert "can't be a name" in problem


def test_the_version_counts_in_the_length() -> None:
    assert naming.data_name_problem("x" * 61, 9) is None
    problem = naming.data_name_problem("x" * 61, 10)
    assert problem is not None
    assert "has 65 characters with its version" in problem


def test_a_long_bad_name_is_refused_at_once() -> None:
    assert naming.data_name_problem("a" * 50_000 + "!")
    assert naming.network_name_problem("a" * 50_000 + "!")


@pytest.mark.parametrize("name", ["a", "backend-network", "a_b", "x" * 63])
def test_good_network_names(name: str) -> None:
    assert naming.network_name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a.b", "can't be a name"),
        ("-a", "can't be a name"),
        ("", "can't be a name"),
        (None, "can't be a name"),
        ("x" * 64, "has 64 characters"),
        ("ingress", "the engine's own"),
        ("Bridge", "the engine's own"),
    ],
)
def test_bad_network_names(name: object, why: str) -> None:
    assert why in (naming.network_name_problem(name) or "")


def test_duplicates_are_found_as_the_swarm_compares_names() -> None:
    assert naming.duplicates(["b", "a", "B", "c", "b"]) == ["b"]
    assert naming.duplicates(["a", "b"]) == []


def test_a_place_is_told_with_the_name_when_there_is_one() -> None:
    assert naming.place("secrets", 2, "jwt_secret") == "secrets[2] (jwt_secret)"
    assert naming.place("secrets", 0, None) == "secrets[0]"


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ("tier", "labels is not a dictionary of label names and values"),
        ({"on": True}, 'labels.on is the boolean true, not a string: write it in quotes, "true"'),
        ({"port": 80}, 'labels.port is the number 80, not a string: write it in quotes, "80"'),
        ({"ratio": 0.5}, 'labels.ratio is the number 0.5, not a string: write it in quotes, "0.5"'),
        ({"a": None}, 'labels.a is empty, not a string: write "" for an empty value'),
        ({"a": ["b"]}, "labels.a is a list, not a string"),
        ({"a": {}}, "labels.a is a dictionary or object, not a string"),
        ({1: "a"}, "labels: 1 is no label name: a string without spaces, ',' and '='"),
        ({"a,b": "c"}, "labels: 'a,b' is no label name: a string without spaces, ',' and '='"),
        ({"flotilla.swarm.owner": "me"}, "that begin with flotilla.swarm. are this collection's own"),
    ],
)
def test_bad_labels_are_told_with_their_mend(declared: object, problem: str) -> None:
    problems = labels.problems(declared, "labels")
    assert len(problems) == 1
    assert problem in problems[0]


def test_good_labels() -> None:
    assert labels.problems({"a": "", "traefik.http.routers.x/y": "b c, d = e"}, "labels") == []
