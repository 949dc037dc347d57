# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The labels by which this collection knows its own objects again.

Every object that we create carries OWNER, so that removal never touches what somebody else made.
A label never holds a value of a secret, nor a bare hash of one (see digest.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from .errors import DeclarationError
from .plan import Difference

PREFIX = "flotilla.swarm."
OWNER = PREFIX + "owner"
"""Who declared the object; the value is the module option ``owner``."""
NAME = PREFIX + "name"
"""Logical name of a versioned object (``jwt_secret`` for the secret ``jwt_secret_v3``)."""
VERSION = PREFIX + "version"
"""Version of a versioned object, a decimal integer from 1."""
DIGEST = PREFIX + "digest"
"""Keyed digest of a versioned object's data."""
NODE_LABELS = PREFIX + "node-labels"
"""On a node: the comma-separated names of the labels that we set there."""
STACK = PREFIX + "stack"
"""On the record of a release: the stack's name."""
RELEASE = PREFIX + "release"
"""On the record of a release: its number, a decimal integer from 1."""
RELEASE_OUTCOME = PREFIX + "release.outcome"
"""On the record of a release: how it ended, JSON."""

STACK_NAMESPACE = "com.docker.stack.namespace"
"""The docker CLI's own label on everything that belongs to a stack; its value is the stack's name."""

DEFAULT_OWNER = "flotilla"


def owned_by(labels: Mapping[str, str] | None, owner: str) -> bool:
    """Whether an object with these labels was made by that owner."""
    return (labels or {}).get(OWNER) == owner


def foreign(labels: Mapping[str, str] | None) -> dict[str, str]:
    """The labels that are not this collection's own bookkeeping."""
    return {key: value for key, value in (labels or {}).items() if not key.startswith(PREFIX)}


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Difference, ...]:
    """One difference for each label that is added, changed or removed, by name; None is "not there", not ``""``."""
    return tuple(
        Difference("labels." + key, before.get(key), after.get(key))
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    )


def checked_owner(owner: str) -> str:
    """The owner, when it can be one.

    Raises:
        DeclarationError: it is empty, so it would own nothing.
    """
    if not owner.strip():
        raise DeclarationError("owner is empty: name whose objects these are")
    return owner


def problems(declared: object, where: str) -> list[str]:
    """What is wrong with labels as a user declared them, one sentence each; empty when they are a dict of strings.

    Args:
        declared: what stands in the inventory, unconverted: YAML makes ``true`` a bool and ``80`` a number.
        where: the path of the labels in the declaration, for the sentences (``nodes[0] (w1): labels``).
    """
    if not isinstance(declared, Mapping):
        return ["%s is not a dictionary of label names and values" % where]
    found = []
    for key, value in declared.items():
        if not isinstance(key, str) or not key or any(c.isspace() or c in ",=" for c in key):
            found.append("%s: %r is no label name: a string without spaces, ',' and '='" % (where, key))
        elif key.startswith(PREFIX):
            found.append("%s.%s: label names that begin with %s are this collection's own" % (where, key, PREFIX))
        elif not isinstance(value, str):
            found.append("%s.%s is %s" % (where, key, _not_a_string(value)))
    return found


def _not_a_string(value: object) -> str:
    if value is None:
        return 'empty, not a string: write "" for an empty value'
    if isinstance(value, bool):
        return 'the boolean %s, not a string: write it in quotes, "%s"' % ((str(value).lower(),) * 2)
    if isinstance(value, (int, float)):
        return 'the number %s, not a string: write it in quotes, "%s"' % (value, value)
    return "a %s, not a string" % ("list" if isinstance(value, list) else "dictionary or object")
