# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's configuration file: the merge, and the module that writes it."""

from __future__ import annotations

import copy
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._core import daemon_config
from ansible_collections.flotilla.swarm.plugins.module_utils._core.audit import arguments
from ansible_collections.flotilla.swarm.plugins.module_utils._core.daemon_dangers import Allowed
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
    assert daemon_config.plan(current, declared, allowed=Allowed(live_restore=True))["live-restore"] is True
    assert "live-restore" not in daemon_config.plan({"live-restore": True}, {}, ["live-restore"])


def test_defaults_lie_beneath_what_is_declared_and_above_the_file() -> None:
    defaults = {"icc": False, "default-ulimits": {"nofile": {"Soft": 1, "Hard": 2}}, "log-level": "info"}
    declared = {"default-ulimits": {"nofile": {"Soft": 9}}, "log-level": None}
    current = {"icc": True, "log-level": "debug", "dns": ["192.0.2.1"]}
    before = copy.deepcopy((defaults, declared, current))
    assert daemon_config.plan(current, declared, defaults=defaults) == {
        "icc": False,
        "log-level": "debug",
        "dns": ["192.0.2.1"],
        "default-ulimits": {"nofile": {"Soft": 9, "Hard": 2}},
    }
    assert (defaults, declared, current) == before


def test_what_is_removed_outranks_the_defaults() -> None:
    assert daemon_config.plan({"icc": True}, {}, ["icc"], defaults={"icc": False}) == {}


BOUNDED = {"log-driver": "json-file", "log-opts": {"max-size": "10m"}}


def test_the_options_of_a_log_driver_go_with_it() -> None:
    bounded = daemon_config.plan({}, {}, initial=BOUNDED)
    assert bounded == BOUNDED
    journald = daemon_config.plan(bounded, {"log-driver": "journald"}, initial=BOUNDED)
    assert journald == {"log-driver": "journald"}
    assert daemon_config.plan(journald, {}, ["log-driver"], initial=BOUNDED)["log-opts"] == {"max-size": "10m"}
    more = {"log-driver": "json-file", "log-opts": {"max-file": "9"}}
    assert daemon_config.plan(bounded, more)["log-opts"] == {"max-size": "10m", "max-file": "9"}


@pytest.mark.parametrize(
    "current",
    [
        {"log-driver": "loki", "log-opts": {"loki-url": "x"}},
        {"log-driver": "journald"},
        {"log-driver": "json-file", "log-opts": {"max-size": "1g"}},
    ],
    ids=lambda current: "%(log-driver)s" % current,
)
def test_what_the_file_says_stays_where_a_setting_is_only_initial(current: dict[str, Any]) -> None:
    before = copy.deepcopy(current)
    assert daemon_config.plan(current, {}, initial=BOUNDED) == before
    assert daemon_config.plan(current, {"log-driver": None}, initial=BOUNDED) == before
    assert current == before


