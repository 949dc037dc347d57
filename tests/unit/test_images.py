# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of images, and what registries say of them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import images

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("nginx", "nginx:latest"),
        ("nginx:1", "nginx:1"),
        ("library/nginx", "nginx:latest"),
        ("docker.io/nginx", "nginx:latest"),
        ("docker.io/library/nginx:1", "nginx:1"),
        ("index.docker.io/acme/app", "acme/app:latest"),
        ("r.example/library/nginx", "r.example/library/nginx:latest"),
        ("r.example:5000/app", "r.example:5000/app:latest"),
        ("r.example:5000/app:1", "r.example:5000/app:1"),
    ],
)
def test_a_name_as_the_engine_writes_it(name: str, written: str) -> None:
    assert images.familiar(name) == written
    assert images.familiar(written) == written
    assert images.is_name(name)
    assert images.is_name(written + "@" + DIGEST)
    assert images.is_same(name, written + "@" + DIGEST)
    assert images.is_same(name, name)
    assert not images.is_same(name, "other" + written)


def test_a_digest_is_added_to_the_tag_and_the_platforms_are_the_engines() -> None:
    platforms: list[dict[str, Any]] = [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm", "os": "linux", "variant": "v7"},
        {"os": "linux"},
        {"architecture": "amd64", "os": "linux", "os.version": "2"},
        {"architecture": "unknown", "os": "unknown"},
    ]
    found = images.of_distribution("docker.io/nginx", {"Descriptor": {"digest": DIGEST}, "Platforms": platforms})
    assert found.pinned == "nginx:latest@" + DIGEST
    assert found.platforms == (
        {"Architecture": "amd64", "OS": "linux"},
        {"Architecture": "", "OS": "linux"},
    )
    assert images.of_distribution("nginx", {"Descriptor": {"digest": DIGEST}, "Platforms": None}).platforms == ()


@pytest.mark.parametrize(("name", "pinned"), [("app", False), ("r:5000/app:1", False), ("app:1@" + DIGEST, True)])
def test_a_name_with_a_digest_is_pinned(name: str, pinned: bool) -> None:
    assert images.is_pinned(name) is pinned
    assert images.is_same(name, name)


def test_a_digest_that_is_written_stays() -> None:
    answer = {"Descriptor": {"digest": "sha256:" + "b" * 64}, "Platforms": [{"architecture": "amd64", "os": "linux"}]}
    found = images.of_distribution("docker.io/library/nginx:1@" + DIGEST, answer)
    assert found == images.Image("nginx:1@" + DIGEST, ({"Architecture": "amd64", "OS": "linux"},))
    assert not images.is_same("nginx:1@" + DIGEST, "nginx:1@sha256:" + "b" * 64)


def test_a_name_with_a_digest_needs_no_tag() -> None:
    assert images.familiar("docker.io/library/nginx@" + DIGEST) == "nginx@" + DIGEST
    assert images.familiar("index.docker.io/acme/app:1@" + DIGEST) == "acme/app:1@" + DIGEST


def test_the_id_of_an_image_is_no_name() -> None:
    assert not images.is_name("0123456789abcdef" * 4)
    assert images.is_name("0123456789abcdef" * 4 + ":v1")


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a__b",
        "a---b/c.d_e",
        "localhost/a",
        "R.example/a",
        "[2001:db8::1]:5000/a:V_1.0-x",
        "a:1@sha512:" + "0" * 128,
    ],
)
def test_names_that_an_image_can_have(name: str) -> None:
    assert images.is_name(name)


@pytest.mark.parametrize(
    "name", ["", "A", "a/B", "a___b", "_a", "a-", "a:-1", "a:" + "x" * 129, "a@sha256:0", "a\n", "a:1:2"]
)
def test_names_that_no_image_can_have(name: str) -> None:
    assert not images.is_name(name)
