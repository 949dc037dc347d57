# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops and starts this host's engine through systemd."""

from __future__ import annotations

from . import command

UNITS = ("docker.socket", "docker.service")
"""The socket first: a request would start the engine again."""
DEADLINE = 120.0
STARTER = "flotilla-engine-start"
"""The timer that starts an engine which was stopped for a while."""


def restart(pause: int = 0) -> None:
    """Have systemd restart the engine. It is not waited for: systemd's own wait has no bound for docker.service.

    Args:
        pause: seconds until the engine is started again; 0 = at once. A timer does it, whatever becomes of us.

    Raises:
        HostError: systemd does not take it; nothing was stopped.
    """
    what = "the engine can't be restarted"
    if not pause:
        command.demand(["systemctl", "restart", "--no-block", "docker.service"], what)
        return
    timer = ["--on-active=%ds" % pause, "--timer-property=AccuracySec=1s", "--unit=" + STARTER, "--collect", "--quiet"]
    systemctl = command.find("systemctl") or "systemctl"
    command.demand(["systemd-run", *timer, "--", systemctl, "start", *UNITS], what)
    command.demand(["systemctl", "stop", "--no-block", "--", *UNITS], what)


def stop(deadline: float = DEADLINE) -> None:
    """Stop the engine and its socket, and wait until they are.

    Raises:
        HostError: one of them does not stop in time.
    """
    command.demand(["systemctl", "stop", "--", *UNITS], "the engine can't be stopped", deadline)


def start(deadline: float = DEADLINE) -> None:
    """Start the engine and its socket, and wait until it says that it is ready.

    Raises:
        HostError: it does not start.
    """
    # After a failure systemd may refuse to try again so soon; the counter is not what should decide here.
    command.run(["systemctl", "reset-failed", "--", *UNITS])
    command.demand(["systemctl", "start", "--", *UNITS], "the engine can't be started", deadline)


def running() -> bool:
    """Whether the engine's service runs."""
    code, _out, _err = command.run(["systemctl", "is-active", "--quiet", "docker.service"])
    return code == 0
