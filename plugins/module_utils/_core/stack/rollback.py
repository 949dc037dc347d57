# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of a rollback: how a whole stack gets the specs of an earlier release again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import labels, placement, service_json
from ..data_declaration import CONFIG, SECRET, Kind
from ..errors import DeclarationError
from ..plan import Plan, Step
from ..releases import Release
from . import planner, ports, service_steps
from .preflight import Observation
from .references import mapping
from .service_spec import PREDEFINED_NETWORKS

Json = Mapping[str, Any]


def plan(release: Release, observed: Observation, owner: str) -> planner.Decision:
    """What leads from the live stack to the release: services are created and updated, by name, then removed.

    A spec is sent as it was recorded. Only the IDs of its secrets and configs are looked up anew, by their names.

    Args:
        release: the one to restore.
        observed: everything is needed.
        owner: whose services these are. Those of others in the stack stay.

    Raises:
        DeclarationError: something that the release names is gone, or a service has another mode now or is somebody
            else's. That no node takes a service's tasks is a warning: the way back stays open for the others.
    """
    return _Restore(release, observed, owner).decision()


def named(spec: Json, networks: Mapping[str, str]) -> dict[str, Any]:
    """A spec with its networks by name, as a release keeps it: a network may be made anew under its name.

    Args:
        networks: ID -> name. What is not in it stays as it is.
    """
    template = mapping(spec.get("TaskTemplate"))
    attached = template.get("Networks")
    if not attached:
        return dict(spec)
    targets = [{**one, "Target": networks.get(str(one["Target"]), one["Target"])} for one in attached]
    return {**spec, "TaskTemplate": {**template, "Networks": targets}}


