# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of roles: their order, and what the quorum forbids."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import nodes, quorum
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from hypothesis import given
from hypothesis import strategies as st

Nodes = dict[str, dict[str, Any]]


def swarm(managers: str, away: str = "", workers: str = "") -> Nodes:
    """Nodes that are called by one letter each; the first manager leads. ``away``: managers that are unreachable."""
    found: Nodes = {}
    for name in managers + workers:
        role = "manager" if name in managers else "worker"
        found[name] = {
            "ID": "id-" + name,
            "Version": {"Index": 1},
            "Spec": {"Role": role, "Availability": "active", "Labels": {}},
            "Description": {"Hostname": name},
            "Status": {"State": "down" if name in away else "ready", "Addr": "192.0.2.%d" % (ord(name) - 90)},
        }
        if role == "manager":
            reachability = "unreachable" if name in away else "reachable"
            found[name]["ManagerStatus"] = {"Reachability": reachability, "Leader": name == managers[0]}
    return found


def items(managers: str = "", workers: str = "", **more: Any) -> list[nodes.Item]:
    roles = [(name, "manager") for name in managers] + [(name, "worker") for name in workers]
    return [nodes.Item("name", name, role=role, **more) for name, role in roles]


def plan(seen: Nodes, declared: list[nodes.Item], asked: str | None = None) -> nodes.Decision:
    return nodes.plan(declared, list(seen.values()), change_roles=True, asked=asked)


def changes(decision: nodes.Decision) -> list[str]:
    """``+name`` for a promotion, ``-name`` for a demotion, the name for what changes no role."""
    signs = {"manager": "+", "worker": "-", None: ""}
    return [signs[step.payload.get("role")] + step.name for step in decision.plan]


def refusal(seen: Nodes, declared: list[nodes.Item], asked: str | None = None) -> tuple[str, ...]:
    with pytest.raises(DeclarationError) as caught:
        plan(seen, declared, asked)
    return caught.value.problems


class TestOrder:
    def test_promotions_come_before_demotions_and_the_leader_last(self) -> None:
        found = plan(swarm("abc", workers="uvw"), items("uvc", "abw"), asked="id-c")
        assert changes(found) == ["+u", "+v", "-b", "-a"]

    def test_what_is_away_is_demoted_first(self) -> None:
        assert changes(plan(swarm("abcde", away="de"), items("a", "bcde"))) == ["-d", "-e", "-b", "-c"]

    def test_nodes_that_keep_their_role_come_before_all(self) -> None:
        declared = [*items("u", "b"), nodes.Item("name", "w", {"x": "y"})]
        assert changes(plan(swarm("abc", workers="uvw"), declared)) == ["w", "+u", "-b"]

    def test_a_node_gets_one_step_for_everything(self) -> None:
        (step,) = plan(swarm("abc"), items("", "b", labels={"x": "y"}, availability="drain")).plan
        assert [difference.field for difference in step.differences] == [
            "role",
            "availability",
            "labels.flotilla.swarm.node-labels",
            "labels.x",
        ]
        assert step.payload["spec"]["Role"] == step.payload["role"] == "worker"
        assert step.payload["spec"]["Availability"] == "drain"


