# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's definition: the normal form of ``docker stack config``, service by service.

A service's definition is all that its ServiceSpec is made from: its own entry and the entries of the networks,
secrets, configs and volumes that it uses. Its digest goes into the label ``labels.DEFINITION`` on the service, so that
a redeploy sees which services changed, and leaves the others alone (an update that changes nothing still destroys
PreviousSpec). Which objects in the swarm the external secrets and configs are is not part of it: a rotation repoints
services without their definition, and the objects can be read from the service itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import labels, naming, versioned
from .interpolation import escape
from .references import mapping, section, sequence

Tree = Mapping[str, Any]

SCHEME = "2"
"""Written before a digest; another way to compute it gets another number."""
CONTENT_DIGITS = 12
"""Hexadecimal digits of a config's content in its name; 48 bits tell the versions of one config apart."""

# JSON is YAML but for characters that YAML wants escaped, among them its own line breaks (NEL, LS, PS), which it would
# fold into a space. The CLI's parser refuses surrogate pairs, so what lies beyond stays as it is.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


@dataclass(frozen=True)
class ConfigObject:
    """A config made from a file of the stack. Its name changes with its content, as a config's data never can."""

    key: str
    name: str
    data: bytes = field(repr=False)
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Declared:
    """One service as declared.

    Attributes:
        key: its key in the stack file.
        name: its name in the swarm.
        mode: "replicated", "global", "replicated-job" or "global-job".
        replicas: for a replicated service; None for the other modes.
        image: as written.
        digest: of its definition.
        secrets, configs: names in the swarm of those that it gets, sorted.
        entry: its entry in the normal form.
    """

    key: str
    name: str
    mode: str
    replicas: int | None
    image: str
    digest: str
    secrets: tuple[str, ...]
    configs: tuple[str, ...]
    entry: Tree = field(repr=False, compare=False)


def prepared(tree: Tree) -> dict[str, Any]:
    """The normal form without what the CLI has already worked in (env_file) or never sends (version, x-…)."""
    result: dict[str, Any] = {name: dict(section(tree, name)) for name in ("networks", "volumes", "secrets", "configs")}
    result["services"] = {
        key: {name: value for name, value in mapping(entry).items() if name != "env_file"}
        for key, entry in section(tree, "services").items()
    }
    return result


def config_files(tree: Tree) -> dict[str, str]:
    """The paths of the files that configs are made from, by the config's key."""
    return {
        key: str(mapping(entry)["file"])
        for key, entry in section(tree, "configs").items()
        if mapping(entry).get("file")
    }


def config_objects(
    tree: Tree, stack: str, contents: Mapping[str, bytes], owner: str
) -> tuple[dict[str, Any], tuple[ConfigObject, ...], list[str]]:
    """Turn configs made from files into objects of their own, named after their content.

    A config that the file names (``name:``) keeps that name: whoever names it versions it.

    Returns:
        The tree with those configs external; the objects in the order of their keys; problems, one sentence each.
    """
    found: list[ConfigObject] = []
    problems: list[str] = []
    configs = dict(section(tree, "configs"))
    for key in sorted(contents):
        entry = mapping(configs[key])
        data = contents[key]
        digest = hashlib.sha256(data).hexdigest()[:CONTENT_DIGITS]
        name = str(entry.get("name") or "%s_%s_%s" % (stack, key, digest))
        if len(name) > naming.DATA_NAME_LENGTH:
            problems.append(
                "configs.%s: its name in the swarm would be %s, with %d characters of at most %d: shorten the key, "
                "or the stack's name" % (key, name, len(name), naming.DATA_NAME_LENGTH)
            )
        if not data or len(data) >= versioned.CONFIG.limit:
            problems.append(
                "configs.%s.file has %d bytes; a config has more than 0 and less than %d"
                % (key, len(data), versioned.CONFIG.limit)
            )
        if entry.get("template_driver"):
            problems.append(
                "configs.%s.template_driver: a config from a file is sent as it is: make the template's config with "
                "docker config create --template-driver, and declare it external" % key
            )
        own = {labels.STACK_NAMESPACE: stack, labels.OWNER: owner}
        found.append(ConfigObject(key, name, data, {**mapping(entry.get("labels")), **own}))
        configs[key] = {"name": name, "external": True}
    return {**tree, "configs": configs}, tuple(found), problems


