# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loss and recovery on the running lab: nodes destroyed and made anew, and what a recovery must have brought back."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.lab import MANAGERS, WORKERS, Lab
from tests.support.lab_timers import hold

Json = dict[str, Any]

DATABASE_NODE = "w3"
POSTGRES = "medianest_postgres"
ROWS = "recovery_rows"
"""The table that tests write to; the application knows nothing of it."""
DEADLINE = 60
"""Seconds for one command on a node."""
MOVED = ("-e", "lab_moved=true")
"""What a playbook is given while the lab's nodes are at their other addresses."""
_MOVED_BY = 100
_NUMBERS = {"m": 10, "w": 20}
_NOT_YET = ("no container of", "starting up", "No such file", "is not running", "OCI runtime exec failed")
_SOCKET = ("psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1")


class Recovery:
    """Breaks the lab, and sees what is there before and after."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    # --- Nodes --------------------------------------------------------------------------------------------------------

    def destroy(self, *nodes: str) -> None:
        """Cut the power of these nodes (all where none is named) and remove all that was on them."""
        self._playbook("lab/destroy_nodes.yml", "-e", json.dumps({"nodes": list(nodes or (*MANAGERS, *WORKERS))}))

    def start(self, *nodes: str, moved: bool = False) -> None:
        """Make these nodes anew (all where none is named), bare; ``moved`` puts them at their other addresses.

        A node that runs stays as it is, but for its address. Timers that they are given are held too.
        """
        limit = ("--limit", ",".join(("localhost", *nodes))) if nodes else ()
        self._playbook("lab/up.yml", *limit, *(MOVED if moved else ()))
        hold(self.lab, *nodes)

    def _playbook(self, *arguments: str) -> None:
        run = self.lab.playbook(*arguments)
        assert run.returncode == 0, run.stdout

    def exists(self, node: str) -> bool:
        """Whether the node's container is there, running or not."""
        listed = _run(["docker", "ps", "--all", "--quiet", f"--filter=name=^flotilla-{node}$"])
        return bool(listed.strip())

    # --- Engines and their lock ---------------------------------------------------------------------------------------

    def restart_engine(self, node: str) -> None:
        """Restart the node's engine and wait until it answers, be it locked or not.

        A leader's is started when another one leads; what happens else is told in ``_engine/restart.py``.
        """
        led = self._leads(node)
        self.lab.run(node, "systemctl stop docker.socket docker.service")
        if led:
            self.lab.wait("another manager leads", lambda: any(self._leads(one) for one in MANAGERS if one != node))
        self.lab.run(node, "systemctl start docker.socket docker.service")
        self.lab.wait(f"the engine of {node} answers", lambda: self.swarm_state(node) not in ("", "pending"))

    def _leads(self, node: str) -> bool:
        answer = self.lab.node(node).run("docker node inspect self --format '{{.ManagerStatus.Leader}}'")
        return bool(answer.stdout.strip() == "true")

    def swarm_state(self, node: str) -> str:
        """active, inactive, pending, locked or error: the engine's word; empty when it does not answer."""
        answer = self.lab.node(node).run("docker info --format '{{.Swarm.LocalNodeState}}'")
        return str(answer.stdout).strip() if answer.rc == 0 else ""

    def autolock(self, on: bool) -> str:
        """Switch the swarm's autolock; returns the unlock key, empty when it is off."""
        manager = self.lab.manager()
        self.lab.run(manager, f"docker swarm update --autolock={'true' if on else 'false'}")
        return self.unlock_key() if on else ""

    def unlock_key(self) -> str:
        return self.lab.run(self.lab.manager(), "docker swarm unlock-key --quiet").strip()

    def unlock(self, node: str, key: str) -> None:
        """Unlock the node's engine, and wait until it takes part again."""
        self.inside(node, "docker", "swarm", "unlock", text=key + "\n")
        self.lab.wait(f"{node} takes part again", lambda: self.swarm_state(node) == "active")

    # --- The database -------------------------------------------------------------------------------------------------

    def write_rows(self, count: int) -> int:
        """Write so many rows more into the database; returns how many there are."""
        self.query(
            f"CREATE TABLE IF NOT EXISTS {ROWS} (id bigserial PRIMARY KEY, written timestamptz NOT NULL DEFAULT now());"
            f"INSERT INTO {ROWS} SELECT FROM generate_series(1, {int(count)})"
        )
        return self.count_rows()

    def count_rows(self) -> int:
        """How many rows were written; 0 when the table is not there."""
        if self.query(f"SELECT to_regclass('{ROWS}') IS NOT NULL") != "t":
            return 0
        return int(self.query(f"SELECT count(*) FROM {ROWS}"))  # noqa: S608 - a constant

    def query(self, sql: str, seconds: float = 60) -> str:
        """What the database answers to this; it may still be starting, and the engine may fail to enter its container.

        Such a failure of runc (seen: "read init-p: connection reset by peer") comes before anything has run.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                container = self.container(DATABASE_NODE, POSTGRES)
                program = ("docker", "exec", "-i", container, *_SOCKET, "--username=medianest", "medianest")
                return self.inside(DATABASE_NODE, *program, text=sql).strip()
            except AssertionError as error:
                if time.monotonic() > end or not _not_yet(str(error)):
                    raise
            time.sleep(1)

    # --- What the swarm holds -----------------------------------------------------------------------------------------

    def container(self, node: str, service: str) -> str:
        """The ID of the service's running container on the node."""
        label = f"label=com.docker.swarm.service.name={service}"
        found = self.lab.run(node, "docker ps --quiet --filter status=running --filter %s", label).split()
        assert found, f"{node}: no container of {service} runs"
        return found[0]

    def secret_hash(self, service: str, secret: str) -> str:
        """SHA-256 of the secret's file as the service's container sees it, under the name it has there."""
        tasks = [task for task in self.lab.running_tasks(service) if task["CurrentState"].startswith("Running")]
        assert tasks, f"no task of {service} runs"
        node = tasks[0]["Node"]
        program = ("docker", "exec", self.container(node, service), "sha256sum", f"/run/secrets/{secret}")
        return self.inside(node, *program).split()[0]

    def snapshot(self) -> Json:
        """Everything a recovery must bring back, with names where the engine has IDs: equal before and after."""
        found = {kind: self._inspected(kind) for kind in ("service", "network", "secret", "config", "node")}
        names = {one["ID"]: _name(one) for kind in ("secret", "config") for one in found[kind]}
        names |= {one["Id"]: one["Name"] for one in found["network"]}
        services = {_name(one): _service(one["Spec"], names) for one in found["service"]}
        return {
            "services": services,
            "secrets": {
                f"{service}: {file}": self.secret_hash(service, file)
                for service, spec in sorted(services.items())
                for file in sorted(_secret_files(spec))
            },
            "secret_labels": {_name(one): one["Spec"].get("Labels") or {} for one in found["secret"]},
            "configs": {
                _name(one): {
                    "labels": one["Spec"].get("Labels") or {},
                    "sha256": hashlib.sha256(base64.b64decode(one["Spec"].get("Data") or "")).hexdigest(),
                }
                for one in found["config"]
            },
            "networks": {one["Name"]: _network(one) for one in found["network"] if one["Scope"] == "swarm"},
            "nodes": {
                one["Description"]["Hostname"]: {
                    "role": one["Spec"]["Role"],
                    "availability": one["Spec"]["Availability"],
                    "labels": one["Spec"].get("Labels") or {},
                }
                for one in found["node"]
            },
        }

    def _inspected(self, kind: str) -> list[Json]:
        manager = self.lab.manager()
        ids = " ".join(self.lab.run(manager, f"docker {kind} ls --quiet").split())
        answer: list[Json] = json.loads(self.lab.run(manager, f"docker {kind} inspect {ids}")) if ids else []
        return answer

    def inside(self, node: str, *program: str, text: str = "") -> str:
        """What a program on the node prints that is given ``text`` on its standard input; it must succeed."""
        return _run(["docker", "exec", "-i", f"flotilla-{node}", *program], text)


