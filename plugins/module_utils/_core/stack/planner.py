# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of a stack: which services, networks and configs change, and why. It reads; it changes nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import labels, release_record, service_json
from ..errors import DeclarationError
from ..plan import CREATE, REMOVE, Difference, Plan, Step
from . import (
    container_spec,
    definition,
    network_spec,
    own_networks,
    ports,
    service_problems,
    service_spec,
    service_steps,
)
from .images import Image, familiar, is_same
from .preflight import Observation
from .references import mapping, section

Json = Mapping[str, Any]
Tree = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """A stack that is to be brought into the swarm.

    Attributes:
        name: of the stack.
        tree: the resolved definition.
        configs: made from the stack's own files.
        images: what registries say, by the image's name as written. One that is missing is sent as it is written, and
            a live service keeps the digest that its tag had.
        owner: whose services these are.
        prune: remove the owner's services of the stack that the definition no longer has.
        adopt: take over services of the stack that something else deployed.
    """

    name: str
    tree: Tree
    configs: Sequence[definition.ConfigObject] = ()
    images: Mapping[str, Image] = field(default_factory=dict)
    owner: str = labels.DEFAULT_OWNER
    prune: bool = False
    adopt: bool = False


@dataclass(frozen=True)
class Decision:
    """The plan, and ``specs``: of every declared service by its name in the swarm, what it is to have."""

    plan: Plan
    specs: Mapping[str, Json]


def plan(wanted: Wanted, observed: Observation) -> Decision:
    """What leads from the live stack to the declared one: configs and networks, then services, then removals; each by
    name.

    The payload of a service's step is what the engine takes: ``spec``, and for an update ``id``, ``version`` and the
    spec ``before``. Where a config is still to be made, its ID in there is empty: plan again once it is.

    Raises:
        DeclarationError: a service can't be what the file says, its mode changed, something else deployed it, a
            config has another content under a name that the file fixes, or a network of the stack is not as declared.
    """
    stack = wanted.name
    live = {str(service["Spec"]["Name"]): service for service in observed.services if belongs(service, stack)}
    taken = {str(service["Spec"]["Name"]).lower() for service in observed.services if not belongs(service, stack)}
    declared = definition.declared(wanted.tree, stack)
    problems: list[str] = []
    services: list[Step] = []
    specs: dict[str, Json] = {}
    entries: list[Tree] = []
    ids = _ids(wanted, observed)
    networks = {str(network.get("Id")): str(network.get("Name")) for network in observed.networks}
    for item in declared:
        service = live.get(item.name)
        found = service_problems.problems(wanted.tree, stack, item.key, ids)
        if service is not None:
            found += _refusals(item, service, wanted)
        elif item.name.lower() in taken:
            found.append(
                "services.%s: the service %s is in the swarm, and no part of the stack %s: remove it, or give yours "
                "another key" % (item.key, item.name, stack)
            )
        if found:
            problems.extend(found)
            continue
        spec = specs[item.name] = _spec(wanted, item, ids, service)
        step = (
            service_steps.create(spec, item.key)
            if service is None
            else service_steps.bring_to(service, spec, networks, item.key)
        )
        if step is not None:
            services.append(step)
            entries.append(item.entry)
    steps = _config_steps(wanted.configs, declared, observed, problems)
    requests = _own_networks(wanted, [item.entry for item in declared])
    problems += own_networks.problems(requests, observed.networks, stack)
    if problems:
        raise DeclarationError(*problems)
    steps += _network_steps(wanted, entries, observed)
    gone = [live[name] for name in sorted(set(live) - {item.name for item in declared})]
    ours = [service for service in gone if labels.owned_by(_labels(service), wanted.owner)]
    warnings = _left_alone(stack, wanted.owner, ["service %s" % _name(item) for item in gone if item not in ours])
    if ours and not wanted.prune:
        names = ", ".join(_name(service) for service in ours)
        warnings.append("%s: in the swarm, but not in the stack's files; prune: true removes it" % names)
    removals = [service_steps.remove(service) for service in ours] if wanted.prune else []
    sent = ports.ordered(services, observed.services)
    return Decision(Plan((*steps, *sent, *removals), tuple(warnings)), specs)


def plan_absent(stack: str, observed: Observation, owner: str) -> Plan:
    """Remove what ``owner`` deployed as this stack: its services, then its networks, its configs, and its releases.

    The namespace label alone says only which stack a thing is part of, not who made it: another tool's stack may have
    the same name. Secrets are never removed, for no stack file of ours makes them. A warning names what stays.
    """
    steps: list[Step] = []
    foreign: list[str] = []
    kinds = (("service", observed.services), ("network", observed.networks), ("config", observed.configs))
    for kind, objects in kinds:
        for thing in _sorted(objects, stack):
            if not labels.owned_by(_labels(thing), owner):
                foreign.append("%s %s" % (kind, _name(thing)))
            elif kind == "service":
                steps.append(service_steps.remove(thing))
            else:
                steps.append(_removal(kind, thing, stack))
    steps += [_removal("config", record, stack) for record in release_record.records(observed.configs, stack, owner)]
    warnings = _left_alone(stack, owner, foreign)
    secrets = ["secret %s" % _name(secret) for secret in _sorted(observed.secrets, stack)]
    if secrets:
        warnings.append("%s: left alone: a stack's removal never removes secrets" % ", ".join(secrets))
    return Plan(tuple(steps), tuple(warnings))


def _removal(kind: str, thing: Json, stack: str) -> Step:
    payload = {"id": thing["Id"] if kind == "network" else thing["ID"]}
    return Step(REMOVE, kind, _name(thing), (Difference("stack", stack, None),), payload)


