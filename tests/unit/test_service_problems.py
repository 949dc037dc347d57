# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docker stack config lets pass and nothing can be deployed from: named, each with its key."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import container_spec, service_problems

Json = dict[str, Any]
NAMES = container_spec.Names({"key_v1": "1"}, {"ready_v1": "2"})
SECTIONS: Json = {
    "networks": {"back": {}},
    "volumes": {"data": None},
    "secrets": {"key": {"name": "key_v1", "external": True}, "driven": {"driver": "d"}},
    "configs": {"ready": {"name": "ready_v1", "external": True}, "nowhere": {}},
}


def told(**entry: Any) -> list[str]:
    tree = {"services": {"a": {"image": "x", **entry}}, **SECTIONS}
    return service_problems.problems(tree, "shop", "a", NAMES)


def deployed(**deploy: Any) -> list[str]:
    return told(deploy=deploy)


@pytest.mark.parametrize("image", [None, ""])
def test_a_service_has_an_image(image: str | None) -> None:
    assert told(image=image) == ["services.a.image: there is none: name the image to run"]


@pytest.mark.parametrize(
    "image", ["Example/App:1.2", "app:", ":v1", "app@sha256:1", "a//b", "http://r/app", "app v1", "-a"]
)
def test_names_that_no_image_has(image: str) -> None:
    assert told(image=image)[0].startswith("services.a.image: %s is no image's name" % image)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("mode",), "replicatd"),
        (("endpoint_mode",), "dns"),
        (("restart_policy", "condition"), "always"),
        (("update_config", "failure_action"), "roll-back"),
        (("update_config", "order"), "first"),
        (("rollback_config", "failure_action"), "stop"),
        (("rollback_config", "order"), "START-FIRST"),
    ],
)
def test_words_that_nothing_understands(path: tuple[str, ...], value: str) -> None:
    deploy: Any = value
    for key in reversed(path):
        deploy = {key: deploy}
    (problem,) = deployed(**deploy)
    assert problem.startswith("services.a.deploy.%s: %s is none of " % (".".join(path), value))


@pytest.mark.parametrize(
    "deploy",
    [
        {"mode": "", "endpoint_mode": "VIP", "update_config": {}, "restart_policy": None},
        {"mode": "replicated-job", "replicas": 2},
        {"rollback_config": {"failure_action": "rollback"}},
        {
            "resources": {
                "limits": {"cpus": "0.5", "memory": "0"},
                "reservations": {"cpus": "1e-3", "memory": "4194304"},
            }
        },
        {"mode": "global-job", "rollback_config": {}, "update_config": None},
        {"update_config": {"max_failure_ratio": 1}, "rollback_config": {"max_failure_ratio": 0.0}},
    ],
)
def test_words_that_the_engine_understands(deploy: Json) -> None:
    assert deployed(**deploy) == []


@pytest.mark.parametrize("mode", ["global", "global-job"])
def test_a_global_service_has_no_count(mode: str) -> None:
    (problem,) = deployed(mode=mode, replicas=0)
    assert problem.startswith("services.a.deploy.replicas: a %s service has one task on each node" % mode)


@pytest.mark.parametrize("mode", ["replicated-job", "global-job"])
def test_a_job_has_no_update_policy(mode: str) -> None:
    (problem,) = deployed(mode=mode, update_config={})
    assert problem.startswith("services.a.deploy.update_config: a job has none")


@pytest.mark.parametrize("policy", ["update_config", "rollback_config"])
def test_a_ratio_is_a_part_of_one(policy: str) -> None:
    (problem,) = deployed(**{policy: {"max_failure_ratio": 1.5}})
    assert problem.startswith("services.a.deploy.%s.max_failure_ratio: 1.5 is not between 0 and 1" % policy)


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        ({"memory": "4194303"}, "memory: 4194303 bytes are less than 4 MiB"),
        ({"cpus": "0.000999"}, "cpus: 0.000999 is less than 0.001"),
    ],
)
@pytest.mark.parametrize("kind", ["limits", "reservations"])
def test_less_than_an_engine_takes(amounts: Json, words: str, kind: str) -> None:
    (problem,) = deployed(resources={kind: amounts})
    assert problem.startswith("services.a.deploy.resources.%s.%s" % (kind, words))


@pytest.mark.parametrize("time", ["interval", "timeout", "start_period", "start_interval"])
def test_times_of_a_healthcheck_are_not_too_short(time: str) -> None:
    (problem,) = told(healthcheck={time: "999µs"})
    assert problem.startswith("services.a.healthcheck.%s: 999µs is less than 1ms" % time)
    assert told(healthcheck={time: "0s"}) == told(healthcheck={time: "1ms"}) == []


