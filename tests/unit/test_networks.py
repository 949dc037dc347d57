# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of networks."""

from __future__ import annotations

import contextlib
import copy
import ipaddress
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, network_json, networks
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import Difference
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import Outcome
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.network_recreate import converge
from ansible_collections.flotilla.swarm.tests.support.living_engine import LivingEngine
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from hypothesis import given
from hypothesis import strategies as st

OWNER = "flotilla"
NAMES = ("front", "back", "data", "old")
FLAGS = st.none() | st.booleans()


@st.composite
def declarations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Networks as a user writes them; no two share addresses, whatever was declared before."""
    result = []
    for position, name in enumerate(draw(st.lists(st.sampled_from(NAMES), unique=True))):
        subnet = draw(st.none() | st.just("10.%d.0.0/24" % (100 + 10 * NAMES.index(name) + draw(st.integers(0, 1)))))
        gateway = draw(st.none() | st.just(str(ipaddress.ip_network(subnet)[9]))) if subnet else None
        result.append(
            {
                "name": name,
                "state": draw(st.sampled_from(networks.STATES)),
                "attachable": draw(FLAGS),
                "internal": draw(FLAGS),
                "encrypted": draw(FLAGS),
                "mtu": draw(st.none() | st.sampled_from((1400, 9000))),
                "subnet": subnet,
                "gateway": gateway,
                "labels": draw(st.none() | st.just({}) | st.just({"a": str(position)})),
                "driver_opts": draw(st.none() | st.just({"com.example": ""})),
            }
        )
    return result


RUNS = st.lists(declarations(), min_size=1, max_size=4)
OPTIONS = st.fixed_dictionaries(
    {"recreate": st.booleans(), "underlay_mtu": st.none() | st.sampled_from((1300, 1500, 9000))}
)
SERVICES = st.dictionaries(
    st.sampled_from(("app", "job", "web")),
    st.tuples(st.lists(st.sampled_from(NAMES), unique=True), st.sampled_from((0, 1, 2, "global"))),
)


def read(engine: Engine) -> networks.Observation:
    return networks.Observation(engine.networks(), engine.services(), engine.tasks(by_hand=True), engine.nodes())


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def bring(
    engine: Engine, items: Sequence[networks.Item], owner: str = OWNER, **options: Any
) -> Outcome[networks.Decision]:
    clock = Clock()

    def plan(seen: networks.Observation) -> networks.Decision:
        return networks.plan(items, seen, owner, **options)

    return converge(read, plan, engine, owner, clock=clock, sleep=clock.sleep)


def deploy(engine: LivingEngine, services: dict[str, Any]) -> None:
    """Create services on those of their networks that there are."""
    for name, (targets, size) in services.items():
        mode = {"Global": {}} if size == "global" else {"Replicated": {"Replicas": size}}
        wanted = [target for target in targets if target in names(engine)]
        engine.create_service({**service(name, *wanted), "Mode": mode})


def declare(*items: dict[str, Any]) -> tuple[networks.Item, ...]:
    return networks.declared(items)


def network(engine: MemoryEngine, name: str) -> dict[str, Any]:
    return next(found for found in engine.networks() if found["Name"] == name)


def names(engine: MemoryEngine) -> list[str]:
    return sorted(found["Name"] for found in engine.networks() if found["Scope"] == "swarm")


def service(name: str, *targets: str) -> dict[str, Any]:
    return {"Name": name, "TaskTemplate": {"Networks": [{"Target": target} for target in targets]}}


def described(engine: MemoryEngine) -> dict[str, Any]:
    """Every service's spec, with the names of its networks for their IDs, and how many tasks run."""
    found = {}
    ids = {item["Id"]: item["Name"] for item in engine.networks()}
    for one in engine.services():
        spec = copy.deepcopy(one["Spec"])
        for entry in spec["TaskTemplate"].get("Networks") or ():
            entry["Target"] = ids[entry["Target"]]
        running = [task for task in engine.tasks() if task["ServiceID"] == one["ID"]]
        found[spec["Name"]] = (spec, sum(task["Status"]["State"] == "running" for task in running))
    return found


