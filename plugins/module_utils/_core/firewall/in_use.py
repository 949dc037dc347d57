# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rules would take from the swarm that is there: it may have been made otherwise than the inventory says."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..membership import ACTIVE, MANAGER, Membership
from .model import DATA_PATH_PORT

STRANGER = (
    "the manager %s at %s is in the swarm, and the inventory has no host with its address: the firewall would cut it "
    "off, and the swarm may lose its quorum. Put it into the inventory; or, if it is gone or is to go, take it out of "
    "the swarm first (docker node demote %s, then docker node rm)"
)
ADDRESS = (
    "the swarm knows %s by %s, and the inventory doesn't: the firewall would drop what comes from there. Name it in "
    "the host's swarm_firewall_addresses; or let the host leave the swarm (docker swarm leave), so that it joins with "
    "what the inventory says"
)
ROLE = (
    "%s is a manager of the swarm and declared a worker: the firewall would close 2377/tcp to the other managers. "
    "Declare it a manager, or demote it first (docker node demote)"
)
PORT = (
    "the swarm's data path is UDP port %d, and the firewall would open %d: every overlay would be cut. Set "
    "swarm_cluster_data_path_port to %d"
)


def cuts(rules: Mapping[str, Any], host: str, observed: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """A problem for each thing that the swarm uses and the rules would close.

    Args:
        rules: of the host: ``members``, addresses in their canonical form; ``manager``; ``data_path_port``.
        host: the one that gets the rules.
        observed: host → result of ``swarm_host_info``. One that was not asked, or gave nothing, uses nothing: so of a
            host outside the run, and of one in no swarm, nothing is said.
    """
    seen = {
        name: Membership.from_dict(result["membership"])
        for name, result in observed.items()
        if result and "membership" in result
    }
    swarm = {name: membership for name, membership in seen.items() if membership.local_state == ACTIVE}
    return [
        *_strangers(swarm, rules["members"]),
        *_addresses(swarm, observed, rules["members"]),
        *([ROLE % host] if host in swarm and swarm[host].role == MANAGER and not rules["manager"] else ()),
        *_port(swarm, int(rules["data_path_port"])),
    ]


def _strangers(swarm: Mapping[str, Membership], members: Collection[str]) -> Iterator[str]:
    """Managers at another address. The old entry of a host that was made anew has the host's, and is none."""
    ours = {membership.node_id for membership in swarm.values()}
    managers = {peer for one in swarm.values() if one.answers for peer in one.remote_managers if peer[0] not in ours}
    for node_id, address in sorted(managers):
        if _canonical(address.rpartition(":")[0].strip("[]")) not in members:
            yield STRANGER % (node_id, address, node_id)


def _addresses(
    swarm: Mapping[str, Membership], observed: Mapping[str, Mapping[str, Any] | None], members: Collection[str]
) -> Iterator[str]:
    """What nodes advertise, and where their overlay traffic comes from."""
    for name, membership in swarm.items():
        carried_by = ((observed[name] or {}).get("underlay") or {}).get("address")
        for address in dict.fromkeys((membership.address, carried_by)):
            if address and _canonical(address) not in members:
                yield ADDRESS % (name, address)


def _port(swarm: Mapping[str, Membership], declared: int) -> Iterator[str]:
    """Only managers know it. 0 is the default's other name."""
    known = {one.data_path_port for one in swarm.values() if one.data_path_port is not None}
    for port in sorted(port or DATA_PATH_PORT for port in known):
        if port != declared:
            yield PORT % (port, declared, port)


def _canonical(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address