@pytest.mark.parametrize(
    "cpus", ["abc", "", "-1", "99999999999", "0.0000000001", "1/3", "1/0", "nan", "inf", "1e999999999", "0x1", "1_0"]
)
@pytest.mark.parametrize("kind", ["limits", "reservations"])
def test_numbers_of_cpus_that_are_none(cpus: str, kind: str) -> None:
    (problem,) = deployed(resources={kind: {"cpus": cpus}})
    assert problem.startswith("services.a.deploy.resources.%s.cpus: %s is no number" % (kind, cpus))


def test_a_healthcheck_is_either_off_or_on() -> None:
    (problem,) = told(healthcheck={"disable": True, "test": ["CMD", "true"]})
    assert problem.startswith("services.a.healthcheck: test and disable exclude one another")


def test_a_credential_spec_is_one_of_three() -> None:
    (problem,) = told(credential_spec={"registry": "r", "file": "f", "config": ""})
    assert problem.startswith("services.a.credential_spec: file and registry exclude one another")
    assert told(credential_spec={"file": "f"}) == []


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ({"published": 80}, "target: there is none"),
        ({"target": 80, "protocol": "icmp"}, "protocol: icmp is none of"),
        ({"target": 80, "mode": "hosts"}, "mode: hosts is none of"),
    ],
)
def test_ports(port: Json, words: str) -> None:
    (problem,) = told(ports=[{"target": 1, "protocol": "SCTP", "mode": "Host"}, port])
    assert problem.startswith("services.a.ports[1].%s" % words)


def test_a_port_is_published_once() -> None:
    free = [
        {"target": 1},
        {"target": 2},
        {"target": 3, "published": 5},
        {"target": 3, "published": 5, "protocol": "udp"},
    ]
    assert told(ports=free) == []
    (problem,) = told(ports=[*free, {"target": 4, "published": 5, "protocol": "TCP", "mode": "host"}])
    assert problem.startswith("services.a.ports[4].published: 5/tcp is published already")


@pytest.mark.parametrize("mode", [None, "ingress", "host"])
def test_the_routing_mesh_needs_a_virtual_ip(mode: str | None) -> None:
    found = told(ports=[{"target": 80, "mode": mode}], deploy={"endpoint_mode": "DNSRR"})
    assert bool(found) == (mode != "host")
    assert told(ports=[{"target": 80, "mode": mode}], deploy={"endpoint_mode": "vip"}) == []


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        ({"type": "nfs", "target": "/a"}, ".type: a service has no mounts of the type nfs: there are bind, cluster, "),
        ({"type": "image", "source": "i", "target": "/a"}, ".type: a service has no mounts of the type image"),
        ({"type": "tmpfs", "target": "/x"}, ".target: /x is another mount's target already"),
        ({"type": "bind", "source": "/b"}, ".target: there is none"),
        ({"type": "bind", "target": "/a"}, ".source: there is none: a mount of type bind needs one"),
        ({"type": "npipe", "target": "/a"}, ".source: there is none"),
        ({"type": "cluster", "target": "/a"}, ".source: there is none"),
        ({"type": "tmpfs", "source": "x", "target": "/a"}, ".source: a tmpfs has none"),
        ({"type": "volume", "source": "other", "target": "/a"}, " names other, which the stack's top-level volumes"),
        ({"source": "other", "target": "/a"}, ".type: there is none, and the engine would take it for a bind mount"),
        ({"type": "cluster", "source": "other", "target": "/a"}, " names other, "),
        (
            {"type": "volume", "source": "data", "target": "/a", "bind": {}},
            ".bind: options of another type than volume",
        ),
        ({"type": "volume", "target": "/a", "tmpfs": {}}, ".tmpfs: options of another type"),
        ({"type": "bind", "source": "/b", "target": "/a", "volume": {}}, ".volume: options of another type"),
        ({"type": "tmpfs", "target": "/a", "image": {}}, ".image: options of another type"),
        ({"type": "npipe", "source": "i", "target": "/a", "cluster": {}}, ".cluster: options of another type"),
    ],
)
def test_mounts(volume: Json, words: str) -> None:
    (problem,) = told(volumes=[{"type": "volume", "target": "/x"}, volume])
    assert problem.startswith("services.a.volumes[1]%s" % words)


