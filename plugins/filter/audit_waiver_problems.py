# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``audit_waiver_problems``; its documentation is audit_waiver_problems.yml."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core.audit import waivers
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError


def audit_waiver_problems(declared: Sequence[Mapping[str, Any]], hosts: Sequence[str]) -> list[str]:
    """What is wrong with waivers, one sentence each."""
    try:
        waivers.parse(declared, hosts)
    except DeclarationError as error:
        return list(error.problems)
    return []


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_waiver_problems": audit_waiver_problems}
