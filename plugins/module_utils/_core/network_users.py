# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What uses a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import address_space, parking

Json = Mapping[str, Any]

_SERVICE = "service "


@dataclass(frozen=True)
class Observation:
    """The engine's lists. All but the networks tell what uses them, and which addresses they have left.

    Attributes:
        tasks: those of containers that were attached by hand are among them.
        held: network ID -> the engine's words, of each that it refused to remove in this run for it is in use.
        removed: network name -> the request that makes it again as it was, of each that this run has removed.
    """

    networks: Sequence[Json]
    services: Sequence[Json] = ()
    tasks: Sequence[Json] = ()
    nodes: Sequence[Json] = ()
    held: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, Json] = field(default_factory=dict)


def users(network: Json, observed: Observation) -> list[str]:
    """What uses a network, sorted: services with it in Spec or PreviousSpec, and tasks that hold an address in it."""
    return sorted({*_on_it(network, observed), *_naming(network, observed, ("Spec", "PreviousSpec"))})


def present_users(network: Json, observed: Observation) -> list[str]:
    """The same without services that could only be rolled back to it."""
    return sorted({*_on_it(network, observed), *_naming(network, observed, ("Spec",))})


def services_among(found: Iterable[str]) -> list[str]:
    """The services' own names."""
    return [name[len(_SERVICE) :] for name in found if name.startswith(_SERVICE)]


def others_among(found: Iterable[str]) -> list[str]:
    """What is no service: containers that were attached by hand."""
    return [name for name in found if not name.startswith(_SERVICE)]


def _naming(network: Json, observed: Observation, specs: Sequence[str]) -> Iterator[str]:
    names = {network["Id"], network["Name"]}
    for service in observed.services:
        if any(names & parking.targets(service.get(spec) or {}) for spec in specs):
            yield _SERVICE + service["Spec"]["Name"]


def _on_it(network: Json, observed: Observation) -> Iterator[str]:
    services = {service["ID"]: _SERVICE + service["Spec"]["Name"] for service in observed.services}
    for task in observed.tasks:
        if address_space.is_attached(task, network):
            # A task without a service is a container that was attached by hand.
            yield services.get(task.get("ServiceID", ""), _by_hand(task))


def _by_hand(task: Json) -> str:
    attached = ((task.get("Spec") or {}).get("NetworkAttachmentSpec") or {}).get("ContainerID")
    return "container %s" % str(attached)[:12] if attached else "task %s" % task["ID"]
