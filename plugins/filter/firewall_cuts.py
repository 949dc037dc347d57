# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``firewall_cuts``; its documentation is firewall_cuts.yml, its work is in _core/firewall."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import in_use


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"firewall_cuts": in_use.cuts}
