# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people give a deployment that is no good: each is told with its key and the mend, and in a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils import _stack_yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import (
    advice,
    capacity,
    definition,
    planner,
    policies,
    ports,
    preflight,
    room,
    sources,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack.preflight import Observation
from ansible_collections.flotilla.swarm.plugins.plugin_utils import stack_files
from ansible_collections.flotilla.swarm.tests.support.stack_rooms import live, node, steps_of, task

Json = dict[str, Any]

MEDIANEST = """
version: '3.8'
services:
  app-backend:
    image: medianest/backend:secure-${VERSION}
    deploy: {replicas: 3, placement: {constraints: [node.labels.tier == application]}}
    networks: [backend-network]
    secrets: [database_url]
  traefik:
    image: traefik:v3.0
    deploy: {placement: {constraints: [node.role == manager]}}
    ports: [{target: 80, published: 80, mode: host}]
    command:
      - --providers.docker.swarmMode=true
      - --certificatesresolvers.letsencrypt.acme.httpchallenge=true
    volumes: [/var/run/docker.sock:/var/run/docker.sock:ro]
    networks: [backend-network]
  redis:
    image: redis:7-alpine
    command: redis-server --requirepass $$(cat /run/secrets/redis_password)
    networks: [backend-network]
networks:
  backend-network: {driver: overlay}
secrets:
  database_url: {external: true}
"""
OHLCV = """
version: '3.9'
services:
  app: {image: 'ohlcv-rag:latest', networks: [ohlcv-network], configs: [{source: app_config, target: /app/config.json}]}
networks:
  ohlcv-network: {driver: overlay, attachable: true, encrypted: true, driver_opts: {encrypted: "true"}}
configs:
  app_config: {file: ./configs/app.json, name: ohlcv_config_v1}
"""


def examined(text: str, **variables: str) -> tuple[str, ...]:
    return sources.examine([("stack.yml", text)], variables, _stack_yaml.load_source).problems


def test_the_variable_of_a_seed_that_nobody_defines() -> None:
    (problem,) = examined(MEDIANEST)
    assert problem.startswith("stack.yml: services.app-backend.image uses ${VERSION}, which is not in variables: ")
    assert examined(MEDIANEST, VERSION="1.4.2") == ()


def test_the_encryption_of_a_seed_that_is_none() -> None:
    (problem,) = examined(OHLCV)
    assert problem.startswith("stack.yml: networks.ohlcv-network.encrypted is no key of a network: ")
    assert 'networks.ohlcv-network.driver_opts: {encrypted: ""}' in problem


def test_the_secret_of_a_seed_that_nobody_made() -> None:
    tree = definition.prepared(_stack_yaml.load_source(MEDIANEST))
    _resolved, (problem,) = preflight.resolve(tree, Observation(), "flotilla")
    assert problem.startswith("secrets.database_url: there is no secret database_url in the swarm")
    assert problem.endswith("declare it with swarm_secrets")


def test_the_manager_of_a_seed_that_takes_no_tasks() -> None:
    tree = definition.prepared(_stack_yaml.load_source(MEDIANEST))
    manager = node("m1", "drain")
    manager["Spec"]["Role"] = "manager"
    (problem,) = preflight.placement_problems(tree, [manager, node("w1", tier="application")])
    assert problem.startswith(
        "services.traefik.deploy.placement.constraints: 0 eligible nodes for node.role == manager"
    )
    assert "(m1 is drained): make one active, or change the constraints" in problem


TRAEFIK = {
    "image": "traefik:v3.0",
    "command": ["--providers.docker.swarmMode=true", "--certificatesresolvers.letsencrypt.acme.httpchallenge=true"],
    "volumes": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/var/run/docker.sock"}],
}
REDIS = {
    "image": "redis:7-alpine",
    "command": ["redis-server", "--requirepass", "$(cat", "/run/secrets/redis_password)"],
}


@pytest.mark.parametrize(
    ("entry", "key", "mend"),
    [
        (TRAEFIK, "command", "doesn't start: write --providers.swarm"),
        (TRAEFIK, "command", "acme.email: add it, and storage, httpchallenge.entrypoint"),
        (TRAEFIK, "volumes", "put a proxy before it"),
        (REDIS, "command", "run it with [sh, -c, '…']"),
        (REDIS, "command", "add redis_password to its secrets"),
        ({"image": "ohlcv-rag:latest"}, "image", "name a version"),
    ],
)
def test_what_a_seed_does_not_mean_is_told_but_not_refused(entry: Json, key: str, mend: str) -> None:
    found = advice.warnings(steps_of({"app": entry}))
    assert [text for text in found if text.startswith("services.app.%s" % key) and mend in text]


