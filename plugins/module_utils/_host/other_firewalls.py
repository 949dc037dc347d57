# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What else on a host decides about packets, or is in the way of our rules."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from . import command

_UFW = Path("/etc/ufw/ufw.conf")
_ROUTES = (Path("/proc/net/route"), Path("/proc/net/ipv6_route"))
_INTERFACES = Path("/sys/class/net")
_DOCKERS = re.compile(r"docker0|docker_gwbridge|br-.*")


def active() -> list[str]:
    """Which of ufw and firewalld are on, each as the command that turns it off."""
    found = []
    # Its service is active on hosts where it does nothing: the file decides (ufw(8), ufw-init-functions).
    if (
        command.find("ufw")
        and _UFW.is_file()
        and re.search(r"(?im)^\s*ENABLED\s*=\s*[\"']?yes", _UFW.read_text("utf-8"))
    ):
        found.append("ufw disable")
    if command.run(["systemctl", "is-active", "--quiet", "firewalld.service"])[0] == 0:
        found.append("systemctl disable --now firewalld")
    return found


def uplinks(addresses: Collection[str]) -> list[str]:
    """Interfaces by which others reach this host.

    Args:
        addresses: in canonical form; an interface that holds one counts, as those of default routes do.

    Raises:
        HostError: there are addresses, and the interfaces can't be listed.
    """
    names = {name for path in _ROUTES for name in _default_interfaces(path)}
    return sorted(names | (_interfaces_with(addresses) if addresses else set()))


def is_named_as_dockers(name: str) -> bool:
    """Whether the rules take an interface for one of Docker's bridges."""
    return _DOCKERS.fullmatch(name) is not None


def bridges_of_others(uplinks_: Collection[str]) -> list[str]:
    """Bridges that are not Docker's, and have something on them to pass packets on for.

    Args:
        uplinks_: interfaces by which others reach this host. A bridge among them has one port for that, and passes on
            nothing while it has no other.
    """
    found = []
    for path in sorted(_INTERFACES.glob("*/bridge")):
        name = path.parent.name
        ports = len(list((path.parent / "brif").glob("*")))
        if not is_named_as_dockers(name) and ports > (1 if name in uplinks_ else 0):
            found.append(name)
    return found


def _interfaces_with(addresses: Collection[str]) -> set[str]:
    listed = json.loads(command.demand(["ip", "-json", "address", "show"], "the host's addresses can't be read"))
    return {link["ifname"] for link in listed for held in link.get("addr_info", []) if held.get("local") in addresses}


def _default_interfaces(path: Path) -> set[str]:
    """From the kernel's tables: IPv4 as interface, destination …; IPv6 as destination, prefix length … interface."""
    try:
        rows = [line.split() for line in path.read_text("utf-8").splitlines()]
    except OSError:
        return set()
    if path.name == "route":
        return {row[0] for row in rows[1:] if row[1] == "00000000" and row[7] == "00000000"}
    return {row[-1] for row in rows if set(row[0] + row[1]) == {"0"}}
