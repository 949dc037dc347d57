# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks of a restore refuse, and which node gets which snapshot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.flotilla.swarm.plugins.filter.volume_users import FilterModule, volume_users

DR = Path(__file__).resolve().parents[2] / "playbooks/dr"
NODES = ("w1", "w2", "w3")
WEB, REDIS, AGENT = ({"stack": "shop", "service": name} for name in ("web", "redis", "agent"))
SERVICES = [
    {"name": "shop_web", "stack": "shop", "mode": "replicated", "desired": 2, "volumes": ["shop_uploads"]},
    {"name": "shop_redis", "stack": "shop", "mode": "replicated", "desired": 1, "volumes": ["shop_data"]},
    {"name": "shop_agent", "stack": "shop", "mode": "global", "desired": 3, "volumes": ["shop_logs"]},
    {"name": "other_agent", "stack": "other", "mode": "global", "desired": 3, "volumes": []},
]


def with_count(name: str, count: int) -> dict[str, Any]:
    """What swarm_info said, with this count for one service."""
    services = [{**one, "desired": count} if one["name"] == name else one for one in SERVICES]
    return {"snapshot": {"services": services}}


ITEMS = [
    {"name": "db", "kind": "redis", "service": "shop_redis"},
    {"name": "data", "kind": "volume", "volume": "shop_data"},
    {"name": "uploads", "kind": "volume", "volume": "shop_uploads"},
]


def play(file: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in yaml.safe_load((DR / file).read_text(encoding="utf-8")) if one.get("name") == name]
    return dict(found)