def test_the_config_of_a_seed_that_changes_under_its_name() -> None:
    tree = {"services": {"app": {"image": "x:1", "configs": [{"source": "c"}]}}, "configs": {"c": {"file": "/c"}}}
    tree["configs"]["c"]["name"] = "ohlcv_config_v1"
    present = [{"ID": "1", "Spec": {"Name": "ohlcv_config_v1", "Data": "b2xk", "Labels": {}}}]
    resolved, objects, _problems = definition.config_objects(tree, "shop", {"c": b"new"}, "flotilla")
    with pytest.raises(DeclarationError, match=r"configs.c: the config ohlcv_config_v1 .* leave out its name"):
        planner.plan(planner.Wanted("shop", resolved, objects), Observation(configs=present))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at its top stands no mapping with the key services"),
        ("# nothing but a comment", "at its top stands no mapping with the key services"),
        ("- hosts: all\n  tasks: []", "at its top stands no mapping"),
        ("just text", "at its top stands no mapping"),
        ("monitoring_stack: {prometheus: {deploy: {replicas: 1}}}", "top-level key monitoring_stack"),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec: {}", "top-level keys apiVersion, kind"),
        ("apiVersion: v1\nkind: Namespace\n---\napiVersion: v1\nkind: ConfigMap", "several YAML documents"),
        ("version: '3.8'\nnetworks: {a: {}}", "there is no service in it"),
        ("services: {}", "there is no service in it"),
        ("services:\n", "there is no service in it"),
        ("services: [a, b]", "services is not a mapping"),
        ("services: {a: text}", "services.a is not a mapping"),
        ("services:\n\tapp: {image: x}", "at line 2: a tab can't indent: write spaces"),
        ("services:\n  a: {image: x}\n  a: {image: y}", "the key a is there twice, at line 2 and line 3"),
        ("services:\n  a:\n    image: x\n    image: y", "the key image is there twice, at line 3 and line 4"),
        ("\x7fELF\x02\x01", "it is no text"),
        ("services: {a: {image: x}", "it is not valid YAML at line "),
        ("services: {a: &a {image: x, labels: *a}}", "an anchor holds itself"),
        ("services: {a: {image: !!python/name:os.system x}}", "it is not valid YAML at line 1"),
    ],
)
def test_a_file_that_is_no_stack(text: str, words: str) -> None:
    (problem,) = examined(text)
    assert problem.startswith(("stack.yml: ", "stack.yml is not a stack file"))
    assert words in problem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "it is no UTF-8 text"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n36", "encrypted with Ansible Vault"),
        (b"#" * (_stack_yaml.MAX_BYTES + 1), "it is larger than 4 MiB"),
        (None, "no such file or directory"),
    ],
)
def test_a_file_that_can_not_be_read(tmp_path: Any, content: bytes | None, words: str) -> None:
    path = tmp_path / "stack.yml"
    if content is not None:
        path.write_bytes(content)
    gathered = stack_files.gather(["stack.yml"], {}, lambda _path: str(path))
    (problem,) = gathered.problems
    assert problem.startswith("files: stack.yml: ")
    assert words in problem


def laughs(levels: int, of: Callable[[str], str]) -> str:
    lines = ["x-0: &a0 {k0: v}"]
    for level in range(1, levels):
        lines.append("x-%d: &a%d %s" % (level, level, of("a%d" % (level - 1))))
    return "\n".join([*lines, "services: {a: {image: x, labels: {z: *a%d}}}" % (levels - 1)])


@pytest.mark.parametrize(
    "text",
    [
        laughs(30, lambda name: "[%s]" % ", ".join(["*" + name] * 9)),
        laughs(30, lambda name: "{%s}" % ", ".join("k%d: *%s" % (number, name) for number in range(9))),
        laughs(30, lambda name: "{<<: [%s], %s: v}" % (", ".join(["*" + name] * 9), name)),
        "services: " + "[" * 100_000,
        "services: " + "{a: " * 100_000,
        "services:\n" + "- " * 100_000,
        "services: [" + "a, " * 900_000 + "]",
        "x: &x {%s}\n" % ", ".join("k%d: v" % number for number in range(15_000)) + "y: [%s]" % ("{<<: *x}, " * 90_000),
    ],
)
def test_bombs_are_put_out_in_seconds(text: str) -> None:
    started = time.process_time()
    (problem,) = examined(text)
    assert "anchors stand for" in problem or "deeply" in problem or "merge keys" in problem or "more than" in problem
    assert len(problem) < 200
    assert time.process_time() - started < 30


