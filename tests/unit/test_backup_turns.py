# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which node does which job: every node decides alone, and together they do each."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import turns
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import Job, parse
from hypothesis import given
from hypothesis import strategies as st

DATABASE, UPLOADS, EVERYWHERE, MANAGERS, WORKERS, DEFINITION, RAFT = parse(
    [
        {"name": "db", "kind": "postgres", "service": "shop_postgres"},
        {"name": "uploads", "kind": "volume", "volume": "shop_uploads"},
        {"name": "etc", "kind": "files", "paths": ["/etc/docker"]},
        {"name": "tls", "kind": "files", "paths": ["/etc/tls"], "hosts": "managers"},
        {"name": "logs", "kind": "files", "paths": ["/var/log"], "hosts": "workers"},
    ],
    raft=True,
)
THREE = (("a", True, True), ("b", True, False), ("c", True, False))


def turn(job: Job, view: turns.NodeView) -> bool:
    ((same, own, reason),) = turns.mine([job], view)
    assert same is job
    assert reason
    return own


def manager(node_id: str, managers: tuple[tuple[str, bool, bool], ...] = THREE) -> turns.NodeView:
    return turns.NodeView(node_id, "manager", (node_id, True, True) in managers, managers)


def test_a_database_is_backed_up_where_it_runs() -> None:
    assert turn(DATABASE, turns.NodeView("w", "worker", services={"shop_postgres": [1]}))
    assert turn(DATABASE, turns.NodeView("w", "worker", services={"shop_postgres": [0]}))
    assert not turn(DATABASE, turns.NodeView("w", "worker", services={"shop_postgres": [], "shop": [1]}))
    assert not turn(DATABASE, turns.NodeView("w", "worker"))


def test_a_volume_is_backed_up_where_it_is() -> None:
    assert turn(UPLOADS, turns.NodeView("w", "worker", volumes=["shop_uploads"]))
    assert not turn(UPLOADS, turns.NodeView("w", "worker", volumes=["shop_uploads_2"]))


@pytest.mark.parametrize(("role", "own"), [("manager", [True, True, False]), ("worker", [True, False, True])])
def test_files_belong_to_a_role(role: str, own: list[bool]) -> None:
    assert [turn(job, turns.NodeView("x", role)) for job in (EVERYWHERE, MANAGERS, WORKERS)] == own


def test_the_leader_exports_and_another_manager_copies_the_raft() -> None:
    assert [turn(DEFINITION, manager(one)) for one in "abc"] == [True, False, False]
    assert [turn(RAFT, manager(one)) for one in "abc"] == [False, True, False]
    assert not turn(RAFT, turns.NodeView("w", "worker"))


def test_the_next_manager_takes_over_from_one_that_is_away() -> None:
    without_b = (("a", True, True), ("b", False, False), ("c", True, False))
    assert [turn(RAFT, manager(one, without_b)) for one in "abc"] == [False, False, True]


def test_a_leader_alone_copies_nothing() -> None:
    assert not turn(RAFT, manager("a", (("a", True, True),)))


def test_a_manager_that_is_away_for_its_own_backup_makes_it_nobody_elses_turn() -> None:
    without_b = (("a", True, True), ("b", False, False), ("c", True, False))
    c = turns.NodeView("c", "manager", managers=without_b, busy="m2 backs up its state for 1 s already")
    assert turns.mine([RAFT], c) == [(RAFT, False, "m2 backs up its state for 1 s already")]
    assert turn(DATABASE, dataclasses.replace(c, services={"shop_postgres": [1]}))


def test_without_a_quorum_a_node_has_what_is_its_own_alone() -> None:
    alone = turns.NodeView("a", "manager", services={"shop_postgres": [1]}, no_quorum="no leader")
    assert [turn(job, alone) for job in (DATABASE, MANAGERS, DEFINITION, RAFT)] == [True, True, False, False]
    ((_job, _own, reason),) = turns.mine([RAFT], alone)
    assert reason == "the swarm has no quorum (no leader)"


def test_a_reason_tells_whose_turn_it_is() -> None:
    ((job, own, reason),) = turns.mine([RAFT], manager("c"))
    assert (job, own, reason) == (RAFT, False, "it is the turn of the manager with the ID b")


def test_a_kind_of_a_newer_collection_is_left_alone() -> None:
    ((job, own, reason),) = turns.mine([Job("x", "mysql")], manager("a"))
    assert (job.name, own) == ("x", False)
    assert "knows no jobs of the kind mysql" in reason


@given(ids=st.sets(st.sampled_from("abcdefg"), min_size=1), down=st.sets(st.sampled_from("abcdefg")), data=st.data())
def test_exactly_one_manager_copies_the_raft_and_never_the_leader(
    ids: set[str], down: set[str], data: st.DataObject
) -> None:
    leader = data.draw(st.sampled_from(sorted(ids)))
    managers = tuple(
        data.draw(st.permutations([(one, one == leader or one not in down, one == leader) for one in sorted(ids)]))
    )
    able = ids - down - {leader}
    own = {one for one in ids if turn(RAFT, manager(one, managers))}
    assert len(own) == min(1, len(able))
    assert own <= able
    assert {one for one in ids if turn(DEFINITION, manager(one, managers))} == {leader}
