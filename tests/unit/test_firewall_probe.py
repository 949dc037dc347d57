# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall's probe without a network: its packets, what it tries, and the matrix of what came of it."""

from __future__ import annotations

import copy
import json
import select
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.filter import firewall_matrix as matrix_filter
from ansible_collections.flotilla.swarm.plugins.filter import firewall_probe_plan as plan_filter
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import expected, matrix, probe_packet
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall.probe_packet import Flow, Note
from ansible_collections.flotilla.swarm.plugins.module_utils._host import probe_sender
from ansible_collections.flotilla.swarm.plugins.modules import firewall_probe
from hypothesis import given
from hypothesis import strategies as st

TOKEN = "0123456789abcdef"  # noqa: S105  no secret
NOTE = Note("w1", "192.0.2.11", "7946/udp")
NAMES = {"m1": 11, "w1": 21, "w5": 25}
OUTSIDER = "stranger"
MEMBERS = [address for number in NAMES.values() for address in (f"192.0.2.{number}", f"2001:db8::{number}")]
OPEN_TO_MEMBERS = {"7946/tcp", "7946/udp", "4789/vxlan"}

Json = dict[str, Any]


# --- Packets ----------------------------------------------------------------------------------------------------------

FLOWS = st.one_of(
    st.just(Flow("esp")),
    st.builds(Flow, st.sampled_from(("tcp", "udp")), st.integers(1, 65535)),
    st.builds(Flow, st.just("vxlan"), st.integers(1, 65535), st.integers(1, 2**24 - 1)),
)


@given(FLOWS)
def test_a_flow_is_read_as_it_was_written(flow: Flow) -> None:
    assert Flow.parse(str(flow)) == flow


@pytest.mark.parametrize("text", ["", "80", "80/sctp", "80/tcp:5", "x/tcp", "esp/5", "80/vxlan:"])
def test_what_is_no_flow_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Flow.parse(text)


def run_filter(program: bytes, data: bytes) -> int:
    """What classic BPF does with these instructions: the bytes that it passes on."""
    instructions = list(struct.iter_unpack("=HBBI", program))
    place = value = 0
    while True:
        code, if_true, if_false, number = instructions[place]
        place += 1
        if code == 0x20:
            if number + 4 > len(data):
                return 0
            (value,) = struct.unpack_from("!I", data, number)
        elif code == 0x15:
            place += if_true if value == number else if_false
        else:
            assert code == 0x06
            return int(number)


ALL_PLACES = sorted(probe_packet.AFTER_IPV4 + probe_packet.AFTER_IPV6)


@pytest.mark.parametrize("header", [0, 20, 40])
@given(flow=FLOWS)
def test_a_listener_knows_its_packets_and_no_others(header: int, flow: Flow) -> None:
    """``header`` is how long the IP header is: 0 where a socket is not given one."""
    note = Note("w1", "192.0.2.11", str(flow))
    content = probe_packet.packet(TOKEN, note, flow)
    # An ESP header belongs to the content, UDP's is the kernel's.
    data = b"\0" * (header if flow.protocol == "esp" else header + 8) + content
    offsets = ALL_PLACES if header else probe_packet.AFTER_NOTHING
    assert probe_packet.read(TOKEN, data, offsets) == note
    assert probe_packet.read("f" * 16, data, offsets) is None
    assert run_filter(probe_packet.socket_filter(TOKEN, offsets), data) == 0xFFFF
    assert run_filter(probe_packet.socket_filter("f" * 16, offsets), data) == 0


@given(st.binary(max_size=200))
def test_a_strangers_packet_is_nobodys(data: bytes) -> None:
    assert probe_packet.read(TOKEN, data, ALL_PLACES) is None
    assert probe_packet.read(TOKEN, b"\0" * 28 + TOKEN.encode() + data, ALL_PLACES) is None


def test_a_vxlan_frame_is_one() -> None:
    frame = probe_packet.packet(TOKEN, NOTE, Flow("vxlan", 4789, 4097))
    assert frame[:8] == bytes.fromhex("0800000000100100")
    destination, source = frame[8:14], frame[14:20]
    for address in (destination, source):
        assert address[0] & 0x03 == 0x02, "locally administered, and of one card"
    assert destination != source


