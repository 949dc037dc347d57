# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter ``hardening_batch``; its documentation is hardening_batch.yml, its decisions are _core/hardening."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening.concerns import gather


def hardening_batch(concerns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The parts of the enabled concerns, each as one list for the module that takes it."""
    try:
        return gather(concerns)
    except DeclarationError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hardening_batch": hardening_batch}
