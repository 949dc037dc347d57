# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images the lab needs. A name carries a hash of what the image is made of: having it means being up to date."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

REPOSITORY = "flotilla-lab"


def _digest(folder: Path, parent_digest: str) -> str:
    """Hex digest of the parent's digest and each file's path, executable bit and content, but for tools' caches."""
    digest = hashlib.sha256(parent_digest.encode())
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in name.parts):
            executable = bool(path.stat().st_mode & 0o100)
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"\n{name} {executable} {content}".encode())
    return digest.hexdigest()


def lab_builds(images: Iterable[dict[str, Any]], directory: str) -> list[dict[str, Any]]:
    """One entry per image and release, in the order of ``images`` (parents first).

    Each has ``name``, ``ref`` (the local ``repository:tag``), ``args`` (build arguments), ``folder`` (its files)
    and ``publish`` (``repository:tag`` in the registry, empty when it is not pushed). The first image is on ``rootfs``.
    """
    root = Path(directory)
    digests = {"rootfs": _digest(root / "rootfs", "")}
    refs = {"rootfs": f"{REPOSITORY}/rootfs:{digests['rootfs'][:12]}"}
    builds = []
    for image in images:
        name, parent = image["name"], image["parent"]
        digests[name] = _digest(root / name, digests[parent])
        for release in image.get("releases", ["lab"]):
            refs[name] = f"{REPOSITORY}/{name}:{release}-{digests[name][:12]}"
            args = {"PARENT": refs[parent]}
            if image.get("versioned"):
                args["VERSION"] = release
            build = {"name": name, "ref": refs[name], "args": args, "folder": str(root / name)}
            builds.append({**build, "publish": image["publish"] + release if image.get("publish") else ""})
    return builds


def lab_refs(images: Iterable[dict[str, Any]]) -> dict[str, str]:
    """``repository:tag`` → image ID, from what the engine lists."""
    return {ref: image["Id"] for image in images for ref in image.get("RepoTags") or []}


def lab_unpublished(
    builds: Iterable[dict[str, Any]], image_ids: dict[str, str], published: Iterable[list[str]]
) -> list[dict[str, Any]]:
    """The builds that the engine lacks, or whose image is not what the registry has under their name.

    ``published`` goes with ``builds``: the IDs that the registry's image may have in an engine (see ``lab_published``).
    """
    return [build for build, ids in zip(builds, published, strict=True) if image_ids.get(build["ref"]) not in ids]


class FilterModule:
    """Ansible looks for this class."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"lab_builds": lab_builds, "lab_refs": lab_refs, "lab_unpublished": lab_unpublished}
