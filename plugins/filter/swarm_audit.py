# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``swarm_audit``; its documentation is swarm_audit.yml, its decisions are _core/audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.audit import result, waivers
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError


def swarm_audit(
    hosts: Mapping[str, Mapping[str, Any] | None],
    swarm: Mapping[str, Any] | None,
    waived: Sequence[Mapping[str, Any]] = (),
    declared: Sequence[str] = (),
    minimum: int = 0,
    strict: bool = False,
) -> dict[str, Any]:
    """Everything that was found: the report for machines, its lines for people, and why it is not good enough."""
    try:
        accepted = waivers.parse(waived, {*hosts, *declared})
    except DeclarationError as error:
        raise AnsibleFilterError(str(error)) from error
    audit = result.assemble(hosts, swarm, accepted, declared)
    return {
        "report": audit,
        "lines": result.lines(audit),
        "refusals": result.refusals(audit, minimum, strict),
    }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"swarm_audit": swarm_audit}
