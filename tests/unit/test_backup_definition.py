# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of a swarm: the same whatever its IDs, without a secret, and compared without one."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import definition
from hypothesis import given
from hypothesis import strategies as st

CANARY = "tulip-in-december"


def swarm_of(salt: str = "") -> dict[str, Any]:
    """What an engine says of a swarm; the salt makes IDs and versions others."""

    def one(kind: str, number: int = 1) -> str:
        return "%s%s%d" % (salt, kind, number)

    return {
        "swarm": {
            "ID": one("cluster"),
            "Version": {"Index": len(salt)},
            "JoinTokens": {"Manager": CANARY, "Worker": CANARY},
            "DefaultAddrPool": ["10.0.0.0/8"],
            "SubnetSize": 24,
            "DataPathPort": 4789,
            "Spec": {
                "Name": "default",
                "CAConfig": {
                    "NodeCertExpiry": 7776000000000000,
                    "SigningCAKey": CANARY,
                    "ExternalCAs": [{"URL": "https://ca.example.com", "Options": {"token": CANARY}}],
                },
                "EncryptionConfig": {"AutoLockManagers": True},
            },
        },
        "nodes": [
            {
                "ID": one("node", number),
                "Description": {"Hostname": name},
                "Spec": {"Role": role, "Availability": "active", "Labels": labels},
                "Status": {"Addr": one("address")},
            }
            for number, name, role, labels in (
                (1, "m1", "manager", None),
                (2, "w1", "worker", {"tier": "database"}),
                (3, "w1", "worker", {}),
            )
        ],
        "services": [
            {
                "ID": one("service"),
                "PreviousSpec": {"Name": CANARY},
                "Spec": {
                    "Name": "shop_web",
                    "Labels": {"com.docker.stack.namespace": "shop"},
                    "Mode": {"Replicated": {"Replicas": 2}},
                    "TaskTemplate": {
                        "ForceUpdate": len(salt),
                        "ContainerSpec": {
                            "Image": "shop:1",
                            "Env": ["PASSWORD=hunter2"],
                            "Secrets": [
                                {"SecretID": one("secret", 2), "SecretName": "old", "File": {"Name": "b"}},
                                {"SecretID": one("secret", 1), "SecretName": "jwt_v1", "File": {"Name": "a"}},
                            ][:: -1 if salt else 1],
                            "Configs": [{"ConfigID": one("config"), "ConfigName": "web_v1", "File": {"Name": "c"}}],
                            "Privileges": {"CredentialSpec": {"Config": one("config")}},
                        },
                        "Networks": [{"Target": one("net", 2), "Aliases": ["web"]}, {"Target": one("net", 1)}],
                        "Placement": {"Constraints": ["node.labels.tier == database"]},
                    },
                },
            }
        ],
        "networks": [
            {
                "Id": one("net", number),
                "Name": name,
                "Scope": scope,
                "Driver": "overlay",
                "Created": one("time"),
                "Options": {"encrypted": "", "com.docker.network.driver.overlay.vxlanid_list": str(4097 + len(salt))},
                "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.20.%d.0/24" % number}]},
            }
            for number, name, scope in ((1, "back", "swarm"), (2, "front", "swarm"), (3, "bridge", "local"))
        ],
        "secrets": [
            {"ID": one("secret", number), "CreatedAt": one("time"), "Spec": {"Name": name, "Labels": {"version": "1"}}}
            for number, name in ((1, "jwt_v1"), (2, "db_v1"))
        ],
        "configs": [
            {"ID": one("config", number), "Spec": {"Name": name, "Data": base64.b64encode(b"listen 80").decode()}}
            for number, name in ((1, "web_v1"), (2, definition.LOCK_CONFIG))
        ],
    }


def exported(**changed: Any) -> dict[str, Any]:
    return definition.export(**{**swarm_of(), **changed})


def test_the_definition_holds_what_a_swarm_is_rebuilt_from() -> None:
    found = exported()
    assert found["nodes"]["w1"] == {"role": "worker", "availability": "active", "labels": {"tier": "database"}}
    assert found["nodes"]["m1"]["labels"] == {}
    assert sorted(found["nodes"]) == ["m1", "w1", "w1#2"]
    container = found["services"]["shop_web"]["TaskTemplate"]["ContainerSpec"]
    assert [reference["SecretName"] for reference in container["Secrets"]] == ["jwt_v1", "db_v1"]
    assert container["Configs"] == [{"ConfigName": "web_v1", "File": {"Name": "c"}}]
    assert container["Privileges"]["CredentialSpec"] == {"Config": "web_v1"}
    networks = found["services"]["shop_web"]["TaskTemplate"]["Networks"]
    assert networks == [{"Aliases": ["web"], "Target": "front"}, {"Target": "back"}]
    assert sorted(found["networks"]) == ["back", "front"]
    assert found["networks"]["back"]["Options"] == {"encrypted": ""}
    assert found["networks"]["back"]["IPAM"]["Config"] == [{"Subnet": "10.20.1.0/24"}]
    assert found["secrets"]["jwt_v1"] == {"labels": {"version": "1"}}
    data = {"data": base64.b64encode(b"listen 80").decode(), "sha256": hashlib.sha256(b"listen 80").hexdigest()}
    assert found["configs"] == {"web_v1": {"labels": {}, **data}}
    assert found["swarm"]["EncryptionConfig"] == {"AutoLockManagers": True}
    assert found["swarm"]["SubnetSize"] == 24