@pytest.mark.parametrize(
    "word", ["on", "off", "yes", "no", "y", "n", "true", "null", "~", "1", "1.0", "010", "2001-01-01"]
)
def test_a_key_that_yaml_could_take_for_something_else_stays_as_it_is_written(word: str) -> None:
    text = "services: {a: {image: x, labels: {%s: '1'}, environment: {%s: '2'}}}" % (word, word)
    found = sources.examine([("stack.yml", text)], {}, _stack_yaml.load_source)
    assert found.problems == ()
    key = None if word in ("null", "~") else word
    assert found.tree["services"]["a"]["labels"] == {key: "1"}
    named = sources.examine([("stack.yml", "services: {'%s': {image: x}}" % word)], {}, _stack_yaml.load_source)
    assert list(named.tree["services"]) == [word]


def test_unicode_is_text_in_values_and_no_name() -> None:
    text = "services: {größe: {image: x, labels: {größe: 日本}, environment: {Ü: ß}}}\nnetworks: {ñ: {}}"
    assert examined(text) == ()
    tree = definition.prepared(_stack_yaml.load_source(text))
    (problem,) = preflight.name_problems(tree, "shop")
    assert problem.startswith("services.größe: 'shop_größe' can't be a name: it takes letters, digits")
    (problem,) = preflight.name_problems(tree, "größe")
    assert problem.startswith("name: 'größe' can't be a name")


def test_two_megabytes_of_configs_are_a_stack() -> None:
    count, size = 40, 50 * 1024
    configs = {"c%02d" % number: {"file": "/c%02d" % number} for number in range(count)}
    services = {"app": {"image": "x:1", "configs": [{"source": key} for key in configs]}}
    contents = {key: key.encode() + b"x" * size for key in configs}
    started = time.process_time()
    tree, objects, problems = definition.config_objects(
        definition.prepared({"services": services, "configs": configs}), "shop", contents, "flotilla"
    )
    assert problems == []
    plan = planner.plan(planner.Wanted("shop", tree, objects), Observation()).plan
    made = [step for step in plan if step.kind == "config"]
    assert sum(len(step.payload["data"]) for step in made) > 2_000_000
    assert time.process_time() - started < 2
    _tree, _objects, (problem,) = definition.config_objects(tree_of_one(), "shop", {"c": b"x" * 2_000_000}, "flotilla")
    assert problem.startswith("configs.c.file has 2000000 bytes; a config has more than 0 and less than 1024000")


def tree_of_one() -> Json:
    return {"services": {"a": {"image": "x:1"}}, "configs": {"c": {"file": "/c"}}}


def test_three_hundred_services_are_planned_in_two_seconds() -> None:
    entry = {
        "image": "app:1",
        "environment": {"VARIABLE_%d" % number: "value" for number in range(40)},
        "labels": {"label.%d" % number: "value" for number in range(20)},
        "networks": {"back": None, "front": None},
        "deploy": {
            "replicas": 2,
            "placement": {"constraints": ["node.labels.tier == app", "node.platform.os != windows"]},
            "resources": {"reservations": {"cpus": "0.01", "memory": 2**23}},
            "update_config": {"order": "start-first"},
        },
    }
    services: Json = {
        "s%03d" % number: {
            **entry,
            "ports": [{"target": 80, "published": 20_000 + number, "mode": "host" if number % 2 else "ingress"}],
        }
        for number in range(300)
    }
    networks = {name: {"name": name, "external": True} for name in ("back", "front")}
    tree = definition.prepared({"services": services, "networks": networks})
    nodes = [node("n%02d" % number, cpus=64, gib=64, tier="app") for number in range(20)]
    pools = {"IPAM": {"Config": [{"Subnet": "10.20.0.0/16", "Gateway": "10.20.0.1"}]}}
    there = [{"Id": "id-" + name, "Name": name, "Scope": "swarm", "Driver": "overlay", **pools} for name in networks]
    observed = Observation(nodes=nodes, networks=there)

    def planned(observed: Observation, tasks: list[Json]) -> planner.Decision:
        started = time.process_time()
        resolved, problems = preflight.resolve(tree, observed, "flotilla")
        problems += preflight.name_problems(resolved, "shop")
        problems += preflight.placement_problems(resolved, observed.nodes)
        found = planner.plan(planner.Wanted("shop", resolved), observed)
        steps = [step for step in found.plan if step.kind == "service"]
        names = [step.name for step in steps]
        problems += room.problems(steps, observed, tasks)
        problems += capacity.problems(resolved, "shop", observed, tasks, names)
        assert sorted(step.name for step in ports.ordered(steps, observed.services)) == sorted(names)
        assert advice.warnings(steps) == policies.warnings(steps, 60) == []
        assert problems == []
        assert time.process_time() - started < 2
        return found

    found = planned(observed, [])
    assert len(found.specs) == 300
    services_now = [live(name, spec) for name, spec in found.specs.items()]
    for service in services_now:
        service["Spec"]["TaskTemplate"]["ContainerSpec"] = {"Image": "app:0"}
    tasks = [task(name, "n%02d" % number) for number in (1, 2) for name in found.specs]
    planned(replace(observed, services=services_now), tasks)
