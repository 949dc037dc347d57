# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of nodes, secrets, configs and networks as Ansible runs them, on an engine in memory."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible_collections.flotilla.swarm.plugins.modules import (
    swarm_configs,
    swarm_networks,
    swarm_nodes,
    swarm_secrets,
)
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from ansible_collections.flotilla.swarm.tests.support.module_runner import Runner

ROOT = Path(__file__).resolve().parents[2]
VALUE = "a canary that must not be seen"


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(monkeypatch, capsys)


ITEMS: list[dict[str, Any]] = [
    {"name": "db", "value": VALUE, "labels": {"a": ""}},
    {"name": "k", "value_base64": "AP8="},
    {"name": "made", "generate": {"length": 40}},
    {"name": "gone", "state": "absent"},
]
DATA_MODULES: list[tuple[ModuleType, str]] = [(swarm_secrets, "secrets"), (swarm_configs, "configs")]
DATA = pytest.mark.parametrize(("module", "option"), DATA_MODULES, ids=[option for _module, option in DATA_MODULES])
CASES: dict[str, tuple[ModuleType, dict[str, Any]]] = {
    "secrets": (swarm_secrets, {"secrets": ITEMS}),
    "configs": (swarm_configs, {"configs": ITEMS}),
    "nodes": (swarm_nodes, {"nodes": [{"name": "m1", "labels": {"a": ""}, "availability": "drain"}]}),
    "networks": (swarm_networks, {"networks": [{"name": "back", "encrypted": False, "subnet": "10.20.0.0/24"}]}),
}
EVERY = pytest.mark.parametrize(("module", "options"), CASES.values(), ids=CASES)


@EVERY
def test_check_mode_tells_what_the_run_then_does_and_the_second_run_does_nothing(
    runner: Runner, module: ModuleType, options: dict[str, Any]
) -> None:
    predicted = runner.run(module, check_mode=True, **options)
    assert not [call for call in runner.engine.calls if call.startswith(("create", "update", "remove"))]
    done = runner.run(module, **options)
    assert predicted["changed"] is done["changed"] is True
    assert [step["name"] for step in predicted["plan"]] == [step["name"] for step in done["plan"]]
    assert done["diff"]["after"]
    again = runner.run(module, **options)
    assert again["changed"] is False
    assert again["plan"] == []
    assert again["diff"] == {"before": {}, "after": {}}


@EVERY
def test_a_worker_is_refused_with_the_mend(runner: Runner, module: ModuleType, options: dict[str, Any]) -> None:
    runner.engine = MemoryEngine(manager=False)
    result = runner.run(module, **options)
    assert result["failed"] is True
    assert result["error"] == "NotAManager"
    assert "Run it on a manager" in result["msg"]


@EVERY
def test_without_quorum_nothing_is_taken_for_absent(
    runner: Runner, module: ModuleType, options: dict[str, Any]
) -> None:
    runner.run(module, **options)
    runner.engine.quorum = False
    result = runner.run(module, **options)
    assert result["error"] == "NoQuorum"


@pytest.fixture(scope="module")
def documented() -> dict[str, dict[str, Any]]:
    """The options of each module as ``ansible-doc`` shows them, with those of its fragments, by its full name."""
    names = ["flotilla.swarm." + module.__name__.rpartition(".")[2] for module, _options in CASES.values()]
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", *names]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name: entry["doc"]["options"] for name, entry in json.loads(run.stdout).items()}


def plain(options: dict[str, Any], inner: str) -> dict[str, Any]:
    """What a specification and the documentation must say alike of options; ``inner`` is the key of those in them."""
    return {
        name: {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "required": bool(option.get("required")),
            "default": option.get("default"),
            "choices": option.get("choices"),
            "aliases": option.get("aliases") or [],
            "options": plain(option.get(inner) or {}, inner),
        }
        for name, option in options.items()
    }


