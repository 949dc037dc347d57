# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The labels by which this collection knows its own objects again.

Every object that we create carries OWNER, so that removal never touches what somebody else made.
A label never holds a value of a secret, nor a bare hash of one (see digest.py).
"""

from __future__ import annotations

from collections.abc import Mapping

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

DEFAULT_OWNER = "flotilla"


def owned_by(labels: Mapping[str, str] | None, owner: str) -> bool:
    """Whether an object with these labels was made by that owner."""
    return (labels or {}).get(OWNER) == owner


def foreign(labels: Mapping[str, str] | None) -> dict[str, str]:
    """The labels that are not this collection's own bookkeeping."""
    return {key: value for key, value in (labels or {}).items() if not key.startswith(PREFIX)}
