# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters cluster_plan, declared_nodes and declared_by_host: what a whole inventory must do to be one swarm."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.flotilla.swarm.plugins.filter import declared_by_host as by_host_filter
from ansible_collections.flotilla.swarm.plugins.filter.cluster_plan import FilterModule, cluster_plan
from ansible_collections.flotilla.swarm.plugins.filter.declared_nodes import declared_nodes
from ansible_collections.flotilla.swarm.plugins.module_utils._core import cluster, quorum
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import Membership
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
MANAGERS = ["m1", "m2", "m3"]
WORKERS = ["w1", "w2"]
HOSTS = MANAGERS + WORKERS


def result(membership: Membership) -> dict[str, Any]:
    return {"changed": False, "failed": False, "engine": {}, "membership": membership.as_dict(), "kernel": {}}


def outside(state: str = "inactive", **fields: Any) -> dict[str, Any]:
    return result(Membership(state, **fields))


def member(host: str, role: str = "", swarm: str = "mine", **fields: Any) -> dict[str, Any]:
    role = role or ("manager" if host.startswith("m") else "worker")
    return result(Membership("active", swarm, "id-" + host, host, role, **{"is_manager": role == "manager", **fields}))


def plan(observed: Mapping[str, Any], managers: list[str] | None = None, **options: Any) -> dict[str, Any]:
    return cluster_plan(observed, MANAGERS if managers is None else managers, WORKERS, **options)


UNREACHABLE = (
    "w2 is unreachable: bring it back, or correct its address; a run on a swarm that is there can leave it out "
    "(--limit), and a host that is gone for good is taken out of the swarm (docker node demote, docker node rm) and "
    "out of the inventory"
)
NOBODY = {host: outside() for host in HOSTS}
EVERYBODY = {host: member(host) for host in HOSTS}


def test_it_is_the_filter_that_ansible_finds() -> None:
    assert FilterModule().filters() == {"cluster_plan": cluster_plan}


def test_no_swarm_anywhere_makes_one_on_the_first_manager() -> None:
    for observed in (NOBODY, {**NOBODY, "m1": outside("absent"), "w1": outside("absent")}):
        assert plan(observed) == {
            "action": "init",
            "cluster_id": None,
            "init_host": "m1",
            "via": "m1",
            "join_managers": ["m2", "m3"],
            "join_workers": WORKERS,
            "members": {},
            "lacking": [],
            "problems": [],
            "warnings": [],
        }


def test_a_complete_swarm_needs_nothing() -> None:
    found = plan(EVERYBODY)
    assert found["action"] == "none"
    assert found["via"] == "m1"
    assert found["cluster_id"] == "mine"
    assert found["members"] == {host: "id-" + host for host in HOSTS}
    assert not found["problems"] + found["warnings"] + found["join_managers"] + found["join_workers"]


def test_a_wiped_first_manager_joins_the_living_swarm() -> None:
    found = plan({**EVERYBODY, "m1": outside()})
    assert (found["action"], found["init_host"], found["via"]) == ("join", None, "m2")
    assert found["join_managers"] == ["m1"]


def test_a_swarm_that_only_a_worker_knows_of_forbids_a_new_one() -> None:
    found = plan({**NOBODY, "w2": member("w2")})
    assert found["action"] == "none"
    assert found["problems"] == ["the swarm mine exists, but no manager of it answers on the observed hosts"]


def test_managers_without_a_quorum_are_no_reason_for_a_new_swarm() -> None:
    found = plan({host: member(host, error="no leader") for host in HOSTS})
    assert found["action"] == "none"
    assert "no manager has a quorum (m1: no leader; m2: no leader; m3: no leader" in found["problems"][0]


def test_a_manager_that_answers_is_found_behind_one_that_does_not() -> None:
    assert plan({**EVERYBODY, "m1": member("m1", error="no leader")})["via"] == "m2"


def test_a_join_under_way_is_finished() -> None:
    found = plan({**EVERYBODY, "w1": outside("pending")})
    assert (found["action"], found["join_workers"]) == ("join", ["w1"])


