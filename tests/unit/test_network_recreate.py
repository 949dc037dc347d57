# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that are made anew under running services: what is planned, what is refused, and what a failure leaves."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, network_services, networks, parking
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client, network_recreate
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import Outcome
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine, translate
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import (
    DeadlineExceeded,
    EngineError,
    NoQuorum,
)
from ansible_collections.flotilla.swarm.plugins.modules import swarm_networks
from ansible_collections.flotilla.swarm.tests.support.living_engine import LivingEngine
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock

OWNER = "flotilla"
Json = dict[str, Any]
OLD = {"name": "back", "subnet": "10.20.0.0/24", "attachable": True, "labels": {"a": "b"}, "driver_opts": {"o": "1"}}
NEW = {"name": "back", "encrypted": True}


def spec(name: str, *targets: str, size: int | str = 2, **template: Any) -> Json:
    mode = {"Global": {}} if size == "global" else {"Replicated": {"Replicas": size}}
    entries = [{"Target": target, "Aliases": [name, "alias"], "DriverOpts": {"x": "y"}} for target in targets]
    return {
        "Name": name,
        "Labels": {"team": "x"},
        "Mode": mode,
        "TaskTemplate": {"ContainerSpec": {"Image": "app:1"}, "Networks": entries, **template},
        "UpdateConfig": {"FailureAction": "rollback", "Order": "start-first"},
    }


class Bench:
    """A swarm with the networks back and front, and a clock that runs only while somebody waits."""

    def __init__(self) -> None:
        self.engine = LivingEngine()
        self.clock = Clock()
        self.bring(OLD, {"name": "front"}, recreate=False)

    def read(self, engine: Engine) -> networks.Observation:
        return swarm_networks.observe(engine)

    def plan(self, *items: Json, recreate: bool = True, **options: Any) -> networks.Decision:
        return networks.plan(networks.declared(items), self.read(self.engine), OWNER, recreate=recreate, **options)

    def bring(
        self, *items: Json, engine: Any = None, recreate: bool = True, dry_run: bool = False
    ) -> Outcome[networks.Decision]:
        declared = networks.declared(items)

        def plan(seen: networks.Observation) -> networks.Decision:
            return networks.plan(declared, seen, OWNER, recreate=recreate)

        return network_recreate.converge(
            self.read, plan, engine or self.engine, OWNER, dry_run, clock=self.clock, sleep=self.clock.sleep
        )

    def network(self, name: str = "back") -> Json:
        return next(item for item in self.engine.networks() if item["Name"] == name)

    def service(self, name: str) -> Json:
        return next(item for item in self.engine.services() if item["Spec"]["Name"] == name)

    def held(self, name: str) -> Json:
        """The engine's own service, to change it behind everybody's back."""
        return next(item for item in self.engine._objects["service"].values() if item["Spec"]["Name"] == name)

    def running(self, name: str) -> int:
        own = [task for task in self.engine.tasks() if task["ServiceID"] == self.service(name)["ID"]]
        return sum(task["Status"]["State"] == "running" for task in own)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class Wrapped:
    """An engine one method of which does something else."""

    def __init__(self, engine: LivingEngine, method: str, action: Callable[..., Any]) -> None:
        self._engine = engine
        self._method = method
        self._action = action

    def __getattr__(self, name: str) -> Any:
        return self._action if name == self._method else getattr(self._engine, name)


