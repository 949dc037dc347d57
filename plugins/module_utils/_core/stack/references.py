# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stack files refer to: files beside them, and objects that must be in the swarm. Works on files as written.

The same functions serve the check of a whole inventory (before any host is touched) and the deployment itself.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import interpolation, security

Tree = Mapping[str, Any]

TOP_LEVEL = ("version", *interpolation.SECTIONS)
EXTERNAL_KINDS = ("secrets", "configs", "networks")
RELATIVE_BIND = "%s: %s is relative, but a bind mount takes a path of the node where the task runs: write it from / on"
UNDECLARED_NETWORKS = ("host", "none", "bridge", "ingress")
"""Networks that every engine has: external to a stack, and declared by nobody."""


@dataclass(frozen=True)
class FileReference:
    """A file that a stack file names.

    Attributes:
        where: dotted path of the key that names it.
        path: as written.
    """

    where: str
    path: str


@dataclass(frozen=True)
class ExternalReference:
    """An object that a stack expects in the swarm.

    Attributes:
        kind: one of EXTERNAL_KINDS.
        key: its key in the stack file.
        name: its name in the swarm, variables included; the key when the file gives none.
    """

    kind: str
    key: str
    name: str


def section(tree: Tree, name: str) -> Mapping[str, Any]:
    """A top-level section as a mapping; empty when it is missing or something else."""
    return mapping(tree.get(name))


def mapping(value: Any) -> Mapping[str, Any]:
    """The value when it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    """The value when it is a list, else an empty one."""
    return value if isinstance(value, (list, tuple)) else ()


def is_false(value: Any) -> bool:
    """Whether a value of a file says no, in any way that YAML 1.1 and the docker CLI know for it; None does too."""
    return value in (None, False) or str(value).lower() in ("false", "no", "off", "n")


def structure_problems(trees: Sequence[tuple[str, Any]]) -> list[str]:
    """Whether these files (name and parsed content) make a stack at all; one sentence for each that doesn't."""
    found = []
    services = False
    for file, tree in trees:
        if not isinstance(tree, Mapping):
            found.append("%s is not a stack file: at its top stands no mapping with the key services" % file)
            continue
        services = services or bool(section(tree, "services"))
        strange = [str(key) for key in tree if key not in TOP_LEVEL and not str(key).startswith("x-")]
        if strange:
            found.append(
                "%s is not a stack file as docker stack knows it: remove the top-level %s %s, or write it as x-%s"
                % (file, "key" if len(strange) == 1 else "keys", ", ".join(strange), strange[0])
            )
        for name in interpolation.SECTIONS:
            if tree.get(name) is not None and not isinstance(tree[name], Mapping):
                found.append("%s: %s is not a mapping" % (file, name))
            for key, value in section(tree, name).items():
                if value is not None and not isinstance(value, Mapping):
                    found.append("%s: %s.%s is not a mapping" % (file, name, key))
    if not found and not services:
        names = ", ".join(file for file, _tree in trees) or "the list of files"
        found.append("%s: there is no service in it, so it is not a stack" % names)
    return found


def merge(trees: Sequence[Tree]) -> dict[str, Any]:
    """The union of several files, deep enough to see what they refer to: later values win, lists are joined.

    What is deployed is merged by ``docker stack config`` itself; this is only for looking at references.
    """
    merged: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            merged[key] = _joined(merged.get(key), value)
    return merged


def _joined(before: Any, after: Any) -> Any:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return {**before, **{key: _joined(before.get(key), value) for key, value in after.items()}}
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        return [*before, *after]
    return before if after is None else after


