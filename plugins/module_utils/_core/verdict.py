# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a service: not "the command exited 0" but what became of it, with the failing task's own words.

Everything is read from the engine's JSON (``GET /services``, ``/tasks``, ``/nodes``), so the same state gives the same
verdict to a deploy, a health check and a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import placement

Json = Mapping[str, Any]

CONVERGED = "converged"
JOB_COMPLETE = "job_complete"
PENDING = "pending"
ROLLED_BACK = "rolled_back"
PAUSED = "paused"
UNSCHEDULABLE = "unschedulable"
CRASHED = "crashed"
IMAGE_MISSING = "image_missing"
TIMEOUT = "timeout"
REPLACED = "replaced"
STATES = (
    CONVERGED,
    JOB_COMPLETE,
    PENDING,
    ROLLED_BACK,
    PAUSED,
    UNSCHEDULABLE,
    CRASHED,
    IMAGE_MISSING,
    TIMEOUT,
    REPLACED,
)
GOOD = (CONVERGED, JOB_COMPLETE)

IN_FLIGHT = ("updating", "rollback_started")
"""UpdateStatus.State while the swarm is still replacing tasks."""
STANDING = ("paused", "rollback_paused")
"""UpdateStatus.State of an update that stands half way: the swarm does nothing about it by itself."""

_UNSUCCESSFUL = ("failed", "rejected", "orphaned")
_ENDED = ("complete", "shutdown", "remove", *_UNSUCCESSFUL)
_BEFORE_NODE = ("new", "pending")
# What engines say when an image can't be had (moby's daemon/cluster and distribution errors, as tasks carry them).
_IMAGE_WORDS = (
    "no such image",
    "pull access denied",
    "manifest unknown",
    "manifest for ",
    "repository does not exist",
    "image operating system",
    "no matching manifest",
    "failed to pull image",
    "error pulling image",
    "invalid reference format",
)


@dataclass(frozen=True)
class TaskFailure:
    """A task that did not do what it should.

    Attributes:
        task: the task's ID.
        node: hostname of its node; empty when it never got one.
        state: the task's last state ("failed", "rejected", "pending" …).
        error: the engine's own words.
        exit_code: of the container; None when no container ended.
        log: the last lines it wrote, when somebody fetched them.
    """

    task: str
    node: str
    state: str
    error: str
    exit_code: int | None = None
    log: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "node": self.node,
            "state": self.state,
            "error": self.error,
            "exit_code": self.exit_code,
            "log": self.log,
        }

    def describe(self) -> str:
        """One line, and the log below it."""
        parts = ["task %s" % self.task[:12]]
        if self.node:
            parts.append("on %s" % self.node)
        parts.append(self.state)
        if self.exit_code is not None:
            parts.append("with exit code %d" % self.exit_code)
        line = " ".join(parts) + (": %s" % self.error if self.error else "")
        log = "".join("\n      | %s" % text for text in self.log.rstrip().splitlines())
        return line + ("\n    last log lines:" + log if log else "")


@dataclass(frozen=True)
class Verdict:
    """What became of one service.

    Attributes:
        service: the service's name.
        state: one of ``STATES``.
        reason: one sentence for people.
        running: tasks of the current spec that run (for a job: that completed).
        desired: tasks that should run (for a job: completions wanted).
        failure: the task that explains a bad state, when there is one.
        final: whether waiting longer can't change it without anybody's doing.
        update: the engine's UpdateStatus.State; empty when the service was never updated.
        tasks: IDs of the tasks counted in ``running``; a service is stable while they stay the same.
    """

    service: str
    state: str
    reason: str
    running: int
    desired: int
    failure: TaskFailure | None = None
    final: bool = False
    update: str = ""
    tasks: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return self.state in GOOD

    def timed_out(self) -> Verdict:
        """The verdict when the deadline came: what was only pending has timed out, a named trouble stays named."""
        if self.state != PENDING:
            return replace(self, final=True)
        return replace(self, state=TIMEOUT, reason="not done at the deadline: %s" % self.reason, final=True)

    def as_dict(self) -> dict[str, Any]:
        return {
            "service": self.service,
            "state": self.state,
            "reason": self.reason,
            "running": self.running,
            "desired": self.desired,
            "failure": self.failure.as_dict() if self.failure else None,
            "update_status": self.update,
        }

    def describe(self) -> str:
        """``name: state (running/desired): reason``, and the failing task below it."""
        line = "%s: %s (%d/%d): %s" % (self.service, self.state, self.running, self.desired, self.reason)
        return line + ("\n    " + self.failure.describe() if self.failure else "")


