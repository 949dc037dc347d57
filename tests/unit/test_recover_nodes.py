# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that were lost and are taken out of the list, a worker that leaves, and keys that leaked."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import Membership
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import keys, removal
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import leave as leaving
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import swarm_spec
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineError, StaleVersion

Json = dict[str, Any]


def node(name: str, state: str = "down", *, raft: str = "", role: str = "worker", node_id: str = "") -> Json:
    found: Json = {
        "ID": node_id or "id-" + name,
        "Version": {"Index": 5},
        "Spec": {"Role": role, "Availability": "active"},
        "Description": {"Hostname": name, "TLSInfo": {"CertIssuerSubject": "old", "CertIssuerPublicKey": "k"}},
        "Status": {"State": state},
    }
    return {**found, "ManagerStatus": {"Reachability": raft}} if raft else found


def steps(nodes: list[Json], *names: str, keep: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    before = copy.deepcopy(nodes)
    found = removal.plan(nodes, names, keep).plan
    assert nodes == before
    return [(step.action, step.payload["id"]) for step in found]


M1 = node("m1", "ready", raft="reachable", role="manager")
M2 = node("m2", "ready", raft="reachable", role="manager")


# --- Removal ----------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_lost_is_removed() -> None:
    assert steps([M1, node("w1"), node("w2", "ready")], "w1") == [("remove", "id-w1")]


def test_a_manager_is_demoted_while_the_raft_counts_it() -> None:
    dead = node("m3", raft="unreachable", role="manager")
    assert steps([M1, M2, dead], "m3") == [("update", "id-m3"), ("remove", "id-m3")]
    (demotion, _removal) = removal.plan([M1, M2, dead], ["m3"]).plan
    assert demotion.payload["spec"] == {"Role": "worker", "Availability": "active"}


def test_a_manager_that_the_raft_let_go_of_can_not_be_demoted_and_is_removed() -> None:
    """After a new cluster was forced, the others still are managers by their spec."""
    assert steps([M1, node("m2", "unknown", role="manager")], "id-m2") == [("remove", "id-m2")]


def test_what_is_ready_is_no_node_that_was_lost() -> None:
    with pytest.raises(DeclarationError, match=r"w1 \(id-w1\) is ready"):
        steps([M1, node("w1", "ready")], "w1")


def test_of_two_nodes_with_one_name_the_living_one_stays() -> None:
    nodes = [M1, node("w1", node_id="old"), node("w1", "ready", node_id="new")]
    assert steps(nodes, "w1") == [("remove", "old")]


def test_what_is_gone_already_is_passed_over() -> None:
    assert steps([M1], "w1") == []


def test_a_demotion_that_would_cost_the_quorum_is_refused() -> None:
    nodes = [M1, node("m2", raft="unreachable", role="manager"), node("m3", raft="unreachable", role="manager")]
    with pytest.raises(DeclarationError, match=r"m2 .*can't be demoted"):
        steps([*nodes, node("m4", raft="unreachable", role="manager")], "m2")


def test_several_managers_are_counted_one_after_the_other() -> None:
    lost = [node(name, raft="unreachable", role="manager") for name in ("m4", "m5")]
    three = [M1, M2, node("m3", "ready", raft="reachable", role="manager")]
    assert [action for action, _id in steps([*three, *lost], "m4", "m5")] == ["update", "remove"] * 2


def test_after_a_restore_all_but_this_node_go() -> None:
    nodes = [M1, node("m2", "unknown", role="manager"), node("w1", "unknown")]
    assert steps(nodes, keep=("id-m1",)) == [("remove", "id-m2"), ("remove", "id-w1")]
    assert steps([M1], keep=("id-m1",)) == []
    with pytest.raises(DeclarationError, match="no node of this swarm"):
        steps(nodes, keep=("id-other",))


# --- A worker that leaves ---------------------------------------------------------------------------------------------


class Leaver:
    """An engine that becomes a worker at its third answer, and leaves when it is told to."""

    def __init__(self, demoted: bool = True) -> None:
        self.demoted = demoted
        self.asked = 0
        self.left = False

    def leave(self) -> None:
        assert self.asked >= 3, "it is a manager still"
        self.left = True

    def observe(self, _engine: Any) -> Membership:
        self.asked += 1
        if self.left:
            return Membership("inactive")
        manager = not self.demoted or self.asked < 3
        return Membership("active", "swarm", "id", "m1", "manager" if manager else "worker", manager)


def leaver(monkeypatch: pytest.MonkeyPatch, **options: bool) -> Leaver:
    made = Leaver(**options)
    monkeypatch.setattr(leaving, "LocalEngine", lambda _path: made)
    monkeypatch.setattr(leaving, "observe_membership", made.observe)
    return made


def test_a_manager_that_was_demoted_leaves_once_it_is_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    made = leaver(monkeypatch)
    assert leaving.leave("socket", "swarm", 5, dry_run=False) == {"changed": True, "node_id": "id"}
    assert made.left
    assert leaving.leave("socket", "swarm", 5, dry_run=False) == {"changed": False, "node_id": None}


def test_a_manager_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    made = leaver(monkeypatch, demoted=False)
    with pytest.raises(DeclarationError, match="demote it first"):
        leaving.leave("socket", "swarm", 0, dry_run=False)
    assert not made.left


def test_only_the_swarm_that_is_named_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    made = leaver(monkeypatch)
    with pytest.raises(DeclarationError, match="in the swarm swarm, not in other"):
        leaving.leave("socket", "other", 5, dry_run=False)
    assert leaving.leave("socket", "swarm", 5, dry_run=True)["changed"] is True
    assert not made.left


# --- Keys -------------------------------------------------------------------------------------------------------------


class Manager:
    """A manager whose swarm rotates its CA within so many looks."""

    def __init__(self, autolock: bool = True, looks: int = 2) -> None:
        self.nodes_ = [node("m1", "ready"), node("w1", "ready")]
        self.autolock, self.looks = autolock, looks
        self.rotating = False
        self.updates: list[tuple[Json, Json]] = []
        self.stale = 0

    def nodes(self) -> list[Json]:
        return self.nodes_

    def swarm_inspect(self) -> Json:
        if self.rotating:
            self.looks -= 1
            self.rotating = self.looks > 0
        spec = {"CAConfig": {"ForceRotate": 3}, "EncryptionConfig": {"AutoLockManagers": self.autolock}}
        issuer = {"CertIssuerSubject": "new", "CertIssuerPublicKey": "k"}
        return {"Version": {"Index": 1}, "Spec": spec, "TLSInfo": issuer, "RootRotationInProgress": self.rotating}

    def update_swarm(self, _version: int, spec: Json, **rotate: bool) -> None:
        if self.stale:
            self.stale -= 1
            raise StaleVersion("update out of sequence")
        self.updates.append((spec, rotate))
        self.rotating = spec["CAConfig"]["ForceRotate"] == 4


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Manager:
    made = Manager()
    monkeypatch.setattr(swarm_spec, "LocalEngine", lambda _path: made)
    return made


def test_each_key_is_asked_for_in_its_own_way(manager: Manager) -> None:
    swarm_spec.rotate("socket", keys.KEYS, 10, dry_run=False)
    # The CA comes last: it may wait for nodes, and what leaked must not be valid meanwhile.
    (spec, flags), (ca, ca_flags) = manager.updates
    assert ca["CAConfig"] == {"ForceRotate": 4}
    assert ca["EncryptionConfig"] == {"AutoLockManagers": True}
    assert ca_flags == {}
    assert spec["CAConfig"] == {"ForceRotate": 3}, "the CA is not rotated twice"
    assert flags == {"rotateWorkerToken": True, "rotateManagerToken": True, "rotateManagerUnlockKey": True}


def test_tokens_alone_leave_the_rest(manager: Manager) -> None:
    manager.stale = 2
    swarm_spec.rotate("socket", ["join_tokens"], 10, dry_run=False)
    ((_spec, flags),) = manager.updates
    assert flags == {"rotateWorkerToken": True, "rotateManagerToken": True}


def test_a_new_ca_is_refused_while_a_node_is_down(manager: Manager) -> None:
    """Row 39 of the faults."""
    manager.nodes_.append(node("w2"))
    with pytest.raises(DeclarationError, match="the node w2 is down"):
        swarm_spec.rotate("socket", ["ca", "join_tokens"], 10, dry_run=False)
    assert manager.updates == []
    swarm_spec.rotate("socket", ["join_tokens"], 10, dry_run=False)
    assert len(manager.updates) == 1


def test_a_rotation_that_does_not_end_names_whom_it_waits_for(manager: Manager) -> None:
    manager.looks = 1000
    manager.nodes_[0]["Description"]["TLSInfo"]["CertIssuerSubject"] = "new"
    with pytest.raises(EngineError, match="waits after 0 s for w1:"):
        swarm_spec.rotate("socket", ["ca"], 0, dry_run=False)


def test_without_autolock_there_is_no_unlock_key(manager: Manager) -> None:
    manager.autolock = False
    with pytest.raises(DeclarationError, match="autolock is off"):
        swarm_spec.rotate("socket", ["unlock_key"], 10, dry_run=False)


def test_check_mode_renews_nothing(manager: Manager) -> None:
    swarm_spec.rotate("socket", keys.KEYS, 10, dry_run=True)
    assert manager.updates == []
