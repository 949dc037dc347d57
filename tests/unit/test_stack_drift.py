# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploying a stack that is there: what is kept, what is set back, what is refused, and what isn't touched at all."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.tests.support.memory_stack import (
    STACK_FILE,
    Stage,
    actions,
    deploy,
    request,
    states,
)
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock

WRITES = ("create", "update", "remove")
TEMPLATE = "TaskTemplate"
CONTAINER = "TaskTemplate.ContainerSpec"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def swarm(clock: Clock) -> Stage:
    """The stack is deployed, in its first version."""
    found = Stage()
    deploy(found, clock)
    found.calls.clear()
    found.written.clear()
    return found


def differences(outcome: Any) -> dict[str, tuple[Any, Any]]:
    (step,) = outcome.plan
    return {item.field: (item.before, item.after) for item in step.differences}


def test_a_second_deployment_touches_nothing(swarm: Stage, clock: Clock) -> None:
    before, started = swarm.services(), clock.now
    outcome = deploy(swarm, clock)
    assert not outcome.plan
    assert states(outcome) == {"shop_api": "converged", "shop_web": "converged"}
    assert not [call for call in swarm.calls if call.startswith(WRITES)]
    assert swarm.services() == before
    assert clock.now == started


EVERYTHING = """
services:
  api:
    image: app:v1
    entrypoint: [sh]
    command: [-c, run]
    environment: {A: "1", C: ""}
    cap_add: [NET_ADMIN]
    cap_drop: [ALL]
    dns: [192.0.2.53]
    extra_hosts: ["db:192.0.2.7"]
    healthcheck: {test: [CMD, true], interval: 1m30s, retries: 2, start_interval: 500ms}
    init: false
    labels: {a: ""}
    logging: {driver: json-file, options: {max-size: 10m}}
    networks: {back: {aliases: [x]}, host: }
    ports: [{target: 53, protocol: UDP, published: 53, mode: host}, {target: 53, published: 53, mode: host}]
    read_only: true
    security_opt: [no-new-privileges, seccomp=unconfined]
    stop_grace_period: 0s
    stop_signal: SIGINT
    sysctls: {net.core.somaxconn: "1024"}
    ulimits: {nofile: {soft: 10, hard: 20}, core: 0}
    volumes:
      - {type: volume, source: data, target: /data, volume: {nocopy: true}}
      - {type: bind, source: /etc, target: /etc2, bind: {}, consistency: cached}
      - {type: tmpfs, target: /tmp, tmpfs: {size: 1000}}
    configs: [{source: conf, mode: 288}]
    deploy:
      labels: {tier: app}
      endpoint_mode: DNSRR
      update_config: {order: start-first, max_failure_ratio: 0.3, monitor: 1s}
      rollback_config: {parallelism: 0}
      restart_policy: {delay: 0s}
      placement: {constraints: [node.role == manager], preferences: [{spread: node.id}], max_replicas_per_node: 2}
      resources:
        limits: {cpus: "0.5", memory: "67108864", pids: 10}
        reservations: {memory: "8388608", generic_resources: [{discrete_resource_spec: {kind: gpu, value: 1}}]}
  once: {image: job:v1, deploy: {mode: replicated-job}}
  everywhere: {image: agent:v1, deploy: {mode: global}}
networks: {back: {}, host: {external: true, name: host}}
volumes: {data: {driver: local, labels: {keep: ""}}}
configs: {conf: {file: ./app.conf}}
"""


def test_a_stack_that_uses_every_key_is_as_declared_once_it_is_deployed(clock: Clock) -> None:
    """The swarm gives specs back with its own defaults, with IDs for networks, and without what it doesn't know."""
    swarm = Stage()
    # Its ports of a node and start-first need one more than it has tasks.
    for number in range(1, 4):
        swarm.add_node("m%d" % (number + 1), "192.0.2.2%d" % number, role="manager")
    wanted = request(text=EVERYTHING, check_mode=False, deadline=1, revert=False)
    deploy(swarm, clock, wanted)
    assert not deploy(swarm, clock, request(text=EVERYTHING, check_mode=True)).plan


def test_a_replica_count_that_the_file_leaves_out_is_kept(swarm: Stage, clock: Clock) -> None:
    swarm.change("shop_web", "Mode", to={"Replicated": {"Replicas": 7}})
    assert not deploy(swarm, clock, request(check_mode=True)).plan
    text = STACK_FILE.replace("web:v1", "web:v2")
    assert "Mode" not in "".join(differences(deploy(swarm, clock, request(text=text))))
    assert swarm.named("shop_web")["Spec"]["Mode"] == {"Replicated": {"Replicas": 7}}


