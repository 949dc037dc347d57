# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Histories of stacks in memory: releases, their records as the engine gives them back, and what makes them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import release_record, releases
from ansible_collections.flotilla.swarm.plugins.module_utils._core.releases import Ending, Entry, Release
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.releases import About, Recorder
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.rollout import Outcome
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.stack_flow import Deployment
from ansible_collections.flotilla.swarm.tests.support.memory_stack import Docker, Stage, request
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock

Json = dict[str, Any]
STACK = "shop"
OWNER = "flotilla"


def spec(name: str, image: str = "app:v1", **container: Any) -> Json:
    return {
        "Name": name,
        "Labels": {"flotilla.swarm.owner": OWNER, "com.docker.stack.namespace": STACK},
        "TaskTemplate": {"ContainerSpec": {"Image": image, **container}},
        "Mode": {"Replicated": {"Replicas": 1}},
    }


def config(release: Release, ending: Ending | None = None, owner: str = OWNER) -> Json:
    """The record of a release as the engine lists it."""
    name = release_record.name_of(release)
    return {
        "ID": "id-" + name,
        "Version": {"Index": 1},
        "CreatedAt": "2026-01-01T00:00:00Z",
        "Spec": {
            "Name": name,
            "Labels": release_record.record_labels(release, owner, ending or Ending(releases.GOOD)),
            "Data": base64.b64encode(release_record.encode(release)).decode(),
        },
    }


def entry(number: int, state: str = releases.GOOD, restores: int | None = None, **specs: Json) -> Entry:
    """A release of the shop, as it is read."""
    release = None
    if state != releases.UNREADABLE:
        kind = releases.DEPLOY if restores is None else releases.ROLLBACK
        release = Release(STACK, number, kind, restores, specs=specs)
    ending = Ending(state if release else releases.GOOD, reason="web: crashed" if state == releases.FAILED else "")
    name = "%s.release.%d" % (STACK, number)
    return Entry(STACK, number, "id-" + name, name, "", ending, release, "" if release else "it is damaged")


def recorder(swarm: Stage, clock: Clock, **about: Any) -> Recorder:
    return Recorder(swarm, About(**{"stack": STACK, **about}), clock, clock.sleep)


def deploy(swarm: Stage, clock: Clock, version: str = "v1", keep: int = releases.KEEP, **more: Any) -> Outcome:
    """A deployment of the shop that is recorded."""
    journal = recorder(swarm, clock, keep=keep, who="tests", when="today")
    wanted = request(version, **more)
    return Deployment(wanted, swarm, Docker(), journal, clock=clock, sleep=clock.sleep).run()


def history(swarm: Stage) -> dict[int, Entry]:
    return {one.number: one for one in release_record.history(swarm.configs("shop.release."))}


def states(swarm: Stage) -> dict[int, str]:
    """Number of each release that is kept -> its state."""
    return {number: one.state for number, one in sorted(history(swarm).items())}


def live(swarm: Stage) -> Mapping[str, Json]:
    """The specs of all services."""
    return {service["Spec"]["Name"]: service["Spec"] for service in swarm.services()}
