# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the probe tries, and what the declared rules say that comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DeclarationError
from . import model
from .allows import allows
from .probe_packet import ESP, PROBE_VNI, TCP, UDP, VXLAN, Flow

WEB_PORTS = (80, 443)


@dataclass(frozen=True)
class Target:
    """A host that listens.

    Attributes:
        name: its name in the inventory.
        token: what packets to it carry.
        addresses: those it is known by to the others.
        rules: what its firewall is to let in.
        ports: further ports to try on every host: those on which databases and the like are published by mistake.
    """

    name: str
    token: str
    addresses: tuple[str, ...]
    rules: model.HostRules
    ports: tuple[int, ...] = ()


def targets(listening: Mapping[str, Mapping[str, Any]]) -> list[Target]:
    """The hosts that listen, in the given order.

    Args:
        listening: host -> what its ``firewall_probe`` returned with mode=listen; one without a token does not listen.

    Raises:
        DeclarationError: rules that can't be read, each problem with its host.
    """
    found, problems = [], []
    for name, result in listening.items():
        if not result.get("token"):
            continue
        try:
            rules = model.parse(result["rules"])
        except DeclarationError as error:
            problems += ["%s: %s" % (name, problem) for problem in error.problems]
            continue
        ports = tuple(int(port) for port in result["ports"])
        found.append(Target(name, str(result["token"]), tuple(result["addresses"]), rules, ports))
    if problems:
        raise DeclarationError(*problems)
    return found


def columns(hosts: Sequence[Target]) -> list[tuple[str, list[Flow]]]:
    """What is tried on every host, as (label, flows): first what Swarm needs, then what people need, then the strays.

    Of a range, the first and the last port are tried. What is declared on one host is tried on all: it must be closed
    on the others. A stray port is tried with TCP and UDP.
    """
    declared = [
        (opening.protocol, port) for host in hosts for opening in host.rules.openings for port in _ends(opening)
    ]
    admin = [(TCP, port) for host in hosts for ports in host.rules.admin_ports for port in ports]
    people = _unique(admin) + _unique([(TCP, port) for port in WEB_PORTS] + declared)
    swarm = [Flow(TCP, model.MANAGEMENT_PORT), Flow(TCP, model.GOSSIP_PORT), Flow(UDP, model.GOSSIP_PORT)]
    swarm += [Flow(VXLAN, port, PROBE_VNI) for port in sorted({host.rules.data_path_port for host in hosts})]
    if any(host.rules.encrypted for host in hosts):
        swarm.append(Flow(ESP))
        swarm += [
            Flow(VXLAN, port, vni)
            for port, vni in sorted(
                {(host.rules.data_path_port, vni) for host in hosts for vni in host.rules.encrypted_vnis}
            )
        ]
    flows = swarm + [flow for flow in (Flow(*each) for each in _unique(people)) if flow not in swarm]
    taken = {flow.port for flow in flows}
    strays = sorted({port for host in hosts for port in host.ports} - taken)
    return [(str(flow), [flow]) for flow in flows] + [
        (str(port), [Flow(TCP, port), Flow(UDP, port)]) for port in strays
    ]


def _ends(opening: model.Opening) -> tuple[int, ...]:
    return (opening.first,) if opening.first == opening.last else (opening.first, opening.last)


def _unique(pairs: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(set(pairs), key=lambda pair: (pair[1], pair[0]))


def passes(rules: model.HostRules, source: str, flow: Flow) -> bool | None:
    """Whether such a packet from this address is to get through; None where either may be.

    A network that is declared encrypted takes no frame in the clear. Where Docker does encrypt it, a member's kernel
    encrypts the probe's frame too, for the rule that chooses what to encrypt looks at nothing but the data path's port
    and the network (moby: overlay/encryption.go, ``programMangle``).
    """
    if flow.protocol == ESP:
        return allows(rules, source, ESP, None)
    if flow.protocol == VXLAN:
        is_member = allows(rules, source, UDP, flow.port)
        return None if is_member and flow.vni in rules.encrypted_vnis else is_member
    return allows(rules, source, flow.protocol, flow.port)
