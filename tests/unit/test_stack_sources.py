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
    nothing: tuple[Any, ...] = (None, False, "", [], {}, "false", "False", "FALSE", "no", "off", "n")
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
    assert "whatever its value" in keys.problems({"networks": {"n": {"driver_opts": {"encrypted": "N"}}}})[0]
    assert keys.problems({"networks": {"n": {"driver_opts": {"encrypted": ""}}}}) == []


@pytest.mark.parametrize(
    ("kind", "entry", "key"),
    [
        ("networks", {"attachable": True}, "attachable"),
        ("networks", {"external": {"name": "x"}, "ipam": {"config": []}}, "ipam"),
        ("configs", {"file": "./x"}, "file"),
        ("configs", {"labels": ["a=b"]}, "labels"),
        ("secrets", {"template_driver": "golang"}, "template_driver"),
    ],
)
def test_what_is_external_is_there_already(kind: str, entry: dict[str, Any], key: str) -> None:
    (problem,) = keys.problems({kind: {"n": {"external": "true", **entry}}})
    assert problem.startswith("%s.n.%s is ignored by docker stack deploy" % (kind, key))
    for external in (False, None, "false", "no", "Off", "N"):
        assert keys.problems({kind: {"n": {**entry, "external": external}}}) == []
    assert keys.problems({"networks": {"n": {"external": True, "driver": "overlay", "name": "x"}}}) == []


def test_nobody_makes_a_cluster_volume() -> None:
    (problem,) = keys.problems({"volumes": {"v": {"x-cluster-spec": {"group": "g"}}, "w": None}})
    assert problem.startswith("volumes.v.x-cluster-spec is ignored by docker stack deploy")


def test_a_security_option_is_one_that_the_engine_has() -> None:
    known = ["no-new-privileges", "seccomp=./p.json", "seccomp:{}", "apparmor=unconfined", "label=type:t"]
    assert keys.problems({"services": {"a": {"security_opt": known}}}) == []
    for option in ("apparmor=own", "systempaths=unconfined", "label=colour:red", "label=", "no-new-privileges=maybe"):
        (problem,) = keys.problems({"services": {"a": {"security_opt": [option]}}})
        assert problem.startswith("services.a.security_opt: %s can't be set for a service" % option)
    (problem,) = keys.problems({"services": {"a": {"security_opt": ["seccomp={x"]}}})
    assert problem.startswith("services.a.security_opt: the seccomp profile is no JSON")


def test_what_a_variable_says_is_looked_at_too() -> None:
    text = "services: {a: {image: x, privileged: '${P}', ports: ['${A}:80:80'], security_opt: ['seccomp:${S}']}}"
    found = examine(text, P="false", A="[::]", S="unconfined")
    assert (found.attachments, found.problems) == ((), ())
    assert found.files[0]["services"]["a"]["ports"] == ["[::]:80:80"]
    found = examine(text, P="true", A="127.0.0.1", S="./p/../q.json")
    assert [problem.split(" ")[1] for problem in found.problems] == ["services.a.privileged", "services.a.ports[0]:"]
    assert [(one.where, one.path, one.environment) for one in found.attachments] == [
        ("s1.yml: services.a.security_opt[0]", "q.json", False)
    ]


def test_a_path_with_a_missing_variable_is_no_file() -> None:
    found = examine("services: {a: {image: x, env_file: '${MISSING}.env'}}")
    assert found.attachments == ()
    assert len(found.problems) == 1


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


@pytest.mark.parametrize("name", ["PATH", "HOME"])
def test_a_variable_that_the_cli_has_itself_is_refused(name: str) -> None:
    values, (problem,) = sources.variables({name: "/x", "OTHER": "1"})
    assert values == {"OTHER": "1"}
    assert problem.startswith("variables.%s: " % name)
    assert "give the variable another name" in problem


@pytest.mark.parametrize("options", ["no-new-privileges:true", {"label": "disable"}])
def test_security_options_that_are_no_list_are_one_problem(options: Any) -> None:
    assert keys.problems({"services": {"a": {"security_opt": options}}}) == [
        "services.a.security_opt is no list: write each option as an entry of one, as in [no-new-privileges:true]"
    ]
