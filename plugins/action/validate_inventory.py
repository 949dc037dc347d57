# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a whole declaration on the controller, before any host is touched. It connects to nothing."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.flotilla.swarm.plugins.module_utils._core import inventory, versioned
from ansible_collections.flotilla.swarm.plugins.plugin_utils import data_objects, stack_files

ARGUMENTS: dict[str, Any] = {
    "managers": {"type": "list", "elements": "str", "required": True},
    "workers": {"type": "list", "elements": "str", "default": []},
    "labels": {"type": "dict", "default": {}},
    "availability": {"type": "dict", "default": {}},
    "manager_availability": {"type": "str", "default": "drain"},
    "allow_even_managers": {"type": "bool", "default": False},
    # Their elements are checked by the core: a message of the argument parser would show a value.
    "secrets": {"type": "list", "default": []},
    "configs": {"type": "list", "default": []},
    "networks": {"type": "list", "default": []},
    "backups": {"type": "list", "default": []},
    "stacks": {"type": "list", "default": []},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Fails with all problems at once; otherwise says what was checked."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        secrets, problems_of_secrets = self._with_contents(versioned.SECRET, arguments["secrets"])
        configs, problems_of_configs = self._with_contents(versioned.CONFIG, arguments["configs"])
        declared = inventory.Declaration(
            managers=arguments["managers"],
            workers=arguments["workers"],
            labels=arguments["labels"],
            availability=arguments["availability"],
            manager_availability=arguments["manager_availability"],
            allow_even_managers=arguments["allow_even_managers"],
            secrets=secrets,
            configs=configs,
            networks=arguments["networks"],
            backups=arguments["backups"],
            stacks=[self._stack(item) for item in arguments["stacks"]],
            file_problems=[*problems_of_secrets, *problems_of_configs],
        )
        problems = inventory.problems(declared)
        result.update({"changed": False, "problems": problems})
        if problems:
            count = "1 problem" if len(problems) == 1 else "%d problems" % len(problems)
            lines = "".join("\n- %s" % problem for problem in problems)
            result.update({"failed": True, "msg": "The declaration has %s; no host was touched:%s" % (count, lines)})
        else:
            result["msg"] = (
                "%d managers, %d workers, %d secrets, %d configs, %d networks, %d backups and %d stacks are declared "
                "without contradiction"
                % (
                    len(declared.managers),
                    len(declared.workers),
                    len(declared.secrets),
                    len(declared.configs),
                    len(declared.networks),
                    len(declared.backups),
                    len(declared.stacks),
                )
            )
        return result

    def _with_contents(self, kind: versioned.Kind, items: list[Any]) -> tuple[list[Any], list[str]]:
        return data_objects.with_contents(kind, items, lambda path: self._find_needle("files", path), self._loader)

    def _stack(self, item: Any) -> inventory.Stack:
        if not isinstance(item, dict):
            return inventory.Stack("", problems=("a stack is a mapping with name and files",))
        files = item.get("files") or []
        paths = [files] if isinstance(files, str) else files
        given = item.get("variables") or {}
        if (
            not isinstance(given, dict)
            or not isinstance(paths, list)
            or not all(isinstance(path, str) for path in paths)
        ):
            return inventory.Stack(item.get("name"), problems=("files is a list of paths, and variables a dictionary",))
        gathered = stack_files.gather(paths, given, lambda path: self._find_needle("files", path))
        return inventory.Stack(item.get("name"), gathered.tree, gathered.variables, gathered.problems)
