# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of secrets and configs."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, labels, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import digest_key
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import Outcome, converge
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from hypothesis import given
from hypothesis import strategies as st

OWNER = "flotilla"
KEY = digest.Key(b"k" * 32)
KINDS = (versioned.SECRET, versioned.CONFIG)

NAMES = ("db", "db_v1", "db_vault_v1", "jwt.key", "Z")
LABELS = st.none() | st.dictionaries(st.sampled_from(("a", "b")), st.sampled_from(("", "1", "2")))
DATA = st.binary(min_size=1, max_size=3)
DECLARED = st.dictionaries(st.sampled_from(NAMES), st.tuples(DATA, LABELS), max_size=4).map(
    lambda found: tuple(versioned.Item(name, data, found_labels) for name, (data, found_labels) in found.items())
)
HISTORIES = st.lists(DECLARED, min_size=1, max_size=4)


def read(
    engine: Engine, kind: versioned.Kind = versioned.SECRET, key: digest.Key | None = KEY
) -> versioned.Observation:
    objects = engine.secrets() if kind is versioned.SECRET else engine.configs()
    return versioned.Observation(objects, digest_key.read(engine, key), engine.services())


def bring(
    engine: Engine,
    items: Sequence[versioned.Item],
    kind: versioned.Kind = versioned.SECRET,
    owner: str = OWNER,
    prune: bool = False,
    key: digest.Key | None = KEY,
) -> Outcome[versioned.Decision]:
    return converge(
        lambda source: read(source, kind, key), lambda seen: versioned.plan(kind, items, seen, owner, prune), engine
    )


def item(name: str, data: bytes, **more: Any) -> versioned.Item:
    return versioned.Item(name, data, **more)


def names(engine: MemoryEngine) -> list[str]:
    return sorted(secret["Spec"]["Name"] for secret in engine.secrets())


def service(name: str, *secrets: Mapping[str, Any]) -> dict[str, Any]:
    references = [{"SecretID": s["ID"], "SecretName": s["Spec"]["Name"]} for s in secrets]
    return {"Name": name, "TaskTemplate": {"ContainerSpec": {"Image": "app:1", "Secrets": references}}}


def secret(engine: MemoryEngine, name: str) -> dict[str, Any]:
    return next(found for found in engine.secrets() if found["Spec"]["Name"] == name)


class TestProperties:
    @given(st.sampled_from(KINDS), HISTORIES, st.booleans())
    def test_a_second_plan_is_empty(
        self, kind: versioned.Kind, history: list[tuple[versioned.Item, ...]], prune: bool
    ) -> None:
        engine = MemoryEngine()
        for items in history:
            outcome = bring(engine, items, kind, prune=prune, key=None)
        again = versioned.plan(kind, history[-1], read(engine, kind, None), OWNER, prune)
        assert not again.plan
        assert again.current == {
            name: {**entry, "id": outcome.id_of(kind.name, entry["name"], entry["id"])}
            for name, entry in outcome.decision.current.items()
        }

    @given(HISTORIES, DECLARED, st.booleans(), st.randoms(use_true_random=False))
    def test_input_is_not_changed_and_its_order_does_not_matter(
        self, history: list[tuple[versioned.Item, ...]], items: tuple[versioned.Item, ...], prune: bool, random: Any
    ) -> None:
        engine = MemoryEngine()
        for earlier in history:
            bring(engine, earlier)
        seen = read(engine)
        kept = copy.deepcopy((items, seen))
        first = versioned.plan(versioned.SECRET, items, seen, OWNER, prune)
        assert (items, seen) == kept
        shuffled = versioned.Observation(random.sample(seen.objects, len(seen.objects)), seen.key, seen.services)
        second = versioned.plan(versioned.SECRET, random.sample(items, len(items)), shuffled, OWNER, prune)
        assert first == second
        assert [step.payload for step in first.plan] == [step.payload for step in second.plan]

    @given(HISTORIES)
    def test_what_is_not_ours_is_never_touched(self, history: list[tuple[versioned.Item, ...]]) -> None:
        engine = MemoryEngine()
        for name in ("db_v1x", "db_vault", "other_v1"):
            engine.create_secret(name, b"theirs", {})
        bring(engine, (item("foreign", b"1"),), owner="other")
        before = [found for found in engine.secrets() if not labels.owned_by(found["Spec"]["Labels"], OWNER)]
        for items in history:
            bring(engine, items, prune=True)
        assert before == [found for found in engine.secrets() if not labels.owned_by(found["Spec"]["Labels"], OWNER)]

    @given(st.lists(DATA, min_size=1, max_size=5))
    def test_versions_only_rise(self, values: list[bytes]) -> None:
        engine = MemoryEngine()
        versions = [
            bring(engine, (item("db", value),), prune=True).decision.current["db"]["version"] for value in values
        ]
        changes = sum(1 for one, other in pairwise(values) if one != other)
        assert versions == sorted(versions)
        assert versions[-1] == 1 + changes

    @given(st.binary(min_size=12, max_size=40), st.binary(min_size=12, max_size=40), st.sampled_from(KINDS))
    def test_no_byte_of_a_value_is_shown(self, one: bytes, other: bytes, kind: versioned.Kind) -> None:
        engine = MemoryEngine()
        key = digest.Key(b"\x01secret key\x02" * 4)
        bring(engine, (item("a", one), item("b", one)), kind, key=key)
        items = (item("a", other, labels={"x": "y"}), item("b", one, labels={"x": "y"}), item("c", one))
        seen = read(engine, kind, key)
        decision = versioned.plan(kind, items, seen, OWNER)
        plan = decision.plan
        shown = [
            repr(plan),
            json.dumps(plan.as_list()),
            json.dumps(plan.diff()),
            repr(decision),
            repr(items),
            repr(seen.key),
        ]
        for value in (one, other, key.value):
            for form in forms(value):
                assert not any(form in text for text in shown)


