# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as a deployment sends them: pinned to the digest that their registry gives for the tag, as docker stack deploy
does it (moby/client: imageDigestAndPlatforms).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

# A reference as registries and engines read it (distribution/reference: grammar in reference.go).
_HOST = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    r"(?:(?:%(host)s(?:\.%(host)s)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?/)?%(part)s(?:/%(part)s)*"
    r"(?::[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?(?:@[a-zA-Z][a-zA-Z0-9]*(?:[-_+.][a-zA-Z][a-zA-Z0-9]*)*:[0-9a-fA-F]{32,})?"
    % {"host": _HOST, "part": _PART}
)

_UNKNOWN = "unknown"

# The ID of an image is none either: it can't be told from a repository's name.
_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Image:
    """What a registry says of an image.

    Attributes:
        pinned: its name with tag and digest (``app:v1@sha256:…``); a digest that was written stays.
        platforms: those that it is built for, each once, as the engine's placement takes them.
    """

    pinned: str
    platforms: tuple[Mapping[str, str], ...] = ()


def is_name(name: str) -> bool:
    """Whether an image can have this name at all."""
    return bool(_REFERENCE.fullmatch(name)) and not _ID.fullmatch(name)


def is_pinned(name: str) -> bool:
    """Whether a name already says its digest."""
    return "@" in name


def is_same(name: str, held: str) -> bool:
    """Whether what a service holds is the image of that name, with whatever digest where the name says none."""
    return (held if is_pinned(name) else held.partition("@")[0]) in (name, familiar(name))


def of_distribution(name: str, answer: Json) -> Image:
    """The image behind ``GET /distribution/{name}/json``."""
    platforms: list[Json] = []
    for entry in answer.get("Platforms") or ():
        platform = _platform(entry)
        # Attestations stand in an image's index as platforms that are unknown (left out by the CLI since 29.7).
        if _UNKNOWN not in (entry.get("architecture"), entry.get("os")) and platform not in platforms:
            platforms.append(platform)
    pinned = familiar(name)
    if not is_pinned(name):
        pinned += "@%s" % answer["Descriptor"]["digest"]
    return Image(pinned, tuple(platforms))


def familiar(name: str) -> str:
    """An image's name as the engine writes it: without the default registry, with a tag or digest."""
    name, at, digest = name.partition("@")
    for prefix in ("docker.io/", "index.docker.io/"):
        if name.startswith(prefix):
            name = name[len(prefix) :]
    if name.startswith("library/") and name.count("/") == 1:
        name = name[len("library/") :]
    if not at and ":" not in name.rpartition("/")[2]:
        name += ":latest"
    return name + at + digest


def _platform(entry: Json) -> dict[str, str]:
    # An image for any kind of arm says "arm", which no node calls itself.
    architecture = str(entry.get("architecture") or "")
    return {"Architecture": "" if architecture.lower() == "arm" else architecture, "OS": str(entry.get("os") or "")}