def address(node: str, moved: bool = False) -> str:
    """The node's address, or its other one."""
    return f"172.30.77.{_NUMBERS[node[0]] + int(node[1:]) + (_MOVED_BY if moved else 0)}"


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Where two snapshots differ: a line each, with both values."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return [
            line
            for key in sorted({*before, *after}, key=str)
            for line in differences(before.get(key), after.get(key), f"{path}/{key}")
        ]
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]


def _run(command: Sequence[str], text: str = "") -> str:
    done = subprocess.run(command, input=text, text=True, capture_output=True, timeout=DEADLINE, check=False)
    # The engine writes on the standard output why it could not start a program in a container.
    assert done.returncode == 0, f"{' '.join(command)}: rc {done.returncode}: {done.stdout[-500:]}{done.stderr}"
    return done.stdout


def _not_yet(said: str) -> bool:
    """Whether this is what is heard of a database that starts, or that nobody could be sent to."""
    return any(words in said for words in _NOT_YET)


def _name(found: Mapping[str, Any]) -> str:
    return str(found["Spec"]["Name"])


def _service(spec: Json, names: Mapping[str, str]) -> Json:
    """The spec with names for IDs, and without the counter of forced restarts: a recovery may rebalance."""
    named: Json = _renamed(spec, names)
    named["TaskTemplate"].pop("ForceUpdate", None)
    return named


def _network(found: Json) -> Json:
    kept = {key: found.get(key) for key in ("Driver", "Internal", "Attachable", "EnableIPv6", "Labels")}
    # The engine chooses the network's number on the wire itself.
    options = {key: value for key, value in (found.get("Options") or {}).items() if not key.endswith("vxlanid_list")}
    return {**kept, "Options": options}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


def _secret_files(spec: Json) -> list[str]:
    """The file names by which the service's containers see their secrets."""
    secrets = spec["TaskTemplate"]["ContainerSpec"].get("Secrets") or []
    return [secret["File"]["Name"] for secret in secrets]
