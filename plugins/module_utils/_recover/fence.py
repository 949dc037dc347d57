# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manager kept from coming back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .._core.errors import DeclarationError
from .._host import engine_service, swarm_state
from .evidence import look

_STOP = 60.0
"""Seconds for the engine to stop."""


def fence(path: str, cluster_id: str, *, dry_run: bool) -> dict[str, Any]:
    """Stop this host's engine and set its state of this swarm aside, so that it is no manager any more.

    Raises:
        DeclarationError: it holds another swarm's state, or answers for this one.
    """
    seen, root = look(path)
    if not seen.cluster_id:
        return {"changed": False, "kept": ""}
    if seen.cluster_id != cluster_id:
        raise DeclarationError(
            "cluster_id: this host's state is of the swarm %s, not of %s: it is left alone"
            % (seen.cluster_id, cluster_id)
        )
    if seen.answers:
        raise DeclarationError("this host answers for the swarm %s, so its quorum is not lost" % cluster_id)
    if dry_run:
        return {"changed": True, "kept": ""}
    engine_service.stop(_STOP)
    return {"changed": True, "kept": str(swarm_state.set_aside(Path(root) / "swarm") or "")}
