# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole declaration, checked before any host is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils import _stack_yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core import inventory
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import sources
from hypothesis import given
from hypothesis import strategies as st

CANARY = "kanarienvogel"
STACK = """
services:
  api:
    image: app:${VERSION}
    secrets: [jwt]
    networks: [back, own, shared]
    deploy: {placement: {constraints: ["node.labels.tier == ${TIER}"]}}
secrets: {jwt: {external: true}}
networks: {back: {external: true}, own: {}, shared: {external: true, name: other_default}}
"""


def stack(text: str = STACK, name: Any = "shop", **variables: str) -> inventory.Stack:
    given_ = {"VERSION": "v1", "TIER": "application", **variables}
    found = sources.examine([("s.yml", text)], given_, _stack_yaml.load_source)
    return inventory.Stack(name, found.tree, given_, found.problems)


def declaration(**changes: Any) -> inventory.Declaration:
    good = inventory.Declaration(
        managers=["m1", "m2", "m3"],
        workers=["w1", "w2"],
        labels={"w1": {"tier": "application"}, "w2": {"tier": "database"}, "m1": {}},
        availability={"m1": "", "w1": "active"},
        secrets=[{"name": "jwt", "value": CANARY}],
        networks=[{"name": "back", "encrypted": True}],
        stacks=[stack(), stack("services: {a: {image: x}}", "other")],
    )
    return replace(good, **changes)


def test_a_good_declaration_has_no_problem() -> None:
    assert inventory.problems(declaration()) == []


CASES: list[tuple[str, dict[str, Any], str]] = [
    ("no manager", {"managers": [], "labels": {"w1": {"tier": "application"}}}, "no host is a manager"),
    ("two managers", {"managers": ["m1", "m2"]}, "2 managers survive the loss of 0, as 1 do"),
    ("eight managers", {"managers": ["m%d" % n for n in range(9)]}, "9 managers slow every write down"),
    ("both", {"managers": ["m1"], "workers": ["w1", "w2", "m1"]}, "m1 is in swarm_workers too"),
    (
        "a label that is a boolean",
        {"labels": {"w1": {"tier": "application", "gpu": True}}},
        'write it in quotes, "true"',
    ),
    (
        "labels of a stranger",
        {"labels": {"w1": {"tier": "application"}, "w9": {}}},
        "w9 is neither a manager nor a worker",
    ),
    ("availability", {"availability": {"w2": "drained"}}, "'drained' is none of active, pause, drain"),
    ("manager availability", {"manager_availability": "off"}, "manager_availability: 'off'"),
    ("an empty secret", {"secrets": [{"name": "jwt", "value": ""}]}, "empty"),
    ("a large secret", {"secrets": [{"name": "jwt", "value": "x" * 512000}]}, "512000 bytes"),
    ("a secret twice", {"secrets": [{"name": n, "value": CANARY} for n in ("jwt", "JWT")]}, "more than once"),
    ("a long secret name", {"secrets": [{"name": n, "value": CANARY} for n in ("jwt", "n" * 62)]}, "65 characters"),
    ("a secret that is no mapping", {"secrets": [{"name": "jwt", "value": CANARY}, CANARY]}, "each item is a mapping"),
    (
        "a secret's unknown key",
        {"secrets": [{"name": "jwt", "value": CANARY, "vaule": CANARY}]},
        "unknown vaule; there",
    ),
    ("two sources", {"secrets": [{"name": "jwt", "value": CANARY, "generate": {}}]}, "give exactly one of value"),
    ("a short length", {"secrets": [{"name": "jwt", "generate": {"length": 1}}]}, "generate.length is not a whole"),
    (
        "adopt as a text",
        {"secrets": [{"name": "jwt", "value": CANARY, "adopt": "yes"}]},
        "adopt is neither true nor false",
    ),
    (
        "a secret that is to go",
        {"secrets": [{"name": "jwt", "state": "absent"}]},
        "the external secret jwt is not declared",
    ),
    ("a large config", {"configs": [{"name": "c", "value": "x" * 1024000}]}, "configs[0] (c): value has 1024000 bytes"),
    ("the key's config", {"configs": [{"name": "flotilla_digest_key", "value": CANARY}]}, "choose another"),
    ("a config that is no mapping", {"configs": [CANARY]}, "configs[0]: each item is a mapping"),
    ("a file", {"file_problems": ["secrets[0] (jwt): file: none is not there"]}, "secrets[0] (jwt): file: none is not"),
    ("a network twice", {"networks": [{"name": "back"}, {"name": "back"}]}, "more than once"),
    ("a bad network name", {"networks": [{"name": "back"}, {"name": "a b"}]}, "'a b'"),
    ("an unknown key of a network", {"networks": [{"name": "back", "encryptd": True}]}, "unknown encryptd"),
    ("a network that is to go", {"networks": [{"name": "back", "state": "absent"}]}, "the external network back"),
    ("a backup's kind", {"backups": [{"name": "db", "kind": "mysql"}]}, "swarm_backup_items: db: kind: 'mysql' can't"),
    ("a backup's kept name", {"backups": [{"name": "raft", "kind": "files", "paths": ["/a"]}]}, "raft is kept for"),
    ("backups that are no list", {"backups": "db"}, "swarm_backup_items is not a list"),
    ("an undeclared secret", {"secrets": []}, "stacks[0] (shop): secrets.jwt: the external secret jwt is not declared"),
    ("an undeclared network", {"networks": []}, "networks.back: the external network back is not declared"),
    (
        "a stack twice",
        {"stacks": [stack(), stack(), stack("services: {a: {image: x}}", "other")]},
        "shop is declared more",
    ),
    ("no tier", {"labels": {}}, "0 eligible nodes for node.labels.tier == ${TIER}: no declared host meets it"),
]


