# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the backup agent in the foreground, for what somebody waits for: a restore, and what comes before it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import command
from .errors import CutShort, HostError

PYTHON = "/usr/bin/python3"
AGENT = Path("/usr/local/lib/flotilla/backup.pyz")
CUT_SHORT = 3
"""The agent's exit status after ``CutShort``."""
_TOLD = (1, 2)
"""Its statuses after a failure of which it knows that nothing was left half done."""


def answer(arguments: Sequence[str], deadline: float, agent: Path = AGENT) -> dict[str, Any]:
    """What the agent prints: one JSON object, on the last line of its output.

    Args:
        arguments: its command and what that takes. No secret is among them: they are seen by everybody on the host.
        deadline: in seconds.
        agent: where it lies.

    Raises:
        HostError: it is not there, or it failed; the message has its own words.
        CutShort: it failed in the middle of a change, was ended, or has not ended within the deadline.
    """
    if not agent.exists():
        raise HostError("%s is not there: set this host up with the role swarm_backup (tasks_from connect.yml)" % agent)
    try:
        code, out, err = command.run([PYTHON, str(agent), *arguments], deadline)
    except command.Late as error:
        raise CutShort(str(error)) from error
    if code != 0:
        failure = HostError if code in _TOLD else CutShort
        raise failure((err or out).strip() or "`%s` failed with status %d" % (" ".join(arguments), code))
    lines = out.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise HostError("`%s` gave no answer in JSON: %s" % (" ".join(arguments), out.strip() or "nothing"))
    return found