def test_an_initial_setting_adds_the_entries_that_a_dictionary_lacks_and_leaves_the_others_whole() -> None:
    limit, none = {"Name": "nofile", "Hard": 1024}, {"Name": "core", "Soft": 0, "Hard": 0}
    initial = {"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 65536, "Hard": 65536}, "core": none}}
    current = {"default-ulimits": {"nofile": limit}}
    filled = daemon_config.plan(current, {}, initial=initial)
    assert filled == {"default-ulimits": {"nofile": limit, "core": none}}
    assert not daemon_config.differ(daemon_config.plan(filled, {}, initial=initial), filled)
    kept = daemon_config.plan(current, {"default-ulimits": {"core": None}}, initial=initial)
    assert kept == current
    own = daemon_config.plan({}, {"default-ulimits": {"nofile": {"Soft": 9}}}, initial=initial)
    assert own["default-ulimits"]["nofile"] == {"Name": "nofile", "Soft": 9, "Hard": 65536}
    assert daemon_config.plan({}, {"default-ulimits": None}, initial=initial) == {}
    assert daemon_config.plan(current, {}, ["default-ulimits"], initial=initial) == {}


FLAGS = arguments.parse(
    ["-H", "fd://", "--icc=false", "--default-ulimit", "nofile=9:9", "--log-driver", "loki", "--label=a=b"]
)


def test_what_is_on_the_command_line_is_left_to_it() -> None:
    defaults, initial = {"icc": False, "log-level": "info"}, {**BOUNDED, "default-ulimits": {"core": {}}}
    wanted = daemon_config.plan({}, {}, defaults=defaults, initial=initial, flags=FLAGS)
    assert wanted == {"log-level": "info"}, "nor are there options of a driver that another one would refuse"
    assert daemon_config.left_out({**initial, **defaults}, {}, FLAGS) == ["default-ulimits", "icc", "log-driver"]


@pytest.mark.parametrize("declares", [True, False], ids=["declared", "in the file"])
@pytest.mark.parametrize(
    "key", [{"icc": True}, {"hosts": ["fd://"]}, {"labels": ["a=b"]}, {"default-ulimits": {"core": {}}}], ids=str
)
def test_a_key_that_is_on_the_command_line_too_is_refused(key: dict[str, Any], declares: bool) -> None:
    name = next(iter(key))
    with pytest.raises(DeclarationError, match="does not start with both") as caught:
        daemon_config.plan({} if declares else key, key if declares else {}, defaults={"icc": False}, flags=FLAGS)
    assert "%s is %s" % (name, "declared" if declares else "in the file already") in str(caught.value)
    assert daemon_config.plan(key, {}, [name], flags=FLAGS) == {}


def test_a_proxy_is_compared_by_its_own_name() -> None:
    with pytest.raises(DeclarationError, match="http-proxy"):
        daemon_config.plan({}, {"proxies": {"http-proxy": "x"}}, flags={"http-proxy": "y"})


def test_what_is_not_ours_is_not_shown() -> None:
    config = {
        "log-opts": {"max-size": "1m", "splunk-token": "canary"},
        "proxies": {"http-proxy": "canary"},
        "icc": False,
    }
    shown = daemon_config.shown(config, {"log-opts": {"max-size": "1m"}, "icc": False, "proxies": None})
    assert shown == {
        "log-opts": {"max-size": "1m", "splunk-token": daemon_config.NOT_SHOWN},
        "proxies": daemon_config.NOT_SHOWN,
        "icc": False,
    }


DANGERS = [
    ({"metrics-addr": "0.0.0.0:9323"}, "whoever reaches the host"),
    ({"metrics-addr": ":9323"}, "whoever reaches the host"),
    ({"metrics-addr": "[::]:9323"}, "whoever reaches the host"),
    ({"metrics-addr": "node.example.com:9323"}, "a name may stand for any"),
    ({"metrics-addr": "203.0.113.9:9323"}, "neither loopback nor the cluster's address"),
    ({"hosts": ["fd://", "tcp://192.0.2.11:2376"], "tls": True}, "tcp://192.0.2.11:2376"),
    ({"hosts": ["192.0.2.11"]}, "without tlsverify"),
    ({"hosts": ["tcp://127.0.0.1:2375"]}, "root on this host"),
    ({"default-address-pools": [{"base": "10.9.0.0/16", "size": 24}]}, "overlaps the swarm's pool 10.0.0.0/8"),
    (
        {"default-address-pools": [{"base": "172.30.0.0/16", "size": 24}, {"base": "172.30.4.0/24", "size": 28}]},
        "overlaps 172.30.0.0/16",
    ),
    ({"default-address-pools": [{"base": "172.30.0.0/16", "size": 8}]}, "size 8"),
    ({"default-address-pools": [{"base": "172.30.0.1/16", "size": 24}]}, "host bits"),
    ({"default-address-pools": [{"base": "172.30.0.0/16"}]}, "size 0"),
    ({"default-address-pools": {"base": "172.30.0.0/16"}}, "must be a list"),
]
CLUSTER = Allowed(cluster_address="192.0.2.11")


@pytest.mark.parametrize("declares", [True, False], ids=["declared", "in the file"])
@pytest.mark.parametrize(("keys", "said"), DANGERS, ids=[said for _keys, said in DANGERS])
def test_what_is_dangerous_is_refused_wherever_it_comes_from(keys: dict[str, Any], said: str, declares: bool) -> None:
    with pytest.raises(DeclarationError, match=re.escape(said)) as caught:
        daemon_config.plan({} if declares else keys, keys if declares else {}, allowed=CLUSTER)
    key = next(key for key in ("metrics-addr", "hosts", "default-address-pools") if key in keys)
    assert key in str(caught.value)
    if key != "default-address-pools":
        assert ("declared" if declares else "in the file already") in str(caught.value)


@pytest.mark.parametrize(
    "keys",
    [
        {"metrics-addr": "127.0.0.1:9323"},
        {"metrics-addr": "[::1]:9323"},
        {"metrics-addr": "localhost:9323"},
        {"metrics-addr": "192.0.2.11:9323"},
        {"hosts": ["fd://", "unix:///run/other.sock"]},
        {"hosts": ["tcp://192.0.2.11:2376"], "tlsverify": True},
        {"default-address-pools": [{"base": "172.30.0.0/16", "size": 24}, {"base": "fd00:1::/48", "size": 64}]},
    ],
    ids=str,
)
def test_what_is_not_dangerous_is_taken(keys: dict[str, Any]) -> None:
    assert daemon_config.plan({}, keys, allowed=CLUSTER) == keys


def test_what_is_allowed_is_taken() -> None:
    allowed = Allowed(open_metrics=True, plain_tcp=True, swarm_pools=("192.168.0.0/16",))
    keys = {
        "metrics-addr": "0.0.0.0:9323",
        "hosts": ["tcp://0.0.0.0:2375"],
        "default-address-pools": [{"base": "10.9.0.0/16", "size": 24}],
    }
    assert daemon_config.plan({}, keys, allowed=allowed) == keys
    unknown_address = Allowed(cluster_address="eth1")
    assert daemon_config.plan({}, {"metrics-addr": "192.0.2.7:9323"}, allowed=unknown_address)


def test_the_mend_of_live_restore_names_the_variable_that_removes_it() -> None:
    with pytest.raises(DeclarationError, match="docker_engine_config_remove"):
        daemon_config.plan({"live-restore": True}, {})


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
@pytest.mark.parametrize(("mode", "then"), [(0o600, 0o600), (0o640, 0o640), (0o666, 0o644), (0o755, 0o644)])
def test_the_mode_is_narrowed_and_never_widened(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, mode: int, then: int
) -> None:
    path = tmp_path / "daemon.json"
    path.write_text("{}")
    path.chmod(mode)
    assert run(capsys, path)["changed"] is (mode != then)
    assert stat.S_IMODE(path.stat().st_mode) == then
    assert not run(capsys, path)["changed"]
    assert run(capsys, path, config={"debug": True})["changed"]
    assert stat.S_IMODE(path.stat().st_mode) == then


@pytest.mark.usefixtures("dockerd")
def test_values_of_somebody_else_are_nowhere_in_the_result(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text(
        '{"log-driver": "splunk", "log-opts": {"splunk-token": "canary"}, "proxies": {"no-proxy": "canary"}}'
    )
    result = run(capsys, path, config={"debug": True, "log-opts": {"mode": "non-blocking"}}, remove=["proxies"])
    assert result["changed"]
    assert "canary" not in json.dumps(result["diff"]) + json.dumps(result["config"])
    assert json.loads(path.read_text())["log-opts"] == {"splunk-token": "canary", "mode": "non-blocking"}


@pytest.mark.usefixtures("dockerd")
def test_the_module_asks_the_command_line_of_the_engine_that_reads_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "daemon.json"
    flags = ["--icc=false", "--config-file=%s" % path]
    monkeypatch.setattr(engine_config.engine_command, "arguments", lambda: flags)
    warned: list[str] = []
    monkeypatch.setattr(engine_config.AnsibleModule, "warn", lambda _self, text: warned.append(text))
    refused = run(capsys, path, config={"icc": False})
    assert refused["failed"]
    assert "icc is declared and on the engine's command line" in refused["problems"][0]
    assert not path.exists()
    left = run(capsys, path, defaults={"icc": False}, initial={"debug": True})
    assert left["config"] == {"debug": True}
    assert left["left_out"] == ["icc"]
    assert warned == ["icc is left to the engine's command line, where it stands too"]
    flags.pop()
    assert run(capsys, path, config={"icc": False})["changed"], "that engine reads another file"


@pytest.mark.usefixtures("dockerd")
def test_an_engine_that_goes_by_another_file_is_not_hardened_in_vain(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "daemon.json"
    monkeypatch.setattr(engine_config, "CONFIGURATION", str(path))
    monkeypatch.setattr(engine_config.engine_command, "arguments", lambda: ["--config-file=/srv/docker.json"])
    refused = run(capsys, path, config={"icc": False})
    assert refused["failed"]
    assert "the engine goes by /srv/docker.json (--config-file on its command line)" in refused["msg"]
    assert "docker_engine_config" in refused["msg"]
    assert not path.exists()


def test_a_file_that_is_no_text_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_bytes(b'{"debug": "\xff"}')
    refused = run(capsys, path, config={"icc": False})
    assert f"{path} is no JSON" in refused["msg"]


@pytest.mark.usefixtures("dockerd")
def test_a_dangerous_file_is_refused_before_it_is_changed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text('{"hosts": ["tcp://0.0.0.0:2375"]}')
    result = run(capsys, path, config={"debug": True})
    assert result["failed"]
    assert "tlsverify" in result["problems"][0]
    assert path.read_text() == '{"hosts": ["tcp://0.0.0.0:2375"]}'
    assert not run(capsys, path, allow_plain_tcp=True)["changed"]


@pytest.mark.usefixtures("dockerd")
def test_another_form_of_the_same_settings_is_left_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "daemon.json"
    path.write_text('{"debug":true,\n\n"icc":   false}')
    result = run(capsys, path, config={"debug": True}, defaults={"icc": False})
    assert not result["changed"]
    assert path.read_text() == '{"debug":true,\n\n"icc":   false}'
