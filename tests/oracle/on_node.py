# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The half of the oracle that runs on a manager: each case deployed by the docker CLI and by ours.

Reads the cases as one line of JSON from standard input (test_oracle.py makes them), and writes a line of JSON for each:
what the CLI answered, what ours answered, and what the engine then held for either. A number of cases is in the swarm
at a time, each with names of its own. Nothing is left of it, whatever happened: when standard input ends, whoever asked
is gone, and so this ends too. One run waits for the other.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import fcntl
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client, stack_cli, stack_flow
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineError, InUse, NotFound

Json = dict[str, Any]

THEIRS = "oracle-cli-"
OURS = "oracle-own-"
LETTERS = "abcd"
"""One for each case that is in the swarm at a time; with it end the names of the case's stacks."""
AT_A_TIME = 4
OWNER = "oracle"
MARK = "oracle"
"""The label of what cases need; no stack makes it."""
DEADLINE = 60.0


class Engine:
    """The engine, asked only once for what no case changes."""

    def __init__(self) -> None:
        self._engine = client.connect()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @functools.cached_property
    def nodes(self) -> Callable[[], list[Json]]:
        return self._once(self._engine.nodes)

    @functools.cached_property
    def tasks(self) -> Callable[[], list[Json]]:
        return self._once(self._engine.tasks)

    @functools.cached_property
    def secrets(self) -> Callable[[], list[Json]]:
        return self._once(self._engine.secrets)

    def fresh_secrets(self) -> list[Json]:
        return list(self._engine.secrets())

    @staticmethod
    def _once(read: Callable[[], list[Json]]) -> Callable[[], list[Json]]:
        found = read()
        return lambda: found


def by_cli(stack: str, case: Json) -> str:
    """Deploy a case with the CLI, or let it only read the files; what it says when it refuses, else nothing."""
    how = "always" if case["resolve"] else "never"
    arguments = ["docker", "stack", "config"]
    if not case["read_only"]:
        arguments = ["docker", "stack", "deploy", "--resolve-image", how, "--detach=true", stack]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    for file in case["files"]:
        arguments += ["--compose-file", file]
    with tempfile.TemporaryDirectory() as directory:
        for path, text in case["directory"].items():
            file = Path(directory, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode("utf-8"))
        # Where its registry is slow to answer, the CLI deploys an image unresolved, and says nothing.
        for _time in range(2 if case["resolve"] else 1):
            done = subprocess.run(
                arguments,
                cwd=directory,
                env={**case["variables"], **environment},
                capture_output=True,
                text=True,
                timeout=DEADLINE,
                check=False,
            )
    return "" if done.returncode == 0 else done.stderr.strip() or "exit status %d" % done.returncode


def by_ours(engine: Engine, stack: str, case: Json) -> tuple[str, list[str]]:
    """The same with ours; and what a second deployment would change, which is nothing, or the comparison takes the
    engine's defaults for drift."""
    gathered = case["gathered"]
    if gathered["problems"]:
        return "; ".join(gathered["problems"]), []
    request = stack_cli.Request(
        stack=stack,
        files=gathered["files"],
        sources=gathered["sources"],
        variables=gathered["variables"],
        resolve_images=case["resolve"],
        owner=OWNER,
    )
    again = dataclasses.replace(request, check_mode=True)
    cli = stack_cli.DockerCli(client.DEFAULT_SOCKET)
    try:
        stack_flow.Deployment(request, engine, cli).send()
        plan = stack_flow.Deployment(again, engine, cli).run().plan
    except (DeclarationError, EngineError) as error:
        return str(error), []
    return "", ["%s: %s" % (step.name, [one.as_dict() for one in step.differences]) for step in plan]


def tried(engine: Engine, cases: Sequence[Json], pool: ThreadPoolExecutor) -> Iterator[Json]:
    """What both make of some cases."""
    theirs = [THEIRS + letter for letter in LETTERS[: len(cases)]]
    ours = [OURS + letter for letter in LETTERS[: len(cases)]]
    try:
        refusals = list(pool.map(by_cli, theirs, cases))
        left = held(engine, theirs)
        remove(engine, theirs)
        answers = list(pool.map(functools.partial(by_ours, engine), ours, cases))
        right = held(engine, ours)
    finally:
        remove(engine, [*theirs, *ours])
    for position, case in enumerate(cases):
        yield {
            "name": case["name"],
            "theirs": {"refusal": refusals[position], **left[theirs[position]]},
            "ours": {"refusal": answers[position][0], "again": answers[position][1], **right[ours[position]]},
        }


