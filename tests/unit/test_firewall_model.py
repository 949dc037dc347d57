# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared of a host's firewall: read into one form, or refused with every problem at once."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import model
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall.model import Opening
from hypothesis import given, settings

from tests.support.firewall import GOOD, declarations


def parse(**options: Any) -> model.HostRules:
    return model.parse({**GOOD, **options})


def problems(**options: Any) -> list[str]:
    with pytest.raises(DeclarationError) as caught:
        parse(**options)
    return list(caught.value.problems)


def test_everything_has_one_form() -> None:
    rules = parse(
        members=["2001:DB8:0::1", "192.0.2.21", "192.0.2.3", "::ffff:192.0.2.3", "192.0.2.21"],
        manager=True,
        admin_networks=["2001:db8:1::/48", "198.51.100.7", "10.0.0.0/8"],
        admin_ports=["8000-8010", 22],
        open=[{"port": "80"}, {"port": "3000-3010", "protocol": "udp", "from": ["10.1.0.0/16", "members"]}],
        custom_rules=["  ip saddr 192.0.2.7 accept  "],
    )
    assert rules.members == ("192.0.2.3", "192.0.2.21", "2001:db8::1")
    assert rules.admin_networks == ("10.0.0.0/8", "198.51.100.7/32", "2001:db8:1::/48")
    assert rules.admin_ports == ((22, 22), (8000, 8010))
    assert rules.openings == (Opening(80, 80), Opening(3000, 3010, "udp", ("members", "10.1.0.0/16")))
    assert rules.custom_rules == ("ip saddr 192.0.2.7 accept",)
    assert str(rules.openings[1]) == "3000-3010/udp from members, 10.1.0.0/16"