def test_a_group_of_cluster_volumes_is_declared_nowhere() -> None:
    assert told(volumes=[{"type": "cluster", "source": "group:fast", "target": "/a"}]) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"networks": {"front": None}}, "networks names front, which the stack's top-level networks doesn't declare"),
        (
            {"secrets": [{"source": "other"}]},
            "secrets names other, which the stack's top-level secrets doesn't declare",
        ),
        ({"configs": [{"source": "other"}]}, "configs names other, "),
        ({"secrets": [{"target": "x"}]}, "secrets[0].source: there is none"),
        (
            {"secrets": [{"source": "key"}, {"source": "key", "target": "key"}]},
            "secrets[1].target: key is another one's target already",
        ),
        (
            {"configs": [{"source": "ready", "target": "/x"}, {"source": "ready", "target": "/x"}]},
            "configs[1].target: /x is another one's target already",
        ),
        ({"secrets": [{"source": "driven"}]}, "secrets: driven is neither external nor made from a file"),
        ({"configs": [{"source": "nowhere"}]}, "configs: nowhere is neither external nor made from a file"),
        ({"credential_spec": {"config": "other"}}, "credential_spec.config names other, "),
        ({"credential_spec": {"config": "nowhere"}}, "credential_spec.config: nowhere is neither "),
    ],
)
def test_what_is_declared_nowhere(entry: Json, words: str) -> None:
    (problem,) = told(**entry)
    assert problem.startswith("services.a." + words)


def test_a_service_with_nothing_wrong() -> None:
    entry = {
        "networks": {"back": None, "default": None},
        "secrets": [{"source": "key"}],
        "configs": [{"source": "ready"}],
        "credential_spec": {"config": "ready"},
        "volumes": [{"type": "volume", "source": "data", "target": "/a", "volume": {"nocopy": True}}],
        "ports": [{"target": 80}],
    }
    assert told(**entry) == []


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"stop_grace_period": "-5s"}, "stop_grace_period: -5s is less than no time"),
        ({"healthcheck": {"interval": "-1m0s"}}, "healthcheck.interval: -1m0s is less than no time"),
        ({"deploy": {"update_config": {"monitor": "-1s"}}}, "deploy.update_config.monitor: -1s is less than"),
        ({"deploy": {"restart_policy": {"delay": "-1s"}}}, "deploy.restart_policy.delay: -1s is less than"),
        ({"restart": "sometimes"}, "restart: sometimes is none of no, always"),
        ({"restart": "on-failure:x"}, "restart: on-failure:x is none of"),
        ({"restart": "on-failure:-1"}, "restart: on-failure:-1 is none of"),
        ({"isolation": "virtual"}, "isolation: virtual is none of default, process, hyperv"),
        ({"oom_score_adj": 1001}, "oom_score_adj: 1001 is not between -1000 and 1000"),
        ({"hostname": "{{.Node.Hostname"}, "hostname: the template in {{.Node.Hostname has no end"),
        ({"environment": {"A": "{{.Task.ID}} {{"}}, "environment.A: the template in"),
        (
            {"volumes": [{"type": "bind", "source": "/{{.Node", "target": "/x"}]},
            "volumes[0].source: the template in /{{.Node has no end",
        ),
        (
            {"volumes": [{"type": "bind", "source": "/x", "target": "/x", "bind": {"propagation": "all"}}]},
            "volumes[0].bind.propagation: all is none of private",
        ),
        (
            {"volumes": [{"type": "volume", "target": "/x", "volume": {"nocopy": True}}]},
            "volumes[0].volume.nocopy is ignored by docker stack deploy where a volume has no name",
        ),
        (
            {"deploy": {"resources": {"reservations": {"generic_resources": [{}]}}}},
            "deploy.resources.reservations.generic_resources[0]: it names no kind",
        ),
    ],
)
def test_what_the_engine_would_refuse_or_take_for_something_else(entry: Json, words: str) -> None:
    (problem,) = told(**entry)
    assert problem.startswith("services.a.%s" % words)


@pytest.mark.parametrize(
    "entry",
    [
        {"restart": "no"},
        {"restart": "unless-stopped"},
        {"restart": "on-failure:3"},
        {"restart": "on-failure:"},
        {"restart": "sometimes", "deploy": {"restart_policy": {}}},
        {"isolation": "Process"},
        {"oom_score_adj": -1000},
        {"hostname": "{{.Node.Hostname}}-x", "environment": {"A": None, "B": "}} {{.Task.ID}}"}},
        {"stop_grace_period": "0s"},
        {"volumes": [{"type": "volume", "target": "/x", "volume": {"nocopy": False}}]},
    ],
)
def test_what_the_engine_takes_as_it_is_meant(entry: Json) -> None:
    assert told(**entry) == []


def test_no_service_is_attached_to_the_network_of_published_ports() -> None:
    tree: Json = {
        "services": {"a": {"image": "x", "networks": {"n": None}}},
        "networks": {"n": {"name": "ingress", "external": True}},
    }
    (problem,) = service_problems.problems(tree, "shop", "a", NAMES)
    assert problem.startswith("services.a.networks.n: no service can be attached to the network ingress")