def forms(value: bytes) -> list[str]:
    """How a value, or a hash of it that needs no key, could stand in a text."""
    hashed = [
        hashlib.new(name, value, usedforsecurity=False).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")
    ]
    return [value.hex(), base64.b64encode(value).decode(), repr(value)[2:-1], value.decode("latin-1"), *hashed]


class TestPlan:
    def test_the_first_version(self, engine: MemoryEngine) -> None:
        decision = versioned.plan(versioned.SECRET, (item("db", b"1", labels={"a": "b"}),), read(engine), OWNER)
        (step,) = decision.plan
        assert step.as_dict() == {
            "action": "create",
            "kind": "secret",
            "name": "db_v1",
            "differences": [
                {"field": "version", "before": None, "after": 1},
                {"field": "value", "before": None, "after": "(not shown)"},
                {"field": "labels", "before": None, "after": {"a": "b"}},
            ],
        }
        assert step.payload == {
            "data": b"1",
            "labels": {
                "a": "b",
                labels.OWNER: "flotilla",
                labels.NAME: "db",
                labels.VERSION: "1",
                labels.DIGEST: digest.digest(KEY, "secret", "db", b"1"),
            },
        }
        assert decision.current == {"db": {"name": "db_v1", "id": None, "version": 1}}

    def test_a_changed_value_is_the_next_version_and_the_old_one_stays(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db", b"1"),))
        outcome = bring(engine, (item("db", b"2"),))
        assert names(engine) == ["db_v1", "db_v2"]
        assert outcome.plan.as_list()[0]["differences"] == [
            {"field": "version", "before": 1, "after": 2},
            {"field": "value", "before": "(not shown)", "after": "(not shown, changed)"},
        ]
        assert outcome.ids == {("secret", "db_v2"): secret(engine, "db_v2")["ID"]}

    def test_an_earlier_value_that_comes_back_is_a_new_version(self, engine: MemoryEngine) -> None:
        for value in (b"1", b"2", b"1"):
            bring(engine, (item("db", value),))
        assert names(engine) == ["db_v1", "db_v2", "db_v3"]

    def test_versions_are_numbers_not_texts(self, engine: MemoryEngine) -> None:
        for number in range(11):
            bring(engine, (item("db", b"%d" % number),))
        assert bring(engine, (item("db", b"last"),)).decision.current["db"]["version"] == 12

    def test_prefix_neighbours_are_strangers(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db_vault_v1", b"vault"), item("db_vault", b"other")))
        bring(engine, (item("db", b"1"),))
        bring(engine, (item("db", b"2"),), prune=True)
        assert names(engine) == ["db_v2", "db_vault_v1", "db_vault_v1_v1"]

    @pytest.mark.parametrize("value", [b"\x00\xff", b"a\r\nb\r\n", b"a\n", b" ", b"0123"])
    def test_values_are_kept_exactly(self, engine: MemoryEngine, value: bytes) -> None:
        bring(engine, (item("c", value),), versioned.CONFIG)
        (config,) = engine.configs()
        assert base64.b64decode(config["Spec"]["Data"]) == value

    def test_a_trailing_newline_is_a_change(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db", b"1"),))
        assert bring(engine, (item("db", b"1\n"),)).decision.current["db"]["version"] == 2

    def test_labels_change_in_place(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db", b"1", labels={"a": "1", "b": ""}),))
        outcome = bring(engine, (item("db", b"1", labels={"a": "2"}),))
        assert outcome.plan.as_list() == [
            {
                "action": "update",
                "kind": "secret",
                "name": "db_v1",
                "differences": [
                    {"field": "labels.a", "before": "1", "after": "2"},
                    {"field": "labels.b", "before": "", "after": None},
                ],
            }
        ]
        assert labels.foreign(secret(engine, "db_v1")["Spec"]["Labels"]) == {"a": "2"}

    def test_labels_that_are_not_declared_stay_and_go_along(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db", b"1", labels={"a": "1"}),))
        assert not bring(engine, (item("db", b"1"),)).plan
        bring(engine, (item("db", b"2"),))
        assert labels.foreign(secret(engine, "db_v2")["Spec"]["Labels"]) == {"a": "1"}
        bring(engine, (item("db", b"2", labels={}),))
        assert labels.foreign(secret(engine, "db_v2")["Spec"]["Labels"]) == {}

    def test_another_key_is_told_and_makes_new_versions(self, engine: MemoryEngine) -> None:
        bring(engine, (item("a", b"1"), item("b", b"1")))
        other = digest.Key(b"o" * 32)
        outcome = bring(engine, (item("a", b"1"), item("b", b"1")), key=other)
        assert names(engine) == ["a_v1", "a_v2", "b_v1", "b_v2"]
        assert outcome.plan.as_list()[0]["differences"][1] == {
            "field": "digest_key",
            "before": KEY.id,
            "after": other.id,
        }
        (warning,) = outcome.plan.warnings
        assert warning.endswith("each gets a new version: a, b")

    def test_the_key_is_stored_before_it_is_used_and_only_then(self, engine: MemoryEngine) -> None:
        assert not bring(engine, (), key=None).plan
        first = bring(engine, (item("db", b"1"),), key=None)
        assert [step.name for step in first.plan] == ["flotilla_digest_key", "db_v1"]
        second = bring(engine, (item("db", b"2"),), key=None)
        assert [step.name for step in second.plan] == ["db_v2"]

    def test_the_key_is_no_config_that_pruning_takes(self, engine: MemoryEngine) -> None:
        bring(engine, (item("c", b"1"),), versioned.CONFIG, key=None)
        bring(engine, (item("c", b"2"),), versioned.CONFIG, key=None, prune=True)
        assert sorted(config["Spec"]["Name"] for config in engine.configs()) == ["c_v2", "flotilla_digest_key"]

    def test_secrets_that_are_not_declared_stay(self, engine: MemoryEngine) -> None:
        bring(engine, (item("old", b"1"),))
        bring(engine, (item("old", b"2"),))
        bring(engine, (item("db", b"1"),), prune=True)
        assert names(engine) == ["db_v1", "old_v1", "old_v2"]


class TestPrune:
    def test_without_it_nothing_is_removed(self, engine: MemoryEngine) -> None:
        for value in (b"1", b"2"):
            bring(engine, (item("db", value),))
        assert names(engine) == ["db_v1", "db_v2"]

    def test_what_the_previous_spec_names_stays(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db", b"1"),))
        service_id = engine.create_service(service("app", secret(engine, "db_v1")))
        bring(engine, (item("db", b"2"),), prune=True)
        assert names(engine) == ["db_v1", "db_v2"]

        def repoint(name: str) -> None:
            (found,) = engine.services()
            engine.update_service(service_id, found["Version"]["Index"], service("app", secret(engine, name)))

        repoint("db_v2")
        outcome = bring(engine, (item("db", b"2"),), prune=True)
        assert not outcome.plan
        assert outcome.decision.kept == ({"name": "db_v1", "used_by": ["app"]},)
        repoint("db_v2")
        assert [step.name for step in bring(engine, (item("db", b"2"),), prune=True).plan] == ["db_v1"]
        assert names(engine) == ["db_v2"]

    def test_a_service_that_only_has_the_name_protects_it_too(self, engine: MemoryEngine) -> None:
        for value in (b"1", b"2"):
            bring(engine, (item("db", value),))
        seen = read(engine)
        spec = {"Name": "app", "TaskTemplate": {"ContainerSpec": {"Secrets": [{"SecretName": "db_v1"}]}}}
        seen = versioned.Observation(seen.objects, seen.key, [{"ID": "1", "Spec": spec}])
        assert not versioned.plan(versioned.SECRET, (item("db", b"2"),), seen, OWNER, prune=True).plan

    def test_a_credential_spec_uses_a_config(self) -> None:
        spec = {"Name": "app", "TaskTemplate": {"ContainerSpec": {"Privileges": {"CredentialSpec": {"Config": "id1"}}}}}
        assert versioned.uses(versioned.CONFIG, [{"ID": "1", "Spec": spec}]) == {"id1": {"app"}}
        assert versioned.uses(versioned.SECRET, [{"ID": "1", "Spec": spec}]) == {}

    def test_steps_create_first_and_remove_last(self, engine: MemoryEngine) -> None:
        bring(engine, (item("a", b"1"), item("b", b"1")))
        bring(engine, (item("a", b"2"),))
        outcome = bring(engine, (item("a", b"2"), item("b", b"1", labels={"x": "y"}), item("c", b"1")), prune=True)
        assert [(step.action, step.name) for step in outcome.plan] == [
            ("create", "c_v1"),
            ("update", "b_v1"),
            ("remove", "a_v1"),
        ]


class TestNamesThatAreTaken:
    def test_by_an_object_that_nobody_labelled(self, engine: MemoryEngine) -> None:
        engine.create_secret("db_v1", b"theirs", {})
        with pytest.raises(
            DeclarationError, match="db can't become db_v1: db_v1 is in the swarm and not made by"
        ) as caught:
            bring(engine, (item("db", b"1"), item("other", b"1")))
        assert "Choose another name" in str(caught.value)
        assert names(engine) == ["db_v1"]

    def test_by_another_owner_at_any_version(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db", b"1"),), owner="other")
        with pytest.raises(DeclarationError, match="has the owner 'other', not 'flotilla'"):
            bring(engine, (item("db", b"1"),))
        bring(engine, (item("db", b"2"),), owner="other", prune=True)
        assert names(engine) == ["db_v2"]
        with pytest.raises(DeclarationError, match="db_v2 is in the swarm and has the owner 'other'"):
            bring(engine, (item("db", b"1"),))

    def test_by_our_own_in_another_case(self, engine: MemoryEngine) -> None:
        bring(engine, (item("DB", b"1"),))
        with pytest.raises(DeclarationError, match="DB_v1 is in the swarm and is the same name to it"):
            bring(engine, (item("db", b"1"),))

    def test_every_one_is_named(self, engine: MemoryEngine) -> None:
        engine.create_secret("a_v1", b"theirs", {})
        engine.create_secret("b_v1", b"theirs", {})
        with pytest.raises(DeclarationError) as caught:
            bring(engine, (item("a", b"1"), item("b", b"1")))
        assert len(caught.value.problems) == 2

    def test_a_name_that_becomes_too_long(self, engine: MemoryEngine) -> None:
        for number in range(9):
            bring(engine, (item("x" * 61, b"%d" % number),))
        with pytest.raises(DeclarationError, match="has 65 characters with its version"):
            bring(engine, (item("x" * 61, b"last"),))


class TestDeclared:
    def test_a_text_and_its_base64_are_the_same_bytes(self) -> None:
        text, encoded = versioned.declared(
            versioned.SECRET,
            [{"name": "a", "value": "ä\r\n"}, {"name": "b", "value_base64": "w6QN\nCg==\n", "labels": {"x": ""}}],
        )
        assert text == item("a", "ä\r\n".encode())
        assert encoded == item("b", text.data, labels={"x": ""})

    @pytest.mark.parametrize("value", ["1", "true", " ", "0123", "null", "\n"])
    def test_texts_that_look_like_something_else_are_texts(self, value: str) -> None:
        assert versioned.declared(versioned.SECRET, [{"name": "a", "value": value}])[0].data == value.encode()

    @pytest.mark.parametrize(
        ("more", "problem"),
        [
            ({}, "value: give either value or value_base64"),
            ({"value": "hushhush", "value_base64": "aHVzaA=="}, "value: give either value or value_base64"),
            ({"value": ""}, "value is empty"),
            ({"value_base64": ""}, "value_base64 is empty"),
            ({"value": 8398}, "value is not a string"),
            ({"value": True}, "value is not a string"),
            ({"value": ["hush"]}, "value is not a string"),
            ({"value": {"hush": "hush"}}, "value is not a string"),
            ({"value_base64": 8398}, "value_base64 is not a string"),
            ({"value": "hush\udc80"}, "value is not valid Unicode: give it as value_base64"),
            ({"value_base64": "hush!"}, "value_base64 is not valid base64"),
            ({"value_base64": "hushä"}, "value_base64 is not valid base64"),
            ({"value_base64": "hus"}, "value_base64 is not valid base64"),
            ({"value": "hush", "labels": {"on": True}}, "labels.on is the boolean true"),
            ({"value": "hush", "labels": "hush"}, "labels is not a dictionary"),
        ],
    )
    def test_bad_items(self, more: dict[str, Any], problem: str) -> None:
        with pytest.raises(DeclarationError) as caught:
            versioned.declared(versioned.SECRET, [{"name": "ok", "value": "1"}, {"name": "db", **more}])
        (told,) = caught.value.problems
        assert told.startswith("secrets[1] (db): " + problem)
        assert "hush" not in told
        assert "8398" not in told
        assert caught.value.__cause__ is None
        assert "hush" not in repr(caught.value.__context__)

    @pytest.mark.parametrize(("kind", "limit"), [(versioned.SECRET, 512_000), (versioned.CONFIG, 1_024_000)])
    def test_the_engine_takes_less_than_the_limit(self, kind: versioned.Kind, limit: int) -> None:
        assert len(versioned.declared(kind, [{"name": "a", "value": "x" * (limit - 1)}])[0].data) == limit - 1
        with pytest.raises(
            DeclarationError, match="value has %d bytes; the engine takes less than %d" % (limit, limit)
        ):
            versioned.declared(kind, [{"name": "a", "value": "x" * limit}])

    def test_the_limit_counts_bytes_not_characters(self) -> None:
        with pytest.raises(DeclarationError, match="value has 512000 bytes"):
            versioned.declared(versioned.SECRET, [{"name": "a", "value": "ä" * 256_000}])

    def test_every_problem_is_named_at_once(self) -> None:
        items: list[dict[str, Any]] = [
            {"name": "bad name", "value": "1"},
            {"name": "x" * 63, "value": "1"},
            {"value": "1"},
            {"name": "a", "value": ""},
            {"name": "A", "value": "1", "labels": {"port": 80}},
        ]
        with pytest.raises(DeclarationError) as caught:
            versioned.declared(versioned.CONFIG, items)
        told = caught.value.problems
        assert len(told) == 6
        assert told[0].startswith("configs[0] (bad name): name: 'bad name' can't be a name")
        assert "has 66 characters with its version" in told[1]
        assert told[2].startswith("configs[2]: name: None can't be a name")
        assert told[3].startswith("configs[3] (a): value is empty: the engine takes no empty config")
        assert told[4].startswith(
            'configs[4] (A): labels.port is the number 80, not a string: write it in quotes, "80"'
        )
        assert told[5].startswith("configs: a is declared more than once")
