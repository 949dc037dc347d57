# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty services, of which one changes or none: docker sends them all, we send what changed."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.support.lab_stacks import Json, Own, Raw, Stack


def mark(spec: Json) -> str:
    """What the spec of the one service that changes says in its environment."""
    (entry,) = spec["TaskTemplate"]["ContainerSpec"]["Env"]
    return str(entry)


def moved(stack: Stack, before: dict[str, int]) -> set[str]:
    """The services that were written to since then."""
    return {key for key, index in stack.indexes().items() if index != before[key]}


def test_one_of_twenty_and_none(raw: Raw, own: Own, at_once: Callable[..., None], say: Callable[[str], None]) -> None:
    def docker() -> None:
        # How many tasks there are makes no difference to what is sent.
        for value in ("old", "new"):
            raw.does("twenty.yml", MARK=value, REPLICAS="0")
        before = raw.indexes()
        raw.does("twenty.yml", MARK="new", REPLICAS="0")
        assert moved(raw, before) == set(before)
        # What `docker service rollback` would lead to is what is there already.
        assert mark(raw.service("s20")["PreviousSpec"]) == "MARK=new"

    def ours() -> None:
        own.does("twenty.yml", MARK="old")
        before = own.indexes()
        assert len(before) == 20
        result = own.does("twenty.yml", MARK="new")
        assert moved(own, before) == {"s20"}
        assert [step["name"] for step in result["plan"]] == [own.full("s20")]

        before, start = own.indexes(), time.monotonic()
        result = own.does("twenty.yml", MARK="new")
        say(f"nothing to do in {time.monotonic() - start:.1f} s, with the start of the module")
        assert not result["changed"]
        assert len(result["verdicts"]) == 20
        assert own.indexes() == before
        assert mark(own.service("s20")["PreviousSpec"]) == "MARK=old"

    at_once(docker, ours)
