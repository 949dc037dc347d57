# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a service in a stack file to a ServiceSpec: each key means what it means to the docker CLI."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, service_json
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import (
    container_spec,
    network_spec,
    service_problems,
    service_spec,
)
from ansible_collections.flotilla.swarm.tests.support import stack_trees
from ansible_collections.flotilla.swarm.tests.support.stack_trees import converted
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]
S = 10**9


def deployed(**deploy: Any) -> Json:
    return converted({"deploy": deploy})


def test_the_least_that_a_service_can_be() -> None:
    assert converted() == {
        "Name": "shop_api",
        "Labels": {
            "com.docker.stack.namespace": "shop",
            "com.docker.stack.image": "app:v1",
            "flotilla.swarm.owner": "flotilla",
        },
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "app:v1",
                "Labels": {"com.docker.stack.namespace": "shop"},
                "Privileges": {"CredentialSpec": None},
                "Secrets": [],
                "Configs": [],
                "CapabilityAdd": [],
                "CapabilityDrop": [],
                "Mounts": [],
            },
            "Resources": {},
            "Placement": {},
            "Networks": [{"Target": "shop_default", "Aliases": ["api"]}],
        },
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Ports": []},
    }


def attached(networks: Json | None, **declared: Any) -> list[Json]:
    entry = {} if networks is None else {"networks": networks}
    found: list[Json] = converted(entry, networks=declared)["TaskTemplate"]["Networks"]
    return found


def test_a_service_without_networks_is_on_the_default_one_whatever_that_is() -> None:
    assert attached(None) == [{"Target": "shop_default", "Aliases": ["api"]}]
    assert attached({}, default={"name": "custom", "external": True}) == [{"Target": "custom", "Aliases": ["api"]}]


def test_networks_are_sorted_by_their_real_names_and_keep_the_order_of_aliases() -> None:
    networks = {
        "front": {"aliases": ["z", "a"], "driver_opts": {"o1": "v1"}},
        "back": {"aliases": ["other"]},
        "mid": None,
    }
    assert attached(networks, front={"name": "fronttier", "external": True}, back={}, mid={"name": "a"}) == [
        {"Target": "a", "Aliases": ["api"]},
        {"Target": "fronttier", "Aliases": ["z", "a", "api"], "DriverOpts": {"o1": "v1"}},
        {"Target": "shop_back", "Aliases": ["other", "api"]},
    ]


@pytest.mark.parametrize("name", ["host", "bridge", "none"])
def test_the_networks_that_every_node_has_know_no_aliases(name: str) -> None:
    assert attached({"n": None}, n={"name": name, "external": True}) == [{"Target": name, "Aliases": []}]


@pytest.mark.parametrize(
    ("deploy", "sent"),
    [
        ({}, {"Replicated": {"Replicas": 1}}),
        ({"mode": "replicated", "replicas": 0}, {"Replicated": {"Replicas": 0}}),
        ({"replicas": 3}, {"Replicated": {"Replicas": 3}}),
        ({"mode": "global"}, {"Global": {}}),
        ({"mode": "global-job"}, {"GlobalJob": {}}),
        ({"mode": "replicated-job", "replicas": 3}, {"ReplicatedJob": {"MaxConcurrent": 3, "TotalCompletions": 3}}),
        ({"mode": "replicated-job"}, {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}),
    ],
)
def test_modes(deploy: Json, sent: Json) -> None:
    assert deployed(**deploy)["Mode"] == sent


def test_resources_are_exact() -> None:
    resources = {
        "limits": {"cpus": "0.003", "memory": "300000000", "pids": 100},
        "reservations": {
            "cpus": "0.1",
            "memory": "200000000",
            "generic_resources": [{"discrete_resource_spec": {"kind": "gpu", "value": 2}}],
        },
    }
    assert deployed(resources=resources)["TaskTemplate"]["Resources"] == {
        "Limits": {"NanoCPUs": 3_000_000, "MemoryBytes": 300_000_000, "Pids": 100},
        "Reservations": {
            "NanoCPUs": 100_000_000,
            "MemoryBytes": 200_000_000,
            "GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 2}}],
        },
    }
    assert deployed(resources={"limits": {}})["TaskTemplate"]["Resources"] == {"Limits": {}}


