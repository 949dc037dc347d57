# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is backed up, as it is declared: every mistake is named with its key and its mend."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import jobs
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from hypothesis import given
from hypothesis import strategies as st

DATABASE = {"name": "shop-db", "kind": "postgres", "service": "shop_postgres", "user": "shop"}
CACHE = {"name": "shop-cache", "kind": "redis", "service": "shop_redis"}
UPLOADS = {"name": "uploads", "kind": "volume", "volume": "shop_uploads"}
ETC = {"name": "etc", "kind": "files", "paths": ["/etc/docker"]}
VALID = (DATABASE, CACHE, UPLOADS, ETC)


def refused(items: Any) -> tuple[str, ...]:
    """The problems of a declaration that is not taken."""
    with pytest.raises(DeclarationError) as error:
        jobs.parse(items, raft=True)
    return error.value.problems


def test_a_job_has_every_key_of_its_kind() -> None:
    parsed = jobs.parse(VALID, raft=True)
    assert [job.as_dict() for job in parsed] == [
        {**DATABASE, "database": "shop", "query": "SELECT count(*) FROM pg_tables", "max_age": 26},
        {**CACHE, "password_file": "", "max_age": 26},
        {**UPLOADS, "consistency": "paused", "max_age": 26},
        {**ETC, "hosts": "all", "max_age": 26},
        {"name": "definition", "kind": "definition", "max_age": 26},
        {"name": "raft", "kind": "raft", "max_age": 26},
    ]


def test_what_is_declared_is_taken() -> None:
    item = {**DATABASE, "database": "shop_2", "query": "SELECT 1\n+ 1", "max_age": 3}
    assert jobs.parse([item], raft=False)[0].as_dict() == item


def test_a_key_that_is_left_empty_is_not_there() -> None:
    assert jobs.parse([{**DATABASE, "database": None, "max_age": None}], raft=False) == jobs.parse([DATABASE], False)
    assert refused([{**UPLOADS, "volume": None}]) == (
        "swarm_backup_items: uploads: volume: it is missing: name the volume as the engine does (STACK_VOLUME)",
    )


