# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks on the running lab: the same files brought into the swarm by the docker CLI and by our modules.

Everything runs on one manager. Our modules do so without a run of Ansible each, which would take longer than most
tests: they lie on the node, and what swarm_stack's action does on the controller is done here.
"""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible.release
from ansible_collections.flotilla.swarm.plugins.plugin_utils import stack_files

from tests.support.lab import ROOT, Lab

Json = dict[str, Any]

REGISTRY = "172.30.77.5:5000"
DEADLINE = 120
"""Seconds for one command on the node."""
KINDS = ("service", "config", "secret", "network")
"""What stacks leave in a swarm, users of things first."""
STALE = "update out of sequence"
_PLACE = "/root/flotilla-stacks"
_COLLECTION = "ansible_collections/flotilla/swarm"


@dataclass(frozen=True)
class Answer:
    """What a command on the node said: its exit status, and standard output and error as one text."""

    rc: int
    text: str


class Node:
    """A manager with our modules and a directory of stack files on it.

    Args:
        files: the stack files, and what they name.
    """

    def __init__(self, name: str, files: Path) -> None:
        self.name = name
        self.files = files

    def run(self, command: str, environment: Mapping[str, str] | None = None, text: str = "") -> Answer:
        """Run a shell's command in the directory of the stack files, with ``text`` as its input."""
        given = [f"--env={key}={value}" for key, value in (environment or {}).items()]
        done = subprocess.run(
            ["docker", "exec", "-i", f"--workdir={_PLACE}/files", *given, f"flotilla-{self.name}", "sh", "-c", command],
            input=text,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DEADLINE,
            check=False,
        )
        return Answer(done.returncode, done.stdout)

    def ask(self, command: str) -> str:
        """What a command that must succeed prints."""
        answer = self.run(command)
        assert answer.rc == 0, f"{self.name}: {command}: {answer.text}"
        return answer.text

    def module(self, module: str, **options: Any) -> Json:
        """The result of one of our modules, also when it failed."""
        command = f"PYTHONPATH=.. python3 ../module_on_node.py {module}"
        answer = self.run(command, text=json.dumps(options))
        try:
            result: Json = json.loads(answer.text)
        except ValueError:
            raise AssertionError(f"{module}: {answer.text}") from None
        return result


@contextmanager
def prepared(lab: Lab, files: Path) -> Iterator[Node]:
    """A node that has what the tests need; it is taken away at the end."""
    node = Node(lab.manager(), files)
    inside = ["docker", "exec", "-i", f"flotilla-{node.name}"]
    subprocess.run([*inside, "mkdir", "-p", _PLACE], check=True)
    subprocess.run([*inside, "tar", "-x", "-C", _PLACE], input=_bundle(files), check=True)
    try:
        yield node
    finally:
        subprocess.run([*inside, "rm", "-r", _PLACE], check=True)


