# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings: what they are, what they become at the next boot, and the file that says so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from ..errors import DeclarationError
from ..plan import UPDATE, Difference, Step

KIND = "sysctl"
_NAME = re.compile(r"[a-z0-9_-]+(\.[A-Za-z0-9_-]+)+\Z")
_EVERY = re.compile(r"net\.ipv[46]\.(conf|neigh)\.\*\.[a-z0-9_]+\Z")


@dataclass(frozen=True)
class Setting:
    """One declared kernel setting.

    Attributes:
        name: with dots, as ``sysctl`` writes it; in place of an interface ``*`` stands for every one.
        value: with single blanks between several numbers.
        required: it is an error when the kernel lacks it, or when another file undoes it at the next boot.
        at_least: a higher number that is there already stays, since it is the stricter one.
        concern: what it belongs to; each has a file of its own for the boot.
    """

    name: str
    value: str
    required: bool = False
    at_least: bool = False
    concern: str = ""


@dataclass(frozen=True)
class Line:
    """One assignment in a sysctl.d file; its name may hold wildcards."""

    path: str
    number: int
    name: str
    value: str


def parse(items: Sequence[Mapping[str, Any]]) -> list[Setting]:
    """The declared settings in their order.

    Raises:
        DeclarationError: names every malformed or twice declared one.
    """
    problems: list[str] = []
    settings: dict[str, Setting] = {}
    for item in items:
        name, value = str(item["name"]), normal(str(item["value"]))
        if not _NAME.match(name) and not _EVERY.match(name):
            problems.append(
                "sysctl %s: write the name with dots, as in net.ipv4.ip_forward; * stands for an interface only" % name
            )
        elif not value:
            problems.append("sysctl %s has no value" % name)
        elif name in settings and settings[name].value != value:
            problems.append("sysctl %s is declared as %s and as %s" % (name, settings[name].value, value))
        required, at_least = bool(item.get("required")), bool(item.get("at_least"))
        settings[name] = Setting(name, value, required, at_least, str(item.get("concern") or ""))
    if problems:
        raise DeclarationError(*problems)
    return list(settings.values())


def normal(value: str) -> str:
    """A value as it is compared: the kernel puts tabs between several numbers."""
    return " ".join(value.split())


def expanded(settings: Sequence[Setting], matches: Mapping[str, Sequence[str]]) -> list[Setting]:
    """The settings with one for each interface in place of those for every interface.

    What is declared by its full name counts more, as it does at boot (sysctl.d(5)).

    Args:
        settings: the declared ones.
        matches: name with ``*`` → the names that this kernel has for it now.
    """
    declared = {s.name for s in settings}
    return [
        replace(s, name=name)
        for s in settings
        for name in matches.get(s.name, [s.name])
        if name == s.name or name not in declared
    ]


def resolved(settings: Sequence[Setting], live: Mapping[str, str | None]) -> list[Setting]:
    """The settings with the values to be had here: with ``at_least``, a higher live value in place of the declared."""
    return [replace(s, value=_stricter(s.value, live.get(s.name))) if s.at_least else s for s in settings]


def _stricter(declared: str, live: str | None) -> str:
    try:
        return str(max(int(declared), int(live or "")))
    except ValueError:
        return declared


def steps(settings: Sequence[Setting], live: Mapping[str, str | None]) -> list[Step]:
    """What must be set, in the declared order (``ip_forward`` resets others, so the order matters).

    Args:
        settings: resolved ones.
        live: name → value now; None = this kernel has no such setting.
    """
    return [
        Step(UPDATE, KIND, s.name, (Difference("value", now, s.value),), {"value": s.value})
        for s in settings
        if (now := live.get(s.name)) is not None and normal(now) != s.value
    ]


def absent(settings: Sequence[Setting], live: Mapping[str, str | None]) -> list[str]:
    """Names of those that this kernel does not have."""
    return [s.name for s in settings if live.get(s.name) is None]


def render(settings: Sequence[Setting], header: str) -> str:
    """The text of our sysctl.d file. A leading ``-`` lets the others be set when the kernel lacks one."""
    return header + "".join("-%s = %s\n" % (s.name, s.value) for s in settings)


def by_file(settings: Sequence[Setting], path: str) -> dict[str, list[Setting]]:
    """The settings of each sysctl.d file: of each concern beside ``path``, with its ID in the name, of none in it.

    So what one concern has set stays at the next boot while it is switched off and another's file is written anew.
    """
    stem = path[: -len(".conf")] if path.endswith(".conf") else path
    found: dict[str, list[Setting]] = {}
    for s in settings:
        found.setdefault("%s-%s%s" % (stem, s.concern, path[len(stem) :]) if s.concern else path, []).append(s)
    return found


def lines(path: str, text: str) -> list[Line]:
    """The assignments in a sysctl.d file (sysctl.d(5)): ``key = value``, ``-key = value``, / or . between the parts."""
    found = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;" or "=" not in line:
            continue
        name, _equals, value = line.partition("=")
        found.append(Line(path, number, _dotted(name.strip().lstrip("-")), normal(value)))
    return found


def _dotted(name: str) -> str:
    """With dots. Where / comes first it is the separator, and a dot then belongs to an interface's name."""
    slash, dot = name.find("/"), name.find(".")
    if slash >= 0 and (dot < 0 or slash < dot):
        return name.replace(".", "\0").replace("/", ".").replace("\0", "/")
    return name


def undone(settings: Sequence[Setting], files: Sequence[tuple[str, str]], own: str) -> list[tuple[Setting, Line]]:
    """Settings that another file gives another value at the next boot, with the line that does.

    The last assignment counts; an assignment by the full name counts more than any with a wildcard (sysctl.d(5)).

    Args:
        settings: resolved ones; our own file holds them.
        files: (path, text) in the order in which they are read, our own among them.
        own: path of our own file.
    """
    order = [path for path, _text in files]
    mine = order.index(own) if own in order else -1
    declared = {s.name for s in settings}
    later = {line.name: line for path, text in files[mine + 1 :] for line in lines(path, text)}
    full = {
        line.name: line
        for path, text in files
        if path != own
        for line in lines(path, text)
        if "*" not in line.name and line.name not in declared
    }
    found = []
    for s in settings:
        against = [later[s.name]] if s.name in later else []
        if "*" in s.name:
            against += [line for name, line in full.items() if fnmatchcase(name, s.name)]
        found += [(s, line) for line in against if not _agrees(s, line.value)]
    return found


def _agrees(setting: Setting, value: str) -> bool:
    if value == setting.value:
        return True
    return setting.at_least and _stricter(setting.value, value) == value


def conflict(setting: Setting, line: Line) -> str:
    """The sentence about a setting that another file undoes."""
    return "%s line %d sets %s = %s at the next boot, in place of ours (%s): take that line out" % (
        line.path,
        line.number,
        line.name,
        line.value,
        setting.value,
    )
