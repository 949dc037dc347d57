# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node is drained when it is empty, roles change and change back, and a network in use is made anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.lab import Lab

REDIS = "172.30.77.5:5000/redis:8"

Say = Callable[[str], None]
Play = Callable[..., str]


@pytest.fixture
def services(lab: Lab, prefix: str) -> Iterator[Callable[..., str]]:
    """Makes services that are gone at the end, their tasks too."""
    made: list[str] = []

    def make(name: str, constraint: str, script: str, *arguments: str) -> str:
        made.append(prefix + name)
        options = ["--name", made[-1], "--constraint", constraint, "--endpoint-mode", "dnsrr", *arguments]
        command = ["docker", "service", "create", "--detach", *options, REDIS, "sh", "-c", script]
        lab.run(lab.manager(), " ".join(["%s"] * len(command)), *command)
        lab.wait(f"{made[-1]} runs", lambda: running(lab, made[-1]) != [])
        return made[-1]

    yield make
    for name in made:
        lab.node(lab.manager()).run("docker service rm %s", name)
    lab.wait("the test's tasks are gone", lambda: not any(containers(lab, node, prefix) for node in ("m3", "w1", "w2")))


def running(lab: Lab, service: str) -> list[str]:
    """The nodes of its tasks that run."""
    return [task["Node"] for task in lab.running_tasks(service) if task["CurrentState"].startswith("Running")]


def containers(lab: Lab, node: str, prefix: str) -> list[str]:
    return lab.run(node, "docker ps --quiet --filter name=%s", prefix).split()


def test_a_node_is_drained_when_it_is_empty(
    lab: Lab, prefix: str, play: Play, say: Say, services: Callable[..., str]
) -> None:
    def set_to(availability: str) -> float:
        begin = time.monotonic()
        run = lab.playbook(play("swarm_nodes", {"nodes": [{"name": "m3", "availability": availability}]}))
        assert run.returncode == 0, run.stdout
        return time.monotonic() - begin

    try:
        set_to("active")
        # It does not stop when it is asked to, so swarm kills it after its grace.
        services("slow", "node.hostname==m3", "trap '' TERM; while :; do sleep 1; done", "--stop-grace-period", "8s")
        assert containers(lab, "m3", prefix) != []
    finally:
        seconds = set_to("drain")
    assert containers(lab, "m3", prefix) == []
    say(f"the play ended after {seconds:.1f} s, with no container left on the node")
    assert seconds > 8


def test_a_manager_becomes_a_worker_and_a_manager_again(lab: Lab, play: Play, say: Say) -> None:
    def change(role: str) -> None:
        run = lab.playbook(play("swarm_nodes", {"nodes": [{"name": "m3", "role": role}], "change_roles": True}))
        assert run.returncode == 0, run.stdout

    def reachable() -> list[str]:
        found = lab.nodes().items()
        return sorted(n for n, node in found if (node.get("ManagerStatus") or {}).get("Reachability") == "reachable")

    try:
        change("worker")
        assert reachable() == ["m1", "m2"]
    finally:
        change("manager")
    assert reachable() == ["m1", "m2", "m3"]
    assert lab.nodes()["m3"]["Spec"]["Availability"] == "drain"
    say("m3 was a worker, and is a reachable and drained manager again")


def test_a_network_in_use_is_made_anew_and_its_services_are_what_they_were(
    lab: Lab, prefix: str, play: Play, say: Say, services: Callable[..., str]
) -> None:
    network = prefix + "net"

    def declare(recreate: bool = False, **options: object) -> str:
        item = {"name": network, "subnet": "10.99.0.0/24", **options}
        run = lab.playbook(play("swarm_networks", {"networks": [item], "recreate": recreate}))
        assert run.returncode == 0, run.stdout
        return run.stdout

    declare()
    names = [services(name, "node.labels.tier==application", "exec sleep 86400", "--network", network) for name in "ab"]
    before = {name: lab.inspect("service", name)["Spec"] for name in names}
    old = lab.inspect("network", network)["Id"]

    said = " ".join(declare(attachable=True).split())
    assert f"network {network} is not as declared: attachable is False, declared True" in said
    assert lab.inspect("network", network)["Id"] == old

    begin = time.monotonic()
    declare(recreate=True, attachable=True)
    seconds = time.monotonic() - begin
    found = lab.inspect("network", network)
    assert found["Id"] != old
    assert found["Attachable"] is True
    for name in names:
        service = lab.inspect("service", name)
        for spec in (service["Spec"], service["PreviousSpec"]):
            (target,) = spec["TaskTemplate"]["Networks"]
            assert target["Target"] == found["Id"]
            target["Target"] = old
        assert service["Spec"] == before[name]
        # `docker service inspect` writes the engine's defaults into the one and not into the other.
        for key in ("Name", "Labels", "Mode"):
            assert service["PreviousSpec"][key] == before[name][key]
        previous, was = (spec["TaskTemplate"] for spec in (service["PreviousSpec"], before[name]))
        assert previous["Networks"] == was["Networks"]
        assert previous["Placement"]["Constraints"] == was["Placement"]["Constraints"]
        assert previous["ContainerSpec"]["Image"] == was["ContainerSpec"]["Image"]
        assert running(lab, name) != []
    say(f"made anew under two services in {seconds:.1f} s; their specs and rollback targets are what they were")
    assert "changed=0" in declare(recreate=True, attachable=True)
