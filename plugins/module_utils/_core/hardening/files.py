# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a host is to hold, planned as one batch: what each is to be, what it is, and what differs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import DeclarationError
from ..plan import CREATE, REMOVE, UPDATE, Difference, Plan, Step

KIND = "file"

PRESENT = "present"
ABSENT = "absent"
DIRECTORY = "directory"
EXISTING = "existing"
STATES = (PRESENT, ABSENT, DIRECTORY, EXISTING)

_MODE = re.compile(r"[0-7]{3,4}\Z")
_DEFAULT_MODE = 0o644
_NEW_DIRECTORY = 0o755


@dataclass(frozen=True)
class Wanted:
    """One declared file.

    Attributes:
        path: absolute; with ``existing`` its last parts may hold wildcards.
        concern: what it belongs to; services are told by it what has changed.
        state: ``present`` (with this content), ``absent``, ``directory`` (made where it is missing), or ``existing``:
            only its owner and mode, and only where it exists.
        content: the whole text; None unless ``present``.
        owner, group: names; None = not managed.
        mode: permission bits; None = not managed. With ``existing`` it is the most that is allowed: bits that are not
            in it are taken away, and none is added.
        validate: a command that judges a copy before anything is placed, with ``%s`` for the copy's path.
        requires: a path without which this file is left out; empty = none.
    """

    path: str
    concern: str = ""
    state: str = PRESENT
    content: str | None = None
    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    validate: tuple[str, ...] = ()
    requires: str = ""


@dataclass(frozen=True)
class Found:
    """What lies at a path. ``kind``: file, directory, link or other. ``content`` only where it was asked for."""

    kind: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    content: str | None = None


@dataclass(frozen=True)
class Seen:
    """One declared file beside what is there. ``path`` is without wildcards; ``found`` None = nothing is there."""

    wanted: Wanted
    path: str
    found: Found | None = None


@dataclass(frozen=True)
class LeftOut:
    """A declared file that is not managed on this host, and why."""

    path: str
    concern: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        return {"name": self.path, "concern": self.concern, "reason": self.reason}


@dataclass(frozen=True)
class Survey:
    """What was observed: files to compare, and those that are left out."""

    seen: tuple[Seen, ...] = ()
    left_out: tuple[LeftOut, ...] = field(default=())


def parse(items: Sequence[Mapping[str, Any]]) -> list[Wanted]:
    """The declared files in their order.

    Raises:
        DeclarationError: names every one that is declared wrongly, or twice with a content.
    """
    problems: list[str] = []
    wanted: list[Wanted] = []
    for item in items:
        path, state = str(item["path"]), str(item.get("state") or PRESENT)
        content, mode = item.get("content"), item.get("mode")
        if not path.startswith("/") or ".." in path.split("/"):
            problems.append("path %r: write it from / on and without .." % path)
        if state not in STATES:
            problems.append("state of %s: one of %s" % (path, ", ".join(STATES)))
        if (content is not None) != (state == PRESENT):
            problems.append("content of %s: a file that is to be present has one, and only such a file" % path)
        if mode is not None and not _MODE.match(str(mode)):
            problems.append("mode of %s: three or four octal digits in quotes, as in '0644'" % path)
            mode = None
        validate = tuple(str(word) for word in item.get("validate") or ())
        if validate and not any("%s" in word for word in validate):
            problems.append("validate of %s: %%s stands for the path of the copy, and is missing" % path)
        if state != EXISTING and path in {other.path for other in wanted if other.state != EXISTING}:
            problems.append("%s is declared twice" % path)
        wanted.append(
            Wanted(
                path=path,
                concern=str(item.get("concern") or ""),
                state=state,
                content=None if content is None else str(content),
                owner=item.get("owner") or ("root" if state == PRESENT else None),
                group=item.get("group") or ("root" if state == PRESENT else None),
                mode=int(str(mode), 8) if mode is not None else (_DEFAULT_MODE if state == PRESENT else None),
                validate=validate,
                requires=str(item.get("requires") or ""),
            )
        )
    if problems:
        raise DeclarationError(*problems)
    return wanted


def plan(seen: Iterable[Seen]) -> Plan:
    """What must be done so that the files are as declared. One step a file, in the declared order.

    A step's payload holds ``path``, ``concern``, ``kind`` (file or directory), and what is to be set: ``content``,
    ``owner``, ``group``, ``mode``, each None where it stays.

    Raises:
        DeclarationError: something else than a file is where one is to be.
    """
    problems: list[str] = []
    steps: list[Step] = []
    for one in seen:
        problem = _obstacle(one)
        if problem:
            problems.append(problem)
            continue
        step = _step(one)
        if step is not None:
            steps.append(step)
    if problems:
        raise DeclarationError(*problems)
    return Plan(tuple(steps))


def _obstacle(one: Seen) -> str:
    kind = one.found.kind if one.found else ""
    if one.wanted.state == PRESENT and kind not in ("", "file"):
        return "%s is to be a file and is a %s: move it away" % (one.path, kind)
    if one.wanted.state == DIRECTORY and kind not in ("", "directory"):
        return "%s is to be a directory and is a %s: move it away" % (one.path, kind)
    if one.wanted.state == ABSENT and kind == "directory":
        return "%s is to be absent and is a directory: remove it yourself" % one.path
    return ""


def _step(one: Seen) -> Step | None:
    wanted, found = one.wanted, one.found
    payload: dict[str, Any] = {"path": one.path, "concern": wanted.concern}
    if wanted.state == ABSENT:
        if found is None:
            return None
        gone = (Difference("content", found.content or "", None),)
        return Step(REMOVE, KIND, one.path, gone, payload)
    if wanted.state == EXISTING and found is None:
        return None
    mode = wanted.mode
    if wanted.state == EXISTING and mode is not None and found is not None:
        mode = found.mode & mode
    if wanted.state == DIRECTORY and mode is None and found is None:
        mode = _NEW_DIRECTORY
    values = {"content": wanted.content, "owner": wanted.owner, "group": wanted.group, "mode": mode}
    before = {name: getattr(found, name) if found else None for name in values}
    differences = tuple(
        Difference(name, _shown(name, before[name]), _shown(name, value))
        for name, value in values.items()
        if value is not None and value != before[name]
    )
    if found is not None and not differences:
        return None
    kind = "directory" if wanted.state == DIRECTORY else "file"
    changed = {difference.field for difference in differences}
    kept = values if found is None else {name: values[name] if name in changed else None for name in values}
    return Step(CREATE if found is None else UPDATE, KIND, one.path, differences, {**payload, "kind": kind, **kept})


def _shown(name: str, value: Any) -> Any:
    return "%04o" % value if name == "mode" and value is not None else value


def changed_concerns(plan: Plan) -> list[str]:
    """The concerns of the steps, each once, in their order."""
    return [c for c in dict.fromkeys(str(step.payload["concern"]) for step in plan) if c]


def diffs(plan: Plan) -> list[dict[str, str]]:
    """Ansible's ``diff`` value, a list: for each file its text, and its owner and mode, before and after."""
    shown = []
    for step in plan:
        header = {"before_header": step.name, "after_header": step.name}
        texts = {d.field: d for d in step.differences}
        content = texts.pop("content", None)
        if content is not None:
            shown.append({**header, "before": content.before or "", "after": content.after or ""})
        if texts:
            before = "".join("%s: %s\n" % (d.field, d.before) for d in texts.values() if d.before is not None)
            after = "".join("%s: %s\n" % (d.field, d.after) for d in texts.values() if d.after is not None)
            shown.append({**header, "before": before, "after": after})
    return shown
