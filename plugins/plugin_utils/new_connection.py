# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's own TCP connections to a host: where they come from, and whether a new one comes about."""

from __future__ import annotations

import socket
import time

ATTEMPT = 3.0
"""Seconds for one attempt; a packet that is dropped gets no answer."""
PAUSE = 0.5


def source_address(address: str) -> str:
    """The address that this machine's packets to ``address`` carry. Nothing is sent.

    Raises:
        OSError: it is no IP address, or there is no route to it.
    """
    family, _kind, _protocol, _name, target = socket.getaddrinfo(
        address, 9, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
    )[0]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(target)
        return str(probe.getsockname()[0]).partition("%")[0]


def open_until(address: str, port: int, deadline: float) -> str | None:
    """Try to open a new connection until it comes about or ``deadline`` (of the monotonic clock) has passed.

    Returns:
        None when one came about; otherwise why the last one did not.
    """
    reason = ""
    while True:
        left = deadline - time.monotonic()
        try:
            with socket.create_connection((address, port), timeout=max(0.1, min(ATTEMPT, left))):
                return None
        except ConnectionRefusedError:
            reason = "nothing listens at %s port %d" % (address, port)
        except OSError as error:
            reason = "%s port %d: %s" % (address, port, error)
        if time.monotonic() + PAUSE >= deadline:
            return reason
        time.sleep(PAUSE)
