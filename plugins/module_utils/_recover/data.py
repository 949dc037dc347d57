# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where data can be restored, and what must stand still for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._agent import store
from .._agent.turns import look as look_at_node
from .._core.backup import jobs, turns
from .._engine.errors import NotFound
from .._engine.local import LocalEngine
from .._host.errors import HostError

_STACK = "com.docker.stack.namespace"
_SERVICE = "com.docker.swarm.service.name"


def restore_places(path: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """For each of these jobs whether it can be restored on this node, and which services must stand still for that.

    Raises:
        HostError, EngineError: it can't be told, or there is no such job.
    """
    engine = LocalEngine(path)
    settings = store.settings()
    by_name = {job.name: job for job in settings.jobs}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise HostError("there is no job %s: name one of %s" % (", ".join(unknown), ", ".join(by_name)))
    return [
        {
            "job": job.name,
            "node": settings.node,
            "here": here,
            "there": here or _is_there(engine, job),
            "reason": reason,
            "stop": _users(engine, job) if here else [],
        }
        for job, here, reason in turns.mine([by_name[name] for name in names], look_at_node(engine, settings.node))
    ]


def _is_there(engine: LocalEngine, job: jobs.Job) -> bool:
    """Whether a volume is on this node, though nothing uses it: its service may be scaled to 0, or gone elsewhere."""
    if job.kind != jobs.VOLUME:
        return False
    try:
        engine.volume(str(job.options["volume"]))
    except NotFound:
        return False
    return True


def _users(engine: LocalEngine, job: jobs.Job) -> list[dict[str, str]]:
    """The services whose containers use a volume. That they are frozen for its backup is not enough for a restore.

    Raises:
        HostError: a container that is no service's uses it, which nothing here can stop and start again.
    """
    if job.kind != jobs.VOLUME:
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
