# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack needs of the swarm, looked at before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import definition, preflight

STACK = "shop"
OWNER = "flotilla"
Json = dict[str, Any]


def tree_of(services: Mapping[str, Any], **sections: Any) -> Json:
    return definition.prepared({"services": services, **sections})


def secret(name: str, logical: str = "", version: str = "", owner: str = OWNER) -> Json:
    found = {labels.NAME: logical, labels.VERSION: version, labels.OWNER: owner} if logical else {}
    return {"ID": "id-" + name, "Spec": {"Name": name, "Labels": found}}


SECRETS = [
    secret("jwt_v2", "jwt", "2"),
    secret("jwt_v10", "jwt", "10"),
    secret("jwt_v11", "jwt", "11", owner="somebody"),
    secret("db_v1"),
    secret("exact"),
    secret("exact_v1", "exact", "1"),
]


@pytest.mark.parametrize(("name", "real"), [("jwt", "jwt_v10"), ("exact", "exact"), ("jwt_v2", "jwt_v2")])
def test_a_logical_name_means_the_newest_own_version(name: str, real: str) -> None:
    tree = tree_of({"a": {"image": "x", "secrets": [{"source": "s"}]}}, secrets={"s": {"name": name, "external": True}})
    resolved, problems = preflight.resolve(tree, preflight.Observation(secrets=SECRETS), OWNER)
    assert problems == []
    assert resolved["secrets"]["s"] == {"name": real, "external": True}
    assert tree["secrets"]["s"]["name"] == name


def test_what_is_not_in_the_swarm_is_named() -> None:
    tree = tree_of(
        {"a": {"image": "x"}},
        secrets={"db": {"external": True}},
        configs={"c": {"external": True}},
        networks={"n": {"external": True}, "local": {"external": True}, "host": {"external": True}},
    )
    observed = preflight.Observation(secrets=SECRETS, networks=[{"Name": "local", "Scope": "local"}])
    _resolved, problems = preflight.resolve(tree, observed, OWNER)
    assert [problem.split(":")[0] for problem in problems] == [
        "secrets.db",
        "configs.c",
        "networks.n",
        "networks.local",
    ]
    assert "declare it with swarm_secrets" in problems[0]
    assert "has the scope local" in problems[3]


def host(
    name: str, availability: str = "active", state: str = "ready", role: str = "worker", **node_labels: str
) -> Json:
    return {
        "ID": name,
        "Spec": {"Role": role, "Availability": availability, "Labels": node_labels},
        "Description": {"Hostname": name},
        "Status": {"State": state},
    }


def constrained(*constraints: str, **deploy: Any) -> Json:
    return tree_of({"a": {"image": "x", "deploy": {"placement": {"constraints": list(constraints)}, **deploy}}})


def test_constraints_that_no_node_meets_are_named_with_the_reason() -> None:
    # Docker lists nodes by ID, which tells nothing: they are named in the order of their names.
    managers = [host("m2", "drain", role="manager"), host("m1", "drain", role="manager")]
    nodes = [*managers, host("w1", tier="app"), host("w2", state="down", tier="data")]
    assert preflight.placement_problems(constrained("node.labels.tier == app"), nodes) == []
    assert preflight.placement_problems(constrained("node.labels.tier == data", replicas=0), nodes) == []
    (drained,) = preflight.placement_problems(constrained("node.role == manager"), nodes)
    assert "0 eligible nodes for node.role == manager" in drained
    assert "m1 is drained, m2 is drained" in drained
    (down,) = preflight.placement_problems(constrained("node.labels.tier == data"), nodes)
    assert "w2 is down" in down
    (nowhere,) = preflight.placement_problems(constrained("node.labels.tier == gpu"), nodes)
    assert "no node of the swarm satisfies them" in nowhere
    (bad,) = preflight.placement_problems(constrained("node.role"), nodes)
    assert "neither == nor !=" in bad


def test_a_global_service_may_have_no_node() -> None:
    nodes = [host("w1", tier="app")]
    assert preflight.placement_problems(constrained("node.labels.tier == gpu", mode="global"), nodes) == []
    assert len(preflight.placement_problems(constrained("node.role", mode="global"), nodes)) == 1
    assert len(preflight.placement_problems(constrained("node.labels.tier == gpu", mode="replicated-job"), nodes)) == 1


@pytest.mark.parametrize("key", ["a-", "größe", "a b", "x" * 60])
def test_names_that_the_engine_refuses_are_problems(key: str) -> None:
    (problem,) = preflight.name_problems(tree_of({key: {"image": "x"}}), STACK)
    assert problem.startswith("services.%s: " % key)
    assert preflight.name_problems(tree_of({"a_b-c1": {"image": "x"}}), STACK) == []


@pytest.mark.parametrize("stack", ["größe", "", "a b", "a.b", "-a", "x" * 64])
def test_a_stacks_own_name_is_one_problem(stack: str) -> None:
    (problem,) = preflight.name_problems(tree_of({"a": {"image": "x"}, "b": {"image": "x"}}), stack)
    assert problem.startswith("name: ")


@pytest.mark.parametrize(
    ("sections", "where"),
    [
        ({"networks": {"größe": None}}, "networks.größe"),
        ({"networks": {"größe": {"name": "size"}}}, ""),
        ({"networks": {"größe": {"name": "größe"}}}, "networks.größe"),
        ({"networks": {"größe": {"name": "größe", "external": True}}}, ""),
        ({"networks": {"größe": {"external": {"name": "size"}}}}, ""),
        ({"networks": {"größe": {"name": "${NAME}"}}}, ""),
        ({"networks": {"größe": None, "a.b": None}}, "networks.größe"),
        ({"volumes": {"größe": None}}, "volumes.größe"),
        ({"volumes": {"größe": {"driver": "plugin"}}}, ""),
        ({"volumes": {"data": {"name": "data-{{.Task.Slot}}"}}}, ""),
        ({"volumes": {"a.b": None, "x": {"external": True, "name": "größe"}}}, ""),
    ],
)
def test_names_of_what_a_stack_makes(sections: Json, where: str) -> None:
    for networks in (["größe"], {"größe": None}):
        used = networks if "networks" in sections else None
        problems = preflight.name_problems({"services": {"a": {"image": "x", "networks": used}}, **sections}, STACK)
        assert len(problems) == bool(where)
        assert all(problem.startswith(where + ": ") for problem in problems)


def test_services_that_differ_only_in_case_are_one_to_the_swarm() -> None:
    (problem,) = preflight.name_problems(tree_of({"web": {"image": "x"}, "Web": {"image": "x"}}), STACK)
    assert problem.startswith("services.Web and services.web are one name to the swarm")
