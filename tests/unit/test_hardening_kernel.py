# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings and modules: what differs, what another file undoes at the next boot, what the files say."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening import modules, sysctl
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening.sysctl import Setting
from ansible_collections.flotilla.swarm.plugins.module_utils._host import kernel
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from hypothesis import given
from hypothesis import strategies as st

OWN = "/etc/sysctl.d/zz-flotilla.conf"
FORWARD = Setting("net.ipv4.ip_forward", "1", required=True)


def test_what_differs_is_set_in_the_declared_order() -> None:
    settings = sysctl.parse([
        {"name": "net.ipv4.ip_forward", "value": "1"},
        {"name": "a.range", "value": "1  2"},
        {"name": "a.gone", "value": "1"},
        {"name": "a.b", "value": "0"},
    ])  # fmt: skip
    live = {"net.ipv4.ip_forward": "0", "a.range": "1\t2", "a.gone": None, "a.b": "1"}
    assert [step.name for step in sysctl.steps(settings, live)] == ["net.ipv4.ip_forward", "a.b"]
    assert sysctl.absent(settings, live) == ["a.gone"]


@given(st.dictionaries(st.sampled_from(["a.a", "a.b", "a.c"]), st.integers(0, 3)), st.booleans())
def test_a_plan_that_was_applied_leaves_nothing_to_do(live: dict[str, int], at_least: bool) -> None:
    settings = [Setting(name, "1", at_least=at_least) for name in ("a.a", "a.b", "a.c")]
    now: dict[str, str | None] = {s.name: str(live[s.name]) if s.name in live else None for s in settings}
    here = sysctl.resolved(settings, now)
    after = {**now, **{step.name: str(step.payload["value"]) for step in sysctl.steps(here, now)}}
    again = sysctl.resolved(settings, after)
    assert sysctl.steps(again, after) == []
    assert sysctl.render(again, "") == sysctl.render(here, "")
    assert not at_least or all(int(after[n] or 9) >= int(v or 0) for n, v in now.items())


@pytest.mark.parametrize(
    "item",
    [
        {"name": "ip_forward", "value": "1"},
        {"name": "net.*.x", "value": "1"},
        {"name": "net.ipv4.conf.a*.x", "value": "1"},
        {"name": "a.b", "value": " "},
    ],
)
def test_a_malformed_setting_is_refused(item: dict[str, str]) -> None:
    with pytest.raises(DeclarationError, match=r"sysctl "):
        sysctl.parse([item])


def test_what_is_declared_for_one_interface_counts_more_than_for_every_one() -> None:
    every, one = Setting("net.ipv4.conf.*.x", "0"), Setting("net.ipv4.conf.eth0.x", "1")
    there = {every.name: ["net.ipv4.conf.%s.x" % name for name in ("default", "eth0", "veth1")]}
    assert [(s.name, s.value) for s in sysctl.expanded([every, one], there)] == [
        ("net.ipv4.conf.default.x", "0"),
        ("net.ipv4.conf.veth1.x", "0"),
        ("net.ipv4.conf.eth0.x", "1"),
    ]
    assert sysctl.expanded([every], {every.name: []}) == []


def test_a_file_that_undoes_a_setting_for_one_interface_is_found_wherever_it_sorts() -> None:
    every, one = Setting("net.ipv4.conf.*.x", "0"), Setting("net.ipv4.conf.lo.x", "1")
    text = "net.ipv4.conf.eth0.x=1\nnet.ipv4.conf.lo.x=2\nnet.ipv4.conf.*.x=3\nnet.ipv4.conf.eth1.x=0\n"
    earlier = sysctl.undone([every, one], [("/etc/sysctl.d/10-a.conf", text), (OWN, "")], OWN)
    assert [(s.name, line.name) for s, line in earlier] == [(every.name, "net.ipv4.conf.eth0.x")]
    later = sysctl.undone([every, one], [(OWN, ""), ("/etc/sysctl.conf", text)], OWN)
    assert sorted(line.number for _setting, line in later) == [1, 2, 3]


def test_a_setting_with_two_values_is_refused() -> None:
    with pytest.raises(DeclarationError, match="declared as 1 and as 2"):
        sysctl.parse([{"name": "a.b", "value": "1"}, {"name": "a.b", "value": "2"}])


@pytest.mark.parametrize(
    "text", ["net.ipv4.ip_forward=0", "net/ipv4/ip_forward = 0", "# x\n-net.ipv4.ip_forward = 0\n"]
)
def test_a_later_file_that_undoes_a_setting_is_found(text: str) -> None:
    ((setting, line),) = sysctl.undone([FORWARD], [(OWN, ""), ("/etc/sysctl.conf", text)], OWN)
    assert setting is FORWARD
    said = sysctl.conflict(setting, line)
    assert said.startswith("/etc/sysctl.conf line ")
    assert "net.ipv4.ip_forward = 0" in said


@pytest.mark.parametrize(
    "files",
    [
        [("/etc/sysctl.d/99-x.conf", "net.ipv4.ip_forward=0"), (OWN, "")],  # ours is read after it
        [(OWN, ""), ("/etc/sysctl.conf", "net.ipv4.ip_forward=0\nnet.ipv4.ip_forward=1")],  # its last line agrees
        [(OWN, ""), ("/etc/sysctl.conf", "; net.ipv4.ip_forward=0")],
        [(OWN, ""), ("/etc/sysctl.conf", "net.ipv4.conf.*.x=0")],
        [("/etc/sysctl.conf", "")],
    ],
)
def test_a_file_that_undoes_nothing_is_left_alone(files: list[tuple[str, str]]) -> None:
    assert sysctl.undone([FORWARD], files, OWN) == []


