# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What recovering a swarm does on one host: it puts the host's files and its engine together, as no lower room may.

Everything that can be wrong is looked for before the engine is stopped. What is stopped is started again. What the
engine had on its disk is kept aside, and is put back unless the engine may have made its swarm anew.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ._agent import fetch, lock, store
from ._agent.turns import look as look_at_node
from ._core import certificate, membership
from ._core.backup import jobs, turns
from ._core.backup import state as backup_state
from ._core.errors import DeclarationError
from ._core.membership import MANAGER, Membership
from ._core.plan import UPDATE, Difference, Plan, Step
from ._core.recovery import node_key as key_core
from ._core.recovery.keys import locked as is_locked
from ._engine import host, swarm_spec
from ._engine.client import Json
from ._engine.errors import EngineError, EngineUnreachable
from ._engine.host import HostEngine
from ._engine.local import LocalEngine
from ._engine.wait import DeadlineExceeded, wait_until
from ._host import command, engine_service, node_key, swarm_state
from ._host.errors import HostError
from ._host.restic import Restic

DOCKER_ROOT = "/var/lib/docker"
DAEMON_JSON = Path("/etc/docker/daemon.json")
PORT = 2377
PROBE_SECONDS = 2.0
OWN = "own"
FETCHED = "fetched"
SOURCES = (OWN, FETCHED)
_VERSION = re.compile(r"version (\d+\.\d+\.\d+)")
_KEK_VERSION = "kek-version"
_STACK = "com.docker.stack.namespace"
_SERVICE = "com.docker.swarm.service.name"
_START = 60.0
"""Seconds for the engine to stop, and to start."""


# -- evidence ----------------------------------------------------------------------------------------------------------


def look(path: str) -> tuple[Membership, str]:
    """What this host is to a swarm, and its engine's data directory.

    Where the engine does not say it, the state on its disk does: whose manager a host was that has a dead engine, or
    one that stands in the middle of a recovery.
    """
    seen, info = membership.NOT_INSTALLED, None
    if host.is_installed(path):
        try:
            info = HostEngine(path).info()
        except EngineUnreachable as error:
            seen = Membership(membership.SILENT, error=str(error))
        else:
            seen = host.membership_of(info)
    root = docker_root(info)
    if seen.cluster_id:
        return seen, root
    found = host.read_certificate(root)
    if found is None:
        return seen, root
    return replace(seen, cluster_id=found.cluster_id, node_id=found.node_id, role=found.role), root


def docker_root(info: Json | None, daemon_json: Path = DAEMON_JSON) -> str:
    """The engine's data directory: by its own word, else by its configuration.

    Raises:
        HostError: the configuration can't be read.
    """
    if info and info.get("DockerRootDir"):
        return str(info["DockerRootDir"])
    try:
        configured = json.loads(daemon_json.read_text(encoding="utf-8") or "{}")
    except FileNotFoundError:
        return DOCKER_ROOT
    except (OSError, ValueError) as error:
        raise HostError("%s tells where the engine's data is, and can't be read: %s" % (daemon_json, error)) from error
    return str(configured.get("data-root") or DOCKER_ROOT)


def known_managers(seen: Membership, root: str) -> list[dict[str, str]]:
    """Node ID and address of the managers that this host knows: from its engine, else from what the engine left.

    Raises:
        HostError: what it left can't be read.
    """
    if seen.remote_managers:
        return [{"node_id": node_id, "address": address} for node_id, address in seen.remote_managers]
    path = Path(root) / "swarm" / "state.json"
    try:
        peers = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise HostError("%s names the swarm's managers, and can't be read: %s" % (path, error)) from error
    return [{"node_id": str(peer["node_id"]), "address": str(peer["addr"])} for peer in peers or ()]


def open_ports(addresses: Iterable[str], seconds: float = PROBE_SECONDS) -> list[str]:
    """Which of these ``address:port`` take a TCP connection from here within so many seconds; all are asked at once."""
    asked = sorted(set(addresses))
    if not asked:
        return []
    with ThreadPoolExecutor(max_workers=len(asked)) as pool:
        answers = list(pool.map(lambda address: _is_open(address, seconds), asked))
    return [address for address, answered in zip(asked, answers) if answered]


