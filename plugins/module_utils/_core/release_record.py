# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a release: one config object, and what stands in its name, its data and its labels."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from . import labels, naming
from .data_declaration import CONFIG
from .releases import DEPLOY, DEPLOYING, FAILED, KINDS, STATES, Ending, Entry, Release, one_line

Json = Mapping[str, Any]

FORMAT = 1
"""Of the data; it is raised when its meaning changes."""
TEXT_LIMIT = 64 * 1024 * 1024
"""Bytes of a record's text; what unpacks to more is no record of ours."""

SECONDS_LIMIT = 1e9
"""More than any run takes."""

_NAME = re.compile(r"(.+)\.release\.([1-9][0-9]{0,17})")


class Unreadable(ValueError):
    """A record that can't be read; the message says why."""


# -- names and bounds ------------------------------------------------------------------------------------------------


def prefix(stack: str) -> str:
    """What the names of a stack's records, and of nothing else of ours, begin with: no stack's name has a dot."""
    return "%s.release." % stack


def name_of(release: Release) -> str:
    return "%s%d" % (prefix(release.stack), release.number)


def next_number(configs: Iterable[Json], stack: str) -> int:
    """The number after the highest that a name has taken, whoever it belongs to: the swarm has each name once."""
    found = (_NAME.fullmatch(str(config["Spec"]["Name"])) for config in configs)
    taken = [int(match.group(2)) for match in found if match and naming.fold(match.group(1)) == naming.fold(stack)]
    return max(taken, default=0) + 1


def problems(release: Release, data: bytes) -> list[str]:
    """Why the engine would refuse this record, one sentence each."""
    found = []
    name = name_of(release)
    if len(name) > naming.DATA_NAME_LENGTH:
        found.append(
            "the release can't be recorded: its name %s has %d characters, and the engine allows %d: shorten the "
            "stack's name" % (name, len(name), naming.DATA_NAME_LENGTH)
        )
    sizes = {service: len(_text(spec)) for service, spec in release.specs.items()}
    # The rest of a record is small, so half of the limit leaves it more than enough room.
    if len(data) >= CONFIG.limit or sum(sizes.values()) > TEXT_LIMIT // 2:
        largest = sorted(sizes, key=lambda service: (-sizes[service], service))[:3]
        found.append(
            "the release can't be recorded: the specs of its %d services have %d bytes, packed %d, and a config takes "
            "less than %d. The largest: %s. Move what is large there into configs"
            % (
                len(sizes),
                sum(sizes.values()),
                len(data),
                CONFIG.limit,
                ", ".join("%s %d" % (service, sizes[service]) for service in largest),
            )
        )
    return found


# -- writing and reading ---------------------------------------------------------------------------------------------


def encode(release: Release) -> bytes:
    """The data of the record: JSON, always in the same order, packed."""
    document = {
        "format": FORMAT,
        "stack": release.stack,
        "number": release.number,
        "kind": release.kind,
        "restores": release.restores,
        "who": release.who,
        "when": release.when,
        "specs": release.specs,
    }
    return zlib.compress(_text(document).encode("ascii"), 9)


def decode(data: bytes) -> Release:
    """The release that ``encode`` was given.

    Raises:
        Unreadable: it is no record, or one of another format.
    """
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(data, TEXT_LIMIT)
        document = json.loads(text.decode("ascii")) if unpacking.eof else None
    except (zlib.error, ValueError, RecursionError) as error:
        raise Unreadable("its data is damaged: %s" % error) from error
    if not unpacking.eof:
        raise Unreadable("its data is cut off, or too long")
    return _release(document)


def record_labels(release: Release, owner: str, ending: Ending) -> dict[str, str]:
    """The labels of a record.

    Not among them is the stack's namespace, so that ``docker stack rm`` leaves the history alone.
    """
    return {
        labels.OWNER: owner,
        labels.STACK: release.stack,
        labels.RELEASE: str(release.number),
        labels.RELEASE_OUTCOME: encode_ending(ending),
    }


def encode_ending(ending: Ending) -> str:
    document: dict[str, Any] = {"state": ending.state}
    if ending.state != DEPLOYING:
        document["seconds"] = round(ending.seconds, 1)
        document["verdicts"] = dict(ending.verdicts)
        document["took"] = {name: round(seconds, 1) for name, seconds in ending.took.items()}
    if ending.state == FAILED:
        document["reverted"] = ending.reverted
        document["reason"] = one_line(ending.reason)
    return _text(document)


