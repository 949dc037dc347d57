# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of a stack, with the definition and the preflight that it stands on."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import CREATE, REMOVE, Difference, Plan
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import definition, planner, preflight
from hypothesis import given
from hypothesis import strategies as st

STACK = "shop"
OWNER = "flotilla"
Json = dict[str, Any]
DEFAULT = [{"Name": "shop_default", "Id": "n", "Scope": "swarm"}]


def applied(plan: Plan, tree: Json, observed: preflight.Observation) -> preflight.Observation:
    """What the swarm holds after a plan, as the docker CLI and the API would leave it."""
    services = {service["Spec"]["Name"]: service for service in copy.deepcopy(list(observed.services))}
    networks = list(observed.networks)
    configs = list(observed.configs)
    declared = {item.name: item for item in definition.declared(tree, STACK)}
    for step in plan:
        if step.kind == "service" and step.action == REMOVE:
            del services[step.name]
        elif step.kind == "service":
            services[step.name] = live(declared[step.name])
        elif step.kind == "network" and step.action == CREATE:
            own = {labels.STACK_NAMESPACE: STACK, labels.OWNER: OWNER}
            networks.append({"Name": step.name, "Id": "id-" + step.name, "Scope": "swarm", "Labels": own})
        elif step.kind == "config":
            data = base64.b64encode(step.payload["data"]).decode()
            spec = {"Name": step.name, "Labels": step.payload["labels"], "Data": data}
            configs.append({"ID": "id-" + step.name, "Spec": spec})
    return preflight.Observation(list(services.values()), observed.nodes, networks, observed.secrets, configs)


def live(item: definition.Declared, **labels_: str) -> Json:
    """A service as the engine holds it once it was deployed: the image pinned to a digest."""
    mode: Json = {"Replicated": {"Replicas": item.replicas}} if item.mode == "replicated" else {"Global": {}}
    container = {
        "Image": item.image + "@sha256:" + "a" * 64,
        "Secrets": [{"SecretID": "id-" + name, "SecretName": name} for name in item.secrets],
        "Configs": [{"ConfigID": "id-" + name, "ConfigName": name} for name in item.configs],
    }
    return {
        "ID": "id-" + item.name,
        "Spec": {
            "Name": item.name,
            "Labels": {
                labels.STACK_NAMESPACE: STACK,
                labels.OWNER: OWNER,
                labels.DEFINITION: item.digest,
                "com.docker.stack.image": item.image,
                **labels_,
            },
            "TaskTemplate": {"ContainerSpec": container},
            "Mode": mode,
        },
    }


def tree_of(services: Mapping[str, Any], **sections: Any) -> Json:
    return definition.prepared({"services": services, **sections})


def planned(tree: Json, observed: preflight.Observation | None = None, **more: Any) -> Plan:
    return planner.plan(STACK, tree, observed or preflight.Observation(), owner=OWNER, **more)


ENTRIES = st.fixed_dictionaries(
    {
        "image": st.sampled_from(
            ["app:v1", "app:v2", "registry.example:5000/app:v1", "docker.io/library/app:v1", "app:1"]
        ),
        "deploy": st.one_of(
            st.fixed_dictionaries({}, optional={"replicas": st.integers(0, 3), "labels": st.just({"a": "b$c"})}),
            st.just({"mode": "global"}),
        ),
    },
    optional={
        "networks": st.sampled_from([{"back": None}, {"back": {"aliases": ["x"]}, "ext": None}]),
        "environment": st.dictionaries(st.sampled_from(["A", "B"]), st.text(max_size=3)),
        "configs": st.just([{"source": "conf"}]),
        "env_file": st.just(["gone.env"]),
    },
)
TREES = st.dictionaries(st.sampled_from(["api", "web", "db", "job"]), ENTRIES, min_size=1)
SECTIONS = {"networks": {"back": {"driver": "overlay"}, "ext": {"name": "ext", "external": True}}}
CONTENTS = st.binary(min_size=1, max_size=4)


def prepare(services: Json, content: bytes) -> tuple[Json, tuple[definition.ConfigObject, ...]]:
    tree = tree_of(services, **SECTIONS, configs={"conf": {"file": "/tmp/x/conf"}})  # noqa: S108 - never opened
    resolved, objects, problems = definition.config_objects(tree, STACK, {"conf": content}, OWNER)
    assert problems == []
    return resolved, objects