class _Restore:
    """Gathers the steps of one plan, and everything that is in its way."""

    def __init__(self, release: Release, observed: Observation, owner: str) -> None:
        self._release = release
        self._observed = observed
        self._owner = owner
        self._live = {service_json.name(one): one for one in observed.services if planner.belongs(one, release.stack)}
        self._networks = {str(network.get("Id")): str(network.get("Name")) for network in observed.networks}
        self._ids = {SECRET: _ids(observed.secrets), CONFIG: _ids(observed.configs)}
        self._problems: list[str] = []
        self._homeless: list[str] = []
        self._gone: dict[tuple[str, str], list[str]] = {}
        self._renewed: dict[tuple[str, str], list[str]] = {}

    def decision(self) -> planner.Decision:
        specs = {name: self._with_ids(name, spec) for name, spec in sorted(self._release.specs.items())}
        steps = ports.ordered(
            [step for name, spec in specs.items() for step in self._steps(name, spec)], self._observed.services
        )
        left = [service for name, service in sorted(self._live.items()) if name not in specs]
        going = [service for service in left if labels.owned_by(service_json.labels(service), self._owner)]
        for (kind, name), services in sorted(self._gone.items()):
            self._problems.append(
                "%s names the %s %s (%s), which is no longer in the swarm: make it again under that name, or restore "
                "another release" % (self._label(), kind, name, ", ".join(services))
            )
        if self._problems:
            raise DeclarationError(*self._problems)
        return planner.Decision(
            Plan((*steps, *(service_steps.remove(service) for service in going)), tuple(self._warnings(left, going))),
            specs,
        )

    def _warnings(self, left: list[Json], going: list[Json]) -> Iterator[str]:
        yield from self._homeless
        for (kind, name), services in sorted(self._renewed.items()):
            yield (
                "the %s %s (%s) is not the one of %s, but one that was made later under its name: what it holds may be "
                "something else" % (kind, name, ", ".join(services), self._label())
            )
        foreign = [service_json.name(service) for service in left if service not in going]
        if foreign:
            yield (
                "%s: of the stack %s, but left alone: deployed by something else (no label %s=%s)"
                % (", ".join("service " + name for name in foreign), self._release.stack, labels.OWNER, self._owner)
            )

    def _label(self) -> str:
        return "release %d" % self._release.number

    # -- one service --------------------------------------------------------------------------------------------------

    def _steps(self, name: str, spec: Json) -> list[Step]:
        """The step that brings a service to its recorded spec, if it takes one."""
        service = self._live.get(name)
        self._note_lost_networks(name, spec, service)
        problems = list(self._refusals(name, spec, service))
        self._problems += problems
        if problems:
            return []
        step = service_steps.create(spec) if service is None else service_steps.bring_to(service, spec, self._networks)
        if step is not None:
            self._homeless += self._placement_problems(name, spec)
        return [] if step is None else [step]

    def _refusals(self, name: str, spec: Json, service: Json | None) -> Iterator[str]:
        """Why a service can't become what was recorded."""
        if service is None:
            taken = [
                service_json.name(one)
                for one in self._observed.services
                if service_json.name(one).lower() == name.lower()
            ]
            if taken:
                yield "the service %s is in the swarm, and no part of the stack %s: remove it first" % (
                    taken[0],
                    self._release.stack,
                )
            return
        if not labels.owned_by(service_json.labels(service), self._owner):
            yield (
                "the service %s is in the swarm, and something else deployed it (no label %s=%s): remove it, or deploy "
                "the stack with adopt: true first" % (name, labels.OWNER, self._owner)
            )
        before, after = service_json.mode(service["Spec"]), service_json.mode(spec)
        if before != after:
            yield (
                "the service %s has the mode %s, and %s in %s, and swarm can't change the mode of a service: remove it "
                "(docker service rm %s), and run this again" % (name, before, after, self._label(), name)
            )

    def _note_lost_networks(self, name: str, spec: Json, service: Json | None) -> None:
        shared = [network for network in self._observed.networks if network.get("Scope") == "swarm"]
        known = {*PREDEFINED_NETWORKS, *(str(network.get(key)) for network in shared for key in ("Id", "Name"))}
        if service is not None:
            # A network that every node has, host or bridge, is in no list of the engine; what is attached is there.
            known |= set(_targets(service["Spec"]))
        for target in _targets(spec):
            if target not in known:
                _add(self._gone, ("network", target), name)

    def _placement_problems(self, name: str, spec: Json) -> Iterator[str]:
        """That a service has no node now; the verdict tells what became of it."""
        constraints = list(mapping(mapping(spec.get("TaskTemplate")).get("Placement")).get("Constraints") or ())
        wanted = mapping(mapping(spec.get("Mode")).get("Replicated")).get("Replicas")
        if wanted != 0 and not placement.eligible(constraints, self._observed.nodes):
            yield (
                "service %s: 0 eligible nodes for %s in %s: label a node or make one active (swarm_nodes), or restore "
                "another release" % (name, " and ".join(constraints) or "(no constraint)", self._label())
            )

    # -- secrets and configs ------------------------------------------------------------------------------------------

    def _with_ids(self, name: str, spec: Json) -> dict[str, Any]:
        """The spec with the IDs that its secrets and configs have now."""
        template = mapping(spec.get("TaskTemplate"))
        container = dict(mapping(template.get("ContainerSpec")))
        credential = mapping(mapping(container.get("Privileges")).get("CredentialSpec"))
        for kind in (SECRET, CONFIG):
            list_key, id_key, name_key = kind.references
            if container.get(list_key):
                container[list_key] = [
                    {**one, id_key: self._id(kind, str(one.get(name_key)), str(one.get(id_key)), name)}
                    for one in container[list_key]
                ]
        if credential.get("Config"):
            # It has the ID alone; the name stands in the list of configs, beside the same ID.
            pairs = zip(_entries(spec, CONFIG), _entries({"TaskTemplate": {"ContainerSpec": container}}, CONFIG))
            now = {str(before.get("ConfigID")): after.get("ConfigID") for before, after in pairs}
            config = now.get(str(credential["Config"]), credential["Config"])
            container["Privileges"] = {**container["Privileges"], "CredentialSpec": {**credential, "Config": config}}
        return {**spec, "TaskTemplate": {**template, "ContainerSpec": container}}

    def _id(self, kind: Kind, name: str, recorded: str, service: str) -> str:
        present = self._ids[kind].get(name)
        if present is None:
            _add(self._gone, (kind.name, name), service)
            return recorded
        if present != recorded:
            _add(self._renewed, (kind.name, name), service)
        return present


def _add(found: dict[tuple[str, str], list[str]], key: tuple[str, str], service: str) -> None:
    services = found.setdefault(key, [])
    if service not in services:
        services.append(service)


def _ids(objects: Iterable[Json]) -> dict[str, str]:
    return {str(thing["Spec"]["Name"]): str(thing["ID"]) for thing in objects}


def _entries(spec: Json, kind: Kind) -> list[Json]:
    container = mapping(mapping(spec.get("TaskTemplate")).get("ContainerSpec"))
    return list(container.get(kind.references[0]) or ())


def _targets(spec: Json) -> list[str]:
    return [str(one["Target"]) for one in mapping(spec.get("TaskTemplate")).get("Networks") or ()]
