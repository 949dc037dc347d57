# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups on the running lab: the agent on its nodes, and a room of its own in which it meets bad repositories."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.support.lab import INVENTORY, MANAGERS, PLAIN, ROOT, WORKERS, Lab

Json = dict[str, Any]
Done = subprocess.CompletedProcess[str]

AGENT = "/usr/local/lib/flotilla/backup.pyz"
SETTINGS = "/etc/flotilla/backup"
STAGING = "/var/lib/flotilla/backup/staging/raft"
STATUS = "/var/lib/flotilla/backup/status"
MARKER = "/run/flotilla/backup/engine-stopped"
KEY = "/run/flotilla/backup/unlock-key"
LOCK = "flotilla_backup_lock"
DEADLINE = 300
"""Seconds for one run of the agent."""

_AGENTS_OWN = f"""
import dataclasses, json, subprocess, sys
sys.path.insert(0, {AGENT!r})
from flotilla._agent import store
from flotilla._core.backup import restic
from flotilla._host.restic import Restic
settings = store.settings()
"""
_LIST = _AGENTS_OWN + "print(json.dumps([dataclasses.asdict(one) for one in Restic(settings).snapshots()]))\n"
_COPY = (
    _AGENTS_OWN
    + f"""
local, password, ID = sys.argv[1:4]
words = restic.base(settings)
options = words[words.index("--option"):] if "--option" in words else []
target = ["restic", "--quiet", "--no-cache", "--repo", local, "--password-file", password]
subprocess.run([*target, "init"], check=True)
source = ["--from-repo", settings.repository, "--from-password-file", {SETTINGS + "/password"!r}, *options]
subprocess.run([*target, "copy", *source, ID], check=True)
"""
)


def _unit(job: str, verify: bool) -> str:
    return f"flotilla-{'verify' if verify else 'backup'}@{job}.service"


