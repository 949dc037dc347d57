# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time servers that a host loses when chrony takes the place of its time daemon.

On the Debian family a host has one time daemon: each provides and conflicts with ``time-daemon``, so the package of
chrony removes the other one, and nobody follows its servers any more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

CHRONY = "/usr/sbin/chronyd"
"""Where it is there already, it has sources of its own, which stay."""


@dataclass(frozen=True)
class Daemon:
    """A time daemon that chrony replaces.

    Attributes:
        program: it is installed where this is there.
        main: its files.
        drop_ins: directories of more; of two files with one name the first directory's counts.
    """

    program: str
    main: tuple[str, ...]
    drop_ins: tuple[str, ...] = ()


_TIMESYNCD = ("/etc", "/run", "/usr/local/lib", "/usr/lib")
DAEMONS = (
    Daemon(
        "/usr/lib/systemd/systemd-timesyncd",
        ("/etc/systemd/timesyncd.conf",),
        tuple(directory + "/systemd/timesyncd.conf.d" for directory in _TIMESYNCD),
    ),
    Daemon(
        "/usr/sbin/ntpd", ("/etc/ntpsec/ntp.conf", "/etc/ntp.conf", "/etc/openntpd/ntpd.conf"), ("/etc/ntpsec/ntp.d",)
    ),
)
_LINE = re.compile(r"\s*(?:((?:Fallback)?NTP)\s*=|(?:servers?|pool)\s)(.*)")
# The public pool is what chrony's package follows by itself; 127.127.1.x is the host's own clock.
_DEFAULT = re.compile(r"(?:.+\.)?(?:pool\.ntp\.org|ntp\.ubuntu\.com)\.?|127\.127\.1\.\d+")


def lost(files: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence for each file that names servers which are not the distribution's.

    Args:
        files: (path, text) of one daemon's files in the order in which it reads them.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for path, text in files:
        for line in text.splitlines():
            match = _LINE.match(line)
            if not match:
                continue
            option, words = match[1] or "", match[2].split("#")[0].split()
            if option and not words:
                # timesyncd: an empty value takes back those before it.
                found = {key: servers for key, servers in found.items() if key[1] != option}
            named = words if option else [word for word in words if not word.startswith("-")][:1]
            own = [server for server in named if not _DEFAULT.fullmatch(server)]
            found.setdefault((path, option), []).extend(own)
    return [
        "%s names %s, and chrony, which takes the place of that time daemon, would not follow %s any more: set "
        "node_hardening_chrony_servers to the time servers of this host, or node_hardening_chrony to false"
        % (path, ", ".join(servers), "it" if len(servers) == 1 else "them")
        for path in dict.fromkeys(path for path, _option in found)
        if (servers := [server for key, own in found.items() if key[0] == path for server in own])
    ]
