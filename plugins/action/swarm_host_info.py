# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of swarm_host_info: notes its own clock before and after, so that hosts' clocks compare."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase

MODULE = "flotilla.swarm.swarm_host_info"
MARK = '"clock"'


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Options are the module's."""

    TRANSFERS_FILES = False
    _supports_async = False
    _bracket: tuple[float, float] | None = None

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self._execute_module(module_name=MODULE, module_args=dict(self._task.args), task_vars=task_vars))
        if isinstance(result.get("clock"), dict) and self._bracket is not None:
            result["clock"] = {**result["clock"], "sent": self._bracket[0], "received": self._bracket[1]}
        return result

    def _low_level_execute_command(self, *arguments: Any, **options: Any) -> Any:
        """As inherited. Noted as near to the host as can be: to build and to copy the module takes its time too."""
        sent = time.time()
        answer = super()._low_level_execute_command(*arguments, **options)
        if MARK in str(answer.get("stdout", "")):
            self._bracket = (sent, time.time())
        return answer