class CutOffError(BaseException):
    """What ends a process from outside: no handler of errors sees it."""


class CutOff:
    """An engine whose user is killed before a certain write."""

    def __init__(self, engine: MemoryEngine, writes: int) -> None:
        self._engine = engine
        self._left = writes

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("create", "update", "remove")):
            self._left -= 1
            if self._left < 0:
                raise CutOffError
        return getattr(self._engine, name)


class TestProperties:
    @given(RUNS, SERVICES, OPTIONS)
    def test_a_second_plan_is_empty(
        self, runs: list[list[dict[str, Any]]], services: dict[str, Any], options: dict[str, Any]
    ) -> None:
        engine = LivingEngine()
        for number, run in enumerate(runs):
            outcome = bring(engine, networks.declared(run), **options)
            if number == 0:
                deploy(engine, services)
        again = networks.plan(networks.declared(runs[-1]), read(engine), OWNER, **options)
        assert not again.plan
        assert again.drift == outcome.decision.drift
        assert set(again.networks) == set(outcome.decision.networks)
        if options["recreate"]:
            assert again.drift == ()

    @given(declarations(), declarations(), SERVICES, OPTIONS)
    def test_services_are_afterwards_what_they_were(
        self,
        before: list[dict[str, Any]],
        after: list[dict[str, Any]],
        services: dict[str, Any],
        options: dict[str, Any],
    ) -> None:
        engine = LivingEngine()
        bring(engine, networks.declared(before))
        deploy(engine, services)
        held = described(engine)
        outcome = bring(engine, networks.declared(after), **options)
        assert described(engine) == held
        moved = {step.name for step in outcome.plan if step.kind == "service"}
        anew = {step.name for step in outcome.plan if step.action == "remove"}
        assert moved <= {name for name, (targets, _size) in services.items() if anew & set(targets)}
        for found in engine.services():
            # A rollback by hand would bring back what is there, not a service that is stopped.
            assert found.get("PreviousSpec", found["Spec"]) == found["Spec"]
            assert ("PreviousSpec" in found) is (found["Spec"]["Name"] in moved)

    @given(declarations(), declarations(), SERVICES, OPTIONS, st.integers(0, 12), st.booleans())
    def test_a_run_that_was_cut_off_anywhere_is_brought_to_its_end_by_the_next(
        self,
        before: list[dict[str, Any]],
        after: list[dict[str, Any]],
        services: dict[str, Any],
        options: dict[str, Any],
        writes: int,
        recreate_again: bool,
    ) -> None:
        engine = LivingEngine()
        bring(engine, networks.declared(before))
        deploy(engine, services)
        held = described(engine)
        with contextlib.suppress(CutOffError):
            bring(CutOff(engine, writes), networks.declared(after), **{**options, "recreate": True})
        options = {**options, "recreate": recreate_again}
        bring(engine, networks.declared(after), **options)
        assert described(engine) == held
        assert not networks.plan(networks.declared(after), read(engine), OWNER, **options).plan
        assert all(found.get("PreviousSpec", found["Spec"]) == found["Spec"] for found in engine.services())
        if recreate_again:
            # What services are on is as it would be without the interruption, also where it is not declared.
            twin = LivingEngine()
            bring(twin, networks.declared(before))
            deploy(twin, services)
            used = {target for targets, _size in services.values() for target in targets} & set(names(twin))
            bring(twin, networks.declared(after), **options)
            for name in used:
                assert network_json.like(network(engine, name)) == network_json.like(network(twin, name))

    @given(declarations())
    def test_a_network_that_was_just_made_has_no_drift(self, run: list[dict[str, Any]]) -> None:
        engine = MemoryEngine()
        bring(engine, networks.declared(run))
        assert networks.plan(networks.declared(run), read(engine), OWNER).drift == ()

    @given(RUNS, declarations(), SERVICES, OPTIONS, st.randoms(use_true_random=False))
    def test_input_is_not_changed_and_its_order_does_not_matter(
        self,
        runs: list[list[dict[str, Any]]],
        run: list[dict[str, Any]],
        services: dict[str, Any],
        options: dict[str, Any],
        random: Any,
    ) -> None:
        kept_run = copy.deepcopy(run)
        items = networks.declared(run)
        assert run == kept_run
        engine = LivingEngine()
        for earlier in runs:
            bring(engine, networks.declared(earlier))
        deploy(engine, services)
        seen = read(engine)
        kept = copy.deepcopy((items, seen))
        first = networks.plan(items, seen, OWNER, **options)
        assert (items, seen) == kept
        shuffled = networks.Observation(
            *(random.sample(part, len(part)) for part in (seen.networks, seen.services, seen.tasks, seen.nodes))
        )
        second = networks.plan(random.sample(items, len(items)), shuffled, OWNER, **options)
        assert first == second
        assert [step.payload for step in first.plan] == [step.payload for step in second.plan]

    @given(RUNS, OPTIONS)
    def test_only_our_own_networks_ever_go(self, runs: list[list[dict[str, Any]]], options: dict[str, Any]) -> None:
        engine = MemoryEngine()
        bring(engine, networks.declared([{"name": "old"}]), owner="other")
        engine.create_network({"Name": "front", "Driver": "overlay", "Labels": {}})
        theirs = {network(engine, name)["Id"] for name in ("front", "old")}
        for run in runs:
            bring(engine, networks.declared(run), **options)
        assert theirs <= {found["Id"] for found in engine.networks()}


class TestCreate:
    def test_the_request(self, engine: MemoryEngine) -> None:
        items = declare(
            {
                "name": "back",
                "attachable": True,
                "internal": True,
                "encrypted": True,
                "mtu": 1400,
                "subnet": "10.20.0.0/24",
                "gateway": "10.20.0.9",
                "labels": {"a": "b"},
                "driver_opts": {"com.example": "x"},
            }
        )
        (step,) = networks.plan(items, read(engine), OWNER).plan
        assert step.payload["request"] == {
            "Name": "back",
            "Driver": "overlay",
            "Scope": "swarm",
            "Attachable": True,
            "Internal": True,
            "EnableIPv6": False,
            "Options": {"encrypted": "", "com.docker.network.driver.mtu": "1400", "com.example": "x"},
            "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.20.0.0/24", "Gateway": "10.20.0.9"}]},
            "Labels": {"a": "b", labels.OWNER: "flotilla"},
        }
        assert {d.field: d.after for d in step.differences} == {
            "driver": "overlay",
            "attachable": True,
            "internal": True,
            "encrypted": True,
            "mtu": 1400,
            "subnet": "10.20.0.0/24",
            "gateway": "10.20.0.9",
            "labels": {"a": "b"},
            "driver_opts": {"com.example": "x"},
        }

    def test_what_is_left_out_is_left_to_the_engine(self, engine: MemoryEngine) -> None:
        (step,) = networks.plan(declare({"name": "back"}), read(engine), OWNER).plan
        assert step.payload["request"] == {
            "Name": "back",
            "Driver": "overlay",
            "Scope": "swarm",
            "Attachable": False,
            "Internal": False,
            "Options": {},
            "Labels": {labels.OWNER: "flotilla"},
        }
        assert step.differences == (Difference("driver", None, "overlay"),)

    def test_encrypted_false_leaves_the_key_out(self, engine: MemoryEngine) -> None:
        (step,) = networks.plan(declare({"name": "back", "encrypted": False}), read(engine), OWNER).plan
        assert step.payload["request"]["Options"] == {}

    def test_ipv6(self, engine: MemoryEngine) -> None:
        items = declare({"name": "back", "subnet": "2001:DB8:0::/64", "gateway": "2001:db8::0:1"})
        (step,) = networks.plan(items, read(engine), OWNER).plan
        assert step.payload["request"]["EnableIPv6"] is True
        assert step.payload["request"]["IPAM"]["Config"] == [{"Subnet": "2001:db8::/64", "Gateway": "2001:db8::1"}]

    def test_the_ids_are_known_afterwards(self, engine: MemoryEngine) -> None:
        outcome = bring(engine, declare({"name": "back"}))
        assert outcome.decision.networks == {
            "back": {"id": None, "owned": True, "container_mtu": 1450, "addresses": None}
        }
        assert outcome.id_of("network", "back", None) == network(engine, "back")["Id"]


