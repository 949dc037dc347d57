# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the registries which digests a stack's images have now, and for which platforms they are built."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

from .._core.errors import DeclarationError
from .._core.stack import images
from .._core.stack.images import Image
from .._core.stack.references import mapping, section
from .client import Json
from .errors import EngineError

AT_A_TIME = 8
"""Questions to registries at a time. The SDK's client may be used by several threads for reading: each of its requests
gets a connection of its own."""
DEADLINE = 60.0
"""Seconds for all of them together. One that hangs ends by itself with the client's own time limit."""


class Registries(Protocol):
    """The engine asks a registry on our behalf, with this node's network and certificates."""

    def distribution(self, image: str) -> Json: ...


def resolve(engine: Registries, tree: Mapping[str, Any], deadline: float = DEADLINE) -> dict[str, Image]:
    """Each image of the stack, by its name as written.

    One that names a digest is asked for too, for the platforms that it is built for.

    Raises:
        DeclarationError: a registry gave no digest, or not in time. Nothing is deployed then: the nodes could not pull
            either, and would run whatever they have under that tag.
    """
    users = _users(tree)
    if not users:
        return {}
    pool = ThreadPoolExecutor(min(AT_A_TIME, len(users)))
    try:
        asked = {name: pool.submit(engine.distribution, name) for name in users}
        wait(asked.values(), timeout=deadline)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    found: dict[str, Image] = {}
    problems = []
    for name, answer in asked.items():
        reason = _refusal(answer, deadline)
        if reason:
            problems.append(
                "services.%s.image: %s: its registry gives no digest (%s): push the image, mend the way to the "
                "registry, or set resolve_images: false to deploy what the nodes have" % (users[name], name, reason)
            )
        else:
            found[name] = images.of_distribution(name, answer.result())
    if problems:
        raise DeclarationError(*problems)
    return found


def _users(tree: Mapping[str, Any]) -> dict[str, str]:
    """The images to ask for, each with the key of the first service that has it. What is no image's name at all is
    left to ``service_problems``, which says so."""
    found: dict[str, str] = {}
    for key, entry in section(tree, "services").items():
        name = str(mapping(entry).get("image") or "")
        if images.is_name(name):
            found.setdefault(name, key)
    return found


def _refusal(answer: Future[Json], deadline: float) -> str:
    """Why there is no answer; empty when there is one."""
    if not answer.done() or answer.cancelled():
        return "no answer within %g s" % deadline
    error = answer.exception()
    if error is None:
        return ""
    if isinstance(error, EngineError):
        return str(error)
    raise error