@given(TREES, TREES, CONTENTS, CONTENTS, st.booleans())
def test_an_applied_plan_leaves_nothing_to_do(
    before: Json, after: Json, first: bytes, second: bytes, prune: bool
) -> None:
    old, old_configs = prepare(before, first)
    new, new_configs = prepare(after, second)
    changed_mode = any(
        ("mode" in before[key].get("deploy", {})) != ("mode" in after[key].get("deploy", {}))
        for key in set(before) & set(after)
    )
    start = applied(planned(old, configs=old_configs), old, preflight.Observation())
    assert not planned(old, start, configs=old_configs)
    if changed_mode:
        with pytest.raises(DeclarationError, match="mode changed"):
            planned(new, start, configs=new_configs, prune=prune)
        return
    untouched = copy.deepcopy((new, start))
    plan = planned(new, start, configs=new_configs, prune=prune)
    assert (new, start) == untouched
    assert planned(new, start, configs=new_configs, prune=prune) == plan
    again = planned(new, applied(plan, new, start), configs=new_configs, prune=prune)
    assert not again
    assert bool(again.warnings) == (not prune and bool(set(before) - set(after)))


def test_a_service_that_a_rotation_repointed_is_as_declared() -> None:
    def resolved(version: str) -> Json:
        services = {"api": {"image": "app:v1", "secrets": [{"source": "key"}]}, "web": {"image": "web:v1"}}
        return tree_of(services, secrets={"key": {"name": version, "external": True}})

    tree = resolved("key_v1")
    before = applied(planned(tree), tree, preflight.Observation())
    plan = planned(resolved("key_v2"), before)
    assert [step.name for step in plan] == ["shop_api"]
    assert plan.steps[0].differences == (Difference("secrets", ["key_v1"], ["key_v2"]),)
    rotated = copy.deepcopy(before)
    container = rotated.services[0]["Spec"]["TaskTemplate"]["ContainerSpec"]
    container["Secrets"] = [{"SecretID": "2", "SecretName": "key_v2"}]
    assert not planned(resolved("key_v2"), rotated)


@given(TREES, st.randoms())
def test_the_order_in_the_file_changes_neither_plan_nor_digest(services: Json, random: Any) -> None:
    shuffled = list(services.items())
    random.shuffle(shuffled)
    assert planned(prepare(services, b"x")[0]) == planned(prepare(dict(shuffled), b"x")[0])


@given(TREES)
def test_the_document_for_the_cli_says_the_same_and_interpolates_to_itself(services: Json) -> None:
    tree, _configs = prepare(services, b"x")
    document = definition.render(tree, STACK, services, OWNER)
    read = yaml.safe_load(document)
    assert set(read["services"]) == set(services)
    for item in definition.declared(tree, STACK):
        entry = read["services"][item.key]
        assert entry["deploy"]["labels"][labels.DEFINITION] == item.digest
        assert entry["deploy"]["labels"][labels.OWNER] == OWNER
        assert entry.get("environment", {}) == {
            key: value.replace("$", "$$") for key, value in item.entry.get("environment", {}).items()
        }
        assert "env_file" not in entry
        for key in definition.networks_of(item.entry):
            network = read["networks"][key]
            assert network.get("external") or network["labels"] == {labels.OWNER: OWNER}


@pytest.mark.parametrize("text", ["a\x85b", "a\u2028b", "a\u2029b", "a\x7fb", "\U0001f600"])
def test_a_character_that_yaml_would_fold_stays_what_it_is(text: str) -> None:
    tree = tree_of({"api": {"image": "a:1", "environment": {"A": text}}})
    read = yaml.safe_load(definition.render(tree, STACK, ["api"], OWNER))
    assert read["services"]["api"]["environment"]["A"] == text


def test_networks_that_the_cli_makes_carry_the_owner_beside_their_own_labels() -> None:
    tree = tree_of(
        {"api": {"image": "a:1", "networks": {"back": None, "ext": None}}, "web": {"image": "w:1"}},
        networks={"back": {"labels": {"a": "b"}}, "ext": {"name": "ext", "external": True}},
    )
    assert json.loads(definition.render(tree, STACK, ["api", "web"], OWNER))["networks"] == {
        "back": {"labels": {"a": "b", labels.OWNER: OWNER}},
        "default": {"labels": {labels.OWNER: OWNER}},
        "ext": {"name": "ext", "external": True},
    }


def test_only_what_changed_and_what_it_needs_is_sent() -> None:
    tree = tree_of(
        {
            "api": {
                "image": "a:1",
                "networks": {"back": None},
                "secrets": [{"source": "s"}],
                "volumes": [{"source": "data"}],
            },
            "web": {"image": "w:1", "networks": {"front": None}},
        },
        networks={"back": {}, "front": {}},
        secrets={"s": {"name": "s_v3", "external": True}, "other": {"external": True}},
        volumes={"data": {"driver": "local"}},
    )
    sent = json.loads(definition.render(tree, STACK, ["api"], OWNER))
    assert {section: sorted(sent[section]) for section in sent} == {
        "services": ["api"],
        "networks": ["back"],
        "secrets": ["s"],
        "volumes": ["data"],
    }


