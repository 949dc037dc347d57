# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe's packets between two hosts with real firewalls: network namespaces, a cable between them, and nftables."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support import two_hosts
from tests.support.two_hosts import HERE, THERE, Host

pytestmark = pytest.mark.skipif(bool(two_hosts.lacking()), reason=two_hosts.lacking() or "it can be done")

RULES = {"members": [*HERE, *THERE], "manager": True, "admin_networks": ["198.51.100.0/24"]}
FLOWS = ["2377/tcp", "7946/tcp", "7946/udp", "53/udp", "4789/vxlan", "4789/vxlan:4097", "esp"]
EVERYTHING = {flow for flow in FLOWS if not flow.endswith("/tcp")}

Probe = Callable[..., "Seen"]


class Seen:
    """What came of one probe from here to there, by address."""

    def __init__(self, sent: dict[str, Any], collected: dict[str, Any]) -> None:
        self.ways = {entry["address"]: entry for entry in sent["sent"]}
        self.counted = collected["counted"]

    def answers(self, address: str) -> dict[str, str]:
        return {flow: answer for flow, answer in self.ways[address]["answers"].items() if flow.endswith("/tcp")}

    def passed(self, address: str) -> set[str]:
        return {entry["flow"] for entry in self.counted if entry["address"] == address and entry["passed"]}

    def arrived(self, address: str) -> set[str]:
        return {entry["flow"] for entry in self.counted if entry["address"] == address and entry["arrived"]}


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host]]:
    with two_hosts.two_hosts() as found:
        yield found


@pytest.fixture
def probe(hosts: tuple[Host, Host]) -> Iterator[Probe]:
    """Probe the other host from this one, with that ruleset on the other one."""
    here, there = hosts

    def run(chain: str = "") -> Seen:
        there.run("nft", "-f", "-", given=f"table inet probe {{\nchain tested {{\n{chain}\n}}\n}}\n")
        listening = there.module("firewall_probe", mode="listen", addresses=THERE, rules=RULES, seconds=30)
        target = {"name": "there", "token": listening["token"], "addresses": THERE}
        sent = here.module("firewall_probe", mode="send", name="here", targets=[target], flows=FLOWS)
        return Seen(sent, there.module("firewall_probe", mode="collect", token=listening["token"]))

    yield run
    with contextlib.suppress(AssertionError):
        there.run("nft", "delete", "table", "inet", "probe")


@pytest.mark.parametrize("address", THERE)
def test_without_rules_everything_is_counted(probe: Probe, address: str) -> None:
    seen = probe()
    assert seen.passed(address) == seen.arrived(address) == EVERYTHING
    # Nothing listens there: a reset is an answer, and it came through.
    assert seen.answers(address) == {"2377/tcp": "open", "7946/tcp": "open"}
    assert {entry["source"] for entry in seen.counted} == set(HERE)


def test_what_is_dropped_at_the_input_is_not_counted_and_what_is_accepted_is(probe: Probe) -> None:
    seen = probe("""
        type filter hook input priority filter; policy accept;
        udp dport { 7946, 4789 } drop
        tcp dport 2377 drop
    """)
    for address in THERE:
        assert seen.passed(address) == {"53/udp", "esp"}
        assert seen.arrived(address) == EVERYTHING
        assert seen.answers(address) == {"2377/tcp": "closed", "7946/tcp": "open"}


def test_what_is_dropped_before_the_routing_is_not_counted(probe: Probe) -> None:
    seen = probe("""
        type filter hook prerouting priority mangle; policy accept;
        meta l4proto { tcp, udp, esp } drop
    """)
    for address in THERE:
        assert seen.passed(address) == set()
        assert seen.arrived(address) == EVERYTHING
        assert set(seen.answers(address).values()) == {"closed"}


def test_a_rejection_is_not_taken_for_a_reset(probe: Probe) -> None:
    seen = probe("""
        type filter hook input priority filter; policy accept;
        tcp dport 2377 reject with icmpx type port-unreachable
        tcp dport 7946 reject with tcp reset
    """)
    for address in THERE:
        # A reset is what a port without a listener sends too: nothing tells them apart.
        assert seen.answers(address) == {"2377/tcp": "closed", "7946/tcp": "open"}


def test_an_unencrypted_frame_of_one_network_can_be_told_from_the_others(probe: Probe) -> None:
    seen = probe("""
        type filter hook input priority filter; policy accept;
        udp dport 4789 @th,96,24 4097 drop
    """)
    for address in THERE:
        assert seen.passed(address) == EVERYTHING - {"4789/vxlan:4097"}


def test_what_goes_on_to_a_container_has_passed(hosts: tuple[Host, Host], probe: Probe) -> None:
    """As Docker does with a published port: another destination before the routing, and out by another interface."""
    _here, there = hosts
    there.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    there.run("ip", "link", "add", "bridge0", "type", "veth", "peer", "name", "inside0")
    for name in ("bridge0", "inside0"):
        there.run("ip", "link", "set", name, "up")
    there.run("ip", "address", "add", "203.0.113.1/24", "dev", "bridge0")
    there.run("ip", "neighbour", "add", "203.0.113.9", "lladdr", "02:00:00:00:00:09", "dev", "bridge0")
    published = "type nat hook prerouting priority dstnat; policy accept;\nudp dport 53 dnat ip to 203.0.113.9"
    seen = probe(published)
    assert "53/udp" in seen.passed(THERE[0])
    there.run("nft", "delete", "table", "inet", "probe")
    closed = "}\nchain closed {\ntype filter hook forward priority filter; policy drop;"
    seen = probe(published + "\n" + closed)
    assert "53/udp" not in seen.passed(THERE[0])
    assert "53/udp" in seen.arrived(THERE[0])


def test_the_listener_ends_when_it_was_asked_and_at_its_deadline(hosts: tuple[Host, Host]) -> None:
    _here, there = hosts
    for wait in (0, 3):
        token = there.module("firewall_probe", mode="listen", addresses=THERE, rules=RULES, seconds=1)["token"]
        time.sleep(wait)
        answer = there.module("firewall_probe", mode="collect", token=token)
        if wait:
            assert "it ended at its deadline" in answer["msg"]
        else:
            assert answer["counted"] == []
            assert "does not answer" in there.module("firewall_probe", mode="collect", token=token)["msg"]


def test_a_sender_without_a_way_says_so(hosts: tuple[Host, Host]) -> None:
    here, _there = hosts
    target = {"name": "far", "token": "0" * 16, "addresses": ["198.51.100.1"]}
    (way,) = here.module("firewall_probe", mode="send", name="here", targets=[target], flows=FLOWS)["sent"]
    assert (way["source"], way["error"], way["answers"]) == ("", "Network is unreachable", {})