@pytest.mark.parametrize(
    ("cpus", "nano"), [("0.1", 10**8), ("16", 16 * 10**9), (".5", 5 * 10**8), ("1/4", 25 * 10**7), ("2e-3", 2 * 10**6)]
)
def test_cpus_are_fractions_as_the_cli_reads_them(cpus: str, nano: int) -> None:
    assert deployed(resources={"limits": {"cpus": cpus}})["TaskTemplate"]["Resources"]["Limits"]["NanoCPUs"] == nano


def test_where_tasks_go() -> None:
    placement = {
        "constraints": ["node.role==worker", "node.labels.a != b"],
        "preferences": [{"spread": "node.labels.zone"}, {"spread": "node.labels.rack"}],
        "max_replicas_per_node": 2,
    }
    assert deployed(placement=placement)["TaskTemplate"]["Placement"] == {
        "Constraints": ["node.role==worker", "node.labels.a != b"],
        "Preferences": [
            {"Spread": {"SpreadDescriptor": "node.labels.zone"}},
            {"Spread": {"SpreadDescriptor": "node.labels.rack"}},
        ],
        "MaxReplicas": 2,
    }


@pytest.mark.parametrize(
    ("policy", "sent"),
    [
        (
            {"condition": "on-failure", "delay": "5s", "max_attempts": 3, "window": "2m0s"},
            {"Condition": "on-failure", "Delay": 5 * S, "MaxAttempts": 3, "Window": 120 * S},
        ),
        ({"delay": "0s", "max_attempts": 0}, {"Delay": 0, "MaxAttempts": 0}),
        ({}, {}),
    ],
)
def test_restart_policies(policy: Json, sent: Json) -> None:
    assert deployed(restart_policy=policy)["TaskTemplate"]["RestartPolicy"] == sent


@pytest.mark.parametrize(("key", "name"), [("update_config", "UpdateConfig"), ("rollback_config", "RollbackConfig")])
def test_update_and_rollback_policies(key: str, name: str) -> None:
    full = {
        "parallelism": 0,
        "delay": "10s",
        "failure_action": "rollback",
        "monitor": "1m0s",
        "max_failure_ratio": 0.3,
        "order": "start-first",
    }
    assert deployed(**{key: full})[name] == {
        "Parallelism": 0,
        "Delay": 10 * S,
        "FailureAction": "rollback",
        "Monitor": 60 * S,
        "MaxFailureRatio": 0.3,
        "Order": "start-first",
    }
    assert deployed(**{key: {}})[name] == {"Parallelism": 1}
    assert name not in deployed()


def test_ports_are_sorted_by_what_is_published_and_have_all_their_parts() -> None:
    ports = [
        {"target": 53, "published": 1053, "protocol": "UDP", "mode": "host"},
        {"target": 8080, "published": 80},
        {"target": 90, "mode": "ingress", "protocol": "tcp"},
        {"target": 53, "published": 1053, "protocol": "tcp", "mode": "host"},
    ]
    assert converted({"ports": ports})["EndpointSpec"] == {
        "Ports": [
            {"Protocol": "tcp", "TargetPort": 90, "PublishedPort": 0, "PublishMode": "ingress"},
            {"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": 80, "PublishMode": "ingress"},
            {"Protocol": "udp", "TargetPort": 53, "PublishedPort": 1053, "PublishMode": "host"},
            {"Protocol": "tcp", "TargetPort": 53, "PublishedPort": 1053, "PublishMode": "host"},
        ],
    }


def test_the_endpoint_mode_is_written_small() -> None:
    assert deployed(endpoint_mode="DNSRR")["EndpointSpec"] == {"Mode": "dnsrr", "Ports": []}


@pytest.mark.parametrize(
    ("logging", "sent"),
    [
        (
            {"driver": "json-file", "options": {"max-size": "10m"}},
            {"Name": "json-file", "Options": {"max-size": "10m"}},
        ),
        ({"driver": "none"}, {"Name": "none"}),
        ({}, {"Name": ""}),
    ],
)
def test_log_drivers(logging: Json, sent: Json) -> None:
    assert converted({"logging": logging})["TaskTemplate"]["LogDriver"] == sent


def test_labels_of_the_service_and_of_its_containers_are_two_things() -> None:
    spec = converted({"labels": {"c": "1"}, "deploy": {"labels": {"s": "", labels.OWNER: "x"}}})
    assert spec["Labels"] == {
        "s": "",
        labels.STACK_NAMESPACE: "shop",
        service_json.IMAGE_LABEL: "app:v1",
        labels.OWNER: "flotilla",
    }
    assert spec["TaskTemplate"]["ContainerSpec"]["Labels"] == {"c": "1", labels.STACK_NAMESPACE: "shop"}