def test_without_the_raft_state_the_definition_is_still_exported() -> None:
    assert [job.name for job in jobs.parse([], raft=False)] == ["definition"]


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (
            {**DATABASE, "name": "Shop"},
            "swarm_backup_items: Shop: name: 'Shop' can't be one: write at most 64 lower-case",
        ),
        ({**DATABASE, "name": "-shop"}, "swarm_backup_items: -shop: name: '-shop' can't be one"),
        ({**DATABASE, "name": "shop\n"}, "swarm_backup_items: shop\n: name: "),
        ({**DATABASE, "name": "a" * 65}, "swarm_backup_items: %s: name: " % ("a" * 65)),
        ({**DATABASE, "name": None}, "swarm_backup_items[0]: name: it is missing: write"),
        ({**DATABASE, "name": 7}, "swarm_backup_items[0]: name: 7 can't be one"),
        ({**DATABASE, "name": "all"}, "swarm_backup_items: all: name: all is kept for what every swarm has: choose"),
        ({**DATABASE, "name": "definition"}, "swarm_backup_items: definition: name: definition is kept"),
        ({"name": "x"}, "swarm_backup_items: x: kind: it is missing: write one of postgres, redis, volume, files"),
        ({"name": "x", "kind": "raft"}, "swarm_backup_items: x: kind: 'raft' can't be one: write one of postgres"),
        ({"name": "x", "kind": ["redis"]}, "swarm_backup_items: x: kind: ['redis'] can't be one"),
        (
            {**CACHE, "pasword_file": "/a"},
            "swarm_backup_items: shop-cache: pasword_file: it is no key of this kind: redis",
        ),
        ({**CACHE, "max_age": "26"}, "swarm_backup_items: shop-cache: max_age: '26' is no number of hours"),
        ({**CACHE, "max_age": True}, "swarm_backup_items: shop-cache: max_age: True is no number"),
        ({**CACHE, "max_age": 0}, "swarm_backup_items: shop-cache: max_age: 0 is no number"),
        ({"name": "x", "kind": "redis"}, "swarm_backup_items: x: service: it is missing: name the service"),
        (
            {**CACHE, "service": "-shop"},
            "swarm_backup_items: shop-cache: service: '-shop' can't be one: name the service",
        ),
        ({**CACHE, "password_file": "run/x"}, "swarm_backup_items: shop-cache: password_file: 'run/x' can't be one"),
        (
            {**DATABASE, "database": "--file=/x"},
            "swarm_backup_items: shop-db: database: '--file=/x' can't be one: name",
        ),
        ({**DATABASE, "database": "host=x password=y"}, "swarm_backup_items: shop-db: database: "),
        ({**DATABASE, "database": "postgres://u:p@h/d"}, "swarm_backup_items: shop-db: database: "),
        ({**DATABASE, "user": ""}, "swarm_backup_items: shop-db: user: '' can't be one: name the database's user"),
        ({**DATABASE, "query": " "}, "swarm_backup_items: shop-db: query: ' ' can't be one: write a query"),
        ({**DATABASE, "query": "--help"}, "swarm_backup_items: shop-db: query: "),
        ({**UPLOADS, "volume": "/srv"}, "swarm_backup_items: uploads: volume: '/srv' can't be one: name the volume"),
        (
            {**UPLOADS, "consistency": "quiet"},
            "swarm_backup_items: uploads: consistency: 'quiet' can't be one: write one",
        ),
        ({**UPLOADS, "consistency": ["crash"]}, "swarm_backup_items: uploads: consistency: ['crash'] can't be one"),
        ({**ETC, "paths": []}, "swarm_backup_items: etc: paths: [] can't be one: write a list of absolute paths"),
        ({**ETC, "paths": "/etc"}, "swarm_backup_items: etc: paths: '/etc' can't be one"),
        ({**ETC, "paths": ["/etc", "srv"]}, "swarm_backup_items: etc: paths: "),
        ({**ETC, "paths": ["/etc/../root"]}, "swarm_backup_items: etc: paths: "),
        ({**ETC, "paths": [7]}, "swarm_backup_items: etc: paths: "),
        (
            {**ETC, "hosts": "swarm_managers"},
            "swarm_backup_items: etc: hosts: 'swarm_managers' can't be one: write one of",
        ),
        ("shop", "swarm_backup_items[0]: it is no dictionary"),
    ],
)
def test_a_mistake_is_named_with_its_item_its_key_and_its_mend(item: Any, said: str) -> None:
    (problem,) = refused([item])
    assert problem.startswith(said)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    problems = refused([{"name": "A", "kind": "volume", "max_age": -1, "x": 1}, {"name": "b"}, DATABASE, DATABASE])
    assert [problem.split(": ")[1:3] for problem in problems] == [
        ["A", "name"],
        ["A", "max_age"],
        ["A", "x"],
        ["A", "volume"],
        ["b", "kind"],
        ["shop-db", "name"],
    ]


@pytest.mark.parametrize("items", ["shop", {"name": "shop"}, None, 7])
def test_a_declaration_that_is_no_list_is_refused(items: Any) -> None:
    assert refused(items) == ("swarm_backup_items is not a list: write a list of jobs, each with name and kind",)


@given(st.lists(st.sampled_from(VALID), unique_by=lambda item: str(item["name"])), st.booleans())
def test_jobs_survive_their_settings_and_parsing_changes_nothing(items: list[dict[str, Any]], raft: bool) -> None:
    before = copy.deepcopy(items)
    parsed = jobs.parse(items, raft)
    assert items == before
    assert tuple(jobs.Job.from_dict(job.as_dict()) for job in parsed) == parsed
    assert jobs.parse([job.as_dict() for job in parsed[: len(items)]], raft) == parsed


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.sampled_from(["postgres", "redis", "volume", "files", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = ("name", "kind", "service", "user", "database", "query", "paths", "hosts", "volume", "consistency", "max_age")


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), ANYTHING), max_size=3))
def test_whatever_stands_in_an_inventory_is_parsed_or_refused(items: list[dict[str, Any]]) -> None:
    problems: tuple[str, ...] = ()
    parsed: tuple[jobs.Job, ...] = ()
    try:
        parsed = jobs.parse(items, raft=True)
    except DeclarationError as error:
        problems = error.problems
    assert problems or len(parsed) == len(items) + 2
    assert all(problem.startswith("swarm_backup_items") for problem in problems)
