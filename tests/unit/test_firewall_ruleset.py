# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendered ruleset: what it says of packets, by itself and against ``allows``; and that nft loads it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import model, ruleset
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall.allows import allows
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.firewall import ADDRESSES, GOOD, PORTS, declarations
from tests.support.nft_reader import Packet, Ruleset

EVERYTHING: dict[str, Any] = {
    **GOOD,
    "manager": True,
    "encrypted": True,
    "encrypted_vnis": [4097, 4098],
    "admin_ports": [22, "8000-8010"],
    "open": [
        {"port": 80},
        {"port": 53, "protocol": "udp", "from": ["containers"]},
        {"port": "3000-3010", "from": ["members", "admin", "10.1.0.0/16", "10.3.0.0/16", "2001:db8:2::/64"]},
        {"port": 5432, "from": ["0.0.0.0/0", "::/0"]},
    ],
    "custom_rules": [
        "ip saddr 203.0.113.7 udp dport 161 accept",
        'log prefix "a;b " limit rate 1/second burst 5 packets',
    ],
}


def rendered(**options: Any) -> ruleset.Rendered:
    return ruleset.render(model.parse({**GOOD, **options}))


def accepts(packet: Packet, **options: Any) -> bool:
    return Ruleset(rendered(**options).text).accepts(packet)


# --- What it says of packets ------------------------------------------------------------------------------------------

MEMBER, STRANGER, ADMIN = "192.0.2.21", "203.0.113.77", "198.51.100.9"


@pytest.mark.parametrize(
    ("protocol", "port"), [("tcp", 7946), ("udp", 7946), ("udp", 4789), ("tcp", 2377), ("esp", None)]
)
def test_the_swarms_ports_are_the_members_alone(protocol: str, port: int | None) -> None:
    options = {"manager": True, "encrypted": True, "open": [{"port": 80}]}
    assert accepts(Packet(MEMBER, protocol, port), **options)
    assert accepts(Packet("2001:db8::11", protocol, port), **options)
    for stranger in (STRANGER, ADMIN, "2001:db8::99"):
        assert not accepts(Packet(stranger, protocol, port), **options)
    # A container can write any source address.
    for bridge in ("docker0", "docker_gwbridge", "br-0123456789ab"):
        assert not accepts(Packet(MEMBER, protocol, port, interface=bridge), **options)


def test_a_worker_has_no_management_port_and_a_plain_swarm_no_esp() -> None:
    assert not accepts(Packet(MEMBER, "tcp", 2377))
    assert not accepts(Packet(MEMBER, "esp"))


def test_a_published_port_is_closed_until_it_is_declared() -> None:
    for source in (STRANGER, MEMBER, ADMIN, "2001:db8::99"):
        assert not accepts(Packet(source, "tcp", 5432))
    assert accepts(Packet(STRANGER, "tcp", 5432), open=[{"port": 5432}])
    assert not accepts(Packet(STRANGER, "tcp", 5432), open=[{"port": 5432, "from": ["members"]}])
    assert accepts(Packet(MEMBER, "tcp", 5432), open=[{"port": 5432, "from": ["members"]}])


def test_what_the_host_says_to_itself_passes() -> None:
    assert accepts(Packet("203.0.113.1", "tcp", 9999, interface="lo"))


def test_a_network_that_is_encrypted_takes_nothing_in_the_clear() -> None:
    options = {"encrypted": True, "encrypted_vnis": [4097]}
    assert not accepts(Packet(MEMBER, "udp", 4789, vni=4097), **options)
    assert accepts(Packet(MEMBER, "udp", 4789, vni=4097, secure=True), **options)
    assert accepts(Packet(MEMBER, "udp", 4789, vni=4096), **options)


def test_a_members_flow_is_judged_by_its_source_and_not_by_its_age() -> None:
    """Fault 37: the open connections of a former member do not live on."""
    host = Ruleset(rendered(manager=True, encrypted=True).text).chains["host"]
    established = host.index("ct state established,related accept")
    decided = [index for index, rule in enumerate(host) if rule.endswith("goto members_only")]
    assert len(decided) == 3
    assert max(decided) < established
    assert not [rule for rule in host if "sport 2377" in rule]


def test_a_custom_rule_is_asked_before_the_swarms_ports() -> None:
    options = {"custom_rules": ["ip saddr 203.0.113.77 tcp dport 7946 accept"]}
    assert accepts(Packet(STRANGER, "tcp", 7946), **options)
    assert not accepts(Packet("203.0.113.78", "tcp", 7946), **options)


def test_dhcp_gets_its_answers() -> None:
    assert accepts(Packet("203.0.113.1", "udp", 68, sport=67))
    assert not accepts(Packet("203.0.113.1", "udp", 68))
    assert "ip6 daddr fe80::/10 udp dport 546 accept" in rendered().text