def _bundle(files: Path) -> bytes:
    """What goes to the node: the stack files, our code, and what Ansible would send along with a module."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.add(files, "files")
        archive.add(ROOT / "tests/support/module_on_node.py", "module_on_node.py")
        for directory in ("plugins/modules", "plugins/module_utils"):
            for path in (ROOT / directory).rglob("*.py"):
                archive.add(path, f"{_COLLECTION}/{path.relative_to(ROOT)}")
        theirs = Path(ansible.release.__file__).parent
        for path in (theirs / "release.py", *(theirs / "module_utils").rglob("*.py")):
            archive.add(path, f"ansible/{path.relative_to(theirs)}")
        # The package's own __init__.py is for the controller.
        archive.addfile(tarfile.TarInfo("ansible/__init__.py"))
    return content.getvalue()


class Stack:
    """A stack in the swarm, read with the docker CLI."""

    def __init__(self, node: Node, name: str) -> None:
        self.node = node
        self.name = name

    def full(self, key: str) -> str:
        """A service's name in the swarm."""
        return f"{self.name}_{key}"

    def services(self) -> dict[str, Json]:
        """What the engine says of the stack's services, by their keys."""
        found = [json.loads(line) for line in self._inspected("json .")]
        return {str(one["Spec"]["Name"])[len(self.name) + 1 :]: one for one in found}

    def service(self, key: str = "app") -> Json:
        return self.services()[key]

    def specs(self) -> dict[str, str]:
        """The services' specs by their keys, each byte for byte as the docker CLI prints it."""
        return {str(json.loads(line)["Name"])[len(self.name) + 1 :]: line for line in self._inspected("json .Spec")}

    def _inspected(self, what: str) -> list[str]:
        listed = self.node.ask(f"docker service ls --quiet --filter label=com.docker.stack.namespace={self.name}")
        names = " ".join(listed.split())
        return self.node.ask(f"docker service inspect --format '{{{{{what}}}}}' {names}").splitlines() if names else []

    def indexes(self) -> dict[str, int]:
        """The version index of each service: it moves with every write."""
        return {key: one["Version"]["Index"] for key, one in self.services().items()}

    def update(self, key: str = "app") -> str:
        """What became of the service's last update, in the engine's word; empty when there was none."""
        return str((self.service(key).get("UpdateStatus") or {}).get("State") or "")

    def script(self, key: str = "app") -> str:
        """The script that the service runs."""
        return script_of(self.service(key)["Spec"])

    def tasks(self, key: str = "app") -> list[Json]:
        """All tasks of a service that the engine still knows, newest first."""
        lines = self.node.ask(f"docker service ps --no-trunc --format json {self.full(key)}").splitlines()
        return [json.loads(line) for line in lines]

    def running(self, key: str = "app") -> list[Json]:
        """The tasks of a service that run and are meant to."""
        meant = [task for task in self.tasks(key) if task["DesiredState"] == "Running"]
        return [task for task in meant if task["CurrentState"].startswith("Running")]

    def wait(self, what: str, done: Callable[[], bool], seconds: float = 60) -> None:
        """Until ``done``, asked twice a second; fails when that takes longer than ``seconds``."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, f"not within {seconds:g} s: {self.name}: {what}"
            time.sleep(0.5)

    def wait_until_running(self, key: str = "app", count: int = 1) -> None:
        self.wait(f"{count} tasks of {key} run", lambda: len(self.running(key)) == count)


class Raw(Stack):
    """A stack that the docker CLI deploys."""

    def deploy(self, *files: str, options: str = "--detach=true", **variables: str) -> Answer:
        """``docker stack deploy`` of these files."""
        named = " ".join(f"--compose-file {shlex.quote(file)}" for file in files)
        return self.node.run(f"docker stack deploy {named} {options} {self.name}", {"REGISTRY": REGISTRY, **variables})

    def does(self, *files: str, options: str = "--detach=true", **variables: str) -> None:
        """A deployment that docker calls a success."""
        for _attempt in range(5):
            answer = self.deploy(*files, options=options, **variables)
            # It stops half way when the swarm itself has just written to a service, and does not try again.
            if STALE not in answer.text:
                break
        assert answer.rc == 0, answer.text


class Own(Stack):
    """A stack that our modules deploy."""

    def deploy(self, *files: str, options: Json | None = None, **variables: str) -> Json:
        """swarm_stack's result for these files, also when it failed."""
        given = {"REGISTRY": REGISTRY, **variables}
        gathered = stack_files.gather(files, given, lambda path: str(self.node.files / path))
        if gathered.problems:
            # The action refuses it; nothing is sent to the node.
            return {"failed": True, "msg": "; ".join(gathered.problems)}
        return self.node.module(
            "swarm_stack",
            name=self.name,
            files=list(gathered.files),
            variables=dict(gathered.variables),
            sources=[{"path": path, "content": text} for path, text in gathered.sources.items()],
            **{"stable_for": 2, **(options or {})},
        )

    def does(self, *files: str, options: Json | None = None, **variables: str) -> Json:
        """A deployment that must succeed."""
        return succeeded(self.deploy(*files, options=options, **variables))


def succeeded(result: Json) -> Json:
    assert not result.get("failed"), result["msg"]
    return result


def script_of(spec: Json) -> str:
    """The script that a service with this spec runs."""
    return str(spec["TaskTemplate"]["ContainerSpec"]["Command"][-1])


def remove(node: Node, prefix: str) -> None:
    """Begin to remove everything with such a name from the swarm; what is still in use stays for the next call."""
    for kind in KINDS:
        found = [identifier for identifier, name in _listed(node, kind) if name.startswith(prefix)]
        if found:
            node.run(f"docker {kind} rm {' '.join(found)}")


def left(node: Node, prefix: str) -> list[str]:
    """What is still in the swarm with such a name."""
    return [f"{kind} {name}" for kind in KINDS for _identifier, name in _listed(node, kind) if name.startswith(prefix)]


def _listed(node: Node, kind: str) -> list[tuple[str, str]]:
    """ID and name of each object of a kind. For networks of a swarm the CLI's own filter finds whole names only."""
    lines = node.ask(f"docker {kind} ls --format '{{{{.ID}}}} {{{{.Name}}}}'").splitlines()
    identifiers_and_names = (line.split(maxsplit=1) for line in lines)
    return [(words[0], words[1]) for words in identifiers_and_names]
