# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a service, from JSON as engine 26.1 writes it."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import verdict
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]
_ids = itertools.count(1)


def template(image: str = "app:v1", **more: Any) -> Json:
    return {
        "ContainerSpec": {"Image": image, "Labels": {"com.docker.stack.namespace": "t"}, "Isolation": "default"},
        "Resources": {},
        "RestartPolicy": {"Condition": "any", "Delay": 5_000_000_000, "MaxAttempts": 0},
        "Placement": {},
        "ForceUpdate": 0,
        **more,
    }


def service(image: str = "app:v1", mode: Json | None = None, update: str = "", message: str = "", **more: Any) -> Json:
    """A service; ``more`` goes into its task template."""
    result: Json = {
        "ID": "ers6q4dbedt73tmhlle3fwan6",
        "Version": {"Index": 25},
        "CreatedAt": "2026-11-21T20:51:56.080027353Z",
        "UpdatedAt": "2026-11-21T20:51:56.080027353Z",
        "Spec": {
            "Name": "t_app",
            "Labels": {"com.docker.stack.namespace": "t"},
            "TaskTemplate": {**template(image, **more), "Runtime": "container"},
            "Mode": mode or {"Replicated": {"Replicas": 2}},
        },
        "Endpoint": {"Spec": {}},
    }
    if update:
        result["UpdateStatus"] = {"State": update, "StartedAt": "2026-11-21T20:55:13.89281698Z", "Message": message}
    return result


def task(
    state: str = "running",
    slot: int = 1,
    *,
    image: str = "app:v1",
    desired: str = "running",
    err: str = "",
    code: int | None = None,
    node: str = "nodeA",
    created: str = "2026-11-21T20:52:00.5Z",
    iteration: int | None = None,
    task_id: str = "",
    **more: Any,
) -> Json:
    status: Json = {"Timestamp": created, "State": state, "Message": "started", "PortStatus": {}}
    if err:
        status["Err"] = err
    if code is not None or state in ("running", "complete"):
        status["ContainerStatus"] = {"ContainerID": "f30f02482be5", "PID": 0, "ExitCode": code or 0}
    result: Json = {
        "ID": task_id or "task%021d" % next(_ids),
        "Version": {"Index": 35},
        "CreatedAt": created,
        "UpdatedAt": created,
        "Labels": {},
        "Spec": template(image, **more),
        "ServiceID": "ers6q4dbedt73tmhlle3fwan6",
        "Slot": slot,
        "NodeID": node,
        "Status": status,
        "DesiredState": desired,
        "Volumes": None,
    }
    if iteration is not None:
        result["JobIteration"] = {"Index": iteration}
    return result


def node(node_id: str = "nodeA", availability: str = "active", state: str = "ready", **labels: str) -> Json:
    return {
        "ID": node_id,
        "Spec": {"Labels": labels, "Role": "worker", "Availability": availability},
        "Description": {"Hostname": "host-%s" % node_id, "Platform": {"Architecture": "x86_64", "OS": "linux"}},
        "Status": {"State": state, "Addr": "192.0.2.21"},
    }


def failed(slot: int = 1, **more: Any) -> Json:
    return task("failed", slot, **{"desired": "shutdown", "err": "task: non-zero exit (3)", "code": 3, **more})


GLOBAL: Json = {"Global": {}}
JOB = {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 2}}
TIER: dict[str, Any] = {"Placement": {"Constraints": ["node.labels.tier == app"]}}