def held(engine: Engine, stacks: Sequence[str]) -> dict[str, Json]:
    """Each of the stacks as the engine holds it: ServiceSpecs by the service's key, with names in place of the IDs of
    networks and configs; its networks and configs by their names."""
    services = engine.services()
    networks = {network["Id"]: network for network in allocated_networks(engine, stacks)}
    configs = {config["ID"]: config["Spec"] for config in engine.configs()}
    for service in services:
        template = service["Spec"]["TaskTemplate"]
        for attachment in template.get("Networks") or ():
            target = attachment["Target"]
            attachment["Target"] = networks[target]["Name"] if target in networks else target
        credentials = (template["ContainerSpec"].get("Privileges") or {}).get("CredentialSpec") or {}
        if credentials.get("Config"):
            credentials["Config"] = configs[credentials["Config"]]["Name"]
    return {
        stack: {
            "stack": stack,
            "services": {
                one["Spec"]["Name"][len(stack) + 1 :]: one["Spec"] for one in services if namespace(one) == stack
            },
            "networks": {one["Name"]: one for one in networks.values() if namespace(one) == stack},
            "configs": {one["Name"]: readable(one) for one in configs.values() if namespace(one) == stack},
        }
        for stack in stacks
    }


def allocated_networks(engine: Engine, stacks: Sequence[str]) -> list[Json]:
    """Every network, as soon as the swarm's allocator has been at those of the stacks.

    Until then the engine shows them without a driver and without the subnets that were asked for, as it reads both from
    what was allocated (moby, daemon/cluster/convert/network.go, ``BasicNetworkFromGRPC``). After the deadline they are
    given as they are, and the test says which of them have no driver.
    """
    end = time.monotonic() + DEADLINE
    while True:
        networks = list(engine.networks())
        waiting = [one for one in networks if namespace(one) in stacks and not one.get("Driver")]
        if not waiting or time.monotonic() > end:
            return networks
        time.sleep(0.1)


def readable(config: Json) -> Json:
    return {**config, "Data": base64.b64decode(config.get("Data") or "").decode("utf-8", "replace")}


def namespace(thing: Json) -> str:
    """The stack that a thing is part of; also of a release's record, which is no part of its stack."""
    found = own_labels(thing)
    return str(found.get(labels.STACK_NAMESPACE) or found.get(labels.STACK) or "")


def own_labels(thing: Json) -> Json:
    return thing.get("Spec", thing).get("Labels") or {}


def remove(engine: Engine, stacks: Sequence[str]) -> None:
    """Remove the stacks with everything that is theirs."""
    for service in engine.services():
        if namespace(service) in stacks:
            with contextlib.suppress(NotFound):
                engine.remove_service(service["ID"])
    discard(engine, lambda thing: namespace(thing) in stacks)


def discard(engine: Engine, chosen: Callable[[Json], bool]) -> None:
    """Remove networks, configs and secrets, each as soon as no task uses it any more."""
    end = time.monotonic() + DEADLINE
    for every, remove_one in (
        (engine.networks, engine.remove_network),
        (engine.configs, engine.remove_config),
        (engine.fresh_secrets, engine.remove_secret),
    ):
        left = [thing.get("ID") or thing["Id"] for thing in every() if chosen(thing)]
        while left:
            try:
                remove_one(left[0])
            except InUse:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
                continue
            except NotFound:
                pass
            left.pop(0)


@contextlib.contextmanager
def needed(engine: Engine, cases: Sequence[Json]) -> Iterator[None]:
    """What cases expect in the swarm. It belongs to nobody, as if somebody had made it by hand."""
    forget(engine)
    wanted: dict[str, set[str]] = {"secrets": set(), "configs": set(), "networks": set()}
    for case in cases:
        for kind, names in case["needs"].items():
            wanted[kind].update(names)
    try:
        for name in sorted(wanted["secrets"]):
            engine.create_secret(name, b"oracle", {MARK: "1"})
        for name in sorted(wanted["configs"]):
            engine.create_config(name, b"oracle", {MARK: "1"})
        for name in sorted(wanted["networks"]):
            engine.create_network({"Name": name, "Driver": "overlay", "Labels": {MARK: "1"}})
        yield
    finally:
        forget(engine)


def forget(engine: Engine) -> None:
    """Remove what an earlier run of the oracle left, and what cases of this one needed."""
    remove(engine, [side + letter for letter in LETTERS for side in (THEIRS, OURS)])
    discard(engine, lambda thing: own_labels(thing).get(MARK) == "1")


def main() -> None:
    place = Path.cwd()
    # Released when this process ends, however it does.
    lock = os.open(place.parent, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        run(json.loads(sys.stdin.readline()))
    finally:
        shutil.rmtree(place)


def run(cases: Sequence[Json]) -> None:
    alone = threading.Event()
    threading.Thread(target=lambda: (os.read(0, 1), alone.set()), daemon=True).start()
    version = subprocess.run(
        ["docker", "version", "--format", "{{.Client.Version}}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    print(json.dumps({"version": version}), flush=True)
    engine = Engine()
    size = len(LETTERS)
    with needed(engine, cases), ThreadPoolExecutor(AT_A_TIME) as pool:
        for start in range(0, len(cases), size):
            if alone.is_set():
                return
            for answer in tried(engine, cases[start : start + size], pool):
                print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
