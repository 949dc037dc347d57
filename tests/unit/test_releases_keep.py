# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that may be restored keeps the secrets and configs that it names, whoever prunes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, release_record, releases
from ansible_collections.flotilla.swarm.plugins.module_utils._core.releases import Ending, Release
from ansible_collections.flotilla.swarm.plugins.modules import swarm_configs, swarm_rotate, swarm_secrets
from ansible_collections.flotilla.swarm.tests.support.memory_releases import OWNER, STACK, spec
from ansible_collections.flotilla.swarm.tests.support.module_runner import Runner

Json = dict[str, Any]
KEY = "k" * 40


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(monkeypatch, capsys)


def version(runner: Runner, kind: str, number: int) -> None:
    own = {labels.OWNER: OWNER, labels.NAME: "token", labels.VERSION: str(number)}
    create = runner.engine.create_secret if kind == "secret" else runner.engine.create_config
    create("token_v%d" % number, b"%d" % number, own)


def record(runner: Runner, number: int, state: str, list_key: str, kind: str) -> None:
    """A release that mounts the version of its own number."""
    things = runner.engine.secrets() if kind == "secret" else runner.engine.configs("token")
    ids = {one["Spec"]["Name"]: one["ID"] for one in things}
    name = "token_v%d" % number
    mount = {kind.capitalize() + "ID": ids[name], kind.capitalize() + "Name": name}
    release = Release(STACK, number, specs={"shop_api": spec("shop_api", **{list_key: [mount]})})
    own = release_record.record_labels(release, "somebody", Ending(state))
    runner.engine.create_config(release_record.name_of(release), release_record.encode(release), own)


@pytest.fixture(params=["secret", "config"])
def kind(request: pytest.FixtureRequest, runner: Runner) -> str:
    """Three old versions and a new one; releases that ended so, and otherwise, mount the old ones."""
    kind: str = request.param
    for number in range(1, 5):
        version(runner, kind, number)
    for number, state in ((1, releases.GOOD), (2, releases.FAILED), (3, releases.DEPLOYING)):
        record(runner, number, state, kind.capitalize() + "s", kind)
    return kind


KEPT = [
    {"name": "token_v1", "used_by": ["release 1 of shop"]},
    {"name": "token_v3", "used_by": ["release 3 of shop"]},
]


def items(kind: str, **item: Any) -> Json:
    options: Json = {kind + "s": [{"name": "token", "value_base64": "NQ==", **item}]}
    return {**options, "digest_key": KEY} if kind == "secret" else options


def left(runner: Runner, kind: str) -> list[str]:
    found = runner.engine.secrets() if kind == "secret" else runner.engine.configs("token")
    return sorted(one["Spec"]["Name"] for one in found)


def test_pruning_leaves_what_a_release_may_need(runner: Runner, kind: str) -> None:
    module = swarm_secrets if kind == "secret" else swarm_configs
    result = runner.run(module, prune=True, **items(kind))
    assert result["kept"] == KEPT
    assert left(runner, kind) == ["token_v1", "token_v3", "token_v5"]


def test_what_is_absent_stays_while_a_release_may_need_it(runner: Runner, kind: str) -> None:
    module = swarm_secrets if kind == "secret" else swarm_configs
    result = runner.run(module, **items(kind, state="absent"))
    assert result["kept"] == KEPT
    assert left(runner, kind) == ["token_v1", "token_v3"]
    assert "release 1 of shop" in runner.words


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_rotation_leaves_what_a_release_may_need(runner: Runner, kind: str, check_mode: bool) -> None:
    options = {**items(kind), "digest_key": KEY}
    result = runner.run(swarm_rotate, check_mode=check_mode, prune=True, **options)
    assert result["kept"] == KEPT


@pytest.mark.parametrize("options", [{"prune": True}, {"state": "absent"}])
def test_a_record_that_can_not_be_read_keeps_everything(runner: Runner, options: Json) -> None:
    version(runner, "secret", 1)
    own = release_record.record_labels(Release(STACK, 1), OWNER, Ending(releases.GOOD))
    runner.engine.create_config("shop.release.1", b"no record", own)
    state = {key: value for key, value in options.items() if key == "state"}
    result = runner.run(swarm_secrets, prune="prune" in options, **items("secret", **state))
    assert result["kept"] == [{"name": "token_v1", "used_by": ["release 1 of shop"]}]
    assert "token_v1" in left(runner, "secret")
    for check_mode in (True, False):
        rotated = runner.run(swarm_rotate, check_mode=check_mode, prune=True, **items("secret", value_base64="Ng=="))
        assert {"name": "token_v1", "used_by": ["release 1 of shop"]} in rotated["kept"]
