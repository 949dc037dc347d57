# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's configuration file, ``daemon.json``: what is declared is merged into what is there.

Dictionaries merge key by key to any depth; every other value, a list too, replaces the old one. A declared ``null``
leaves the key as it is. What nobody declares stays, for other tools keep keys there too. Defaults lie beneath what is
declared: they replace what the file holds, unless the key was declared, were it as ``null``. Initial settings lie
beneath the file: they are for what it does not say.

The engine does not start when a key is in its file and on its command line as well.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Container, Mapping, Sequence
from typing import Any

from . import daemon_dangers
from .daemon_dangers import Allowed
from .errors import DeclarationError

Config = dict[str, Any]

LOG_DRIVER = "log-driver"
LOG_OPTIONS = "log-opts"
_ENGINES_LOG_DRIVER = "json-file"
NOT_SHOWN = "(not shown)"


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
    defaults: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    allowed: Allowed = daemon_dangers.NOTHING_ALLOWED,
) -> Config:
    """The configuration that the file must hold. Keys keep their order; new ones come last.

    Args:
        current: what the file holds.
        declared: what is to be merged into it.
        remove: top-level keys to take out; they outrank the defaults and the initial settings.
        defaults: what lies beneath the declared keys. One that is on the command line is left out.
        initial: what lies beneath the file, likewise.
        flags: what is on the engine's command line, as keys of the file.
        allowed: what is accepted although it is dangerous.

    Raises:
        DeclarationError: a key is declared and removed at once, is in the file and on the command line, or the result
            is dangerous (``daemon_dangers``).
    """
    problems = ["%s is in config and in remove" % key for key in declared if key in remove]
    flags = flags or {}
    above = overlay(_without(defaults or {}, flags), declared)
    kept = _without_foreign_log_options(_without(current, remove), above)
    fitting = _without(_fitting(initial or {}, flags, above, kept), flags)
    wanted = _without(_merge(_filled(kept, fitting, above), above), remove)
    problems += daemon_dangers.twice(wanted, declared, flags)
    problems += daemon_dangers.problems(wanted, declared, allowed)
    if problems:
        raise DeclarationError(*problems)
    return wanted


def overlay(beneath: Mapping[str, Any], above: Mapping[str, Any]) -> Config:
    """One declaration laid over another, deeply. A ``null`` above covers what is beneath, and stays a ``null``."""
    merged = copy.deepcopy(dict(beneath))
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping):
            merged[key] = overlay(under, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _without(config: Mapping[str, Any], keys: Container[str]) -> Config:
    return {key: value for key, value in config.items() if key not in keys}


def _fitting(initial: Mapping[str, Any], *others: Mapping[str, Any]) -> Config:
    """The initial settings, without the log options where there is another driver: an engine with both does not start.

    The first of the others that names a driver tells which it is.
    """
    driver = next((each[LOG_DRIVER] for each in others if each.get(LOG_DRIVER)), _ENGINES_LOG_DRIVER)
    return dict(initial) if driver == initial.get(LOG_DRIVER, driver) else _without(initial, (LOG_OPTIONS,))


def _filled(current: Mapping[str, Any], initial: Mapping[str, Any], above: Mapping[str, Any]) -> Config:
    """What the file holds, with the initial settings that it lacks; of dictionaries each entry that it lacks, whole.

    What is covered by a ``null`` above is left out.
    """
    filled = dict(current)
    for key, value in initial.items():
        if key in above and above[key] is None:
            continue
        held, over = filled.get(key), above.get(key)
        if isinstance(value, Mapping) and (held is None or isinstance(held, Mapping)):
            covered = {name for name, each in over.items() if each is None} if isinstance(over, Mapping) else set()
            entries = {**_without(value, covered), **(held or {})}
            if entries:
                filled[key] = entries
        else:
            filled.setdefault(key, value)
    return filled


def left_out(settings: Mapping[str, Any], declared: Mapping[str, Any], flags: Mapping[str, Any]) -> list[str]:
    """The settings that are left to the command line, because they stand there too."""
    return sorted(key for key in settings if key in flags and key not in declared)


def shown(config: Mapping[str, Any], ours: Mapping[str, Any]) -> Config:
    """A configuration for people to see: what is not ours is somebody else's, and may hold a password."""
    return {key: _shown(value, ours[key]) if ours.get(key) is not None else NOT_SHOWN for key, value in config.items()}


def _shown(value: Any, ours: Any) -> Any:
    if isinstance(value, Mapping):
        return shown(value, ours) if isinstance(ours, Mapping) else NOT_SHOWN
    return value


def _without_foreign_log_options(current: Mapping[str, Any], declared: Mapping[str, Any]) -> Config:
    """What the file holds, without the options of a log driver that is replaced by another."""
    kept = dict(current)
    driver = declared.get(LOG_DRIVER)
    if driver is not None and driver != kept.get(LOG_DRIVER, _ENGINES_LOG_DRIVER):
        kept.pop(LOG_OPTIONS, None)
    return kept


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