class TestDrift:
    def test_it_is_reported_and_nothing_is_done(self, engine: MemoryEngine) -> None:
        bring(engine, declare({"name": "back", "subnet": "10.20.0.0/24", "mtu": 1400, "labels": {"a": "1"}}))
        wanted = {
            "name": "back",
            "attachable": True,
            "internal": True,
            "encrypted": True,
            "mtu": 1450,
            "subnet": "10.21.0.0/24",
            "labels": {},
            "driver_opts": {"com.example": "x"},
        }
        decision = networks.plan(declare(wanted), read(engine), OWNER)
        assert not decision.plan
        assert decision.drift == (
            {"network": "back", "field": "attachable", "before": False, "after": True, "services": []},
            {"network": "back", "field": "internal", "before": False, "after": True, "services": []},
            {"network": "back", "field": "encrypted", "before": False, "after": True, "services": []},
            {"network": "back", "field": "mtu", "before": 1400, "after": 1450, "services": []},
            {"network": "back", "field": "driver_opts.com.example", "before": None, "after": "x", "services": []},
            {"network": "back", "field": "subnet", "before": "10.20.0.0/24", "after": "10.21.0.0/24", "services": []},
            {"network": "back", "field": "labels.a", "before": "1", "after": None, "services": []},
        )
        (warning,) = decision.plan.warnings
        assert warning.startswith("network back is not as declared: attachable is False, declared True, ")

    @pytest.mark.parametrize("value", ["", "false", "true"])
    def test_encrypted_is_told_by_the_key_alone(self, engine: MemoryEngine, value: str) -> None:
        engine.create_network({"Name": "back", "Driver": "overlay", "Options": {"encrypted": value}})
        assert networks.plan(declare({"name": "back", "encrypted": True}), read(engine), OWNER).drift == ()
        assert networks.plan(declare({"name": "back", "encrypted": False}), read(engine), OWNER).drift == (
            {"network": "back", "field": "encrypted", "before": True, "after": False, "services": []},
        )

    def test_what_is_not_managed_is_not_compared(self, engine: MemoryEngine) -> None:
        bring(
            engine,
            declare(
                {
                    "name": "back",
                    "attachable": True,
                    "internal": True,
                    "encrypted": True,
                    "mtu": 1400,
                    "subnet": "10.20.0.0/24",
                    "gateway": "10.20.0.9",
                    "labels": {"a": "b"},
                    "driver_opts": {"com.example": "x"},
                }
            ),
        )
        decision = networks.plan(declare({"name": "back"}), read(engine), OWNER)
        assert not decision.plan
        assert decision.drift == ()
        assert decision.plan.warnings == ()

    def test_another_gateway_and_another_driver(self, engine: MemoryEngine) -> None:
        bring(engine, declare({"name": "back", "subnet": "10.20.0.0/24"}))
        items = declare({"name": "back", "driver": "macvlan", "subnet": "10.20.0.0/24", "gateway": "10.20.0.254"})
        assert networks.plan(items, read(engine), OWNER).drift == (
            {"network": "back", "field": "driver", "before": "overlay", "after": "macvlan", "services": []},
            {"network": "back", "field": "gateway", "before": "10.20.0.1", "after": "10.20.0.254", "services": []},
        )

    @pytest.mark.parametrize(
        ("pool", "drift"),
        [
            ({"Subnet": "10.20.0.0/24", "Gateway": "10.20.0.9/24"}, 0),
            ({"Subnet": "10.20.0.3/24", "Gateway": "10.20.0.9"}, 0),
            ({"Subnet": "10.20.0.0/24"}, 1),
            ({"Subnet": ""}, 1),
        ],
    )
    def test_addresses_are_compared_in_their_normal_form(
        self, engine: MemoryEngine, pool: dict[str, str], drift: int
    ) -> None:
        bring(engine, declare({"name": "back"}))
        seen = read(engine)
        seen.networks[0]["IPAM"]["Config"] = [{"Subnet": "2001:db8::/64", "Gateway": "2001:db8::1"}, pool]
        items = declare({"name": "back", "subnet": "10.20.0.0/24", "gateway": "10.20.0.9"})
        assert len(networks.plan(items, seen, OWNER).drift) == drift

    def test_labels_of_others_networks_may_be_more(self, engine: MemoryEngine) -> None:
        engine.create_network({"Name": "back", "Driver": "overlay", "Labels": {"theirs": "x", "a": "1"}})
        decision = networks.plan(declare({"name": "back", "labels": {"a": "2"}}), read(engine), OWNER)
        assert decision.networks["back"]["owned"] is False
        assert [found["field"] for found in decision.drift] == ["labels.a"]

    def test_a_network_without_addresses_yet_is_not_compared_in_them(self, engine: MemoryEngine) -> None:
        engine.allocates = False
        wanted = declare(
            {"name": "back", "encrypted": True, "subnet": "10.20.0.0/24", "mtu": 1400, "labels": {"a": "b"}}
        )
        bring(engine, wanted)
        decision = networks.plan(wanted, read(engine), OWNER)
        assert not decision.plan
        assert decision.drift == ()
        assert "has no addresses yet" in decision.plan.warnings[0]


