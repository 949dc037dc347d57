# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What registries are asked for before a stack is deployed, and what is said when one has no answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import stack_images
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineError

Json = dict[str, Any]
DIGEST = "sha256:" + "a" * 64


class Registries:
    """Answers, counts how many ask at a time, and can lack an image or hang."""

    def __init__(self, lacks: tuple[str, ...] = (), hangs: tuple[str, ...] = ()) -> None:
        self.asked: list[str] = []
        self.most = 0
        self.over = threading.Event()
        self._lacks = lacks
        self._hangs = hangs
        self._now = 0
        self._lock = threading.Lock()

    def distribution(self, image: str) -> Json:
        with self._lock:
            self.asked.append(image)
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.02)
        if image in self._hangs:
            self.over.wait(10)
        with self._lock:
            self._now -= 1
        if image in self._lacks:
            raise EngineError("manifest unknown")
        return {"Descriptor": {"digest": DIGEST}, "Platforms": []}


@pytest.fixture
def registries() -> Iterator[Registries]:
    found = Registries(lacks=("lacking:1", "gone:1"), hangs=("slow:1",))
    yield found
    found.over.set()


def tree_of(*images: str) -> Json:
    return {"services": {"s%02d" % number: {"image": image} for number, image in enumerate(images)}}


def test_each_image_is_asked_for_once_and_several_at_a_time(registries: Registries) -> None:
    names = ["app%d:1" % number for number in range(20)]
    names.append("pinned@" + DIGEST)
    found = stack_images.resolve(registries, tree_of(*names, *names, "", "No Name"))
    assert sorted(registries.asked) == sorted(found) == sorted(names)
    assert found["app3:1"].pinned == "app3:1@" + DIGEST
    assert 1 < registries.most <= stack_images.AT_A_TIME


def test_no_image_is_no_question(registries: Registries) -> None:
    assert stack_images.resolve(registries, tree_of("", "No Name")) == {}
    assert registries.asked == []


def test_every_image_that_a_registry_lacks_is_named(registries: Registries) -> None:
    with pytest.raises(DeclarationError) as refused:
        stack_images.resolve(registries, tree_of("lacking:1", "app:1", "gone:1"))
    first, second = refused.value.problems
    assert first.startswith("services.s00.image: lacking:1: its registry gives no digest (manifest unknown): push")
    assert second.startswith("services.s02.image: gone:1")


def test_a_registry_that_hangs_is_named_at_the_deadline(registries: Registries) -> None:
    started = time.monotonic()
    with pytest.raises(DeclarationError, match=r"services.s01.image: slow:1: .*\(no answer within 0.2 s\)") as refused:
        stack_images.resolve(registries, tree_of("app:1", "slow:1"), deadline=0.2)
    assert len(refused.value.problems) == 1
    assert time.monotonic() - started < 5


def test_questions_that_nobody_came_to_are_told_too() -> None:
    names = tuple("slow%d:1" % number for number in range(stack_images.AT_A_TIME))
    registries = Registries(hangs=names)
    with pytest.raises(DeclarationError) as refused:
        stack_images.resolve(registries, tree_of(*names, "behind:1"), deadline=0.2)
    assert len(refused.value.problems) == len(names) + 1
    registries.over.set()


def test_what_is_no_answer_of_an_engine_is_not_hidden() -> None:
    class Broken:
        def distribution(self, image: str) -> Json:
            raise ZeroDivisionError(image)

    with pytest.raises(ZeroDivisionError):
        stack_images.resolve(Broken(), tree_of("app:1"))
