# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of a stack: which services, networks and configs change, and why. It reads; it changes nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from .. import labels, verdict, versioned
from ..errors import DeclarationError
from ..plan import CREATE, REMOVE, UPDATE, Difference, Plan, Step
from . import definition
from .preflight import Observation
from .references import mapping, section

Json = Mapping[str, Any]
Tree = Mapping[str, Any]

_MODES = {
    "Replicated": "replicated",
    "Global": "global",
    "ReplicatedJob": "replicated-job",
    "GlobalJob": "global-job",
}


def plan(
    stack: str,
    tree: Tree,
    observed: Observation,
    configs: Sequence[definition.ConfigObject] = (),
    *,
    owner: str,
    prune: bool = False,
) -> Plan:
    """What leads from the live stack to the declared one: configs and networks, then services, then removals; each by
    name.

    Args:
        stack: its name.
        tree: the resolved definition.
        observed: what the swarm holds.
        configs: made from the stack's own files.
        owner: whose services may be pruned.
        prune: remove the owner's services of the stack that the definition no longer has.

    Raises:
        DeclarationError: a service's mode changed, or a config's content under a name that the file fixes.
    """
    live = {str(service["Spec"]["Name"]): service for service in observed.services if belongs(service, stack)}
    wanted = definition.declared(tree, stack)
    problems: list[str] = []
    services: list[Step] = []
    entries: list[Tree] = []
    for item in wanted:
        service = live.get(item.name)
        problem = _mode_problem(item, service) if service else None
        if problem:
            problems.append(problem)
            continue
        differences = _differences(item, service)
        if differences:
            action = UPDATE if service else CREATE
            services.append(Step(action, "service", item.name, differences, {"key": item.key}))
            entries.append(item.entry)
    steps = _config_steps(configs, wanted, observed, problems)
    if problems:
        raise DeclarationError(*problems)
    steps += _network_steps(stack, tree, entries, observed)
    gone = [live[name] for name in sorted(set(live) - {item.name for item in wanted})]
    ours = [service for service in gone if labels.owned_by(_labels(service), owner)]
    warnings = _left_alone(stack, owner, ["service %s" % _name(item) for item in gone if item not in ours])
    if ours and not prune:
        names = ", ".join(_name(service) for service in ours)
        warnings.append("%s: in the swarm, but not in the stack's files; prune: true removes it" % names)
    removals = [_removal(service) for service in ours] if prune else []
    return Plan((*steps, *services, *removals), tuple(warnings))


def plan_absent(stack: str, observed: Observation, owner: str) -> Plan:
    """Remove what ``owner`` deployed as this stack: its services, then its networks, then its configs, each by name.

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
                steps.append(_removal(thing))
            else:
                payload = {"id": thing["Id"] if kind == "network" else thing["ID"]}
                steps.append(Step(REMOVE, kind, _name(thing), (Difference("stack", stack, None),), payload))
    warnings = _left_alone(stack, owner, foreign)
    secrets = ["secret %s" % _name(secret) for secret in _sorted(observed.secrets, stack)]
    if secrets:
        warnings.append("%s: left alone: a stack's removal never removes secrets" % ", ".join(secrets))
    return Plan(tuple(steps), tuple(warnings))


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


def _removal(service: Json) -> Step:
    spec = service["Spec"]
    difference = Difference("image", mapping(spec.get("Labels")).get("com.docker.stack.image"), None)
    return Step(REMOVE, "service", str(spec["Name"]), (difference,), {"id": service["ID"]})


def _mode(service: Json) -> str:
    return next((name for key, name in _MODES.items() if key in mapping(service["Spec"].get("Mode"))), "replicated")


def _mode_problem(item: definition.Declared, service: Json) -> str | None:
    if _mode(service) == item.mode:
        return None
    return (
        "services.%s.deploy.mode changed from %s to %s, and swarm can't change the mode of a service: give it another "
        "key, and let prune: true remove the old one" % (item.key, _mode(service), item.mode)
    )


def _differences(item: definition.Declared, service: Json | None) -> tuple[Difference, ...]:
    """Why a service has to be created or updated; empty when it is as declared."""
    if service is None:
        found = [Difference("definition", None, item.digest), Difference("image", None, item.image)]
        if item.replicas is not None:
            found.append(Difference("replicas", None, item.replicas))
        return tuple(found)
    spec = service["Spec"]
    found = []
    before = mapping(spec.get("Labels")).get(labels.DEFINITION)
    if before != item.digest:
        found.append(Difference("definition", before, item.digest))
    container = mapping(mapping(spec.get("TaskTemplate")).get("ContainerSpec"))
    for kind, wanted in ((versioned.SECRET, item.secrets), (versioned.CONFIG, item.configs)):
        entries, _id, name = kind.references
        live = sorted(str(entry.get(name)) for entry in container.get(entries) or ())
        if live != list(wanted):
            found.append(Difference(kind.name + "s", live, list(wanted)))
    image = str(container.get("Image") or "")
    # The engine pins the tag to a digest; a declared digest stays part of the comparison.
    bare = image if "@" in item.image else image.split("@", 1)[0]
    if _familiar(bare) != _familiar(item.image):
        found.append(Difference("image", image, item.image))
    if item.replicas is not None:
        replicas = mapping(mapping(spec.get("Mode")).get("Replicated")).get("Replicas")
        running = 1 if replicas is None else int(replicas)
        if running != item.replicas:
            found.append(Difference("replicas", running, item.replicas))
    update = mapping(service.get("UpdateStatus")).get("State")
    if not found and update in verdict.STANDING:
        # Sending the same definition again is what makes a paused update go on.
        found.append(Difference("update", update, "resumed"))
    return tuple(found)


def _familiar(image: str) -> str:
    """An image's name as the engine writes it: without the default registry, with a tag."""
    for prefix in ("docker.io/", "index.docker.io/"):
        if image.startswith(prefix):
            image = image[len(prefix) :]
    if image.startswith("library/") and image.count("/") == 1:
        image = image[len("library/") :]
    if "@" in image:
        name, _at, digest = image.partition("@")
        return "%s@%s" % (_without_tag(name), digest)
    return image if image != _without_tag(image) else image + ":latest"


def _without_tag(image: str) -> str:
    path, colon, tag = image.rpartition(":")
    return path if colon and "/" not in tag else image


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
            payload = {"data": config.data, "labels": dict(config.labels)}
            differences = (Difference("bytes", None, len(config.data)),)
            steps.append(Step(CREATE, "config", config.name, differences, payload))
        elif _data(existing) != config.data:
            problems.append(
                "configs.%s: the config %s is in the swarm with another content, which can't change: leave out its "
                "name, or give it a new one" % (config.key, config.name)
            )
    return steps


def _data(config: Json) -> bytes:
    return base64.b64decode(str(config["Spec"].get("Data") or ""))


def _network_steps(stack: str, tree: Tree, entries: Sequence[Tree], observed: Observation) -> list[Step]:
    """Networks that the CLI will make on the way, because a service to be deployed needs them."""
    present = {str(network.get("Name")) for network in observed.networks}
    missing = {}
    for key in {key for entry in entries for key in definition.networks_of(entry)}:
        network = mapping(section(tree, "networks").get(key))
        if not network.get("external"):
            missing[str(network.get("name") or "%s_%s" % (stack, key))] = str(network.get("driver") or "overlay")
    return [
        Step(CREATE, "network", name, (Difference("driver", None, driver),))
        for name, driver in sorted(missing.items())
        if name not in present
    ]