def test_a_host_that_joins_an_unknown_swarm_forbids_a_new_one() -> None:
    found = plan({**NOBODY, "w1": outside("pending")})
    assert found["action"] == "none"
    assert "w1 is joining a swarm" in found["problems"][0]


def test_two_swarms_are_named_with_their_hosts() -> None:
    found = plan({**EVERYBODY, "w1": member("w1", swarm="theirs"), "m3": member("m3", swarm="theirs")})
    assert found["action"] == "none"
    assert found["problems"] == ["the hosts are in 2 different swarms (mine: m1, m2, w2; theirs: m3, w1)"]


@pytest.mark.parametrize("nothing", [{}, None])
def test_a_host_outside_the_run_forbids_a_new_swarm_but_not_the_extension_of_one(nothing: Any) -> None:
    found = plan({**NOBODY, "w2": nothing})
    assert found["action"] == "none"
    assert found["problems"] == ["w2 was not observed and may hold the swarm: run on all hosts"]
    found = plan({"m2": member("m2"), "w1": outside()})
    assert (found["action"], found["via"], found["join_workers"]) == ("join", "m2", ["w1"])
    assert found["warnings"] == ["not in this run and left alone: m1, m3, w2"]


@pytest.mark.parametrize("silent", [False, True], ids=["for sure", "the first look"])
def test_nobody_joins_beside_firewalls_that_are_not_told(silent: bool) -> None:
    some = {"m2": member("m2"), "w1": outside(), "m3": outside()}
    (problem,) = plan(some, unaware=["m1", "w2"], allow_silent=silent)["problems"]
    assert problem.startswith("m3, w1 would join, and the firewalls of m1, w2, which are not in this run")
    assert "playbooks/firewall.yml without --limit" in problem
    assert plan(some, unaware=[], allow_silent=silent)["problems"] == []


def test_a_run_on_some_nodes_is_not_hindered_by_firewalls_of_others() -> None:
    found = plan({"m2": member("m2"), "w1": member("w1")}, unaware=["m1", "m3", "w2"])
    assert (found["action"], found["problems"]) == ("none", [])


def left_out(run: list[str], **enabled: Any) -> list[str]:
    """The role's own answer: hosts outside the run with a firewall. ``enabled``: host → swarm_firewall_enabled."""
    role = ROOT / "roles/swarm_cluster"
    loader = DataLoader()
    found = loader.load_from_file(str(role / "vars/main.yml"), trusted_as_template=True)
    known: dict[str, dict[str, Any]] = {host: {"inventory_hostname": host} for host in HOSTS}
    for host, value in enabled.items():
        known[host]["swarm_firewall_enabled"] = value
    found.update(
        hostvars=known, ansible_play_hosts_all=run, swarm_cluster_managers=MANAGERS, swarm_cluster_workers=WORKERS
    )
    told = Templar(loader=loader, variables=found).template(trust_as_template("{{ __swarm_cluster_unaware }}"))
    return list(told)


def test_left_out_are_hosts_outside_the_run_whose_firewall_is_not_off() -> None:
    assert left_out(HOSTS) == []
    assert left_out(["m1", "w1", "another"]) == ["m2", "m3", "w2"]
    assert left_out(["m1", "w1"], m2=False, m3="no", w2=True) == ["w2"]
    assert left_out(["m1"], **dict.fromkeys(HOSTS, False)) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"unreachable": True, "changed": False}, UNREACHABLE),
        ({"failed": True, "msg": "no engine answers"}, "w2 could not be observed: no engine answers"),
        ({"skipped": True}, "w2 could not be observed: it gave no membership"),
    ],
)
def test_a_host_that_was_asked_in_vain_is_a_problem(answer: dict[str, Any], said: str) -> None:
    for others in (NOBODY, EVERYBODY):
        found = plan({**others, "w2": answer})
        assert found["action"] == "none"
        assert found["problems"] == [said]