def refusing(engine: LivingEngine, method: str, error: EngineError, times: int = 1) -> Wrapped:
    left = [times]

    def action(*arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise error
        return getattr(engine, method)(*arguments)

    return Wrapped(engine, method, action)


# --- What is planned --------------------------------------------------------------------------------------------------


def test_the_plan_says_what_happens_in_the_order_in_which_it_happens(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back", "front", size=3))
    bench.engine.create_service(spec("agent", "back", size="global"))
    bench.engine.create_service(spec("other", "front"))
    before = copy.deepcopy(bench.engine.services())
    outcome = bench.bring(NEW, dry_run=True)
    assert bench.engine.services() == before
    assert [(step.action, step.kind, step.name) for step in outcome.plan] == [
        ("update", "service", "agent"),
        ("update", "service", "web"),
        ("remove", "network", "back"),
        ("create", "network", "back"),
        ("update", "service", "agent"),
        ("update", "service", "web"),
    ]
    assert outcome.plan.diff() == {
        "before": {
            "service agent": {"runs": "global", "network back": "attached"},
            "service web": {"runs": "3 replicas", "network back": "attached"},
            "network back": {"driver": "overlay", "encrypted": False},
        },
        "after": {
            "service agent": {"runs": "global", "network back": "attached"},
            "service web": {"runs": "3 replicas", "network back": "attached"},
            "network back": {"driver": "overlay", "encrypted": True},
        },
    }
    assert outcome.decision.drift == ()
    assert outcome.decision.networks["back"] == {
        "id": None,
        "owned": True,
        "container_mtu": 1424,
        "addresses": None,
    }
    assert [step.name for step in bench.bring(NEW).plan] == [step.name for step in outcome.plan]


def test_a_report_names_the_services_that_would_be_stopped(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back"))
    decision = bench.plan(NEW, recreate=False)
    assert not decision.plan
    assert decision.drift == (
        {"network": "back", "field": "encrypted", "before": False, "after": True, "services": ["web"]},
    )
    (warning,) = decision.plan.warnings
    assert warning.endswith("only made anew. recreate: true does that, and stops service web for a while")
    (warning,) = bench.plan({"name": "front", "internal": True}, recreate=False).plan.warnings
    assert warning.endswith("recreate: true does that, and stops nothing, for nothing uses it")


def test_what_is_not_declared_stays_as_it_was(bench: Bench) -> None:
    before = bench.network()
    bench.bring(NEW)
    after = bench.network()
    assert after["Id"] != before["Id"]
    assert (after["IPAM"], after["Attachable"], after["Labels"]) == (
        before["IPAM"],
        True,
        {"a": "b", labels.OWNER: OWNER},
    )
    assert {"encrypted": "", "o": "1"}.items() <= after["Options"].items()


def test_labels_are_changed_by_making_the_network_anew_too(bench: Bench) -> None:
    outcome = bench.bring({"name": "back", "labels": {"a": "c"}})
    assert [step.action for step in outcome.plan] == ["remove", "create"]
    assert bench.network()["Labels"] == {"a": "c", labels.OWNER: OWNER}


def test_what_belongs_to_somebody_else_is_only_reported(bench: Bench) -> None:
    bench.engine.create_network({"Name": "theirs", "Driver": "overlay", "Labels": {labels.OWNER: "other"}})
    decision = bench.plan({"name": "theirs", "internal": True})
    assert not decision.plan
    assert [found["field"] for found in decision.drift] == ["internal"]
    assert "it does not belong to the owner 'flotilla'" in decision.plan.warnings[0]


def test_a_network_without_addresses_is_not_made_anew(bench: Bench) -> None:
    bench.engine.allocates = False
    bench.bring({"name": "late"}, recreate=False)
    decision = bench.plan({"name": "late", "internal": True})
    assert not decision.plan
    assert "it has no addresses yet, so not all of it is known: run it again" in decision.plan.warnings[1]


def test_a_subnet_that_is_kept_is_not_given_to_another(bench: Bench) -> None:
    with pytest.raises(DeclarationError, match=r"the subnet 10\.20\.0\.0/16 of big shares addresses with .* back"):
        bench.plan(NEW, {"name": "big", "subnet": "10.20.0.0/16"})


def test_two_networks_may_change_places(bench: Bench) -> None:
    bench.bring({"name": "front", "subnet": "10.21.0.0/24"})
    bench.engine.create_service(spec("web", "back", "front"))
    outcome = bench.bring({"name": "front", "subnet": "10.20.0.0/24"}, {"name": "back", "subnet": "10.21.0.0/24"})
    assert [step.name for step in outcome.plan] == ["web", "back", "front", "back", "front", "web"]
    assert bench.network("front")["IPAM"]["Config"][0]["Subnet"] == "10.20.0.0/24"
    targets = parking.targets(bench.service("web")["Spec"])
    assert targets == {bench.network("front")["Id"], bench.network("back")["Id"]}


# --- What is refused --------------------------------------------------------------------------------------------------


def job(bench: Bench) -> None:
    bench.held("web")["Spec"]["Mode"] = {"ReplicatedJob": {}}


def updating(bench: Bench) -> None:
    bench.held("web")["UpdateStatus"] = {"State": "updating"}


def paused(bench: Bench) -> None:
    bench.held("web")["UpdateStatus"] = {"State": "rollback_paused"}


def old_place(bench: Bench) -> None:
    bench.held("web")["Spec"]["Networks"] = [{"Target": bench.network()["Id"]}]


def old_place_alone(bench: Bench) -> None:
    old_place(bench)
    del bench.held("web")["Spec"]["TaskTemplate"]["Networks"]


def one_shot(bench: Bench) -> None:
    template = bench.held("web")["Spec"]["TaskTemplate"]
    template["RestartPolicy"] = {"Condition": "none"}
    for task in bench.engine.task_list:
        task["Spec"] = dict(template)
        task["Status"] = {"State": "complete"}


def by_hand(bench: Bench) -> None:
    attachment = {"Network": {"ID": bench.network()["Id"]}, "Addresses": ["10.20.0.99/24"]}
    bench.engine.task_list.append(
        {
            "ID": "hand",
            "Spec": {"NetworkAttachmentSpec": {"ContainerID": "0123456789abcdef"}, "Runtime": "attachment"},
            "Status": {"State": "running"},
            "DesiredState": "running",
            "NetworksAttachments": [attachment],
        }
    )


def leaving_half_way(bench: Bench) -> None:
    updating(bench)
    bench.held("web")["Spec"]["TaskTemplate"]["Networks"] = []


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (job, "while service web uses it: it is a job, and would run again"),
        (updating, r"its update is not at an end \(updating\)"),
        (paused, r"its update is not at an end \(rollback_paused\)"),
        (leaving_half_way, r"its update is not at an end \(updating\)"),
        (old_place, r"it names its networks in Spec\.Networks"),
        (old_place_alone, r"it names its networks in Spec\.Networks"),
        (one_shot, "it has done its work and rests, and would run again"),
        (by_hand, "while containers that are no services are attached to it: stop container 0123456789ab"),
    ],
)
def test_it_is_refused_before_anything_is_touched(bench: Bench, how: Callable[[Bench], None], why: str) -> None:
    bench.engine.create_service(spec("web", "back"))
    how(bench)
    calls = len(bench.engine.calls)
    with pytest.raises(
        DeclarationError, match="network back can't be made anew " + ("" if how is by_hand else ".*") + why
    ):
        bench.bring(NEW)
    assert not [call for call in bench.engine.calls[calls:] if call.startswith(("create", "update", "remove"))]


def test_a_service_that_used_it_before_does_not_stand_in_the_way_and_is_named(bench: Bench) -> None:
    service_id = bench.engine.create_service(spec("web", "back"))
    bench.engine.update_service(service_id, bench.service("web")["Version"]["Index"], spec("web", "front"))
    before = bench.service("web")
    outcome = bench.bring(NEW)
    assert [(step.action, step.kind) for step in outcome.plan] == [("remove", "network"), ("create", "network")]
    assert bench.service("web") == before
    assert (
        "service web used network back before its last update: it can no longer be rolled back"
        in (outcome.plan.warnings[0])
    )


def test_a_container_that_was_attached_by_hand_is_seen(bench: Bench) -> None:
    """The engine lists its task only when it is asked for tasks of that sort."""
    by_hand(bench)
    assert bench.engine.tasks() == []
    absent = {"name": "back", "state": "absent"}
    outcome = bench.bring(absent)
    assert not outcome.plan
    assert outcome.plan.warnings == (
        "network back is declared absent, but it is in use: it stays until container 0123456789ab leave it",
    )
    bench.engine.task_list.clear()
    assert bench.bring(absent).plan


def test_an_absent_network_that_the_engine_holds_stays_with_a_warning(bench: Bench) -> None:
    in_use = translate(400, "rpc error: code = FailedPrecondition desc = network n is in use by task t")
    held = bench.network()["Id"]

    def remove(network_id: str) -> None:
        if network_id == held:
            raise in_use
        bench.engine.remove_network(network_id)

    outcome = bench.bring(
        {"name": "back", "state": "absent"},
        {"name": "front", "state": "absent"},
        {"name": "other"},
        engine=Wrapped(bench.engine, "remove_network", remove),
    )
    assert [(step.action, step.name) for step in outcome.plan] == [("remove", "front"), ("create", "other")]
    (warning,) = outcome.plan.warnings
    assert warning.startswith("network back is declared absent, but the engine says that it is in use")
    assert "in use by task t" in warning


# --- What is done -----------------------------------------------------------------------------------------------------


def test_each_service_is_afterwards_what_it_was(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back", "front", size=3))
    bench.engine.create_service(spec("agent", "back", size="global"))
    old = bench.network()["Id"]
    before = {name: bench.service(name)["Spec"] for name in ("web", "agent")}
    bench.bring(NEW)
    for name, wanted in before.items():
        for entry in wanted["TaskTemplate"]["Networks"]:
            entry["Target"] = bench.network()["Id"] if entry["Target"] == old else entry["Target"]
        found = bench.service(name)
        assert found["Spec"] == wanted
        assert found["PreviousSpec"] == wanted
    assert (bench.running("web"), bench.running("agent")) == (3, 3)
    assert not bench.bring(NEW).plan


def test_a_parked_service_has_no_tasks_and_the_stack_would_deploy_it_anew(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back", "front"))
    bench.engine.create_service(spec("agent", "back", size="global", Placement={"Constraints": ["node.role==worker"]}))
    seen: dict[str, Any] = {}

    def look() -> None:
        for name in ("web", "agent"):
            seen[name] = (bench.service(name)["Spec"], bench.running(name))

    bench.engine.before("remove_network", look)
    bench.bring(NEW)
    assert [running for _spec, running in seen.values()] == [0, 0]
    web, agent = (found for found, _running in seen.values())
    assert web["Mode"] == {"Replicated": {"Replicas": 0}}
    assert [entry["Target"] for entry in web["TaskTemplate"]["Networks"]] == [bench.network("front")["Id"]]
    assert agent["TaskTemplate"]["Placement"]["Constraints"] == ["node.role==worker", parking.NOWHERE]
    for found in (web, agent):
        assert found["Labels"]["team"] == "x"
        assert labels.foreign(found["Labels"]) == {"team": "x"}


def test_a_network_goes_only_when_the_last_task_has_ended(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back"))
    bench.engine.lingering = True
    stopped = []
    bench.clock.at(20, lambda: (stopped.append(bench.clock.now), bench.engine.stop()))  # type: ignore[arg-type]
    bench.engine.before("remove_network", lambda: stopped.append(bench.clock.now))
    bench.bring(NEW)
    assert len(stopped) == 2
    assert stopped[0] <= stopped[1]


def test_tasks_on_a_node_that_is_down_are_not_waited_for(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back", size=3))
    bench.engine.lingering = True
    bench.engine.lose_node(bench.engine.workers[0])

    def stop_what_is_up() -> None:
        for task in bench.engine.task_list:
            if task["DesiredState"] != "running" and task["NodeID"] != bench.engine.workers[0]:
                task["Status"]["State"] = "shutdown"

    bench.clock.at(5, stop_what_is_up)
    bench.bring(NEW)
    assert bench.clock.now < 60


def test_a_network_that_is_still_let_go_of_is_removed_as_soon_as_it_can_be(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back"))
    in_use = translate(400, "rpc error: code = FailedPrecondition desc = network n is in use by task t")
    bench.bring(NEW, engine=refusing(bench.engine, "remove_network", in_use, times=3))
    assert "encrypted" in bench.network()["Options"]


def test_the_swarm_may_write_to_a_service_at_the_same_time(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back"))
    stale = translate(500, "rpc error: code = Unknown desc = update out of sequence")
    calls = []

    def update(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) in (1, 3, 5):
            raise stale
        bench.engine.update_service(*arguments)

    outcome = bench.bring(NEW, engine=Wrapped(bench.engine, "update_service", update))
    assert bench.running("web") == 2
    assert [step.action for step in outcome.plan] == ["update", "remove", "create", "update"]


def test_another_run_at_the_same_time_does_no_harm(bench: Bench) -> None:
    """The other one does everything between this one's parking and its removal."""
    bench.engine.create_service(spec("web", "back"))
    bench.engine.create_service(spec("agent", "back", size="global"))
    bench.engine.before("remove_network", lambda: bench.bring(NEW))
    bench.bring(NEW)
    assert (bench.running("web"), bench.running("agent")) == (2, 3)
    assert not bench.bring(NEW).plan


# --- What a failure leaves --------------------------------------------------------------------------------------------


def test_when_the_new_network_can_not_be_made_everything_is_put_back(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back"))
    before = bench.network()
    with pytest.raises(EngineError) as caught:
        bench.bring(NEW, engine=refusing(bench.engine, "create_network", EngineError("its own words")))
    assert str(caught.value) == (
        "its own words (already done: update service web, remove network back; network back was made again as it was "
        "before; service web was put back)"
    )
    after = bench.network()
    assert {**after, "Id": "", "Options": ""} == {**before, "Id": "", "Options": ""}
    assert bench.running("web") == 2
    assert bench.service("web")["PreviousSpec"] == bench.service("web")["Spec"]
    assert not bench.bring(OLD).plan


def test_a_network_that_gets_no_addresses_gives_way_to_the_old_one(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back"))

    def create(request: Json) -> str:
        bench.engine.allocates = "encrypted" not in request["Options"]
        return bench.engine.create_network(request)

    with pytest.raises(DeadlineExceeded, match=r"gave network back no addresses within 30 s.*as it was before"):
        bench.bring(NEW, engine=Wrapped(bench.engine, "create_network", create))
    assert "encrypted" not in bench.network()["Options"]
    assert bench.running("web") == 2


def test_a_task_that_does_not_stop_ends_it_with_everything_as_it_was(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back"))
    bench.engine.lingering = True
    old = bench.network()["Id"]
    with pytest.raises(DeadlineExceeded, match=r"tasks were still on it after 70 s: t1, t2.*service web was put back"):
        bench.bring(NEW)
    assert bench.network()["Id"] == old
    assert parking.targets(bench.service("web")["Spec"]) == {old}


def test_a_network_that_something_else_holds_ends_it_with_everything_as_it_was(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back"))
    in_use = translate(400, "rpc error: code = FailedPrecondition desc = network n is in use by task t")
    with pytest.raises(DeadlineExceeded, match=r"still in use 30 s after.*service web was put back"):
        bench.bring(NEW, engine=refusing(bench.engine, "remove_network", in_use, times=1000))
    assert bench.running("web") == 2


def test_what_can_not_be_put_back_is_named_and_the_next_run_does_it(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back"))
    bench.engine.create_service(spec("agent", "back", size="global"))

    def lose() -> None:
        bench.engine.quorum = False

    bench.engine.before("remove_network", lose)
    with pytest.raises(NoQuorum) as caught:
        bench.bring(NEW)
    # A swarm that stays away is waited for once.
    assert 60 <= bench.clock.now < 70
    assert "network back may be gone, and could not be made again as it was" in str(caught.value)
    assert "services may still be parked, for they could not be read" in str(caught.value)
    assert "The next run puts back what is left" in str(caught.value)
    bench.engine.quorum = True
    assert (bench.running("web"), bench.running("agent")) == (0, 0)
    outcome = bench.bring(OLD, recreate=False)
    assert [(step.action, step.kind, step.name) for step in outcome.plan] == [
        ("update", "service", "agent"),
        ("update", "service", "web"),
    ]
    assert (bench.running("web"), bench.running("agent")) == (2, 3)


def test_each_service_that_can_not_be_put_back_is_named_on_its_own(bench: Bench) -> None:
    for name in ("web", "agent"):
        bench.engine.create_service(spec(name, "back"))
    agent = bench.service("agent")["ID"]

    def update(service_id: str, version: int, wanted: Json) -> None:
        if service_id == agent and parking.LABEL not in wanted["Labels"]:
            raise EngineError("its own words")
        bench.engine.update_service(service_id, version, wanted)

    with pytest.raises(EngineError) as caught:
        bench.bring(NEW, engine=Wrapped(bench.engine, "update_service", update))
    assert "service agent is stopped, and could not be put back: its own words" in str(caught.value)
    assert "service web was put back" in str(caught.value)
    assert (bench.running("web"), bench.running("agent")) == (2, 0)


def test_a_service_that_does_not_run_afterwards_as_it_did_before_fails_the_run(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back"))
    bench.engine.create_service(spec("ill", "back"))
    for task in bench.engine.task_list:
        if task["ServiceID"] == bench.service("ill")["ID"]:
            task["Status"] = {"State": "failed"}

    def stop(**options: bool) -> list[Json]:
        tasks = bench.engine.tasks(**options)
        if "encrypted" in bench.network()["Options"]:
            for task in tasks:
                task["Status"] = {"State": "pending", "Err": "no suitable node"}
        return tasks

    with pytest.raises(EngineError) as caught:
        bench.bring(NEW, engine=Wrapped(bench.engine, "tasks", stop))
    assert "1 of 1 services did not converge" in str(caught.value)
    assert "web: unschedulable" in str(caught.value)
    assert "no suitable node" in str(caught.value)


# --- A swarm that gives no answer for a moment ------------------------------------------------------------------------


class Blip:
    """An engine that gives no answer for some seconds, from one call on, which it carries out or does not."""

    def __init__(self, bench: Bench, method: str, call: int, carried_out: bool, seconds: float = 4) -> None:
        self._bench = bench
        self._method = method
        self._left = call
        self._carried_out = carried_out
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._bench.engine, name)
        return (lambda *arguments: self._call(found, *arguments)) if name == self._method else found

    def _call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        self._left -= 1
        if self._left:
            return method(*arguments)
        if self._carried_out:
            method(*arguments)
        engine, clock = self._bench.engine, self._bench.clock
        engine.quorum = False
        clock.at(clock.now + self._seconds, lambda: setattr(engine, "quorum", True))
        raise translate(500, "rpc error: code = Unknown desc = context deadline exceeded")


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize(
    ("method", "call"),
    [*(("update_service", call) for call in (2, 3, 4, 5, 6)), ("remove_network", 1), ("create_network", 1)],
)
def test_an_election_on_the_way_is_waited_for(bench: Bench, method: str, call: int, carried_out: bool) -> None:
    bench.engine.create_service(spec("web", "back", size=3))
    bench.engine.create_service(spec("agent", "back", size="global"))
    outcome = bench.bring(NEW, engine=Blip(bench, method, call, carried_out))
    assert (bench.running("web"), bench.running("agent")) == (3, 3)
    assert [(step.action, step.name) for step in outcome.plan] == [
        ("update", "agent"),
        ("update", "web"),
        ("remove", "back"),
        ("create", "back"),
        ("update", "agent"),
        ("update", "web"),
    ]
    assert "encrypted" in bench.network()["Options"]
    assert not bench.bring(NEW).plan


@pytest.mark.parametrize("carried_out", [False, True])
def test_an_election_at_the_first_write_changes_nothing_in_the_end(bench: Bench, carried_out: bool) -> None:
    bench.engine.create_service(spec("web", "back"))
    with pytest.raises(NoQuorum):
        bench.bring(NEW, engine=Blip(bench, "update_service", 1, carried_out))
    assert bench.running("web") == 2
    assert bench.service("web")["Spec"]["Labels"] == spec("web")["Labels"]


def test_a_short_list_of_networks_is_no_network_that_is_gone(bench: Bench) -> None:
    """A manager gives such a list, and no error, while there is no leader."""
    bench.engine.create_service(spec("web", "back"))
    old = bench.network()["Id"]

    def lose(_network_id: str) -> None:
        bench.engine.quorum = False
        bench.clock.at(bench.clock.now + 20, lambda: setattr(bench.engine, "quorum", True))
        raise EngineError("its own words")

    with pytest.raises(EngineError) as caught:
        bench.bring(NEW, engine=Wrapped(bench.engine, "remove_network", lose))
    assert str(caught.value) == "its own words (already done: update service web; service web was put back)"
    assert bench.network()["Id"] == old
    assert bench.running("web") == 2


def test_seconds_without_an_answer_are_no_seconds_for_the_swarm(bench: Bench) -> None:
    """The network gets its addresses a second after the election, which took longer than that may."""
    bench.engine.create_service(spec("web", "back"))

    def create(request: Json) -> str:
        bench.engine.allocates = False
        made = bench.engine.create_network(request)
        bench.engine.allocates = True
        bench.engine.quorum = False
        bench.clock.at(bench.clock.now + 45, lambda: setattr(bench.engine, "quorum", True))
        held = bench.engine._objects["network"][made]
        bench.clock.at(bench.clock.now + 48, lambda: held.update(bench.engine._network(made, request)))
        return made

    bench.bring(NEW, engine=Wrapped(bench.engine, "create_network", create))
    assert bench.running("web") == 2


# --- What others do to parked services --------------------------------------------------------------------------------


def interrupted(bench: Bench, wanted: Json | None = None) -> None:
    """Service web is parked and network back is gone."""
    bench.engine.create_service(spec("web", "back"))

    class KilledError(BaseException):
        pass

    def kill(_request: Json) -> str:
        raise KilledError

    with pytest.raises(KilledError):
        bench.bring(wanted or NEW, engine=Wrapped(bench.engine, "create_network", kill))


SECURE = {
    "name": "back",
    "encrypted": True,
    "attachable": True,
    "mtu": 1400,
    "subnet": "10.77.0.0/22",
    "labels": {"x": "y"},
}


@pytest.mark.parametrize("rolled_back", [False, True])
def test_a_run_that_was_cut_off_does_not_forget_what_was_not_declared(bench: Bench, rolled_back: bool) -> None:
    wanted = {"name": "back", "labels": {"x": "z"}}
    bench.bring(SECURE)
    before = bench.network()
    interrupted(bench, wanted)
    if rolled_back:
        held = bench.held("web")
        held["Spec"], held["PreviousSpec"] = held["PreviousSpec"], held["Spec"]
    outcome = bench.bring(wanted, recreate=False)
    assert [(step.action, step.name) for step in outcome.plan] == [("create", "back"), ("update", "web")]
    after = bench.network()
    assert after["IPAM"] == before["IPAM"]
    assert (after["Attachable"], "encrypted" in after["Options"]) == (True, True)
    assert after["Options"]["com.docker.network.driver.mtu"] == "1400"
    assert after["Labels"] == {"x": "z", labels.OWNER: OWNER}
    assert bench.running("web") == 2


def test_a_network_without_services_is_made_anew_at_once(bench: Bench) -> None:
    """Nothing in the swarm remembers it, so nothing comes between its removal and its creation."""
    bench.engine.create_service(spec("web", "back"))
    calls = len(bench.engine.calls)
    outcome = bench.bring(NEW, {"name": "front", "internal": True})
    assert [(step.action, step.name) for step in outcome.plan] == [
        ("remove", "front"),
        ("create", "front"),
        ("update", "web"),
        ("remove", "back"),
        ("create", "back"),
        ("update", "web"),
    ]
    writes = [name for name in bench.engine.calls[calls:] if name not in ("tasks", "networks", "nodes", "services")]
    assert writes[:3] == ["remove_network", "create_network", "update_service"]
    subnets = (
        bench.network("front")["IPAM"]["Config"][0]["Subnet"],
        bench.network("back")["IPAM"]["Config"][0]["Subnet"],
    )
    assert subnets == ("10.0.0.0/24", "10.20.0.0/24")


def test_a_network_whose_removal_had_to_be_planned_again_is_not_forgotten(bench: Bench) -> None:
    """Two without services change places; somebody else removes the second one after this run removed the first."""
    for name, subnet in (("front", "10.21.0.0/24"), ("back", "10.20.0.0/24")):
        bench.bring({"name": name, "subnet": subnet, "attachable": True, "encrypted": True})
    other = bench.network("front")["Id"]

    def arm() -> None:
        bench.engine.before("remove_network", lambda: bench.engine.remove_network(other))

    bench.engine.before("remove_network", arm)
    bench.bring({"name": "front", "subnet": "10.20.0.0/24"}, {"name": "back", "subnet": "10.21.0.0/24"})
    for name in ("front", "back"):
        assert bench.network(name)["Attachable"], name
        assert "encrypted" in bench.network(name)["Options"], name


def test_without_the_network_a_parked_service_waits_and_is_named(bench: Bench) -> None:
    interrupted(bench)
    outcome = bench.bring({"name": "front"}, recreate=False)
    assert not outcome.plan
    assert outcome.plan.warnings == ("service web is parked, and can't be put back without network back: declare it",)


def test_another_owner_leaves_a_parked_service_alone(bench: Bench) -> None:
    interrupted(bench)
    bench.bring(NEW, recreate=False, dry_run=True)
    decision = networks.plan(networks.declared([NEW]), bench.read(bench.engine), "somebody")
    assert [step.kind for step in decision.plan] == ["network"]


def test_a_parked_service_that_was_changed_can_only_be_deployed_again(bench: Bench) -> None:
    interrupted(bench)
    service = bench.service("web")
    scaled = {**service["Spec"], "Mode": {"Replicated": {"Replicas": 5}}}
    bench.engine.update_service(service["ID"], service["Version"]["Index"], scaled)
    outcome = bench.bring(NEW, recreate=False)
    assert [step.kind for step in outcome.plan] == ["network"]
    assert "changed by somebody else before it could be put back: deploy it again" in outcome.plan.warnings[0]


def test_a_parked_service_that_was_rolled_back_by_hand_gets_the_new_network(bench: Bench) -> None:
    interrupted(bench)
    held = bench.held("web")
    held["Spec"], held["PreviousSpec"] = held["PreviousSpec"], held["Spec"]
    outcome = bench.bring(NEW, recreate=False)
    assert [(step.action, step.name) for step in outcome.plan] == [("create", "back"), ("update", "web")]
    assert outcome.plan.diff()["after"]["service web"] == {"rollback_target": "as it is"}
    assert parking.targets(bench.service("web")["Spec"]) == {bench.network()["Id"]}


def test_a_service_that_is_still_parked_has_to_be_put_back_before_another_of_its_networks_goes(bench: Bench) -> None:
    bench.engine.create_service(spec("web", "back", "front"))
    bench.engine.before("create_network", bench.engine.stop)

    class KilledError(BaseException):
        pass

    def kill(_request: Json) -> str:
        raise KilledError

    with pytest.raises(KilledError):
        bench.bring(NEW, engine=Wrapped(bench.engine, "create_network", kill))
    with pytest.raises(DeclarationError, match="an earlier run has not put it back yet: run once without recreate"):
        bench.plan(NEW, {"name": "front", "internal": True})
    bench.bring(NEW, {"name": "front", "internal": True}, recreate=False)
    bench.bring(NEW, {"name": "front", "internal": True})
    assert bench.running("web") == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "no JSON",
        '{"owner": "flotilla", "networks": []}',
        '{"owner": "flotilla", "networks": {"n1": "back"}}',
        '{"owner": "flotilla", "networks": {"n1": {}}}',
    ],
)
def test_a_label_that_says_nothing_is_nothing(bench: Bench, text: str) -> None:
    bench.engine.create_service({**spec("web", "back"), "Labels": {parking.LABEL: text}})
    assert parking.networks_left(bench.service("web"), OWNER) is None


# --- The module -------------------------------------------------------------------------------------------------------


def test_the_module_makes_a_network_anew_when_it_is_told_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(check_mode: bool = False, **options: Any) -> Json:
        arguments = {"networks": [NEW], "underlay_mtu": 1450, **options, "_ansible_check_mode": check_mode}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            swarm_networks.main()
        result: Json = json.loads(capsys.readouterr().out)
        return result

    bench.engine.create_service(spec("web", "back"))
    old = bench.network()["Id"]
    monkeypatch.setattr(client, "connect", lambda _socket: bench.engine)
    # The service is watched for its window, which nobody has to wait for here.
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(network_services, "STABLE_CAP", 0.0)
    told = run(check_mode=True, recreate=True)
    assert told["changed"]
    assert run()["networks"]["back"]["id"] == old
    done = run(recreate=True)
    assert done["plan"] == told["plan"]
    assert (done["changed"], done["drift"]) == (True, [])
    assert done["networks"]["back"] == {
        "id": bench.network()["Id"],
        "owned": True,
        "container_mtu": 1372,
        "addresses": {"total": 253, "used": 5, "free": 248},
    }
    again = run(recreate=True)
    assert (again["changed"], again["networks"]) == (False, done["networks"])