def test_a_name_that_fills_a_packet_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        probe_packet.payload(TOKEN, Note("w" * 500, "192.0.2.11", "esp"))


# --- What is tried ----------------------------------------------------------------------------------------------------


def listening(name: str, **rules: Any) -> Json:
    number = NAMES[name]
    declared = {"members": MEMBERS, "manager": name == "m1", "admin_networks": ["198.51.100.0/24"], **rules}
    if name == "w5":
        declared.setdefault("open", [{"port": 80}, {"port": 443}])
    return {
        "token": f"{number:016d}",
        "addresses": [f"192.0.2.{number}", f"2001:db8::{number}"],
        "rules": declared,
        "ports": [5432, 80],
    }


def labels(**rules: Any) -> list[str]:
    found = expected.targets({"m1": listening("m1"), "w1": listening("w1", **rules)})
    return [label for label, _flows in expected.columns(found)]


def test_what_swarm_needs_comes_first_and_strays_last() -> None:
    assert labels() == ["2377/tcp", "7946/tcp", "7946/udp", "4789/vxlan", "22/tcp", "80/tcp", "443/tcp", "5432"]


def test_what_one_host_declares_is_tried_on_all() -> None:
    opened = [{"port": "3000-3010"}, {"port": 53, "protocol": "udp"}]
    assert labels(open=opened)[5:] == ["53/udp", "80/tcp", "443/tcp", "3000/tcp", "3010/tcp", "5432"]


def test_encrypted_networks_are_tried_without_encryption() -> None:
    shown = labels(encrypted=True, encrypted_vnis=[4097])
    assert shown[3:6] == ["4789/vxlan", "esp", "4789/vxlan:4097"]
    (target,) = expected.targets({"w1": listening("w1", encrypted=True, encrypted_vnis=[4097])})
    flows = [Flow.parse(flow) for flow in ("4789/vxlan", "esp", "4789/vxlan:4097")]
    # Docker encrypts a member's frame of such a network, whoever sent it: then it comes through.
    assert [expected.passes(target.rules, "192.0.2.11", flow) for flow in flows] == [True, True, None]
    assert [expected.passes(target.rules, "192.0.2.99", flow) for flow in flows] == [False, False, False]


def test_rules_that_can_not_be_read_are_named_with_their_host() -> None:
    with pytest.raises(DeclarationError) as caught:
        expected.targets({"m1": listening("m1", admin_networks=["192.0.2.1/24"]), "w1": listening("w1")})
    assert caught.value.problems[0].startswith("m1: admin_networks: 192.0.2.1/24 has bits")


# --- The matrix -------------------------------------------------------------------------------------------------------


def world(wrong: Callable[[str, str, str, str], bool | None] = lambda *_packet: None, **rules: Any) -> Json:
    """The variables of all hosts after a probe in which all was as declared, but for what ``wrong`` says.

    Args:
        wrong: (sender, target, address, flow) -> what came of it instead; None leaves it.
    """
    listens = {name: listening(name, **rules) for name in NAMES}
    targets = expected.targets(listens)
    flows = [flow for _label, group in expected.columns(targets) for flow in group]
    hostvars: Json = {name: {"__swarm_firewall_listen": listens[name]} for name in NAMES}
    hostvars[OUTSIDER] = {}
    counted: dict[str, list[Json]] = {name: [] for name in NAMES}
    for sender in hostvars:
        number = NAMES.get(sender, 99)
        sent = []
        for target in targets:
            for address in target.addresses if target.name != sender else ():
                source = f"2001:db8::{number}" if ":" in address else f"192.0.2.{number}"
                answers = {}
                for flow in flows:
                    given_up = wrong(sender, target.name, address, str(flow))
                    is_open = bool(expected.passes(target.rules, source, flow)) if given_up is None else given_up
                    answers[str(flow)] = "sent" if flow.protocol != "tcp" else "open" if is_open else "closed"
                    seen = {"sender": sender, "address": address, "flow": str(flow), "source": source}
                    if flow.protocol != "tcp":
                        counted[target.name].append({**seen, "arrived": 2, "passed": 2 * is_open})
                sent.append(
                    {"target": target.name, "address": address, "source": source, "error": "", "answers": answers}
                )
        hostvars[sender]["__swarm_firewall_send"] = {"changed": False, "sent": sent}
    for name, entries in counted.items():
        hostvars[name]["__swarm_firewall_collect"] = {"changed": False, "counted": entries}
    return hostvars


