# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is backed up, as a user declares it, checked; and the jobs that every swarm has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import naming
from ..errors import DeclarationError

POSTGRES = "postgres"
REDIS = "redis"
VOLUME = "volume"
FILES = "files"
DEFINITION = "definition"
"""Networks, labels, constraints, configs, names of secrets: what is exported of the swarm."""
RAFT = "raft"
"""The managers' own state."""
DATABASES = (POSTGRES, REDIS)
OF_THE_SWARM = (DEFINITION, RAFT)
"""What a swarm has by itself, declared or not."""
OF_EACH_NODE = (VOLUME, FILES)
"""Another thing on each node that has it; of all else the newest backup counts, whoever made it."""

PAUSED = "paused"
CRASH = "crash"
CONSISTENCIES = (PAUSED, CRASH)
MANAGERS = "managers"
WORKERS = "workers"
ALL = "all"
HOSTS = (MANAGERS, WORKERS, ALL)

MAX_AGE = 26
"""Hours. A day, and what a daily backup may come later than the one before."""
NAME_LENGTH = 64
DEFAULT_USER = "postgres"
DEFAULT_QUERY = "SELECT count(*) FROM pg_tables"

_WHERE = "swarm_backup_items"
_KEPT_NAMES = (ALL, *OF_THE_SWARM)
"""``all`` is the unit of a node's every job."""
_COMMON = ("name", "kind", "max_age")
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    POSTGRES: {"service": None, "user": DEFAULT_USER, "database": None, "query": DEFAULT_QUERY},
    REDIS: {"service": None, "password_file": ""},
    VOLUME: {"volume": None, "consistency": PAUSED},
    FILES: {"paths": None, "hosts": ALL},
}
"""Kind → its own keys and their defaults; None must be given, but for a database, which is named like its user."""
_CHOICES: Mapping[str, Sequence[str]] = {"consistency": CONSISTENCIES, "hosts": HOSTS}

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
# The engine's own (moby: volume/mounts, daemon/names).
_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


@dataclass(frozen=True)
class Job:
    """One thing that is backed up.

    Attributes:
        name: unique; it names the snapshots' tag, the status file and the unit's instance.
        kind: one of the constants above.
        max_age: hours after which its newest backup is too old.
        options: the keys of the kind, all of them.
    """

    name: str
    kind: str
    max_age: int = MAX_AGE
    options: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the agent's settings."""
        return {"name": self.name, "kind": self.kind, **self.options, "max_age": self.max_age}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Job:
        """The job that ``as_dict`` was asked of.

        Raises:
            KeyError: name, kind or max_age is missing.
        """
        options = {key: value for key, value in data.items() if key not in _COMMON}
        return cls(str(data["name"]), str(data["kind"]), int(data["max_age"]), options)


def parse(items: Sequence[Mapping[str, Any]], raft: bool) -> tuple[Job, ...]:
    """The declared jobs, checked, and after them those that the swarm has by itself.

    Args:
        items: swarm_backup_items, unconverted.
        raft: whether the managers' raft state is backed up too.

    Raises:
        DeclarationError: every problem of every item.
    """
    if not isinstance(items, (list, tuple)):
        raise DeclarationError("%s is not a list: write a list of jobs, each with name and kind" % _WHERE)
    problems: list[str] = []
    found: list[Job] = []
    for position, item in enumerate(items):
        where = _place(position, item)
        said = ["%s: %s" % (where, text) for text in _problems(item)]
        problems += said
        if not said:
            found.append(_job(item))
    names = [str(item["name"]) for item in items if isinstance(item, Mapping) and isinstance(item.get("name"), str)]
    problems += [
        "%s: %s: name: two jobs have it: give each a name of its own" % (_WHERE, name)
        for name in naming.duplicates(names)
    ]
    if problems:
        raise DeclarationError(*problems)
    kinds = (DEFINITION, RAFT) if raft else (DEFINITION,)
    return (*found, *(Job(kind, kind) for kind in kinds))


def _place(position: int, item: object) -> str:
    """Where an item stands, by its name when it has one."""
    name = item.get("name") if isinstance(item, Mapping) else None
    return "%s: %s" % (_WHERE, name) if isinstance(name, str) and name else "%s[%d]" % (_WHERE, position)