def test_it_holds_no_token_no_key_and_no_id() -> None:
    text = json.dumps(exported())
    assert CANARY not in text
    answers = swarm_of()
    for section in ("nodes", "services", "networks", "secrets", "configs"):
        for listed in answers[section]:
            assert (listed.get("ID") or listed["Id"]) not in text


def test_a_swarm_that_was_rebuilt_has_the_same_definition() -> None:
    assert definition.export(**swarm_of("rebuilt")) == definition.export(**swarm_of())
    assert definition.differences(definition.export(**swarm_of()), definition.export(**swarm_of("rebuilt"))) == []


def test_the_export_is_in_one_order_and_changes_nothing_it_was_given() -> None:
    answers = swarm_of()
    before = copy.deepcopy(answers)
    turned = {key: value[::-1] if isinstance(value, list) else value for key, value in swarm_of().items()}
    text = json.dumps(definition.export(**answers))
    assert json.dumps(definition.export(**turned)) == text
    assert answers == before
    assert json.loads(text) == definition.export(**answers)


def test_objects_that_the_swarm_no_longer_lists_keep_the_name_they_are_mounted_by() -> None:
    container = exported(secrets=[], networks=[])["services"]["shop_web"]["TaskTemplate"]["ContainerSpec"]
    assert sorted(reference["SecretName"] for reference in container["Secrets"]) == ["jwt_v1", "old"]


def changed(path: tuple[Any, ...], value: Any) -> list[str]:
    """The differences after one value of the engine's answers was set."""
    answers = swarm_of()
    place: Any = answers
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return definition.differences(exported(), definition.export(**answers))


CONTAINER = ("services", 0, "Spec", "TaskTemplate", "ContainerSpec")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("nodes", 0, "Spec", "Availability"), "drain", ['node m1: availability was "active", is "drain"']),
        (("nodes", 1, "Spec", "Labels"), {"tier": CANARY}, ["node w1: labels.tier differs"]),
        (("nodes", 0, "Spec", "Labels"), {"x": CANARY}, ["node m1: labels.x is new"]),
        ((*CONTAINER, "Image"), "shop:2",
         ['service shop_web: TaskTemplate.ContainerSpec.Image was "shop:1", is "shop:2"']),
        ((*CONTAINER, "Env"), ["PASSWORD=" + CANARY], ["service shop_web: TaskTemplate.ContainerSpec.Env differs"]),
        ((*CONTAINER, "Configs"), None, ["service shop_web: TaskTemplate.ContainerSpec.Configs is gone"]),
        (("services", 0, "Spec", "Mode", "Replicated", "Replicas"), 3,
         ["service shop_web: Mode.Replicated.Replicas was 2, is 3"]),
        (("secrets", 0, "Spec", "Name"), "jwt_v2",
         ["secret jwt_v1 is gone", "secret jwt_v2 is new",
          "service shop_web: TaskTemplate.ContainerSpec.Secrets differs"]),
        (("configs", 0, "Spec", "Data"), base64.b64encode(CANARY.encode()).decode(),
         ["config web_v1: data differs", "config web_v1: sha256 differs"]),
        (("networks", 0, "Options"), {}, ["network back: Options.encrypted is gone"]),
        (("swarm", "Spec", "EncryptionConfig", "AutoLockManagers"), False,
         ["swarm: EncryptionConfig.AutoLockManagers was true, is false"]),
    ],
)  # fmt: skip
def test_a_difference_says_where_and_shows_no_secret(path: tuple[Any, ...], value: Any, said: list[str]) -> None:
    found = changed(path, value)
    assert found == said
    assert CANARY not in "".join(found)


def test_what_is_lost_and_what_came_is_named() -> None:
    assert definition.differences(exported(), exported(services=[])) == ["service shop_web is gone"]
    assert definition.differences(exported(services=[]), exported()) == ["service shop_web is new"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
SECTIONS = st.fixed_dictionaries(
    {name: st.dictionaries(st.text(max_size=3), JSON, max_size=3) for name in ("nodes", "services", "configs", "swarm")}
)


@given(SECTIONS, SECTIONS)
def test_equal_definitions_have_no_differences_and_others_the_same_both_ways(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert definition.differences(before, before) == []
    there = definition.differences(before, after)
    back = definition.differences(before=after, after=before)
    assert len(there) == len(back)
    assert not there or json.dumps(before) != json.dumps(after)


@given(st.dictionaries(st.text(min_size=1), JSON.filter(lambda value: value is not None), min_size=1, max_size=3))
def test_every_entry_that_is_lost_is_told(entries: dict[str, Any]) -> None:
    for name in entries:
        left = {key: value for key, value in entries.items() if key != name}
        assert definition.differences({"secrets": entries}, {"secrets": left}) == ["secret %s is gone" % name]
