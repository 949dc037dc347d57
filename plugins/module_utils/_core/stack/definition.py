# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack's definition: the normal form of ``docker stack config``, and the configs that it makes from files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import labels, naming, versioned
from .references import mapping, section, sequence

Tree = Mapping[str, Any]

CONTENT_DIGITS = 12
"""Hexadecimal digits of a config's content in its name; 48 bits tell the versions of one config apart."""


@dataclass(frozen=True)
class ConfigObject:
    """A config made from a file of the stack. Its name changes with its content, as a config's data never can.

    Attributes:
        template_driver: what makes each task's own content of it; empty for one that is taken as it is.
    """

    key: str
    name: str
    data: bytes = field(repr=False)
    labels: Mapping[str, str]
    template_driver: str = ""


@dataclass(frozen=True)
class Declared:
    """One service as declared.

    Attributes:
        key: its key in the stack file.
        name: its name in the swarm.
        mode: "replicated", "global", "replicated-job" or "global-job".
        replicas: for a replicated service; None for the other modes, and where the file leaves the count to others
            (an autoscaler, a hand).
        image: as written.
        entry: its entry in the normal form.
    """

    key: str
    name: str
    mode: str
    replicas: int | None
    image: str
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
        driver = str(entry.get("template_driver") or "")
        digest = hashlib.sha256(data + driver.encode()).hexdigest()[:CONTENT_DIGITS]
        name = str(entry.get("name") or "%s_%s_%s" % (stack, key, digest))
        if not naming.is_data_name(name):
            problems.append(
                "configs.%s: %r can't be a name: it takes letters, digits, '-', '_' and '.', and a letter or digit at "
                "both ends" % (key, name)
            )
        elif len(name) > naming.DATA_NAME_LENGTH:
            problems.append(
                "configs.%s: its name in the swarm would be %s, with %d characters of at most %d: shorten the key, "
                "or the stack's name" % (key, name, len(name), naming.DATA_NAME_LENGTH)
            )
        if not data or len(data) >= versioned.CONFIG.limit:
            problems.append(
                "configs.%s.file has %d bytes; a config has more than 0 and less than %d"
                % (key, len(data), versioned.CONFIG.limit)
            )
        own = {labels.STACK_NAMESPACE: stack, labels.OWNER: owner}
        found.append(ConfigObject(key, name, data, {**mapping(entry.get("labels")), **own}, driver))
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
        count = int(replicas) if mode == "replicated" and replicas is not None else None
        name = "%s_%s" % (stack, key)
        result.append(Declared(key, name, mode, count, str(entry.get("image") or ""), entry))
    return tuple(result)


def networks_of(entry: Tree) -> list[str]:
    """The keys of the networks that a service is attached to; ``default`` when it names none."""
    return sorted(mapping(entry.get("networks"))) or ["default"]


def configs_of(entry: Tree) -> set[str]:
    """The keys of the configs that a service uses."""
    credential = mapping(entry.get("credential_spec")).get("config")
    return {*_sources(entry.get("configs")), *([str(credential)] if credential else [])}


def _sources(entries: Any) -> list[str]:
    return [str(entry.get("source")) if isinstance(entry, Mapping) else str(entry) for entry in sequence(entries)]