def test_the_chains_stand_where_docker_has_not_translated_yet() -> None:
    chains = Ruleset(rendered().text).chains
    assert chains["prerouting"][0] == "type filter hook prerouting priority mangle; policy accept;"
    assert chains["forward"][0] == "type filter hook forward priority filter - 10; policy accept;"
    forward = chains["forward"]
    # What was published was translated; what containers send comes from their bridges; the rest found its own way.
    assert forward[1:4] == [f'iifname "{name}" jump to_members' for name in ("docker0", "docker_gwbridge", "br-*")]
    assert forward[4:6] == ["ct state established,related accept", "ct status dnat accept"]
    assert (forward[-2], forward[-1]) == ('iifname "br-*" accept', "counter drop")
    routing = Ruleset(rendered(routing=True).text).chains["forward"]
    assert routing[:-3] == forward[:-1]
    assert routing[-3:] == ['oifname "%s" counter drop' % name for name in ("docker0", "docker_gwbridge", "br-*")]


@settings(max_examples=150)
@given(
    declarations(),
    st.sampled_from([*ADDRESSES, "containers"]),
    st.sampled_from(["tcp", "udp", "esp"]),
    st.sampled_from([*PORTS, 2377, 4789, 4790, 7946, 8005, 3000, 443]),
)
def test_it_says_what_allows_says(declared: dict[str, Any], source: str, protocol: str, port: int) -> None:
    rules = model.parse({**declared, "custom_rules": []})
    number = None if protocol == "esp" else port
    if source == "containers":
        # Whatever address it writes.
        packets = [Packet(address, protocol, number, interface="br-0123456789ab") for address in ADDRESSES]
    else:
        packets = [Packet(source, protocol, number)]
    read = Ruleset(ruleset.render(rules).text)
    assert {read.accepts(packet) for packet in packets} == {allows(rules, source, protocol, number)}


@settings(max_examples=40)
@given(declarations())
def test_the_same_rules_give_the_same_text(declared: dict[str, Any]) -> None:
    shuffled = {**declared, **{key: declared[key][::-1] for key in ("members", "admin_networks", "admin_ports")}}
    assert ruleset.render(model.parse(declared)) == ruleset.render(model.parse(shuffled))


@settings(max_examples=40)
@given(declarations())
def test_only_our_own_table_is_named(declared: dict[str, Any]) -> None:
    text = ruleset.render(model.parse(declared)).text
    named = [line for line in text.splitlines() if "table" in line]
    assert named == ["add table inet flotilla", "delete table inet flotilla", "table inet flotilla {"]
    assert "flush" not in text


@settings(max_examples=40)
@given(declarations())
def test_a_custom_rule_is_found_by_its_line(declared: dict[str, Any]) -> None:
    found = ruleset.render(model.parse(declared))
    lines = found.text.splitlines()
    assert {index: lines[line - 1].strip() for line, index in found.custom_lines.items()} == dict(
        enumerate(rule.strip() for rule in declared["custom_rules"])
    )


# --- What nft says of it ----------------------------------------------------------------------------------------------


def nft_or_skip() -> str:
    """nft, where it can load something into a network namespace of its own."""
    nft = shutil.which("nft")
    if nft is None:
        pytest.skip("there is no nft on this machine")
    tried = subprocess.run(
        ["unshare", "--net", nft, "add", "table", "inet", "tried"], capture_output=True, text=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip(f"nft can't load anything here: {tried.stderr.strip()}")
    return nft


def in_empty_namespace(nft: str, script: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "--net", "sh", "-euc", script.replace("nft", '"$0"'), nft, *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


DECLARED: dict[str, dict[str, Any]] = {
    "the least": {"members": ["192.0.2.11"], "admin_networks": ["198.51.100.0/24"]},
    "everything": EVERYTHING,
    "a router": {**EVERYTHING, "routing": True},
    "everybody an administrator": {**GOOD, "admin_networks": ["0.0.0.0/0", "::/0"]},
    "a whole inventory": {**GOOD, "members": ["10.0.%d.%d" % (n // 250, n % 250 + 1) for n in range(600)]},
}


@pytest.mark.parametrize("name", DECLARED)
def test_nft_loads_it_again_and_again_and_lists_the_same(name: str, tmp_path: Path) -> None:
    nft = nft_or_skip()
    path, listed = tmp_path / "firewall.nft", tmp_path / "listed.nft"
    path.write_text(ruleset.render(model.parse(DECLARED[name])).text)
    once = in_empty_namespace(nft, "nft -c -f $1 && nft -f $1 && nft -s list table inet flotilla", path)
    assert once.returncode == 0, once.stderr
    twice = in_empty_namespace(nft, "nft -f $1 && nft -f $1 && nft -s list table inet flotilla", path)
    assert twice.stdout == once.stdout
    # The way back may be a listing.
    listed.write_text(ruleset.REMOVAL + once.stdout)
    again = in_empty_namespace(nft, "nft -f $1 && nft -s list table inet flotilla", listed)
    assert again.stdout == once.stdout, again.stderr
    removed = tmp_path / "removed.nft"
    removed.write_text(ruleset.REMOVAL)
    gone = in_empty_namespace(nft, "nft -f $1 && nft -f $2 && nft -f $2 && nft list tables", path, removed)
    assert (gone.returncode, gone.stdout) == (0, "")