class Backups:
    """The agent's units on the lab's nodes, and what they left."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    # --- Running ------------------------------------------------------------------------------------------------------

    def run(self, node: str, job: str, *, verify: bool = False) -> bool:
        """Back up, or verify, as the timer does, and wait for the end; whether it went well."""
        started = self.lab.node(node).run(f"timeout {DEADLINE} systemctl start %s", _unit(job, verify))
        return bool(started.rc == 0)

    def begin(self, node: str, job: str) -> None:
        """Start a backup without waiting for anything."""
        self.lab.run(node, "systemctl start --no-block %s", _unit(job, verify=False))

    def everywhere(self, *, verify: bool = False) -> None:
        """All jobs, on all nodes at the same time."""
        nodes = (*MANAGERS, *WORKERS)
        with ThreadPoolExecutor(max_workers=len(nodes)) as pool:
            went = dict(zip(nodes, pool.map(lambda node: self.run(node, "all", verify=verify), nodes), strict=True))
        failed = {node: self.words(node, "all", verify=verify) for node, well in went.items() if not well}
        assert not failed, failed

    def words(self, node: str, job: str, *, verify: bool = False) -> str:
        """What the agent wrote to the journal when it ran last."""
        # Of a unit that ended well systemd itself forgets the invocation; the journal does not.
        self.lab.run(node, "journalctl --sync")
        last = "journalctl --quiet --output=cat --no-pager --invocation=0 --unit=%s"
        return self.lab.run(node, last, _unit(job, verify))

    def ended(self, node: str, job: str, *, verify: bool = False) -> bool:
        """Whether the unit has ended, its ExecStopPost too."""
        unit = _unit(job, verify)
        state = self.lab.run(node, "systemctl show --property=ActiveState --value %s", unit).strip()
        return state in ("inactive", "failed")

    # --- What there is ------------------------------------------------------------------------------------------------

    def jobs(self) -> list[Json]:
        return list(json.loads(self.lab.run(MANAGERS[0], f"cat {SETTINGS}/settings.json"))["jobs"])

    def status(self, node: str, job: str) -> Json | None:
        """How the job stands on this node; None where this node never did it."""
        path = f"{STATUS}/{job}.json"
        if not self.lab.node(node).file(path).exists:
            return None
        return dict(json.loads(self.lab.run(node, "cat %s", path)))

    def noted(self, node: str, job: str) -> Json:
        """How the job stands on this node, which did it."""
        found = self.status(node, job)
        assert found, f"{node} never did {job}"
        return found

    def statuses(self, job: str) -> dict[str, Json]:
        """Node to how the job stands on it, of the nodes that ever did it."""
        found = {node: self.status(node, job) for node in (*MANAGERS, *WORKERS)}
        return {node: status for node, status in found.items() if status}

    def snapshots(self, node: str) -> list[Json]:
        """All that the repository holds, the oldest first, asked by the agent's own code."""
        return list(json.loads(self.lab.run(node, "python3 -c %s", _LIST)))

    # --- Managers -----------------------------------------------------------------------------------------------------

    def leader(self) -> str:
        return next(name for name, node in self.lab.nodes().items() if (node.get("ManagerStatus") or {}).get("Leader"))

    def followers(self) -> list[str]:
        """The reachable managers that don't lead; the first is the one whose turn it is to back up the raft state."""
        nodes = {name: node for name, node in self.lab.nodes().items() if node.get("ManagerStatus")}
        reachable = [name for name, node in nodes.items() if node["ManagerStatus"]["Reachability"] == "reachable"]
        return sorted(set(reachable) - {self.leader()}, key=lambda name: str(nodes[name]["ID"]))

    def reachable(self, name: str) -> bool:
        """Whether the leader reaches this manager."""
        manager = self.lab.nodes()[name].get("ManagerStatus") or {}
        return bool(manager.get("Reachability") == "reachable")

    def engine(self, node: str) -> str:
        """The engine's process: another one after a restart, 0 while it is stopped."""
        return self.lab.run(node, "systemctl show --property=MainPID --value docker.service").strip()

    @contextmanager
    def slow_stop(self, node: str, seconds: int = 15) -> Iterator[None]:
        """The node's engine takes so long to stop, without running, that a test can see it happen."""
        drop_in = "/run/systemd/system/docker.service.d"
        text = f"[Service]\\nExecStopPost=/bin/sleep {seconds}\\n"
        self.lab.run(node, f"mkdir -p {drop_in} && printf '{text}' > {drop_in}/slow.conf && systemctl daemon-reload")
        try:
            yield
        finally:
            self.lab.run(node, f"rm {drop_in}/slow.conf && systemctl daemon-reload")

    def wait_until_stopped(self, node: str) -> None:
        """Until the backup has stopped the node's engine."""
        script = f"until [ -e {MARKER} ] && [ $(systemctl show --property=MainPID --value docker.service) = 0 ]"
        self.lab.run(node, f"timeout 60 sh -c '{script}; do sleep 0.1; done'")