def judge(hostvars: Mapping[str, Any], outsiders: tuple[str, ...] = (OUTSIDER,)) -> dict[str, list[str]]:
    before = copy.deepcopy(hostvars)
    found = matrix_filter.firewall_matrix(hostvars, list(NAMES), outsiders)
    assert hostvars == before
    return found


def row(found: Mapping[str, list[str]], begin: str) -> str:
    (line,) = (line for line in found["lines"] if line.startswith(begin))
    return " ".join(line.split())


def test_all_as_declared() -> None:
    found = judge(world())
    assert found["problems"] == []
    assert [" ".join(line.split()) for line in found["lines"]] == [
        "FROM -> TO OVER 2377/tcp 7946/tcp 7946/udp 4789/vxlan 22/tcp 80/tcp 443/tcp 5432",
        "members -> m1 IPv4 IPv6 open open open open - - - -",
        "members -> w1 IPv4 IPv6 - open open open - - - -",
        "members -> w5 IPv4 IPv6 - open open open - open open -",
        "stranger -> m1 IPv4 IPv6 - - - - - - - -",
        "stranger -> w1 IPv4 IPv6 - - - - - - - -",
        "stranger -> w5 IPv4 IPv6 - - - - - open open -",
        "",
        matrix.LEGEND,
    ]


def test_what_is_open_and_is_to_be_closed_is_named() -> None:
    found = judge(world(lambda *packet: True if packet == (OUTSIDER, "w1", "192.0.2.21", "5432/udp") else None))
    assert found["problems"] == ["stranger -> w1 5432/udp: is open, is to be closed (192.0.2.99 to 192.0.2.21)"]
    rows = [" ".join(line.split()) for line in found["lines"] if line.startswith("stranger -> w1")]
    assert rows == ["stranger -> w1 IPv4 - - - - - - - 1/2!", "stranger -> w1 IPv6 - - - - - - - -"]


def test_what_is_closed_and_is_to_be_open_is_named() -> None:
    found = judge(world(lambda *packet: False if packet[0] == "w1" and packet[3] == "4789/vxlan" else None))
    assert "w1 -> m1 4789/vxlan: is closed, is to be open (192.0.2.21 to 192.0.2.11)" in found["problems"]
    assert len(found["problems"]) == 4
    assert "1/2!" in row(found, "members -> m1")


def test_an_opening_for_some_of_the_members_is_no_difference() -> None:
    found = judge(world(open=[{"port": 9100, "from": ["192.0.2.11/32"]}]))
    assert found["problems"] == []
    assert "1/2" in "".join(found["lines"])


@pytest.mark.parametrize("rules", [{"admin_networks": ["192.0.2.99/32"]}, {"members": [*MEMBERS, "192.0.2.99"]}])
def test_an_outsider_that_is_none_is_a_fault(rules: Json) -> None:
    """Everything is as declared, and nothing of it is what a stranger reaches."""
    found = judge(world(**rules))
    (problem,) = found["problems"]
    assert problem == (
        "stranger is seen as 192.0.2.99, which is a member's or an administrator's address: it is no outsider, so it "
        "proves nothing; take another host"
    )
    (line,) = (line for line in found["lines"] if line.startswith("stranger -> m1") and "IPv4" in line)
    assert "open" in line


def test_an_outsider_behind_a_members_address_is_a_fault() -> None:
    hostvars = world()
    for entry in hostvars["w5"]["__swarm_firewall_collect"]["counted"]:
        if entry["sender"] == OUTSIDER and entry["source"] == "192.0.2.99":
            entry["source"] = "192.0.2.21"
    assert any(
        problem.startswith("stranger is seen as 192.0.2.21, which is") for problem in judge(hostvars)["problems"]
    )