CASES: list[tuple[str, Json, list[Json], list[Json], str, tuple[int, int]]] = [
    ("all run", service(), [task(slot=1), task(slot=2)], [node()], "converged", (2, 2)),
    ("nothing there yet", service(), [], [node()], "pending", (0, 2)),
    ("one still starts", service(), [task(slot=1), task("starting", 2)], [node()], "pending", (1, 2)),
    ("no replicas wanted", service(mode={"Replicated": {"Replicas": 0}}), [], [node()], "converged", (0, 0)),
    ("replicas left out count as one", service(mode={"Replicated": {}}), [task()], [node()], "converged", (1, 1)),
    (
        "old tasks run while the update has not begun",
        service("app:v2"),
        [task(slot=1), task(slot=2)],
        [node()],
        "pending",
        (0, 2),
    ),
    (
        "all new tasks run, but the swarm still monitors",
        service("app:v2", update="updating"),
        [task(slot=1, image="app:v2"), task(slot=2, image="app:v2")],
        [node()],
        "pending",
        (2, 2),
    ),
    (
        "update completed",
        service("app:v2", update="completed"),
        [task(slot=1, image="app:v2"), task(slot=2, image="app:v2"), task("shutdown", 1, desired="shutdown")],
        [node()],
        "converged",
        (2, 2),
    ),
    (
        "update completed, and then a task crashes",
        service("app:v2", update="completed"),
        [task(slot=1, image="app:v2"), failed(2, image="app:v2"), task("ready", 2, image="app:v2", desired="ready")],
        [node()],
        "crashed",
        (1, 2),
    ),
    (
        "a task that is being stopped does not count",
        service(),
        [task(slot=1), task(slot=2, desired="shutdown")],
        [node()],
        "pending",
        (1, 2),
    ),
    ("rolling back", service(update="rollback_started"), [task(slot=1), task(slot=2)], [node()], "pending", (2, 2)),
    (
        "rolled back",
        service(update="rollback_completed", message="rollback completed"),
        [task(slot=1), task(slot=2), failed(2, image="app:v2")],
        [node()],
        "rolled_back",
        (2, 2),
    ),
    (
        "paused",
        service("app:v2", update="paused"),
        [task(slot=2), failed(1, image="app:v2")],
        [node()],
        "paused",
        (0, 2),
    ),
    ("paused rollback", service(update="rollback_paused"), [failed(1)], [node()], "paused", (0, 2)),
    (
        "no node",
        service(),
        [
            task("pending", 1, node="", err="no suitable node (scheduling constraints not satisfied on 1 node)"),
            task("pending", 2, node="", err="no suitable node (scheduling constraints not satisfied on 1 node)"),
        ],
        [node()],
        "unschedulable",
        (0, 2),
    ),
    (
        "no node for the update",
        service("app:v2", update="updating"),
        [
            task("pending", 1, image="app:v2", node="", err="no suitable node (insufficient resources on 2 nodes)"),
            task(slot=2),
        ],
        [node()],
        "unschedulable",
        (0, 2),
    ),
    ("waits for a node without a reason", service(), [task("new", 1, node="")], [node()], "pending", (0, 2)),
    (
        "no image",
        service("app:none"),
        [
            task("rejected", 1, image="app:none", desired="shutdown", err="No such image: app:none"),
            task("preparing", 1, image="app:none", created="2026-11-21T20:53:00Z"),
        ],
        [node()],
        "image_missing",
        (0, 2),
    ),
    ("global", service(mode=GLOBAL), [task(slot=0)], [node()], "converged", (1, 1)),
    (
        "global on the nodes that satisfy the constraint and take tasks",
        service(mode=GLOBAL, **TIER),
        [task(slot=0, **TIER)],
        [
            node(tier="app"),
            node("nodeB"),
            node("nodeC", "drain", tier="app"),
            node("nodeD", "active", "down", tier="app"),
        ],
        "converged",
        (1, 1),
    ),
    ("global, one node misses", service(mode=GLOBAL), [task(slot=0)], [node(), node("nodeB")], "pending", (1, 2)),
    (
        "job done",
        {**service(mode=JOB), "JobStatus": {"JobIteration": {"Index": 1}}},
        [task("complete", slot, desired="complete", code=0, iteration=1) for slot in (0, 1)],
        [node()],
        "job_complete",
        (2, 2),
    ),
    (
        "job of an older run does not count",
        {**service(mode=JOB), "JobStatus": {"JobIteration": {"Index": 2}}},
        [task("complete", slot, desired="complete", code=0, iteration=1) for slot in (0, 1)],
        [node()],
        "pending",
        (0, 2),
    ),
    (
        "job fails",
        {**service(mode=JOB), "JobStatus": {"JobIteration": {}}},
        [task("complete", 0, desired="complete", code=0, iteration=0), failed(1, iteration=0)],
        [node()],
        "crashed",
        (1, 2),
    ),
    (
        "global job done on each eligible node",
        {**service(mode={"GlobalJob": {}}), "JobStatus": {"JobIteration": {"Index": 0}}},
        [task("complete", 0, desired="complete", code=0, iteration=0)],
        [node(), node("nodeB", "drain")],
        "job_complete",
        (1, 1),
    ),
    (
        "a one-shot that ended well",
        service(mode={"Replicated": {"Replicas": 1}}, RestartPolicy={"Condition": "on-failure"}),
        [task("complete", desired="shutdown", code=0, RestartPolicy={"Condition": "on-failure"})],
        [node()],
        "job_complete",
        (0, 1),
    ),
    (
        "ended well but should run for ever",
        service(mode={"Replicated": {"Replicas": 1}}),
        [task("complete", desired="shutdown", code=0), task("ready", desired="ready", created="2026-11-21T20:53:00Z")],
        [node()],
        "crashed",
        (0, 1),
    ),
]


