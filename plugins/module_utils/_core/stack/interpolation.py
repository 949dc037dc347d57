# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables in stack files: which are used, which are missing, and what ``docker stack`` would misread.

The docker CLI puts an empty string where a variable is undefined and says nothing (``image: app:``), so this is found
out before it runs. Its template language (docker/cli, cli/compose/template) is smaller than Compose's, and some texts
that look right become something else without a word; those are problems here too:

* ``$X-alpine`` is read as "X, or the default ``alpine``", so ``app:$V-alpine`` becomes ``app:1``.
* ``${X:?no-way}`` is read as "X:?no, or the default ``way``".
* ``${X:-${Y}}`` ends at the first brace, and ``${X:+r}`` is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SECTIONS = ("services", "volumes", "networks", "secrets", "configs")
"""The parts of a stack file in which the CLI replaces variables (in values, never in keys)."""

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_BRACED = re.compile(r"([_a-zA-Z][_a-zA-Z0-9]*)(:?[-?+])?(.*)", re.DOTALL)


RESERVED = ("PATH", "HOME")
"""What the docker CLI finds in its environment whatever the variables are: the node's, which the CLI needs to run."""


@dataclass(frozen=True)
class Reference:
    """One use of a variable in a text.

    Attributes:
        name: the variable; empty when the text names none.
        operator: "", ":-", "-", ":?", "?", ":+" or "+".
        argument: what follows the operator.
        text: the reference as written.
        problem: why ``docker stack`` would not read it as meant; empty when it would.
    """

    name: str
    operator: str
    argument: str
    text: str
    problem: str = ""

    def value(self, variables: Mapping[str, str]) -> str | None:
        """What stands there after replacement; None when the variable is needed and missing."""
        given = variables.get(self.name)
        if self.operator == ":-":
            return given or self.argument
        if self.operator == "-":
            return self.argument if given is None else given
        if self.operator == ":?":
            return given or None
        return given


def scan(text: str) -> tuple[Reference, ...]:
    """The references in a text, in order; ``$$`` is none."""
    return tuple(part for part in _parts(text) if isinstance(part, Reference))


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables replaced, as the CLI does it.

    Raises:
        ValueError: a variable is missing or a reference can't be read; the message says which.
    """
    out = []
    for part in _parts(text):
        if isinstance(part, str):
            out.append(part)
            continue
        if part.problem:
            raise ValueError(part.problem)
        value = part.value(variables)
        if value is None:
            raise ValueError("%s is not defined" % part.text)
        out.append(value)
    return "".join(out)


def replaced(tree: Any, variables: Mapping[str, str]) -> Any:
    """A copy of a value with the variables of every string replaced; what ``problems`` names stays as it is written."""
    if isinstance(tree, str):
        try:
            return substitute(tree, variables)
        except ValueError:
            return tree
    if isinstance(tree, Mapping):
        return {key: replaced(value, variables) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [replaced(value, variables) for value in tree]
    return tree


def escape(tree: Any) -> Any:
    """A copy of a value in which every ``$`` of every string is doubled, so that the CLI replaces nothing in it."""
    if isinstance(tree, str):
        return tree.replace("$", "$$")
    if isinstance(tree, Mapping):
        return {key: escape(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [escape(value) for value in tree]
    return tree


def strings(tree: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every string value in a tree with its dotted path."""
    if isinstance(tree, str):
        yield path, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from strings(value, "%s.%s" % (path, key) if path else str(key))
    elif isinstance(tree, (list, tuple)):
        for position, value in enumerate(tree):
            yield from strings(value, "%s[%d]" % (path, position))


def problems(tree: Mapping[str, Any], variables: Mapping[str, str], file: str) -> list[str]:
    """One sentence for each missing variable and each reference that would be misread, naming file and key.

    Args:
        tree: one parsed stack file, not interpolated.
        variables: what the user gave.
        file: how the user knows the file.
    """
    found: list[str] = []
    missing: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for section in SECTIONS:
        for path, text in strings(tree.get(section), section):
            for reference in scan(text):
                if reference.problem:
                    found.append("%s: %s: %s" % (file, path, reference.problem))
                elif reference.value(variables) is None:
                    missing.setdefault(reference.name, []).append(path)
                    texts.setdefault(reference.name, reference.text)
    for path, name in _bare_environment(tree):
        if name not in variables:
            found.append(
                "%s: %s has no value, and docker would look for one in its own environment: "
                'write %s: ${%s} and define it, or %s: ""' % (file, path, name, name, name)
            )
    for name in sorted(missing):
        paths = missing[name]
        more = " and %d more" % (len(paths) - 1) if len(paths) > 1 else ""
        empty = "is empty in variables" if name in variables else "is not in variables"
        found.append(
            "%s: %s%s uses %s, which %s: define %s there, or give a default as in ${%s:-value}"
            % (file, paths[0], more, texts[name], empty, name, name)
        )
    return found


