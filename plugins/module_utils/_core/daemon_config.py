# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's configuration file, ``daemon.json``: what is declared is merged into what is there.

Dictionaries merge key by key to any depth; every other value, a list too, replaces the old one. A declared ``null``
leaves the key as it is. What nobody declares stays, for other tools keep keys there too.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import DeclarationError

Config = dict[str, Any]

LIVE_RESTORE = "live-restore"


def parse(text: str, path: str) -> Config:
    """The configuration in a file's text; an empty file is an empty configuration, as it is to the engine.

    Raises:
        DeclarationError: it is no JSON object; names the line.
    """
    if not text.strip():
        return {}
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        where = "line %d, column %d: %s" % (error.lineno, error.colno, error.msg)
        raise DeclarationError("%s is no JSON (%s); mend it, nothing was changed" % (path, where)) from error
    if not isinstance(config, dict):
        raise DeclarationError("%s holds no JSON object (%s); mend it, nothing was changed" % (path, _kind(config)))
    return config


def _kind(value: Any) -> str:
    return "but a list" if isinstance(value, list) else "but a single value"


def plan(
    current: Mapping[str, Any],
    declared: Mapping[str, Any],
    remove: Sequence[str] = (),
    *,
    allow_live_restore: bool = False,
) -> Config:
    """The configuration that the file must hold. Keys keep their order; new ones come last.

    Args:
        current: what the file holds.
        declared: what is to be merged into it.
        remove: top-level keys to take out.
        allow_live_restore: accept ``live-restore: true``, for an engine that will never be in a swarm.

    Raises:
        DeclarationError: a key is declared and removed at once, or the result has live-restore on.
    """
    problems = ["%s is in config and in remove" % key for key in declared if key in remove]
    wanted = _merge(current, {key: value for key, value in declared.items() if key not in remove})
    wanted = {key: value for key, value in wanted.items() if key not in remove}
    if wanted.get(LIVE_RESTORE) is True and not allow_live_restore:
        source = "declared" if declared.get(LIVE_RESTORE) is True else "in the file already"
        problems.append(
            "live-restore is on (%s), and an engine with it can't be in a swarm: it refuses to start as a member. "
            "Declare live-restore: false, or take it out with remove" % source
        )
    if problems:
        raise DeclarationError(*problems)
    return wanted


def differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two configurations differ in JSON; Python takes 1 and true for the same."""
    return json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True)


def render(config: Mapping[str, Any]) -> str:
    """The file's text."""
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _merge(current: Mapping[str, Any], declared: Mapping[str, Any]) -> Config:
    merged = copy.deepcopy(dict(current))
    for key, value in declared.items():
        if value is None:
            continue
        before = merged.get(key)
        if isinstance(value, Mapping):
            merged[key] = _merge(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged
