# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``security_opt`` of a service: the docker CLI drops it, the engine can do it (ContainerSpec.Privileges).

A seccomp profile of one's own is written as the path of its file, and goes to the engine as the file's content.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_OPTION = re.compile(r"([a-z-]+)(?:[=:](.*))?", re.DOTALL)
_LABELS = {"user": "User", "role": "Role", "type": "Type", "level": "Level"}
_AS_IT_IS = (
    ("no-new-privileges", "false"),
    ("seccomp", "builtin"),
    ("seccomp", "default"),
    ("apparmor", "docker-default"),
)
"""What every service has without being told so."""


def privileges(options: Sequence[Any]) -> dict[str, Any]:
    """The part of ``Privileges`` that the options ask for.

    Args:
        options: as written, profiles by their content; those that ``problems`` names are left out.
    """
    found: dict[str, Any] = {}
    for name, value in map(_split, options):
        if name == "no-new-privileges" and value in ("", "true"):
            found["NoNewPrivileges"] = True
        elif name == "seccomp" and value == "unconfined":
            found["Seccomp"] = {"Mode": "unconfined"}
        elif name == "seccomp" and value.startswith("{"):
            found["Seccomp"] = {"Mode": "custom", "Profile": base64.b64encode(value.encode()).decode("ascii")}
        elif name == "apparmor" and value == "unconfined":
            found["AppArmor"] = {"Mode": "disabled"}
        elif name == "label" and _label(value):
            found.setdefault("SELinuxContext", {}).update(_label(value))
    return found


def profile(option: Any) -> str | None:
    """The path of the seccomp profile that an option names; None when it names none."""
    name, value = _split(option)
    known = ("", "unconfined", *(word for key, word in _AS_IT_IS if key == "seccomp"))
    return value if name == "seccomp" and value not in known and not value.startswith("{") else None


def with_profile(option: Any, read: Callable[[str], str]) -> Any:
    """The option with the content of its profile in place of the path; as it is when it names none."""
    path = profile(option)
    return option if path is None else "seccomp=%s" % read(path).strip()


def problems(options: Sequence[Any], where: str) -> list[str]:
    """One sentence for each option that a service can't have."""
    return ["%s: %s" % (where, problem) for option in options for problem in _problems(str(option))]


def _problems(option: str) -> Iterator[str]:
    name, value = _split(option)
    if name == "seccomp" and value.startswith("{"):
        try:
            json.loads(value)
        except ValueError as error:
            yield "the seccomp profile is no JSON: %s" % error
    elif profile(option) is None and (name, value) not in _AS_IT_IS and not privileges([option]):
        yield (
            "%s can't be set for a service: there are no-new-privileges, seccomp (unconfined, or a profile's file), "
            "apparmor=unconfined and label (disable, user:…, role:…, type:…, level:…)" % option
        )


def _label(value: str) -> dict[str, Any]:
    if value == "disable":
        return {"Disable": True}
    key, _colon, word = value.partition(":")
    return {_LABELS[key]: word} if key in _LABELS and word else {}


def _split(option: Any) -> tuple[str, str]:
    parts = _OPTION.fullmatch(str(option))
    return (parts.group(1), parts.group(2) or "") if parts else (str(option), "")