def _is_open(address: str, seconds: float) -> bool:
    name, _colon, port = address.rpartition(":")
    try:
        with socket.create_connection((name.strip("[]"), int(port)), timeout=seconds):
            return True
    except OSError:
        return False


def with_port(address: str) -> str:
    """``address:2377`` of an address without a port; an IPv6 one gets its brackets."""
    if address.startswith("["):
        return address if "]:" in address else "%s:%d" % (address, PORT)
    colons = address.count(":")
    if colons > 1:
        return "[%s]:%d" % (address, PORT)
    return address if colons else "%s:%d" % (address, PORT)


# -- a manager kept from coming back -----------------------------------------------------------------------------------


def fence(path: str, cluster_id: str, *, dry_run: bool) -> dict[str, Any]:
    """Stop this host's engine and set its state of this swarm aside, so that it is no manager any more.

    Raises:
        DeclarationError: it holds another swarm's state, or answers for this one.
    """
    seen, root = look(path)
    if not seen.cluster_id:
        return {"changed": False, "kept": ""}
    if seen.cluster_id != cluster_id:
        raise DeclarationError(
            "cluster_id: this host's state is of the swarm %s, not of %s: it is left alone"
            % (seen.cluster_id, cluster_id)
        )
    if seen.answers:
        raise DeclarationError("this host answers for the swarm %s, so its quorum is not lost" % cluster_id)
    if dry_run:
        return {"changed": True, "kept": ""}
    engine_service.stop(_START)
    return {"changed": True, "kept": str(swarm_state.set_aside(Path(root) / "swarm") or "")}


