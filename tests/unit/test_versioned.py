# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of secrets and configs."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, labels, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.tests.support.data_objects import (
    KEY,
    KINDS,
    OWNER,
    RECIPE,
    Items,
    absent,
    bring,
    create,
    item,
    names,
    objects,
    read,
    secret,
    service,
    steps,
)
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))


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
        bring(engine, (item("db", b"1"),), key=None)
        bring(engine, (item("c", b"1"),), versioned.CONFIG, key=None)
        bring(engine, (item("c", b"2"), absent("flotilla_digest_key")), versioned.CONFIG, key=None, prune=True)
        assert names(engine, versioned.CONFIG) == ["c_v2", "flotilla_digest_key"]

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
    @EACH
    @pytest.mark.parametrize("version", [1, 3])
    def test_by_an_object_that_nobody_labelled(self, engine: MemoryEngine, kind: versioned.Kind, version: int) -> None:
        name = "db_v%d" % version
        create(engine, kind, name, b"theirs", {})
        with pytest.raises(DeclarationError) as caught:
            bring(engine, (item("db", b"1"), item("other", b"1")), kind)
        assert str(caught.value) == (
            "%ss: db can't become db_v1: %s is in the swarm and was not made by this collection. "
            "Set adopt: true to take it over, or choose another name" % (kind.name, name)
        )
        assert names(engine, kind) == [name]

    def test_an_older_one_that_nobody_labelled_is_in_nobodys_way(self, engine: MemoryEngine) -> None:
        engine.create_secret("db_v1", b"theirs", {})
        engine.create_secret("db_v2", b"theirs", {})
        bring(engine, (item("db", b"1", adopt=True),))
        bring(engine, (item("db", b"2"),))
        assert names(engine) == ["db_v1", "db_v2", "db_v3"]

    def test_by_another_owner_at_any_version(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db", b"1"),), owner="other")
        with pytest.raises(DeclarationError, match=r"the owner 'other', not 'flotilla'\. Set adopt: true"):
            bring(engine, (item("db", b"1"),))
        bring(engine, (item("db", b"2"),), owner="other", prune=True)
        assert names(engine) == ["db_v2"]
        with pytest.raises(DeclarationError, match="db_v2 is in the swarm and has the owner 'other'"):
            bring(engine, (item("db", b"1"),))

    @pytest.mark.parametrize("adopt", [False, True])
    def test_by_our_own_in_another_case(self, engine: MemoryEngine, adopt: bool) -> None:
        bring(engine, (item("DB", b"1"),))
        with pytest.raises(
            DeclarationError, match=r"DB_v1 is in the swarm and is the same name to it \(.*\). Write DB,"
        ):
            bring(engine, (item("db", b"1", adopt=adopt),))

    @pytest.mark.parametrize("adopt", [False, True])
    @pytest.mark.parametrize("name", ["DB_v1", "DB_v4"])
    def test_by_somebody_elses_in_another_case(self, engine: MemoryEngine, adopt: bool, name: str) -> None:
        engine.create_secret(name, b"theirs", {})
        with pytest.raises(DeclarationError, match="Write DB with adopt: true to take it over, or choose another name"):
            bring(engine, (item("db", b"1", adopt=adopt),))

    @pytest.mark.parametrize("adopt", [False, True])
    @pytest.mark.parametrize(
        ("name", "found"),
        [
            ("db_v1", {labels.OWNER: OWNER}),  # a stack's config that the stack's file gave this name
            ("db_v1", {labels.OWNER: "other", labels.NAME: "db", labels.VERSION: "2"}),
            ("db_V1", {}),
        ],
    )
    def test_by_what_can_become_no_version(
        self, engine: MemoryEngine, name: str, found: dict[str, str], adopt: bool
    ) -> None:
        engine.create_secret(name, b"theirs", found)
        with pytest.raises(DeclarationError, match="%s is in the swarm and is no version of it, for its labels" % name):
            bring(engine, (item("db", b"1", adopt=adopt),))

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


class TestGenerated:
    @EACH
    def test_a_value_is_made_once(self, engine: MemoryEngine, kind: versioned.Kind) -> None:
        first = bring(engine, (item("db", b"random", recipe=RECIPE),), kind)
        assert steps(first.plan) == [("create", "db_v1")]
        again = bring(engine, (item("db", b"other", recipe=versioned.Recipe(64)),), kind)
        assert not again.plan
        assert again.decision.current == {"db": {"name": "db_v1", "id": objects(engine, kind)[0]["ID"], "version": 1}}

    def test_under_another_key_it_is_kept_and_its_labels_change(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db", b"random", recipe=RECIPE),))
        outcome = bring(engine, (item("db", b"x", labels={"a": "b"}, recipe=RECIPE),), key=digest.Key(b"o" * 32))
        assert steps(outcome.plan) == [("update", "db_v1")]
        assert outcome.plan.warnings == ()

    @EACH
    def test_a_declared_value_takes_its_place_and_the_other_way_round(
        self, engine: MemoryEngine, kind: versioned.Kind
    ) -> None:
        bring(engine, (item("db", b"random", recipe=RECIPE),), kind)
        assert not bring(engine, (item("db", b"random"),), kind).plan
        assert steps(bring(engine, (item("db", b"1"),), kind).plan) == [("create", "db_v2")]
        assert not bring(engine, (item("db", b"random", recipe=RECIPE),), kind).plan

    def test_the_key_is_stored_with_it(self, engine: MemoryEngine) -> None:
        first = bring(engine, (item("db", b"random", recipe=RECIPE),), key=None)
        assert [name for _action, name in steps(first.plan)] == ["flotilla_digest_key", "db_v1"]

    def test_it_must_have_been_made(self, engine: MemoryEngine) -> None:
        with pytest.raises(ValueError, match="db has no value: one to be generated is made before it is planned"):
            bring(engine, (item("db", recipe=RECIPE),))


class TestAbsent:
    @EACH
    def test_every_version_goes(self, engine: MemoryEngine, kind: versioned.Kind) -> None:
        for value in (b"1", b"2"):
            bring(engine, (item("db", value), item("db_v1", value)), kind)
        outcome = bring(engine, (absent("db"),), kind)
        assert steps(outcome.plan) == [("remove", "db_v1"), ("remove", "db_v2")]
        assert names(engine, kind) == ["db_v1_v1", "db_v1_v2"]
        assert outcome.decision.current == {}
        assert not bring(engine, (absent("db"),), kind).plan

    @EACH
    def test_what_is_used_stays_and_is_reported(self, engine: MemoryEngine, kind: versioned.Kind) -> None:
        for value in (b"1", b"2"):
            bring(engine, (item("db", value),), kind)
        service_id = engine.create_service(service("app", secret(engine, "db_v1", kind), kind=kind))
        index = engine.services()[0]["Version"]["Index"]
        engine.update_service(service_id, index, service("app", secret(engine, "db_v2", kind), kind=kind))
        bring(engine, (item("db", b"3"),), kind)
        for planned in ([("remove", "db_v3")], []):
            outcome = bring(engine, (absent("db"),), kind)
            assert steps(outcome.plan) == planned
            assert outcome.decision.kept == (
                {"name": "db_v1", "used_by": ["app"]},
                {"name": "db_v2", "used_by": ["app"]},
            )
            assert outcome.plan.warnings == (
                "%ss: db is declared absent, but what is in use stays: db_v1 (app), db_v2 (app)" % kind.name,
            )

    @pytest.mark.parametrize("adopt", [False, True])
    def test_strangers_stay_with_a_warning(self, engine: MemoryEngine, adopt: bool) -> None:
        for name in ("db", "DB_v3", "db_v1", "db_v1_v1", "db_vault_v1"):
            engine.create_secret(name, b"theirs", {})
        bring(engine, (item("a", b"1"),), owner="other")
        bring(engine, (item("ours", b"1"), item("ours_v1", b"1")))
        absents = [replace(absent(name), adopt=adopt) for name in ("db", "a", "none", "ours_v1")]
        outcome = bring(engine, absents)
        assert steps(outcome.plan) == [("remove", "ours_v1_v1")]
        assert names(engine) == ["DB_v3", "a_v1", "db", "db_v1", "db_v1_v1", "db_vault_v1", "ours_v1"]
        assert outcome.plan.warnings == (
            "secrets: a is declared absent, but what is no version of the owner 'flotilla' stays: a_v1",
            "secrets: db is declared absent, but what is no version of the owner 'flotilla' stays: DB_v3, db, db_v1",
        )

    def test_it_can_be_declared_again(self, engine: MemoryEngine) -> None:
        bring(engine, (item("db", b"1"),))
        bring(engine, (absent("db"),))
        assert steps(bring(engine, (item("db", b"1"),)).plan) == [("create", "db_v1")]

    def test_no_key_is_needed(self, engine: MemoryEngine) -> None:
        bring(engine, (absent("db"),), key=None)
        assert engine.configs() == []

    def test_services_that_were_not_read_are_not_taken_for_none(self, engine: MemoryEngine) -> None:
        seen = versioned.Observation(engine.secrets(), KEY)
        for items, prune in (((absent("db"),), False), ((item("db", b"1"),), True)):
            with pytest.raises(ValueError, match="services must be read before anything is removed"):
                versioned.plan(versioned.SECRET, items, seen, OWNER, prune)


class TestReleases:
    """What is kept besides services can name versions too."""

    def seen(self, engine: MemoryEngine, *names_in_use: str) -> versioned.Observation:
        specs = [("release 7 of shop", service("app", {"ID": "gone", "Spec": {"Name": name}})) for name in names_in_use]
        return replace(read(engine), releases=specs)

    def test_it_is_a_user_like_a_service(self, engine: MemoryEngine) -> None:
        for value in (b"1", b"2", b"3"):
            bring(engine, (item("db", value),))
        engine.create_service(service("app", secret(engine, "db_v1")))
        decision = versioned.plan(
            versioned.SECRET, (item("db", b"3"),), self.seen(engine, "db_v1", "db_v2"), OWNER, prune=True
        )
        assert not decision.plan
        assert decision.kept == (
            {"name": "db_v1", "used_by": ["app", "release 7 of shop"]},
            {"name": "db_v2", "used_by": ["release 7 of shop"]},
        )
        absence = versioned.plan(versioned.SECRET, (absent("db"),), self.seen(engine, "db_v3"), OWNER)
        assert steps(absence.plan) == [("remove", "db_v2")]

    @pytest.mark.parametrize("wanted", [item("db", b"2"), absent("db")])
    def test_one_that_can_not_be_read_may_use_anything(self, engine: MemoryEngine, wanted: versioned.Item) -> None:
        for value in (b"1", b"2"):
            bring(engine, (item("db", value),))
        seen = replace(read(engine), unknown={"release 7 of shop": "shop.release.7"})
        decision = versioned.plan(versioned.SECRET, (wanted,), seen, OWNER, prune=True)
        assert not decision.plan
        assert decision.kept[0] == {"name": "db_v1", "used_by": ["release 7 of shop"]}
        assert decision.plan.warnings[-1].startswith("secrets: none is removed, for release 7 of shop can't be read")
        assert decision.plan.warnings[-1].endswith("docker config rm shop.release.7")
        unasked = versioned.plan(versioned.SECRET, (item("db", b"2"),), seen, OWNER)
        assert unasked.plan.warnings == ()

    def test_its_specs_count_by_id_and_by_name(self) -> None:
        spec = service("app", {"ID": "1", "Spec": {"Name": "db_v1"}})
        assert versioned.uses(versioned.SECRET, [], [("r", spec)]) == {"1": {"r"}, "db_v1": {"r"}}
        assert versioned.uses(versioned.SECRET, [], [("r", {})]) == {}


class TestRenew:
    def renewed(self, engine: MemoryEngine, kind: versioned.Kind, *items: versioned.Item) -> versioned.Decision:
        return versioned.plan(kind, items, read(engine, kind), OWNER, renew=frozenset({"db"}))

    @EACH
    @pytest.mark.parametrize("recipe", [None, RECIPE])
    def test_the_same_value_gets_a_new_version(
        self, engine: MemoryEngine, kind: versioned.Kind, recipe: versioned.Recipe | None
    ) -> None:
        bring(engine, (item("db", b"1", recipe=recipe), item("a", b"1")), kind)
        decision = self.renewed(engine, kind, item("db", b"1", recipe=recipe), item("a", b"1"))
        (step,) = decision.plan
        assert (step.action, step.name, step.payload["data"]) == ("create", "db_v2", b"1")
        assert step.as_dict()["differences"][1] == {
            "field": "value",
            "before": "(not shown)",
            "after": "(not shown, renewed)",
        }

    def test_what_is_not_there_is_made_as_ever(self, engine: MemoryEngine) -> None:
        assert steps(self.renewed(engine, versioned.SECRET, item("db", b"1")).plan) == [("create", "db_v1")]

    @EACH
    def test_what_is_adopted_is_succeeded(self, engine: MemoryEngine, kind: versioned.Kind) -> None:
        create(engine, kind, "db_v1", b"1", {})
        decision = self.renewed(engine, kind, item("db", b"1", adopt=True))
        assert steps(decision.plan) == [("update", "db_v1"), ("create", "db_v2")]
        assert decision.plan.warnings == ()
        assert labels.DIGEST not in decision.plan.steps[0].payload["spec"]["Labels"]

    @pytest.mark.parametrize("items", [(), (item("DB", b"1"),), (absent("db"),)])
    def test_what_is_not_declared_is_refused(self, engine: MemoryEngine, items: Items) -> None:
        with pytest.raises(DeclarationError, match="secrets: db is to be renewed and is not declared: declare it"):
            self.renewed(engine, versioned.SECRET, *items)


class TestConfigs:
    def test_they_need_no_key_and_carry_no_digest(self, engine: MemoryEngine) -> None:
        for value in (b"1", b"2"):
            outcome = bring(engine, (item("c", value),), versioned.CONFIG, key=None)
        assert [step.kind for step in outcome.plan] == ["config"]
        assert names(engine, versioned.CONFIG) == ["c_v1", "c_v2"]
        assert not [found for found in engine.configs() if labels.DIGEST in found["Spec"]["Labels"]]
        seen = versioned.Observation(engine.configs(), None)
        assert not versioned.plan(versioned.CONFIG, (item("c", b"2"),), seen, OWNER).plan

    def test_secrets_need_one(self) -> None:
        with pytest.raises(ValueError, match="the digest key must be read"):
            versioned.plan(versioned.SECRET, (item("c", b"2"),), versioned.Observation([], None), OWNER)


def test_the_newest_version_of_each_name_whoever_made_it(engine: MemoryEngine) -> None:
    for name in ("db_v2", "db_v10", "db_v9", "db_v1_v3", "DB_v11", "x"):
        engine.create_secret(name, b"1", {})
    assert versioned.newest(engine.secrets()) == {"db": 10, "db_v1": 3, "DB": 11}
