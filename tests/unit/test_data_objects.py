# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of secrets and configs share: random values, and two runs at once."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.doc_fragments import data_objects
from ansible_collections.flotilla.swarm.plugins.module_utils import _data_objects
from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, labels, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import Outcome, converge
from ansible_collections.flotilla.swarm.tests.support.data_objects import (
    KINDS,
    OWNER,
    RECIPE,
    Items,
    absent,
    item,
    names,
    objects,
    steps,
)
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from hypothesis import given
from hypothesis import strategies as st

EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))


def run(
    engine: MemoryEngine,
    items: Items,
    kind: versioned.Kind = versioned.SECRET,
    prune: bool = False,
    renew: frozenset[str] = frozenset(),
) -> Outcome[versioned.Decision]:
    """A whole run, as the modules make it, with the key in the swarm."""
    planner = _data_objects.Planner(kind, items, OWNER, prune, renew)
    return converge(_data_objects.observer(kind, None, with_services=True), planner, engine)


def data_of(engine: MemoryEngine, name: str) -> bytes:
    (found,) = (config["Spec"] for config in engine.configs() if config["Spec"]["Name"] == name)
    return base64.b64decode(found["Data"])


class TestGenerated:
    @given(st.integers(8, 200), st.sets(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=2))
    def test_a_value_is_as_its_recipe_says(self, length: int, alphabet: set[str]) -> None:
        value = _data_objects.generated(versioned.Recipe(length, "".join(sorted(alphabet)))).decode()
        assert len(value) == length
        assert set(value) <= alphabet

    def test_no_two_are_the_same_and_every_character_comes_up(self) -> None:
        values = {_data_objects.generated(RECIPE) for _i in range(100)}
        assert len(values) == 100
        assert set(b"".join(values).decode()) == set(RECIPE.alphabet)


class TestHidden:
    """What a result shows of a value that comes up in it, as in a line that a container wrote."""

    def shown(
        self, capsys: pytest.CaptureFixture[str], kind: versioned.Kind, value: bytes, text: str, name: str = "db"
    ) -> dict[str, Any]:
        declared = [{"name": name, "value_base64": base64.b64encode(value).decode()}]
        with patch_module_args({kind.plural: declared}):
            module = AnsibleModule(_data_objects.items_option(kind))
            _data_objects.items_of(module, kind)
            with pytest.raises(SystemExit):
                module.fail_json(msg=text, verdicts=[{"log": text, "deep": {"service": text}}])
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert result["verdicts"] == [{"log": result["msg"], "deep": {"service": result["msg"]}}]
        return result

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (b"kanari", "password 'kanari' was refused"),
            (b"\n kanari\r\n", "password 'kanari' was refused"),
            (b"-----BEGIN\n  kanari==\n-----END\n", "bad line: kanari=="),
            (b"-----BEGIN\n  kanari==\n-----END\n", repr("-----BEGIN\n  kanari==\n-----END\n")),
            (b"\xffkanari\xfe", b"bytes \xffkanari\xfe".decode("utf-8", "replace")),
            ("kanariä€".encode(), "text kanariä€"),
        ],
    )
    def test_a_secret_is_blanked_out(self, capsys: pytest.CaptureFixture[str], value: bytes, text: str) -> None:
        shown = self.shown(capsys, versioned.SECRET, value, text)["msg"]
        assert "kanari" not in shown
        assert "********" in shown

    def test_what_is_generated_is_too(self) -> None:
        recipe = {"length": 8, "alphabet": "kanri"}
        with patch_module_args({"secrets": [{"name": "db", "generate": recipe}]}):
            module = AnsibleModule(_data_objects.items_option(versioned.SECRET))
        (made,) = _data_objects.items_of(module, versioned.SECRET)
        assert made.data.decode() in module.no_log_values

    @pytest.mark.parametrize(
        ("kind", "value", "text"),
        [
            (versioned.CONFIG, b"kanari", "a config says kanari"),
            (versioned.SECRET, b"abc", "three characters are too few: abc"),
            (versioned.SECRET, b"a\n \nthe\n", "and so are those of a line: a the"),
        ],
    )
    def test_what_is_not(
        self, capsys: pytest.CaptureFixture[str], kind: versioned.Kind, value: bytes, text: str
    ) -> None:
        assert self.shown(capsys, kind, value, text)["msg"] == text

    def test_names_stay_whole(self, capsys: pytest.CaptureFixture[str]) -> None:
        text = "postgres_user_v1"
        assert self.shown(capsys, versioned.SECRET, b"postgres", text, name="postgres_user")["msg"] == text


