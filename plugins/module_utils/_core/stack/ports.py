# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports of which a swarm has just one.

A port with ``mode: ingress`` belongs to one service, and no other may have it in either mode; with ``mode: host`` many
may have it, and ``host_ports`` tells whether they find nodes. The engine looks at one service at a time, as it is sent
(swarmkit, manager/controlapi/service.go: checkPortConflicts), so a port that one service gives up for another has to
be given up first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..plan import Step
from . import changes
from .changes import Change
from .references import mapping, sequence

Json = Mapping[str, Any]

HOST = "host"


@dataclass(frozen=True, order=True)
class Port:
    """One published port."""

    number: int
    protocol: str
    mode: str

    @property
    def key(self) -> tuple[int, str]:
        return (self.number, self.protocol)

    def excludes(self, other: Port) -> bool:
        """Whether no two services may have both."""
        return self.key == other.key and not (self.mode == other.mode == HOST)

    def __str__(self) -> str:
        return "%d/%s" % (self.number, self.protocol)


_Holders = Mapping[tuple[int, str], Sequence[tuple[str, Port]]]
"""Who has a port, by its number and protocol: names of services, each with the port as it has it."""


def published(spec: Json) -> set[Port]:
    """The ports that a ServiceSpec publishes under a number of its own choice."""
    return set(_ports(mapping(spec.get("EndpointSpec"))))


def problems(steps: Sequence[Step], services: Sequence[Json]) -> list[str]:
    """Ports of the services in these steps that the engine would refuse, one sentence each.

    Args:
        steps: of a plan.
        services: the live ones.
    """
    wanted = changes.of(steps)
    going = {step.name for step in steps if step.kind == "service"} - {change.name for change in wanted}
    holders = _holders({**_live(services), **_kept(wanted, services)})
    where = {change.name: change.where for change in wanted}
    found: dict[tuple[frozenset[str], tuple[int, str]], str] = {}
    for change in wanted:
        for port in sorted(published(change.after)):
            for name, other in holders.get(port.key, ()):
                if name != change.name and port.excludes(other):
                    # Of two in one plan one sentence is enough.
                    pair = (frozenset((name, change.name)), port.key)
                    clash = _clash(change, port, other, name, where.get(name, ""), name in going)
                    found.setdefault(pair, clash)
    return [*found.values(), *_exchanges(wanted, services)]


def _clash(change: Change, port: Port, other: Port, name: str, where: str, going: bool) -> str:
    if where:
        both = "%s.ports and %s.ports: both publish %s" % (*sorted((change.where, where)), port)
        if port.mode == other.mode:
            return "%s, which only one service of a swarm can have: give one of them another port" % both
        return (
            "%s, one with the mode ingress, and then no other service can have it: publish it with mode: host in both, "
            "or give one of them another port" % both
        )
    holder = "the service %s" % name
    if HOST in (port.mode, other.mode):
        holder += " (mode %s)" % other.mode
    said = "%s.ports: %s is published already by %s" % (change.where, port, holder)
    if going:
        return (
            "%s, which is removed last, when all else runs: deploy once without this port (prune: true), then with it"
            % said
        )
    return "%s: publish another port, or take it from that service first" % said


def ordered(steps: Sequence[Step], services: Sequence[Json]) -> tuple[Step, ...]:
    """The steps in an order in which a service gives a port up before another one gets it; otherwise as they are.

    Args:
        steps: of services.
        services: the live ones.
    """
    wanted = changes.of(steps)
    before = _waits(wanted, services)
    if not before:
        return tuple(steps)
    place = {name: position for position, name in enumerate(_sorted([change.name for change in wanted], before)[0])}
    sent = sorted((step for step in steps if step.name in place), key=lambda step: place[step.name])
    return (*sent, *(step for step in steps if step.name not in place))


