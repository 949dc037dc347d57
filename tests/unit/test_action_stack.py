# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions do on the controller: they read files there, and send or judge them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.flotilla.swarm.plugins.action import swarm_stack, validate_inventory

CANARY = "kanarienvogel"
GOOD = """
services:
  app:
    image: app:${VERSION}
    env_file: ../shared/app.env
    configs: [conf]
configs: {conf: {file: conf/app.conf}}
"""


@pytest.fixture
def play(tmp_path: Path) -> Path:
    """A directory with a playbook's files: a stack, and what it names."""
    for name, text in (
        ("files/stacks/s.yml", GOOD),
        ("files/stacks/override.yml", "services: {app: {deploy: {replicas: 2}}}"),
        ("files/stacks/conf/app.conf", "hello"),
        ("files/shared/app.env", "A=1\n"),
        ("files/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n00"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "files/binary.yml").write_bytes(b"\xff\xfe\x00")
    return tmp_path


def action(kind: Any, play: Path, arguments: dict[str, Any]) -> Any:
    task = mock.Mock(args=arguments, async_val=0, check_mode=False, diff=False, environment=None, collections=[])
    task.get_search_path.return_value = [str(play)]
    task.action = "flotilla.swarm.test"
    made = kind(
        task=task,
        connection=mock.Mock(_shell=SimpleNamespace(tmpdir="/never")),
        play_context=mock.Mock(check_mode=False),
        loader=DataLoader(),
        templar=mock.Mock(),
        shared_loader_obj=mock.Mock(),
    )
    made._execute_module = mock.Mock(return_value={"changed": True})
    return made


def sent(made: Any) -> dict[str, Any]:
    made._execute_module.assert_called_once()
    assert made._execute_module.call_args.kwargs["module_name"] == "flotilla.swarm.swarm_stack"
    arguments: dict[str, Any] = made._execute_module.call_args.kwargs["module_args"]
    return arguments


def test_a_stack_travels_with_all_that_it_names(play: Path) -> None:
    files = ["stacks/s.yml", str(play / "files/stacks/override.yml")]
    made = action(
        swarm_stack.ActionModule, play, {"name": "t", "files": files, "variables": {"VERSION": 3}, "prune": True}
    )
    assert made.run(task_vars={})["changed"] is True
    arguments = sent(made)
    assert arguments["files"] == ["stacks/s.yml", "stacks/override.yml"]
    assert arguments["variables"] == {"VERSION": "3"}
    assert arguments["prune"] is True
    assert {source["path"]: source["content"] for source in arguments["sources"]} == {
        "stacks/s.yml": GOOD,
        "stacks/override.yml": "services: {app: {deploy: {replicas: 2}}}",
        "stacks/conf/app.conf": "hello",
        "shared/app.env": "A=1\n",
    }


@pytest.mark.parametrize(
    "arguments", [{"state": "absent"}, {"sources": [{"path": "s.yml", "content": "x"}], "files": ["s.yml"]}]
)
def test_what_needs_no_file_of_the_controller_is_sent_as_it_is(play: Path, arguments: dict[str, Any]) -> None:
    made = action(swarm_stack.ActionModule, play, {"name": "t", **arguments})
    made.run(task_vars={})
    assert sent(made) == {"name": "t", **arguments}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"files": []}, "name at least one stack file"),
        ({"files": ["stacks/none.yml"]}, "stacks/none.yml"),
        ({"files": ["stacks"]}, "is a directory"),
        ({"files": ["vault.yml"]}, "encrypted with Ansible Vault"),
        ({"files": ["binary.yml"]}, "no UTF-8 text"),
        ({"files": "stacks/s.yml"}, "VERSION"),
        ({"files": ["stacks/s.yml"], "variables": {"VERSION": 1.1}}, "write it in quotes"),
        ({"files": ["stacks/s.yml"], "variables": "x"}, "a dictionary"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(play: Path, arguments: dict[str, Any], word: str) -> None:
    made = action(swarm_stack.ActionModule, play, {"name": "t", **arguments})
    result = made.run(task_vars={})
    assert result["failed"] is True
    assert word in result["msg"]
    made._execute_module.assert_not_called()


def test_a_named_file_that_is_missing_is_said_with_its_key(play: Path) -> None:
    (play / "files/stacks/conf/app.conf").unlink()
    made = action(
        swarm_stack.ActionModule, play, {"name": "t", "files": ["stacks/s.yml"], "variables": {"VERSION": "1"}}
    )
    assert made.run(task_vars={})["problems"] == [
        "stacks/s.yml: configs.conf.file: conf/app.conf: no such file or directory"
    ]


def declared(**changes: Any) -> dict[str, Any]:
    return {
        "managers": ["m1"],
        "workers": ["w1"],
        "secrets": [{"name": "jwt", "value": CANARY}],
        "stacks": [
            {"name": "shop", "files": ["stacks/s.yml"], "variables": {"VERSION": "v1"}, "probe": "http://192.0.2.1/"}
        ],
        **changes,
    }


def test_a_good_declaration_passes_without_any_connection(play: Path) -> None:
    made = action(validate_inventory.ActionModule, play, declared())
    result = made.run(task_vars={})
    assert (result.get("failed"), result["changed"], result["problems"]) == (None, False, [])
    made._execute_module.assert_not_called()
    assert made._connection.mock_calls == []
    assert made._requires_connection is False


def test_all_problems_come_in_one_message_and_no_value_of_a_secret(play: Path) -> None:
    changes = {
        "managers": ["m1", "m2"],
        "labels": {"w1": {"gpu": True}},
        "secrets": [{"name": "jwt", "value": CANARY, "labels": {"a": 1}}, CANARY],
        "stacks": [{"name": "shop", "files": ["stacks/s.yml"]}, "text", {"name": "none", "files": ["none.yml"]}],
    }
    result = action(validate_inventory.ActionModule, play, declared(**changes)).run(task_vars={})
    assert result["failed"] is True
    assert result["msg"].startswith("The declaration has %d problems; no host was touched:" % len(result["problems"]))
    for word in ("2 managers", "labels of w1", "each item is a mapping", "VERSION", "a stack is a mapping", "none.yml"):
        assert word in result["msg"]
    assert CANARY not in str(result)
