# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module host_kernel as a whole: what it loads, sets and writes, and what it refuses before it changes anything."""

from __future__ import annotations

import fnmatch
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._host import kernel
from ansible_collections.flotilla.swarm.plugins.modules import host_kernel

FORWARD = {"name": "net.ipv4.ip_forward", "value": "1", "required": True}
BRIDGE = {"name": "net.bridge.bridge-nf-call-iptables", "value": "1"}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to root")


class Machine:
    """A kernel in memory: its settings, its modules, and what other files set at boot."""

    def __init__(self) -> None:
        self.settings = {"net.ipv4.ip_forward": "0"}
        self.loaded = {"dccp"}
        self.loadable = {"br_netfilter"}
        self.later = ""

    def boot_files(self, own: str) -> list[tuple[str, str]]:
        return [(own, ""), ("/etc/sysctl.conf", self.later)]

    def names(self, pattern: str) -> list[str]:
        return fnmatch.filter(self.settings, pattern)

    def load(self, name: str, *, rehearsal: bool) -> bool:
        if name in self.loadable and not rehearsal:
            self.loaded.add(name)
            self.settings[BRIDGE["name"]] = "0"
        return name in self.loadable


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(kernel, "setting", found.settings.get)
    monkeypatch.setattr(kernel, "set_setting", found.settings.__setitem__)
    monkeypatch.setattr(kernel, "names", found.names)
    monkeypatch.setattr(kernel, "has_module", found.loaded.__contains__)
    monkeypatch.setattr(kernel, "is_loaded", found.loaded.__contains__)
    monkeypatch.setattr(kernel, "load_module", found.load)
    monkeypatch.setattr(kernel, "boot_files", found.boot_files)
    return found


def run(capsys: pytest.CaptureFixture[str], directory: Path, check: bool = False, **options: Any) -> dict[str, Any]:
    files = {name + "_file": str(directory / name) for name in ("sysctl", "modules", "denied")}
    with patch_module_args({**files, **options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        host_kernel.main()
    return dict(json.loads(capsys.readouterr().out))


def test_all_is_set_at_once_and_for_the_boot(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, Any] = {
        "sysctls": [FORWARD, BRIDGE, {"name": "a.gone", "value": "1"}],
        "modules": ["br_netfilter", "overlay"],
        "denied": ["dccp"],
    }
    found = run(capsys, tmp_path, **options)
    assert machine.settings == {FORWARD["name"]: "1", BRIDGE["name"]: "1"}
    assert found["absent"] == ["overlay", "a.gone"]
    assert found["still_loaded"] == ["dccp"]
    assert (tmp_path / "sysctl").read_text(encoding="utf-8") == (
        host_kernel.HEADER + "-net.ipv4.ip_forward = 1\n-net.bridge.bridge-nf-call-iptables = 1\n-a.gone = 1\n"
    )
    assert (tmp_path / "modules").read_text(encoding="utf-8").splitlines()[1:] == ["br_netfilter", "overlay"]
    again = run(capsys, tmp_path, **options)
    assert (again["changed"], again["diff"], again["plan"]) == (False, [], [])


def test_a_setting_of_every_interface_holds_while_interfaces_come_and_go(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every = "net.ipv4.conf.%s.send_redirects"
    machine.settings.update({every % name: "1" for name in ("all", "default", "eth0", "veth1")})
    options = {"sysctls": [{"name": every % name, "value": "0"} for name in ("all", "default", "*")]}
    found = run(capsys, tmp_path, **options)
    assert {machine.settings[every % name] for name in ("all", "default", "eth0", "veth1")} == {"0"}
    assert found["absent"] == []
    assert (tmp_path / "sysctl").read_text(encoding="utf-8").splitlines()[-1] == "-%s = 0" % (every % "*")
    del machine.settings[every % "veth1"]
    machine.settings[every % "veth2"] = machine.settings[every % "default"]  # as the kernel does
    assert not run(capsys, tmp_path, **options)["changed"]
    absent = run(capsys, tmp_path, sysctls=[{"name": "net.ipv6.conf.*.accept_redirects", "value": "0"}])["absent"]
    assert absent == ["net.ipv6.conf.*.accept_redirects"]


def test_a_rehearsal_changes_nothing_and_shows_it(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(capsys, tmp_path, check=True, sysctls=[FORWARD], modules=["br_netfilter"])
    assert found["changed"]
    assert (machine.settings, machine.loaded) == ({FORWARD["name"]: "0"}, {"dccp"})
    assert list(tmp_path.iterdir()) == []
    assert found["diff"][-1]["after"]["sysctl net.ipv4.ip_forward"] == {"value": "1"}


def test_what_is_not_declared_is_not_managed(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, tmp_path, denied=["tipc"])
    assert [path.name for path in tmp_path.iterdir()] == ["denied"]
    assert machine.settings[FORWARD["name"]] == "0"
    run(capsys, tmp_path, denied=[])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_turns_forwarding_off_at_the_next_boot_is_refused_by_name(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.later = "# by hand\nnet.ipv4.ip_forward = 0\n"
    found = run(capsys, tmp_path, sysctls=[FORWARD])
    assert found["failed"]
    assert found["msg"].startswith(
        "/etc/sysctl.conf line 2 sets net.ipv4.ip_forward = 0 at the next boot, in place of ours (1)"
    )
    assert machine.settings[FORWARD["name"]] == "0"
    assert list(tmp_path.iterdir()) == []
    machine.later = "a.b = 0\n"
    machine.settings["a.b"] = "1"
    assert "failed" not in run(capsys, tmp_path, sysctls=[FORWARD, {"name": "a.b", "value": "1"}])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"denied": ["br_netfilter"], "modules": ["br_netfilter"]}, "to be loaded and denied at once"),
        ({"sysctls": [{**BRIDGE, "required": True}]}, "this kernel does not have net.bridge.bridge-nf-call-iptables"),
    ],
)
@pytest.mark.usefixtures("machine")
def test_what_a_swarm_can_not_live_with_is_refused(
    options: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(capsys, tmp_path, **options)
    assert found["failed"]
    assert said in found["msg"]
    assert list(tmp_path.iterdir()) == []


def test_a_concern_that_is_switched_off_keeps_its_file(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.settings["a.b"] = "0"
    network, other = {**FORWARD, "concern": "network"}, {"name": "a.b", "value": "1", "concern": "other"}
    assert run(capsys, tmp_path, sysctls=[network, other])["changed"]
    assert (tmp_path / "sysctl-network").read_text(encoding="utf-8") == (
        host_kernel.HEADER + "-net.ipv4.ip_forward = 1\n"
    )
    run(capsys, tmp_path, sysctls=[{**other, "value": "2"}])
    assert {path.name: path.read_text(encoding="utf-8").splitlines()[1:] for path in tmp_path.iterdir()} == {
        "sysctl-network": ["-net.ipv4.ip_forward = 1"],
        "sysctl-other": ["-a.b = 2"],
    }


def test_what_another_concerns_file_held_before_undoes_nothing(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = [(str(tmp_path / "sysctl-z"), "net.ipv4.ip_forward = 0\n")]
    monkeypatch.setattr(kernel, "boot_files", lambda own: [(own, ""), *(one for one in later if one[0] != own)])
    machine.settings["a.b"] = "0"
    network = {**FORWARD, "concern": "network"}
    assert run(capsys, tmp_path, sysctls=[network])["failed"]
    assert run(capsys, tmp_path, sysctls=[network, {"name": "a.b", "value": "1", "concern": "z"}])["changed"]
