# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the units that back up and verify, and reads what they left: systemd runs them, whoever asked for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from . import command
from .errors import HostError

STATUS = Path("/var/lib/flotilla/backup/status")
RUN = "flotilla-backup@%s.service"
VERIFY = "flotilla-verify@%s.service"

RESTIC_MINIMUM = (0, 18)
"""The oldest for which a file that goes away while it is backed up is no failure (restic#2165): some always do."""
RESTIC_MEND = "install restic %d.%d or newer, from its own releases into /usr/local/bin where the distribution is older"
_RESTIC = re.compile(r"restic (\d+)\.(\d+)")
_LINES = 20


def statuses() -> list[dict[str, Any]]:
    """What this node has noted of each job that it ever did, by name; none where it never did any.

    Raises:
        HostError: a note can't be read.
    """
    try:
        paths = sorted(path for path in STATUS.iterdir() if path.suffix == ".json" and not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HostError("%s can't be read: %s" % (STATUS, error.strerror)) from error
    found = []
    for path in paths:
        try:
            status = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise HostError("%s can't be read (%s): remove it, and back up again" % (path, error)) from error
        if not isinstance(status, dict) or status.get("job") != path.stem:
            raise HostError("%s is no status of the job %s: remove it, and back up again" % (path, path.stem))
        found.append(status)
    return found


def start(unit: str, deadline: float) -> str | None:
    """Start a unit, and wait for its end; one that runs already is waited for. Why it failed, None when it did not.

    Raises:
        HostError: systemd does not answer, or the unit has not ended within ``deadline`` seconds; it goes on then.
    """
    try:
        code, out, err = command.run(["systemctl", "start", "--", unit], deadline)
    except HostError as error:
        if _property(unit, "ActiveState") != "activating":
            raise
        raise HostError(
            "%s still runs after %g s, and goes on: `systemctl status %s` tells how it ends" % (unit, deadline, unit)
        ) from error
    if code == 0:
        return None
    said = _last_words(unit) or (err or out).strip() or "status %d" % code
    return "%s failed: %s" % (unit, said)


def _last_words(unit: str) -> str:
    """The last lines that the unit's own programs wrote when it ran last."""
    invocation = _property(unit, "InvocationID")
    if not invocation:
        return ""
    # What was written just before the end may not have arrived yet.
    command.run(["journalctl", "--sync"])
    question = ["journalctl", "--quiet", "--no-pager", "--output", "cat", "--lines", str(_LINES)]
    code, out, err = command.run([*question, "_SYSTEMD_INVOCATION_ID=" + invocation])
    if code != 0:
        return "its lines can't be read: %s" % (err.strip() or "status %d" % code)
    return out.strip()


def _property(unit: str, name: str) -> str:
    what = "systemd does not say how %s is" % unit
    return command.demand(["systemctl", "show", "--property", name, "--value", "--", unit], what).strip()


def restic_problem() -> str | None:
    """Why this host's restic is not fit, with the mend; None when it is.

    Raises:
        HostError: it does not say its version.
    """
    mend = RESTIC_MEND % RESTIC_MINIMUM
    if command.find("restic") is None:
        return "there is no restic on this host: %s" % mend
    said = command.demand(["restic", "version"], "restic does not say its version")
    version = _RESTIC.match(said)
    if version is None:
        raise HostError("restic does not say its version: %r" % said.strip())
    if (int(version[1]), int(version[2])) < RESTIC_MINIMUM:
        return "%s is too old: %s" % (version[0], mend)
    return None
