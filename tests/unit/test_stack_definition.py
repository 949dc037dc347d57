# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's definition: what is left of the normal form, its configs from files, and its services."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import definition

STACK = "shop"
OWNER = "flotilla"
Json = dict[str, Any]


def test_what_the_cli_has_worked_in_already_is_left_out() -> None:
    tree = {"version": "3.13", "x-a": 1, "services": {"a": {"image": "x", "env_file": ["e"]}}, "volumes": None}
    assert definition.prepared(tree) == {
        "services": {"a": {"image": "x"}},
        "networks": {},
        "volumes": {},
        "secrets": {},
        "configs": {},
    }


def test_a_config_from_a_file_is_named_after_its_content_and_labelled() -> None:
    tree = {"configs": {"conf": {"file": "/x", "labels": {"a": "b", labels.OWNER: "x"}}, "ext": {"external": True}}}
    assert definition.config_files(tree) == {"conf": "/x"}
    resolved, (config,), problems = definition.config_objects(tree, STACK, {"conf": b"hello"}, OWNER)
    assert problems == []
    assert (config.name, config.data) == ("shop_conf_2cf24dba5fb0", b"hello")
    assert config.labels == {"a": "b", labels.STACK_NAMESPACE: STACK, labels.OWNER: OWNER}
    assert resolved["configs"]["conf"] == {"name": config.name, "external": True}
    assert "hello" not in repr(config)


def test_a_config_keeps_the_name_that_its_file_gives_it() -> None:
    tree = {"configs": {"conf": {"file": "/x", "name": "fixed"}}}
    _resolved, (config,), _problems = definition.config_objects(tree, STACK, {"conf": b"hello"}, OWNER)
    assert config.name == "fixed"


def test_a_template_is_another_config_than_its_text() -> None:
    names = set()
    for more in ({}, {"template_driver": "golang"}):
        tree = {"configs": {"c": {"file": "/x", **more}}}
        _tree, (config,), problems = definition.config_objects(tree, STACK, {"c": b"x"}, OWNER)
        assert (config.template_driver, problems) == (more.get("template_driver", ""), [])
        names.add(config.name)
    assert len(names) == 2


@pytest.mark.parametrize(
    ("entry", "content", "word"),
    [
        ({"file": "/x"}, b"", "0 bytes"),
        ({"file": "/x"}, b"x" * 1000 * 1024, "1024000 bytes"),
        ({"file": "/x", "name": "n" * 65}, b"x", "65 characters"),
        ({"file": "/x", "name": "größe"}, b"x", "configs.c: 'größe' can't be a name"),
    ],
)
def test_configs_that_can_not_be_made_are_problems(entry: Json, content: bytes, word: str) -> None:
    _tree, _objects, problems = definition.config_objects({"configs": {"c": entry}}, STACK, {"c": content}, OWNER)
    assert word in problems[0]


def test_configs_are_bounded_one_by_one_and_not_in_their_sum() -> None:
    largest = versioned.CONFIG.limit - 1
    tree = {"configs": {"c%d" % number: {"file": "/c%d" % number} for number in range(3)}}
    contents = {key: key.encode() + b"x" * (largest - 2) for key in tree["configs"]}
    _tree, objects, problems = definition.config_objects(tree, STACK, contents, OWNER)
    assert problems == []
    assert [len(config.data) for config in objects] == [largest] * 3


def test_services_are_declared_in_the_order_of_their_keys() -> None:
    services = {
        "web": {"image": "w", "deploy": {"replicas": 0}},
        "agent": {"image": "a", "deploy": {"mode": "global"}},
        "free": {"image": "f"},
        "job": {"image": "j", "deploy": {"mode": "replicated-job", "replicas": 2}},
    }
    assert [
        (item.key, item.name, item.mode, item.replicas) for item in definition.declared({"services": services}, STACK)
    ] == [
        ("agent", "shop_agent", "global", None),
        ("free", "shop_free", "replicated", None),
        ("job", "shop_job", "replicated-job", None),
        ("web", "shop_web", "replicated", 0),
    ]


def test_what_a_service_refers_to() -> None:
    entry = {"networks": {"b": None, "a": None}, "configs": [{"source": "c"}], "credential_spec": {"config": "d"}}
    assert definition.networks_of(entry) == ["a", "b"]
    assert definition.networks_of({}) == ["default"]
    assert definition.configs_of(entry) == {"c", "d"}
    assert definition.configs_of({"credential_spec": {"file": "x"}}) == set()