def decode_ending(text: str) -> Ending:
    """What ``encode_ending`` was given.

    Raises:
        Unreadable: somebody else wrote it.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("its outcome is damaged: %s" % error) from error
    if not isinstance(document, dict):
        raise Unreadable("its outcome is damaged: it is none")
    state, verdicts, took = document.get("state"), document.get("verdicts", {}), document.get("took", {})
    sound = (
        state in STATES
        and isinstance(document.get("reverted", False), bool)
        and isinstance(document.get("reason", ""), str)
        and _is_seconds(document.get("seconds", 0))
        and isinstance(verdicts, dict)
        and all(isinstance(state, str) for state in verdicts.values())
        and isinstance(took, dict)
        and all(_is_seconds(seconds) for seconds in took.values())
    )
    if not sound:
        raise Unreadable("its outcome is damaged: a field is not what it must be")
    return Ending(
        str(state),
        document.get("reverted", False),
        document.get("reason", ""),
        float(document.get("seconds", 0)),
        verdicts,
        {name: float(seconds) for name, seconds in took.items()},
    )


def records(configs: Iterable[Json], stack: str | None = None, owner: str | None = None) -> list[Json]:
    """The config objects that are records, by their labels and names, which must say the same.

    Args:
        configs: the engine's list.
        stack: of this stack only.
        owner: of this owner only.
    """
    return [
        config
        for config in configs
        if _number(config)
        and (stack is None or _labels(config)[labels.STACK] == stack)
        and (owner is None or labels.owned_by(_labels(config), owner))
    ]


def history(configs: Iterable[Json], stack: str | None = None, owner: str | None = None) -> tuple[Entry, ...]:
    """The releases among the configs, by stack, the newest first. Those that can't be read are in it too."""
    found = [_entry(config) for config in records(configs, stack, owner)]
    return tuple(sorted(found, key=lambda entry: (entry.stack, -entry.number)))


# -- the form of a record --------------------------------------------------------------------------------------------


def _text(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _labels(config: Json) -> Mapping[str, str]:
    return config["Spec"].get("Labels") or {}


def _number(config: Json) -> int:
    """The number of the release that a config is the record of; 0 when it is none."""
    found = _labels(config)
    stack, number = found.get(labels.STACK), found.get(labels.RELEASE)
    named = _NAME.fullmatch(str(config["Spec"]["Name"]))
    return int(named.group(2)) if named and (stack, number) == named.groups() else 0


def _entry(config: Json) -> Entry:
    stack, number = str(_labels(config)[labels.STACK]), _number(config)
    release: Release | None = None
    ending, problem = Ending(), ""
    try:
        ending = decode_ending(_labels(config).get(labels.RELEASE_OUTCOME) or "")
        found = decode(base64.b64decode(str(config["Spec"].get("Data") or "")))
        if (found.stack, found.number) == (stack, number):
            release = found
        else:
            problem = "its data is of release %d of %s" % (found.number, found.stack)
    except Unreadable as error:
        problem = str(error)
    return Entry(
        stack,
        number,
        str(config["ID"]),
        str(config["Spec"]["Name"]),
        str(config.get("CreatedAt") or ""),
        ending,
        release,
        problem,
    )


def _release(document: Any) -> Release:
    if not isinstance(document, dict):
        raise Unreadable("its data is damaged: it is no record")
    if document.get("format") != FORMAT:
        raise Unreadable(
            "it has the format %r, and this version of the collection reads %d" % (document.get("format"), FORMAT)
        )
    release = Release(
        document.get("stack", ""),
        document.get("number", 0),
        document.get("kind", ""),
        document.get("restores"),
        document.get("who", ""),
        document.get("when", ""),
        document.get("specs", {}),
    )
    if not _is_sound(release):
        raise Unreadable("its data is damaged: a field is not what it must be")
    return release


def _is_sound(release: Release) -> bool:
    """Whether what came out of a record is what goes into one."""
    texts = (release.stack, release.kind, release.who, release.when)
    restores: Any = release.restores
    specs: Any = release.specs
    return (
        all(isinstance(text, str) for text in texts)
        and _is_count(release.number)
        and release.kind in KINDS
        and (restores is None) == (release.kind == DEPLOY)
        and (restores is None or (_is_count(restores) and restores < release.number))
        and isinstance(specs, dict)
        and all(isinstance(spec, dict) and spec.get("Name") == name for name, spec in specs.items())
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_seconds(value: Any) -> bool:
    """Whether a number is one of seconds; JSON has infinite ones too."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < SECONDS_LIMIT
