# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract that every engine keeps: the one in memory, or a real one where FLOTILLA_TEST_ENGINE names its socket.

    FLOTILLA_TEST_ENGINE=unix:///var/run/docker.sock pytest tests/unit/test_memory_engine.py

The real one must be a manager of a swarm. What is made there has a name of its own that begins with ``flotilla-test-``,
and is removed again.
"""

from __future__ import annotations

import base64
import os
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, labels, networks, nodes, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import converge
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine, Json, connect
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import (
    EngineError,
    InUse,
    NameConflict,
    NoQuorum,
    NotAManager,
    NotFound,
    StaleVersion,
)
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

SOCKET = os.environ.get("FLOTILLA_TEST_ENGINE")
MISSING = "0000000000000000000000000"


class Bench:
    """One engine under test, and names that nothing else on it has."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.prefix = "flotilla-test-%s-" % uuid.uuid4().hex[:8]
        self.owner = self.prefix + "owner"

    def name(self, name: str) -> str:
        return self.prefix + name

    def secret(self, name: str) -> Json:
        return found(self.engine.secrets(), self.name(name))

    def config(self, name: str) -> Json:
        return found(self.engine.configs(), self.name(name))

    def network(self, name: str) -> Json:
        """The network, once it has its addresses: a real engine gives them a moment after it made it."""
        end = time.monotonic() + 10
        while True:
            (network,) = [n for n in self.engine.networks() if n["Name"] == self.name(name)]
            if network["Driver"] or time.monotonic() > end:
                return network
            time.sleep(0.05)

    def service(self, name: str) -> Json:
        return found(self.engine.services(), self.name(name))

    def service_spec(self, name: str, secrets: tuple[Json, ...] = (), networks_of: tuple[str, ...] = ()) -> Json:
        references = [
            {
                "SecretID": secret["ID"],
                "SecretName": secret["Spec"]["Name"],
                "File": {"Name": secret["Spec"]["Name"], "UID": "0", "GID": "0", "Mode": 0o444},
            }
            for secret in secrets
        ]
        return {
            "Name": self.name(name),
            "TaskTemplate": {
                "ContainerSpec": {"Image": "flotilla.invalid/none:1", "Secrets": references},
                "Networks": [{"Target": self.name(network)} for network in networks_of],
            },
            "Mode": {"Replicated": {"Replicas": 0}},
        }

    def clean(self) -> None:
        for service in self.engine.services():
            if service["Spec"]["Name"].startswith(self.prefix):
                self.engine.remove_service(service["ID"])
        for things, remove in (
            (self.engine.secrets(), self.engine.remove_secret),
            (self.engine.configs(), self.engine.remove_config),
        ):
            for thing in things:
                if thing["Spec"]["Name"].startswith(self.prefix):
                    remove(thing["ID"])
        for network in self.engine.networks():
            if network["Name"].startswith(self.prefix):
                self.engine.remove_network(network["Id"])


def found(things: list[Json], name: str) -> Json:
    (thing,) = [thing for thing in things if thing["Spec"]["Name"] == name]
    return thing


def settle(engine: Engine, seconds: float = 120) -> None:
    """Wait until the swarm takes writes and shows them, three times in a row.

    What ran before may have left its managers busy, or looking for a leader. The contract is about what an engine
    answers, not about how it fares under load.
    """
    end = time.monotonic() + seconds
    bench = Bench(engine)
    steady = 0
    while steady < 3:
        try:
            bench.clean()  # also what a try left that failed half way
            engine.create_config(bench.name("settled"), b"1", {})
            bench.config("settled")
            bench.clean()
            steady += 1
        except (EngineError, ValueError) as error:  # ValueError: what was made is not listed
            if time.monotonic() > end:
                raise TimeoutError("the swarm is not steady after %g s: %s" % (seconds, error)) from error
            steady = 0
            time.sleep(1)


@pytest.fixture(scope="session")
def real() -> Iterator[Engine]:
    engine = connect(str(SOCKET))
    try:
        settle(engine)
        yield engine
    finally:
        engine._client.close()


