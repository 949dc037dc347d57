# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host's membership is, and what the host does to be a member; the certificate that names its swarm."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import certificate, membership
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import MemberRequest, Membership
from hypothesis import given
from hypothesis import strategies as st

# openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650
#   -subj /O=clusterid0123/OU=swarm-worker/CN=nodeid0123
PEM = b"""-----BEGIN CERTIFICATE-----
MIIB3TCCAYOgAwIBAgIUSEh13x3Oh3Oz1wOaVI5i+9t1FbowCgYIKoZIzj0EAwIw
RDEWMBQGA1UECgwNY2x1c3RlcmlkMDEyMzEVMBMGA1UECwwMc3dhcm0td29ya2Vy
MRMwEQYDVQQDDApub2RlaWQwMTIzMB4XDTI2MTEyMTIwMzEwMVoXDTM2MTExODIw
MzEwMVowRDEWMBQGA1UECgwNY2x1c3RlcmlkMDEyMzEVMBMGA1UECwwMc3dhcm0t
d29ya2VyMRMwEQYDVQQDDApub2RlaWQwMTIzMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEpQTJegpBounilOuMR3+nLuVWTTzpGkJ098JWsst3cqBDyqRCOFomn1rz
3CgZH+0Qtv86xYbNUDUbhZyXQgh2A6NTMFEwHQYDVR0OBBYEFJRk7Nlyarb/HMxX
x9tumnHYA1R5MB8GA1UdIwQYMBaAFJRk7Nlyarb/HMxXx9tumnHYA1R5MA8GA1Ud
EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIgWVtK0/kvkawvqfnstZ9Tspm1
Aw6Z5VCzsQClN5//Y+MCIQCfsNNAe2p2t58iiQwS/zHsE+Ep2d9KiOd4iYx/jacQ
yw==
-----END CERTIFICATE-----
"""
TOKEN = "SWMTKN-1-canary"  # noqa: S105  no real one
MEMBER = Membership("active", "mine", "node1", "w1", "worker", address="192.0.2.21")
MANAGER = Membership("active", "mine", "node2", "m1", "manager", is_manager=True, address="192.0.2.11")
OUTSIDE = Membership("inactive", node_name="w1")
JOIN = MemberRequest("worker", cluster_id="mine", join_token=TOKEN, remote_addrs=("192.0.2.11:2377",))
INIT = MemberRequest("manager", init=True, advertise_addr="192.0.2.11", availability="drain")


# --- The certificate --------------------------------------------------------------------------------------------------


def test_a_certificate_names_swarm_node_and_role() -> None:
    found = certificate.parse(PEM)
    assert (found.cluster_id, found.node_id, found.role) == ("clusterid0123", "nodeid0123", "worker")
    assert found.not_after == "2036-11-18T20:31:01Z"


def test_the_first_of_several_counts() -> None:
    other = PEM.replace(b"MIIB3TCCAYOgAwIBAgIUSEh1", b"MIIB3TCCAYOgAwIBAgIUSEh2")
    assert certificate.parse(b"text before\n" + PEM + other) == certificate.parse(PEM)


@given(st.integers(min_value=0, max_value=len(PEM) - 1), st.integers(min_value=0, max_value=255))
def test_a_damaged_one_is_a_value_error_and_nothing_else(position: int, byte: int) -> None:
    damaged = PEM[:position] + bytes([byte]) + PEM[position + 1 :]
    with contextlib.suppress(ValueError):
        certificate.parse(damaged)


@pytest.mark.parametrize("text", [b"", b"no certificate", PEM[:200], PEM.replace(b"MIIB3T", b"MIIB4T")])
def test_none_and_half_a_one_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="certificate"):
        certificate.parse(text)


# --- Reading ----------------------------------------------------------------------------------------------------------


def info(state: str, **swarm: Any) -> dict[str, Any]:
    return {"Name": "w1", "DockerRootDir": "/var/lib/docker", "Swarm": {"LocalNodeState": state, **swarm}}