MTU = "com.docker.network.driver.mtu"


class TestUnderlay:
    @pytest.mark.parametrize(
        ("own", "underlay", "option", "container"),
        [
            (None, None, None, 1450),
            (None, 1500, None, 1450),
            (None, 1450, "1450", 1400),
            (None, 9000, "9000", 8950),
            (1400, 1450, "1400", 1350),
            (1500, 1500, "1500", 1450),
        ],
    )
    def test_a_new_network_is_made_for_it_unless_it_says_otherwise(
        self, engine: MemoryEngine, own: int | None, underlay: int | None, option: str | None, container: int
    ) -> None:
        outcome = bring(engine, declare({"name": "back", "mtu": own}), underlay_mtu=underlay)
        assert network(engine, "back")["Options"].get(MTU) == option
        assert outcome.decision.networks["back"]["container_mtu"] == container
        (step,) = outcome.plan
        assert [d.after for d in step.differences if d.field == "mtu"] == ([int(option)] if option else [])

    @pytest.mark.parametrize(
        ("own", "underlay", "before"),
        [
            (None, 1450, 1500),
            (1500, 1450, 1500),
            (9000, 1500, 9000),
            (1400, 1450, None),
            (1450, 1450, None),
            (None, 1500, None),
            (None, 9000, None),
        ],
    )
    def test_a_network_that_was_made_for_a_larger_one_is_drift(
        self, engine: MemoryEngine, own: int | None, underlay: int, before: int | None
    ) -> None:
        bring(engine, declare({"name": "back", "mtu": own}))
        drift = networks.plan(declare({"name": "back"}), read(engine), OWNER, underlay_mtu=underlay).drift
        assert [(found["field"], found["before"], found["after"]) for found in drift] == (
            [("mtu", before, underlay)] if before else []
        )
        bring(engine, declare({"name": "back"}), recreate=True, underlay_mtu=underlay)
        assert int(network(engine, "back")["Options"].get(MTU, 1500)) == (underlay if before else own or 1500)

    def test_a_text_that_is_no_number_is_drift_too(self, engine: MemoryEngine) -> None:
        engine.create_network({"Name": "back", "Driver": "overlay", "Options": {MTU: "large"}})
        seen = networks.plan(declare({"name": "back"}), read(engine), OWNER, underlay_mtu=1500)
        assert [(found["before"], found["after"]) for found in seen.drift] == [("large", 1500)]
        assert seen.networks["back"]["container_mtu"] is None

    def test_another_driver_has_its_own_mtu(self, engine: MemoryEngine) -> None:
        items = declare({"name": "back", "driver": "macvlan"})
        outcome = bring(engine, items, underlay_mtu=1400)
        assert MTU not in network(engine, "back")["Options"]
        assert outcome.decision.networks["back"]["container_mtu"] is None
        assert networks.plan(items, read(engine), OWNER, underlay_mtu=1400).drift == ()

    def test_an_mtu_that_is_declared_too_large_is_warned_of(self, engine: MemoryEngine) -> None:
        items = declare({"name": "back", "mtu": 9000})
        for _run in range(2):
            (warning,) = bring(engine, items, underlay_mtu=1500).plan.warnings
            assert "its mtu 9000 is more than the network below carries (1500)" in warning

    @pytest.mark.parametrize("mtu", [0, 575, 65536])
    def test_what_can_not_be_one_is_refused(self, mtu: int) -> None:
        with pytest.raises(DeclarationError, match="underlay_mtu: %d is not between 576 and 65535" % mtu):
            networks.checked_underlay(mtu)