def declared(tree: Tree, stack: str) -> tuple[Declared, ...]:
    """The services of a resolved tree, by key."""
    result = []
    for key in sorted(section(tree, "services")):
        entry = mapping(section(tree, "services")[key])
        deploy = mapping(entry.get("deploy"))
        mode = str(deploy.get("mode") or "replicated")
        replicas = deploy.get("replicas")
        count = (1 if replicas is None else int(replicas)) if mode == "replicated" else None
        name = "%s_%s" % (stack, key)
        secrets = _names(tree, "secrets", _sources(entry.get("secrets")))
        configs = _names(tree, "configs", _config_sources(entry))
        image = str(entry.get("image") or "")
        result.append(Declared(key, name, mode, count, image, digest(tree, key), secrets, configs, entry))
    return tuple(result)


def digest(tree: Tree, key: str) -> str:
    """The digest of one service's definition; the same for the same meaning, whatever the order in the file."""
    part = _part(tree, [key])
    for kind in ("secrets", "configs"):
        if kind in part:
            part[kind] = {name: _nameless(entry) for name, entry in part[kind].items()}
    text = json.dumps(part, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return "%s:%s" % (SCHEME, hashlib.sha256(text.encode("ascii")).hexdigest())


def render(tree: Tree, stack: str, keys: Iterable[str], owner: str) -> str:
    """The document for ``docker stack deploy -c -`` that holds just these services and what they use.

    Services and the networks that the CLI makes on the way get the owner's label; configs made from files have it
    already (``config_objects``), and the CLI makes no others.

    Every ``$`` is doubled, for the CLI replaces variables in it once more.
    """
    wanted = sorted(keys)
    part = _part(tree, wanted)
    services = {}
    for item in declared(tree, stack):
        if item.key in wanted:
            deploy = mapping(item.entry.get("deploy"))
            ours = {**mapping(deploy.get("labels")), labels.DEFINITION: item.digest, labels.OWNER: owner}
            services[item.key] = {**item.entry, "deploy": {**deploy, "labels": ours}}
    networks = {**part.get("networks", {})}
    # The CLI makes the network "default" also where no file declares it.
    for key in {key for entry in services.values() for key in networks_of(entry)}:
        network = mapping(networks.get(key))
        if not network.get("external"):
            networks[key] = {**network, "labels": {**mapping(network.get("labels")), labels.OWNER: owner}}
    text = json.dumps(
        escape({**part, "services": services, "networks": networks}), sort_keys=True, ensure_ascii=False, indent=1
    )
    return _UNPRINTABLE.sub(lambda match: "\\u%04x" % ord(match.group()), text)


def networks_of(entry: Tree) -> list[str]:
    """The keys of the networks that a service is attached to; ``default`` when it names none."""
    return sorted(mapping(entry.get("networks"))) or ["default"]


def configs_of(entry: Tree) -> set[str]:
    """The keys of the configs that a service uses."""
    return set(_config_sources(entry))


def _config_sources(entry: Tree) -> list[str]:
    credential = mapping(entry.get("credential_spec")).get("config")
    return [*_sources(entry.get("configs")), *([str(credential)] if credential else [])]


def _names(tree: Tree, kind: str, sources: Iterable[str]) -> tuple[str, ...]:
    """The names in the swarm behind the keys of a section."""
    entries = section(tree, kind)
    return tuple(sorted(str(mapping(entries.get(source)).get("name") or source) for source in sources))


def _nameless(entry: Any) -> Any:
    if not mapping(entry).get("external"):
        return entry
    return {key: value for key, value in entry.items() if key != "name"}


def _part(tree: Tree, keys: Sequence[str]) -> dict[str, Any]:
    """The tree reduced to some services and the entries that they use."""
    entries = {key: mapping(section(tree, "services")[key]) for key in keys}
    used: dict[str, set[str]] = {"networks": set(), "secrets": set(), "configs": set(), "volumes": set()}
    for entry in entries.values():
        used["networks"].update(networks_of(entry))
        used["secrets"].update(_sources(entry.get("secrets")))
        used["configs"].update(configs_of(entry))
        used["volumes"].update(
            str(volume.get("source")) for volume in sequence(entry.get("volumes")) if isinstance(volume, Mapping)
        )
    part: dict[str, Any] = {"services": entries}
    for name, wanted in used.items():
        chosen = {key: value for key, value in section(tree, name).items() if key in wanted}
        if chosen:
            part[name] = chosen
    return part


def _sources(entries: Any) -> list[str]:
    return [str(entry.get("source")) if isinstance(entry, Mapping) else str(entry) for entry in sequence(entries)]
