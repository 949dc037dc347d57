# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``quorum_loss_plan``; its documentation is quorum_loss_plan.yml, its decisions are _core/recovery."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import quorum_loss


def quorum_loss_plan(
    observed: Mapping[str, Mapping[str, Any]],
    managers: Sequence[str],
    addresses: Mapping[str, str] | None = None,
    survivor: str = "",
) -> dict[str, Any]:
    """Who survives, who is kept from coming back, and what speaks against it."""
    return quorum_loss.plan(observed, managers, addresses, survivor).as_dict()


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"quorum_loss_plan": quorum_loss_plan}
