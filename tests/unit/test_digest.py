# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keyed digest: it tells values apart, and tells nothing to those without the key."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from unittest import mock

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import digest_key
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.binary(min_size=32, max_size=32).map(digest.Key)
KEY = digest.Key(b"k" * 32)


@given(KEYS, st.text(), st.text(), st.binary())
def test_the_same_is_the_same(key: digest.Key, kind: str, logical: str, value: bytes) -> None:
    label = digest.digest(key, kind, logical, value)
    assert digest.compare(label, key, kind, logical, value) == digest.SAME
    assert label == digest.digest(key, kind, logical, value)


@given(st.tuples(st.text(), st.text(), st.binary()), st.tuples(st.text(), st.text(), st.binary()))
def test_kind_name_and_value_are_kept_apart(a: tuple[str, str, bytes], b: tuple[str, str, bytes]) -> None:
    assert (digest.digest(KEY, *a) == digest.digest(KEY, *b)) == (a == b)


def test_moving_a_letter_from_the_name_to_the_value_changes_the_digest() -> None:
    assert digest.digest(KEY, "secret", "ab", b"c") != digest.digest(KEY, "secret", "a", b"bc")


@given(KEYS, KEYS, st.binary())
def test_another_key_is_recognised_as_that(one: digest.Key, other: digest.Key, value: bytes) -> None:
    label = digest.digest(one, "secret", "a", value)
    expected = digest.SAME if one == other else digest.OTHER_KEY
    assert digest.compare(label, other, "secret", "a", value) == expected


@pytest.mark.parametrize("label", [None, "", "sha256:abc", "hmac-sha256:abc", "a:b:c", "hmac-sha256:x:y:z"])
def test_a_label_that_says_nothing_means_different(label: str | None) -> None:
    assert digest.compare(label, KEY, "secret", "a", b"value") == digest.DIFFERENT


def test_a_damaged_mac_means_different() -> None:
    label = digest.digest(KEY, "secret", "a", b"value")
    assert (
        digest.compare(label[:-1] + ("0" if label[-1] != "0" else "1"), KEY, "secret", "a", b"value")
        == digest.DIFFERENT
    )
    assert digest.compare(label + "ä", KEY, "secret", "a", b"value") == digest.DIFFERENT


def test_no_bare_hash_of_the_value_is_in_the_label() -> None:
    label = digest.digest(KEY, "secret", "a", b"password")
    for algorithm in ("md5", "sha1", "sha224", "sha256", "sha512"):
        assert hashlib.new(algorithm, b"password", usedforsecurity=False).hexdigest() not in label


def test_the_key_is_never_shown() -> None:
    key = digest.Key(b"0123456789abcdef0123456789abcdef", missing=True)
    step = digest.key_step(key, "flotilla")
    for text in (repr(key), repr(step), str(step.as_dict()), digest.digest(key, "secret", "a", b"b"), key.id):
        assert "0123456789" not in text
        assert key.value.hex() not in text
        assert base64.b64encode(key.value).decode() not in text


def test_a_given_key_is_long_enough() -> None:
    assert digest.given_key("sixteen letters!").value == b"sixteen letters!"
    with pytest.raises(DeclarationError, match="digest_key has 15 characters: give at least 16") as caught:
        digest.given_key("fifteen letters")
    assert "fifteen" not in str(caught.value)


def _config(name: str = digest.KEY_CONFIG, data: str = "", **spec: Any) -> dict[str, Any]:
    return {"ID": "1", "Spec": {"Name": name, "Data": data, "Labels": {labels.OWNER: "flotilla"}, **spec}}


def test_the_stored_key_is_read() -> None:
    data = base64.b64encode(b"k" * 32).decode()
    assert digest.stored_key([_config("other"), _config(data=data)]) == KEY
    assert digest.stored_key([_config("other")]) is None


@pytest.mark.parametrize("found", [None, {}, {"a": "b"}])
def test_a_key_that_we_did_not_store_is_refused(found: dict[str, str] | None) -> None:
    data = base64.b64encode(b"k" * 32).decode()
    with pytest.raises(DeclarationError, match="was not made by this collection"):
        digest.stored_key([_config(data=data, Labels=found)])


@pytest.mark.parametrize("data", ["", "!", base64.b64encode(b"k" * 31).decode()])
def test_a_stored_key_that_is_none_is_refused(data: str) -> None:
    with pytest.raises(DeclarationError, match="holds no key of 32 bytes"):
        digest.stored_key([_config(data=data)])


def test_a_fresh_key_is_random_and_must_still_be_stored(engine: MemoryEngine) -> None:
    first, second = digest_key.read(engine, None), digest_key.read(engine, None)
    assert first.missing
    assert second.missing
    assert first.value != second.value
    assert len(first.value) == digest.KEY_BYTES


def test_the_stored_key_is_found_and_a_given_one_needs_no_reading(engine: MemoryEngine) -> None:
    engine.create_config(digest.KEY_CONFIG, KEY.value, {labels.OWNER: "flotilla"})
    assert digest_key.read(engine, None) == KEY
    engine.calls.clear()
    assert digest_key.read(engine, digest.Key(b"mine")) == digest.Key(b"mine")
    assert engine.calls == []


def test_only_the_key_is_fetched_and_what_is_named_alike_is_none(engine: MemoryEngine) -> None:
    for name in ("a_v1", "flotilla_digest_key_v1"):
        engine.create_config(name, b"x", {})
    with mock.patch.object(engine, "configs", wraps=engine.configs) as listing:
        assert digest_key.read(engine, None).missing
        engine.create_config(digest.KEY_CONFIG, KEY.value, {labels.OWNER: "flotilla"})
        assert digest_key.read(engine, None) == KEY
    assert listing.call_args_list == [mock.call(digest.KEY_CONFIG)] * 2