def files(tree: Tree) -> list[FileReference]:
    """The files that must travel with a stack file: ``env_file`` and seccomp profiles of services, those of configs."""
    found = []
    for service, definition in section(tree, "services").items():
        named = mapping(definition).get("env_file")
        for position, path in enumerate([named] if isinstance(named, str) else sequence(named)):
            if isinstance(path, str):
                found.append(FileReference("services.%s.env_file[%d]" % (service, position), path))
        for position, option in enumerate(sequence(mapping(definition).get("security_opt"))):
            profile = security.profile(option)
            if profile is not None:
                found.append(FileReference("services.%s.security_opt[%d]" % (service, position), profile))
    for config, definition in section(tree, "configs").items():
        path = mapping(definition).get("file")
        if isinstance(path, str):
            found.append(FileReference("configs.%s.file" % config, path))
    return found


def secret_file_problems(tree: Tree) -> list[str]:
    """A secret's value must not lie in a file that travels with the stack."""
    return [
        "secrets.%s.file: a secret's value must not travel in a file: declare it with swarm_secrets, and write "
        "secrets.%s: {external: true}" % (key, key)
        for key, definition in section(tree, "secrets").items()
        if mapping(definition).get("file") is not None
    ]


def path_problem(reference: FileReference) -> str | None:
    """Why a named file can't be sent along, or None."""
    path = reference.path
    if posixpath.isabs(path) or path.startswith("~"):
        return "%s: %s: write the path relative to the stack file, so that the file can be sent along" % (
            reference.where,
            path,
        )
    return None


def bind_problems(tree: Tree) -> list[str]:
    """Bind mounts from a relative path: on a swarm there is no directory of the stack file to be relative to."""
    found = []
    for service, definition in section(tree, "services").items():
        for position, volume in enumerate(sequence(mapping(definition).get("volumes"))):
            source = volume.split(":", 1)[0] if isinstance(volume, str) and ":" in volume else ""
            if isinstance(volume, Mapping) and volume.get("type") == "bind":
                source = str(volume.get("source") or "")
            if source.startswith((".", "~")):
                found.append(RELATIVE_BIND % ("services.%s.volumes[%d]" % (service, position), source))
    return found


def externals(tree: Tree) -> list[ExternalReference]:
    """The secrets, configs and networks that a stack expects in the swarm, in the order of the file."""
    found = []
    for kind in EXTERNAL_KINDS:
        for key, definition in section(tree, kind).items():
            external = mapping(definition).get("external")
            if is_false(external):
                continue
            name = mapping(external).get("name") or mapping(definition).get("name") or key
            found.append(ExternalReference(kind, str(key), str(name)))
    return found


def own_networks(tree: Tree, stack: str) -> set[str]:
    """Names of the networks that deploying this stack makes."""
    taken = {reference.key for reference in externals(tree) if reference.kind == "networks"}
    return {"%s_default" % stack} | {
        str(mapping(definition).get("name") or "%s_%s" % (stack, key))
        for key, definition in section(tree, "networks").items()
        if key not in taken
    }


def undeclared_problems(tree: Tree) -> list[str]:
    """Services that use a secret, config or network which no top-level section of the stack declares."""
    found = []
    for service, definition in section(tree, "services").items():
        for kind in EXTERNAL_KINDS:
            declared = section(tree, kind)
            for key in _used(mapping(definition).get(kind)):
                if key not in declared and not (kind == "networks" and key == "default"):
                    found.append(
                        "services.%s.%s names %s, which the stack's top-level %s doesn't declare: add %s.%s there"
                        % (service, kind, key, kind, kind, key)
                    )
    return found


def constraints(tree: Tree) -> Iterator[tuple[str, list[str]]]:
    """Each service with the placement constraints of its definition, services without any included."""
    for service, definition in section(tree, "services").items():
        deploy = mapping(mapping(definition).get("deploy"))
        if str(deploy.get("replicas")) == "0":
            continue
        written = sequence(mapping(deploy.get("placement")).get("constraints"))
        yield str(service), [text for text in written if isinstance(text, str)]


def _used(entries: Any) -> Iterator[str]:
    for entry in entries if isinstance(entries, (list, tuple, Mapping)) else ():
        name = entry.get("source") if isinstance(entry, Mapping) else entry
        if isinstance(name, str) and "$" not in name:
            yield name