def tasks(listed: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for task in listed:
        found[task["name"]] = task
        found.update(tasks(task.get("block", []) + task.get("always", [])))
    return found


def trusted(value: Any) -> Any:
    """A playbook's own text, which alone is a template."""
    if isinstance(value, dict):
        return {key: trusted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [trusted(each) for each in value]
    return trust_as_template(value) if isinstance(value, str) else value


class Run:
    """A play as one of its hosts sees it."""

    def __init__(self, found: dict[str, Any], host: str, **variables: Any) -> None:
        self.tasks = tasks(found["tasks"])
        self.variables = {**trusted(found.get("vars", {})), "inventory_hostname": host, **variables}

    def template(self, text: str, **more: Any) -> Any:
        templar = Templar(DataLoader(), variables={**self.variables, **more})
        # Ansible's loader of collections is not there in a unit test.
        filters = templar._engine.environment.filters  # the public way to it is deprecated
        filters["flotilla.swarm.volume_users"] = volume_users
        return templar.template(trusted(text))

    def holds(self, name: str) -> tuple[bool, str]:
        """Whether an assertion holds, and what is said where it does not."""
        task = self.tasks[name]
        said = task["ansible.builtin.assert"]
        more = trusted(task.get("vars", {}))
        wanted = said["that"] if isinstance(said["that"], list) else [said["that"]]
        return all(self.template("{{ %s }}" % one, **more) for one in wanted), self.template(said["fail_msg"], **more)


def restoring(
    host: str,
    where: Mapping[str, Mapping[str, list[dict[str, str]]]],
    unused: Collection[tuple[str, str]] = (),
    **variables: Any,
) -> Run:
    """A restore as one of its hosts sees it.

    Args:
        host: that one.
        where: node -> job -> the services to stop, of the jobs that it has.
        unused: node and job of each volume that is there, and that no service uses.
        variables: of the play.
    """
    names = variables.get("restore") or [item["name"] for item in ITEMS]
    places = {
        node: {
            "jobs": [
                {
                    "job": job,
                    "node": node,
                    "here": job in where[node],
                    "there": job in where[node] or (node, job) in unused,
                    "reason": "",
                    "stop": where[node].get(job, []),
                }
                for job in names
            ]
        }
        for node in NODES
    }
    return Run(
        play("restore_data.yml", "Restore data"),
        host,
        groups={"swarm": list(NODES)},
        ansible_play_hosts_all=list(NODES),
        hostvars={node: {"__restore_data_places": places[node]} for node in NODES},
        swarm_backup_items=ITEMS,
        __restore_data_places=places[host],
        **{"__restore_data_swarm": {"snapshot": {"services": SERVICES}}, **variables},
    )


ONE = {"w1": {"db": [], "data": [REDIS], "uploads": [WEB]}, "w2": {}, "w3": {}}
SEVERAL = {"w1": {"uploads": [WEB]}, "w2": {"db": [], "data": [REDIS], "uploads": [WEB]}, "w3": {}}
GLOBAL = {"w1": {"db": [], "data": [REDIS, AGENT], "uploads": [WEB]}, "w2": {}, "w3": {}}
ALONE = "A snapshot goes to one node alone"
STILL = "The services that use the volumes can stand still"


def test_who_has_a_volume_is_told_by_the_services() -> None:
    assert FilterModule().filters() == {"volume_users": volume_users}
    alone = {"name": "cache", "stack": "", "desired": 1, "volumes": ["shop_data"]}
    own = {"stack": "", "service": "cache"}
    assert volume_users([*SERVICES, alone], ["shop_data", "shop_logs"]) == [REDIS, AGENT, own]
    assert volume_users(SERVICES, ["shop_data"], idle=True) == []
    assert volume_users([{**alone, "desired": 0}], ["shop_data"], idle=True) == [own]


def test_one_snapshot_never_replaces_a_volume_on_several_nodes() -> None:
    assert restoring("w1", ONE, restore_snapshot="aaaa1111").holds(ALONE)[0]
    refused = restoring("w1", SEVERAL, restore=["uploads"], restore_snapshot="aaaa1111", restore_node="")
    holds, message = refused.holds(ALONE)
    assert not holds
    assert "the volume of uploads" in message
    assert ": w1, w2. Name the one that is restored with -e node=" in message
    named = restoring("w1", SEVERAL, restore=["uploads"], restore_snapshot="aaaa1111", restore_node="w2")
    assert named.holds(ALONE)[0]


@pytest.mark.parametrize(
    ("host", "named", "own", "whose"),
    [
        ("w1", "", ["uploads"], "w1"),
        ("w2", "", ["data", "uploads"], "w2"),
        ("w3", "", [], None),
        ("w1", "w2", [], None),
        ("w2", "w2", ["data", "uploads"], None),
    ],
)
def test_each_node_restores_its_own(host: str, named: str, own: list[str], whose: str | None) -> None:
    run = restoring(host, SEVERAL, restore_node=named)
    assert run.holds(ALONE)[0]
    task = run.tasks["Restore them"]
    assert sorted(run.template(task["loop"])) == own
    options = task["flotilla.swarm.swarm_restore"]
    hosts = {job: run.template("{{ %s }}" % inside(options["host"]), item=job, omit=None) for job in own}
    assert hosts.get("uploads") == whose
    assert hosts.get("data") is None
    databases = run.template(run.tasks["Restore the databases"]["loop"])
    assert databases == (["db"] if host == "w2" else [])


def inside(template: str) -> str:
    return template.strip().removeprefix("{{").removesuffix("}}")


def test_a_node_that_does_not_have_it_is_told() -> None:
    holds, message = restoring("w1", SEVERAL, restore=["uploads"], restore_node="w3").holds("Each is somewhere")
    assert not holds
    assert message.startswith("w3 does not have the service or the volume of uploads")


def test_a_volume_that_no_service_uses_is_restored_on_the_node_that_is_named() -> None:
    unused = [("w3", "uploads")]
    assert restoring("w3", SEVERAL, unused).template("{{ __restore_data_here }}") == []
    idle = with_count("shop_web", 0)
    named = restoring("w3", ONE, unused, restore=["uploads"], restore_node="w3", __restore_data_swarm=idle)
    assert named.holds("Each is somewhere")[0]
    assert named.template("{{ __restore_data_here }}") == ["uploads"]
    assert named.template("{{ __restore_data_stop }}") == []
    assert named.template(named.tasks["Tell which services are at 0"]["loop"]) == [WEB]


def test_a_volume_that_no_container_has_is_told_with_its_node() -> None:
    nobody: dict[str, dict[str, list[dict[str, str]]]] = {node: {} for node in NODES}
    run = restoring("w1", nobody, [("w2", "uploads")], restore=["uploads"])
    holds, message = run.holds("Each is somewhere")
    assert not holds
    assert "no container has it: uploads on w2. Name the node with -e node=" in message
    holds, message = restoring("w1", nobody, restore=["uploads"]).holds("Each is somewhere")
    assert not holds
    assert "give it with -e '{\"restore\": [...]}' once it is there" in message


def test_a_service_that_crashes_stands_still_too() -> None:
    """No container has the volume at the moment of asking, and one could at any other."""
    run = restoring("w2", {node: {} for node in NODES}, [("w2", "uploads")], restore=["uploads"], restore_node="w2")
    assert run.template("{{ __restore_data_stop }}") == [WEB]
    run.variables["hostvars"]["w2"]["__restore_data_files"] = {"results": [{"item": "uploads", "unreachable": True}]}
    assert run.template("{{ __restore_data_unfit }}") == [WEB]


def test_who_has_another_volume_of_that_name_goes_on() -> None:
    agent = {"name": "shop_agent", "stack": "shop", "mode": "replicated", "desired": 1, "volumes": ["shop_uploads"]}
    listed = {"snapshot": {"services": [*SERVICES[:2], agent]}}
    where = {**ONE, "w3": {"uploads": [AGENT]}}
    run = restoring("w1", where, restore=["uploads"], restore_node="w1", __restore_data_swarm=listed)
    assert run.template("{{ __restore_data_stop }}") == [WEB]


def test_only_what_the_named_node_needs_stands_still() -> None:
    where = {**SEVERAL, "w1": {"uploads": [REDIS]}}
    run = restoring("w2", where, restore=["uploads"], restore_node="w2")
    assert run.template("{{ __restore_data_stop }}") == [WEB]
    # Another node's services may go on with another volume of that name.
    waits = run.tasks["Wait until nothing uses them"]["flotilla.swarm.swarm_restore_info"]["jobs"]
    assert run.template(waits) == ["uploads"]


def test_a_service_stays_down_whose_volume_may_be_a_mixture() -> None:
    run = restoring("w2", SEVERAL)
    where = run.variables["hostvars"]
    cut = [{"item": "data", "failed": True, "error": "CutShort"}]
    kept = [{"item": "uploads", "failed": True, "error": "HostError"}]
    assert run.template("{{ __restore_data_unfit }}") == []
    where["w1"]["__restore_data_files"] = {"results": kept}
    where["w2"]["__restore_data_files"] = {"results": cut}
    assert run.template("{{ __restore_data_unfit }}") == [REDIS]
    again = run.tasks["Start the services again"]["loop"]
    assert run.template(again) == [WEB]
    for nothing in ({"unreachable": True}, {"failed": True}, {"failed": True, "error": "Late"}):
        where["w2"]["__restore_data_files"] = {"results": [{"item": "uploads", **nothing}]}
        assert run.template("{{ __restore_data_unfit }}") == [WEB]
        assert run.template(again) == [REDIS]
    told = run.tasks["Tell which services stay at 0"]
    assert run.template(told["loop"]) == [WEB]
    said = run.template(told["ansible.builtin.debug"]["msg"], item=WEB, **trusted(told["vars"]))
    assert said.startswith("shop_web stays at 0 (it had 2): ")
    assert "Restore uploads again with playbooks/dr/restore_volume.yml and -e node=, of w1, w2" in said
    assert said.endswith("""-e stack=shop -e '{"replicas": {"web": 2}}'""")
    where["w2"]["__restore_data_files"] = {"results": [{"item": "uploads", "failed": False}]}
    assert run.template(again) == [WEB, REDIS]


def test_a_service_without_a_count_is_refused_before_anything_is_changed() -> None:
    assert restoring("w1", ONE).holds(STILL)[0]
    run = restoring("w1", GLOBAL)
    holds, message = run.holds(STILL)
    assert not holds
    assert message.startswith("shop_agent must stand still")
    order = list(run.tasks)
    changes = [order.index(name) for name in ("Restore the databases", "Stop the services that use them")]
    assert max(order.index(ALONE), order.index(STILL)) < min(changes)


@pytest.mark.parametrize(("given", "seconds"), [({}, 14400), ({"swarm_backup_deadline": 60}, 60)])
def test_a_restore_has_as_long_as_a_backup(given: dict[str, int], seconds: int) -> None:
    run = restoring("w1", ONE, **given)
    for name in ("Restore the databases", "Restore them"):
        assert run.template(run.tasks[name]["flotilla.swarm.swarm_restore"]["deadline"]) == seconds


# -- which snapshot --------------------------------------------------------------------------------------------------

SNAPSHOTS = [{"id": "aaaa1111", "host": "w1", "time": "1"}, {"id": "bbbb2222", "host": "w2", "time": "2"}]


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ({}, ["bbbb2222"]),
        ({"node": "w1"}, ["aaaa1111"]),
        ({"node": "w1", "kinds": ["redis"]}, ["bbbb2222"]),
        ({"node": "w3"}, []),
        # Who names a snapshot may give a node another one's.
        ({"node": "w3", "snapshot": "aaaa"}, ["aaaa1111"]),
    ],
)
def test_the_newest_is_the_named_nodes_own(given: dict[str, Any], chosen: list[str]) -> None:
    variables = {"kinds": ["volume"], "job": "uploads", **given}
    run = Run(
        play("restore_job.yml", "Restore | What would be restored"),
        "m1",
        groups={"swarm": list(NODES)},
        __restore_job_backups={"snapshots": SNAPSHOTS},
        **variables,
    )
    assert [one["id"] for one in run.template("{{ __restore_job_fitting }}")] == chosen
    holds, message = run.holds("The snapshot is there")
    assert holds == bool(chosen)
    assert chosen or "no snapshot latest of uploads from w3, or" in message
    assert "There are aaaa1111 from w1, bbbb2222 from w2." in message
    assert run.holds("The node is in the inventory, if one is named")[0]
    run.variables["node"] = "w9"
    assert not run.holds("The node is in the inventory, if one is named")[0]