def test_a_stricter_value_in_a_later_file_undoes_nothing() -> None:
    setting = Setting("kernel.kptr_restrict", "1", at_least=True)
    assert sysctl.undone([setting], [(OWN, ""), ("/etc/sysctl.conf", "kernel.kptr_restrict=2")], OWN) == []


def test_an_interfaces_dots_are_told_from_separators() -> None:
    (line,) = sysctl.lines("f", "net/ipv4/conf/eth0.1/rp_filter=1")
    assert line.name == "net.ipv4.conf.eth0/1.rp_filter"


def test_files_for_the_boot_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in (
        "etc/sysctl.d/50-b.conf",
        "usr/lib/sysctl.d/10-a.conf",
        "usr/lib/sysctl.d/50-b.conf",
        "etc/sysctl.conf",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    assert kernel.boot_files(OWN, tmp_path) == [
        ("/usr/lib/sysctl.d/10-a.conf", "usr/lib/sysctl.d/10-a.conf"),
        ("/etc/sysctl.d/50-b.conf", "etc/sysctl.d/50-b.conf"),
        (OWN, ""),
        ("/etc/sysctl.conf", "etc/sysctl.conf"),
    ]


def test_live_settings_are_read_and_set(tmp_path: Path) -> None:
    path = tmp_path / "proc/sys/net/ipv4/ip_forward"
    path.parent.mkdir(parents=True)
    path.write_text("0\n", encoding="utf-8")
    assert kernel.setting("net.ipv4.ip_forward", tmp_path) == "0"
    assert kernel.setting("net.bridge.x", tmp_path) is None
    kernel.set_setting("net.ipv4.ip_forward", "1", tmp_path)
    assert kernel.setting("net.ipv4.ip_forward", tmp_path) == "1"
    (tmp_path / "proc/sys/net/bridge/x").mkdir(parents=True)
    with pytest.raises(HostError, match=r"the kernel refuses net\.bridge\.x = 1"):
        kernel.set_setting("net.bridge.x", "1", tmp_path)


def test_every_interface_is_found_and_one_that_has_gone_is_passed_over(tmp_path: Path) -> None:
    pattern = "net.ipv4.conf.*.send_redirects"
    assert kernel.names(pattern, tmp_path) == []
    for name in ("all", "eth0.100"):
        path = tmp_path / "proc/sys/net/ipv4/conf" / name / "send_redirects"
        path.parent.mkdir(parents=True)
        path.write_text("1\n", encoding="utf-8")
    all_of_them = ["net.ipv4.conf.all.send_redirects", "net.ipv4.conf.eth0/100.send_redirects"]
    assert kernel.names(pattern, tmp_path) == all_of_them
    kernel.set_setting(all_of_them[1], "0", tmp_path)
    assert [kernel.setting(name, tmp_path) for name in all_of_them] == ["1", "0"]
    kernel.set_setting("net.ipv4.conf.veth1.send_redirects", "0", tmp_path)


def test_modules_are_seen_loaded_and_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel.os, "uname", lambda: type("Uname", (), {"release": "6.1"}))
    (tmp_path / "sys/module/br_netfilter").mkdir(parents=True)
    (tmp_path / "lib/modules/6.1").mkdir(parents=True)
    (tmp_path / "lib/modules/6.1/modules.builtin").write_text("kernel/fs/overlayfs/overlay.ko\n", encoding="utf-8")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/modules").write_text("dccp 16384 0 - Live 0x0\n", encoding="utf-8")
    assert [kernel.has_module(name, tmp_path) for name in ("br-netfilter", "overlay", "vxlan")] == [True, True, False]
    assert [kernel.is_loaded(name, tmp_path) for name in ("dccp", "tipc")] == [True, False]


def test_modules_to_load_and_to_deny() -> None:
    loaded, denied = modules.parse(["overlay", "overlay", "br_netfilter"], ["dccp"])
    assert [step.name for step in modules.steps(loaded, {"overlay": True})] == ["br_netfilter"]
    assert modules.render_load(loaded, "#\n") == "#\noverlay\nbr_netfilter\n"
    assert modules.render_deny(denied, "") == "blacklist dccp\ninstall dccp /bin/false\n"
    with pytest.raises(DeclarationError, match="to be loaded and denied at once"):
        modules.parse(["br_netfilter"], ["br-netfilter"])
    with pytest.raises(DeclarationError, match="no name of a kernel module"):
        modules.parse(["a b"], [])


def test_each_concern_has_a_file_that_is_read_late() -> None:
    one, two, three = Setting("a.a", "1", concern="one"), Setting("a.b", "1", concern="two"), Setting("a.c", "1")
    parts = sysctl.by_file([one, three, two], OWN)
    assert parts == {
        "/etc/sysctl.d/zz-flotilla-one.conf": [one],
        OWN: [three],
        "/etc/sysctl.d/zz-flotilla-two.conf": [two],
    }
    assert all(Path(path).name > "99-sysctl.conf" for path in parts)
