# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and drives a host's services, all of them with one question to systemd."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .._core.hardening.services import Found, Unit
from .._core.plan import Plan
from . import command
from .errors import HostError

NOTES = Path("/var/lib/flotilla/taken-in.json")
"""Which versions of its files each service has taken in. It outlives a boot, at which services read the same files."""
_PROPERTIES = "LoadState,ActiveState,UnitFileState"
_RUNNING = ("active", "reloading", "activating")
# What systemd starts at boot, or on another's behalf; nothing is to be enabled then.
_ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated", "linked")


def observe(units: Sequence[Unit]) -> dict[str, Found]:
    """How each unit is.

    Raises:
        HostError: systemd does not answer.
    """
    if not units:
        return {}
    question = ["systemctl", "show", "--property", _PROPERTIES, "--", *(unit.name for unit in units)]
    answer = command.demand(question, "systemd does not say how the services are")
    blocks = answer.strip("\n").split("\n\n")
    if len(blocks) != len(units):
        raise HostError("systemd was asked for %d services and told of %d" % (len(units), len(blocks)))
    return {unit.name: _found(block) for unit, block in zip(units, blocks)}


def _found(block: str) -> Found:
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    masked = values.get("LoadState") == "masked"
    return Found(
        installed=values.get("LoadState") not in ("not-found", None),
        masked=masked,
        running=values.get("ActiveState") in _RUNNING,
        enabled=values.get("UnitFileState") in _ENABLED,
    )


def versions(paths: Iterable[str]) -> dict[str, str]:
    """What tells each file's version from any other: its time and size. Those that are not there are left out.

    The time is only held against itself, never against a clock; a file that is put back as it was has it again.
    """
    found = {}
    for path in paths:
        try:
            status = Path(path).stat()
        except OSError:
            continue
        found[path] = "%d %d" % (status.st_mtime_ns, status.st_size)
    return found


def taken_in() -> dict[str, dict[str, str]]:
    """Unit → path → version of the files that it has taken in. What was not noted, or can't be read, is not there."""
    try:
        noted = json.loads(NOTES.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def apply(plan: Plan) -> None:
    """Do every step of a plan of ``_core.hardening.services``.

    Raises:
        HostError: a service does not do as told; the rest is left then, and made up for by the next run.
    """
    for step in plan:
        for verb in step.payload["verbs"]:
            command.demand(["systemctl", verb, "--", step.name], "%s can't be told to %s" % (step.name, verb))
        if step.payload["command"]:
            command.demand(step.payload["command"], "the configuration of %s can't be loaded" % step.name)
        if step.payload["takes_in"] is not None:
            # Only now: what failed half way is told again by the next run.
            _note({**taken_in(), step.name: step.payload["takes_in"]})


def _note(noted: Mapping[str, Mapping[str, str]]) -> None:
    try:
        NOTES.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=NOTES.name, dir=NOTES.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(noted, file)
        Path(name).replace(NOTES)
    except OSError as error:
        raise HostError("%s can't be written: %s" % (NOTES, error.strerror)) from error
