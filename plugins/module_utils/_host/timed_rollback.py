# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads the old rules again after a while, unless somebody stops it: a transient timer of systemd.

It needs neither this controller nor its connection, and a restart of the host ends it, because it lies in memory only.
"""

from __future__ import annotations

from pathlib import Path

from . import command
from .errors import HostError

UNIT = "flotilla-firewall-rollback"
_NOT_LOADED = 5
"""``systemctl stop`` of a unit that is not there (systemctl(1), exit status)."""


def arm(path: Path, seconds: int) -> None:
    """Have a file loaded after so many seconds.

    Raises:
        HostError: systemd does not take it; nothing is armed then.
    """
    nft = command.find("nft") or "nft"
    timer = ["--on-active=%ds" % seconds, "--timer-property=AccuracySec=1s", "--unit=" + UNIT, "--collect", "--quiet"]
    what = "the timer that brings the old rules back can't be set, so the new ones were not loaded"
    command.demand(["systemd-run", *timer, "--", nft, "--file", str(path)], what)


def disarm() -> None:
    """Stop the timer, and its service where it has just begun; neither need be there.

    Raises:
        HostError: it can't be stopped.
    """
    words = ["systemctl", "stop", UNIT + ".timer", UNIT + ".service"]
    code, out, err = command.run(words)
    if code not in (0, _NOT_LOADED):
        raise HostError("the timer that brings the old rules back can't be stopped: %s" % (err or out).strip())