class TestTwoRunsAtOnce:
    """The other run takes place at a given moment of ours, from its beginning to its end."""

    @pytest.mark.parametrize("moment", ["secrets", "configs", "services", "create_config", "create_secret"])
    def test_equal_values_make_one_version_under_one_key(self, engine: MemoryEngine, moment: str) -> None:
        items = (item("db", b"1"), item("jwt", b"2"))
        engine.before(moment, lambda: run(engine, items))
        outcome = run(engine, items)
        assert names(engine) == ["db_v1", "jwt_v1"]
        (config,) = engine.configs()
        key = digest.Key(base64.b64decode(config["Spec"]["Data"]))
        for secret in engine.secrets():
            assert digest.key_id_of(secret["Spec"]["Labels"][labels.DIGEST]) == key.id
        assert set(outcome.decision.current) == {"db", "jwt"}
        assert outcome.plan.warnings == ()
        assert not run(engine, items).plan

    @pytest.mark.parametrize("moment", ["configs", "create_config", "create_secret"])
    def test_the_loser_takes_the_winners_key(self, engine: MemoryEngine, moment: str) -> None:
        engine.before(moment, lambda: run(engine, (item("theirs", b"1"),)))
        outcome = run(engine, (item("ours", b"1"),))
        assert [name for _action, name in steps(outcome.plan) if name == "ours_v1"] == ["ours_v1"]
        assert names(engine, versioned.CONFIG) == ["flotilla_digest_key"]
        assert not run(engine, (item("ours", b"1"), item("theirs", b"1"))).plan

    @EACH
    def test_the_loser_keeps_what_the_winner_generated(self, engine: MemoryEngine, kind: versioned.Kind) -> None:
        engine.before("create_%s" % kind.name, lambda: run(engine, (item("db", b"winner", recipe=RECIPE),), kind))
        outcome = run(engine, (item("db", b"loser", recipe=RECIPE),), kind)
        assert not [step for step in outcome.plan if step.name.startswith("db")]
        assert [name for name in names(engine, kind) if name.startswith("db")] == ["db_v1"]
        if kind.readable:
            assert data_of(engine, "db_v1") == b"winner"

    def test_different_values_make_two_versions(self, engine: MemoryEngine) -> None:
        engine.before("create_secret", lambda: run(engine, (item("db", b"theirs"),)))
        assert steps(run(engine, (item("db", b"ours"),)).plan)[-1] == ("create", "db_v2")

    def test_both_remove(self, engine: MemoryEngine) -> None:
        for value in (b"1", b"2"):
            run(engine, (item("db", value),))
        engine.before("remove_secret", lambda: run(engine, (absent("db"),)))
        run(engine, (absent("db"),))
        assert names(engine) == []


class TestRenew:
    def made(self, engine: MemoryEngine, kind: versioned.Kind) -> Items:
        items = (item("a", b"1", recipe=RECIPE), item("b", b"1"), item("c", b"1"))
        run(engine, items, kind)
        return items

    def arm(self, engine: MemoryEngine, method: str, action: Callable[[], object]) -> Callable[[], None]:
        """What makes the action take place one call later."""
        return lambda: engine.before(method, action)

    @EACH
    def test_it_is_done_once_although_it_is_planned_twice(self, engine: MemoryEngine, kind: versioned.Kind) -> None:
        items = self.made(engine, kind)
        method = "create_%s" % kind.name
        # The first of the two is made; the second is overtaken by another run that renews it too.
        engine.before(method, self.arm(engine, method, lambda: run(engine, items, kind, renew=frozenset("b"))))
        outcome = run(engine, items, kind, renew=frozenset("ab"))
        assert steps(outcome.plan) == [("create", "a_v2")]
        assert {name: entry["version"] for name, entry in outcome.decision.current.items()} == {"a": 2, "b": 2, "c": 1}
        owned = [thing["Spec"]["Name"] for thing in objects(engine, kind) if "_v" in thing["Spec"]["Name"]]
        assert sorted(owned) == ["a_v1", "a_v2", "b_v1", "b_v2", "c_v1"]

    def test_what_is_adopted_meanwhile_is_still_renewed(self, engine: MemoryEngine) -> None:
        engine.create_secret("db_v1", b"theirs", {})
        items = (item("db", b"1", adopt=True),)
        engine.before("update_secret", lambda: run(engine, items))
        outcome = run(engine, items, renew=frozenset({"db"}))
        assert steps(outcome.plan)[-1] == ("create", "db_v2")
        assert outcome.decision.current["db"]["version"] == 2

    def test_each_run_renews_again(self, engine: MemoryEngine) -> None:
        items = self.made(engine, versioned.SECRET)
        for version in (2, 3):
            outcome = run(engine, items, prune=True, renew=frozenset("a"))
            assert outcome.decision.current["a"]["version"] == version


def test_both_kinds_are_documented_alike() -> None:
    def items(text: str, option: str) -> Any:
        return yaml.safe_load(text)["options"][option]["suboptions"]

    fragment = data_objects.ModuleDocFragment
    assert items(fragment.SECRETS, "secrets") == items(fragment.CONFIGS, "configs")