@pytest.fixture(params=["memory"] if SOCKET is None else ["real"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    if request.param == "memory":
        memory = MemoryEngine()
        yield Bench(memory)
        return
    bench = Bench(request.getfixturevalue("real"))
    try:
        yield bench
    finally:
        bench.clean()


def create(bench: Bench, kind: str) -> Callable[..., str]:
    make = bench.engine.create_secret if kind == "secret" else bench.engine.create_config
    return lambda name, data=b"1", found_labels=None: make(bench.name(name), data, found_labels or {})


def update(bench: Bench, kind: str) -> Callable[[str, int, Json], None]:
    return bench.engine.update_secret if kind == "secret" else bench.engine.update_config


def remove(bench: Bench, kind: str) -> Callable[[str], None]:
    return bench.engine.remove_secret if kind == "secret" else bench.engine.remove_config


def read(bench: Bench, kind: str, name: str) -> Json:
    return bench.secret(name) if kind == "secret" else bench.config(name)


def test_configs_are_listed_by_how_their_names_begin(bench: Bench) -> None:
    for name in ("key", "Key_v1", "other"):
        bench.engine.create_config(bench.name(name), b"1", {})
    listed = bench.engine.configs(bench.name("key"))
    assert sorted(config["Spec"]["Name"] for config in listed) == [bench.name("Key_v1"), bench.name("key")]
    assert bench.engine.configs(bench.name("none")) == []


@pytest.mark.parametrize("kind", ["secret", "config"])
class TestSecretsAndConfigs:
    def test_what_is_created_is_listed(self, bench: Bench, kind: str) -> None:
        object_id = create(bench, kind)("a", b"\x00\r\n", {"x": "", "y": "1"})
        thing = read(bench, kind, "a")
        assert thing["ID"] == object_id
        assert thing["Spec"]["Labels"] == {"x": "", "y": "1"}
        assert isinstance(thing["Version"]["Index"], int)

    def test_names_are_unique_without_regard_to_case(self, bench: Bench, kind: str) -> None:
        create(bench, kind)("a")
        for name in ("a", "A"):
            with pytest.raises(NameConflict):
                create(bench, kind)(name)

    def test_what_is_refused_at_once(self, bench: Bench, kind: str) -> None:
        limit = {"secret": 512_000, "config": 1_024_000}[kind]
        create(bench, kind)("big", b"x" * (limit - 1))
        for name, data in (("b", b"x" * limit), ("b", b""), ("b-", b"1"), ("b c", b"1"), ("x" * 64, b"1")):
            with pytest.raises(EngineError) as caught:
                create(bench, kind)(name, data)
            assert caught.value.__class__ is EngineError

    def test_labels_can_be_changed_and_nothing_else(self, bench: Bench, kind: str) -> None:
        object_id = create(bench, kind)("a", b"1", {"x": "1"})
        before = read(bench, kind, "a")
        update(bench, kind)(object_id, before["Version"]["Index"], {**before["Spec"], "Labels": {"y": "2"}})
        after = read(bench, kind, "a")
        assert after["Spec"] == {**before["Spec"], "Labels": {"y": "2"}}
        assert after["Version"]["Index"] > before["Version"]["Index"]
        with pytest.raises(EngineError, match="only updates to Labels are allowed"):
            update(bench, kind)(object_id, after["Version"]["Index"], {**after["Spec"], "Name": bench.name("b")})

    def test_a_stale_version_is_refused(self, bench: Bench, kind: str) -> None:
        object_id = create(bench, kind)("a")
        before = read(bench, kind, "a")
        update(bench, kind)(object_id, before["Version"]["Index"], {**before["Spec"], "Labels": {"x": "1"}})
        with pytest.raises(StaleVersion):
            update(bench, kind)(object_id, before["Version"]["Index"], {**before["Spec"], "Labels": {"x": "2"}})
        assert read(bench, kind, "a")["Spec"]["Labels"] == {"x": "1"}

    def test_what_is_removed_is_gone(self, bench: Bench, kind: str) -> None:
        object_id = create(bench, kind)("a")
        remove(bench, kind)(object_id)
        with pytest.raises(NotFound):
            remove(bench, kind)(object_id)
        with pytest.raises(NotFound):
            remove(bench, kind)(MISSING)


class TestData:
    def test_a_secret_is_never_read_back(self, bench: Bench) -> None:
        create(bench, "secret")("a", b"1")
        assert "Data" not in bench.secret("a")["Spec"]

    def test_a_config_is(self, bench: Bench) -> None:
        create(bench, "config")("a", b"\x00\r\n\xff")
        assert base64.b64decode(bench.config("a")["Spec"]["Data"]) == b"\x00\r\n\xff"


class TestUse:
    def test_a_secret_in_the_spec_can_not_be_removed_but_one_in_the_previous_spec_can(self, bench: Bench) -> None:
        create(bench, "secret")("a")
        create(bench, "secret")("b")
        a, b = bench.secret("a"), bench.secret("b")
        service_id = bench.engine.create_service(bench.service_spec("s", (a,)))
        with pytest.raises(InUse):
            bench.engine.remove_secret(a["ID"])
        version = bench.service("s")["Version"]["Index"]
        bench.engine.update_service(service_id, version, bench.service_spec("s", (b,)))
        assert versioned.uses(versioned.SECRET, [bench.service("s")]).keys() >= {a["ID"], b["ID"]}
        bench.engine.remove_secret(a["ID"])

    def test_an_update_keeps_the_previous_spec_and_needs_the_version(self, bench: Bench) -> None:
        service_id = bench.engine.create_service(bench.service_spec("s"))
        first = bench.service("s")
        assert "PreviousSpec" not in first
        spec = {**bench.service_spec("s"), "Labels": {"x": "1"}}
        bench.engine.update_service(service_id, first["Version"]["Index"], spec)
        second = bench.service("s")
        assert second["PreviousSpec"]["Name"] == first["Spec"]["Name"]
        assert second["Spec"]["Labels"] == {"x": "1"}
        with pytest.raises(StaleVersion):
            bench.engine.update_service(service_id, first["Version"]["Index"], spec)

    def test_a_network_that_a_service_uses_can_not_be_removed(self, bench: Bench) -> None:
        bench.engine.create_network({"Name": bench.name("n"), "Driver": "overlay", "Scope": "swarm"})
        network = bench.network("n")
        service_id = bench.engine.create_service(bench.service_spec("s", networks_of=("n",)))
        seen = networks.Observation([network], [bench.service("s")])
        assert networks.users(network, seen) == ["service " + bench.name("s")]
        with pytest.raises(InUse):
            bench.engine.remove_network(network["Id"])
        bench.engine.remove_service(service_id)
        bench.engine.remove_network(network["Id"])


class TestNetworks:
    def test_what_is_created_is_listed(self, bench: Bench) -> None:
        (item,) = networks.declared(
            [
                {
                    "name": bench.name("n"),
                    "attachable": True,
                    "internal": True,
                    "encrypted": True,
                    "mtu": 1400,
                    "labels": {"a": ""},
                }
            ]
        )
        network_id = bench.engine.create_network(networks.request(item, bench.owner))
        network = bench.network("n")
        assert network["Id"] == network_id
        assert network["Scope"] == "swarm"
        assert network["Labels"] == {"a": "", labels.OWNER: bench.owner}
        assert network["IPAM"]["Config"][0]["Subnet"]
        assert networks.drift(item, network, owned=True) == ()

    def test_encrypted_is_told_by_the_key_alone(self, bench: Bench) -> None:
        request: Json = {
            "Name": bench.name("n"),
            "Driver": "overlay",
            "Scope": "swarm",
            "Options": {"encrypted": "false"},
        }
        bench.engine.create_network(request)
        assert networks.drift(networks.Item("n", encrypted=True), bench.network("n"), owned=True) == ()

    def test_names_are_unique_without_regard_to_case(self, bench: Bench) -> None:
        bench.engine.create_network({"Name": bench.name("n"), "Driver": "overlay", "Scope": "swarm"})
        for name in ("n", "N"):
            with pytest.raises(NameConflict):
                bench.engine.create_network({"Name": bench.name(name), "Driver": "overlay", "Scope": "swarm"})

    def test_what_is_not_there_can_not_be_removed(self, bench: Bench) -> None:
        with pytest.raises(NotFound):
            bench.engine.remove_network(MISSING)


class TestNodes:
    def test_a_node_is_updated_with_its_whole_spec_and_version(self, bench: Bench) -> None:
        before = bench.engine.nodes()[0]
        label = bench.name("label")
        changed = {**before["Spec"], "Labels": {**(before["Spec"].get("Labels") or {}), label: ""}}
        bench.engine.update_node(before["ID"], before["Version"]["Index"], changed)
        after = next(node for node in bench.engine.nodes() if node["ID"] == before["ID"])
        assert after["Spec"] == changed
        with pytest.raises(StaleVersion):
            bench.engine.update_node(before["ID"], before["Version"]["Index"], changed)
        bench.engine.update_node(before["ID"], after["Version"]["Index"], before["Spec"])

    def test_a_node_has_what_it_is_matched_by(self, bench: Bench) -> None:
        for node in bench.engine.nodes():
            assert nodes.plan((nodes.Item("id", node["ID"]),), [node]).nodes[0]["name"]
            assert nodes.addresses(node)

    def test_a_node_that_is_up_can_not_be_removed(self, bench: Bench) -> None:
        with pytest.raises(EngineError):
            bench.engine.remove_node(bench.engine.nodes()[0]["ID"])

    def test_a_node_that_is_not_there(self, bench: Bench) -> None:
        with pytest.raises(NotFound):
            bench.engine.remove_node(MISSING)
        spec = bench.engine.nodes()[0]["Spec"]
        with pytest.raises(NotFound):
            bench.engine.update_node(MISSING, 1, spec)


class TestPlanners:
    """Observe, plan, apply: and a second plan is empty, on every engine."""

    @pytest.mark.parametrize("kind", [versioned.SECRET, versioned.CONFIG], ids=lambda kind: kind.name)
    def test_versioned(self, bench: Bench, kind: versioned.Kind) -> None:
        key = digest.Key(b"k" * 32)

        def observe(engine: Engine) -> versioned.Observation:
            objects = engine.secrets() if kind is versioned.SECRET else engine.configs()
            return versioned.Observation(objects, key, engine.services())

        for data, number in ((b"1", 1), (b"1", 1), (b"2", 2)):
            items = (versioned.Item(bench.name("a"), data, {"x": "y"}), versioned.Item(bench.name("a_v1"), b"1"))

            def plan(seen: versioned.Observation, items: tuple[versioned.Item, ...] = items) -> versioned.Decision:
                return versioned.plan(kind, items, seen, bench.owner, prune=True)

            outcome = converge(observe, plan, bench.engine)
            current = outcome.decision.current[bench.name("a")]
            assert current["version"] == number
            assert outcome.id_of(kind.name, current["name"], current["id"])
            assert not plan(observe(bench.engine)).plan

    def test_networks(self, bench: Bench) -> None:
        def observe(engine: Engine) -> networks.Observation:
            return networks.Observation(engine.networks(), engine.services(), engine.tasks())

        wanted = {"name": bench.name("n"), "subnet": "10.213.77.0/24", "gateway": "10.213.77.9", "encrypted": False}
        for state, steps in ((networks.PRESENT, 1), (networks.PRESENT, 0), (networks.ABSENT, 1), (networks.ABSENT, 0)):
            items = networks.declared([{**wanted, "state": state}])

            def plan(seen: networks.Observation, items: tuple[networks.Item, ...] = items) -> networks.Decision:
                return networks.plan(items, seen, bench.owner)

            outcome = converge(observe, plan, bench.engine)
            assert len(outcome.plan.steps) == steps
            if state == networks.PRESENT:
                bench.network("n")
            again = plan(observe(bench.engine))
            assert not again.plan
            assert again.drift == ()


class TestMemoryAlone:
    """What can't be asked of a real engine without breaking it."""

    def test_without_quorum_everything_fails_but_the_list_of_networks_which_lies(self, engine: MemoryEngine) -> None:
        engine.create_network({"Name": "n", "Driver": "overlay"})
        engine.quorum = False
        for method in ("swarm_inspect", "nodes", "secrets", "configs", "services", "tasks"):
            with pytest.raises(NoQuorum):
                getattr(engine, method)()
        assert {network["Scope"] for network in engine.networks()} == {"local"}

    def test_outside_a_swarm(self) -> None:
        engine = MemoryEngine(manager=False)
        assert engine.info()["Swarm"]["LocalNodeState"] == "inactive"
        with pytest.raises(NotAManager):
            engine.nodes()
        engine.swarm_init({"AdvertiseAddr": "192.0.2.11"})
        assert engine.info()["Swarm"]["ControlAvailable"] is True
        assert len(engine.nodes()) == 1
        with pytest.raises(EngineError, match="already part of a swarm"):
            engine.swarm_join({})

    def test_a_manager_is_demoted_before_it_is_removed(self, engine: MemoryEngine) -> None:
        first = engine.nodes()[0]
        with pytest.raises(EngineError, match="the last manager"):
            engine.update_node(first["ID"], first["Version"]["Index"], {**first["Spec"], "Role": "worker"})
        engine.lose_node(engine.add_node("m2", "192.0.2.12", role="manager"))
        second = engine.nodes()[1]
        with pytest.raises(EngineError, match="must be demoted"):
            engine.remove_node(second["ID"])
        engine.update_node(second["ID"], second["Version"]["Index"], {**second["Spec"], "Role": "worker"})
        engine.remove_node(second["ID"])
        assert [node["ID"] for node in engine.nodes()] == [first["ID"]]

    def test_addresses_that_are_taken_are_never_given(self, engine: MemoryEngine) -> None:
        pool = {"Config": [{"Subnet": "10.0.1.0/24"}]}
        for name in ("a", "b"):
            engine.create_network({"Name": name, "Driver": "overlay", "IPAM": pool})
        assert [network["Driver"] for network in engine.networks()[:2]] == ["overlay", ""]

    def test_what_it_returns_is_a_copy(self, engine: MemoryEngine) -> None:
        engine.create_secret("a", b"1", {})
        engine.secrets()[0]["Spec"]["Labels"]["x"] = "y"
        assert engine.secrets()[0]["Spec"]["Labels"] == {}

    def test_it_speaks_the_protocol(self, engine: MemoryEngine) -> None:
        spoken: Engine = engine
        members: dict[str, Any] = {name: member for name, member in vars(Engine).items() if not name.startswith("_")}
        assert all(callable(getattr(spoken, name)) for name in members)