def judge(service: Json, tasks: Sequence[Json], nodes: Sequence[Json], *, as_declared: bool = False) -> Verdict:
    """The verdict on a service.

    Args:
        service: one entry of ``GET /services``.
        tasks: entries of ``GET /tasks``; those of other services are ignored.
        nodes: ``GET /nodes``.
        as_declared: the caller has compared the service's spec with the declaration and found it equal, so a rollback
            that ended long ago is history, not a failure of this spec.
    """
    spec = service.get("Spec") or {}
    mode = spec.get("Mode") or {}
    own = sorted((task for task in tasks if task.get("ServiceID") == service.get("ID")), key=_created, reverse=True)
    case = _Case(service, own, {str(node.get("ID")): node for node in nodes})
    if "ReplicatedJob" in mode or "GlobalJob" in mode:
        return case.judge_job()
    return case.judge_service(as_declared)


class _Case:
    """One service with its tasks (newest first) and the nodes."""

    def __init__(self, service: Json, tasks: Sequence[Json], nodes: Mapping[str, Json]) -> None:
        self._name = str((service.get("Spec") or {}).get("Name", ""))
        self._mode: Json = (service.get("Spec") or {}).get("Mode") or {}
        self._template: Json = (service.get("Spec") or {}).get("TaskTemplate") or {}
        self._job_iteration = _job_index(service.get("JobStatus"))
        update = service.get("UpdateStatus") or {}
        self._update = str(update.get("State") or "")
        self._message = str(update.get("Message") or "")
        self._nodes = nodes
        constraints = (self._template.get("Placement") or {}).get("Constraints") or []
        self._constraints = list(constraints)
        self._eligible = [str(node["ID"]) for node in placement.eligible(self._constraints, list(nodes.values()))]
        self._all = list(tasks)
        self._current = [task for task in tasks if self._is_current(task)]

    # -- which tasks count ------------------------------------------------------------------------------------------

    def _is_current(self, task: Json) -> bool:
        """Whether a task has the service's present spec.

        The API gives no SpecVersion on a task, so this is swarmkit's IsTaskDirty without it: equal templates, or
        templates that differ in placement alone while the task's node still satisfies it.
        """
        # The engine writes Runtime into a service's template and not into a task's spec (seen on 26.1).
        spec = {**(task.get("Spec") or {}), "Runtime": None}
        template = {**self._template, "Runtime": None}
        if spec == template:
            return True
        if {**spec, "Placement": None} != {**template, "Placement": None}:
            return False
        node = self._nodes.get(str(task.get("NodeID") or ""))
        return node is not None and placement.node_matches(self._constraints, node)

    @property
    def _is_global(self) -> bool:
        return "Global" in self._mode or "GlobalJob" in self._mode

    def _slot(self, task: Json) -> str:
        """What a task fills: a numbered slot, or for a global service its node."""
        return str(task.get("NodeID") if self._is_global else task.get("Slot"))

    def _hostname(self, task: Json) -> str:
        node_id = str(task.get("NodeID") or "")
        node = self._nodes.get(node_id) or {}
        return str((node.get("Description") or {}).get("Hostname") or node_id)

    def _failure(self, task: Json | None) -> TaskFailure | None:
        if task is None:
            return None
        status = task.get("Status") or {}
        state = str(status.get("State") or "")
        container = status.get("ContainerStatus") or {}
        code = container.get("ExitCode") if state in _ENDED and container.get("ContainerID") else None
        error = str(status.get("Err") or status.get("Message") or "")
        if state == "complete":
            error = "it ended by itself"
            if (self._container(task).get("Healthcheck") or {}).get("Test") not in (None, ["NONE"]):
                # The engine keeps no word of the healthcheck when the container stops with exit code 0 (seen on 26.1).
                error = "it ended by itself, or its healthcheck failed and it stopped in good order"
        return TaskFailure(
            task=str(task.get("ID", "")),
            node=self._hostname(task),
            state=state,
            error=error,
            exit_code=int(code) if code is not None else None,
        )

    @staticmethod
    def _container(task: Json) -> Json:
        return (task.get("Spec") or {}).get("ContainerSpec") or {}

    def _blamed(self) -> Json | None:
        """The task that made the swarm stop or roll back an update.

        The engine names it in UpdateStatus.Message ("… due to failure or early termination of task ID") until the
        rollback completes; then it is the newest unsuccessful task whose spec is not the one that the service was
        rolled back to.
        """
        for task in self._all:
            if task.get("ID") and self._message.endswith(str(task["ID"])):
                return task
        suspects = [task for task in self._all if _state(task) in (*_UNSUCCESSFUL, "complete")]
        if self._update.startswith("rollback"):
            suspects = [task for task in suspects if task not in self._current] or suspects
        # What a container said of itself tells more than a rejection, which may come from the clearing up; a task that
        # ended well ended too early at most.
        for state in ("failed", "rejected", "orphaned", "complete"):
            for task in suspects:
                if _state(task) == state:
                    return task
        return None

    # -- long-running services --------------------------------------------------------------------------------------

    def judge_service(self, as_declared: bool) -> Verdict:
        up = self._fillers(self._current, "running")
        if self._is_global:
            up = [task for task in up if self._slot(task) in self._eligible]
            desired = len(self._eligible)
        else:
            replicas = (self._mode.get("Replicated") or {}).get("Replicas")
            desired = 1 if replicas is None else int(replicas)

        if self._update in STANDING:
            what = "the swarm paused the %s" % ("rollback" if self._update == "rollback_paused" else "update")
            return self._verdict(PAUSED, what, up, desired, self._failure(self._blamed()), final=True)
        if self._update == "rollback_completed" and not as_declared:
            reason = "the swarm rolled the update back; the previous version runs"
            return self._verdict(ROLLED_BACK, reason, up, desired, self._failure(self._blamed()), final=True)
        if self._update == "rollback_started":
            reason = "the swarm is rolling the update back"
            return self._verdict(PENDING, reason, up, desired, self._failure(self._blamed()))
        updating = self._update == "updating"
        if len(up) >= desired and not updating:
            return self._verdict(CONVERGED, "%d of %d tasks run" % (len(up), desired), up, desired, final=True)
        resting = [task for task in self._fillers(self._current, "complete") if self._rests(task)]
        if resting and len(up) + len(resting) >= desired and not updating:
            reason = "finished with exit code 0, and its restart policy lets it rest"
            return self._verdict(JOB_COMPLETE, reason, up, desired, final=True)
        return self._trouble(self._current, up, desired, restarting=updating)

    def _fillers(self, current: Sequence[Json], state: str) -> list[Json]:
        """The newest task of each slot that is in a state, and for "running" is meant to stay so."""
        found: dict[str, Json] = {}
        for task in current:
            going = state == "running" and task.get("DesiredState") in ("shutdown", "remove")
            if _state(task) == state and not going:
                found.setdefault(self._slot(task), task)
        return list(found.values())

    def _rests(self, task: Json) -> bool:
        """A task that ended well under a restart policy that doesn't start it again (a one-shot)."""
        condition = (self._template.get("RestartPolicy") or {}).get("Condition")
        return _state(task) == "complete" and condition in ("none", "on-failure")

    def _failed(self, task: Json) -> bool:
        """Whether a task of a slot that is not filled ended badly; for what should run for ever, any end is bad."""
        return _state(task) in _UNSUCCESSFUL or (_state(task) == "complete" and not self._rests(task))

    # -- jobs -------------------------------------------------------------------------------------------------------

    def judge_job(self) -> Verdict:
        current = [task for task in self._all if _job_index(task) == self._job_iteration]
        done = self._fillers(current, "complete")
        if self._is_global:
            done = [task for task in done if self._slot(task) in self._eligible]
            desired = len(self._eligible)
        else:
            job = self._mode.get("ReplicatedJob") or {}
            total = job.get("TotalCompletions")
            desired = int(total if total is not None else job.get("MaxConcurrent") or 1)
        if len(done) >= desired:
            reason = "%d of %d completions" % (len(done), desired)
            return self._verdict(JOB_COMPLETE, reason, done, desired, final=True)
        return self._trouble(current, done, desired, restarting=False)

    # -- what is wrong ----------------------------------------------------------------------------------------------

    def _trouble(self, current: Sequence[Json], up: Sequence[Json], desired: int, *, restarting: bool) -> Verdict:
        """The verdict on a service with fewer tasks than it should have.

        Args:
            current: all tasks that count, newest first.
            up: those of them that run, or for a job that completed.
            restarting: the swarm may still replace what failed (an update is in flight).
        """
        filled = {self._slot(task) for task in up}
        running = len(filled)
        missing: dict[str, Json] = {}
        for task in current:
            if self._slot(task) not in filled:
                missing.setdefault(self._slot(task), task)
        final = not restarting and any(_gave_up(task) for task in missing.values())
        refused = [task for task in missing.values() if _state(task) in _BEFORE_NODE and _error(task)]
        if refused:
            return self._verdict(UNSCHEDULABLE, _error(refused[0]), up, desired, self._failure(refused[0]))
        failed = [task for task in current if self._slot(task) in missing and self._failed(task)]
        if failed:
            failure = self._failure(failed[0])
            words = _error(failed[0]).lower()
            state = IMAGE_MISSING if any(mark in words for mark in _IMAGE_WORDS) else CRASHED
            many = "%d failed task%s" % (len(failed), "" if len(failed) == 1 else "s")
            last = ", and its restart policy gave up: nothing starts it again by itself" if final else ""
            reason = "%s, last error: %s%s" % (many, (failure and failure.error) or "none given", last)
            return self._verdict(state, reason, up, desired, failure, final=final)
        counts: dict[str, int] = {}
        for task in missing.values():
            counts[_state(task)] = counts.get(_state(task), 0) + 1
        absent = desired - running - len(missing)
        if absent > 0:
            counts["not created yet"] = absent
        waiting = ", ".join("%d %s" % (count, state) for state, count in sorted(counts.items()))
        reason = "%d of %d tasks run%s" % (running, desired, "; " + waiting if waiting else "")
        if self._update == "updating":
            reason = "update in progress: " + reason
        return self._verdict(PENDING, reason, up, desired)

    def _verdict(
        self,
        state: str,
        reason: str,
        up: Sequence[Json],
        desired: int,
        failure: TaskFailure | None = None,
        *,
        final: bool = False,
    ) -> Verdict:
        tasks = tuple(sorted(str(task.get("ID", "")) for task in up))
        return Verdict(self._name, state, reason, len(up), desired, failure, final, self._update, tasks)


def _state(task: Json) -> str:
    return str((task.get("Status") or {}).get("State") or "")


def _error(task: Json) -> str:
    return str((task.get("Status") or {}).get("Err") or "")


def _gave_up(task: Json) -> bool:
    """Ended, and the restart supervisor put nothing in its place (it makes the replacement in the same transaction)."""
    return _state(task) in _UNSUCCESSFUL and task.get("DesiredState") in ("shutdown", "complete")


def _job_index(holder: Json | None) -> int | None:
    """``JobIteration.Index`` of a task or of a service's JobStatus."""
    iteration = (holder or {}).get("JobIteration")
    return None if iteration is None else int(iteration.get("Index") or 0)


def _created(task: Json) -> tuple[str, str]:
    """A key that sorts by CreatedAt. Go drops trailing zeros of the fraction, so the text itself doesn't sort."""
    seconds, _dot, fraction = str(task.get("CreatedAt") or "").rstrip("Z").partition(".")
    return seconds, fraction.ljust(9, "0")