def test_a_replica_count_that_the_file_gives_is_set_back(swarm: Stage, clock: Clock) -> None:
    swarm.change("shop_api", "Mode", to={"Replicated": {"Replicas": 7}})
    assert differences(deploy(swarm, clock)) == {"Mode.Replicated.Replicas": (7, 1)}
    assert swarm.named("shop_api")["Spec"]["Mode"] == {"Replicated": {"Replicas": 1}}


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("Labels", "by"), "hand", {"Labels.by": ("hand", None)}),
        (("Labels", "by"), "", {"Labels.by": ("", None)}),
        ((TEMPLATE, "ContainerSpec", "Env"), ["DEBUG=1"], {CONTAINER + ".Env[DEBUG]": ("DEBUG=1", None)}),
        (
            (TEMPLATE, "Resources", "Limits", "MemoryBytes"),
            5_000_000,
            {"TaskTemplate.Resources.Limits.MemoryBytes": (5_000_000, None)},
        ),
        (
            (TEMPLATE, "Placement", "Constraints"),
            ["node.role==worker"],
            {"TaskTemplate.Placement.Constraints": (["node.role==worker"], None)},
        ),
        (("UpdateConfig", "Parallelism"), 0, {"UpdateConfig.Parallelism": (0, 1)}),
        (
            ("EndpointSpec", "Ports"),
            [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"}],
            {
                "EndpointSpec.Ports[80]": (
                    {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"},
                    None,
                )
            },
        ),
    ],
)
def test_a_change_by_hand_is_named_field_by_field_and_set_back(
    swarm: Stage, clock: Clock, path: tuple[str, ...], value: Any, told: Any
) -> None:
    declared = copy.deepcopy(swarm.named("shop_api")["Spec"])
    swarm.change("shop_api", *path, to=value)
    outcome = deploy(swarm, clock)
    assert actions(outcome) == [("update", "shop_api")]
    assert differences(outcome) == told
    assert swarm.named("shop_api")["Spec"] == declared


