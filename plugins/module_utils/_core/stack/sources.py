# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack files of one stack, looked at as written: everything that can be said about them without a swarm."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import dropped, interpolation, keys, references

Load = Callable[[str], Any]
"""Parses a YAML document; raises ValueError with a sentence fit to be shown."""


@dataclass(frozen=True)
class Attachment:
    """A file that has to travel with the stack files.

    Attributes:
        where: the file and key that name it.
        path: relative to the directory of the first stack file (the docker CLI takes all of them from there).
        environment: whether it is an env_file.
    """

    where: str
    path: str
    environment: bool


@dataclass(frozen=True)
class Examined:
    """What a look at the files gave.

    Attributes:
        tree: the union of all files (see references.merge).
        attachments: the files that they name.
        problems: one sentence each; when there are any, the rest is only as good as the files.
        files: each file as parsed, its variables replaced.
    """

    tree: Mapping[str, Any]
    attachments: tuple[Attachment, ...]
    problems: tuple[str, ...]
    files: tuple[Mapping[str, Any], ...] = ()


def variables(given: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """The variables as strings, and what is wrong with them.

    A whole number has one way to be written; 1.10 and true have been turned into something else by YAML already.
    PATH and HOME can't be variables: the docker CLI gets those of its node, to run at all.
    """
    result: dict[str, str] = {}
    problems = []
    for name, value in given.items():
        if name in interpolation.RESERVED:
            problems.append(
                "variables.%s: the docker command on the node has a %s of its own, which would take its place: give "
                "the variable another name" % (name, name)
            )
        elif isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            result[str(name)] = str(value)
        else:
            kind = "empty" if value is None else "a %s" % type(value).__name__
            problems.append("variables.%s is %s, not a string: write it in quotes" % (name, kind))
    return result, problems


def examine(files: Sequence[tuple[str, str]], given: Mapping[str, str], load: Load) -> Examined:
    """Look at the stack files of one stack.

    Args:
        files: name and content, in the order in which later ones override earlier ones.
        given: the variables, as strings.
        load: the YAML parser.
    """
    problems: list[str] = []
    trees: list[tuple[str, Any]] = []
    for name, content in files:
        try:
            trees.append((name, load(content)))
        except ValueError as error:
            problems.append("%s: %s" % (name, error))
    if not problems:
        problems.extend(references.structure_problems(trees))
    if problems:
        return Examined({}, (), tuple(problems))
    attachments: list[Attachment] = []
    plain = [interpolation.replaced(tree, given) for _name, tree in trees]
    for (name, tree), read in zip(trees, plain):
        unread = interpolation.problems(tree, given, name)
        problems.extend(unread)
        per_file = (
            *keys.problems(read),
            *dropped.problems(read),
            *references.secret_file_problems(read),
            *references.bind_problems(read),
        )
        problems.extend("%s: %s" % (name, problem) for problem in per_file)
        for reference in references.files(read):
            if unread and "$" in reference.path:
                continue
            problem = references.path_problem(reference)
            if problem:
                problems.append("%s: %s" % (name, problem))
            else:
                attachments.append(_attachment(name, reference))
    merged = references.merge([tree for _name, tree in trees])
    problems.extend(references.undeclared_problems(merged))
    return Examined(merged, tuple(attachments), tuple(problems), tuple(plain))


def _attachment(file: str, reference: references.FileReference) -> Attachment:
    environment = ".env_file" in reference.where
    return Attachment("%s: %s" % (file, reference.where), posixpath.normpath(reference.path), environment)