def _job(item: Mapping[str, Any]) -> Job:
    """The job of an item in which nothing is wrong."""
    values = {key: value for key, value in item.items() if value is not None}
    options = {**_OPTIONS[values["kind"]], **{key: value for key, value in values.items() if key not in _COMMON}}
    if values["kind"] == POSTGRES:
        options["database"] = options["database"] or options["user"]
    if values["kind"] == FILES:
        options["paths"] = list(options["paths"])
    return Job(values["name"], values["kind"], values.get("max_age", MAX_AGE), options)


def _problems(item: object) -> Iterator[str]:
    """What is wrong with one item: ``key: what, and the mend``."""
    if not isinstance(item, Mapping):
        yield "it is no dictionary: write name, kind and the keys of the kind"
        return
    # A key that is left empty in YAML is None, and is as good as not there.
    values = {key: value for key, value in item.items() if value is not None}
    yield from _name_problems(values.get("name"))
    max_age = values.get("max_age", MAX_AGE)
    if isinstance(max_age, bool) or not isinstance(max_age, int) or max_age < 1:
        yield "max_age: %r is no number of hours: write a whole number from 1, without quotes" % (max_age,)
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in _OPTIONS:
        yield "kind: %s: write one of %s" % (_given(kind), ", ".join(_OPTIONS))
        return
    options = _OPTIONS[kind]
    for key in sorted(str(key) for key in values if key not in (*_COMMON, *options)):
        yield "%s: it is no key of this kind: %s has %s" % (key, kind, ", ".join((*_COMMON, *options)))
    for key, default in options.items():
        if key in values:
            yield from ("%s: %s" % (key, text) for text in _value_problems(key, values[key]))
        elif default is None and key != "database":
            yield "%s: it is missing: %s" % (key, _MENDS[key])


def _name_problems(name: object) -> Iterator[str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        yield (
            "name: %s: write at most %d lower-case letters, digits and '-', the first of them no '-'"
            % (_given(name), NAME_LENGTH)
        )
    elif name in _KEPT_NAMES:
        yield "name: %s is kept for what every swarm has: choose another" % name


def _given(value: object) -> str:
    return "it is missing" if value is None else "%r can't be one" % (value,)


_MENDS: Mapping[str, str] = {
    "service": "name the service as the swarm does (STACK_SERVICE)",
    "user": "name the database's user alone",
    "database": "name the database alone, without the host or a password",
    "query": "write a query whose answer shows that the data is there",
    "password_file": "write the absolute path inside the container (/run/secrets/NAME), or leave it out",
    "volume": "name the volume as the engine does (STACK_VOLUME)",
    "paths": "write a list of absolute paths without '..', one at least",
}


def _value_problems(key: str, value: object) -> Iterator[str]:
    """What is wrong with a value that is given."""
    if key in _CHOICES:
        if value not in _CHOICES[key]:
            yield "%r can't be one: write one of %s" % (value, ", ".join(_CHOICES[key]))
    elif not _FITS[key](value):
        yield "%r can't be one: %s" % (value, _MENDS[key])


def _text(value: object) -> bool:
    """Whether it is a line of text that isn't empty: what can be an argument of a command."""
    return isinstance(value, str) and bool(value.strip()) and not any(ord(c) < 32 or ord(c) == 127 for c in value)


def _plain(value: object) -> bool:
    """Whether it is a name and nothing more.

    pg_dump takes what begins with '-' for an option, and what holds '=' or '://' for a whole connection, which may
    have a password.
    """
    return isinstance(value, str) and _text(value) and value[0] != "-" and not any(c in value for c in ("=", "://"))


def _path(value: object) -> bool:
    return isinstance(value, str) and _text(value) and value[0] == "/" and ".." not in value.split("/")


def _paths(value: object) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(_path(path) for path in value)


def _query(value: object) -> bool:
    """Whether it can be one. A query may have several lines, and is no option of psql's."""
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value and value.lstrip()[0] != "-"


_FITS: Mapping[str, Any] = {
    "service": lambda value: naming.dns_name_problem(value) is None,
    "user": _plain,
    "database": _plain,
    "query": _query,
    "password_file": lambda value: value == "" or _path(value),
    "volume": lambda value: isinstance(value, str) and bool(_VOLUME_NAME.fullmatch(value)),
    "paths": _paths,
}
