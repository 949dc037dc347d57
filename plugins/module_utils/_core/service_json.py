# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What planners read in a service's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]

_MODES = {
    "Replicated": "replicated",
    "Global": "global",
    "ReplicatedJob": "replicated-job",
    "GlobalJob": "global-job",
}
IMAGE_LABEL = "com.docker.stack.image"
"""The docker CLI's label on a stack's service: the image as the stack file writes it."""


def name(service: Json) -> str:
    return str(service["Spec"]["Name"])


def labels(service: Json) -> Json:
    found: Json = service["Spec"].get("Labels") or {}
    return found


def mode(spec: Json) -> str | None:
    """A ServiceSpec's mode, as a stack file writes it; None for one that is none of these."""
    return next((written for key, written in _MODES.items() if key in (spec.get("Mode") or {})), None)


def replicas(spec: Json) -> int | None:
    """The count of a replicated service; None where it says none, and for global services and jobs."""
    count = ((spec.get("Mode") or {}).get("Replicated") or {}).get("Replicas")
    return None if count is None else int(count)


def image(spec: Json) -> str:
    """The image as the stack's file wrote it; else as the engine has it."""
    return str((spec.get("Labels") or {}).get(IMAGE_LABEL) or exact_image(spec))


def exact_image(spec: Json) -> str:
    """The image as the engine has it, with its digest where it was resolved."""
    container = (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}
    return str(container.get("Image") or "")


def update_state(service: Json) -> str:
    """Of its last update; empty when there was none."""
    return str((service.get("UpdateStatus") or {}).get("State") or "")
