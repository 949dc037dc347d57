# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking over secrets and configs that somebody else made."""

from __future__ import annotations

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, labels, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.tests.support.data_objects import (
    KINDS,
    OWNER,
    RECIPE,
    bring,
    create,
    item,
    names,
    read,
    secret,
    service,
    steps,
)
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))


class TestAdopt:
    def test_a_secret_is_taken_to_hold_what_is_declared(self, engine: MemoryEngine) -> None:
        made = engine.create_secret("ohlcv_api_key_v1", b"theirs", {"team": "data"})
        items = (item("ohlcv_api_key", b"1", adopt=True),)
        outcome = bring(engine, items, key=None)
        assert steps(outcome.plan) == [("create", "flotilla_digest_key"), ("update", "ohlcv_api_key_v1")]
        assert outcome.plan.as_list()[1]["differences"] == [
            {"field": "owner", "before": None, "after": "flotilla"},
            {"field": "value", "before": "(not shown)", "after": "(not shown, taken to be as declared)"},
        ]
        assert outcome.plan.warnings == (
            (
                "secrets: what ohlcv_api_key_v1 holds can't be read, so it is taken to be what is declared for "
                "ohlcv_api_key: make sure that it is"
            ),
        )
        assert outcome.decision.current["ohlcv_api_key"] == {"name": "ohlcv_api_key_v1", "id": made, "version": 1}
        found = secret(engine, "ohlcv_api_key_v1")["Spec"]["Labels"]
        assert labels.foreign(found) == {"team": "data"}
        assert found[labels.OWNER] == OWNER
        for adopt in (True, False):
            again = bring(engine, (item("ohlcv_api_key", b"1", adopt=adopt),), key=None)
            assert not again.plan
            assert again.plan.warnings == ()
        assert steps(bring(engine, (item("ohlcv_api_key", b"2"),), key=None).plan) == [("create", "ohlcv_api_key_v2")]

    def test_a_config_is_compared(self, engine: MemoryEngine) -> None:
        for name in ("same", "other"):
            engine.create_config(name + "_v2", b"theirs", {"a": "b"})
        items = (item("same", b"theirs", adopt=True), item("other", b"mine", adopt=True))
        outcome = bring(engine, items, versioned.CONFIG)
        assert steps(outcome.plan) == [("update", "other_v2"), ("update", "same_v2"), ("create", "other_v3")]
        assert outcome.plan.warnings == ()
        assert {name: entry["version"] for name, entry in outcome.decision.current.items()} == {"same": 2, "other": 3}
        for name in ("same_v2", "other_v2", "other_v3"):
            found = secret(engine, name, versioned.CONFIG)["Spec"]["Labels"]
            assert labels.owned_by(found, OWNER)
            assert labels.foreign(found) == {"a": "b"}
            assert labels.DIGEST not in found

    def test_what_is_to_be_generated_is_kept_as_it_is_and_nothing_is_said_about_it(self, engine: MemoryEngine) -> None:
        engine.create_secret("db_v1", b"theirs", {})
        outcome = bring(engine, (item("db", b"random", adopt=True, recipe=RECIPE),))
        assert steps(outcome.plan) == [("update", "db_v1")]
        assert outcome.plan.warnings == ()
        assert labels.DIGEST not in secret(engine, "db_v1")["Spec"]["Labels"]
        # A value that is declared later can't be compared with it.
        assert steps(bring(engine, (item("db", b"1"),)).plan) == [("create", "db_v2")]

    def test_labels_that_are_declared_are_set_at_once(self, engine: MemoryEngine) -> None:
        engine.create_secret("db_v1", b"theirs", {"a": "1", "b": "2"})
        outcome = bring(engine, (item("db", b"1", labels={"a": "3"}, adopt=True),))
        assert [difference["field"] for difference in outcome.plan.as_list()[0]["differences"]] == [
            "owner",
            "value",
            "labels.a",
            "labels.b",
        ]
        assert labels.foreign(secret(engine, "db_v1")["Spec"]["Labels"]) == {"a": "3"}

    def test_the_newest_of_those_that_nobody_labelled(self, engine: MemoryEngine) -> None:
        for name in ("db_v2", "db_v10", "db_v9", "db_vault_v11", "db_v11_v1", "db_v011", "db"):
            engine.create_secret(name, b"theirs", {})
        assert steps(bring(engine, (item("db", b"1", adopt=True),)).plan) == [("update", "db_v10")]
        assert steps(bring(engine, (item("db", b"2", adopt=True),), prune=True).plan) == [
            ("create", "db_v11"),
            ("remove", "db_v10"),
        ]

    @EACH
    @pytest.mark.parametrize("before", [OWNER, "other"])
    def test_what_is_made_by_hand_beside_labelled_versions_is_left_alone(
        self, engine: MemoryEngine, kind: versioned.Kind, before: str
    ) -> None:
        bring(engine, (item("db", b"1"),), kind, before)
        bring(engine, (item("db", b"1", adopt=True),), kind)
        create(engine, kind, "db_v7", b"theirs", {})
        late = secret(engine, "db_v7", kind)
        same = bring(engine, (item("db", b"1", adopt=True),), kind, prune=True)
        assert not same.plan
        assert same.decision.current["db"]["version"] == 1
        assert same.decision.assumed == ()
        assert same.plan.warnings == (
            (
                "%ss: not taken over, since labelled versions of db are there: db_v7. "
                "Remove that when nothing uses it" % kind.name
            ),
        )
        with pytest.raises(DeclarationError, match="Remove it, or set adopt: true to make the next version above it"):
            bring(engine, (item("db", b"2"),), kind)
        changed = bring(engine, (item("db", b"2", adopt=True),), kind, prune=True)
        assert steps(changed.plan) == [("create", "db_v8"), ("remove", "db_v1")]
        assert changed.plan.as_list()[0]["differences"][0] == {"field": "version", "before": 1, "after": 8}
        assert secret(engine, "db_v7", kind) == late
        again = bring(engine, (item("db", b"2", adopt=True),), kind, prune=True)
        assert not again.plan
        assert again.plan.warnings == ()

    def test_what_was_taken_on_trust_is_told(self, engine: MemoryEngine) -> None:
        for name in ("trusted_v1", "made_v1", "renewed_v1"):
            engine.create_secret(name, b"theirs", {})
        bring(engine, (item("known", b"1"),), owner="other")
        items = (
            item("trusted", b"1", adopt=True),
            item("made", b"1", adopt=True, recipe=RECIPE),
            item("renewed", b"1", adopt=True),
            item("known", b"1", adopt=True),
            item("new", b"1"),
        )
        decision = versioned.plan(versioned.SECRET, items, read(engine), OWNER, renew=frozenset({"renewed"}))
        assert decision.assumed == ("trusted",)
        bring(engine, items)
        assert bring(engine, items).decision.assumed == ()
        engine.create_config("trusted_v1", b"1", {})
        assert bring(engine, items[:1], versioned.CONFIG).decision.assumed == ()

    def test_another_owners_versions_all_come_over(self, engine: MemoryEngine) -> None:
        for value in (b"1", b"2"):
            bring(engine, (item("db", value, labels={"a": "b"}),), owner="other")
        outcome = bring(engine, (item("db", b"2", labels={"a": "c"}, adopt=True),))
        assert steps(outcome.plan) == [("update", "db_v1"), ("update", "db_v2")]
        assert outcome.plan.warnings == ()
        assert outcome.plan.as_list()[0]["differences"] == [{"field": "owner", "before": "other", "after": "flotilla"}]
        assert labels.foreign(secret(engine, "db_v1")["Spec"]["Labels"]) == {"a": "b"}
        assert steps(bring(engine, (item("db", b"2"),), prune=True).plan) == [("remove", "db_v1")]
        with pytest.raises(DeclarationError, match="has the owner 'flotilla', not 'other'"):
            bring(engine, (item("db", b"2"),), owner="other")

    def test_another_owners_value_is_known_by_its_digest(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db", b"1"),), owner="other")
        assert steps(bring(engine, (item("db", b"2", adopt=True),)).plan) == [("update", "db_v1"), ("create", "db_v2")]

    def test_another_owners_value_under_another_key_gets_a_new_version(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db", b"1"),), owner="other", key=digest.Key(b"o" * 32))
        outcome = bring(engine, (item("db", b"1", adopt=True),))
        assert steps(outcome.plan) == [("update", "db_v1"), ("create", "db_v2")]
        assert outcome.plan.warnings[0].startswith("the digest key is not the one")

    def test_what_is_pruned_at_once_is_not_labelled_before(self, engine: MemoryEngine) -> None:
        for value in (b"1", b"2"):
            bring(engine, (item("db", value),), owner="other")
        outcome = bring(engine, (item("db", b"3", adopt=True),), prune=True)
        assert steps(outcome.plan) == [("create", "db_v3"), ("remove", "db_v1"), ("remove", "db_v2")]

    def test_what_is_used_comes_over_and_stays(self, engine: MemoryEngine) -> None:
        engine.create_config("db_v1", b"1", {})
        engine.create_service(service("app", secret(engine, "db_v1", versioned.CONFIG), kind=versioned.CONFIG))
        outcome = bring(engine, (item("db", b"2", adopt=True),), versioned.CONFIG, prune=True)
        assert steps(outcome.plan) == [("update", "db_v1"), ("create", "db_v2")]
        assert outcome.decision.kept == ({"name": "db_v1", "used_by": ["app"]},)

    def test_where_there_is_nothing_to_adopt_it_is_made(self, engine: MemoryEngine) -> None:
        assert steps(bring(engine, (item("db", b"1", adopt=True),)).plan) == [("create", "db_v1")]

    def test_two_runs_at_once_adopt_once(self, engine: MemoryEngine) -> None:
        engine.create_secret("db_v1", b"theirs", {})
        items = (item("db", b"1", adopt=True),)
        engine.before("update_secret", lambda: bring(engine, items))
        outcome = bring(engine, items)
        assert not outcome.plan
        assert names(engine) == ["db_v1"]
