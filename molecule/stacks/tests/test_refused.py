# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stack files that are wrong: docker does half of it or leaves something out; we refuse before anything is changed."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.lab_stacks import Own, Raw, Stack

AtOnce = Callable[..., None]


def test_prune_with_a_network_that_is_missing(raw: Raw, own: Own, at_once: AtOnce) -> None:
    def docker() -> None:
        raw.does("prune.yml")
        answer = raw.deploy("prune_invalid.yml", options="--prune --detach=true")
        assert answer.rc == 1
        assert "could not be found" in answer.text
        # It says so after it has removed.
        assert set(raw.services()) == {"app"}

    def ours() -> None:
        own.does("prune.yml")
        before = own.indexes()
        result = own.deploy("prune_invalid.yml", options={"prune": True})
        assert result["failed"]
        assert "the external network st-network-that-nobody-made is not in the swarm" in result["msg"]
        assert own.indexes() == before
        assert len(own.running("old")) == 1

    at_once(docker, ours)


def no_new_privileges(stack: Stack) -> bool:
    container = stack.service()["Spec"]["TaskTemplate"]["ContainerSpec"]
    return bool(container.get("Privileges", {}).get("NoNewPrivileges"))


def test_keys_that_docker_ignores(raw: Raw, own: Own, at_once: AtOnce) -> None:
    def docker() -> None:
        answer = raw.deploy("security.yml", "privileged.yml")
        assert answer.rc == 0
        assert "Ignoring unsupported options: privileged, security_opt" in answer.text
        assert not no_new_privileges(raw)

    def ours() -> None:
        result = own.deploy("security.yml", "privileged.yml")
        assert result["failed"]
        assert "services.app.privileged" in result["msg"]
        assert own.services() == {}
        # What the engine can do is done.
        own.does("security.yml")
        assert no_new_privileges(own)

    at_once(docker, ours)


def test_encrypted_directly_under_a_network(raw: Raw, own: Own, say: Callable[[str], None]) -> None:
    answer = raw.deploy("encrypted.yml")
    assert answer.rc == 1
    assert "Additional property encrypted is not allowed" in answer.text
    assert "driver_opts" not in answer.text
    result = own.deploy("encrypted.yml")
    assert result["failed"]
    assert "networks.inside.encrypted" in result["msg"]
    assert "driver_opts" in result["msg"]
    assert own.services() == {}
    say(result["msg"])
