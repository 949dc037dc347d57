# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the engine's objects: what it accepts, and how a version is written into one and read back.

A secret or config can't change its data, so each value gets its own object: ``jwt_secret`` lives in the swarm as
``jwt_secret_v3``. Such a name is read back only when the object's own labels say the same: a prefix proves nothing
(``db`` and ``db_vault_v1`` are strangers).

Swarm compares names without regard to case (swarmkit, ``SecretIndexerByName`` and its siblings): ``fold`` does the
same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import labels

DATA_NAME_LENGTH = 64
"""Characters in the name of a secret or config, the version included (swarmkit, controlapi/common.go)."""
NETWORK_NAME_LENGTH = 63
"""Characters in the name of a network: swarm takes it as a DNS component (the same file)."""
KEPT_NETWORK_NAMES = frozenset({"bridge", "default", "docker_gwbridge", "host", "ingress", "none"})
"""Networks that the engine itself makes."""

# The engine's own patterns say the same with nested repetitions, which take Python exponential time on a bad name.
_DATA_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]*[a-zA-Z0-9])?")
_NETWORK_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
_CLAIM = re.compile(r"(.+)_v([1-9][0-9]{0,17})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class VersionedName:
    """A logical name and its version, from 1. ``str()`` of it is the object's name."""

    logical: str
    version: int

    def __str__(self) -> str:
        return "%s_v%d" % (self.logical, self.version)


def fold(name: str) -> str:
    """The form in which two names are the same name to the swarm."""
    return name.lower()


def parse(name: str, object_labels: Mapping[str, str] | None) -> VersionedName | None:
    """Which version of what an object is, or None when its labels and its name don't both say so."""
    found = object_labels or {}
    logical, version = found.get(labels.NAME), found.get(labels.VERSION)
    if logical is None or version is None or not _VERSION.fullmatch(version):
        return None
    versioned = VersionedName(logical, int(version))
    return versioned if str(versioned) == name else None


def claimed(name: str) -> VersionedName | None:
    """Which version of what a name alone claims to be, or None. It proves nothing: anybody may choose such a name.

    There is one reading only: ``db_v1_v2`` is version 2 of ``db_v1``, and no version of ``db``. ``_V`` is read too, for
    the swarm takes ``db_V1`` and ``db_v1`` for the same name; ``str()`` of the result then is not the name.
    """
    found = _CLAIM.fullmatch(name)
    return VersionedName(found.group(1), int(found.group(2))) if found else None


def duplicates(names: Iterable[str]) -> list[str]:
    """The names that occur more than once, as the swarm compares them: sorted, as each was first written."""
    first: dict[str, str] = {}
    repeated: set[str] = set()
    for name in names:
        if fold(name) in first:
            repeated.add(fold(name))
        first.setdefault(fold(name), name)
    return sorted(first[key] for key in repeated)


def place(what: str, position: int, name: object) -> str:
    """Where in a declaration something stands, as the user finds it: ``secrets[2] (jwt_secret)``."""
    known = " (%s)" % name if isinstance(name, str) and name else ""
    return "%s[%d]%s" % (what, position, known)


def is_data_name(name: str) -> bool:
    """Whether a secret or config can have this name, but for its length."""
    return bool(_DATA_NAME.fullmatch(name))


def data_name_problem(logical: object, version: int = 1) -> str | None:
    """Why the engine would refuse this logical name of a secret or config at that version, or None."""
    if not isinstance(logical, str) or not _DATA_NAME.fullmatch(logical):
        return "%r can't be a name: it takes letters, digits, '-', '_' and '.', and a letter or digit at both ends" % (
            logical,
        )
    name = str(VersionedName(logical, version))
    if len(name) > DATA_NAME_LENGTH:
        return "the name %r has %d characters with its version; the engine allows %d: shorten it" % (
            name,
            len(name),
            DATA_NAME_LENGTH,
        )
    return None


def dns_name_problem(name: object) -> str | None:
    """Why the engine would refuse this name, of a network or as a part of one, or None."""
    if not isinstance(name, str) or not _NETWORK_NAME.fullmatch(name):
        return "%r can't be a name: it takes letters, digits, '-' and '_', and a letter or digit at both ends" % (name,)
    if len(name) > NETWORK_NAME_LENGTH:
        return "the name %r has %d characters; the engine allows %d: shorten it" % (
            name,
            len(name),
            NETWORK_NAME_LENGTH,
        )
    return None


def network_name_problem(name: object) -> str | None:
    """Why the engine would refuse this name of a network, or None."""
    if isinstance(name, str) and fold(name) in KEPT_NETWORK_NAMES:
        return "the name %r is the engine's own: choose another" % name
    return dns_name_problem(name)
