# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets and configs as a user declares them: what they may say, and every sentence about what is wrong with them.

The planner (versioned.py) takes only what went through ``declared``. No sentence here ever holds a value.
"""

from __future__ import annotations

import base64
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import digest, labels, naming
from .errors import DeclarationError

PRESENT = "present"
ABSENT = "absent"
STATES = (PRESENT, ABSENT)

SOURCES = ("value", "value_base64", "file", "generate")
"""Where a value comes from; an item has exactly one of them."""
KEYS = ("name", "state", *SOURCES, "labels", "adopt")

ALPHABET = string.ascii_letters + string.digits
LENGTH = 32
LENGTHS = (8, 1024)
"""The shortest and the longest generated value, in characters."""


@dataclass(frozen=True)
class Kind:
    """What tells secrets and configs apart.

    Attributes:
        name: the kind in steps and sentences.
        limit: bytes of data, and the engine takes less than this (swarmkit: api/validation/secrets.go and
            controlapi/config.go).
        references: the list in a ContainerSpec that names such objects, and an entry's fields with their ID and name.
        readable: whether the engine gives the data back.
    """

    name: str
    limit: int
    references: tuple[str, str, str]
    readable: bool

    @property
    def plural(self) -> str:
        """The option of a module that holds items of this kind, and where they stand in sentences."""
        return self.name + "s"


SECRET = Kind("secret", 500 * 1024, ("Secrets", "SecretID", "SecretName"), readable=False)
CONFIG = Kind("config", 1000 * 1024, ("Configs", "ConfigID", "ConfigName"), readable=True)


@dataclass(frozen=True)
class Recipe:
    """How a value is made at random: so many characters, each of this alphabet."""

    length: int = LENGTH
    alphabet: str = ALPHABET


@dataclass(frozen=True)
class Item:
    """One declared object.

    Attributes:
        name: its logical name.
        data: its exact bytes. For an item with a recipe: a fresh value, which counts only where a version is made.
        labels: None leaves those that it has.
        state: PRESENT or ABSENT; nothing but the name counts in an absent item.
        adopt: take over objects of that name that somebody else made.
        recipe: the value is made once, and kept as long as there is a version.
    """

    name: str
    data: bytes = field(default=b"", repr=False)
    labels: Mapping[str, str] | None = None
    state: str = PRESENT
    adopt: bool = False
    recipe: Recipe | None = None


def declared(kind: Kind, items: Sequence[Any]) -> tuple[Item, ...]:
    """The items as a user wrote them, checked. Those with ``generate`` still have no data.

    Args:
        kind: SECRET or CONFIG.
        items: mappings with KEYS, unconverted; a missing key and None are the same.

    Raises:
        DeclarationError: every problem of every item; none of them shows a value.
    """
    problems: list[str] = []
    result = []
    for position, written in enumerate(items):
        if not isinstance(written, Mapping):
            where = naming.place(kind.plural, position, None)
            problems.append("%s: each item is a mapping with a name and a value" % where)
            continue
        item, wrong = _item(kind, written)
        where = naming.place(kind.plural, position, written.get("name"))
        problems.extend("%s: %s" % (where, problem) for problem in wrong)
        result.append(item)
    problems.extend(
        "%s: %s is declared more than once (upper and lower case are the same to the swarm): keep one"
        % (kind.plural, name)
        for name in naming.duplicates(item.name for item in result)
    )
    if problems:
        raise DeclarationError(*problems)
    return tuple(result)


def size_problem(kind: Kind, size: int, what: str) -> str | None:
    """Why the engine would refuse data of so many bytes, or None.

    Args:
        kind: SECRET or CONFIG.
        size: bytes.
        what: where the data comes from, for the sentence.
    """
    if not size:
        return "%s is empty: the engine takes no empty %s" % (what, kind.name)
    if size >= kind.limit:
        return "%s has %d bytes; the engine takes less than %d (%d KiB) in a %s" % (
            what,
            size,
            kind.limit,
            kind.limit // 1024,
            kind.name,
        )
    return None


class _BadValueError(ValueError):
    """The message begins with the key of the item and never shows the value."""


def _item(kind: Kind, written: Mapping[str, Any]) -> tuple[Item, list[str]]:
    """The item, and what is wrong with it; it is worth nothing when anything is."""
    name, state, adopt, item_labels = (written.get(key) for key in ("name", "state", "adopt", "labels"))
    problems = []
    strange = sorted(str(key) for key in written if key not in KEYS)
    if strange:
        problems.append("unknown %s; there are %s" % (", ".join(strange), ", ".join(KEYS)))
    problem = _name_problem(kind, name)
    if problem:
        problems.append("name: %s" % problem)
    if state not in (*STATES, None):
        problems.append("state is neither present nor absent")
    if not isinstance(adopt, (bool, type(None))):
        problems.append("adopt is neither true nor false")
    if state == ABSENT:
        return Item(str(name), state=ABSENT), problems
    data, recipe = b"", None
    try:
        data, recipe = _content(kind, written)
    except _BadValueError as error:
        problems.append(str(error))
    if item_labels is not None:
        problems.extend(labels.problems(item_labels, "labels"))
    return Item(str(name), data, item_labels, adopt=bool(adopt), recipe=recipe), problems


def _name_problem(kind: Kind, name: object) -> str | None:
    problem = naming.data_name_problem(name)
    if problem is None and kind is CONFIG and naming.fold(str(name)) == digest.KEY_CONFIG:
        problem = "%s holds the key of the secrets' digests: choose another" % digest.KEY_CONFIG
    return problem


def _content(kind: Kind, written: Mapping[str, Any]) -> tuple[bytes, Recipe | None]:
    given = [key for key in SOURCES if written.get(key) is not None]
    if len(given) != 1:
        raise _BadValueError("value: give exactly one of %s" % ", ".join(SOURCES))
    (key,) = given
    if key == "generate":
        return b"", _recipe(written[key])
    if key == "file":
        raise _BadValueError("file can be read only on the controller: give value_base64 here")
    text = written[key]
    if not isinstance(text, str):
        raise _BadValueError(
            "%s is not a string (YAML makes a number of 0123, a boolean of yes): write it in quotes" % key
        )
    data = _encoded(text) if key == "value" else _decoded(text)
    problem = size_problem(kind, len(data), key)
    if problem:
        raise _BadValueError(problem)
    return data, None


# The exceptions' own messages and chains would show the value or where in it something stands, hence "from None".
def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise _BadValueError("value is not valid Unicode: give it as value_base64") from None


def _decoded(text: str) -> bytes:
    try:
        # Line breaks, as base64(1) and YAML blocks make them, mean nothing; anything else that is foreign is an error.
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:  # binascii.Error is one; so is text that is not ASCII
        raise _BadValueError("value_base64 is not valid base64") from None


def _recipe(written: object) -> Recipe:
    if not isinstance(written, Mapping):
        raise _BadValueError("generate is not a mapping with length and alphabet; {} takes the defaults")
    strange = sorted(str(key) for key in written if key not in ("length", "alphabet"))
    if strange:
        raise _BadValueError("generate: unknown %s; there are length, alphabet" % ", ".join(strange))
    length = LENGTH if written.get("length") is None else written["length"]
    alphabet = ALPHABET if written.get("alphabet") is None else written["alphabet"]
    shortest, longest = LENGTHS
    if isinstance(length, bool) or not isinstance(length, int) or not shortest <= length <= longest:
        raise _BadValueError("generate.length is not a whole number from %d to %d" % (shortest, longest))
    if not isinstance(alphabet, str) or len(alphabet) < 2 or not alphabet.isprintable():
        raise _BadValueError("generate.alphabet is not a string of two or more characters that can be printed")
    # A repeated character would come up more often than the others.
    repeated = sorted(character for character, count in Counter(alphabet).items() if count > 1)
    if repeated:
        raise _BadValueError("generate.alphabet has %s more than once: keep one" % ", ".join(map(repr, repeated)))
    return Recipe(length, alphabet)