class Room:
    """The agent on a real node, with files of its own in place of the node's: in a mount namespace.

    Nothing of the node's own settings, statuses and fetched states is within its reach.
    """

    PLACES: Mapping[str, str] = {
        "etc": SETTINGS,
        "var": "/var/lib/flotilla/backup",
        "recovery": "/var/lib/flotilla/recovery",
        "run": "/run/flotilla/backup",
    }
    ROOT = "/tmp/flotilla-room"  # noqa: S108  on the node, which nobody else uses
    PASSWORD = ROOT + "/etc/password"
    _ENTER = 'for pair in %s; do mount --bind $0/${pair%%%%:*} ${pair#*:}; done; exec "$@"' % " ".join(
        f"{name}:{path}" for name, path in PLACES.items()
    )

    def __init__(self, lab: Lab, node: str) -> None:
        self.lab = lab
        self.node = node
        self.close()
        lab.run(
            node, "mkdir -p -m 0700 " + " ".join(f"{self.ROOT}/{name} {path}" for name, path in self.PLACES.items())
        )
        lab.run(node, f"cp {SETTINGS}/* {self.ROOT}/etc/ && mkdir -p {self.ROOT}/var/status {self.ROOT}/var/staging")

    def close(self) -> None:
        self.lab.run(self.node, f"rm -rf {self.ROOT}")

    def inside(self, *program: str, text: str = "") -> Done:
        """Run a program with the room's files in place of the node's."""
        command = ["docker", "exec", "-i", f"flotilla-{self.node}", "timeout", str(DEADLINE)]
        command += ["unshare", "--mount", "sh", "-ec", self._ENTER, self.ROOT, *program]
        return subprocess.run(command, input=text, text=True, capture_output=True, timeout=DEADLINE + 30, check=False)

    def must(self, *program: str, text: str = "") -> str:
        """The output of a program inside, which must succeed."""
        done = self.inside(*program, text=text)
        assert done.returncode == 0, f"{program}: {done.stderr}"
        return done.stdout

    def agent(self, *words: str) -> Done:
        return self.inside("python3", AGENT, *words)

    def configure(self, repository: str, password: str = "", **settings: Any) -> None:
        """Have the agent use another repository, and other settings besides."""
        path = f"{self.ROOT}/etc/settings.json"
        found = json.loads(self.lab.run(self.node, f"cat {path}"))
        local = {"repository": repository, "ssh_port": 0, "textfile": ""}
        self.must("tee", f"{SETTINGS}/settings.json", text=json.dumps({**found, **local, **settings}))
        if password:
            self.must("tee", f"{SETTINGS}/password", text=password + "\n")

    def copy_of(self, snapshot: str, name: str) -> str:
        """A new repository here, whose one snapshot is a copy of this one; its path."""
        path = f"{self.ROOT}/{name}"
        self.lab.run(self.node, "python3 -c %s %s %s %s", _COPY, path, f"{SETTINGS}/password", snapshot)
        return path

    def twin(self, repository: str, name: str) -> str:
        """A copy of a repository, to spoil; its path."""
        path = f"{self.ROOT}/{name}"
        self.lab.run(self.node, f"cp -a {repository} {path}")
        return path

    def restic(self, repository: str, *words: str) -> str:
        base = ("restic", "--quiet", "--no-cache", "--repo", repository, "--password-file", f"{SETTINGS}/password")
        return self.must(*base, *words)

    def edited(
        self, repository: str, cluster_id: str, metadata: Mapping[str, Any] | None = None, key: str = ""
    ) -> None:
        """Add a snapshot as the one that is there, but for some of its metadata, or with another unlock key."""
        self.must("rm", "-rf", STAGING)
        self.must("mkdir", "-p", STAGING)
        self.restic(repository, "restore", f"latest:{STAGING}", "--target", STAGING)
        written = json.loads(self.must("cat", f"{STAGING}/metadata.json"))
        self.must("tee", f"{STAGING}/metadata.json", text=json.dumps({**written, **(metadata or {})}))
        paths = [STAGING]
        if key:
            self.must("tee", KEY, text=key + "\n")
            paths.append(KEY)
        tags = [word for tag in ("job=raft", "kind=raft", f"swarm={cluster_id}") for word in ("--tag", tag)]
        self.restic(repository, "backup", "--host", self.node, *tags, *paths)
        self.must("rm", "-rf", STAGING, KEY)

    def fetched(self) -> str:
        """A digest of the state that was fetched last, all its files, owners and modes."""
        return self.must("sh", "-c", "cd /var/lib/flotilla/recovery && tar --sort=name -c state | sha256sum")


def drill(lab: Lab, name: str, report: str, *arguments: str, confirm: str) -> Done:
    """Destroy, recover, compare and measure, as a user would."""
    return lab.playbook(
        "playbooks/dr/drill.yml",
        *("-e", f"drill={name}", "-e", f"drill_report={report}", "-e", f"confirm={confirm}"),
        *("-e", f"drill_destroy={ROOT}/lab/destroy_nodes.yml", "-e", f"drill_make={ROOT}/lab/up.yml"),
        *arguments,
        timeout=2400,
    )


def cluster_id(lab: Lab) -> str:
    return lab.run(lab.manager(), "docker info --format '{{.Swarm.Cluster.ID}}'").strip()


def module(host: str, name: str, options: Mapping[str, Any]) -> tuple[Done, float]:
    """What one of our modules did on a host, and in how many seconds, Ansible's own included."""
    arguments = ["-a", json.dumps(options)] if options else []
    begin = time.monotonic()
    done = subprocess.run(
        ["ansible", "-i", INVENTORY, host, "-m", f"flotilla.swarm.{name}", *arguments],
        cwd=ROOT,
        env=PLAIN,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=DEADLINE,
        check=False,
    )
    return done, time.monotonic() - begin


def outer(*words: str) -> str:
    """What this machine's own docker prints: nodes are its containers."""
    command: Sequence[str] = ("docker", *words)
    done = subprocess.run(command, text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
