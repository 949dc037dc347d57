# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions of swarm_secrets and swarm_configs do on the controller: read files, check, and send."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from ansible import constants
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import become_loader, connection_loader
from ansible_collections.flotilla.swarm.plugins.action import swarm_configs, swarm_secrets, validate_inventory
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client
from ansible_collections.flotilla.swarm.plugins.modules import swarm_configs as configs_module
from ansible_collections.flotilla.swarm.plugins.modules import swarm_secrets as secrets_module
from ansible_collections.flotilla.swarm.plugins.plugin_utils import data_objects
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BYTES = bytes(range(256)) + b"\r\nkanarienvogel\n\n"
CASES: list[tuple[Any, str]] = [(swarm_secrets, "secrets"), (swarm_configs, "configs")]
BOTH = pytest.mark.parametrize(("plugin", "option"), CASES, ids=[option for _plugin, option in CASES])
PASSWORD = [("default", VaultSecret(b"a password"))]


@pytest.fixture
def play(tmp_path: Path) -> Path:
    """A directory with a playbook's files."""
    (tmp_path / "files").mkdir()
    for name, data in (
        ("exact", BYTES),
        ("empty", b""),
        ("large", b"x" * 1_024_000),
        ("vault", VaultLib(PASSWORD).encrypt(BYTES)),
        ("vault_of_nothing", VaultLib(PASSWORD).encrypt(b"")),
    ):
        (tmp_path / "files" / name).write_bytes(data)
    return tmp_path


def action(plugin: Any, play: Path, arguments: dict[str, Any], vault: bool = True) -> Any:
    task = mock.Mock(args=arguments, async_val=0, check_mode=False, diff=False, environment=None, collections=[])
    task.get_search_path.return_value = [str(play)]
    loader = DataLoader()
    if vault:
        loader.set_vault_secrets(PASSWORD)
    made = plugin.ActionModule(
        task=task,
        connection=mock.Mock(_shell=SimpleNamespace(tmpdir="/never")),
        play_context=mock.Mock(check_mode=False),
        loader=loader,
        templar=mock.Mock(),
        shared_loader_obj=mock.Mock(),
    )
    made._execute_module = mock.Mock(return_value={"changed": True})
    return made


def sent(made: Any) -> dict[str, Any]:
    """The options with which the module was called."""
    made._execute_module.assert_called_once()
    arguments: dict[str, Any] = made._execute_module.call_args.kwargs["module_args"]
    return arguments


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@BOTH
@pytest.mark.parametrize("name", ["exact", "vault"])
def test_a_file_is_sent_byte_for_byte(play: Path, plugin: Any, option: str, name: str) -> None:
    for path in (name, str(play / "files" / name)):
        made = action(plugin, play, {option: [{"name": "a", "file": path, "labels": {"x": ""}}], "prune": True})
        assert made.run(task_vars={})["changed"] is True
        assert made._execute_module.call_args.kwargs["module_name"] == "flotilla.swarm.swarm_" + option
        assert sent(made) == {
            option: [{"name": "a", "labels": {"x": ""}, "value_base64": in_base64(BYTES)}],
            "prune": True,
        }


@BOTH
def test_every_value_travels_in_one_form(play: Path, plugin: Any, option: str) -> None:
    items = [
        {"name": "a", "value": "ä\r\n"},
        {"name": "b", "value_base64": "w6QN\nCg==\n"},
        {"name": "c", "generate": {"length": 10}},
        {"name": "d", "state": "absent", "value": ["x"], "value_base64": 1, "file": "none"},
    ]
    kept = json.dumps(items)
    made = action(plugin, play, {option: items})
    made.run(task_vars={})
    assert sent(made)[option] == [
        {"name": "a", "value_base64": "w6QNCg=="},
        {"name": "b", "value_base64": "w6QNCg=="},
        {"name": "c", "generate": {"length": 10}},
        {"name": "d", "state": "absent", "file": "none"},
    ]
    assert json.dumps(items) == kept