@pytest.mark.parametrize(("changes", "word"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_one_problem_one_sentence_with_its_mend(changes: dict[str, Any], word: str) -> None:
    found = inventory.problems(declaration(**changes))
    assert len(found) == 1, found
    assert word in found[0]
    assert CANARY not in found[0]


@pytest.mark.parametrize("source", [{"value": CANARY}, {"generate": {}}, {"value": CANARY, "adopt": True}])
@pytest.mark.parametrize("named", ["jwt", "jwt_v1", "jwt_v12"])
def test_a_stack_may_name_a_secret_or_config_or_a_version_of_it(source: dict[str, Any], named: str) -> None:
    text = (
        "services: {a: {image: x}}\nsecrets: {s: {external: true, name: %s}}\nconfigs: {s: {external: true, name: %s}}"
    )
    items = [{"name": "jwt", **source}]
    declared = declaration(secrets=items, configs=items, stacks=[stack(text % (named, named))])
    assert inventory.problems(declared) == []


@pytest.mark.parametrize("named", ["jwt_v", "jwt_v0", "jwt_v1_v1", "jw_v1"])
def test_what_only_begins_like_a_declared_name_is_not_declared(named: str) -> None:
    text = "services: {a: {image: x}}\nconfigs: {s: {external: true, name: %s}}" % named
    (problem,) = inventory.problems(declaration(configs=[{"name": "jwt", "value": "1"}], stacks=[stack(text)]))
    assert "the external config %s is not declared: add it to configs (swarm_configs_items)" % named in problem


def test_even_or_many_managers_may_be_asked_for() -> None:
    for count in (2, 8):
        managers = ["m%d" % number for number in range(1, count + 1)]
        assert inventory.problems(declaration(managers=managers, allow_even_managers=True)) == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("services: {a: {image: 'x:${MISSING}'}}", "${MISSING}"),
        ("services: {a: {image: x, privileged: true}}", "services.a.privileged"),
        ("services: {a: {image: x}}\nnetworks: {n: {encrypted: true}}", "driver_opts"),
        ("hosts: all", "not a stack file"),
        ("services: {a: {image: x}}\nconfigs: {c: {external: true}}", "the external config c is not declared"),
        ("services: {a b: {image: x}}", "can't be a name"),
        (
            "services: {a: {image: x, deploy: {placement: {constraints: [node.role == manager]}}}}",
            "only hosts that take no tasks meet it: m1 (drain), m2 (drain), m3 (drain)",
        ),
        ("services: {a: {image: x, deploy: {placement: {constraints: [node.role]}}}}", "neither == nor !="),
    ],
)
def test_a_stack_file_is_looked_at(text: str, word: str) -> None:
    found = inventory.problems(declaration(stacks=[stack(text)]))
    assert len(found) == 1, found
    assert found[0].startswith("stacks[0] (shop): ")
    assert word in found[0]


@pytest.mark.parametrize(
    "constraint",
    [
        "node.hostname == w7",
        "node.id == abc",
        "node.platform.arch == aarch64",
        "engine.labels.x == y",
        "node.ip == 192.0.2.1",
    ],
)
def test_what_an_inventory_can_not_know_counts_as_met(constraint: str) -> None:
    text = "services: {a: {image: x, deploy: {placement: {constraints: ['%s']}}}}" % constraint
    assert inventory.problems(declaration(stacks=[stack(text)])) == []


def test_active_managers_may_run_what_wants_a_manager() -> None:
    text = "services: {a: {image: x, deploy: {placement: {constraints: [node.role == manager]}}}}"
    assert inventory.problems(declaration(stacks=[stack(text)], manager_availability="active")) == []
    assert inventory.problems(declaration(stacks=[stack(text)], availability={"m2": "active"})) == []


def test_all_problems_are_told_at_once() -> None:
    found = inventory.problems(
        declaration(managers=["m1", "m2"], labels={"w1": {"tier": 1}}, secrets=[], networks=[], stacks=[stack()])
    )
    told = "\n".join(found)
    for word in ("2 managers", "labels of w1", "external secret jwt", "external network back", "0 eligible nodes"):
        assert word in told


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "", "${X}", "node.role"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "value", "labels", "state", "generate", "deploy", "a"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(ANYTHING, ANYTHING, st.dictionaries(st.sampled_from(["w1", "m1"]), ANYTHING))
def test_no_declaration_is_too_strange_for_an_answer(item: Any, service: Any, labels: dict[str, Any]) -> None:
    tree = {"services": {"a": service}, "networks": {"n": service}}
    strange = declaration(
        secrets=[item], configs=[item], networks=[item], labels=labels, stacks=[inventory.Stack(item, tree, {})]
    )
    assert all(isinstance(problem, str) for problem in inventory.problems(strange))