def environment_problems(content: str, variables: Mapping[str, str], file: str) -> list[str]:
    """The same for an env_file: a line that names a variable without a value takes it from the CLI's environment."""
    found = []
    for number, line in enumerate(content.splitlines(), 1):
        name = line.strip()
        if name and not name.startswith("#") and "=" not in name and name not in variables:
            found.append(
                "%s, line %d: %s has no value, and docker would look for one in its own environment: write %s=value"
                % (file, number, name, name)
            )
    return found


def _bare_environment(tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Environment entries without a value, with their paths: ``- NAME``, and ``NAME:`` with nothing behind it."""
    services = tree.get("services")
    for key, service in services.items() if isinstance(services, Mapping) else ():
        environment = service.get("environment") if isinstance(service, Mapping) else None
        path = "services.%s.environment" % key
        if isinstance(environment, Mapping):
            for name, value in environment.items():
                if value is None:
                    yield "%s.%s" % (path, name), str(name)
        elif isinstance(environment, (list, tuple)):
            for position, entry in enumerate(environment):
                if isinstance(entry, str) and "=" not in entry and "$" not in entry:
                    yield "%s[%d]" % (path, position), entry


def _parts(text: str) -> Iterator[str | Reference]:
    """Plain stretches (with ``$$`` already made ``$``) and references, in order."""
    position = 0
    while True:
        start = text.find("$", position)
        if start < 0:
            yield text[position:]
            return
        yield text[position:start]
        position = start + 1
        follower = text[position : position + 1]
        if follower == "$":
            yield "$"
            position += 1
        elif follower == "{":
            end = _closing(text, position)
            yield _braced(text[start:end], text[position + 1 : end - 1] if end > 0 else "")
            position = end if end > 0 else len(text)
        else:
            name = _NAME.match(text, position)
            if name is None:
                yield Reference("", "", "", "$", "a lone $ is refused by docker stack: write $$ for a plain $")
                continue
            position = name.end()
            yield _named(name.group(), text, position)


def _named(name: str, text: str, end: int) -> Reference:
    if name in RESERVED:
        return Reference(name, "", "", "$" + name, _reserved("$" + name))
    operator = re.compile(r":?[-?]").match(text, end)
    if operator is None:
        return Reference(name, "", "", "$" + name)
    swallowed = text[end:].split("}", 1)[0]
    problem = "docker stack reads %r after $%s as part of the variable and drops it: write ${%s}%s" % (
        swallowed,
        name,
        name,
        swallowed,
    )
    return Reference(name, "", "", "$" + name, problem)


def _reserved(text: str) -> str:
    return (
        "docker stack would take %s from the node where it runs: write $%s to leave it to the container, or use a "
        "variable of another name" % (text, text)
    )


def _closing(text: str, opening: int) -> int:
    """The position behind the brace that closes the one at ``opening``; -1 when none does."""
    depth = 0
    for position in range(opening, len(text)):
        if text[position] == "{" and (position == opening or text[position - 1] == "$"):
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position + 1
    return -1


def _braced(text: str, inside: str) -> Reference:
    match = _BRACED.fullmatch(inside)
    if match is None:
        return Reference("", "", "", text, "%s names no variable: write $$ for a plain $" % text)
    name, operator, argument = match.group(1), match.group(2) or "", match.group(3)
    problem = ""
    if name in RESERVED:
        problem = _reserved(text)
    elif not operator and argument:
        problem = "%s can't be read: a name of letters, digits and _ stands between the braces" % text
    elif "+" in operator:
        problem = "docker stack doesn't know the form %s: put the value itself into a variable" % text
    elif "${" in argument:
        problem = "docker stack doesn't know a variable within another's default (%s): define %s in variables" % (
            text,
            name,
        )
    elif "?" in operator and "-" in argument:
        problem = "docker stack takes what follows the '-' in %s for a default: leave '-' out of the message" % text
    elif operator == "-" and ":-" in argument:
        problem = "docker stack splits %s at ':-': write ${%s:-…}, or leave ':-' out of the default" % (text, name)
    return Reference(name, operator, argument, text, problem)
