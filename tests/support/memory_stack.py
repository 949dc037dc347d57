# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of stacks share: a docker CLI in memory, and a swarm whose services do what a test says."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.rollout import Outcome
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.stack_cli import Answer, Request
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.stack_flow import Deployment
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock, Swarm

Json = dict[str, Any]
Fate = Callable[[Json], None]

STACK_FILE = """
services:
  api:
    image: app:${VERSION}
    configs: [{source: conf, target: /conf}]
    networks: {back: }
    deploy: {replicas: 1, update_config: {monitor: 5s}}
  web: {image: "web:v1", networks: {back: }}
networks: {back: {}}
configs: {conf: {file: ./app.conf}}
"""


class Docker:
    """The docker CLI's ``stack config``, for files that are in its normal form but for variables and paths.

    Attributes:
        environments: what it was given, one for each call.
        directory: where the files lay that it read last.
    """

    def __init__(self) -> None:
        self.environments: list[Mapping[str, str]] = []
        self.directory = Path()

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float, stdin: str = "") -> Answer:
        assert list(arguments[:2]) == ["stack", "config"]
        assert timeout > 0
        assert not stdin
        self.environments.append(environment)
        merged: Json = {}
        files = [Path(path) for path in arguments if path.endswith(".yml")]
        self.directory = files[0].parent
        assert stat.S_IMODE(self.directory.stat().st_mode) == 0o700
        for file in files:
            text = file.read_text()
            for name, value in environment.items():
                text = text.replace("${%s}" % name, value)
            for section, entries in yaml.safe_load(text).items():
                merged.setdefault(section, {}).update(entries)
        for config in merged.get("configs", {}).values():
            if "file" in config:
                config["file"] = str(self.directory / config["file"])
        return Answer(0, yaml.safe_dump(merged), "")


class Stage(Swarm):
    """A swarm whose services, once they are created or updated, run; or do what a test says.

    Attributes:
        fate: what a service does then, by its name.
        healthy: set it to False, and services without a fate get no tasks.
        trouble: what every read of services and logs raises while it is set.
        written: what was sent, in order: ("create", "update" or "remove", the service's name).
    """

    def __init__(self) -> None:
        super().__init__()
        self.fate: dict[str, Fate] = {}
        self.healthy = True
        self.trouble: errors.EngineError | None = None
        self.written: list[tuple[str, str]] = []

    def create_service(self, spec: Json, *, registry_auth: bool = False) -> str:
        service_id = super().create_service(spec, registry_auth=registry_auth)
        self._came("create", service_id)
        return service_id

    def update_service(self, service_id: str, version: int, spec: Json, *, registry_auth: bool = False) -> None:
        super().update_service(service_id, version, spec, registry_auth=registry_auth)
        self._came("update", service_id)

    def remove_service(self, service_id: str) -> None:
        name = self._objects["service"].get(service_id, {}).get("Spec", {}).get("Name", "")
        super().remove_service(service_id)
        self.written.append(("remove", name))

    def services(self) -> list[Json]:
        if self.trouble:
            raise self.trouble
        return super().services()

    def task_log(self, task_id: str, lines: int) -> str:
        if self.trouble:
            raise self.trouble
        return super().task_log(task_id, lines)

    def interrupt(self, trouble: errors.EngineError | None) -> Callable[[], None]:
        """Something to do later: from then on the engine gives no answer, or does again."""

        def change() -> None:
            self.trouble = trouble

        return change

    def foreign(self, name: str, **labels_: str) -> None:
        """A service of the stack that something else deployed."""
        own = {labels.STACK_NAMESPACE: "shop", **labels_}
        self.create_service(
            {"Name": name, "Labels": own, "TaskTemplate": {"ContainerSpec": {"Image": "old:1"}}, "Mode": {}}
        )

    def image(self, name: str) -> str:
        """The image of a service without its digest."""
        image: str = self.named(name)["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
        return image.partition("@")[0]

    def change(self, name: str, *path: str, to: Any) -> None:
        """Somebody changes one field of a service's spec by hand."""
        service = self.named(name)
        part = service["Spec"]
        for key in path[:-1]:
            part = part.setdefault(key, {})
        part[path[-1]] = to
        self._touch(service)

    def fail(self, service: Json) -> None:
        """The tasks end with exit code 3, for good."""
        name = service["Spec"]["Name"]
        self._stop(service)
        failed = self.task(name, "failed", desired="shutdown", err="task: non-zero exit (3)")
        self.logs[failed["ID"]] = "FATAL: no database\n"

    def fail_once(self, service: Json) -> None:
        """This version fails for good; the one before it, when it comes back, runs."""
        self.fate.pop(service["Spec"]["Name"])
        self.fail(service)

    def roll_back(self, service: Json) -> None:
        """What swarm does with failure_action rollback: the previous spec is the spec again."""
        self.fail(service)
        service["Spec"] = service.pop("PreviousSpec")
        service["UpdateStatus"] = {"State": "rollback_completed", "Message": "rollback completed"}
        self.settle(service["Spec"]["Name"])

    def _came(self, action: str, service_id: str) -> None:
        service = self._objects["service"][service_id]
        name = service["Spec"]["Name"]
        self.written.append((action, name))
        if name in self.fate:
            self.fate[name](service)
        elif self.healthy:
            self.settle(name)

    def _stop(self, service: Json) -> None:
        for task in self.task_list:
            if task["ServiceID"] == service["ID"]:
                task["DesiredState"] = "shutdown"


def request(version: str = "v1", text: str = STACK_FILE, **more: Any) -> Request:
    return Request(
        stack="shop",
        files=["s.yml"],
        sources={"s.yml": text, "app.conf": "hello"},
        variables={"VERSION": version},
        **more,
    )


def deploy(swarm: Swarm, clock: Clock, wanted: Request | None = None, docker: Docker | None = None) -> Outcome:
    return Deployment(wanted or request(), swarm, docker or Docker(), clock=clock, sleep=clock.sleep).run()


def states(outcome: Outcome) -> dict[str, str]:
    return {item.service: item.state for item in outcome.verdicts}


def actions(outcome: Outcome) -> list[tuple[str, str]]:
    return [(step.action, step.name) for step in outcome.plan]