@pytest.mark.parametrize("encrypts", [True, False])
def test_a_members_frame_of_an_encrypted_network_may_come_through_or_not(encrypts: bool) -> None:
    rules: Json = {"encrypted": True, "encrypted_vnis": [4097]}

    def frame(sender: str, _target: str, _address: str, flow: str) -> bool | None:
        return encrypts if sender in NAMES and flow.endswith(":4097") else None

    assert judge(world(frame, **rules))["problems"] == []
    strangers = world(lambda *packet: True if packet[0] == OUTSIDER and packet[3].endswith(":4097") else None, **rules)
    assert len(judge(strangers)["problems"]) == 6


def test_custom_rules_are_a_hint() -> None:
    hostvars = world(lambda *packet: True if packet[3] == "22/tcp" else None, custom_rules=["tcp dport 22 accept"])
    assert all("custom rules" in problem for problem in judge(hostvars)["problems"])


def lose(hostvars: Json, sender: str, *targets: str) -> None:
    """Nothing of what the sender sends to these hosts arrives, not even at their network cards."""
    for name in targets:
        collected = hostvars[name]["__swarm_firewall_collect"]
        collected["counted"] = [entry for entry in collected["counted"] if entry["sender"] != sender]
    for way in hostvars[sender]["__swarm_firewall_send"]["sent"]:
        if way["target"] in targets:
            way["answers"] = {flow: "closed" if flow.endswith("/tcp") else "sent" for flow in way["answers"]}


NOTHING_CAME = "not one packet arrived at %s, not even before its firewall"


def test_an_outsider_that_is_stopped_on_its_way_proves_nothing_and_is_no_fault() -> None:
    hostvars = world()
    lose(hostvars, OUTSIDER, "m1")
    found = judge(hostvars)
    assert found["problems"] == []
    assert "not proved: stranger, IPv4: %s (9 kinds of packets)" % (NOTHING_CAME % "m1") in found["lines"]
    assert row(found, "stranger -> m1") == "stranger -> m1 IPv4 IPv6 ? ? ? ? ? ? ? ?"


def lose_kinds(hostvars: Json, sender: str, target: str, *flows: str) -> None:
    """Packets of these kinds are dropped on their way, and others arrive."""
    collected = hostvars[target]["__swarm_firewall_collect"]
    collected["counted"] = [
        entry for entry in collected["counted"] if entry["sender"] != sender or entry["flow"] not in flows
    ]


def test_a_packet_that_never_arrived_was_not_dropped_by_the_host() -> None:
    hostvars = world()
    lose_kinds(hostvars, OUTSIDER, "m1", "4789/vxlan", "5432/udp")
    found = judge(hostvars)
    assert found["problems"] == []
    reason = "did not arrive at m1, not even before its firewall (4789/vxlan, 5432/udp)"
    assert "not proved: stranger, IPv4: " + reason in found["lines"]
    # 5432/tcp was tried, and got no answer.
    assert row(found, "stranger -> m1") == "stranger -> m1 IPv4 IPv6 - - - ? - - - -?"


def test_a_packet_that_never_arrived_and_is_to_come_through_is_a_fault() -> None:
    hostvars = world()
    lose_kinds(hostvars, "w1", "m1", "4789/vxlan")
    assert judge(hostvars)["problems"] == [
        "w1 -> m1 4789/vxlan: is closed, is to be open (%s)" % way
        for way in ("192.0.2.21 to 192.0.2.11", "2001:db8::21 to 2001:db8::11")
    ]


def test_an_outsider_that_is_stopped_where_something_is_to_be_open_is_a_fault() -> None:
    hostvars = world()
    lose(hostvars, OUTSIDER, "w5")
    assert judge(hostvars)["problems"] == [
        "stranger -> w5 80/tcp, 443/tcp: is not proved (%s), is to be open (%s)" % (NOTHING_CAME % "w5", way)
        for way in ("192.0.2.99 to 192.0.2.25", "2001:db8::99 to 2001:db8::25")
    ]


def test_an_outsider_that_reaches_no_member_is_a_fault() -> None:
    hostvars = world(open=[])
    lose(hostvars, OUTSIDER, *NAMES)
    (problem,) = judge(hostvars)["problems"]
    assert problem.startswith("stranger has no way to any member (%s), so it proves nothing" % (NOTHING_CAME % "m1"))