def test_a_new_version_of_a_secret_changes_just_the_services_that_use_it() -> None:
    services = {"api": {"image": "a:1", "secrets": [{"source": "s"}]}, "web": {"image": "w:1"}}

    def tree(version: str) -> Json:
        return tree_of(services, secrets={"s": {"name": "s_" + version, "external": True}})

    before = applied(planned(tree("v1")), tree("v1"), preflight.Observation())
    assert [step.name for step in planned(tree("v2"), before)] == ["shop_api"]


def test_changes_by_hand_are_seen_and_named() -> None:
    tree = tree_of({"api": {"image": "app:v1", "deploy": {"replicas": 2}}})
    (item,) = definition.declared(tree, STACK)
    by_hand = live(item)
    by_hand["Spec"]["Mode"] = {"Replicated": {"Replicas": 5}}
    by_hand["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] = "app:v9@sha256:" + "b" * 64
    (step,) = planned(tree, preflight.Observation([by_hand], networks=DEFAULT))
    assert [difference.as_dict() for difference in step.differences] == [
        {"field": "image", "before": "app:v9@sha256:" + "b" * 64, "after": "app:v1"},
        {"field": "replicas", "before": 5, "after": 2},
    ]


@pytest.mark.parametrize(
    ("declared", "held"),
    [
        ("nginx", "nginx:latest@sha256:" + "a" * 64),
        ("docker.io/library/nginx:1", "nginx:1@sha256:" + "a" * 64),
        ("docker.io/acme/app:1", "acme/app:1@sha256:" + "a" * 64),
        ("registry.example:5000/app", "registry.example:5000/app:latest@sha256:" + "a" * 64),
        ("app:1@sha256:" + "a" * 64, "app:1@sha256:" + "a" * 64),
        ("app@sha256:" + "a" * 64, "app@sha256:" + "a" * 64),
        ("app:1", "app:1"),
    ],
)
def test_the_same_image_under_the_engines_name_is_no_change(declared: str, held: str) -> None:
    tree = tree_of({"api": {"image": declared}})
    (item,) = definition.declared(tree, STACK)
    service = live(item)
    service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] = held
    assert not planned(tree, preflight.Observation([service]))


def test_a_paused_update_goes_on_and_a_finished_rollback_is_history() -> None:
    tree = tree_of({"api": {"image": "app:v1"}})
    (item,) = definition.declared(tree, STACK)
    paused = {**live(item), "UpdateStatus": {"State": "paused"}}
    (step,) = planned(tree, preflight.Observation([paused], networks=DEFAULT))
    assert step.differences[0].as_dict() == {"field": "update", "before": "paused", "after": "resumed"}
    rolled_back = {**live(item), "UpdateStatus": {"State": "rollback_completed"}}
    assert not planned(tree, preflight.Observation([rolled_back]))


def test_services_of_other_stacks_are_never_pruned() -> None:
    tree = tree_of({"api": {"image": "app:v1"}})
    (item,) = definition.declared(tree, STACK)
    gone = definition.declared(tree_of({"old": {"image": "old:1"}}), STACK)[0]
    stranger = live(gone, **{labels.STACK_NAMESPACE: "other"})
    plan = planned(tree, preflight.Observation([live(item), live(gone)]), prune=True)
    assert [(step.action, step.name, step.payload["id"]) for step in plan] == [("remove", "shop_old", "id-shop_old")]
    assert "shop_old" in planned(tree, preflight.Observation([live(item), live(gone)])).warnings[0]
    assert not planned(tree, preflight.Observation([live(item), stranger]), prune=True)


@pytest.mark.parametrize("prune", [True, False])
def test_what_something_else_deployed_under_the_stacks_name_is_never_pruned(prune: bool) -> None:
    tree = tree_of({"api": {"image": "app:v1"}})
    (item,) = definition.declared(tree, STACK)
    theirs = live(definition.declared(tree_of({"old": {"image": "old:1"}}), STACK)[0], **{labels.OWNER: "somebody"})
    by_cli = live(definition.declared(tree_of({"cli": {"image": "old:1"}}), STACK)[0])
    del by_cli["Spec"]["Labels"][labels.OWNER]
    plan = planned(tree, preflight.Observation([live(item), theirs, by_cli]), prune=prune)
    assert not plan
    (warning,) = plan.warnings
    assert warning.startswith("service shop_cli, service shop_old: of the stack shop, but left alone: ")
    assert "deployed by something else" in warning
    assert "flotilla.swarm.owner=flotilla" in warning


