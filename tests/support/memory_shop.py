# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A swarm in memory with services that mount versions of secrets, for tests of rotations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Swarm

Json = dict[str, Any]
OWNER = "flotilla"


class Shop(Swarm):
    """A swarm whose services, once updated, do what the test says: run, fail, or be rolled back by the swarm."""

    def __init__(self) -> None:
        super().__init__()
        self.fate: dict[str, Callable[[Json], None]] = {}
        self.written: list[tuple[str, list[str]]] = []

    def version_of(self, logical: str, version: int) -> str:
        own = {labels.OWNER: OWNER, labels.NAME: logical, labels.VERSION: str(version)}
        return self.create_secret("%s_v%d" % (logical, version), b"x", own)

    def service(self, name: str, *secrets: str) -> None:
        ids = {secret["Spec"]["Name"]: secret["ID"] for secret in self.secrets()}
        mounts = [
            {"SecretID": ids[one], "SecretName": one, "File": {"Name": one.rpartition("_")[0], "Mode": 256}}
            for one in secrets
        ]
        template = {"ContainerSpec": {"Image": "app:v1", "Secrets": mounts}, "Runtime": "container"}
        self.create_service({"Name": name, "TaskTemplate": template, "Mode": {"Replicated": {"Replicas": 1}}})
        self.task(name)

    def update_service(self, service_id: str, version: int, spec: Json) -> None:
        super().update_service(service_id, version, spec)
        name = spec["Name"]
        self.written.append((name, self.mounted(name)))
        self.fate.get(name, lambda _service: self.settle(name))(self._objects["service"][service_id])

    def mounted(self, name: str) -> list[str]:
        return [one["SecretName"] for one in self.named(name)["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"]]

    def crash(self, service: Json) -> None:
        """The new version fails for good; the old one, when it comes back, runs."""
        name = service["Spec"]["Name"]
        if any(mount.endswith("_v2") for mount in self.mounted(name)):
            self.task(name, "failed", desired="shutdown", err="task: non-zero exit (3)")
        else:
            self.settle(name)

    def roll_back(self, service: Json) -> None:
        """What swarm does with failure_action rollback: the previous spec is the spec again."""
        name = service["Spec"]["Name"]
        self.task(name, "failed", desired="shutdown", err="task: non-zero exit (3)")
        service["Spec"], service["PreviousSpec"] = service["PreviousSpec"], service["Spec"]
        service["UpdateStatus"] = {"State": "rollback_completed", "Message": "rollback completed"}
        self.settle(name)