def _exchanges(wanted: Sequence[Change], services: Sequence[Json]) -> list[str]:
    """Services that wait for each other's ports, so that none of them can be the first."""
    waits = _waits(wanted, services)
    _order, stuck = _sorted([change.name for change in wanted], waits)
    if not stuck:
        return []
    where = [change.where + ".ports" for change in wanted if change.name in stuck]
    ports = sorted({str(port) for name in stuck for _other, port in waits[name]})
    return [
        "%s: these services take over each other's ports (%s), and the engine changes one service at a time: deploy "
        "once with other ports, then with these" % (" and ".join(where), ", ".join(ports))
    ]


def _waits(wanted: Sequence[Change], services: Sequence[Json]) -> dict[str, set[tuple[str, Port]]]:
    """For each service those of the same plan that have a port now which it gets, and the port.

    Only those that give it up are meant; where one keeps it, that is a clash.
    """
    live, kept = _live(services), _kept(wanted, services)
    given_up = {name: live[name] - kept[name] for name in kept if name in live}
    holders = _holders(given_up)
    found: dict[str, set[tuple[str, Port]]] = {}
    for change in wanted:
        for port in published(change.after):
            for name, other in holders.get(port.key, ()):
                if name != change.name and port.excludes(other):
                    found.setdefault(change.name, set()).add((name, other))
    return found


def _sorted(names: Sequence[str], waits: Mapping[str, set[tuple[str, Port]]]) -> tuple[list[str], set[str]]:
    """The names, each behind those that it waits for; and those that wait for one another in a circle."""
    behind = {name: {other for other, _port in waits.get(name, ())} for name in names}
    order: list[str] = []
    left = list(names)
    while left:
        ready = [name for name in left if not behind[name].intersection(left)]
        if not ready:
            return [*order, *left], _circle(left, behind)
        order += ready
        left = [name for name in left if name not in ready]
    return order, set()


def _circle(left: Collection[str], behind: Mapping[str, set[str]]) -> set[str]:
    """One circle among names of which each waits for another one of them."""
    name = min(left)
    walked: list[str] = []
    while name not in walked:
        walked.append(name)
        name = min(behind[name].intersection(left))
    return set(walked[walked.index(name) :])


def _live(services: Sequence[Json]) -> dict[str, set[Port]]:
    """What each service has now: what it asked for, and what swarm gave it."""
    return {
        str(service["Spec"]["Name"]): {*published(service["Spec"]), *_ports(mapping(service.get("Endpoint")))}
        for service in services
    }


def _kept(wanted: Sequence[Change], services: Sequence[Json]) -> dict[str, set[Port]]:
    """What each service of a plan has afterwards; a number that swarm chose stays as long as its port is asked for."""
    endpoints = {str(service["Spec"]["Name"]): mapping(service.get("Endpoint")) for service in services}
    found = {}
    for change in wanted:
        chosen = [port for port in _entries(mapping(change.after.get("EndpointSpec"))) if not _number(port)]
        targets = {_target(port) for port in chosen}
        given = endpoints.get(change.name, {})
        stays = {_port(port) for port in _entries(given) if _number(port) and _target(port) in targets}
        found[change.name] = published(change.after) | stays
    return found


def _holders(ports: Mapping[str, set[Port]]) -> _Holders:
    found: dict[tuple[int, str], list[tuple[str, Port]]] = {}
    for name in sorted(ports):
        for port in sorted(ports[name]):
            found.setdefault(port.key, []).append((name, port))
    return found


def _ports(endpoint: Json) -> Iterator[Port]:
    return (_port(port) for port in _entries(endpoint) if _number(port))


def _entries(endpoint: Json) -> list[Json]:
    return [mapping(port) for port in sequence(endpoint.get("Ports"))]


def _number(port: Json) -> int:
    return int(port.get("PublishedPort") or 0)


def _target(port: Json) -> tuple[int, str, str]:
    return (int(port.get("TargetPort") or 0), _protocol(port), _mode(port))


def _port(port: Json) -> Port:
    return Port(_number(port), _protocol(port), _mode(port))


def _protocol(port: Json) -> str:
    return str(port.get("Protocol") or "tcp")


def _mode(port: Json) -> str:
    return str(port.get("PublishMode") or "ingress")
