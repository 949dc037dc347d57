# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's configuration file: the merge, and the module that writes it."""

from __future__ import annotations

import copy
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._core import daemon_config
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.modules import engine_config
from hypothesis import given
from hypothesis import strategies as st

SCALARS = st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.text(max_size=2), max_size=2)
KEYS = st.sampled_from(("debug", "log-opts", "labels", "dns"))
CONFIGS = st.dictionaries(KEYS, st.recursive(SCALARS, lambda inner: st.dictionaries(KEYS, inner, max_size=2)))


def test_dictionaries_merge_to_any_depth_lists_are_replaced_and_null_leaves() -> None:
    current = {"log-opts": {"max-size": "10m", "labels": "a"}, "dns": ["192.0.2.1"], "debug": True}
    declared = {"log-opts": {"max-size": "20m"}, "dns": ["192.0.2.2"], "debug": None, "new": None}
    assert daemon_config.plan(current, declared) == {
        "log-opts": {"max-size": "20m", "labels": "a"},
        "dns": ["192.0.2.2"],
        "debug": True,
    }


def test_a_dictionary_takes_the_place_of_another_value_and_the_reverse() -> None:
    assert daemon_config.plan({"a": 1}, {"a": {"b": None, "c": 2}}) == {"a": {"c": 2}}
    assert daemon_config.plan({"a": {"b": 1}}, {"a": 2}) == {"a": 2}


def test_keys_are_removed_and_not_declared_at_once() -> None:
    assert daemon_config.plan({"a": 1, "b": 2}, {}, ["a", "never there"]) == {"b": 2}
    with pytest.raises(DeclarationError, match="a is in config and in remove"):
        daemon_config.plan({}, {"a": 1}, ["a"])


@pytest.mark.parametrize(
    ("current", "declared", "source"),
    [({}, {"live-restore": True}, "declared"), ({"live-restore": True}, {"debug": True}, "in the file already")],
)
def test_live_restore_is_refused_wherever_it_comes_from(
    current: dict[str, Any], declared: dict[str, Any], source: str
) -> None:
    with pytest.raises(DeclarationError, match=source):
        daemon_config.plan(current, declared)
    assert daemon_config.plan(current, declared, allow_live_restore=True)["live-restore"] is True
    assert "live-restore" not in daemon_config.plan({"live-restore": True}, {}, ["live-restore"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n  "a": 1,\n  b\n}\n', "line 3, column 3"),
        ("[]", "but a list"),
        ("3", "but a single value"),
    ],
)
def test_a_file_that_is_no_object_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=said) as caught:
        daemon_config.parse(text, "/etc/docker/daemon.json")
    assert "/etc/docker/daemon.json" in str(caught.value)


def test_an_empty_file_is_an_empty_configuration() -> None:
    assert daemon_config.parse(" \n", "x") == {}


def test_json_tells_one_from_true() -> None:
    assert daemon_config.differ({"a": True}, {"a": 1})
    assert not daemon_config.differ({"a": 1, "b": 2}, {"b": 2, "a": 1})


@given(current=CONFIGS, declared=CONFIGS)
def test_a_plan_once_applied_is_done_and_nothing_given_is_changed(
    current: dict[str, Any], declared: dict[str, Any]
) -> None:
    before = copy.deepcopy((current, declared))
    wanted = daemon_config.plan(current, declared)
    assert not daemon_config.differ(daemon_config.plan(wanted, declared), wanted)
    assert (current, declared) == before
    assert daemon_config.parse(daemon_config.render(wanted), "x") == wanted
    assert set(wanted) == {*current, *declared}


# --- The module -------------------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], path: Path, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    arguments = {"path": str(path), "_ansible_check_mode": check_mode, "_ansible_diff": True, **options}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        engine_config.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.fixture
def dockerd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine on the PATH that refuses a file with the word refused in it."""
    program = tmp_path / "bin/dockerd"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\ngrep -q refused "$3" || exit 0\necho "unable to configure with file $3" >&2\nexit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "%s:/usr/bin:/bin" % program.parent)
    return program


@pytest.mark.usefixtures("dockerd")
def test_check_mode_tells_what_the_run_then_does_and_the_second_run_does_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "docker/daemon.json"
    told = run(capsys, path, check_mode=True, config={"debug": True})
    assert not path.exists()
    done = run(capsys, path, config={"debug": True})
    assert told == done
    assert done["changed"]
    assert done["validated"] is True
    assert json.loads(path.read_text()) == {"debug": True} == done["config"]
    assert done["diff"]["before"] == ""
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    again = run(capsys, path, config={"debug": True})
    assert not again["changed"]
    assert again["validated"] is None


@pytest.mark.usefixtures("dockerd")
def test_what_the_engine_refuses_changes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text('{"debug": true}')
    result = run(capsys, path, config={"bad": "refused"})
    assert result["failed"]
    assert "unable to configure with file %s" % path in result["msg"]
    assert path.read_text() == '{"debug": true}'


@pytest.mark.usefixtures("dockerd")
def test_a_broken_file_is_refused_and_kept(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text('{\n"debug": true,\n}')
    result = run(capsys, path, config={"debug": False})
    assert result["failed"]
    assert "line 3" in result["msg"] or "line 2" in result["msg"]  # Python 3.13 names the comma's line
    assert path.read_text() == '{\n"debug": true,\n}'


@pytest.mark.usefixtures("dockerd")
def test_the_mode_is_kept_right(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    path.chmod(0o600)
    assert run(capsys, path)["changed"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert not run(capsys, path)["changed"]
