# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ServiceSpec that the engine holds against one that was declared: field by field, without what the engine adds.

The engine gives a spec back with its own defaults in it, and leaves some empty values out. ``normal`` brings both sides
to one form; what differs then is a difference (tests/oracle shows on a real engine that a spec which was just sent has
none).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..plan import Difference

Json = Mapping[str, Any]

# What moby gives back where nothing, or nothing else, was sent (api/types/swarm from daemon/cluster/convert).
_DEFAULTS: Mapping[tuple[str, ...], Any] = {
    ("TaskTemplate", "Runtime"): "container",
    ("TaskTemplate", "ContainerSpec", "Isolation"): "default",
    ("TaskTemplate", "RestartPolicy", "Condition"): "any",
    ("EndpointSpec", "Mode"): "vip",
    ("UpdateConfig", "FailureAction"): "pause",
    ("UpdateConfig", "Order"): "stop-first",
    ("RollbackConfig", "FailureAction"): "pause",
    ("RollbackConfig", "Order"): "stop-first",
}
_NO_MATTER = (
    # A counter that a deployment leaves as it is (docker/cli does the same).
    ("TaskTemplate", "ForceUpdate"),
    # The engine takes it and forgets it (moby, daemon/cluster/convert: containerToGRPC).
    ("TaskTemplate", "ContainerSpec", "Mounts", "Consistency"),
)
_ZERO_IS_A_VALUE = (
    # Where nothing at all is said, the engine has a default that is not zero (10 s, 5 s, the daemon's own).
    ("TaskTemplate", "ContainerSpec", "Init"),
    ("TaskTemplate", "ContainerSpec", "StopGracePeriod"),
    ("TaskTemplate", "RestartPolicy", "Delay"),
    # 0 tasks at a time means all at once, and a parallelism that is left out means one.
    ("UpdateConfig", "Parallelism"),
    ("RollbackConfig", "Parallelism"),
)
_ENVIRONMENT = ("TaskTemplate", "ContainerSpec", "Env")
_NAMED = ("Name", "Target", "TargetPort", "SecretName", "ConfigName")
"""By which an entry of a list is called in a path, the first that it has."""


def normal(spec: Json) -> dict[str, Any]:
    """The spec without the engine's defaults and without empty values."""
    found = _normal(spec, ())
    return found if isinstance(found, dict) else {}


def differences(live: Json, wanted: Json) -> tuple[Difference, ...]:
    """What is different in the live spec, by dotted path; empty when it is as declared.

    The order of entries that have names (mounts, ports, variables …) is no difference.
    """
    return tuple(_walk(normal(live), normal(wanted), ()))


def is_as_sent(live: Json, sent: Json) -> bool:
    """Whether a live spec is still the one that was sent, its networks aside, which have other names there, and its
    count, which others may change.
    """
    return not differences(_without_count(live), _without_count(sent))


def _without_count(spec: Json) -> Json:
    template = {key: value for key, value in (spec.get("TaskTemplate") or {}).items() if key != "Networks"}
    return {**{key: value for key, value in spec.items() if key not in ("Mode", "Networks")}, "TaskTemplate": template}


def _normal(value: Any, path: tuple[str, ...]) -> Any:
    if path in _NO_MATTER or value == _DEFAULTS.get(path, _Nothing):
        return None
    if isinstance(value, Mapping):
        entries = ((key, _normal(entry, (*path, str(key)))) for key, entry in value.items())
        return {key: entry for key, entry in entries if not _is_empty(entry, path, key)}
    if isinstance(value, (list, tuple)):
        return [_normal(entry, path) for entry in value]
    return value


class _Nothing:
    """Equal to nothing that a spec holds."""


def _is_empty(entry: Any, path: tuple[str, ...], key: str) -> bool:
    # An empty text under a user's own key is a value; {"Global": {}} says something, and so do no replicas at all.
    own = bool(path) and path[-1] in ("Labels", "Options", "DriverOpts", "Sysctls")
    if own or path[:1] == ("Mode",) or (*path, key) in _ZERO_IS_A_VALUE:
        return entry is None
    if isinstance(entry, (Mapping, list)):
        return not entry
    return entry in (None, "", 0)


def _walk(live: Any, wanted: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    if live == wanted:
        return
    ours, theirs = _fields(wanted), _fields(live)
    if ours is not None and theirs is not None:
        for key in sorted({*theirs, *ours}):
            yield from _walk(theirs.get(key), ours.get(key), (*path, key))
        return
    before, after = _by_name(live, path), _by_name(wanted, path)
    if before is None or after is None or not (before or after):
        yield Difference(".".join(path), live, wanted)
        return
    for name in sorted({*before, *after}):
        entry = (*path[:-1], "%s[%s]" % (path[-1], name))
        if name in before and name in after:
            yield from _walk(before[name], after[name], entry)
        else:
            yield Difference(".".join(entry), before.get(name), after.get(name))


def _fields(value: Any) -> Mapping[str, Any] | None:
    """The fields of a part of the spec; none at all where it is missing. None when it is no such part."""
    if value is None:
        return {}
    return value if isinstance(value, Mapping) and value else None


def _by_name(value: Any, path: tuple[str, ...]) -> dict[str, Any] | None:
    """The entries of a list by their names; None when it is no list of entries that have different names."""
    if value is None:
        return {}
    if not isinstance(value, list):
        return None
    found: dict[str, Any] = {}
    for entry in value:
        name = _name(entry, path)
        if name is None or name in found:
            return None
        found[name] = entry
    return found


def _name(entry: Any, path: tuple[str, ...]) -> str | None:
    if isinstance(entry, Mapping):
        return next((str(entry[key]) for key in _NAMED if key in entry), None)
    return str(entry).partition("=")[0] if path == _ENVIRONMENT else None