def belongs(thing: Json, stack: str) -> bool:
    """Whether a service, network, config or secret carries the stack's namespace label."""
    return _labels(thing).get(labels.STACK_NAMESPACE) == stack


def _left_alone(stack: str, owner: str, names: Sequence[str]) -> list[str]:
    """The warning about what is part of the stack by its namespace, but not ours; none when there is no such thing."""
    if not names:
        return []
    said = (", ".join(names), stack, labels.OWNER, owner)
    return ["%s: of the stack %s, but left alone: deployed by something else (no label %s=%s)" % said]


def _labels(thing: Json) -> Tree:
    """An object's labels; a network has them at its top, everything else in its Spec."""
    return mapping(mapping(thing.get("Spec", thing)).get("Labels"))


def _name(thing: Json) -> str:
    return str(thing.get("Spec", thing)["Name"])


def _sorted(things: Sequence[Json], stack: str) -> list[Json]:
    return sorted((thing for thing in things if belongs(thing, stack)), key=_name)


def _refusals(item: definition.Declared, service: Json, wanted: Wanted) -> list[str]:
    """Why a service that is there can't become the declared one."""
    found = []
    if not wanted.adopt and not labels.owned_by(_labels(service), wanted.owner):
        found.append(
            "services.%s: the service %s is in the swarm, and something else deployed it (no label %s=%s): adopt: true "
            "takes it over" % (item.key, item.name, labels.OWNER, wanted.owner)
        )
    mode = service_json.mode(service["Spec"])
    if mode != item.mode:
        found.append(
            "services.%s.deploy.mode changed from %s to %s, and swarm can't change the mode of a service: give it "
            "another key, and let prune: true remove the old one" % (item.key, mode, item.mode)
        )
    return found


def _ids(wanted: Wanted, observed: Observation) -> container_spec.Names:
    coming = {config.name: "" for config in wanted.configs}
    return container_spec.Names(
        {str(secret["Spec"]["Name"]): str(secret["ID"]) for secret in observed.secrets},
        {**coming, **{str(config["Spec"]["Name"]): str(config["ID"]) for config in observed.configs}},
    )


def _spec(wanted: Wanted, item: definition.Declared, ids: container_spec.Names, service: Json | None) -> dict[str, Any]:
    """The spec to send: the declared one, its image pinned, and what a deployment leaves as it is."""
    spec = service_spec.convert(wanted.tree, wanted.name, item.key, ids, {labels.OWNER: wanted.owner})
    image = wanted.images.get(item.image)
    template = spec["TaskTemplate"]
    if image is None:
        # As moby's client writes it before it is sent (client/service_create.go).
        template["ContainerSpec"]["Image"] = familiar(item.image)
    else:
        template["ContainerSpec"]["Image"] = image.pinned
        if image.platforms:
            template["Placement"]["Platforms"] = [dict(platform) for platform in image.platforms]
    if service is not None:
        live = service["Spec"]
        before = mapping(live.get("TaskTemplate"))
        template["ForceUpdate"] = before.get("ForceUpdate") or 0
        held = str(mapping(before.get("ContainerSpec")).get("Image") or "")
        if image is None and is_same(item.image, held):
            template["ContainerSpec"]["Image"] = held
            if mapping(before.get("Placement")).get("Platforms"):
                template["Placement"]["Platforms"] = before["Placement"]["Platforms"]
        if item.mode == "replicated" and item.replicas is None:
            spec["Mode"] = live["Mode"]
    return spec


def _config_steps(
    configs: Sequence[definition.ConfigObject],
    wanted: Sequence[definition.Declared],
    observed: Observation,
    problems: list[str],
) -> list[Step]:
    used = {key for item in wanted for key in definition.configs_of(item.entry)}
    present = {str(config["Spec"]["Name"]): config for config in observed.configs}
    steps = []
    for config in sorted(configs, key=lambda config: config.name):
        existing = present.get(config.name)
        if config.key not in used:
            continue
        if existing is None:
            payload = {"data": config.data, "labels": dict(config.labels), "template_driver": config.template_driver}
            differences = (Difference("bytes", None, len(config.data)),)
            steps.append(Step(CREATE, "config", config.name, differences, payload))
        elif (_data(existing), _template_driver(existing)) != (config.data, config.template_driver):
            problems.append(
                "configs.%s: the config %s is in the swarm with another content, which can't change: leave out its "
                "name, or give it a new one" % (config.key, config.name)
            )
    return steps


def _template_driver(config: Json) -> str:
    return str(mapping(config["Spec"].get("Templating")).get("Name") or "")


def _data(config: Json) -> bytes:
    return base64.b64decode(str(config["Spec"].get("Data") or ""))


def _own_networks(wanted: Wanted, entries: Sequence[Tree]) -> dict[str, dict[str, Any]]:
    """The requests for the stack's own networks that these services are attached to, by their keys."""
    found = {}
    for key in {key for entry in entries for key in definition.networks_of(entry)}:
        network = mapping(section(wanted.tree, "networks").get(key))
        if not network.get("external"):
            found[key] = network_spec.convert(network, wanted.name, key, wanted.owner)
    return found


def _network_steps(wanted: Wanted, entries: Sequence[Tree], observed: Observation) -> list[Step]:
    """The stack's own networks that are missing and that a service to be deployed needs."""
    present = {str(network.get("Name")) for network in observed.networks}
    missing = {str(request["Name"]): request for request in _own_networks(wanted, entries).values()}
    return [
        Step(CREATE, "network", name, (Difference("driver", None, request["Driver"]),), {"request": request})
        for name, request in sorted(missing.items())
        if name not in present
    ]
