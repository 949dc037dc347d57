# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets and configs as users write them: what is taken, and each sentence about what is wrong."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import data_declaration
from ansible_collections.flotilla.swarm.plugins.module_utils._core.data_declaration import (
    ALPHABET,
    CONFIG,
    SECRET,
    Item,
    Kind,
    Recipe,
    declared,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from hypothesis import given
from hypothesis import strategies as st

KINDS = pytest.mark.parametrize("kind", [SECRET, CONFIG], ids=lambda kind: str(kind.name))


def one(kind: Kind = SECRET, **written: Any) -> Item:
    (item,) = declared(kind, [{"name": "a", **written}])
    return item


class TestValues:
    def test_a_text_and_its_base64_are_the_same_bytes(self) -> None:
        text, encoded = declared(
            SECRET,
            [{"name": "a", "value": "ä\r\n"}, {"name": "b", "value_base64": "w6QN\nCg==\n", "labels": {"x": ""}}],
        )
        assert text == Item("a", "ä\r\n".encode())
        assert encoded == Item("b", text.data, labels={"x": ""})

    @pytest.mark.parametrize("value", ["1", "true", "yes", " ", "0123", "null", "\n", "a\r\nb\r\n", "a\n", "\ta\x00"])
    def test_texts_that_look_like_something_else_are_texts(self, value: str) -> None:
        assert one(value=value).data == value.encode()

    @given(st.binary(min_size=1))
    def test_any_bytes_can_be_given(self, data: bytes) -> None:
        assert one(value_base64=base64.b64encode(data).decode()).data == data

    def test_a_missing_key_and_none_are_the_same(self) -> None:
        everything = dict.fromkeys(data_declaration.KEYS)
        assert declared(SECRET, [{**everything, "name": "a", "value": "1"}]) == (Item("a", b"1"),)

    @pytest.mark.parametrize(("kind", "limit"), [(SECRET, 512_000), (CONFIG, 1_024_000)])
    def test_the_engine_takes_less_than_the_limit(self, kind: Kind, limit: int) -> None:
        assert len(one(kind, value="x" * (limit - 1)).data) == limit - 1
        for written in ({"value": "x" * limit}, {"value_base64": base64.b64encode(b"x" * limit).decode()}):
            (key,) = written
            with pytest.raises(DeclarationError, match="%s has %d bytes; the engine takes less than" % (key, limit)):
                one(kind, **written)

    def test_the_limit_counts_bytes_not_characters(self) -> None:
        with pytest.raises(DeclarationError, match="value has 512000 bytes"):
            one(value="ä" * 256_000)


class TestGenerate:
    def test_everything_has_a_default(self) -> None:
        assert one(generate={}).recipe == Recipe(32, ALPHABET)
        assert one(generate={"length": None, "alphabet": None}).recipe == Recipe()
        assert one(generate={"length": 8, "alphabet": "ab"}).recipe == Recipe(8, "ab")
        assert len(ALPHABET) == 62

    def test_there_is_no_value_yet(self) -> None:
        assert one(generate={}).data == b""

    @pytest.mark.parametrize("length", [8, 1024])
    def test_the_ends_of_the_range_are_in_it(self, length: int) -> None:
        assert one(generate={"length": length}).recipe == Recipe(length)

    @pytest.mark.parametrize(
        ("generate", "problem"),
        [
            ("yes", "generate is not a mapping with length and alphabet; {} takes the defaults"),
            (True, "generate is not a mapping"),
            ({"size": 3}, "generate: unknown size; there are length, alphabet"),
            ({"length": 7}, "generate.length is not a whole number from 8 to 1024"),
            ({"length": 1025}, "generate.length is not a whole number"),
            ({"length": "32"}, "generate.length is not a whole number"),
            ({"length": 32.0}, "generate.length is not a whole number"),
            ({"length": True}, "generate.length is not a whole number"),
            ({"alphabet": ""}, "generate.alphabet is not a string of two or more characters"),
            ({"alphabet": "a"}, "generate.alphabet is not a string of two or more characters"),
            ({"alphabet": 123456789}, "generate.alphabet is not a string of two or more characters"),
            ({"alphabet": "ab\n"}, "generate.alphabet is not a string of two or more characters that can be printed"),
            ({"alphabet": "ab\udc80"}, "generate.alphabet is not a string of two or more characters that can be"),
            ({"alphabet": "abcbad"}, "generate.alphabet has 'a', 'b' more than once: keep one"),
        ],
    )
    def test_bad_recipes(self, generate: object, problem: str) -> None:
        with pytest.raises(DeclarationError) as caught:
            one(generate=generate)
        (told,) = caught.value.problems
        assert told.startswith("secrets[0] (a): " + problem)


class TestStates:
    def test_present_is_the_default(self) -> None:
        assert one(value="1") == one(value="1", state="present", adopt=False)

    @pytest.mark.parametrize(
        "more", [{}, {"value": ""}, {"value": 1, "file": "f"}, {"generate": 1}, {"labels": 1}, {"adopt": True}]
    )
    def test_in_an_absent_item_nothing_but_the_name_counts(self, more: dict[str, Any]) -> None:
        assert one(state="absent", **more) == Item("a", state="absent")

    def test_adoption_is_asked_for(self) -> None:
        assert one(value="1", adopt=True).adopt is True
        assert one(value="1").adopt is False


class TestProblems:
    @pytest.mark.parametrize(
        ("more", "problem"),
        [
            ({}, "value: give exactly one of value, value_base64, file, generate"),
            ({"value": "hushhush", "value_base64": "aHVzaA=="}, "value: give exactly one of"),
            ({"value": "hushhush", "file": "f"}, "value: give exactly one of"),
            ({"value": "hushhush", "generate": {}}, "value: give exactly one of"),
            ({"file": "f"}, "file can be read only on the controller: give value_base64 here"),
            ({"value": ""}, "value is empty: the engine takes no empty secret"),
            ({"value_base64": ""}, "value_base64 is empty"),
            ({"value_base64": " \n"}, "value_base64 is empty"),
            ({"value": 8398}, "value is not a string (YAML makes a number of 0123, a boolean of yes): write it in"),
            ({"value": 8.398}, "value is not a string"),
            ({"value": True}, "value is not a string"),
            ({"value": b"hush"}, "value is not a string"),
            ({"value": ["hush"]}, "value is not a string"),
            ({"value": {"hush": "hush"}}, "value is not a string"),
            ({"value_base64": 8398}, "value_base64 is not a string"),
            ({"value": "hush\udc80"}, "value is not valid Unicode: give it as value_base64"),
            ({"value_base64": "hush!"}, "value_base64 is not valid base64"),
            ({"value_base64": "hushä"}, "value_base64 is not valid base64"),
            ({"value_base64": "hus"}, "value_base64 is not valid base64"),
            ({"value": "hush", "labels": {"on": True}}, "labels.on is the boolean true"),
            ({"value": "hush", "labels": {"port": 80}}, "labels.port is the number 80, not a string: write it in quot"),
            ({"value": "hush", "labels": "hush"}, "labels is not a dictionary"),
            ({"value": "hush", "labels": {"flotilla.swarm.owner": "me"}}, "labels.flotilla.swarm.owner: label names"),
            ({"value": "hush", "state": "hush"}, "state is neither present nor absent"),
            ({"value": "hush", "adopt": "hush"}, "adopt is neither true nor false"),
            ({"value": "hush", "valeu": "hush"}, "unknown valeu; there are name, state, value, value_base64, file, "),
        ],
    )
    def test_bad_items(self, more: dict[str, Any], problem: str) -> None:
        with pytest.raises(DeclarationError) as caught:
            declared(SECRET, [{"name": "ok", "value": "1"}, {"name": "db", **more}])
        (told,) = caught.value.problems
        assert told.startswith("secrets[1] (db): " + problem)
        assert "hush" not in told
        assert "8398" not in told
        assert caught.value.__cause__ is None
        assert "hush" not in repr(caught.value.__context__)

    @pytest.mark.parametrize("item", ["hush", None, 1, ["hush"]])
    def test_an_item_that_is_no_mapping(self, item: object) -> None:
        with pytest.raises(DeclarationError, match=r"^secrets\[0\]: each item is a mapping with a name and a value$"):
            declared(SECRET, [item])

    @pytest.mark.parametrize("state", ["present", "absent"])
    @pytest.mark.parametrize("name", ["flotilla_digest_key", "Flotilla_Digest_Key"])
    def test_the_key_of_the_digests_is_no_config_to_declare(self, name: str, state: str) -> None:
        with pytest.raises(DeclarationError, match="holds the key of the secrets' digests: choose another"):
            declared(CONFIG, [{"name": name, "value": "1", "state": state, "adopt": True}])
        assert declared(SECRET, [{"name": name, "value": "1"}])
        assert declared(CONFIG, [{"name": name + "s", "value": "1"}])

    @KINDS
    def test_every_problem_is_named_at_once(self, kind: Kind) -> None:
        items: list[dict[str, Any]] = [
            {"name": "bad name", "value": "1"},
            {"name": "x" * 63, "value": "1"},
            {"value": "1"},
            {"name": "a", "value": ""},
            {"name": "A", "value": "1", "labels": {"port": 80}},
        ]
        with pytest.raises(DeclarationError) as caught:
            declared(kind, items)
        told = [problem.replace(kind.name, "KIND") for problem in caught.value.problems]
        assert len(told) == 6
        assert told[0].startswith("KINDs[0] (bad name): name: 'bad name' can't be a name")
        assert "has 66 characters with its version; the engine allows 64: shorten it" in told[1]
        assert told[2].startswith("KINDs[2]: name: None can't be a name")
        assert told[3].startswith("KINDs[3] (a): value is empty: the engine takes no empty KIND")
        assert told[4].startswith('KINDs[4] (A): labels.port is the number 80, not a string: write it in quotes, "80"')
        assert told[5].startswith("KINDs: a is declared more than once")

    def test_a_name_that_is_present_and_absent_is_declared_twice(self) -> None:
        with pytest.raises(DeclarationError, match="a is declared more than once"):
            declared(SECRET, [{"name": "a", "value": "1"}, {"name": "A", "state": "absent"}])


VALUE = st.text(st.characters(codec="utf-8"), min_size=8).map(lambda text: "canary" + text)
"""Any text, but one that no sentence holds by chance."""
WRITTEN = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["db", "", "a b", 7, None, "x" * 70]),
        "value": VALUE | st.lists(VALUE) | st.dictionaries(VALUE, VALUE, max_size=2),
        "value_base64": VALUE,
        "generate": VALUE | st.dictionaries(st.sampled_from(["length", "alphabet"]), st.lists(VALUE)),
        "labels": VALUE | st.dictionaries(st.sampled_from(["a", ""]), st.lists(VALUE)),
        "state": st.sampled_from(["present", "absent"]) | VALUE,
        "adopt": st.booleans() | VALUE,
    },
)


def shown(kind: Kind, items: list[Any]) -> str:
    """Everything that can be seen of what came out, the items or the refusal."""
    try:
        return repr(declared(kind, items))
    except DeclarationError as error:
        return "%s %r %r" % (error, error.problems, error.__context__)


@given(st.sampled_from([SECRET, CONFIG]), st.lists(WRITTEN | VALUE, max_size=3))
def test_no_sentence_holds_a_value(kind: Kind, items: list[Any]) -> None:
    seen = shown(kind, items)
    assert "canary" not in seen
    assert b"canary".hex() not in seen
    assert "Y2FuYXJ5" not in seen