def test_a_config_keeps_the_name_that_its_file_gives_it_and_then_can_not_change() -> None:
    tree = tree_of(
        {"api": {"image": "a", "configs": [{"source": "c"}]}}, configs={"c": {"name": "fixed", "file": "/x"}}
    )
    resolved, objects, _problems = definition.config_objects(tree, STACK, {"c": b"one"}, OWNER)
    assert [item.name for item in objects] == ["fixed"]
    held = {"ID": "1", "Spec": {"Name": "fixed", "Data": base64.b64encode(b"two").decode()}}
    with pytest.raises(DeclarationError, match="another content"):
        planned(resolved, preflight.Observation(configs=[held]), configs=objects)


@pytest.mark.parametrize(
    ("entry", "content", "word"),
    [
        ({"file": "/x"}, b"", "0 bytes"),
        ({"file": "/x"}, b"x" * 1000 * 1024, "1024000 bytes"),
        ({"file": "/x", "template_driver": "golang"}, b"x", "template_driver"),
        ({"file": "/x", "name": "n" * 65}, b"x", "65 characters"),
    ],
)
def test_configs_that_can_not_be_made_are_problems(entry: Json, content: bytes, word: str) -> None:
    _tree, _objects, problems = definition.config_objects(
        tree_of({}, configs={"c": entry}), STACK, {"c": content}, OWNER
    )
    assert word in problems[0]


def test_everything_that_we_deployed_of_a_stack_goes_and_nothing_else() -> None:
    own = {labels.STACK_NAMESPACE: STACK, labels.OWNER: OWNER}
    other = {labels.STACK_NAMESPACE: "other", labels.OWNER: OWNER}
    things = [
        {"ID": "1", "Spec": {"Name": "mine", "Labels": own}},
        {"ID": "2", "Spec": {"Name": "theirs", "Labels": other}},
    ]
    networks: list[Json] = [{"Id": "3", "Name": "n", "Labels": own}, {"Id": "4", "Name": "ingress", "Labels": None}]
    observed = preflight.Observation(services=things, networks=networks, configs=things)
    plan = planner.plan_absent(STACK, observed, OWNER)
    assert plan.warnings == ()
    assert [(step.kind, step.name, step.payload["id"]) for step in plan] == [
        ("service", "mine", "1"),
        ("network", "n", "3"),
        ("config", "mine", "1"),
    ]


@pytest.mark.parametrize("more", [{}, {labels.OWNER: "somebody"}])
def test_what_something_else_deployed_under_the_stacks_name_stays_and_is_named(more: Mapping[str, str]) -> None:
    theirs = {labels.STACK_NAMESPACE: STACK, **more}
    things = [{"ID": "1", "Spec": {"Name": "x", "Labels": theirs}}]
    networks: list[Json] = [{"Id": "3", "Name": "n", "Labels": theirs}]
    observed = preflight.Observation(services=things, networks=networks, configs=things)
    plan = planner.plan_absent(STACK, observed, OWNER)
    assert not plan
    (warning,) = plan.warnings
    assert warning.startswith("service x, network n, config x: of the stack shop, but left alone: ")
    assert "deployed by something else" in warning
    assert "flotilla.swarm.owner=flotilla" in warning


@pytest.mark.parametrize("more", [{}, {labels.OWNER: OWNER}])
def test_the_removal_of_a_stack_never_removes_a_secret(more: Mapping[str, str]) -> None:
    secrets = [{"ID": "1", "Spec": {"Name": "key", "Labels": {labels.STACK_NAMESPACE: STACK, **more}}}]
    plan = planner.plan_absent(STACK, preflight.Observation(secrets=secrets), OWNER)
    assert not plan
    assert plan.warnings == ("secret key: left alone: a stack's removal never removes secrets",)


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
    nodes = [host("m1", "drain", role="manager"), host("w1", tier="app"), host("w2", state="down", tier="data")]
    assert preflight.placement_problems(constrained("node.labels.tier == app"), nodes) == []
    assert preflight.placement_problems(constrained("node.labels.tier == data", replicas=0), nodes) == []
    (drained,) = preflight.placement_problems(constrained("node.role == manager"), nodes)
    assert "0 eligible nodes for node.role == manager" in drained
    assert "m1 is drained" in drained
    (down,) = preflight.placement_problems(constrained("node.labels.tier == data"), nodes)
    assert "w2 is down" in down
    (nowhere,) = preflight.placement_problems(constrained("node.labels.tier == gpu"), nodes)
    assert "no node of the swarm satisfies them" in nowhere
    (bad,) = preflight.placement_problems(constrained("node.role"), nodes)
    assert "neither == nor !=" in bad


@pytest.mark.parametrize("key", ["a-", "größe", "a b", "x" * 60])
def test_names_that_the_engine_refuses_are_problems(key: str) -> None:
    assert len(preflight.name_problems(tree_of({key: {"image": "x"}}), STACK)) == 1
    assert preflight.name_problems(tree_of({"a_b-c1": {"image": "x"}}), STACK) == []
