# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every plan of secrets and configs, whatever is declared and whoever has been in the swarm before."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import itertools
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, labels, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.tests.support.data_objects import (
    KINDS,
    OWNER,
    RECIPE,
    Items,
    absent,
    anew,
    bring,
    create,
    item,
    names,
    objects,
    read,
    secret,
    service,
    try_to_bring,
)
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from hypothesis import given
from hypothesis import strategies as st

NAMES = ("db", "db_v1", "db_vault_v1", "jwt.key", "Z")
LABELS = st.none() | st.dictionaries(st.sampled_from(("a", "b")), st.sampled_from(("", "1", "2")))
DATA = st.binary(min_size=1, max_size=3)
ITEM = st.builds(
    versioned.Item,
    name=st.just(""),
    data=DATA,
    labels=LABELS,
    state=st.sampled_from((versioned.PRESENT, versioned.PRESENT, versioned.ABSENT)),
    adopt=st.booleans(),
    recipe=st.none() | st.just(versioned.Recipe()),
)


def declarations(item: st.SearchStrategy[versioned.Item]) -> st.SearchStrategy[Items]:
    return st.dictionaries(st.sampled_from(NAMES), item, max_size=4).map(
        lambda found: tuple(replace(item, name=name) for name, item in found.items())
    )


DECLARED = declarations(ITEM)
HISTORIES = st.lists(DECLARED, min_size=1, max_size=4)
VALUES = st.lists(declarations(st.builds(versioned.Item, st.just(""), DATA, LABELS)), min_size=1, max_size=4)
"""Histories of nothing but values."""

HAND_MADE = st.sets(
    st.sampled_from(
        ("db_v1", "db_v3", "DB_v2", "db_v1_v1", "db_vault_v1_v2", "jwt.key_v1", "z_v1", "db_v", "other_v1")
    ),
    max_size=3,
)
"""Names of objects that nobody labelled; no two of them are one to the swarm."""


@dataclass(frozen=True)
class World:
    """A swarm in which others have been before: objects that nobody labelled, another owner's, and services."""

    kind: versioned.Kind
    hand_made: Collection[str]
    others: Sequence[Items]
    history: Sequence[Items]
    used: Collection[str]

    def engine(self) -> MemoryEngine:
        engine = MemoryEngine()
        for name in sorted(self.hand_made):
            create(engine, self.kind, name, b"by hand", {"theirs": "x"})
        for owner, declared in (*(("other", items) for items in self.others), *((OWNER, i) for i in self.history)):
            try_to_bring(engine, declared, self.kind, owner)
        for number, thing in enumerate(objects(engine, self.kind)):
            if thing["Spec"]["Name"] in self.used:
                engine.create_service(service("app%d" % number, thing, kind=self.kind))
        return engine


WORLDS = st.builds(
    World,
    kind=st.sampled_from(KINDS),
    hand_made=HAND_MADE,
    others=st.lists(DECLARED, max_size=2),
    history=st.lists(DECLARED, max_size=3),
    used=st.sets(st.sampled_from(("db_v1", "db_v2", "db_v3", "jwt.key_v1", "Z_v1"))),
)


def decided(
    kind: versioned.Kind,
    items: Sequence[versioned.Item],
    seen: versioned.Observation,
    prune: bool = False,
    renew: frozenset[str] = frozenset(),
) -> versioned.Decision | tuple[str, ...]:
    """What was decided, or why nothing could be."""
    try:
        return versioned.plan(kind, items, seen, OWNER, prune, renew)
    except DeclarationError as error:
        return (str(error), *error.problems)


def forms(value: bytes) -> list[str]:
    """How a value, or a hash of it that needs no key, could stand in a text."""
    hashed = [
        hashlib.new(name, value, usedforsecurity=False).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")
    ]
    return [value.hex(), base64.b64encode(value).decode(), repr(value)[2:-1], value.decode("latin-1"), *hashed]


