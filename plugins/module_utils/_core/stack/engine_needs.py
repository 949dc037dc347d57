# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack asks for that not every engine can do: an older one takes the spec and forgets that part of it.

Which engine can do what first is in moby's api/docs/CHANGELOG.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .. import node_json, placement
from .references import mapping, section, sequence

Tree = Mapping[str, Any]
Json = Mapping[str, Any]
Version = tuple[int, int]

_VERSION = re.compile(r"([0-9]+)\.([0-9]+)")


def problems(tree: Tree, nodes: Sequence[Json]) -> list[str]:
    """One sentence for each key that a node which takes the service's tasks is too old for.

    Args:
        tree: the normal form.
        nodes: the swarm's. A version that is none (a build of somebody's own) is taken for a new one.
    """
    found = []
    for service, entry in section(tree, "services").items():
        needs = list(_needs(mapping(entry)))
        versions = _versions_on(_eligible(mapping(entry), nodes)) if needs else []
        if not versions:
            continue
        oldest, hostname, written = min(versions)
        found += [
            "services.%s.%s needs Docker Engine %d.%d on every node that takes its tasks, and %s has %s, which would "
            "ignore it: upgrade it, or remove the key" % (service, key, *needed, hostname, written)
            for key, needed in needs
            if oldest < needed
        ]
    return found


def _eligible(entry: Tree, nodes: Sequence[Json]) -> Sequence[Json]:
    written = sequence(mapping(mapping(entry.get("deploy")).get("placement")).get("constraints"))
    return placement.eligible([str(text) for text in written], nodes)


def _versions_on(nodes: Sequence[Json]) -> list[tuple[Version, str, str]]:
    return [(found, node_json.name(node), _engine(node)) for node in nodes for found in _versions(node)]


def _needs(entry: Tree) -> Iterator[tuple[str, Version]]:
    if entry.get("oom_score_adj"):
        yield "oom_score_adj", (27, 0)
    if entry.get("security_opt"):
        yield "security_opt", (25, 0)
    if mapping(entry.get("healthcheck")).get("start_interval"):
        yield "healthcheck.start_interval", (25, 0)
    for position, volume in enumerate(map(mapping, sequence(entry.get("volumes")))):
        if mapping(volume.get("volume")).get("subpath"):
            yield "volumes[%d].volume.subpath" % position, (26, 0)


def _versions(node: Json) -> list[Version]:
    return [(int(major), int(minor)) for major, minor in _VERSION.findall(_engine(node))[:1]]


def _engine(node: Json) -> str:
    return str(mapping(mapping(node.get("Description")).get("Engine")).get("EngineVersion") or "")