def test_what_is_left_out_has_its_default() -> None:
    rules = model.parse({"members": ["192.0.2.1"], "admin_networks": ["198.51.100.0/24"], "open": None})
    assert rules == model.HostRules(("192.0.2.1",), manager=False, admin_networks=("198.51.100.0/24",))
    assert (rules.data_path_port, rules.admin_ports) == (4789, ((22, 22),))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no member": ({"members": []}, "members: no address is given, so the nodes could not reach each other"),
    "a name for an address": ({"members": ["node1"]}, "members: node1 is no IP address: give addresses, not names"),
    "a network for an address": ({"members": ["192.0.2.0/24"]}, "members: 192.0.2.0/24 is a network: give each"),
    "an address on a link": ({"members": ["fe80::1%eth0"]}, "members: fe80::1%eth0 is an address on one link only"),
    "a loopback address": ({"members": ["127.0.0.1"]}, "members: 127.0.0.1 is no address by which other hosts"),
    "no list": ({"members": "192.0.2.1"}, "members: '192.0.2.1' is no list"),
    "no admin network": ({"admin_networks": []}, "admin_networks: none is given, and nobody could log in any more"),
    "host bits": (
        {"admin_networks": ["198.51.100.7/24"]},
        "198.51.100.7/24 has bits of a host behind its prefix: write 198.51.100.0/24, or 198.51.100.7 for that",
    ),
    "no network": ({"admin_networks": ["198.51.100.0/33"]}, "admin_networks: 198.51.100.0/33 is no network"),
    "mapped": ({"admin_networks": ["::ffff:198.51.100.0/120"]}, "is an IPv4 network in IPv6 form"),
    "overlapping networks": (
        {"admin_networks": ["10.0.0.0/8", "10.1.0.0/16"]},
        "admin_networks: 10.1.0.0/16 overlaps 10.0.0.0/8, which holds it: leave one out",
    ),
    "a network twice": ({"admin_networks": ["10.0.0.0/8", "10.0.0.0/8"]}, "admin_networks: 10.0.0.0/8 is given twice"),
    "no admin port": ({"admin_ports": []}, "admin_ports: none is given, and nobody could log in any more"),
    "a letter in a port": ({"admin_ports": ["2Z"]}, "admin_ports: '2Z' is no port: write a number from 1 to 65535"),
    "a comma in a port": ({"admin_ports": ["22,80"]}, "admin_ports: '22,80' is no port"),
    "a port of zero": ({"admin_ports": [0]}, "admin_ports: 0 is no port: ports are from 1 to 65535"),
    "a negative port": ({"admin_ports": [-22]}, "admin_ports: -22 is no port"),
    "a port too large": ({"admin_ports": [65536]}, "admin_ports: 65536 is no port"),
    "a truth for a port": ({"admin_ports": [True]}, "admin_ports: True is no port"),
    "a range backwards": ({"admin_ports": ["30-20"]}, "admin_ports: 30-20 ends before it begins: write 20-30"),
    "overlapping ports": ({"admin_ports": [22, "20-30"]}, "admin_ports: 20-30 overlaps 22: leave one out"),
    "an admin port of the swarm": (
        {"admin_ports": ["2000-3000"]},
        "admin_ports: 2000-3000 holds 2377/tcp, which is the swarm's own and open to its members alone",
    ),
    "an opening of the swarm's": ({"open": [{"port": 7946}]}, "open: 7946/tcp from any holds 7946/tcp, which is the"),
    "an opening of the data path": ({"open": [{"port": 4789, "protocol": "udp"}]}, "holds 4789/udp, which is the"),
    "an opening without port": ({"open": [{"from": ["any"]}]}, "open[0].port: None is no port"),
    "an opening with a typo": (
        {"open": [{"port": 80, "form": []}]},
        "open[0]: there is no key form: the keys are port",
    ),
    "an opening that is a port": ({"open": [80]}, "open[0]: 80 is no mapping with port, protocol and from"),
    "another protocol": ({"open": [{"port": 80, "protocol": "TCP"}]}, "open[0].protocol: 'TCP' is neither tcp nor udp"),
    "a source that is no list": ({"open": [{"port": 80, "from": "any"}]}, "open[0].from: 'any' is no list of sources"),
    "no source": ({"open": [{"port": 80, "from": []}]}, "open[0].from: [] is no list of sources"),
    "an unknown source": ({"open": [{"port": 80, "from": ["member"]}]}, "open[0].from: member is no network: write"),
    "any and others": ({"open": [{"port": 80, "from": ["any", "admin"]}]}, "open[0].from: any is everybody: leave the"),
    "overlapping sources": (
        {"open": [{"port": 80, "from": ["10.0.0.0/8", "10.2.0.0/16"]}]},
        "open[0].from: 10.2.0.0/16 overlaps 10.0.0.0/8",
    ),
    "overlapping openings": (
        {"open": [{"port": "8000-8010"}, {"port": 8005, "from": ["members"]}]},
        "open: 8000-8010/tcp from any overlaps 8005/tcp from members: leave one out, or make one of both",
    ),
    "a data path port too small": ({"data_path_port": 80}, "data_path_port: 80 is no port from 1024 to 49151"),
    "the gossip's port": ({"data_path_port": 7946}, "data_path_port: 7946 is the port of the swarm's gossip"),
    "no truth": ({"manager": "yes"}, "manager: 'yes' is neither true nor false"),
    "an impossible network": (
        {"encrypted": True, "encrypted_vnis": [1 << 24]},
        "16777216 is no VXLAN network identifier",
    ),
    "networks but no encryption": ({"encrypted_vnis": [4097]}, "but encrypted is false"),
    "a newline": ({"custom_rules": ["accept\naccept"]}, "custom_rules[0]: 'accept\\naccept' holds a newline"),
    "a semicolon": ({"custom_rules": ["accept; accept"]}, "custom_rules[0]: 'accept; accept' holds a ';'"),
    "an open brace": ({"custom_rules": ["tcp dport { 1, 2 accept"]}, "are not in pairs"),
    "braces the wrong way": ({"custom_rules": ["} chain x {"]}, "the braces of '} chain x {' are not in pairs"),
    "open quotes": ({"custom_rules": ['log prefix "x']}, "opens quotes and does not close them"),
    "a backslash": ({"custom_rules": ["accept \\"]}, "holds a backslash"),
    "a comment": ({"custom_rules": ["# accept"]}, "holds a '#', after which nft reads nothing"),
    "an interface by number": ({"custom_rules": ["iif eth0 accept"]}, "says iif: at boot no interface is there yet"),
    "a flush": ({"custom_rules": ["accept flush ruleset"]}, "says flush: it would empty tables"),
    "another table": ({"custom_rules": ["accept table inet x"]}, "says table: only the firewall's own table"),
    "a file": ({"custom_rules": ['include "/tmp/x"']}, "says include: what a file holds can't be compared"),
    "no rule": ({"custom_rules": [""]}, "custom_rules[0]: '' is no rule"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_bad_input_is_refused_with_the_key_and_the_mend(wrong: str) -> None:
    options, said = WRONG[wrong]
    assert [problem for problem in problems(**options) if said in problem], problems(**options)


@pytest.mark.parametrize(
    "rule",
    [
        'log prefix "a;b {" counter accept comment "flush # table"',
        "tcp dport { 9100, 9200 } ip saddr { 192.0.2.1 } accept",
        "meta mark set 0x1",
        "add @x { ip saddr }",
    ],
)
def test_what_stands_in_quotes_or_in_pairs_is_left_to_nft(rule: str) -> None:
    assert parse(custom_rules=[rule]).custom_rules == (rule,)


def test_all_problems_are_named_at_once() -> None:
    found = problems(members=["x"], admin_networks=["10.0.0.1/8"], admin_ports=["a"], open=[{"port": "b"}])
    assert [problem.split(":")[0] for problem in found] == ["members", "admin_networks", "admin_ports", "open[0].port"]


def test_two_openings_of_a_port_to_different_people_are_two_openings() -> None:
    given = [{"port": 80, "from": ["10.0.0.0/8"]}, {"port": 80, "from": ["admin"]}, {"port": 80, "protocol": "udp"}]
    assert len(parse(open=given).openings) == 3


@settings(max_examples=40)
@given(declarations())
def test_reading_changes_nothing_and_always_reads_the_same(declared: dict[str, Any]) -> None:
    before = copy.deepcopy(declared)
    once = model.parse(declared)
    assert declared == before
    shuffled = {**declared, **{key: declared[key][::-1] for key in ("members", "admin_networks", "admin_ports")}}
    assert model.parse(shuffled) == once
