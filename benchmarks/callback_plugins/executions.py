# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts every module that a play executes on a host, those that action plugins run on the way included.

One line ``host<TAB>module`` an execution goes to the file named by EXECUTIONS_FILE. It is counted where it happens, in
``ActionBase._execute_module``, because a task is not an execution: ``copy`` runs two or three modules, ``assert`` none.
Mitogen replaces that method, so the count is taken with the plain strategy; the number is the same.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: executions
type: aggregate
short_description: Write down each module execution
description: Appends a line for each module executed on a host to the file that EXECUTIONS_FILE names.
"""


class CallbackModule(CallbackBase):
    """Loaded for its side effect: the counting wrapper, which the forked workers inherit."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "executions"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        file = Path(os.environ["EXECUTIONS_FILE"])
        execute = ActionBase._execute_module

        def counted(action: ActionBase, module_name: str | None = None, *arguments: Any, **options: Any) -> Any:
            host = action._task.delegate_to or options.get("task_vars", {}).get("inventory_hostname", "?")
            # One short write in append mode is atomic, so the workers need no lock.
            with file.open("a", encoding="utf-8") as lines:
                lines.write(f"{host}\t{module_name or action._task.action}\n")
            return execute(action, module_name, *arguments, **options)

        ActionBase._execute_module = counted