def test_a_member_that_is_stopped_on_its_way_is_a_fault() -> None:
    hostvars = world()
    lose(hostvars, "w1", "m1")
    assert judge(hostvars)["problems"][0] == (
        "w1 -> m1 2377/tcp, 7946/tcp, 7946/udp, 4789/vxlan: is not proved (%s), is to be open "
        "(192.0.2.21 to 192.0.2.11)" % (NOTHING_CAME % "m1")
    )


def cut_off(hostvars: Json, sender: str, network: str) -> None:
    """The sender knows no route to addresses that begin like that."""
    for way in hostvars[sender]["__swarm_firewall_send"]["sent"]:
        if way["address"].startswith(network):
            way.update(source="", error="Network is unreachable", answers={})
    for name in NAMES:
        collected = hostvars[name]["__swarm_firewall_collect"]
        collected["counted"] = [
            entry
            for entry in collected["counted"]
            if entry["sender"] != sender or not entry["address"].startswith(network)
        ]


def test_an_outsider_without_ipv6_is_said_and_no_fault() -> None:
    hostvars = world()
    cut_off(hostvars, OUTSIDER, "2001:db8::")
    found = judge(hostvars)
    assert found["problems"] == []
    assert "not proved: stranger, IPv6: Network is unreachable (9 kinds of packets)" in found["lines"]
    cut_off(hostvars, OUTSIDER, "192.0.2.")
    (problem,) = judge(hostvars)["problems"]
    assert problem.startswith("stranger has no way to any member (Network is unreachable), so it proves nothing")


def test_a_member_without_a_way_is_a_fault() -> None:
    hostvars = world()
    cut_off(hostvars, "w1", "2001:db8::")
    assert judge(hostvars)["problems"][0] == (
        "w1 -> m1 2377/tcp, 7946/tcp, 7946/udp, 4789/vxlan: is not proved (Network is unreachable), is to be open "
        "(2001:db8::21 to 2001:db8::11)"
    )
    hostvars = world()
    for way in hostvars["w1"]["__swarm_firewall_send"]["sent"]:
        way["answers"]["7946/udp"] = "Operation not permitted"
    problems = judge(hostvars)["problems"]
    assert problems[0].startswith("w1 -> m1 7946/udp: is not proved (Operation not permitted), is to be open")


def test_no_outsider_is_said_loudly() -> None:
    hostvars = world()
    del hostvars[OUTSIDER]
    found = judge(hostvars, ())
    assert found["problems"] == []
    assert matrix.NO_OUTSIDER in found["lines"]


def test_hosts_that_gave_nothing_are_faults() -> None:
    hostvars = world()
    hostvars["m1"]["__swarm_firewall_listen"] = {"failed": True, "msg": "no"}
    hostvars["w1"]["__swarm_firewall_send"] = {"failed": True, "msg": "its own words"}
    hostvars["w5"]["__swarm_firewall_collect"] = {"failed": True, "msg": "the listener does not answer"}
    problems = judge(hostvars)["problems"]
    assert "m1 did not listen, so nothing is known of its firewall" in problems
    assert "w1 sent nothing: its own words" in problems
    assert "w5 did not say what it counted: the listener does not answer" in problems
    assert not any("w5 7946/tcp" in problem for problem in problems)


def test_a_member_whose_packets_come_from_elsewhere_is_named() -> None:
    hostvars = world()
    for collected in (hostvars[name]["__swarm_firewall_collect"] for name in NAMES):
        for entry in collected["counted"]:
            if (entry["sender"], entry["source"]) == ("w1", "192.0.2.21"):
                entry["source"] = "203.0.113.7"
    problems = judge(hostvars)["problems"]
    assert (
        "w1 sends from 203.0.113.7, which is none of its addresses (192.0.2.21, 2001:db8::21): add it to "
        "swarm_firewall_addresses"
    ) in problems


def test_a_host_whose_firewall_is_not_managed_is_left_out() -> None:
    hostvars = world()
    hostvars["w1"]["__swarm_firewall_listen"] = {"skipped": True, "changed": False}
    found = judge(hostvars)
    assert found["problems"] == []
    assert not any("-> w1" in line for line in found["lines"])


