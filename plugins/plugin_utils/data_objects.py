# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the modules of secrets and configs: it reads files there, checks everything, and sends it.

Every value travels in Base64. On the node Ansible writes a module's options into the system's log and blanks out what
is ``no_log`` there, but it looks for the very text while it writes lists as Python does: a value with a line break, a
backslash or a quote would be logged (ansible-core 2.21, ``AnsibleModule._log_invocation``). Base64 has none of these.

A module travels together with its options. Unless the connection is pipelined, which it is not by default, Ansible puts
both into a file on the node; so pipelining is turned on for the task, and without it nothing is sent.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.flotilla.swarm.plugins.module_utils._core import data_declaration
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.naming import place

MAX_BYTES = 16 * 1024 * 1024
"""No larger file is read. One that is encrypted is about four times as large as what is in it."""

_ANYTHING = "eA=="
"""Stands for what is in a file that could not be read, so that the rest of its item can still be judged."""


class DataObjectsAction(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """An action for a module that takes items of secrets or configs; ``file`` is a path on the controller.

    Attributes:
        MODULE: its full name.
        KINDS: what its items are; those of a kind are in the option ``Kind.plural``.
    """

    TRANSFERS_FILES = False
    _supports_async = False

    MODULE = ""
    KINDS: tuple[data_declaration.Kind, ...] = ()

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        problems: list[str] = []
        for kind in self.KINDS:
            given = arguments.get(kind.plural)
            if given is None:
                continue
            if not isinstance(given, list):
                problems.append("%s is not a list" % kind.plural)
                continue
            items, found = with_contents(kind, given, lambda path: self._find_needle("files", path), self._loader)
            problems += [*found, *_declaration_problems(kind, items)]
            arguments[kind.plural] = items
        if problems:
            return {**result, "failed": True, "msg": "; ".join(problems), "problems": problems}
        obstacle = self._pipe()
        if obstacle:
            return {**result, "failed": True, "msg": "The values would lie in a file on the node: %s" % obstacle}
        for kind in self.KINDS:
            if arguments.get(kind.plural) is not None:
                arguments[kind.plural] = [_in_base64(item) for item in arguments[kind.plural]]
        result.update(self._execute_module(module_name=self.MODULE, module_args=arguments, task_vars=task_vars))
        return result

    def _pipe(self) -> str | None:
        """Have the module sent over the connection's standard input; or say why it can't be, and the mend.

        The connection and the play context are this task's own, so what is set in them holds for no other task.
        """
        if constants.DEFAULT_KEEP_REMOTE_FILES:
            return "Ansible is told to keep what it sends there. Unset ANSIBLE_KEEP_REMOTE_FILES (keep_remote_files)"
        if type(self._connection).__module__.startswith("ansible_mitogen"):
            # Mitogen's strategy puts its own class in the connection's place. It writes no such file, and its mixin
            # makes an error of the question below.
            return None
        # Connections without an option of their own, as community.docker.docker, go by the play context.
        self._play_context.pipelining = True
        with contextlib.suppress(AnsibleError):
            self._connection.set_option("pipelining", True)
        if self._is_pipelining_enabled("new"):
            return None
        become = self._connection.become
        if not self._connection.has_pipelining:
            return "the connection %s has no pipelining. Use one that has it, as ssh" % self._connection.transport
        if become and not become.pipelining:
            return "become_method %s allows no pipelining. Use one that does, as sudo" % become.name
        return (
            "pipelining can't be turned on for the connection %s. Set ansible_pipelining: true, or pipelining = true "
            "under [connection] in ansible.cfg, and ask ssh for no terminal (RequestTTY)" % self._connection.transport
        )


def with_contents(
    kind: data_declaration.Kind, items: Sequence[Any], find: Callable[[str], str], loader: Any
) -> tuple[list[Any], list[str]]:
    """The items with the contents of their files in place of ``file``, and what is wrong with the files.

    Args:
        kind: SECRET or CONFIG.
        items: as the user wrote them.
        find: turns a path as the user wrote it into an absolute one; raises AnsibleError when there is no such file.
        loader: the action's; it knows the vault's passwords.
    """
    result: list[Any] = []
    problems = []
    for position, item in enumerate(items):
        if not _names_a_file(item):
            result.append(item)
            continue
        encoded = _ANYTHING
        try:
            encoded = base64.b64encode(_content(kind, item["file"], find, loader)).decode("ascii")
        except (AnsibleError, OSError, ValueError) as error:
            where = place(kind.plural, position, item.get("name"))
            problems.append("%s: file: %s" % (where, _reason(error)))
        result.append({**{key: value for key, value in item.items() if key != "file"}, "value_base64": encoded})
    return result, problems


def _declaration_problems(kind: data_declaration.Kind, items: Sequence[Any]) -> list[str]:
    """What is wrong with items that name no files any more."""
    try:
        data_declaration.declared(kind, items)
    except DeclarationError as error:
        return list(error.problems)
    return []


def _in_base64(item: Mapping[str, Any]) -> dict[str, Any]:
    """A checked item with its value, if it is to have one, in Base64 without line breaks."""
    changed = dict(item)
    value, encoded = changed.pop("value", None), changed.pop("value_base64", None)
    if item.get("state") == data_declaration.ABSENT:
        return changed
    if value is not None:
        encoded = base64.b64encode(value.encode("utf-8")).decode("ascii")
    if encoded is not None:
        changed["value_base64"] = "".join(encoded.split())
    return changed


def _names_a_file(item: Any) -> bool:
    """Whether its file is to be read: not for one that is to go, nor for one that has two sources, which is refused."""
    if not isinstance(item, Mapping) or item.get("state") == data_declaration.ABSENT:
        return False
    return [key for key in data_declaration.SOURCES if item.get(key) is not None] == ["file"]


def _content(kind: data_declaration.Kind, path: object, find: Callable[[str], str], loader: Any) -> bytes:
    """A file's bytes; of one that is encrypted with Ansible Vault, those that are in it, decrypted in memory.

    Raises:
        AnsibleError, OSError, ValueError: it can't be read, or the engine would not take it.
    """
    if not isinstance(path, str) or not path:
        raise ValueError("name the path of a file")
    found = Path(find(path))
    if not found.is_file():
        raise ValueError("%s is no regular file" % path)
    size = found.stat().st_size
    data = b""
    if size <= MAX_BYTES:
        # In this encoding every byte is one character, so nothing is lost on the way through the loader's text.
        data = loader.get_text_file_contents(str(found), encoding="latin-1").encode("latin-1")
        size = len(data)
    problem = data_declaration.size_problem(kind, size, path)
    if problem:
        raise ValueError(problem)
    return data


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return "%s: %s" % (error.filename, (error.strerror or type(error).__name__).lower())
    return str(error)