class TestAddresses:
    def test_they_are_told_of_each_network(self) -> None:
        living = LivingEngine()
        bring(living, declare({"name": "back", "subnet": "10.20.0.0/28"}))
        deploy(living, {"web": (["back"], 3)})
        decision = networks.plan(declare({"name": "back"}), read(living), OWNER)
        # Three tasks, a virtual IP, and the three nodes where they are.
        assert decision.networks["back"]["addresses"] == {"total": 13, "used": 7, "free": 6}

    def test_they_are_not_known_before_the_swarm_has_given_them(self, engine: MemoryEngine) -> None:
        engine.allocates = False
        bring(engine, declare({"name": "back"}))
        decision = networks.plan(declare({"name": "back"}), read(engine), OWNER)
        assert decision.networks["back"]["addresses"] is None


class TestRemove:
    absent = networks.Item("old", networks.ABSENT)

    def test_ours_and_unused_goes(self, engine: MemoryEngine) -> None:
        bring(engine, declare({"name": "old"}))
        outcome = bring(engine, (self.absent,))
        assert [(step.action, step.name) for step in outcome.plan] == [("remove", "old")]
        assert names(engine) == []
        assert outcome.decision.networks == {}

    def test_what_is_not_there_needs_nothing(self, engine: MemoryEngine) -> None:
        engine.add_local_network("old")
        bring(engine, declare({"name": "OLD"}))
        assert not bring(engine, (self.absent,)).plan

    @pytest.mark.parametrize("owner", [None, "other"])
    def test_others_stay(self, engine: MemoryEngine, owner: str | None) -> None:
        found = {} if owner is None else {labels.OWNER: owner}
        engine.create_network({"Name": "old", "Driver": "overlay", "Labels": found})
        outcome = bring(engine, (self.absent,))
        assert not outcome.plan
        assert outcome.plan.warnings == (
            "network old is declared absent, but it does not belong to the owner 'flotilla': it stays",
        )

    def test_what_a_service_uses_or_used_before_stays(self, engine: MemoryEngine) -> None:
        bring(engine, declare({"name": "old"}))
        service_id = engine.create_service(service("app", "old"))
        assert "it stays until service app leave it" in bring(engine, (self.absent,)).plan.warnings[0]
        engine.update_service(service_id, engine.services()[0]["Version"]["Index"], service("app"))
        assert not bring(engine, (self.absent,)).plan
        engine.update_service(service_id, engine.services()[0]["Version"]["Index"], service("app"))
        assert bring(engine, (self.absent,)).plan

    def test_the_old_place_of_the_list_counts_too(self, engine: MemoryEngine) -> None:
        bring(engine, declare({"name": "old"}))
        engine.create_service({"Name": "app", "TaskTemplate": {}, "Networks": [{"Target": "old"}]})
        assert not bring(engine, (self.absent,)).plan

    @pytest.mark.parametrize(("state", "stays"), [("running", True), ("preparing", True), ("shutdown", False)])
    def test_what_a_container_is_attached_to_stays(self, engine: MemoryEngine, state: str, stays: bool) -> None:
        bring(engine, declare({"name": "old"}))
        attachment = {"Network": {"ID": network(engine, "old")["Id"]}}
        engine.task_list = [
            {"ID": "t1", "Status": {"State": state}, "DesiredState": "running", "NetworksAttachments": [attachment]}
        ]
        outcome = bring(engine, (self.absent,))
        assert bool(outcome.plan) is not stays
        assert ("task t1" in "".join(outcome.plan.warnings)) is stays

    def test_a_task_of_a_service_that_left_is_told_by_the_services_name(self, engine: MemoryEngine) -> None:
        bring(engine, declare({"name": "old"}))
        task = {
            "ID": "t1",
            "ServiceID": engine.create_service(service("app")),
            "Status": {"State": "running"},
            "NetworksAttachments": [{"Network": {"ID": network(engine, "old")["Id"]}}],
        }
        seen = networks.Observation(engine.networks(), engine.services(), [task])
        assert networks.users(network(engine, "old"), seen) == ["service app"]

    def test_it_comes_first_so_that_its_addresses_are_free(self, engine: MemoryEngine) -> None:
        bring(engine, declare({"name": "old", "subnet": "10.20.0.0/24"}))
        outcome = bring(engine, (self.absent, *declare({"name": "back", "subnet": "10.20.0.0/24"})))
        assert [step.action for step in outcome.plan] == ["remove", "create"]
        assert network(engine, "back")["Driver"] == "overlay"