@BOTH
@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"file": "none"}, "[0] (a): file: Could not find or access 'none'"),
        ({"file": "empty"}, "[0] (a): file: empty is empty: the engine takes no empty "),
        ({"file": "vault_of_nothing"}, "[0] (a): file: vault_of_nothing is empty"),
        ({"file": "large"}, "[0] (a): file: large has 1024000 bytes; the engine takes less than "),
        ({"file": "."}, "[0] (a): file: . is no regular file"),
        ({"file": ""}, "[0] (a): file: name the path of a file"),
        ({"file": 7}, "[0] (a): file: name the path of a file"),
        ({"file": "exact", "value": "kanarienvogel"}, "[0] (a): value: give exactly one of value, value_base64, file"),
        ({"value": ["kanarienvogel"]}, "[0] (a): value is not a string"),
        ({"value_base64": "kanarienvogel!"}, "[0] (a): value_base64 is not valid base64"),
        ({"generate": {"length": 3}}, "[0] (a): generate.length is not a whole number"),
        ({"name": "a b", "file": "exact"}, "[0] (a b): name: 'a b' can't be a name"),
        ({"name": "flotilla", "file": "exact", "labels": {"a": 1}}, "[0] (flotilla): labels.a is the number 1"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    play: Path, plugin: Any, option: str, item: dict[str, Any], problem: str
) -> None:
    made = action(plugin, play, {option: [{"name": "a", **item}]})
    result = made.run(task_vars={})
    assert result["failed"] is True
    assert [told for told in result["problems"] if told.startswith(option + problem)] == result["problems"]
    assert result["problems"][0] in result["msg"]
    assert "kanarienvogel" not in str(result)
    made._execute_module.assert_not_called()


def test_every_problem_of_files_and_items_is_told_at_once(play: Path) -> None:
    items = [{"name": "a", "file": "none", "labels": {"b": 1}}, {"name": "A", "file": "empty"}, "kanarienvogel"]
    result = action(swarm_secrets, play, {"secrets": items}).run(task_vars={})
    assert [problem.partition(": ")[0] for problem in result["problems"]] == [
        "secrets[0] (a)",
        "secrets[1] (A)",
        "secrets[0] (a)",
        "secrets[2]",
        "secrets",
    ]
    assert "kanarienvogel" not in str(result)


def test_a_file_that_can_not_be_decrypted_is_named(play: Path) -> None:
    made = action(swarm_secrets, play, {"secrets": [{"name": "a", "file": "vault"}]}, vault=False)
    (problem,) = made.run(task_vars={})["problems"]
    assert problem.startswith("secrets[0] (a): file: ")
    assert "vault" in problem


def test_a_huge_file_is_not_read(play: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_objects, "MAX_BYTES", 100)
    with (play / "files/huge").open("wb") as file:
        os.truncate(file.fileno(), 5 * 1024 * 1024)
    made = action(swarm_secrets, play, {"secrets": [{"name": "a", "file": "huge"}]})
    with mock.patch.object(DataLoader, "get_text_file_contents") as reading:
        (problem,) = made.run(task_vars={})["problems"]
    assert "huge has 5242880 bytes" in problem
    reading.assert_not_called()


@BOTH
def test_what_is_no_list_is_refused_here_and_what_is_missing_by_the_module(
    play: Path, plugin: Any, option: str
) -> None:
    result = action(plugin, play, {option: "kanarienvogel"}).run(task_vars={})
    assert result["problems"] == [option + " is not a list"]
    made = action(plugin, play, {"owner": "me"})
    made.run(task_vars={})
    assert sent(made) == {"owner": "me"}


class Plain(ConnectionBase):  # type: ignore[misc]  # ansible-core ships no types
    """A connection without an option for pipelining, as community.docker's are."""

    transport = "plain"
    has_pipelining = True
    _connect = exec_command = put_file = fetch_file = close = mock.Mock()


class NoPipe(Plain):
    """One that can only run what lies in files, as community.docker.nsenter."""

    transport = "no_pipe"
    has_pipelining = False


class Terminal(Plain):
    """One that is asked for a terminal, as ssh may be."""

    transport = "terminal"

    def is_pipelining_enabled(self, wrap_async: bool = False) -> bool:  # noqa: ARG002  Ansible's signature
        return False


def connected(play: Path, connection: str | type[ConnectionBase], become: str | None = None) -> Any:
    """An action with a real connection plugin that nobody asked to pipeline."""
    made = action(swarm_secrets, play, {"secrets": [{"name": "a", "value": "kanarienvogel"}]})
    made._play_context = PlayContext()
    made._play_context.pipelining = False
    if isinstance(connection, str):
        made._connection = connection_loader.get(connection, made._play_context, os.devnull)
        made._connection.set_options(var_options={"ansible_pipelining": False})
    else:
        made._connection = connection(made._play_context)
    if become:
        made._connection.set_become_plugin(become_loader.get(become))
    assert not made._is_pipelining_enabled("new")
    return made


@pytest.mark.parametrize("connection", ["local", "ssh", Plain])
def test_no_value_is_put_into_a_file_on_the_node(play: Path, connection: str | type[ConnectionBase]) -> None:
    for become in (None, "sudo"):
        made = connected(play, connection, become)
        assert made.run(task_vars={})["changed"] is True
        assert made._is_pipelining_enabled("new")


