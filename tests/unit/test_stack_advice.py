# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes that the engine takes without a word."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import advice
from ansible_collections.flotilla.swarm.tests.support.stack_rooms import deployed, node, steps_of

Json = dict[str, Any]
ACME = "--certificatesresolvers.le.acme."


def told(**entry: Any) -> list[str]:
    return advice.warnings(steps_of({"app": entry}))


def test_a_good_service_gets_no_advice() -> None:
    assert told() == []
    assert told(image="app@sha256:" + "a" * 64) == []


@pytest.mark.parametrize("image", ["app", "app:latest", "registry.example:5000/app"])
def test_an_image_without_a_version(image: str) -> None:
    (found,) = told(image=image)
    assert found.startswith("services.app.image: %s" % image.replace(":latest", "") + ":latest is another image")
    assert found.endswith("name a version")


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ({"command": ["redis-server", "--requirepass", "$(cat", "/etc/key)"]}, "command"),
        ({"entrypoint": ["app", "--key=$(cat /etc/key)"]}, "entrypoint"),
        ({"command": ["sh", "-c", "exec app $(cat /etc/key)"]}, ""),
        ({"entrypoint": ["/bin/bash", "-euc"], "command": ["exec app $(cat /etc/key)"]}, ""),
        ({"command": ["app", "$HOME", "`x`", "^/a$"]}, ""),
    ],
)
def test_a_substitution_that_no_shell_makes(entry: Json, key: str) -> None:
    found = told(**entry)
    assert len(found) == bool(key)
    if key:
        assert found[0].startswith("services.app.%s: no shell reads " % key)
        assert "run it with [sh, -c, '…']" in found[0]


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        ({"environment": {"PASSWORD_FILE": "/run/secrets/password"}}, "environment"),
        ({"command": ["app", "--password-file", "/run/secrets/password"]}, "command"),
        ({"healthcheck": {"test": ["CMD-SHELL", "check </run/secrets/password"]}}, "healthcheck.test"),
        ({"environment": {"PASSWORD_FILE": "/etc/secrets/password"}}, ""),
        (
            {
                "environment": {"PASSWORD_FILE": "/run/secrets/password"},
                "volumes": [{"type": "bind", "source": "/srv/secrets", "target": "/run/secrets"}],
            },
            "",
        ),
    ],
)
def test_a_secret_that_is_read_and_not_given(entry: Json, key: str) -> None:
    found = told(**entry)
    assert len(found) == bool(key)
    if key:
        assert found[0] == (
            "services.app.%s reads /run/secrets/password, which the service does not get: add password to its secrets"
            % key
        )


def test_a_secret_that_is_given_is_known_by_its_target() -> None:
    (step,) = steps_of({"app": {"environment": {"A": "/run/secrets/password", "B": "/run/secrets/password."}}})
    step.payload["spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"] = [{"File": {"Name": "password"}}]
    assert advice.warnings([step]) == []


@pytest.mark.parametrize("source", ["/var/run/docker.sock", "/run/docker.sock"])
def test_the_engines_socket(source: str) -> None:
    (found,) = told(volumes=[{"type": "bind", "source": source, "target": "/docker.sock", "read_only": True}])
    assert found.startswith("services.app.volumes: %s hands the engine over to the service" % source)
    assert "put a proxy before it" in found
    assert told(volumes=[{"type": "bind", "source": "/srv", "target": "/docker.sock"}]) == []


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        ("traefik:v3.0", ["--providers.docker.swarmMode=true"], "Traefik 3 doesn't know --providers.docker.swarmMode"),
        ("traefik:v2.10", ["--providers.docker.swarmMode=true"], ""),
        ("traefik:v3.0", ["--providers.swarm=true"], ""),
        ("traefik/whoami:v3", ["--providers.docker.swarmMode=true"], ""),
        ("mirror.example/traefik:v3", [ACME + "httpchallenge=true"], "acme.email: add it, and storage, httpchallenge."),
        ("traefik:v3", [ACME + "email=a@b", ACME + "storage=/a"], "acme.httpchallenge: add it"),
        ("traefik:v3", [ACME + "email=a@b", ACME + "storage=/a", ACME + "tlschallenge=true"], ""),
        (
            "traefik:v3",
            [ACME + "email=a@b", ACME + "storage=/a", ACME + "httpchallenge.entrypoint=web"],
            "",
        ),
    ],
)
def test_traefik(image: str, options: list[str], words: str) -> None:
    found = told(image=image, command=options)
    assert len(found) == bool(words)
    if words:
        assert found[0].startswith("services.app.command: ")
        assert words in found[0]


def test_only_services_that_change_get_it() -> None:
    entry = {"image": "app:latest"}
    assert advice.warnings(steps_of({"app": entry}, deployed({"app": entry}))) == []


def test_a_global_service_that_no_node_takes_is_told() -> None:
    placed = {"placement": {"constraints": ["node.labels.tier == gpu"]}}
    steps = steps_of({"agent": {"deploy": {"mode": "global", **placed}}, "app": {"deploy": placed}})
    (found,) = advice.idle(steps, [node("w1", tier="app")])
    assert found.startswith("services.agent.deploy.placement.constraints: no node takes its tasks now")
    assert advice.idle(steps, [node("w1", tier="gpu")]) == []