@pytest.mark.parametrize(
    ("network", "request_"),
    [
        ({}, {}),
        (
            {
                "name": "own",
                "driver": "macvlan",
                "driver_opts": {"encrypted": ""},
                "internal": True,
                "attachable": True,
                "labels": {"a": ""},
                "ipam": {"driver": "custom", "config": [{"subnet": "10.1.0.0/24"}, {"subnet": "2001:db8::/64"}]},
            },
            {
                "Name": "own",
                "Driver": "macvlan",
                "Options": {"encrypted": ""},
                "Internal": True,
                "Attachable": True,
                "Labels": {"a": "", labels.STACK_NAMESPACE: "shop", labels.OWNER: "flotilla"},
                "IPAM": {"Driver": "custom", "Config": [{"Subnet": "10.1.0.0/24"}, {"Subnet": "2001:db8::/64"}]},
            },
        ),
        (
            {"ipam": {"config": [{"subnet": "10.1.0.0/24"}]}},
            {"IPAM": {"Driver": "default", "Config": [{"Subnet": "10.1.0.0/24"}]}},
        ),
        ({"labels": {labels.OWNER: "x"}}, {}),
    ],
)
def test_networks_of_the_stacks_own(network: Json, request_: Json) -> None:
    least = {
        "Name": "shop_back",
        "Driver": "overlay",
        "Options": {},
        "Internal": False,
        "Attachable": False,
        "Labels": {labels.STACK_NAMESPACE: "shop", labels.OWNER: "flotilla"},
    }
    assert network_spec.convert(network, "shop", "back", "flotilla") == {**least, **request_}


# Whatever the file.

FOUND = container_spec.Names({"key_v1": "id-key"}, {"ready_v1": "id-ready", "shop_conf_2d711642b726": "id-conf"})


def all_of(tree: Json) -> dict[str, Json]:
    return {
        key: service_spec.convert(tree, stack_trees.STACK, key, FOUND, {labels.OWNER: "x"}) for key in tree["services"]
    }


@given(stack_trees.SERVICES, st.randoms())
def test_any_stack_becomes_json_and_the_order_in_the_file_does_not_matter(services: Json, random: Any) -> None:
    tree, _configs = stack_trees.resolved(services)
    for key in services:
        assert service_problems.problems(tree, stack_trees.STACK, key, FOUND) == []
    untouched = copy.deepcopy(tree)
    found = all_of(tree)
    assert tree == untouched
    assert json.loads(json.dumps(found)) == found
    assert all_of(stack_trees.shuffled(tree, random)) == found


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"driver": "bridge"}, "driver: bridge makes a network of one node"),
        (
            {"ipam": {"config": [{"subnet": "10.1.0.0/16"}, {"subnet": "10.2.0.1/16"}]}},
            "ipam.config[1].subnet: 10.2.0.1",
        ),
        ({"ipam": {"config": [{"subnet": "10.1.0.0"}]}}, "ipam.config[0].subnet: 10.1.0.0 is no subnet"),
        ({"ipam": {"config": [{}]}}, 'ipam.config[0].subnet: "" is no subnet'),
    ],
)
def test_networks_that_no_service_can_be_attached_to(network: Json, words: str) -> None:
    services: Json = {"a": {"networks": {"n": None}}, "b": {"networks": {"n": None}}}
    (problem,) = network_spec.problems({"services": services, "networks": {"n": network}})
    assert problem.startswith("networks.n.%s" % words)
    assert network_spec.problems({"services": {"a": {}}, "networks": {"n": network}}) == []
    assert network_spec.problems({"services": services, "networks": {"n": {"external": True, **network}}}) == []


def test_networks_that_services_can_be_attached_to() -> None:
    networks = {
        "n": {"driver": "overlay", "ipam": {"config": [{"subnet": "10.1.0.0/16"}, {"subnet": "2001:db8::/64"}]}},
        "m": None,
    }
    assert network_spec.problems({"services": {"a": {"networks": networks}}, "networks": networks}) == []


def test_a_generic_resource_of_which_nothing_is_said_is_left_out() -> None:
    resources = {"reservations": {"generic_resources": [{"discrete_resource_spec": {"kind": "gpu", "value": 1}}]}}
    found = deployed(resources=resources)["TaskTemplate"]["Resources"]["Reservations"]
    assert found == {"GenericResources": [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 1}}]}