# -- a swarm made anew -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """How the swarm is made anew on this host.

    Attributes:
        source: ``own`` (out of this host's state) or ``fetched`` (out of a backup).
        state_dir: the fetched state, beside its ``metadata.json``.
        cluster_id: the swarm's ID, which the state must have.
        advertise_addr, listen_addr, data_path_addr: as in the engine's API; "" = the engine chooses.
        data_path_port: UDP port of the overlay traffic; 0 = the default.
        unlock_key: opens the state of a swarm with autolock; "" = none is given.
        key_from_backup: where one is needed and none is given, take that of the newest backup.
        autolock: whether managers are to be locked afterwards; None = as the state has it.
        deadline: seconds for everything.
    """

    source: str
    cluster_id: str
    state_dir: str = ""
    advertise_addr: str = ""
    listen_addr: str = "0.0.0.0:2377"
    data_path_addr: str = ""
    data_path_port: int = 0
    unlock_key: str = field(default="", repr=False)
    key_from_backup: bool = False
    autolock: bool | None = None
    deadline: float = 120.0


@dataclass(frozen=True)
class Prepared:
    """What was found before anything was touched.

    Attributes:
        state: the directory whose state the swarm goes on with.
        root: where the engine has its own.
        unlock_key: what opens the state; "" when it is not locked.
        autolock: whether managers are to be locked afterwards.
        done: the swarm lives here already, and nothing is left to do.
        node_id: of this node, by its certificate.
    """

    state: Path
    root: Path
    unlock_key: str = field(repr=False)
    autolock: bool
    done: bool
    node_id: str


def prepare(path: str, wanted: Request) -> Prepared:
    """Look for everything that can be wrong. Changes nothing.

    Raises:
        DeclarationError: the host or the state is not what was asked for, or the key does not open it.
        HostError, EngineError: it can't be told.
    """
    seen, docker = look(path)
    root = Path(docker) / "swarm"
    done = _is_done(path, seen, wanted)
    if done:
        return Prepared(root, root, "", is_locked(LocalEngine(path).swarm_inspect()), True, str(seen.node_id))
    state = root if wanted.source == OWN else Path(wanted.state_dir)
    found = _certificate(state)
    problems = []
    if found.cluster_id != wanted.cluster_id:
        problems.append(
            "cluster_id: %s holds the state of the swarm %s, not of %s" % (state, found.cluster_id, wanted.cluster_id)
        )
    if found.role != MANAGER:
        problems.append("%s holds a worker's state, out of which no swarm can be made" % state)
    metadata = _metadata(state) if wanted.source == FETCHED else {}
    if wanted.source == FETCHED:
        problems += backup_state.problems(metadata, wanted.cluster_id, _engine_version(path))
    if problems:
        raise DeclarationError(*problems)
    key = _key(state, wanted)
    before = bool(metadata["autolock"]) if metadata else bool(key) or _was_locked(root, str(found.node_id))
    autolock = before if wanted.autolock is None else wanted.autolock
    return Prepared(state, root, key, autolock, False, str(found.node_id))


def _key(state: Path, wanted: Request) -> str:
    """The unlock key, proved to open the state; "" when it is not locked.

    Raises:
        HostError: it can't be opened.
    """
    locked = _read_key(state / node_key.KEY).encrypted
    if wanted.source == OWN and not locked:
        return ""  # its engine has opened it, and a host without backups lacks what opens it without an engine
    key = wanted.unlock_key
    if locked and not key and wanted.key_from_backup:
        key = _key_from_backup(wanted.cluster_id)
    return key if node_key.check(state, key or None) else ""


def _was_locked(root: Path, node_id: str) -> bool:
    """Whether this node's key was locked in a state that was set aside here.

    A recovery that failed late leaves the key open, and it alone would say that there was no autolock.
    """
    for aside in root.parent.glob(root.name + ".aside-*"):
        with contextlib.suppress(HostError):  # no state, or half of one, says nothing
            if _certificate(aside).node_id == node_id and _read_key(aside / node_key.KEY).encrypted:
                return True
    return False


def _key_from_backup(cluster_id: str) -> str:
    """The unlock key that was kept with the newest backup of a swarm's state; "" when it had no autolock then.

    Raises:
        HostError: there is no backup, or it can't be read.
    """
    settings = store.settings()
    repository = Restic(settings)
    found = fetch.choose(repository.snapshots(), fetch.LATEST, cluster_id)
    metadata = fetch.read_metadata(repository, found.id)
    problems = backup_state.problems(metadata, cluster_id, str(metadata.get("engine_version")))
    if problems:
        raise HostError("the snapshot %s gives no unlock key: %s" % (found.id, "; ".join(problems)))
    return fetch.unlock_key(repository, found.id, metadata)


def _is_done(path: str, seen: Membership, wanted: Request) -> bool:
    """Whether the swarm lives here already.

    Raises:
        DeclarationError: it lives with others too, or the host is in another swarm.
    """
    if seen.local_state in (membership.ACTIVE, membership.PENDING, membership.LOCKED, membership.ERROR):
        if seen.cluster_id != wanted.cluster_id:
            raise DeclarationError(
                "cluster_id: this host is in the swarm %s, not in %s: check the inventory"
                % (seen.cluster_id, wanted.cluster_id)
            )
        if wanted.source == FETCHED and not seen.answers:
            raise DeclarationError(
                "source: this host holds a state of the swarm %s itself, which is newer than any backup: use "
                "playbooks/dr/quorum_loss.yml, or let the host leave with `docker swarm leave --force`"
                % wanted.cluster_id
            )
    if not seen.answers:
        return False
    others = [node for node in LocalEngine(path).nodes() if node.get("ManagerStatus") and node["ID"] != seen.node_id]
    if wanted.source == OWN and others:
        raise DeclarationError(
            "source: this host answers for the swarm %s, which has its quorum: there is nothing to recover"
            % wanted.cluster_id
        )
    return True


def planned(found: Prepared, wanted: Request) -> Plan:
    """What is shown before it is done."""
    if found.done:
        return Plan()
    differences = [
        Difference("state", None, str(found.state)),
        Difference("managers", "those of the state", "this host alone"),
        Difference("advertise_addr", None, wanted.advertise_addr or "chosen by the engine"),
        Difference("autolock", None, found.autolock),
    ]
    return Plan((Step(UPDATE, "swarm", wanted.cluster_id, tuple(differences)),))


def recover(
    path: str,
    wanted: Request,
    found: Prepared,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Make the swarm anew on this host, and wait until the host leads it.

    Returns:
        ``node_id``, ``kept`` (where the state is that was there before; "" when there was none) and ``autolock``.

    Raises:
        HostError, EngineError: it failed. The message says where the state is that was there before: where it was, if
            the engine refused.
    """
    end = clock() + wanted.deadline
    engine = LocalEngine(path)
    kept = _replace_state(found)
    request = {
        "AdvertiseAddr": wanted.advertise_addr,
        "ListenAddr": wanted.listen_addr,
        "DataPathAddr": wanted.data_path_addr,
        "DataPathPort": wanted.data_path_port,
        # Else the engine switches autolock off (moby: daemon/cluster, initClusterSpec), and the unlock key is gone.
        "Spec": {"EncryptionConfig": {"AutoLockManagers": found.autolock}},
    }
    try:
        _force(engine, request)
    except EngineError as error:
        error.args = (_put_back(error, kept, found.root, replaced=True),)
        raise
    try:
        node_id = _lead(engine, max(1.0, end - clock()), clock, sleep)
        swarm_spec.set_autolock(engine, found.autolock)
        lock.forget(engine)
    except (EngineError, HostError) as error:
        error.args = ("%s. The state that was there before is in %s" % (error, kept or "no place: there was none"),)
        raise
    return {"node_id": node_id, "kept": str(kept or ""), "autolock": is_locked(engine.swarm_inspect())}


def _replace_state(found: Prepared) -> Path | None:
    """With the engine stopped, make its state the one to go on with, and start it; it then takes part in no swarm.

    It is made beside the engine's own, whose place it takes when it is whole: a host that dies meanwhile has its state.

    Returns:
        Where the state is that was there before; None when there was none.

    Raises:
        HostError: it failed. The message says whether what was there before is there again.
    """
    kept: Path | None = None
    replaced = False
    new = _new(found.root)
    try:
        engine_service.stop(_START)
        swarm_state.remove(new)
        swarm_state.put(found.state, new)
        if found.unlock_key:
            node_key.unlock(new, found.unlock_key)
        _forget_lock(new)
        swarm_state.forget_addresses(new)
        kept = swarm_state.set_aside(found.root)
        replaced = True
        swarm_state.move(new, found.root)
        engine_service.start(_START)
    except HostError as error:
        raise HostError(_put_back(error, kept, found.root, replaced=replaced)) from error
    return kept


def _new(root: Path) -> Path:
    """Where a state is made; also where one lies that a recovery which was killed has left."""
    return root.with_name(root.name + ".new")


def _forget_lock(state: Path) -> None:
    """Let the key of this copy be older than any unlock key, so that the engine locks it by the one that the swarm has.

    Of two that claim to be the same version, one of them no key at all, its manager would stop (swarmkit:
    manager/deks.go, compareKEKs). A key that is locked stays as it is.
    """
    path = state / node_key.KEY
    key = _read_key(path)
    if key.encrypted or _KEK_VERSION not in key.headers:
        return
    try:
        path.write_bytes(key_core.render(replace(key, headers={**key.headers, _KEK_VERSION: "0"})))
    except OSError as error:
        raise HostError("%s can't be written: %s" % (path, error.strerror)) from error


def _put_back(why: Exception, kept: Path | None, root: Path, *, replaced: bool) -> str:
    """Let the engine have again what it had; what to tell of that, and of what led here.

    Args:
        why: what led here.
        kept: where the state is that was there before; None when it was not set aside, or there was none.
        replaced: whether what is in its place now, if anything, is a copy.
    """
    new = _new(root)
    try:
        engine_service.stop(_START)
        if replaced:
            _swap_back(kept, root, new)
    except HostError as error:
        if replaced:  # the engine is not started on what is half put back
            told = "the swarm was not made anew: %s. What was there before is not put back, and is in %s: %s"
            return told % (why, kept or "no place: there was none", error)
    told = "the swarm was not made anew, and this host's state is as it was: %s" % why
    steps: tuple[Callable[[], None], ...] = (lambda: swarm_state.remove(new), lambda: engine_service.start(_START))
    for step in steps:
        try:
            step()
        except HostError as error:
            told += "; %s" % error
    return told


def _swap_back(kept: Path | None, root: Path, new: Path) -> None:
    """Take the copy out of the place of what was there before, and put that back."""
    if root.exists():
        swarm_state.remove(new)
        swarm_state.move(root, new)
    if kept is not None:
        swarm_state.move(kept, root)


def _force(engine: LocalEngine, request: Json) -> None:
    try:
        engine.force_new_cluster(request)
    except EngineUnreachable:
        return  # no answer in time is no refusal: what is awaited next tells


def _lead(engine: LocalEngine, deadline: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> str:
    """Wait until this node leads the swarm and is ready; its ID."""

    def read() -> Json | str:
        try:
            own = (engine.info().get("Swarm") or {}).get("NodeID")
            return next((node for node in engine.nodes() if node["ID"] == own), "the swarm has no such node")
        except EngineError as error:  # it starts, and elects itself
            return str(error)

    try:
        seen = wait_until(read, _leads, deadline, clock=clock, sleep=sleep)
    except DeadlineExceeded as late:
        said = late.last if isinstance(late.last, str) else json.dumps(late.last.get("ManagerStatus") or {})
        raise EngineError("the swarm was made anew, and has no leader after %g s (%s)" % (deadline, said)) from late
    return str(seen["ID"]) if isinstance(seen, dict) else ""


def _leads(node: Json | str) -> bool:
    if isinstance(node, str):
        return False
    return bool((node.get("ManagerStatus") or {}).get("Leader")) and (node.get("Status") or {}).get("State") == "ready"


def _certificate(state: Path) -> certificate.Certificate:
    path = state / node_key.CERTIFICATE
    try:
        return certificate.parse(path.read_bytes())
    except FileNotFoundError as error:
        raise HostError("%s holds no state of a swarm: there is no %s" % (state, path)) from error
    except (OSError, ValueError) as error:
        raise HostError("%s says of which swarm the state is, and can't be read: %s" % (path, error)) from error


def _read_key(path: Path) -> key_core.NodeKey:
    try:
        return key_core.parse(path.read_bytes())
    except DeclarationError as error:
        raise HostError("%s: %s" % (path, error)) from error
    except OSError as error:
        raise HostError("%s can't be read: %s" % (path, error.strerror)) from error


def _metadata(state: Path) -> dict[str, Any]:
    path = state.parent / "metadata.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HostError("%s belongs to the backup, and can't be read: %s" % (path, error)) from error
    if not isinstance(found, dict):
        raise HostError("%s belongs to the backup, and is no JSON object" % path)
    return found


def _engine_version(path: str) -> str:
    """The version of this host's engine, be it up or not."""
    try:
        return str(HostEngine(path).info().get("ServerVersion") or "")
    except EngineUnreachable:
        said = command.demand(["dockerd", "--version"], "the engine's version can't be told")
    version = _VERSION.search(said)
    if version is None:
        raise HostError("the engine's version can't be told from %r" % said.strip())
    return version[1]


# -- data --------------------------------------------------------------------------------------------------------------


def restore_places(path: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """For each of these jobs whether it can be restored on this node, and which services must stand still for that.

    Raises:
        HostError, EngineError: it can't be told, or there is no such job.
    """
    engine = LocalEngine(path)
    by_name = {job.name: job for job in store.settings().jobs}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise HostError("there is no job %s: name one of %s" % (", ".join(unknown), ", ".join(by_name)))
    return [
        {"job": job.name, "here": here, "reason": reason, "stop": _users(engine, job) if here else []}
        for job, here, reason in turns.mine([by_name[name] for name in names], look_at_node(engine))
    ]


def _users(engine: LocalEngine, job: jobs.Job) -> list[dict[str, str]]:
    """The services whose containers use a volume that is not frozen for its backup.

    Raises:
        HostError: a container that is no service's uses it, which nothing here can stop and start again.
    """
    if job.kind != jobs.VOLUME or job.options["consistency"] == jobs.PAUSED:
        return []
    found = []
    for container in engine.containers(volume=str(job.options["volume"])):
        labels = container.get("Labels") or {}
        stack, service = str(labels.get(_STACK) or ""), str(labels.get(_SERVICE) or "")
        if not stack or not service:
            raise HostError(
                "%s: the container %s uses the volume and is no stack's: stop it, and start it after the restore"
                % (job.name, str((container.get("Names") or [container["Id"]])[0]).lstrip("/"))
            )
        found.append({"stack": stack, "service": service[len(stack) + 1 :]})
    return [each for number, each in enumerate(found) if each not in found[:number]]