def test_many_differences_are_not_all_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = world(lambda *_packet: True)
    found = judge(everything)["problems"]
    assert len(found) == 18
    assert found[0] == (
        "stranger -> m1 2377/tcp, 7946/tcp, 7946/udp, 4789/vxlan, 22/tcp, 80/tcp, 443/tcp, 5432/tcp, 5432/udp: is "
        "open, is to be closed (192.0.2.99 to 192.0.2.11)"
    )
    monkeypatch.setattr(matrix, "_MOST_LINES", 8)
    assert judge(everything)["problems"] == [*found[:8], "and 10 more like these: see the matrix"]


# --- The filters and the module ---------------------------------------------------------------------------------------


def test_a_sender_is_told_everything_but_itself() -> None:
    assert matrix_filter.FilterModule().filters() == {"firewall_matrix": matrix_filter.firewall_matrix}
    assert plan_filter.FilterModule().filters() == {"firewall_probe_plan": plan_filter.firewall_probe_plan}
    plan = plan_filter.firewall_probe_plan(world(), [*NAMES, OUTSIDER, "else"], "m1")
    assert [target["name"] for target in plan["targets"]] == ["w1", "w5"]
    assert plan["targets"][0] == {
        "name": "w1",
        "token": f"{21:016d}",
        "addresses": ["192.0.2.21", "2001:db8::21"],
    }
    assert set(plan["flows"]) > OPEN_TO_MEMBERS | {"5432/tcp", "5432/udp"}


@pytest.mark.parametrize(
    "ask",
    [
        lambda hostvars: plan_filter.firewall_probe_plan(hostvars, list(NAMES), "m1"),
        lambda hostvars: matrix_filter.firewall_matrix(hostvars, list(NAMES)),
    ],
)
def test_the_filters_name_a_bad_declaration(ask: Callable[[Json], Any]) -> None:
    hostvars = world()
    hostvars["w1"]["__swarm_firewall_listen"]["rules"]["members"] = ["nowhere"]
    with pytest.raises(AnsibleFilterError, match="w1: members: nowhere is no IP address"):
        ask(hostvars)


def module(capsys: pytest.CaptureFixture[str], **options: Any) -> Json:
    with patch_module_args(options), pytest.raises(SystemExit):
        firewall_probe.main()
    result: Json = json.loads(capsys.readouterr().out)
    return result


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mode": "listen"}, "mode is listen but all of the following are missing: addresses, rules"),
        ({"mode": "send", "name": "w1"}, "mode is send but all of the following are missing: targets, flows"),
        ({"mode": "collect"}, "mode is collect but all of the following are missing: token"),
        ({"mode": "listen", "addresses": ["m1"], "rules": {}}, "addresses: 'm1' does not appear to be"),
        ({"mode": "listen", "addresses": [], "rules": {}, "seconds": 0}, "seconds is 0"),
        ({"mode": "send", "name": "w1", "targets": [], "flows": ["80"]}, "flows: '80' is no flow; write them as"),
        ({"mode": "send", "name": "w1", "targets": [], "flows": [], "timeout": 0}, "timeout is 0"),
        ({"mode": "collect", "token": "nobody's"}, "the listener does not answer"),
    ],
)
def test_the_module_says_what_is_wrong(capsys: pytest.CaptureFixture[str], options: Json, said: str) -> None:
    result = module(capsys, **options)
    assert result["failed"]
    assert said in result["msg"]


def test_the_module_is_skipped_in_check_mode(capsys: pytest.CaptureFixture[str]) -> None:
    assert module(capsys, mode="collect", token=TOKEN, _ansible_check_mode=True)["skipped"]


def test_nobody_to_send_to_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    result = module(capsys, mode="send", name="w1", targets=[], flows=["80/tcp"])
    assert (result["changed"], result["sent"]) == (False, [])


def test_what_was_answered_before_a_late_first_look_counts() -> None:
    here, there = socket.socketpair()
    with here, there:
        waiting = select.poll()
        waiting.register(here, select.POLLOUT)
        assert list(probe_sender._ready(waiting, 0.0, 1)) == [here.fileno()]
