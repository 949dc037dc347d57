# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of secrets and configs share: an engine is brought to what is declared, and looked at."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import Plan
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import digest_key
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import Outcome, converge
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

OWNER = "flotilla"
KEY = digest.Key(b"k" * 32)
KINDS = (versioned.SECRET, versioned.CONFIG)
RECIPE = versioned.Recipe()
Items = tuple[versioned.Item, ...]


def create(engine: Engine, kind: versioned.Kind, name: str, data: bytes, found: Mapping[str, str]) -> str:
    make = engine.create_secret if kind is versioned.SECRET else engine.create_config
    return make(name, data, found)


def objects(engine: Engine, kind: versioned.Kind = versioned.SECRET) -> list[dict[str, Any]]:
    return engine.secrets() if kind is versioned.SECRET else engine.configs()


def read(
    engine: Engine, kind: versioned.Kind = versioned.SECRET, key: digest.Key | None = KEY
) -> versioned.Observation:
    return versioned.Observation(objects(engine, kind), digest_key.read(engine, key), engine.services())


def bring(
    engine: Engine,
    items: Sequence[versioned.Item],
    kind: versioned.Kind = versioned.SECRET,
    owner: str = OWNER,
    prune: bool = False,
    key: digest.Key | None = KEY,
) -> Outcome[versioned.Decision]:
    return converge(
        lambda source: read(source, kind, key), lambda seen: versioned.plan(kind, items, seen, owner, prune), engine
    )


def try_to_bring(engine: Engine, items: Items, kind: versioned.Kind, owner: str = OWNER) -> None:
    with contextlib.suppress(DeclarationError):
        bring(engine, items, kind, owner)


def anew(items: Items, data: bytes = b"another random value") -> Items:
    """The same declaration in the next run: what is to be generated has another fresh value."""
    return tuple(replace(item, data=data) if item.recipe else item for item in items)


def item(name: str, data: bytes = b"", **more: Any) -> versioned.Item:
    return versioned.Item(name, data, **more)


def absent(name: str) -> versioned.Item:
    return versioned.Item(name, state=versioned.ABSENT)


def names(engine: MemoryEngine, kind: versioned.Kind = versioned.SECRET) -> list[str]:
    return sorted(found["Spec"]["Name"] for found in objects(engine, kind))


def service(name: str, *things: Mapping[str, Any], kind: versioned.Kind = versioned.SECRET) -> dict[str, Any]:
    list_key, id_key, name_key = kind.references
    references = [{id_key: thing["ID"], name_key: thing["Spec"]["Name"]} for thing in things]
    return {"Name": name, "TaskTemplate": {"ContainerSpec": {"Image": "app:1", list_key: references}}}


def secret(engine: MemoryEngine, name: str, kind: versioned.Kind = versioned.SECRET) -> dict[str, Any]:
    return next(found for found in objects(engine, kind) if found["Spec"]["Name"] == name)


def steps(plan: Plan) -> list[tuple[str, str]]:
    return [(step.action, step.name) for step in plan]
