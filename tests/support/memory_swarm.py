# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine in memory with tasks that a test makes, and a clock that a test turns: for whatever waits for services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

Json = dict[str, Any]


class Clock:
    """A clock that moves only while somebody sleeps, and does things on the way."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: list[tuple[float, Callable[[], None]]] = []

    def at(self, when: float, action: Callable[[], None]) -> None:
        self.events.append((when, action))

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for event in [event for event in self.events if event[0] <= self.now]:
            self.events.remove(event)
            event[1]()


class Swarm(MemoryEngine):
    """A swarm in memory whose services get their tasks from the test."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[str, int] = {}

    def named(self, name: str) -> Json:
        return next(thing for thing in self._objects["service"].values() if thing["Spec"]["Name"] == name)

    def task(
        self,
        name: str,
        state: str = "running",
        *,
        image: str = "",
        desired: str = "running",
        err: str = "",
        slot: int = 1,
    ) -> Json:
        service = self.named(name)
        spec = {key: value for key, value in service["Spec"]["TaskTemplate"].items() if key != "Runtime"}
        if image:
            spec = {**spec, "ContainerSpec": {**spec["ContainerSpec"], "Image": image}}
        number = len(self.task_list) + 1
        status: Json = {"State": state, "Message": state, "Err": err}
        if state in ("running", "failed"):
            status["ContainerStatus"] = {"ContainerID": "c%d" % number, "ExitCode": 3 if state == "failed" else 0}
        task = {
            "ID": "task%d" % number,
            "ServiceID": service["ID"],
            "Slot": slot,
            "NodeID": self.node_id,
            "CreatedAt": "2026-11-21T20:%02d:00Z" % number,
            "Spec": spec,
            "Status": status,
            "DesiredState": desired,
        }
        self.task_list.append(task)
        return task

    def settle(self, name: str) -> None:
        """What a healthy swarm does after an update: the old tasks go, new ones run."""
        for task in self.task_list:
            if task["ServiceID"] == self.named(name)["ID"]:
                task["DesiredState"] = "shutdown"
        replicas = (self.named(name)["Spec"].get("Mode") or {}).get("Replicated", {}).get("Replicas", 1)
        for slot in range(1, replicas + 1):
            self.task(name, slot=slot)