@EVERY
def test_the_documentation_shows_the_options_that_there_are(
    module: ModuleType,
    options: dict[str, Any],
    documented: dict[str, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = mock.Mock(side_effect=SystemExit)
    monkeypatch.setattr(module, "AnsibleModule", made)
    with pytest.raises(SystemExit):
        module.main()
    specified = made.call_args.kwargs["argument_spec"]
    assert options.keys() <= specified.keys()
    shown = documented["flotilla.swarm." + module.__name__.rpartition(".")[2]]
    assert plain(shown, "suboptions") == plain(specified, "options")
    assert yaml.safe_load(module.EXAMPLES)
    assert {"plan", "problems"} <= yaml.safe_load(module.RETURN).keys()


def test_the_ids_are_known_after_the_run_and_not_before(runner: Runner) -> None:
    module, options = CASES["secrets"]
    assert runner.run(module, check_mode=True, **options)["current"]["db"] == {
        "name": "db_v1",
        "id": None,
        "version": 1,
    }
    first = runner.run(module, **options)["current"]
    assert first == runner.run(module, **options)["current"]
    assert first["db"]["id"] == next(s["ID"] for s in runner.engine.secrets() if s["Spec"]["Name"] == "db_v1")
    module, options = CASES["networks"]
    assert runner.run(module, check_mode=True, **options)["networks"]["back"]["id"] is None
    assert runner.run(module, **options)["networks"] == runner.run(module, **options)["networks"]


@DATA
def test_a_value_is_seen_nowhere(runner: Runner, module: ModuleType, option: str) -> None:
    items = [{"name": "db", "value": VALUE}]
    cases: list[dict[str, Any]] = [
        {option: items},
        {option: [*items, {"name": "bad name", "value": VALUE + "!"}]},
        {option: items, "nonsense": 1},
        {option: [{"name": "db", "value": VALUE + "?"}, {"name": "made", "generate": {}}], "prune": True},
    ]
    if module is swarm_secrets:
        cases += [{option: items, "digest_key": VALUE}, {option: items, "digest_key": VALUE[:8]}]
    for options in cases:
        runner.run(module, **options)
        assert VALUE[:8] not in runner.output
    for thing in (*runner.engine.secrets(), *runner.engine.configs()):
        assert VALUE not in str(thing)
        value = base64.b64decode(thing["Spec"].get("Data", "")).decode("latin-1")
        assert not value or value not in runner.output


@DATA
def test_what_is_made_at_random_is_made_once_and_check_mode_makes_nothing(
    runner: Runner, module: ModuleType, option: str
) -> None:
    declared = {option: [{"name": "made", "generate": {"length": 12, "alphabet": "xyz"}}]}
    assert runner.run(module, check_mode=True, **declared)["current"]["made"]["id"] is None
    assert not [call for call in runner.engine.calls if call.startswith("create")]
    first = runner.run(module, **declared)
    assert first["changed"] is True
    for options in (declared, {option: [{"name": "made", "generate": {}}]}):
        again = runner.run(module, **options)
        assert again["changed"] is False
        assert again["current"] == first["current"]
    if module is swarm_configs:
        (config,) = runner.engine.configs()
        value = base64.b64decode(config["Spec"]["Data"]).decode()
        assert len(value) == 12
        assert set(value) <= set("xyz")


@DATA
def test_what_is_in_use_stays_with_a_warning(runner: Runner, module: ModuleType, option: str) -> None:
    made = runner.run(module, **{option: [{"name": "db", "value": VALUE}]})["current"]["db"]
    kind = option[:-1].capitalize()
    reference = {kind + "ID": made["id"], kind + "Name": made["name"]}
    runner.engine.create_service({"Name": "app", "TaskTemplate": {"ContainerSpec": {kind + "s": [reference]}}})
    result = runner.run(module, **{option: [{"name": "db", "state": "absent"}]})
    assert result["changed"] is False
    assert result["kept"] == [{"name": "db_v1", "used_by": ["app"]}]
    assert "db is declared absent, but what is in use stays: db_v1 (app)" in runner.words


def test_an_adopted_secret_is_warned_of_and_a_config_is_compared(runner: Runner) -> None:
    runner.engine.create_secret("api_v1", b"theirs", {})
    runner.engine.create_config("api_v1", b"theirs", {})
    item = {"name": "api", "value": VALUE}
    for module, option in DATA_MODULES:
        refused = runner.run(module, **{option: [item]})
        assert "Set adopt: true to take it over" in refused["msg"]
    result = runner.run(swarm_secrets, secrets=[{**item, "adopt": True}])
    assert [step["action"] for step in result["plan"]] == ["create", "update"]
    assert "what api_v1 holds can't be read, so it is taken to be what is declared for api" in runner.words
    result = runner.run(swarm_configs, configs=[{**item, "adopt": True}])
    assert [(step["action"], step["name"]) for step in result["plan"]] == [("update", "api_v1"), ("create", "api_v2")]


def test_configs_make_no_key_and_have_no_option_for_one(runner: Runner) -> None:
    runner.run(swarm_configs, configs=[{"name": "a", "value": "1"}])
    assert [config["Spec"]["Name"] for config in runner.engine.configs()] == ["a_v1"]
    assert "digest_key" in runner.run(swarm_configs, configs=[], digest_key="k" * 32)["msg"]


@DATA
def test_services_are_read_only_to_remove(runner: Runner, module: ModuleType, option: str) -> None:
    runner.run(module, **{option: []})
    assert "services" not in runner.engine.calls
    for options in ({option: [], "prune": True}, {option: [{"name": "db", "state": "absent"}]}):
        runner.engine.calls.clear()
        runner.run(module, **options)
        assert "services" in runner.engine.calls


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [
        (
            swarm_secrets,
            {"secrets": [{"name": "a"}, {"name": "A", "value": "x"}]},
            "secrets: a is declared more than once",
        ),
        (swarm_nodes, {"nodes": [{"labels": {}}]}, "nodes[0]: give exactly one of id, name and address"),
        (swarm_nodes, {"nodes": [{"name": "m1", "labels": {"on": True}}]}, 'write it in quotes, "true"'),
        (swarm_networks, {"networks": [{"name": "a b"}]}, "'a b' can't be a name"),
        (swarm_networks, {"networks": [], "owner": ""}, "owner is empty"),
        (swarm_secrets, {"secrets": [], "owner": " "}, "owner is empty"),
        (swarm_secrets, {"secrets": [{"name": "a", "file": "f"}]}, "file can be read only on the controller"),
        (swarm_configs, {"configs": [{"name": "flotilla_digest_key", "value": "x"}]}, "holds the key of the secrets'"),
        (swarm_configs, {"configs": [{"name": "a", "value": "??", "generate": {}}]}, "give exactly one of"),
    ],
)
def test_a_bad_declaration_is_refused_before_the_engine_is_asked(
    runner: Runner, module: ModuleType, options: dict[str, Any], words: str
) -> None:
    result = runner.run(module, **options)
    assert result["failed"] is True
    assert words in result["msg"]
    assert any(words in problem for problem in result["problems"])
    assert runner.engine.calls == []


def test_drift_and_undeclared_nodes_are_warned_of(runner: Runner) -> None:
    runner.run(swarm_networks, networks=[{"name": "back"}])
    result = runner.run(swarm_networks, networks=[{"name": "back", "internal": True}])
    assert result["changed"] is False
    (drift,) = result["drift"]
    assert drift.items() >= {"network": "back", "field": "internal", "before": False, "after": True}.items()
    assert "back is not as declared" in runner.words
    result = runner.run(swarm_nodes, nodes=[])
    assert [node["name"] for node in result["undeclared"]] == ["m1"]
    assert "nodes that are not declared" in runner.words