class TestNamesAndAddressesThatAreTaken:
    def test_a_network_of_this_node_alone(self, engine: MemoryEngine) -> None:
        engine.add_local_network("back")
        with pytest.raises(
            DeclarationError, match=r"back is there as a network of this node alone \(driver bridge, scope"
        ):
            bring(engine, declare({"name": "back"}))

    def test_the_swarms_network_comes_before_a_local_one(self, engine: MemoryEngine) -> None:
        bring(engine, declare({"name": "back"}))
        engine.add_local_network("back")
        assert not bring(engine, declare({"name": "back"})).plan

    def test_the_same_name_in_another_case(self, engine: MemoryEngine) -> None:
        bring(engine, declare({"name": "Back"}))
        with pytest.raises(DeclarationError, match="the swarm has Back, which is the same name as back to it"):
            bring(engine, declare({"name": "back"}))

    def test_a_subnet_that_another_network_has(self, engine: MemoryEngine) -> None:
        bring(engine, declare({"name": "front", "subnet": "10.20.0.0/16"}))
        with pytest.raises(
            DeclarationError, match=r"subnet 10.20.3.0/24 of back shares addresses with the network front"
        ):
            bring(engine, declare({"name": "back", "subnet": "10.20.3.0/24"}))
        assert names(engine) == ["front"]