def test_another_image_by_hand_is_set_back(swarm: Stage, clock: Clock) -> None:
    held = swarm.named("shop_web")["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    swarm.change("shop_web", TEMPLATE, "ContainerSpec", "Image", to="other:v9@sha256:" + "b" * 64)
    assert differences(deploy(swarm, clock)) == {CONTAINER + ".Image": ("other:v9@sha256:" + "b" * 64, held)}
    swarm.change("shop_web", TEMPLATE, "ContainerSpec", "Image", to="other:v9@sha256:" + "b" * 64)
    assert differences(deploy(swarm, clock, request(resolve_images=False)))[CONTAINER + ".Image"][1] == "web:v1"


def test_a_forced_update_stays_counted(swarm: Stage, clock: Clock) -> None:
    swarm.change("shop_api", TEMPLATE, "ForceUpdate", to=3)
    assert not deploy(swarm, clock).plan
    deploy(swarm, clock, request("v2"))
    assert swarm.named("shop_api")["Spec"]["TaskTemplate"]["ForceUpdate"] == 3


def test_images_are_deployed_by_the_digest_that_their_registry_gives(swarm: Stage) -> None:
    container = swarm.named("shop_api")["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert container["Image"].startswith("app:v1@sha256:")
    assert swarm.named("shop_api")["Spec"]["TaskTemplate"]["Placement"] == {
        "Platforms": [{"Architecture": "amd64", "OS": "linux"}]
    }
    assert swarm.named("shop_api")["Spec"]["Labels"]["com.docker.stack.image"] == "app:v1"


def test_a_new_digest_under_the_same_tag_is_deployed(swarm: Stage, clock: Clock) -> None:
    old = "app:v1@sha256:" + "0" * 64
    swarm.change("shop_api", TEMPLATE, "ContainerSpec", "Image", to=old)
    assert list(differences(deploy(swarm, clock))) == [CONTAINER + ".Image"]
    assert swarm.named("shop_api")["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] != old


def test_without_asking_registries_a_service_keeps_the_digest_that_it_has(swarm: Stage, clock: Clock) -> None:
    old = "app:v1@sha256:" + "0" * 64
    swarm.change("shop_api", TEMPLATE, "ContainerSpec", "Image", to=old)
    swarm.missing_images.update(["app:v1", "web:v1"])
    assert not deploy(swarm, clock, request(resolve_images=False)).plan
    text = STACK_FILE.replace("replicas: 1, ", "replicas: 2, ")
    deploy(swarm, clock, request(text=text, resolve_images=False))
    template = swarm.named("shop_api")["Spec"]["TaskTemplate"]
    assert template["ContainerSpec"]["Image"] == old
    assert template["Placement"]["Platforms"] == [{"Architecture": "amd64", "OS": "linux"}]
    assert "distribution" not in swarm.calls


def test_an_image_that_its_registry_does_not_have_stops_it_before_anything_changes(swarm: Stage, clock: Clock) -> None:
    swarm.missing_images.update(["app:v2", "web:v2"])
    text = STACK_FILE.replace("web:v1", "web:v2")
    with pytest.raises(DeclarationError) as refused:
        deploy(swarm, clock, request("v2", text))
    assert "services.api.image: app:v2: its registry gives no digest (manifest unknown" in str(refused.value)
    assert "services.web.image: web:v2: its registry gives no digest" in str(refused.value)
    assert not [call for call in swarm.calls if call.startswith(WRITES)]


def test_each_image_is_asked_for_once_and_a_pinned_one_keeps_its_digest(swarm: Stage, clock: Clock) -> None:
    pinned = "web@sha256:" + "a" * 64
    text = "services: {a: {image: 'x:1'}, b: {image: 'x:1'}, c: {image: '%s'}}" % pinned
    deploy(swarm, clock, request(text=text))
    assert swarm.calls.count("distribution") == 2
    assert swarm.named("shop_c")["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] == pinned
    swarm.missing_images.add("y:1")
    with pytest.raises(DeclarationError) as refused:
        deploy(swarm, clock, request(text="services: {a: {image: 'y:1'}, b: {image: 'y:1'}}"))
    assert len(refused.value.problems) == 1


def test_a_pinned_image_is_set_back_whoever_changed_it(swarm: Stage, clock: Clock) -> None:
    pinned = "web@sha256:" + "a" * 64
    text = "services: {c: {image: '%s'}}" % pinned
    deploy(swarm, clock, request(text=text))
    swarm.change("shop_c", TEMPLATE, "ContainerSpec", "Image", to="web:v9")
    assert differences(deploy(swarm, clock, request(text=text))) == {CONTAINER + ".Image": ("web:v9", pinned)}


def test_what_something_else_deployed_is_taken_over_only_when_told(swarm: Stage, clock: Clock) -> None:
    for name in ("shop_api", "shop_web"):
        del swarm.named(name)["Spec"]["Labels"][labels.OWNER]
    with pytest.raises(DeclarationError) as refused:
        deploy(swarm, clock)
    assert len(refused.value.problems) == 2
    assert "services.api: the service shop_api is in the swarm, and something else deployed it" in str(refused.value)
    assert "adopt: true takes it over" in str(refused.value)
    assert swarm.written == []
    adopted = deploy(swarm, clock, request(adopt=True))
    assert actions(adopted) == [("update", "shop_api"), ("update", "shop_web")]
    assert {item.field for step in adopted.plan for item in step.differences} == {"Labels.flotilla.swarm.owner"}
    assert not deploy(swarm, clock).plan


@pytest.mark.parametrize("adopt", [True, False])
def test_a_service_of_that_name_that_is_no_part_of_the_stack_is_refused(clock: Clock, adopt: bool) -> None:
    swarm = Stage()
    swarm.foreign("shop_api", **{labels.STACK_NAMESPACE: "other"})
    with pytest.raises(DeclarationError, match="shop_api is in the swarm, and no part of the stack shop"):
        deploy(swarm, clock, request(adopt=adopt))


def test_another_mode_is_refused(swarm: Stage, clock: Clock) -> None:
    text = STACK_FILE.replace("deploy: {replicas: 1, ", "deploy: {mode: global, ")
    with pytest.raises(DeclarationError, match=r"services.api.deploy.mode changed from replicated to global"):
        deploy(swarm, clock, request(text=text))
    assert swarm.written == []


def test_a_changed_config_makes_a_new_one_and_moves_its_services(swarm: Stage, clock: Clock) -> None:
    wanted = request()
    changed = type(wanted)(**{**wanted.__dict__, "sources": {**wanted.sources, "app.conf": "other"}})
    outcome = deploy(swarm, clock, changed)
    assert [(step.action, step.kind) for step in outcome.plan] == [("create", "config"), ("update", "service")]
    (mounted,) = swarm.named("shop_api")["Spec"]["TaskTemplate"]["ContainerSpec"]["Configs"]
    assert mounted["ConfigID"] == swarm.configs()[1]["ID"]
    assert len(swarm.configs()) == 2


def test_a_rotated_secret_is_as_declared(clock: Clock) -> None:
    """The newest version of a logical name is what the file means, whoever moved the service to it."""
    text = (
        "services: {api: {image: 'app:v1', secrets: [{source: key}]}, web: {image: 'web:v1'}}\n"
        "secrets: {key: {external: true, name: jwt}}\n"
    )
    swarm = Stage()

    def version(number: int) -> str:
        own = {labels.OWNER: "flotilla", labels.NAME: "jwt", labels.VERSION: str(number)}
        return swarm.create_secret("jwt_v%d" % number, b"x", own)

    version(1)
    deploy(swarm, clock, request(text=text))
    new = version(2)
    rehearsed = deploy(swarm, clock, request(text=text, check_mode=True))
    assert actions(rehearsed) == [("update", "shop_api")]
    before, after = copy.deepcopy(swarm.named("shop_api")["Spec"]), "TaskTemplate.ContainerSpec.Secrets"
    assert set(differences(rehearsed)) == {after + "[jwt_v1]", after + "[jwt_v2]"}
    mount = {**before["TaskTemplate"]["ContainerSpec"]["Secrets"][0], "SecretID": new, "SecretName": "jwt_v2"}
    swarm.change("shop_api", TEMPLATE, "ContainerSpec", "Secrets", to=[mount])
    assert not deploy(swarm, clock, request(text=text)).plan