def test_a_locked_and_a_failed_host_are_named() -> None:
    locked = result(Membership("locked", "mine", "id-m2", "m2", "manager", error="is encrypted"))
    failed = result(Membership("error", node_name="w1", error="its own words"))
    problems = plan({**EVERYBODY, "m2": locked, "w1": failed})["problems"]
    assert "m2 is a locked manager: unlock it with `docker swarm unlock`" in problems
    assert any("w1" in problem and "its own words" in problem for problem in problems)


def test_a_copied_disk_is_found() -> None:
    twin = {**EVERYBODY, "w2": member("w1")}
    assert "w1 and w2 have the same node ID id-w1" in plan(twin)["problems"][0]


@pytest.mark.parametrize(
    "managers",
    [[], ["m1", "m2"], ["m1", "m2", "w1"], ["m%d" % number for number in range(9)]],
    ids=["none", "even", "both", "many"],
)
def test_a_bad_declaration_is_refused(managers: list[str]) -> None:
    observed = {host: outside() for host in [*managers, *WORKERS]}
    found = plan(observed, managers)
    assert found["problems"] == quorum.declaration_problems(managers, WORKERS, allow_even=False)
    assert len(found["problems"]) == 1
    assert found["action"] == "none"
    if len(managers) in (2, 9):
        assert plan(observed, managers, allow_even=True)["action"] == "init"


SILENT = outside("silent", error="connection refused")


@pytest.mark.parametrize("others", [NOBODY, EVERYBODY])
def test_a_silent_engine_is_a_problem(others: dict[str, Any]) -> None:
    found = plan({**others, "w2": SILENT})
    assert found["action"] == "none"
    (problem,) = found["problems"]
    assert problem.startswith("w2 has an engine that does not answer (connection refused): start it there")


@pytest.mark.parametrize(
    "observed",
    [
        {**NOBODY, "m1": SILENT},
        {**NOBODY, "w2": SILENT},
        {"m1": SILENT},
        {**NOBODY, "m1": SILENT, "w1": outside("pending")},
        dict.fromkeys(HOSTS, SILENT),
    ],
)
def test_beside_an_allowed_silent_engine_no_swarm_is_made(observed: dict[str, Any]) -> None:
    found = plan(observed, allow_silent=True)
    assert (found["action"], found["via"], found["init_host"], found["problems"]) == ("none", None, None, [])
    assert "m1" not in observed or all("connection refused" in warning for warning in found["warnings"])
    assert found["warnings"]


def test_an_allowed_silent_engine_is_not_judged_in_a_living_swarm() -> None:
    peers = (("id-m1", "192.0.2.11:2377"), ("id-m2", "192.0.2.12:2377"))
    m2 = member("m2", remote_managers=peers)
    found = plan({**EVERYBODY, "m1": SILENT, "m2": m2, "w1": outside()}, allow_silent=True)
    assert (found["action"], found["via"], found["problems"]) == ("join", "m2", [])
    assert (found["join_managers"], found["join_workers"]) == ([], ["w1"])
    assert "m1" not in found["members"]
    assert found["warnings"] == [
        "m1 has an engine that does not answer (connection refused), so what it is to a swarm is not known yet"
    ]


def test_a_lost_quorum_may_be_due_to_an_allowed_silent_engine() -> None:
    lost = {**EVERYBODY, "m1": SILENT, "m2": SILENT, "m3": member("m3", error="no leader")}
    found = plan(lost, allow_silent=True)
    assert (found["action"], found["via"], found["problems"]) == ("none", None, [])
    said = " ".join(plan(lost)["problems"])
    assert "no manager has a quorum" in said
    assert "run again; where a majority is gone for good, see playbooks/dr/quorum_loss.yml" in said


def test_what_else_is_wrong_is_a_problem_beside_an_allowed_silent_engine() -> None:
    found = plan({**NOBODY, "m1": SILENT, "w2": {"unreachable": True}}, allow_silent=True)
    assert found["problems"] == [UNREACHABLE]


def test_another_role_is_a_warning() -> None:
    found = plan({**EVERYBODY, "m3": member("m3", "worker"), "w1": member("w1", "manager")})
    assert found["action"] == "none"
    assert not found["problems"]
    assert [warning.split(";")[0] for warning in found["warnings"]] == [
        "m3 is a worker but declared a manager",
        "w1 is a manager but declared a worker",
    ]


