# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading YAML that others wrote: bounded, without tags that build objects, and without YAML 1.1's surprises.

PyYAML comes with ansible-core on the controller; on a manager it is the distribution's python3-yaml.
"""

from __future__ import annotations

import re
from typing import Any

try:
    import yaml
except ImportError as error:  # reported by whoever needs it, who can say what to install
    IMPORT_ERROR: ImportError | None = error
else:
    IMPORT_ERROR = None

from ._core.stack import tree as document

MAX_BYTES = 4 * 1024 * 1024
"""Of one file; a swarm's whole stack with its configs stays far below."""


def load_source(content: str) -> Any:
    """One stack file as written: every plain scalar but null is a string, so ``on:`` stays a key and 1.10 stays 1.10.

    Raises:
        ValueError: it is no YAML, too large, or an anchor bomb; the message says so and shows no content.
    """
    return _load(content, _loader({"~nN\0": (_NULL, "null")}))


def load_normal(content: str) -> Any:
    """The output of ``docker stack config``, typed by YAML 1.2's core rules, which are what its writer quotes for.

    Raises:
        ValueError: as for ``load_source``.
    """
    return _load(
        content,
        _loader(
            {
                "~nN\0": (_NULL, "null"),
                "tTfF": (re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "bool"),
                "-+0123456789": (re.compile(r"^[-+]?[0-9]+$"), "int"),
                "-+0123456789.": (
                    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
                    "float",
                ),
            }
        ),
    )


MAX_MERGED = 20_000
"""Entries of one mapping after its merge keys are written out."""
MAX_DEPTH = 100
"""Collections within one another; a stack file has ten. The parser in C recurses without Python's own bound."""
_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_MERGE = "tag:yaml.org,2002:merge"


def _loader(resolvers: dict[str, tuple[re.Pattern[str], str]]) -> Any:
    """A SafeLoader that knows merge keys and just these plain scalars (first characters -> pattern and type)."""

    class Loader(_base()):  # type: ignore[misc]  # chosen when it runs
        merged = 0

        def flatten_mapping(self, node: Any) -> None:
            """Merge keys copy what they merge, so chains and crowds of them grow while they are read: stop that in
            time."""
            merges = any(key.tag == _MERGE for key, _value in node.value)
            if not hasattr(node, "is_checked"):
                node.is_checked = True
                _refuse_repeated_keys(node)
            super().flatten_mapping(node)
            if merges:
                self.merged += len(node.value)
            if len(node.value) > MAX_MERGED or self.merged > document.MAX_VALUES:
                raise Refused("its merge keys stand for too many values")

    Loader.yaml_implicit_resolvers = {}
    # YAML 1.1's octal 010 is 10 in the core rules, and 1e3 is a float there.
    Loader.add_constructor("tag:yaml.org,2002:int", lambda _loader, node: int(node.value, 10))
    Loader.add_constructor("tag:yaml.org,2002:float", lambda _loader, node: float(node.value))
    # As a value, << is a text; Go writes it without quotes.
    Loader.add_constructor(_MERGE, lambda _loader, node: node.value)
    Loader.add_implicit_resolver(_MERGE, re.compile(r"^(?:<<)$"), ["<"])
    for first, (pattern, kind) in resolvers.items():
        characters = ["" if character == "\0" else character for character in first]
        Loader.add_implicit_resolver("tag:yaml.org,2002:" + kind, pattern, characters)
    return Loader


class Refused(ValueError):
    """A document that is YAML, but that nothing should be made of; the message is fit to be shown."""


def _base() -> Any:
    """PyYAML's SafeLoader, the one in C where there is one: it takes an eighth of the time."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _refuse_repeated_keys(node: Any) -> None:
    """Of a key that is there twice, one value would be lost. Merge keys may be: they add up."""
    lines: dict[tuple[str, str], int] = {}
    for key, _value in node.value:
        if not isinstance(key.value, str) or key.tag == _MERGE:
            continue
        line = key.start_mark.line + 1
        if (key.tag, key.value) in lines:
            raise Refused(
                "the key %s is there twice, at line %d and line %d: remove one of them"
                % (key.value[:60], lines[(key.tag, key.value)], line)
            )
        lines[(key.tag, key.value)] = line


def _refuse_excess(content: str) -> None:
    """Before anything is built: the parser alone goes over a document without keeping it."""
    depth = scalars = 0
    for event in yaml.parse(content, Loader=_base()):
        if isinstance(event, yaml.ScalarEvent):
            scalars += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise Refused("it is nested too deeply: at most %d levels make sense" % MAX_DEPTH)
        if scalars > 2 * document.MAX_VALUES:
            raise Refused("it holds more than %d values" % document.MAX_VALUES)


def _load(content: str, loader: Any) -> Any:
    if IMPORT_ERROR is not None:
        raise IMPORT_ERROR
    if len(content) > MAX_BYTES:
        raise ValueError("it is larger than %d MiB" % (MAX_BYTES // 1024 // 1024))
    try:
        _refuse_excess(content)
        loaded = yaml.load(content, Loader=loader)  # noqa: S506 - it is a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(_described(error, content)) from None
    except Refused:
        raise
    except (RecursionError, ValueError, TypeError):
        raise ValueError("it is not valid YAML, or nested too deeply") from None
    document.measure(loaded)
    return loaded


def _described(error: Any, content: str) -> str:
    """What is wrong with a document and where, without its content."""
    if isinstance(error, yaml.reader.ReaderError):
        return "it is no text: YAML allows no control characters"
    mark = getattr(error, "problem_mark", None)
    where = " at line %d" % (mark.line + 1) if mark else ""
    problem = getattr(error, "problem", None) or "unreadable"
    context = str(getattr(error, "context", None))
    if context == "expected a single document in the stream":
        return "it holds several YAML documents; a second one begins%s: write each into a file of its own" % where
    if context.startswith("found duplicate anchor"):
        return "an anchor is defined a second time%s: give that one another name" % where
    lines = content.splitlines()
    if mark and mark.line < len(lines) and "\t" in lines[mark.line][: mark.column + 1]:
        return "it is not valid YAML%s: a tab can't indent: write spaces" % where
    return "it is not valid YAML%s: %s" % (where, problem)
