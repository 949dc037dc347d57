# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module swarm_firewall from its options to its results, on a host whose nft and systemd are stood in for."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import model, ruleset, state
from ansible_collections.flotilla.swarm.plugins.module_utils._host import (
    command,
    firewall_files,
    nft,
    other_firewalls,
    timed_rollback,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._host import firewall as host_firewall
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.modules import swarm_firewall
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.firewall import GOOD
from tests.support.module_runner import Runner

Json = dict[str, Any]
Answer = tuple[int, str, str]


def text_of(**options: Any) -> str:
    return ruleset.render(model.parse({**GOOD, **options})).text


def listing_of(text: str) -> str:
    """nft's stand-in lists what it loaded without comments and empty lines."""
    body = text[text.index("table inet flotilla {") :] if "table inet flotilla {" in text else ""
    return "".join(line + "\n" for line in body.splitlines() if line.strip())


class Host:
    """nft and systemd of one host: ``ran`` are the commands that changed something, in their order."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.live: str | None = None
        self.enabled: set[str] = set()
        self.active: set[str] = set()
        self.restarts = 0
        """All of them within ten seconds."""
        self.timer: tuple[int, str] | None = None
        self.programs = {"ip", "nft", "systemctl", "systemd-run", "unshare"}
        self.links: list[Json] = [{"ifname": "eth0", "addr_info": [{"local": "192.0.2.11", "prefixlen": 24}]}]
        self.failing: dict[str, str] = {}
        self.ran: list[str] = []
        for name in ("PERSISTED", "SERVICE", "DROP_IN", "PENDING", "ROLLBACK"):
            monkeypatch.setattr(firewall_files, name, root / str(getattr(firewall_files, name)).lstrip("/"))
        monkeypatch.setattr(other_firewalls, "_UFW", root / "ufw.conf")
        monkeypatch.setattr(other_firewalls, "_ROUTES", (root / "route", root / "ipv6_route"))
        monkeypatch.setattr(other_firewalls, "_INTERFACES", root / "net")
        monkeypatch.setattr(command, "find", lambda name: "/usr/sbin/" + name if name in self.programs else None)
        monkeypatch.setattr(command, "run", self.run)
        self.root = root

    def run(self, words: Sequence[str], _deadline: float = 0) -> Answer:
        said = " ".join(words)
        for start, error in self.failing.items():
            if said.startswith(start):
                return 1, "", error
        answers: dict[str, Callable[[Sequence[str]], Answer]] = {
            "nft": self._nft,
            "unshare": lambda words: self._read(words[-1]),
            "systemctl": self._systemctl,
            "systemd-run": self._systemd_run,
            "ip": lambda _words: (0, json.dumps(self.links), ""),
        }
        return answers[words[0]](words[1:])

    def _read(self, path: str) -> Answer:
        text = Path(path).read_text()
        for number, line in enumerate(text.splitlines(), 1):
            if "dprt" in line:
                return 1, "", "%s:%d:7-10: Error: syntax error, unexpected string\n%s\n" % (path, number, line)
        return 0, listing_of(text), ""

    def _nft(self, words: Sequence[str]) -> Answer:
        if words[0] == "--stateless":
            error = "Error: No such file or directory\nlist table inet flotilla\n"
            return (1, "", error) if self.live is None else (0, self.live, "")
        if words[0] == "--check":
            return self._read(words[-1])
        self.ran.append("nft " + " ".join(words[:-1] if words[0] == "--file" else words))
        if words[0] == "delete":
            self.live = None
            return 0, "", ""
        code, listed, error = self._read(words[-1])
        if code == 0:
            self.live = listed or None
        return code, "", error

    def _systemctl(self, words: Sequence[str]) -> Answer:
        verb, unit = words[0], words[-1]
        if verb == "show":
            enabled = "enabled" if unit in self.enabled else "disabled"
            active = "active" if unit in self.active else "failed"
            return 0, "LoadState=loaded\nActiveState=%s\nUnitFileState=%s\n" % (active, enabled), ""
        if verb == "is-active":
            return (0 if unit in self.active else 3), "", ""
        self.ran.append(verb)
        if verb == "stop":
            was, self.timer = self.timer, None
            return (0 if was else 5), "", "" if was else "not loaded"
        if verb == "enable":
            self.enabled.add(unit)
        if verb == "disable":
            self.enabled.discard(unit)
        if verb == "restart":
            self.active.discard(unit)
            self.restarts += 1
            if self.restarts > 5 and "StartLimitIntervalSec=0\n" not in firewall_files.SERVICE.read_text():
                return 1, "", "start of the service was attempted too often"  # systemd.unit(5), StartLimitBurst=
            self.live = listing_of(firewall_files.PERSISTED.read_text())
            self.active.add(unit)
        return 0, "", ""

    def _systemd_run(self, words: Sequence[str]) -> Answer:
        self.ran.append("arm")
        seconds = next(word for word in words if word.startswith("--on-active="))
        self.timer = int(seconds.split("=")[1].rstrip("s")), words[-1]
        return 0, "", ""

    def fire(self) -> None:
        """The time is up: what the timer's service does."""
        assert self.timer is not None
        assert self._nft(["--file", self.timer[1]])[0] == 0
        self.timer = None

    def restart(self) -> None:
        """What is in memory is gone, and the service at boot runs."""
        self.timer, self.live = None, None
        firewall_files.remove(firewall_files.PENDING, firewall_files.ROLLBACK)
        if firewall_files.SERVICE.name in self.enabled and firewall_files.PERSISTED.exists():
            self.live = self._read(str(firewall_files.PERSISTED))[1] or None


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(monkeypatch, capsys)


def firewall(runner: Runner, check_mode: bool = False, **options: Any) -> Json:
    return runner.run(swarm_firewall, check_mode, **{**GOOD, **options})


def confirmed(runner: Runner, **options: Any) -> None:
    assert firewall(runner, **options)["pending"] is True
    assert firewall(runner, state="confirmed", **options)["changed"] is True


def test_rules_are_loaded_with_a_way_back_and_kept_when_confirmed(runner: Runner, host: Host) -> None:
    foretold = firewall(runner, check_mode=True)
    assert (host.ran, host.live) == ([], None)
    done = firewall(runner, window=30)
    assert foretold["changed"] is done["changed"] is done["pending"] is True
    assert foretold["pending"] is False
    assert foretold["diff"] == done["diff"]
    assert done["diff"]["before"] == ""
    assert host.live == done["diff"]["after"] == listing_of(text_of())
    # The way back is there before the rules are.
    assert host.ran == ["stop", "arm", "nft --file"]
    assert host.timer == (30, str(firewall_files.ROLLBACK))
    assert firewall_files.ROLLBACK.read_text() == ruleset.REMOVAL
    assert not firewall_files.PERSISTED.exists()

    kept = firewall(runner, state="confirmed")
    assert kept["changed"] is True
    assert host.timer is None
    assert firewall_files.PERSISTED.read_text() == text_of()
    assert host.enabled == {"flotilla-firewall.service"}
    assert not firewall_files.PENDING.exists()
    load = "/usr/sbin/nft --file %s" % firewall_files.PERSISTED
    assert "ExecStart=" + load in firewall_files.SERVICE.read_text()
    # Whatever nftables.service does, our table is there afterwards; and no failure of ours is one of that service.
    after = ["ExecStartPost=-" + load, "ExecReload=-" + load, "ExecStopPost=-" + load]
    assert firewall_files.DROP_IN.read_text().splitlines()[-3:] == after
    assert firewall_files.PERSISTED.stat().st_mode & 0o777 == 0o600

    host.ran.clear()
    again = firewall(runner)
    assert (again["changed"], again["differences"], again["diff"], again["pending"]) == (False, [], {}, False)
    assert firewall(runner, state="confirmed")["changed"] is False
    assert host.ran == []


def test_unconfirmed_rules_go_away_by_themselves(runner: Runner, host: Host) -> None:
    """Fault 31."""
    confirmed(runner)
    before = host.live
    firewall(runner, custom_rules=["tcp dport 22 drop"])
    assert host.live != before
    host.fire()
    assert host.live == before
    late = firewall(runner, state="confirmed", custom_rules=["tcp dport 22 drop"])
    assert "the confirmation came too late" in late["msg"]
    assert firewall_files.PERSISTED.read_text() == text_of()
    assert firewall(runner)["changed"] is False


def test_a_restart_in_the_window_brings_the_old_rules_back(runner: Runner, host: Host) -> None:
    """Fault 32."""
    confirmed(runner)
    before = host.live
    firewall(runner, open=[{"port": "80"}])
    host.restart()
    assert host.live == before
    late = firewall(runner, state="confirmed", open=[{"port": "80"}])
    assert "no rules wait to be confirmed" in late["msg"]
    assert host.live == before


def test_a_broken_rule_is_named_and_nothing_is_changed(runner: Runner, host: Host) -> None:
    """Fault 33."""
    confirmed(runner)
    host.ran.clear()
    before = host.live
    refused = firewall(runner, custom_rules=["tcp dport 9100 accept", "tcp dprt 9101 accept"])
    assert refused["failed"] is True
    assert "nft refuses custom_rules[1] 'tcp dprt 9101 accept', and nothing was changed" in refused["msg"]
    assert "syntax error, unexpected string" in refused["msg"]
    assert (host.ran, host.live) == ([], before)


def test_what_the_kernel_refuses_only_then_leaves_no_timer(runner: Runner, host: Host) -> None:
    host.failing = {"nft --file": "Error: Could not process rule: Operation not supported"}
    refused = firewall(runner)
    assert "Operation not supported" in refused["msg"]
    assert host.timer is None
    assert not firewall_files.PENDING.exists()


def test_without_a_timer_nothing_is_loaded(runner: Runner, host: Host) -> None:
    host.failing = {"systemd-run": "System has not been booted with systemd as init system"}
    refused = firewall(runner)
    assert "can't be set, so the new ones were not loaded" in refused["msg"]
    assert host.live is None


def test_a_table_changed_by_hand_is_put_right_and_named(runner: Runner, host: Host) -> None:
    confirmed(runner)
    assert host.live is not None
    host.live = host.live.replace("\tchain host {\n", "\tchain host {\n\t\ttcp dport 5432 accept\n")
    found = firewall(runner)
    assert found["differences"] == ["the loaded table is not as declared"]
    assert found["drift"] == ["+ tcp dport 5432 accept"]
    assert "the table was changed by hand since it was confirmed: + tcp dport 5432 accept" in runner.words
    # The way back leads to what was confirmed, not to what the hand did.
    assert firewall_files.ROLLBACK.read_text() == text_of()
    assert firewall(runner, state="confirmed")["changed"] is True
    assert host.live == listing_of(text_of())


def test_a_table_removed_by_hand_comes_back(runner: Runner, host: Host) -> None:
    confirmed(runner)
    host.live = None
    assert firewall(runner)["drift"] == ["- the whole table"]


def test_rules_that_wait_are_nobodys_hand(runner: Runner, host: Host) -> None:
    confirmed(runner)
    firewall(runner, open=[{"port": "80"}])
    again = firewall(runner, open=[{"port": "80"}])
    assert (again["changed"], again["pending"], again["drift"]) == (True, True, [])
    assert again["differences"] == ["what is loaded at boot is not as declared"]
    assert host.timer is not None


def test_a_file_that_nft_can_not_read_any_more_is_no_way_back(runner: Runner, host: Host) -> None:
    confirmed(runner)
    firewall_files.PERSISTED.write_text("table inet flotilla { tcp dprt }")
    found = firewall(runner)
    assert found["differences"] == ["what is loaded at boot is not as declared"]
    assert firewall_files.ROLLBACK.read_text() == ruleset.REMOVAL + (host.live or "")


def test_what_is_not_loaded_at_boot_is_a_difference(runner: Runner, host: Host) -> None:
    confirmed(runner)
    host.enabled.clear()
    assert firewall(runner)["differences"] == ["the table is not loaded at boot"]
    confirmed(runner)
    firewall_files.DROP_IN.write_text("[Service]\n")
    assert firewall(runner)["differences"] == ["the table is not loaded at boot"]
    confirmed(runner)
    assert firewall(runner)["changed"] is False


def test_what_could_not_be_loaded_like_at_boot_is_a_difference_and_is_tried_again(runner: Runner, host: Host) -> None:
    confirmed(runner)
    firewall(runner, open=[{"port": 8080}])
    wanted = host.live
    host.failing["systemctl restart"] = "Job for flotilla-firewall.service failed"
    refused = firewall(runner, state="confirmed", open=[{"port": 8080}])
    assert "Job for flotilla-firewall.service failed" in refused["msg"]
    assert host.live == wanted
    # The connection proved the rules: they wait no longer, so the next run does not take them back before it tries.
    assert not firewall_files.PENDING.exists()
    host.active.clear()  # as systemd has it after a start that failed
    host.failing.clear()
    host.ran.clear()
    assert firewall(runner, open=[{"port": 8080}])["differences"] == ["the table is not loaded at boot"]
    assert host.ran.count("nft --file") == 1
    confirmed(runner, open=[{"port": 8080}])
    assert firewall(runner, open=[{"port": 8080}])["changed"] is False


def test_many_changes_in_a_short_time(runner: Runner, host: Host) -> None:
    for port in range(8000, 8008):
        confirmed(runner, open=[{"port": port}])
    assert host.restarts == 8


def test_what_is_written_is_on_the_disk_under_its_name(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(stat.S_ISDIR(os.fstat(number).st_mode)))
    firewall_files.write(host.root / "new" / "file", "text")
    assert synced == [False, True]


LOCKED: dict[str, Any] = {"custom_rules": ["tcp dport 22 drop"]}


def test_a_rerun_does_not_make_the_first_rules_their_own_way_back(runner: Runner, host: Host) -> None:
    """Nothing was confirmed yet, and what is loaded waits itself."""
    firewall(runner, **LOCKED)
    firewall(runner, **LOCKED)
    assert firewall_files.ROLLBACK.read_text() == ruleset.REMOVAL
    host.fire()
    assert host.live is None
    firewall(runner, **LOCKED)
    assert firewall_files.ROLLBACK.read_text() == ruleset.REMOVAL


@pytest.mark.parametrize("fails", ["systemd-run", "systemctl stop", "nft --check", "nft --file /"])
def test_a_rerun_that_fails_leaves_no_rules_without_a_way_back(fails: str, runner: Runner, host: Host) -> None:
    confirmed(runner)
    firewall(runner, **LOCKED)
    host.failing = {fails: "no"}
    assert firewall(runner, open=[{"port": "80"}])["failed"] is True
    assert host.timer is not None or host.live == listing_of(text_of())


def test_a_confirmation_of_what_is_not_in_force_leaves_the_old_rules(runner: Runner, host: Host) -> None:
    confirmed(runner)
    firewall(runner, **LOCKED)
    assert host.live is not None
    host.live = host.live.replace("\tchain host {\n", "\tchain host {\n\t\tdrop\n")
    refused = firewall(runner, state="confirmed", **LOCKED)
    assert "somebody changed them. The old rules are loaded" in refused["msg"]
    assert host.live == listing_of(text_of())


def test_a_removal_that_fails_leaves_nothing_that_waits(runner: Runner, host: Host) -> None:
    firewall(runner, **LOCKED)
    host.failing = {"systemctl stop": "no"}
    assert runner.run(swarm_firewall, state="absent")["failed"] is True
    assert host.live is None
    host.fire()
    assert host.live is None


STEPS = st.one_of(
    st.tuples(st.sampled_from(["present", "confirm"]), st.sampled_from([80, 443, 8080])),
    st.tuples(st.sampled_from(["fire", "restart", "lose", "break"]), st.just(0)),
    st.tuples(st.sampled_from(["systemctl stop", "systemd-run", "nft --file", ""]), st.just(0)),
)


@settings(max_examples=150, deadline=None)
@example([("present", 443), ("nft --file", 0), ("present", 80), ("confirm", 80)])
@given(st.lists(STEPS, max_size=12))
def test_what_nobody_confirmed_is_never_a_way_back_nor_in_force_without_one(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in between: runs, failures of tools (until the next step names none), restarts, lost files."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as monkeypatch:
        host = Host(Path(directory), monkeypatch)
        good = {None, ""}
        for step, port in steps:
            rules = model.parse({**GOOD, "open": [{"port": port or 80}]})
            with contextlib.suppress(HostError):
                if step == "present":
                    host_firewall.present(rules, window=30, alongside=False, scratch=directory, check_mode=False)
                elif step == "confirm":
                    host_firewall.confirm(rules, scratch=directory, check_mode=False)
            if step == "fire" and host.timer and not host.failing:
                host.fire()
            elif step == "restart":
                host.restart()
            elif step == "lose":
                firewall_files.remove(firewall_files.PERSISTED)
            elif step == "break" and firewall_files.PERSISTED.exists():
                firewall_files.PERSISTED.write_text("dprt")
            elif step not in ("present", "confirm", "fire", "break"):
                host.failing = {step: "no"} if step else {}
            persisted = firewall_files.read(firewall_files.PERSISTED)
            if persisted not in (None, "dprt"):
                good.add(listing_of(persisted))
            kept = firewall_files.read(firewall_files.ROLLBACK)
            assert kept is None or listing_of(kept) in good
            assert host.live in good or host.timer is not None


def test_somebody_elses_rules_are_not_confirmed(runner: Runner, host: Host) -> None:
    firewall(runner)
    other = firewall(runner, state="confirmed", open=[{"port": "80"}])
    assert "other rules than these wait to be confirmed" in other["msg"]
    assert host.timer is not None


@pytest.mark.parametrize("which", ["ufw", "firewalld"])
def test_another_firewall_is_refused_until_it_is_accepted(which: str, runner: Runner, host: Host) -> None:
    if which == "ufw":
        host.programs.add("ufw")
        (host.root / "ufw.conf").write_text("# on?\nENABLED=yes\n")
    else:
        host.active.add("firewalld.service")
    refused = firewall(runner)
    mend = "ufw disable" if which == "ufw" else "systemctl disable --now firewalld"
    assert "another firewall is active on this host" in refused["msg"]
    assert mend in refused["msg"]
    assert host.live is None
    assert firewall(runner, alongside=True)["changed"] is True


def test_a_ufw_that_does_nothing_is_none(runner: Runner, host: Host) -> None:
    host.programs.add("ufw")
    (host.root / "ufw.conf").write_text("ENABLED=no\n")
    assert firewall(runner)["changed"] is True


ROUTE = (
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n%s\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n"
)
ROUTE6 = "%s 00 %s 00 %s 00000400 00000001 00000000 00000003 %%8s\n" % ("0" * 32, "0" * 32, "fe8" + "0" * 29)


@pytest.mark.parametrize(("file", "line"), [("route", ROUTE), ("ipv6_route", ROUTE6)])
def test_an_uplink_that_is_called_like_dockers_bridges_is_refused(
    file: str, line: str, runner: Runner, host: Host
) -> None:
    (host.root / file).write_text(line % "br-lan")
    assert "others reach this host by br-lan" in firewall(runner)["msg"]
    (host.root / file).write_text(line % "br0")
    assert firewall(runner)["changed"] is True


@pytest.mark.parametrize(("address", "refused"), [("192.0.2.11", True), ("2001:db8::11", True), ("172.18.0.1", False)])
def test_a_bridge_with_a_members_address_that_is_called_like_dockers_is_refused(
    address: str, refused: bool, runner: Runner, host: Host
) -> None:
    """The default route leaves by another interface."""
    (host.root / "route").write_text(ROUTE % "eth0")
    host.links.append({"ifname": "br-data", "addr_info": [{"local": "10.0.0.1"}, {"local": address}]})
    found = firewall(runner)
    assert found.get("failed", False) is refused
    assert (host.live is None) is refused
    if refused:
        assert "others reach this host by br-data" in found["msg"]


def test_a_bridge_by_which_administrators_come_that_is_called_like_dockers_is_refused(
    runner: Runner, host: Host
) -> None:
    host.links.append({"ifname": "br-admin", "addr_info": [{"local": "10.0.0.1"}, {"local": "fe80::1"}]})
    assert firewall(runner, reached_at=["192.0.2.11"], check_mode=True)["changed"] is True
    # Several interfaces may have the same address that holds on one link only.
    assert firewall(runner, reached_at=["fe80::1"], check_mode=True)["changed"] is True
    for state_ in ("validated", "present"):
        refused = firewall(runner, state=state_, reached_at=["10.0.0.1"])
        assert "others reach this host by br-admin" in refused["msg"]
    assert host.live is None
    assert "reached_at: m1 is no IP address" in firewall(runner, reached_at=["m1"])["msg"]


def bridge(host: Host, name: str, *ports: str) -> None:
    (host.root / "net" / name / "bridge").mkdir(parents=True)
    for port in ports:
        (host.root / "net" / name / "brif" / port).mkdir(parents=True)


@pytest.mark.parametrize(
    ("name", "ports", "refused"),
    [
        ("br0", ["eth0", "vnet0"], True),
        # The host's own way out alone: nothing is passed on.
        ("br0", ["eth0"], False),
        ("virbr0", ["vnet0"], True),
        ("lxdbr0", [], False),
        ("docker0", ["veth1", "veth2"], False),
        ("docker_gwbridge", ["veth1"], False),
        ("br-0123456789ab", ["veth1", "veth2"], False),
    ],
)
def test_a_bridge_of_others_is_refused_until_the_host_routes_for_them(
    name: str, ports: list[str], refused: bool, runner: Runner, host: Host
) -> None:
    """What it passes on comes by the forward hook too, where Docker has set bridge-nf-call-iptables."""
    (host.root / "route").write_text(ROUTE % "br0")
    (host.root / "net" / "eth0").mkdir(parents=True)
    bridge(host, name, *ports)
    for state_ in ("validated", "present"):
        found = firewall(runner, state=state_)
        assert found.get("failed", False) is refused
        if refused:
            assert "the bridge %s of this host is not called as Docker's are" % name in found["msg"]
            assert "swarm_firewall_routing" in found["msg"]
    assert (host.live is None) is refused
    assert firewall(runner, routing=True)["changed"] is True


@pytest.mark.parametrize("which", ["ufw", "firewalld"])
@pytest.mark.parametrize("bare", [False, True])
def test_a_validation_only_looks_for_what_is_in_the_way(which: str, bare: bool, runner: Runner, host: Host) -> None:
    """On a bare host too, which has neither nft nor ip yet."""
    if bare:
        host.programs -= {"nft", "ip"}
        host.failing = {"nft": "not there", "ip": "not there", "unshare": "not there"}
    found = firewall(runner, state="validated")
    assert (found["changed"], found["differences"], found["pending"]) == (False, [], False)
    if which == "ufw":
        host.programs.add("ufw")
        (host.root / "ufw.conf").write_text("ENABLED=yes\n")
    else:
        host.active.add("firewalld.service")
    refused = firewall(runner, state="validated")
    assert "another firewall is active on this host" in refused["msg"]
    assert firewall(runner, state="validated", alongside=True)["changed"] is False
    assert (host.ran, host.live) == ([], None)


def test_a_rehearsal_where_nft_is_still_missing(runner: Runner, host: Host) -> None:
    host.programs.discard("nft")
    foretold = firewall(runner, check_mode=True)
    assert foretold["changed"] is True
    assert "nft is not installed yet, so the rules were not checked" in runner.words


def test_absent_takes_all_away_and_no_option_is_needed(runner: Runner, host: Host) -> None:
    confirmed(runner)
    foretold = runner.run(swarm_firewall, True, state="absent")
    assert (foretold["changed"], host.live is None) == (True, False)
    gone = runner.run(swarm_firewall, state="absent")
    assert gone["changed"] is True
    assert host.live is None
    assert host.enabled == set()
    assert not firewall_files.PERSISTED.exists()
    assert not firewall_files.SERVICE.exists()
    assert not firewall_files.DROP_IN.exists()
    assert runner.run(swarm_firewall, state="absent")["changed"] is False


def test_a_wrong_declaration_is_refused_with_all_problems(runner: Runner, host: Host) -> None:
    refused = firewall(runner, admin_networks=["10.0.0.1/8"], admin_ports=["2Z"])
    assert len(refused["problems"]) == 2
    assert host.ran == []


def test_a_table_that_can_not_be_read_is_an_error_and_not_no_table(runner: Runner, host: Host) -> None:
    host.failing = {"nft --stateless": "netlink: Error: cache initialization failed: Operation not permitted"}
    refused = firewall(runner)
    assert "the firewall's table can't be read" in refused["msg"]
    assert host.ran == []


# --- The parts --------------------------------------------------------------------------------------------------------


def test_the_words_of_nft_are_kept_without_the_name_of_its_file() -> None:
    said = "/scratch/x/firewall.nft:63:7-10: Error: syntax error, unexpected string\n\t\ttcp dprt 1\n"
    refused = nft.Refused(said, "/scratch/x/firewall.nft")
    assert refused.line == 63
    assert refused.words.startswith("line 63:7-10: Error: syntax error")
    assert nft.Refused("Error: Operation not permitted", "/scratch/x").line is None


def test_a_timer_that_can_not_be_stopped_is_an_error(host: Host) -> None:
    host.failing = {"systemctl stop": "Failed to connect to bus"}
    with pytest.raises(HostError, match="can't be stopped: Failed to connect to bus"):
        timed_rollback.disarm()


TEXTS = st.sampled_from([None, "a", "b", "c"])


@given(wanted=st.sampled_from(["a", "b"]), live=TEXTS, persisted=TEXTS, starts=st.booleans(), kept=TEXTS)
def test_there_is_something_to_do_until_all_is_as_declared(
    wanted: str, live: str | None, persisted: str | None, starts: bool, kept: str | None
) -> None:
    observed = state.Observed(wanted, wanted, live, persisted, persisted, starts, kept)
    assert bool(state.differences(observed)) is not (live == persisted == wanted and starts)
    assert bool(state.drift(observed)) is (persisted is not None and live != persisted)
    assert state.way_back(observed) == (persisted or kept or ruleset.REMOVAL + (live or ""))
    done = state.Observed(wanted, wanted, wanted, wanted, wanted, True)
    assert state.differences(done) == []