def test_a_manager_that_the_inventory_forgot_is_a_warning() -> None:
    peers = (("id-m1", "192.0.2.11:2377"), ("stranger", "192.0.2.99:2377"))
    found = plan({**EVERYBODY, "m1": member("m1", remote_managers=peers)})
    assert found["warnings"] == [
        "the manager stranger at 192.0.2.99:2377 is in the swarm but not in the inventory; it is left alone"
    ]


def test_a_host_in_a_swarm_that_can_not_be_told_stops_everything() -> None:
    stranger = result(Membership(local_state="active", cluster_id=None, node_id="w9", role="worker"))
    found = cluster_plan({"m1": result(Membership(local_state="inactive")), "w1": stranger}, ["m1"], ["w1"])
    assert found["action"] == "none"
    (problem,) = found["problems"]
    assert problem.startswith("w1 is in a swarm, and which one can't be told")
    assert problem.endswith("let Ansible become root there")


ANSWERS = st.one_of(
    st.none(),
    st.just({"unreachable": True}),
    st.just({"failed": True, "msg": "no"}),
    st.builds(
        Membership,
        local_state=st.sampled_from(("absent", "inactive", "pending", "active", "error", "locked", "silent")),
        cluster_id=st.none() | st.sampled_from(("mine", "theirs")),
        node_id=st.none() | st.text("abcdef", min_size=3, max_size=3),
        role=st.none() | st.sampled_from(("manager", "worker")),
        is_manager=st.booleans(),
        error=st.sampled_from(("", "no leader")),
    ).map(result),
)
OBSERVED = st.dictionaries(st.sampled_from([*HOSTS, "other"]), ANSWERS)
SOME_HOSTS = st.lists(st.sampled_from(HOSTS), unique=True)


@given(observed=OBSERVED, managers=SOME_HOSTS, workers=SOME_HOSTS, even=st.booleans(), silent=st.booleans())
def test_a_swarm_is_never_made_beside_another_nor_where_one_may_be(
    observed: dict[str, Any], managers: list[str], workers: list[str], even: bool, silent: bool
) -> None:
    before = copy.deepcopy((observed, managers, workers))
    found = cluster_plan(observed, managers, workers, allow_even=even, allow_silent=silent)
    assert (observed, managers, workers) == before
    assert cluster_plan(observed, managers, workers, allow_even=even, allow_silent=silent) == found

    if found["problems"]:
        assert (found["action"], found["init_host"], found["join_managers"]) == ("none", None, [])
    seen = {host: answer["membership"] for host, answer in observed.items() if answer and "membership" in answer}
    if found["action"] == "init":
        assert set(seen) >= {*managers, *workers}
        assert {membership["local_state"] for membership in seen.values()} <= {"absent", "inactive"}
        assert not any(membership["cluster_id"] for membership in seen.values())
        assert found["init_host"] == found["via"] == managers[0]
    if found["action"] == "join":
        assert seen[found["via"]]["is_manager"]
        assert found["cluster_id"]
    for host in found["join_managers"] + found["join_workers"]:
        assert seen[host]["local_state"] not in ("active", "silent")


@given(
    observed=st.fixed_dictionaries({host: st.sampled_from([outside(), member(host)]) for host in HOSTS}),
)
def test_once_its_steps_are_done_a_plan_has_none(observed: dict[str, Any]) -> None:
    found = plan(observed)
    if found["problems"]:
        return
    done = [found["init_host"], *found["join_managers"], *found["join_workers"]]
    after = plan({**observed, **{host: member(host) for host in done if host}})
    assert after["action"] == "none"
    assert set(after["members"]) == set(HOSTS)


