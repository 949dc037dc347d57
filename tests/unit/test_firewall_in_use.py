# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a firewall would take from the swarm that is there."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.filter.firewall_cuts import FilterModule
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import Membership

cuts = FilterModule().filters()["firewall_cuts"]
ADDRESSES = {"m1": "192.0.2.11", "m2": "192.0.2.12", "w1": "192.0.2.21"}
RULES: dict[str, Any] = {"members": [*ADDRESSES.values()], "manager": True, "data_path_port": 4789}


def node(name: str, carried_by: str = "", **fields: Any) -> dict[str, Any]:
    role = "manager" if name.startswith("m") else "worker"
    known: dict[str, Any] = {
        "role": role,
        "is_manager": role == "manager",
        "address": ADDRESSES[name],
        "data_path_port": 4789 if role == "manager" else None,
        **fields,
    }
    membership = Membership("active", "mine", "id-" + name, name, **known)
    return {"membership": membership.as_dict(), "underlay": {"address": carried_by or known["address"]}}


SWARM = {name: node(name) for name in ADDRESSES}


def test_a_swarm_as_declared_loses_nothing() -> None:
    assert cuts(RULES, "m1", SWARM) == []
    assert cuts({**RULES, "manager": False}, "w1", SWARM) == []


def test_nothing_is_said_of_hosts_in_no_swarm_and_of_those_not_asked() -> None:
    bare = {"membership": Membership("inactive", address="198.51.100.1").as_dict()}
    assert cuts(RULES, "m1", {}) == []
    assert cuts(RULES, "m1", {"m1": bare, "m2": None, "w1": {}, "w2": {"unreachable": True}}) == []


@pytest.mark.parametrize("address", ["192.0.2.99", "2001:db8::99"])
def test_a_manager_that_is_no_host_of_the_inventory(address: str) -> None:
    end = f"[{address}]:2377" if ":" in address else f"{address}:2377"
    observed = {**SWARM, "m1": node("m1", remote_managers=(("id-m2", "192.0.2.12:2377"), ("stranger", end)))}
    (problem,) = cuts(RULES, "m1", observed)
    assert problem.startswith(f"the manager stranger at {end} is in the swarm, and the inventory has no host with its")
    assert "docker node demote stranger" in problem
    # The old entry of a host that was made anew has the host's address, and so has a host that this run leaves out.
    assert cuts({**RULES, "members": [*RULES["members"], address]}, "m1", observed) == []
    del observed["m2"]
    assert len(cuts(RULES, "m1", observed)) == 1


def test_a_manager_without_a_quorum_is_not_asked_who_is_one() -> None:
    lost = node("m1", remote_managers=(("stranger", "192.0.2.99:2377"),), error="no leader", data_path_port=None)
    assert cuts(RULES, "m1", {"m1": lost}) == []


def test_an_address_that_the_swarm_has_and_the_inventory_has_not() -> None:
    (problem,) = cuts(RULES, "m1", {**SWARM, "w1": node("w1", address="10.0.0.21", carried_by="192.0.2.21")})
    assert problem.startswith("the swarm knows w1 by 10.0.0.21, and the inventory doesn't")
    (problem,) = cuts(RULES, "m1", {**SWARM, "w1": node("w1", carried_by="10.9.0.21")})
    assert problem.startswith("the swarm knows w1 by 10.9.0.21")
    assert "swarm_firewall_addresses" in problem
    other_words = {**RULES, "members": [*RULES["members"], "2001:db8::21"]}
    assert cuts(other_words, "m1", {**SWARM, "w1": node("w1", address="2001:DB8:0::21")}) == []


def test_a_manager_that_is_declared_a_worker() -> None:
    (problem,) = cuts({**RULES, "manager": False}, "m2", SWARM)
    assert problem.startswith("m2 is a manager of the swarm and declared a worker")


@pytest.mark.parametrize(("live", "declared", "said"), [(7777, 4789, 7777), (0, 7777, 4789), (4789, 7777, 4789)])
def test_another_data_path_port(live: int, declared: int, said: int) -> None:
    observed = {"m1": node("m1", data_path_port=live), "m2": node("m2", data_path_port=live)}
    (problem,) = cuts({**RULES, "data_path_port": declared}, "m1", observed)
    assert f"UDP port {said}, and the firewall would open {declared}" in problem
    assert f"Set swarm_cluster_data_path_port to {said}" in problem
    assert cuts({**RULES, "data_path_port": said}, "m1", observed) == []
