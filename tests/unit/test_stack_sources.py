# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be said about stack files as they are written."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils import _stack_yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import keys, references, sources


def examine(*texts: str, **variables: str) -> sources.Examined:
    files = [("s%d.yml" % position, text) for position, text in enumerate(texts, 1)]
    return sources.examine(files, variables, _stack_yaml.load_source)


def test_a_good_stack_has_no_problem() -> None:
    found = examine(
        """
x-common: &common {logging: {driver: json-file}}
services:
  app:
    <<: *common
    image: app:${VERSION}
    networks: {back: {aliases: [api]}}
    secrets: [jwt, {source: db, target: database}]
    volumes: ["data:/data", "/srv/x:/x:ro", {type: tmpfs, target: /tmp}]
networks: {back: {external: true}}
secrets: {jwt: {external: true}, db: {external: {name: database_url}}}
volumes: {data: }
""",
        "services: {app: {deploy: {replicas: 3}}}",
        VERSION="v1",
    )
    assert found.problems == ()
    assert references.externals(found.tree) == [
        references.ExternalReference("secrets", "jwt", "jwt"),
        references.ExternalReference("secrets", "db", "database_url"),
        references.ExternalReference("networks", "back", "back"),
    ]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[a, b]", "not a stack file"),
        ("just text", "not a stack file"),
        ("", "not a stack file"),
        ("{hosts: all, tasks: []}", "top-level keys hosts, tasks"),
        ("{apiVersion: v1, kind: Service}", "x-apiVersion"),
        ("{services: [a]}", "services is not a mapping"),
        ("{services: {a: text}}", "services.a is not a mapping"),
        ("{networks: {n: {}}}", "no service"),
        ("services: {a: {image: x}}\nname: demo", "top-level key name"),
        ("services: {a: {image: x, secrets: [s]}}", "services.a.secrets names s"),
        ("services: {a: {image: x, configs: [{source: c}]}}", "services.a.configs names c"),
        ("services: {a: {image: x, networks: [n]}}", "services.a.networks names n"),
        ("services: {a: {image: x}}\nsecrets: {s: {file: ./s}}", "declare it with swarm_secrets"),
        ("services: {a: {image: x, volumes: ['./d:/d']}}", "./d is relative"),
        ("services: {a: {image: x, volumes: ['~/d:/d']}}", "~/d is relative"),
        ("services: {a: {image: x, volumes: [{type: bind, source: ../d, target: /d}]}}", "../d is relative"),
        ("services: {a: {image: x}}\nconfigs: {c: {file: /etc/passwd}}", "relative to the stack file"),
        ("services: {a: {image: x, env_file: ~/e}}", "relative to the stack file"),
        ("services: {a: {image: 'x:${V}'}}", "${V}"),
    ],
)
def test_a_problem_names_its_file_and_its_mend(text: str, word: str) -> None:
    found = examine(text)
    assert len(found.problems) == 1
    assert "s1.yml" in found.problems[0] or found.problems[0].startswith("services.")
    assert word in found.problems[0]


def test_files_that_travel_are_named_with_their_variables_replaced() -> None:
    found = examine(
        "services: {a: {image: x, env_file: [e.env, 'env/${STAGE}.env']}}\nconfigs: {c: {file: ./conf/../c.conf}}",
        STAGE="prod",
    )
    assert [(item.path, item.environment) for item in found.attachments] == [
        ("e.env", True),
        ("env/prod.env", True),
        ("c.conf", False),
    ]


@pytest.mark.parametrize("key", sorted(keys.SERVICE_KEYS))
def test_every_key_that_the_cli_drops_is_named_with_a_mend(key: str) -> None:
    tree: dict[str, Any] = {"services": {"app": {"image": "x", key: ["value"]}}}
    assert keys.problems(tree) == [
        "services.app.%s is ignored by docker stack deploy: %s" % (key, keys.SERVICE_KEYS[key]),
    ]
    nothing: tuple[Any, ...] = (None, False, "", [], {}, "false")
    for unset in nothing:
        assert keys.problems({"services": {"app": {key: unset}}}) == []


def test_an_address_in_a_network_is_dropped_too() -> None:
    tree = {"services": {"app": {"networks": {"n": {"ipv4_address": "192.0.2.1"}, "m": None}}}}
    assert "services.app.networks.n.ipv4_address" in keys.problems(tree)[0]


def test_encryption_is_written_in_one_way_only() -> None:
    wrong = keys.problems({"networks": {"n": {"encrypted": True}}})
    (problem,) = wrong
    assert problem.startswith("networks.n.encrypted is no key of a network")
    assert 'networks.n.driver_opts: {encrypted: ""}' in problem
    assert "whatever its value" in keys.problems({"networks": {"n": {"driver_opts": {"encrypted": "false"}}}})[0]
    assert keys.problems({"networks": {"n": {"driver_opts": {"encrypted": ""}}}}) == []


def test_variables_are_strings() -> None:
    values, problems = sources.variables({"A": "1.10", "B": 3})
    assert (values, problems) == ({"A": "1.10", "B": "3"}, [])
    _values, problems = sources.variables({"A": 1.1, "B": True, "C": None, "D": ["x"]})
    assert [problem.split(" ")[0] for problem in problems] == [
        "variables.A",
        "variables.B",
        "variables.C",
        "variables.D",
    ]


def test_what_a_stack_makes_itself() -> None:
    tree = examine("services: {a: {image: x}}\nnetworks: {n: {}, m: {name: own}, e: {external: true}}").tree
    assert references.own_networks(tree, "t") == {"t_default", "t_n", "own"}