class TestRefusals:
    @pytest.mark.parametrize(("managers", "declared"), [("a", "a"), ("abc", "abc")])
    def test_the_last_manager_is_kept(self, managers: str, declared: str) -> None:
        (told,) = refusal(swarm(managers), items("", declared))
        assert told == (
            "node a can't be demoted: no manager would be left: let another node become a manager in a run before this "
            "one"
        )

    def test_a_promotion_does_not_count_before_it_is_real(self) -> None:
        (told,) = refusal(swarm("a", workers="w"), items("w", "a"))
        assert "no manager would be left" in told
        half = swarm("a", workers="w")
        half["w"]["Spec"]["Role"] = "manager"
        assert "no manager would be left" in refusal(half, items("w", "a"))[0]

    def test_the_quorum_of_the_smaller_raft_is_asked(self) -> None:
        (told,) = refusal(swarm("abc", away="c"), items("ac", "b"))
        assert told == (
            "node b can't be demoted: the managers that are left would have no quorum: 1 of the other 2 would be "
            "reachable and 2 are needed: first bring back or demote the managers that don't count: c (unreachable)"
        )
        assert changes(plan(swarm("abc", away="c"), items("a", "bc"))) == ["-c", "-b"]

    def test_it_is_asked_over_all_steps(self) -> None:
        seen = swarm("abcde", away="e")
        assert changes(plan(seen, items("", "d"))) == ["-d"]
        (told,) = refusal(seen, items("", "bcd"))
        assert told.startswith("node d can't be demoted: the managers that are left would have no quorum: 1 of the")

    def test_a_manager_that_is_being_demoted_may_leave_at_any_moment(self) -> None:
        seen = swarm("abc")
        seen["c"]["Spec"]["Role"] = "worker"
        (told,) = refusal(seen, items("a", "bc"))
        assert told.endswith("the managers that don't count: c (its demotion is not carried out yet)")
        del seen["c"]["ManagerStatus"]
        assert changes(plan(seen, items("a", "bc"))) == ["-b"]

    def test_a_manager_that_is_not_in_the_raft_yet(self) -> None:
        seen = swarm("abc")
        del seen["c"]["ManagerStatus"]
        (told,) = refusal(seen, items("ab", "c"))
        assert told == (
            "node c can't be demoted: the raft has not taken it in yet: wait until `docker node ls` shows it as "
            "reachable, or bring it back"
        )

    def test_the_manager_that_is_asked_is_not_demoted(self) -> None:
        assert refusal(swarm("abc"), items("ac", "b"), asked="id-b") == (
            "node b can't be demoted: it is the manager that this is asked of: ask another manager",
        )

    def test_a_node_that_is_down_is_not_promoted(self) -> None:
        assert refusal(swarm("a", away="w", workers="w"), items("aw")) == (
            "node w can't be promoted: it is down: bring it back first",
        )

    def test_every_refusal_is_told(self) -> None:
        assert len(refusal(swarm("abc", away="cw", workers="w"), items("w", "ab"))) == 3


class TestWarnings:
    @pytest.mark.parametrize(
        ("managers", "away", "drained", "said"),
        [
            ("abc", "", "b", None),
            ("a", "", "a", None),
            ("ab", "", "b", "1 of 2 managers would be reachable and 2 are needed"),
            ("abc", "c", "b", "1 of 3 managers would be reachable and 2 are needed"),
            ("abc", "c", "c", None),
        ],
    )
    def test_a_drained_manager_whose_stop_would_cost_the_quorum(
        self, managers: str, away: str, drained: str, said: str | None
    ) -> None:
        seen = swarm(managers, away)
        declared = [nodes.Item("name", name, availability="drain" if name in drained else None) for name in managers]
        decision = plan(seen, declared)
        assert len(decision.plan.steps) == 1
        assert decision.plan.warnings == (
            ("the manager b is drained, but don't stop its engine: the swarm would lose its quorum: " + said,)
            if said
            else ()
        )
        seen[drained]["Spec"]["Availability"] = "drain"
        assert plan(seen, declared).plan.warnings == ()

    def test_a_worker_or_one_that_becomes_a_worker_costs_no_quorum(self) -> None:
        seen = swarm("ab", workers="w")
        assert not plan(seen, items("a", "bw", availability="drain")).plan.warnings[1:]

    @pytest.mark.parametrize("name", ["b", "w"])
    def test_a_change_of_an_earlier_run_that_is_not_carried_out_yet(self, name: str) -> None:
        seen = swarm("ab", workers="w")
        role = {"b": "worker", "w": "manager"}[name]
        seen[name]["Spec"]["Role"] = role
        declared = [*items("w" if name == "w" else "", "b" if name == "b" else ""), nodes.Item("name", "a")]
        assert plan(seen, declared).plan.warnings[0] == (
            "node %s was made a %s before, and the swarm has not carried that out yet" % (name, role)
        )


NAMES = "abcdefg"


@given(
    managers=st.sets(st.sampled_from(NAMES), min_size=1),
    away=st.sets(st.sampled_from(NAMES)),
    declared=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(nodes.ROLES)),
    promoted=st.booleans(),
)
def test_the_raft_has_its_quorum_after_each_step_that_is_planned(
    managers: set[str], away: set[str], declared: dict[str, str], promoted: bool
) -> None:
    """Whether the promotions of the plan become real or not."""
    leader, *others = sorted(managers)
    seen = swarm(leader + "".join(others), "".join(away - {leader}), "".join(set(NAMES) - managers))
    raft = {name: name not in away or name == leader for name in managers}
    if sum(raft.values()) < quorum.needed(len(raft)):
        return
    try:
        steps = plan(seen, [nodes.Item("name", name, role=role) for name, role in declared.items()]).plan.steps
    except DeclarationError:
        return
    for step in steps:
        if step.payload["role"] == "worker":
            del raft[step.name]
        elif promoted:
            assert seen[step.name]["Status"]["State"] != "down"
            raft[step.name] = True
        assert sum(raft.values()) >= quorum.needed(len(raft)) > 0
    assert leader not in [step.name for step in steps[:-1]]
