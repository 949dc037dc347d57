# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of secrets and configs do alike: their options, what they read, and their work from end to end."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from . import _module
from ._core import data_declaration, digest, labels, release_record, releases, versioned
from ._engine import digest_key
from ._engine.apply import Outcome, converge
from ._engine.client import Engine

DIGEST_OPTION: dict[str, Any] = {"digest_key": {"type": "str", "no_log": True}}
PRUNE_OPTION: dict[str, Any] = {"prune": {"type": "bool", "default": False}}

HIDDEN_LENGTH = 4
"""Characters of the shortest text that is blanked out of a result; shorter ones stand in too much that is no secret."""


def items_option(kind: versioned.Kind, required: bool = True) -> dict[str, Any]:
    """The option that holds the items of a kind, by its name."""
    option = {
        "type": "list",
        "elements": "dict",
        "required": required,
        "no_log": False,  # the values are hidden one by one; the names must be seen
        "options": item_options(),
    }
    return {kind.plural: option}


def item_options() -> dict[str, Any]:
    """The specification of one item.

    The action sends every value in Base64 (plugin_utils/data_objects.py says why), so that is what ``no_log`` hides;
    ``items_of`` hides the values themselves.
    """
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": list(data_declaration.STATES), "default": data_declaration.PRESENT},
        "value": {"type": "raw", "no_log": True},
        "value_base64": {"type": "raw", "no_log": True},
        "file": {"type": "str"},
        "generate": {
            "type": "dict",
            "options": {
                "length": {"type": "int", "default": data_declaration.LENGTH},
                "alphabet": {"type": "str", "default": data_declaration.ALPHABET},
            },
        },
        "labels": {"type": "dict"},
        "adopt": {"type": "bool", "default": False},
    }


def items_of(module: AnsibleModule, kind: versioned.Kind) -> tuple[versioned.Item, ...]:
    """The declared items, checked; each that is to be generated holds a fresh value.

    From here on the module's result shows no secret's value, wherever one comes up: a container may log its own.

    Raises:
        DeclarationError: every problem of every item.
    """
    items = tuple(
        replace(item, data=generated(item.recipe)) if item.recipe else item
        for item in versioned.declared(kind, module.params[kind.plural] or ())
    )
    if not kind.readable:
        # What stands in a name is no secret, and users need the names.
        names = [
            str(item["name"])
            for every in (versioned.SECRET, versioned.CONFIG)
            for item in module.params.get(every.plural) or ()
        ]
        texts = {text for item in items for text in plain_texts(item.data)}
        module.no_log_values.update(text for text in texts if not any(text in name for name in names))
    return items


def plain_texts(data: bytes) -> set[str]:
    """What of a value could be recognised in a text: the whole and each line, without the blanks around them."""
    text = data.decode("utf-8", "replace")
    return {found for part in (text, *text.splitlines()) for found in [part.strip()] if len(found) >= HIDDEN_LENGTH}


def generated(recipe: versioned.Recipe) -> bytes:
    """A value from the system's source of randomness, in UTF-8."""
    return "".join(secrets.choice(recipe.alphabet) for _i in range(recipe.length)).encode("utf-8")


def key_of(module: AnsibleModule) -> digest.Key | None:
    """The digest key that the user gave, or None.

    Raises:
        DeclarationError: it is too short.
    """
    given = module.params["digest_key"]
    return None if given is None else digest.given_key(given)


def observer(
    kind: versioned.Kind, key: digest.Key | None, with_services: bool
) -> Callable[[Engine], versioned.Observation]:
    """What reads the swarm for the planner, for ``converge``.

    Args:
        kind: SECRET or CONFIG.
        key: the one that the user gave; None takes the one in the swarm. Configs need none.
        with_services: read the services and the releases of stacks too, without which nothing can be removed.
    """

    def observe(engine: Engine) -> versioned.Observation:
        objects = engine.configs() if kind.readable else engine.secrets()
        read_key = None if kind.readable else digest_key.read(engine, key)
        if not with_services:
            return versioned.Observation(objects, read_key)
        history = release_record.history(objects if kind.readable else engine.configs())
        # Services last: what comes into use while the rest is read is then seen.
        return versioned.Observation(
            objects, read_key, engine.services(), releases.users(history), releases.unknown(history)
        )

    return observe


class Planner:
    """``versioned.plan`` for ``converge``: planning again after being overtaken renews nothing a second time.

    A name is renewed while its newest version is still the one of the first observation. A version that another run
    made meanwhile counts as well: it is as fresh.
    """

    def __init__(
        self,
        kind: versioned.Kind,
        items: Sequence[versioned.Item],
        owner: str,
        prune: bool = False,
        renew: frozenset[str] = frozenset(),
    ) -> None:
        self._plan = partial(versioned.plan, kind, items, owner=owner, prune=prune)
        self._renew = renew
        self._first: Mapping[str, int] | None = None

    def __call__(self, observed: versioned.Observation) -> versioned.Decision:
        now = versioned.newest(observed.objects)
        if self._first is None:
            self._first = now
        first = self._first
        due = frozenset(name for name in self._renew if now.get(name) == first.get(name))
        return self._plan(observed=observed, renew=due)


def current_of(outcome: Outcome[versioned.Decision], kind: versioned.Kind) -> dict[str, dict[str, Any]]:
    """The newest version of each item, with the IDs of those that were just made."""
    return {
        logical: {**entry, "id": outcome.id_of(kind.name, entry["name"], entry["id"])}
        for logical, entry in outcome.decision.current.items()
    }


def run(module: AnsibleModule, kind: versioned.Kind) -> None:
    """The whole module: bring the swarm's objects of a kind to what is declared, and leave with what was done."""
    with _module.failures(module):
        labels.checked_owner(module.params["owner"])
        items = items_of(module, kind)
        key = None if kind.readable else key_of(module)
    _module.run(module, partial(_work, kind, items, key))


def _work(
    kind: versioned.Kind,
    items: Sequence[versioned.Item],
    key: digest.Key | None,
    module: AnsibleModule,
    engine: Engine,
) -> dict[str, Any]:
    prune, owner = module.params["prune"], module.params["owner"]
    removes = prune or any(item.state == versioned.ABSENT for item in items)
    planner = Planner(kind, items, owner, prune)
    outcome = converge(observer(kind, key, removes), planner, engine, dry_run=module.check_mode)
    return _module.result_of(outcome.plan, current=current_of(outcome, kind), kept=list(outcome.decision.kept))
