# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of swarm_stack: reads the stack files there, checks what it can, and sends them along."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.flotilla.swarm.plugins.plugin_utils import stack_files

MODULE = "flotilla.swarm.swarm_stack"


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Options are the module's; ``files`` are paths on the controller."""

    TRANSFERS_FILES = False
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("state", "present") == "present" and arguments.get("sources") is None:
            files = arguments.get("files") or []
            paths = [files] if isinstance(files, str) else list(files)
            given = arguments.get("variables") or {}
            if not isinstance(given, dict) or not all(isinstance(path, str) for path in paths):
                return {**result, "failed": True, "msg": "files is a list of paths, and variables a dictionary"}
            gathered = stack_files.gather(paths, given, lambda path: self._find_needle("files", path))
            if gathered.problems:
                problems = list(gathered.problems)
                return {**result, "failed": True, "msg": "; ".join(problems), "problems": problems}
            arguments["files"] = list(gathered.files)
            arguments["variables"] = dict(gathered.variables)
            arguments["sources"] = [{"path": path, "content": text} for path, text in gathered.sources.items()]
        result.update(self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars))
        return result