@pytest.mark.parametrize(
    ("service_", "tasks", "nodes", "state", "count"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_the_verdict(service_: Json, tasks: list[Json], nodes: list[Json], state: str, count: tuple[int, int]) -> None:
    before = copy.deepcopy((service_, tasks, nodes))
    found = verdict.judge(service_, tasks, nodes)
    assert (found.state, (found.running, found.desired)) == (state, count)
    assert found.service == "t_app"
    assert found.reason
    assert found.good == (state in ("converged", "job_complete"))
    assert (service_, tasks, nodes) == before


def test_the_blamed_task_is_the_one_that_the_swarm_names() -> None:
    culprit = failed(
        2, image="app:v2", task_id="b738e0fzqo84b738e0fzqo84b", node="nodeB", created="2026-11-21T20:55:15Z"
    )
    later = failed(2, image="app:v2", created="2026-11-21T20:55:17Z")
    message = "update rolled back due to failure or early termination of task b738e0fzqo84b738e0fzqo84b"
    found = verdict.judge(
        service(update="rollback_started", message=message), [later, culprit], [node(), node("nodeB")]
    )
    assert found.failure == verdict.TaskFailure(
        "b738e0fzqo84b738e0fzqo84b", "host-nodeB", "failed", "task: non-zero exit (3)", 3
    )


def test_after_a_rollback_the_newest_failed_task_of_the_other_version_is_blamed() -> None:
    tasks = [
        task(slot=1, created="2026-11-21T20:56:00Z"),
        failed(1, err="old", created="2026-11-20T00:00:00Z"),
        failed(1, image="app:v2", err="first", created="2026-11-21T20:55:15.12Z"),
        failed(1, image="app:v2", err="last", created="2026-11-21T20:55:15.123Z"),
        task("rejected", 1, image="app:v2", desired="shutdown", err="unknown network", created="2026-11-21T20:55:20Z"),
    ]
    found = verdict.judge(service(update="rollback_completed", message="rollback completed"), tasks, [node()])
    assert found.failure is not None
    assert found.failure.error == "last"


def test_an_old_rollback_is_no_failure_of_what_is_declared() -> None:
    arguments = (service(update="rollback_completed"), [task(slot=1), task(slot=2)], [node()])
    assert verdict.judge(*arguments).state == "rolled_back"
    assert verdict.judge(*arguments, as_declared=True).state == "converged"


def test_a_task_stays_current_when_only_a_constraint_changed_that_its_node_satisfies() -> None:
    wanted = service(mode={"Replicated": {"Replicas": 1}}, **TIER)
    assert verdict.judge(wanted, [task()], [node(tier="app")]).state == "converged"
    assert verdict.judge(wanted, [task()], [node(tier="data")]).state == "pending"


def test_tasks_of_other_services_do_not_count() -> None:
    stranger = {**task(), "ServiceID": "another"}
    assert verdict.judge(service(mode={"Replicated": {"Replicas": 1}}), [stranger], [node()]).state == "pending"


def test_a_restart_policy_that_gave_up_is_final_and_one_that_goes_on_is_not() -> None:
    one = {"Replicated": {"Replicas": 1}}
    given_up = verdict.judge(service(mode=one), [failed()], [node()])
    again = verdict.judge(service(mode=one), [failed(), task("starting", created="2026-11-21T20:53:00Z")], [node()])
    updating = verdict.judge(service(mode=one, update="updating"), [failed()], [node()])
    assert (given_up.state, given_up.final) == ("crashed", True)
    assert (again.state, again.final) == ("crashed", False)
    assert (updating.state, updating.final) == ("crashed", False)


def test_the_deadline_names_what_was_pending_and_keeps_a_named_trouble() -> None:
    pending = verdict.judge(service(), [], [node()]).timed_out()
    assert (pending.state, pending.final) == ("timeout", True)
    assert "2 not created yet" in pending.reason
    stuck = verdict.judge(service(), [task("pending", err="no suitable node", node="")], [node()]).timed_out()
    assert (stuck.state, stuck.final) == ("unschedulable", True)


def test_the_story_names_node_exit_code_error_and_log() -> None:
    found = verdict.judge(service(mode={"Replicated": {"Replicas": 1}}), [failed(task_id="q3agoxg42afoxyz")], [node()])
    assert found.failure is not None
    told = verdict.TaskFailure(**{**found.failure.as_dict(), "log": "starting\nFATAL: no config\n"}).describe()
    assert told == (
        "task q3agoxg42afo on host-nodeA failed with exit code 3: task: non-zero exit (3)\n"
        "    last log lines:\n      | starting\n      | FATAL: no config"
    )
    assert "crashed (0/1)" in found.describe()


def test_an_unhealthy_container_that_stops_in_good_order_is_told_as_what_it_may_be() -> None:
    ended = task("complete", desired="shutdown", code=0)
    ended["Spec"]["ContainerSpec"]["Image"] = "app:v2"
    ended["Spec"]["ContainerSpec"]["Healthcheck"] = {"Test": ["CMD", "x"]}
    found = verdict.judge(service(update="rollback_completed"), [ended, task(slot=1), task(slot=2)], [node()])
    assert found.failure is not None
    assert (found.failure.state, found.failure.exit_code) == ("complete", 0)
    assert "its healthcheck failed" in found.failure.error


STATES = ("new", "pending", "preparing", "starting", "running", "complete", "failed", "rejected", "shutdown")


@given(
    st.lists(
        st.builds(
            task,
            st.sampled_from(STATES),
            st.integers(1, 3),
            image=st.sampled_from(["app:v1", "app:v2"]),
            desired=st.sampled_from(["ready", "running", "shutdown"]),
            err=st.sampled_from(["", "no suitable node", "No such image: x"]),
            node=st.sampled_from(["nodeA", "nodeB", ""]),
        ),
        max_size=8,
    ),
    st.sampled_from(
        ["", "updating", "paused", "completed", "rollback_started", "rollback_paused", "rollback_completed"]
    ),
    st.integers(0, 3),
    st.randoms(),
)
def test_any_state_has_a_verdict_that_does_not_depend_on_the_order(
    tasks: list[Json], update: str, replicas: int, random: Any
) -> None:
    for position, item in enumerate(tasks):
        item["CreatedAt"] = "2026-11-21T20:52:%02dZ" % position
    subject = service(update=update, mode={"Replicated": {"Replicas": replicas}})
    found = verdict.judge(subject, tasks, [node()])
    random.shuffle(tasks)
    assert verdict.judge(subject, tasks, [node()]) == found
    assert found.state in verdict.STATES
    assert not (
        found.good and update in ("updating", "paused", "rollback_started", "rollback_paused", "rollback_completed")
    )
    assert not found.good or found.running >= found.desired or found.state == "job_complete"
