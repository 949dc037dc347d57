# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading stack files on the controller, with everything that they name, ready to be sent or judged."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.flotilla.swarm.plugins.module_utils import _stack_yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import dotenv, interpolation, sources

Find = Callable[[str], str]
"""Turns a path as the user wrote it into an absolute one; raises AnsibleError when there is no such file."""

_VAULT = b"$ANSIBLE_VAULT"


@dataclass(frozen=True)
class Gathered:
    """The files of one stack.

    Attributes:
        files: paths of the stack files among ``sources``.
        sources: content by path, relative to the directory that all of them have in common.
        tree: the union of the stack files.
        variables: as strings.
        problems: one sentence each; the rest is incomplete when there are any.
    """

    files: tuple[str, ...]
    sources: Mapping[str, str]
    tree: Mapping[str, Any]
    variables: Mapping[str, str]
    problems: tuple[str, ...]


def gather(paths: Sequence[str], given: Mapping[str, Any], find: Find) -> Gathered:
    """Read stack files and what they name (``configs.*.file``, ``env_file``), and look at them.

    Args:
        paths: as the user wrote them.
        given: the variables, unconverted.
        find: how a path is looked up.
    """
    variables, problems = sources.variables(given)
    if not paths:
        problems.append("files: name at least one stack file")
    contents: dict[str, str] = {}
    named: list[tuple[str, str]] = []
    stack_files: list[str] = []
    for path in paths:
        content = ""
        try:
            absolute = os.path.normpath(find(path))
            content = _read(absolute)
        except (AnsibleError, OSError, ValueError) as error:
            problems.append("files: %s: %s" % (path, _reason(error)))
            continue
        contents[absolute] = content
        stack_files.append(absolute)
        named.append((path, content))
    if len(named) < len(paths) or not named:
        return Gathered((), {}, {}, variables, tuple(problems))
    defaults, wrong = _dotenv(Path(stack_files[0]).parent, [content for _path, content in named])
    defaults, refused = sources.variables(defaults)
    variables = {**defaults, **variables}
    problems += [*wrong, *refused]
    examined = sources.examine(named, variables, _stack_yaml.load_source)
    problems.extend(examined.problems)
    for attachment in examined.attachments:
        absolute = os.path.normpath(str(Path(stack_files[0]).parent / attachment.path))
        try:
            content = _read(absolute)
        except (OSError, ValueError) as error:
            problems.append("%s: %s: %s" % (attachment.where, attachment.path, _reason(error)))
            continue
        contents[absolute] = content
        if attachment.environment:
            problems.extend(interpolation.environment_problems(content, variables, attachment.path))
    base = os.path.commonpath([str(Path(path).parent) for path in contents])
    return Gathered(
        files=tuple(_relative(path, base) for path in stack_files),
        sources={_relative(path, base): content for path, content in contents.items()},
        tree=examined.tree,
        variables=variables,
        problems=tuple(problems),
    )


def _dotenv(folder: Path, texts: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """What the .env file in a folder says of the variables in these texts, and what is wrong with it."""
    file = folder / dotenv.FILE
    if not file.is_file():
        return {}, []
    try:
        values, problems = dotenv.read(_read(str(file)))
    except (OSError, ValueError) as error:
        return {}, ["%s: %s" % (dotenv.FILE, _reason(error))]
    return dotenv.used(values, texts), problems


def _relative(path: str, base: str) -> str:
    return Path(path).relative_to(base).as_posix()


def _read(path: str) -> str:
    """A file's text.

    Raises:
        OSError, ValueError: it can't be read, is too large, no text, or encrypted.
    """
    file = Path(path)
    if file.stat().st_size > _stack_yaml.MAX_BYTES:
        raise ValueError("it is larger than %d MiB" % (_stack_yaml.MAX_BYTES // 1024 // 1024))
    data = file.read_bytes()
    if data.startswith(_VAULT):
        raise ValueError(
            "it is encrypted with Ansible Vault, but a secret must not travel in a file: declare it with swarm_secrets"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is no UTF-8 text") from None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return str(error)