class TestDeclared:
    def test_normal_forms_and_defaults(self) -> None:
        assert declare({"name": "a", "subnet": "10.20.0.0/255.255.255.0", "gateway": "10.20.0.1", "mtu": None}) == (
            networks.Item("a", subnet="10.20.0.0/24", gateway="10.20.0.1"),
        )

    @pytest.mark.parametrize(
        ("more", "problem"),
        [
            ({"name": "a b"}, "networks[0] (a b): name: 'a b' can't be a name"),
            ({"name": "ingress"}, "networks[0] (ingress): name: the name 'ingress' is the engine's own"),
            ({"name": "x" * 64}, "has 64 characters; the engine allows 63"),
            ({"subnet": "10.20.0.1/24"}, "subnet: 10.20.0.1/24 has host bits set; write a network like 10.20.0.0/24"),
            ({"subnet": "ten"}, "subnet: 'ten' does not appear to be an IPv4 or IPv6 network"),
            (
                {"subnet": "10.20.0.0/24", "gateway": "10.21.0.1"},
                "gateway: 10.21.0.1 is not in the subnet 10.20.0.0/24",
            ),
            ({"subnet": "10.20.0.0/24", "gateway": "x"}, "gateway: 'x' does not appear to be"),
            ({"gateway": "10.20.0.1"}, "gateway: it needs a subnet beside it"),
            ({"mtu": 100}, "mtu: 100 is not between 576 and 65535"),
            ({"mtu": 70000}, "mtu: 70000 is not between 576 and 65535"),
            ({"labels": {"a": 1}}, "labels.a is the number 1, not a string"),
            ({"driver_opts": {"a": False}}, "driver_opts.a is the boolean false, not a string"),
            ({"driver_opts": "x"}, "driver_opts is not a dictionary"),
            ({"driver_opts": 5}, "driver_opts is not a dictionary"),
            ({"driver_opts": ["encrypted"]}, "driver_opts is not a dictionary"),
            ({"mtu": "1400"}, "mtu is not a whole number of bytes (in quotes it is a string)"),
            ({"mtu": True}, "mtu is not a whole number"),
            ({"state": "gone"}, "state is neither present nor absent"),
            ({"attachable": "maybe"}, "attachable is neither true nor false"),
            ({"internal": 1}, "internal is neither true nor false"),
            ({"encrypted": "false"}, "encrypted is neither true nor false"),
            ({"subnet": 5}, "subnet is not a string"),
            ({"subnet": "10.20.0.0/24", "gateway": 5}, "gateway is not a string"),
            ({"driver": 5}, "driver is not a string"),
            (
                {"driver_opts": {"encrypted": "false"}},
                "driver_opts.encrypted: say it with the option encrypted: the driver looks only whether it is there",
            ),
            ({"driver_opts": {"com.docker.network.driver.mtu": "1400"}}, "mtu: say it with the option mtu"),
        ],
    )
    def test_bad_items(self, more: dict[str, Any], problem: str) -> None:
        with pytest.raises(DeclarationError) as caught:
            networks.declared([{"name": "back", **more}])
        (told,) = caught.value.problems
        assert problem in told
        assert told.startswith("networks[0] (")

    def test_duplicates(self) -> None:
        with pytest.raises(DeclarationError, match="networks: a is declared more than once"):
            declare({"name": "a"}, {"name": "A"})

    def test_shared_addresses(self) -> None:
        with pytest.raises(DeclarationError, match=r"a \(10.20.0.0/16\) and b \(10.20.3.0/24\) share addresses"):
            declare({"name": "a", "subnet": "10.20.0.0/16"}, {"name": "b", "subnet": "10.20.3.0/24"})
        assert declare(
            {"name": "a", "subnet": "10.20.0.0/16", "state": "absent"}, {"name": "b", "subnet": "10.20.3.0/24"}
        )

    def test_every_problem_is_named(self) -> None:
        with pytest.raises(DeclarationError) as caught:
            declare({"name": "a b", "mtu": 1}, {"labels": {"x": 1}}, {"name": "c", "gateway": "1"})
        assert len(caught.value.problems) == 5