class TestProperties:
    @given(WORLDS, DECLARED, st.booleans())
    def test_a_second_plan_is_empty_and_a_refusal_changes_nothing(
        self, world: World, items: Items, prune: bool
    ) -> None:
        engine, kind = world.engine(), world.kind
        before = objects(engine, kind)
        try:
            outcome = bring(engine, items, kind, prune=prune, key=None)
        except DeclarationError:
            assert objects(engine, kind) == before
            return
        again = versioned.plan(kind, anew(items), read(engine, kind, None), OWNER, prune)
        assert not again.plan
        assert again.current == {
            name: {**entry, "id": outcome.id_of(kind.name, entry["name"], entry["id"])}
            for name, entry in outcome.decision.current.items()
        }
        assert again.kept == outcome.decision.kept
        assert set(again.current) == {item.name for item in items if item.state == versioned.PRESENT}

    @given(WORLDS, DECLARED, st.booleans(), st.randoms(use_true_random=False))
    def test_input_is_not_changed_and_its_order_does_not_matter(
        self, world: World, items: Items, prune: bool, random: Any
    ) -> None:
        seen = read(world.engine(), world.kind)
        kept = copy.deepcopy((items, seen))
        first = decided(world.kind, items, seen, prune)
        assert (items, seen) == kept
        shuffled = replace(seen, objects=random.sample(seen.objects, len(seen.objects)))
        second = decided(world.kind, random.sample(items, len(items)), shuffled, prune)
        assert first == second
        if isinstance(first, versioned.Decision) and isinstance(second, versioned.Decision):
            assert [step.payload for step in first.plan] == [step.payload for step in second.plan]

    @given(WORLDS, DECLARED, st.booleans())
    def test_what_nobody_asked_for_is_never_touched(self, world: World, items: Items, prune: bool) -> None:
        """Only what is ours by its labels, or what a declared name that adopts claims in full, ever changes or goes."""
        engine = world.engine()
        adopting = {item.name for item in items if item.adopt and item.state == versioned.PRESENT}

        def strangers() -> list[dict[str, Any]]:
            return [
                thing
                for thing in objects(engine, world.kind)
                if not labels.owned_by(thing["Spec"]["Labels"], OWNER)
                and thing["Spec"]["Name"].rpartition("_v")[0] not in adopting
            ]

        before = strangers()
        with contextlib.suppress(DeclarationError):
            bring(engine, items, world.kind, prune=prune)
        assert strangers() == before

    @given(WORLDS, DECLARED, st.booleans())
    def test_what_a_service_uses_is_never_removed(self, world: World, items: Items, prune: bool) -> None:
        engine = world.engine()
        used = {name for name in names(engine, world.kind) if name in world.used}
        with contextlib.suppress(DeclarationError):
            bring(engine, items, world.kind, prune=prune)
        assert used <= set(names(engine, world.kind))

    @given(VALUES)
    def test_versions_of_values_are_one_for_each_change(self, history: list[Items]) -> None:
        engine = MemoryEngine()
        for items in history:
            bring(engine, items)
        for name in NAMES:
            values = [item.data for items in history for item in items if item.name == name]
            changes = [value for value, _same in itertools.groupby(values)]
            owned = [thing for thing in engine.secrets() if thing["Spec"]["Labels"][labels.NAME] == name]
            assert len(owned) == len(changes)

    @given(st.lists(DATA, min_size=1, max_size=5))
    def test_versions_only_rise(self, values: list[bytes]) -> None:
        engine = MemoryEngine()
        versions = [
            bring(engine, (item("db", value),), prune=True).decision.current["db"]["version"] for value in values
        ]
        changes = sum(1 for one, other in pairwise(values) if one != other)
        assert versions == sorted(versions)
        assert versions[-1] == 1 + changes

    @given(
        st.binary(min_size=12, max_size=40),
        st.binary(min_size=12, max_size=40),
        st.sampled_from(KINDS),
        st.booleans(),
        st.booleans(),
    )
    def test_no_byte_of_a_value_is_shown(
        self, one: bytes, other: bytes, kind: versioned.Kind, adopt: bool, prune: bool
    ) -> None:
        engine = MemoryEngine()
        key = digest.Key(b"\x01secret key\x02" * 4)
        bring(engine, (item("a", one), item("b", one), item("g", one, recipe=RECIPE)), kind, key=key)
        bring(engine, (item("o", one),), kind, "other", key=key)
        bring(engine, (item("p", one),), kind, "other", key=digest.Key(b"another key" * 4))
        for name in ("h_v1", "i_v2"):
            create(engine, kind, name, one, {})
        engine.create_service(service("app", secret(engine, "a_v1", kind), kind=kind))
        items = (
            item("a", other, labels={"x": "y"}),
            item("b", one, labels={"x": "y"}),
            item("c", one),
            item("g", other, recipe=RECIPE),
            item("n", other, recipe=RECIPE),
            *(item(name, other, adopt=adopt) for name in "hiop"),
        )
        seen = read(engine, kind, key)
        for declared, renew in ((items, frozenset("bgh")), ((absent("a"), absent("b"), absent("g")), frozenset())):
            decision = decided(kind, declared, seen, prune, renew)
            shown = [repr(decision), repr(declared), repr(seen.key)]
            if isinstance(decision, versioned.Decision):
                shown += [json.dumps(decision.plan.as_list()), json.dumps(decision.plan.diff())]
            for value in (one, other, key.value):
                for form in forms(value):
                    assert not any(form in text for text in shown)