def test_hosts_join_through_the_manager_that_was_asked_and_never_through_one_that_is_away() -> None:
    def node(node_id: str, address: str, reachability: str = "reachable", leader: bool = False) -> dict[str, Any]:
        return {"ID": node_id, "ManagerStatus": {"Addr": address, "Reachability": reachability, "Leader": leader}}

    nodes = [
        {"ID": "w1"},
        node("m1", "192.0.2.11:2377"),
        node("m2", "192.0.2.12:2377", "unreachable"),
        node("m3", "192.0.2.13:2377", leader=True),
        node("m4", "192.0.2.14:2377"),
        node("m5", "0.0.0.0:2377"),
    ]
    assert cluster.join_addresses(nodes, "m4") == ["192.0.2.14:2377", "192.0.2.13:2377", "192.0.2.11:2377"]


# --- declared_nodes ---------------------------------------------------------------------------------------------------


def test_nodes_are_known_by_id_then_by_the_published_one_and_others_are_not_in_this_run() -> None:
    hostvars: dict[str, Any] = {
        "m1": {"swarm_cluster_node_id": "id-m1", "swarm_nodes_availability": "drain"},
        "w1": {"swarm_nodes_labels": {"tier": "cache"}},
        "w2": {"swarm_cluster_node_id": "id-w2", "swarm_nodes_labels": {"tier": "ingress", "monitoring": "true"}},
    }
    assert declared_nodes(hostvars, ["m1", "w1", "w2", "w3"], ids={"w3": "known"}) == [
        {"id": "id-m1", "labels": {}, "availability": "drain"},
        {"id": "id-w2", "labels": {"tier": "ingress", "monitoring": "true"}},
        {"id": "known", "labels": {}},
    ]
    assert declared_nodes(hostvars, ["w2"], ids={"w2": "other"})[0]["id"] == "other"


def test_nodes_are_known_by_name_when_no_host_published_one() -> None:
    hostvars: dict[str, Any] = {
        "w1": {"swarm_nodes_labels": {"tier": "cache"}, "swarm_nodes_availability": ""},
        "w2": {"__swarm_cluster_host": member("w2")},
        "else": {"swarm_cluster_node_id": "of a host that was not asked for"},
    }
    assert declared_nodes(hostvars, ["w1", "w2", "w3"], ids={"w3": "known"}) == [
        {"name": "w1", "labels": {"tier": "cache"}},
        {"name": "w2", "labels": {}},
        {"id": "known", "labels": {}},
    ]


def test_roles_are_declared_when_the_managers_are_named() -> None:
    assert [node["role"] for node in declared_nodes({}, ["m1", "w1"], managers=["m1"])] == ["manager", "worker"]


def test_labels_that_are_no_strings_are_refused_with_their_hosts() -> None:
    hostvars: dict[str, Any] = {
        "w1": {"swarm_nodes_labels": {"monitoring": True}},
        "w2": {"swarm_nodes_labels": ["tier"]},
    }
    with pytest.raises(AnsibleFilterError) as caught:
        declared_nodes(hostvars, ["w1", "w2"])
    assert "swarm_nodes_labels of w1.monitoring is the boolean true" in str(caught.value)
    assert "swarm_nodes_labels of w2 is not a dictionary" in str(caught.value)


def test_what_hosts_declare_is_collected_as_it_is() -> None:
    hostvars: dict[str, Any] = {
        "w1": {"swarm_nodes_labels": {"tier": True}, "swarm_nodes_availability": "up"},
        "w2": {"swarm_nodes_labels": None},
        "w3": {},
        "else": {"swarm_nodes_labels": {"a": "b"}},
    }
    assert by_host_filter.FilterModule().filters() == {"declared_by_host": by_host_filter.declared_by_host}
    assert by_host_filter.declared_by_host(hostvars, ["w1", "w2", "w3"]) == {
        "labels": {"w1": {"tier": True}, "w2": None, "w3": {}},
        "availability": {"w1": "up", "w2": "", "w3": ""},
    }


def test_what_several_kernels_lack_is_said_once() -> None:
    lacking = [{"capability": "routing mesh", "features": ["ip_vs"], "effect": "virtual IPs accept no traffic"}]
    observed = {
        host: {**result, "kernel": {"lacking": lacking if host != "w2" else []}} for host, result in NOBODY.items()
    }
    assert plan(observed)["lacking"] == ["m1, m2, m3, w1: no routing mesh (ip_vs): virtual IPs accept no traffic"]