def test_a_worker_knows_its_swarm_from_its_certificate() -> None:
    remotes = [{"NodeID": "b", "Addr": "192.0.2.12:2377"}, {"NodeID": "a", "Addr": "192.0.2.11:2377"}]
    answer = info("active", NodeID="nodeid0123", NodeAddr="192.0.2.21", ControlAvailable=False, RemoteManagers=remotes)
    seen = membership.read(answer, certificate.parse(PEM))
    assert seen.cluster_id == "clusterid0123"
    assert seen.role == "worker"
    assert not seen.answers
    assert seen.remote_managers == (("a", "192.0.2.11:2377"), ("b", "192.0.2.12:2377"))


def test_a_manager_knows_it_from_the_engine() -> None:
    seen = membership.read(info("active", NodeID="n", ControlAvailable=True, Cluster={"ID": "c"}), None)
    assert (seen.cluster_id, seen.role, seen.answers) == ("c", "manager", True)


@pytest.mark.parametrize(("cluster", "port"), [({}, None), ({"DataPathPort": 0}, 0), ({"DataPathPort": 7777}, 7777)])
def test_a_manager_knows_the_data_path_port(cluster: dict[str, Any], port: int | None) -> None:
    seen = membership.read(info("active", NodeID="n", ControlAvailable=True, Cluster={"ID": "c", **cluster}), None)
    assert seen.data_path_port == port
    assert Membership.from_dict(seen.as_dict()) == seen


def test_a_manager_without_quorum_does_not_answer_but_keeps_its_swarm() -> None:
    answer = info("active", NodeID="n", ControlAvailable=True, Cluster={"ID": "", "DataPathPort": 0}, Error="no leader")
    seen = membership.read(answer, certificate.parse(PEM))
    assert seen.data_path_port is None
    assert (seen.cluster_id, seen.is_manager, seen.answers) == ("clusterid0123", True, False)


@pytest.mark.parametrize("state", ["", "inactive"])
def test_outside_a_swarm_nothing_is_known(state: str) -> None:
    seen = membership.read(info(state), certificate.parse(PEM))
    assert seen == Membership("inactive", node_name="w1")


def test_a_locked_manager_is_known_by_its_certificate() -> None:
    seen = membership.read(info("locked", Error="is encrypted"), certificate.parse(PEM))
    assert (seen.local_state, seen.cluster_id, seen.node_id) == ("locked", "clusterid0123", "nodeid0123")


@pytest.mark.parametrize("seen", [MEMBER, MANAGER, OUTSIDE, membership.NOT_INSTALLED])
def test_a_membership_survives_its_way_through_ansible(seen: Membership) -> None:
    seen = dataclasses.replace(seen, remote_managers=(("a", "192.0.2.11:2377"),))
    assert Membership.from_dict(copy.deepcopy(seen.as_dict())) == seen


# --- Deciding ---------------------------------------------------------------------------------------------------------


def refused(current: Membership, wanted: MemberRequest) -> str:
    with pytest.raises(DeclarationError) as caught:
        membership.plan_member(current, wanted)
    return str(caught.value)


def test_a_host_outside_joins() -> None:
    planned = membership.plan_member(OUTSIDE, JOIN)
    assert planned.action == "join"
    (step,) = planned.plan
    assert step.payload["JoinToken"] == TOKEN
    assert step.payload["RemoteAddrs"] == ["192.0.2.11:2377"]
    assert step.payload["ListenAddr"] == "0.0.0.0:2377"
    assert step.payload["Availability"] == "active"


def test_a_host_outside_makes_a_swarm_with_its_pools_and_availability() -> None:
    wanted = dataclasses.replace(INIT, default_addr_pool=("10.20.0.0/16",), subnet_size=25, data_path_port=4790)
    planned = membership.plan_member(OUTSIDE, wanted)
    assert planned.action == "init"
    (step,) = planned.plan
    assert step.payload == {
        "ListenAddr": "0.0.0.0:2377",
        "AdvertiseAddr": "192.0.2.11",
        "DataPathAddr": "",
        "Availability": "drain",
        "DataPathPort": 4790,
        "SubnetSize": 25,
        "DefaultAddrPool": ["10.20.0.0/16"],
        "Spec": {},
    }


def test_a_member_is_left_as_it_is() -> None:
    planned = membership.plan_member(MEMBER, JOIN)
    assert (planned.action, list(planned.plan), planned.plan.warnings) == ("none", [], ())
    assert membership.plan_member(MANAGER, INIT).action == "none"


