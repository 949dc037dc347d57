# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack that runs already in a swarm in memory, for tests of what is done to it without its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.tests.support.memory_stack import Stage

Json = dict[str, Any]


def spec_of(
    name: str,
    replicas: int = 1,
    *,
    mode: Mapping[str, Any] | None = None,
    owner: str = "flotilla",
    placement: Mapping[str, Any] | None = None,
    networks: Sequence[str] = (),
    ports: Sequence[Mapping[str, Any]] = (),
) -> Json:
    """The spec of a service of the stack shop."""
    return {
        "Name": "shop_" + name,
        "Labels": {labels.STACK_NAMESPACE: "shop", labels.OWNER: owner},
        "TaskTemplate": {
            "ContainerSpec": {"Image": "app:v1"},
            "Placement": dict(placement or {}),
            "Networks": [{"Target": network} for network in networks],
        },
        "Mode": dict(mode or {"Replicated": {"Replicas": replicas}}),
        "EndpointSpec": {"Ports": [dict(port) for port in ports]},
        "UpdateConfig": {"Monitor": 5 * 10**9},
    }


class Shop(Stage):
    """The services api (2 tasks) and web (1), which run."""

    def __init__(self) -> None:
        super().__init__()
        self.add("api", 2)
        self.add("web", 1)
        self.written.clear()
        self.calls.clear()

    def add(self, name: str, replicas: int = 1, **options: Any) -> None:
        self.create_service(spec_of(name, replicas, **options))

    def update_is(self, name: str, state: str) -> None:
        """The engine says this of the service's last update."""
        self.named("shop_" + name)["UpdateStatus"] = {"State": state, "Message": state}

    def replicas(self, name: str) -> int:
        return int(self.named("shop_" + name)["Spec"]["Mode"]["Replicated"]["Replicas"])

    def restarts(self, name: str) -> int:
        return int(self.named("shop_" + name)["Spec"]["TaskTemplate"]["ForceUpdate"])
