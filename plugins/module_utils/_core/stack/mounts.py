# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a service's volume in a stack file to a mount (docker/cli: cli/compose/convert/volume.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import labels
from .dropped import PROPAGATIONS
from .references import mapping, section

Tree = Mapping[str, Any]

_OPTIONS_OF = {"volume": "volume", "bind": "bind", "tmpfs": "tmpfs", "npipe": "bind", "cluster": "cluster"}
"""The options that a mount of each type can have. An engine has no mounts of the type image for a service."""
_SOURCE_NEEDED = ("bind", "npipe", "cluster")


def convert(volume: Tree, tree: Tree, stack: str) -> dict[str, Any]:
    """One mount; sizes in bytes.

    Args:
        volume: an entry of ``volumes`` in the long form.
        tree: the stack's normal form.
        stack: its name.
    """
    kind = str(volume["type"])
    mount: dict[str, Any] = {"Type": kind, "Target": str(volume["target"])}
    for key, name in (("source", "Source"), ("read_only", "ReadOnly"), ("consistency", "Consistency")):
        if volume.get(key) not in (None, "", False):
            mount[name] = volume[key]
    if kind in ("volume", "cluster"):
        mount.update(_named(kind, volume, tree, stack))
    elif kind == "tmpfs" and volume.get("tmpfs") is not None:
        mount["TmpfsOptions"] = {"SizeBytes": int(mapping(volume["tmpfs"]).get("size") or 0)}
    elif kind in ("bind", "npipe") and volume.get("bind") is not None:
        mount["BindOptions"] = {"Propagation": str(mapping(volume["bind"]).get("propagation") or "")}
    return mount


def _named(kind: str, volume: Tree, tree: Tree, stack: str) -> dict[str, Any]:
    """What a volume of the top level adds; an anonymous one has nothing to add."""
    source = str(volume.get("source") or "")
    if not source:
        return {}
    declared = mapping(section(tree, "volumes").get(source))
    name = str(declared.get("name") or "%s_%s" % (stack, source))
    if kind == "cluster":
        return {"Source": source if source.startswith("group:") else name, "ClusterOptions": {}}
    options: dict[str, Any] = {}
    given = mapping(volume.get("volume"))
    if given.get("nocopy"):
        options["NoCopy"] = True
    if given.get("subpath"):
        options["Subpath"] = str(given["subpath"])
    if not declared.get("external"):
        options["Labels"] = {
            **{str(key): str(value) for key, value in mapping(declared.get("labels")).items()},
            labels.STACK_NAMESPACE: stack,
        }
        if declared.get("driver") or declared.get("driver_opts") is not None:
            driver: dict[str, Any] = {"Name": str(declared.get("driver") or "")}
            options_of = mapping(declared.get("driver_opts"))
            if options_of:
                driver["Options"] = {str(key): str(value) for key, value in options_of.items()}
            options["DriverConfig"] = driver
    return {"Source": name, "VolumeOptions": options}


def problems(volumes: Sequence[Any], tree: Tree) -> Iterator[str]:
    """One sentence for each thing that is wrong with a service's mounts, from ``volumes[0]`` on."""
    targets = set()
    for position, volume in enumerate(volumes):
        entry = mapping(volume)
        found = list(_problems(entry, tree))
        if entry.get("target") in targets:
            found.append(".target: %s is another mount's target already: give it a path of its own" % entry["target"])
        targets.add(entry.get("target"))
        yield from ("volumes[%d]%s" % (position, problem) for problem in found)


def _problems(volume: Tree, tree: Tree) -> Iterator[str]:
    kind, source = str(volume.get("type") or ""), str(volume.get("source") or "")
    if not kind:
        yield ".type: there is none, and the engine would take it for a bind mount: write volume, or what it is"
        return
    if kind not in _OPTIONS_OF:
        yield ".type: a service has no mounts of the type %s: there are %s" % (kind, ", ".join(sorted(_OPTIONS_OF)))
        return
    if not volume.get("target"):
        yield ".target: there is none: name the path in the container"
    yield from _option_problems(volume, source)
    for option in ("bind", "volume", "tmpfs", "image", "cluster"):
        if volume.get(option) is not None and option != _OPTIONS_OF[kind]:
            yield ".%s: options of another type than %s: remove them" % (option, kind)
    if kind in _SOURCE_NEEDED and not source:
        yield ".source: there is none: a mount of type %s needs one" % kind
    if kind == "tmpfs" and source:
        yield ".source: a tmpfs has none: remove it"
    named = kind == "volume" or (kind == "cluster" and not source.startswith("group:"))
    if named and source and source not in section(tree, "volumes"):
        yield " names %s, which the stack's top-level volumes doesn't declare: add volumes.%s" % (source, source)


def _option_problems(volume: Tree, source: str) -> Iterator[str]:
    propagation = mapping(volume.get("bind")).get("propagation")
    if propagation and propagation not in PROPAGATIONS:
        yield ".bind.propagation: %s is none of %s" % (propagation, ", ".join(PROPAGATIONS))
    for option, value in mapping(volume.get("volume")).items():
        if value and not source:
            yield ".volume.%s is ignored by docker stack deploy where a volume has no name: give it a source" % option