@pytest.mark.parametrize(("current", "role", "verb"), [(MEMBER, "manager", "promote"), (MANAGER, "worker", "demote")])
def test_another_role_is_a_warning_and_no_step(current: Membership, role: str, verb: str) -> None:
    planned = membership.plan_member(current, dataclasses.replace(JOIN, role=role))
    assert not planned.plan
    assert len(planned.plan.warnings) == 1
    assert verb in planned.plan.warnings[0]


def test_a_member_of_another_swarm_is_refused_with_both_ids() -> None:
    said = refused(dataclasses.replace(MEMBER, cluster_id="theirs"), JOIN)
    assert "theirs" in said
    assert "mine" in said


def test_a_worker_makes_no_swarm() -> None:
    assert "is a worker of the swarm mine" in refused(MEMBER, INIT)


def test_a_join_under_way_is_waited_for_and_not_repeated() -> None:
    planned = membership.plan_member(Membership("pending", node_name="w1"), JOIN)
    assert planned.action == "wait"
    assert not planned.plan


def test_a_locked_and_a_failed_host_need_a_hand() -> None:
    assert "docker swarm unlock" in refused(dataclasses.replace(MANAGER, local_state="locked"), JOIN)
    said = refused(dataclasses.replace(OUTSIDE, local_state="error", error="its own words"), JOIN)
    assert "its own words" in said


@pytest.mark.parametrize("wanted", [JOIN, INIT])
@pytest.mark.parametrize("rehearsal", [False, True])
def test_of_a_silent_host_nothing_is_taken_for_granted(wanted: MemberRequest, rehearsal: bool) -> None:
    with pytest.raises(DeclarationError, match=r"does not answer \(connection refused\): start it") as caught:
        membership.plan_member(Membership("silent", error="connection refused"), wanted, rehearsal=rehearsal)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cluster_id": None}, "cluster_id is needed"),
        ({"join_token": None}, "needs join_token"),
        ({"remote_addrs": ()}, "needs remote_addrs"),
        ({"init": True}, "init makes a manager"),
        ({"init": True, "role": "manager"}, "can't go with cluster_id"),
    ],
)
def test_what_a_request_lacks_is_said(changes: dict[str, Any], said: str) -> None:
    assert said in refused(OUTSIDE, dataclasses.replace(JOIN, **changes))


def test_a_member_needs_no_token() -> None:
    assert membership.plan_member(MEMBER, MemberRequest("worker", cluster_id="mine")).action == "none"


def test_check_mode_does_without_what_does_not_exist_yet() -> None:
    planned = membership.plan_member(membership.NOT_INSTALLED, MemberRequest("worker"), rehearsal=True)
    assert planned.action == "join"
    assert membership.plan_member(MEMBER, MemberRequest("worker"), rehearsal=True).action == "none"


MEMBERSHIPS = st.builds(
    Membership,
    local_state=st.sampled_from(("absent", "inactive", "pending", "active", "error", "locked", "silent")),
    cluster_id=st.none() | st.sampled_from(("mine", "theirs")),
    node_id=st.none() | st.sampled_from(("n1", "n2")),
    role=st.none() | st.sampled_from(("manager", "worker")),
    is_manager=st.booleans(),
    error=st.sampled_from(("", "no leader")),
)
REQUESTS = st.builds(
    MemberRequest,
    role=st.sampled_from(("manager", "worker")),
    init=st.booleans(),
    cluster_id=st.none() | st.just("mine"),
    join_token=st.none() | st.just(TOKEN),
    remote_addrs=st.sampled_from(((), ("192.0.2.11:2377",))),
)


@given(MEMBERSHIPS, REQUESTS, st.booleans())
def test_only_a_host_outside_is_changed_and_no_token_is_ever_shown(
    current: Membership, wanted: MemberRequest, rehearsal: bool
) -> None:
    try:
        planned = membership.plan_member(current, wanted, rehearsal=rehearsal)
    except DeclarationError as error:
        shown = str(error)
    else:
        shown = repr(planned) + repr(planned.plan.as_list()) + repr(planned.plan.diff())
        if planned.plan:
            assert current.local_state in ("absent", "inactive")
        if planned.action == "none" and wanted.cluster_id:
            assert current.cluster_id == wanted.cluster_id
    assert TOKEN not in shown + repr(wanted)