@pytest.mark.parametrize(
    ("connection", "become", "words"),
    [
        (NoPipe, None, "the connection no_pipe has no pipelining. Use one that has it, as ssh"),
        ("local", "su", "become_method su allows no pipelining. Use one that does, as sudo"),
        (Terminal, None, "Set ansible_pipelining: true, or pipelining = true under [connection] in ansible.cfg"),
    ],
)
def test_where_there_is_no_pipelining_nothing_is_sent(
    play: Path, connection: str | type[ConnectionBase], become: str | None, words: str
) -> None:
    made = connected(play, connection, become)
    result = made.run(task_vars={})
    assert result["failed"] is True
    assert result["msg"].startswith("The values would lie in a file on the node: ")
    assert words in result["msg"]
    made._execute_module.assert_not_called()


def test_mitogens_own_connections_are_not_asked(play: Path) -> None:
    made = connected(play, NoPipe)
    made._connection = type("Connection", (NoPipe,), {"__module__": "ansible_mitogen.connection"})(made._play_context)
    made._is_pipelining_enabled = mock.Mock(side_effect=AssertionError("should never be called"))
    assert made.run(task_vars={})["changed"] is True


def test_where_files_are_kept_nothing_is_sent(play: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_KEEP_REMOTE_FILES", True)
    made = connected(play, "local")
    assert "Unset ANSIBLE_KEEP_REMOTE_FILES" in made.run(task_vars={})["msg"]
    made._execute_module.assert_not_called()


AWKWARD = ["line\nbreak kanari", 'it\'s "quoted" kanari', "back\\slash kanari", "user:kanari@host kanari", "k@a:b@c"]


@BOTH
@pytest.mark.parametrize("value", AWKWARD)
def test_no_value_is_in_the_systems_log_of_the_node_or_in_the_result(
    play: Path,
    plugin: Any,
    option: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ansible writes a module's options there as Python writes a list, which hides only what needs no escapes."""
    engine = MemoryEngine()
    logged: list[str] = []
    monkeypatch.setattr(client, "connect", lambda _socket: engine)
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda _self, message, **_more: logged.append(str(message)))
    items = [{"name": "a", "labels": {"mail": "x@example.com", "url": "https://u:p@example.com"}, "value": value}]
    made = action(plugin, play, {option: items})
    made.run(task_vars={})
    module = {"secrets": secrets_module, "configs": configs_module}[option]
    with (
        patch_module_args({**sent(made), "_ansible_inject_invocation": True}),
        pytest.raises(SystemExit),
    ):
        module.main()
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    assert result["current"]["a"]["version"] == 1
    assert result["invocation"]["module_args"][option][0]["name"] == "a"
    assert logged
    for form in (value, repr(value)[1:-1], json.dumps(value)[1:-1], in_base64(value.encode()), "kanari"):
        assert form not in "".join(logged)
        assert form not in printed.out + printed.err


class TestValidateInventory:
    def declared(self, **more: Any) -> dict[str, Any]:
        return {"managers": ["m1"], **more}

    def test_files_are_read_as_the_modules_read_them(self, play: Path) -> None:
        items = [
            {"name": "a", "file": "exact"},
            {"name": "b", "generate": {}},
            {"name": "c", "state": "absent", "file": "none"},
            {"name": "d", "file": "vault", "adopt": True},
        ]
        made = action(validate_inventory, play, self.declared(secrets=items, configs=items))
        result = made.run(task_vars={})
        assert result["problems"] == []
        assert "4 secrets, 4 configs, 0 networks" in result["msg"]
        assert "kanarienvogel" not in str(result)
        made._execute_module.assert_not_called()

    def test_what_is_wrong_with_them_is_told_with_the_rest(self, play: Path) -> None:
        items = [{"name": "a", "file": "none", "labels": {"b": 1}}]
        made = action(validate_inventory, play, self.declared(secrets=items, configs=[{"name": "b", "file": "empty"}]))
        told = made.run(task_vars={})["problems"]
        assert [problem.partition(": ")[0] for problem in told] == [
            "secrets[0] (a)",
            "configs[0] (b)",
            "secrets[0] (a)",
        ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.fixed_dictionaries(
            {"name": st.sampled_from(["a", "A", "a b", "b"])},
            optional={
                "value": st.text(min_size=8).map("canary".__add__) | st.integers(10**8),
                "value_base64": st.text(min_size=8).map("canary".__add__),
                "file": st.sampled_from(["exact", "empty", "none"]),
                "labels": st.sampled_from([{"a": 1}, {"a": "b"}]),
            },
        ),
        min_size=1,
        max_size=3,
    )
)
def test_no_refusal_holds_a_value(play: Path, items: list[dict[str, Any]]) -> None:
    result = action(swarm_secrets, play, {"secrets": items}).run(task_vars={})
    numbers = [str(item["value"]) for item in items if isinstance(item.get("value"), int)]
    for form in ("canary", "kanarienvogel", in_base64(b"canary")[:8], *numbers):
        assert form not in str(result)
