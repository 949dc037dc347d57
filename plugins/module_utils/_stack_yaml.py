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
_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")


def _loader(resolvers: dict[str, tuple[re.Pattern[str], str]]) -> Any:
    """A SafeLoader that knows merge keys and just these plain scalars (first characters -> pattern and type)."""

    class Loader(yaml.SafeLoader):
        def flatten_mapping(self, node: Any) -> None:
            """Merge keys copy what they merge, so a chain of them grows while it is read; stop that in time."""
            super().flatten_mapping(node)
            if len(node.value) > MAX_MERGED:
                raise ValueError("a mapping merges too much")

    Loader.yaml_implicit_resolvers = {}
    # YAML 1.1's octal 010 is 10 in the core rules, and 1e3 is a float there.
    Loader.add_constructor("tag:yaml.org,2002:int", lambda _loader, node: int(node.value, 10))
    Loader.add_constructor("tag:yaml.org,2002:float", lambda _loader, node: float(node.value))
    Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^(?:<<)$"), ["<"])
    for first, (pattern, kind) in resolvers.items():
        characters = ["" if character == "\0" else character for character in first]
        Loader.add_implicit_resolver("tag:yaml.org,2002:" + kind, pattern, characters)
    return Loader


def _load(content: str, loader: Any) -> Any:
    if IMPORT_ERROR is not None:
        raise IMPORT_ERROR
    if len(content) > MAX_BYTES:
        raise ValueError("it is larger than %d MiB" % (MAX_BYTES // 1024 // 1024))
    try:
        loaded = yaml.load(content, Loader=loader)  # noqa: S506 - it is a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = " at line %d" % (mark.line + 1) if mark else ""
        raise ValueError(
            "it is not valid YAML%s: %s" % (where, getattr(error, "problem", None) or "unreadable")
        ) from None
    except (RecursionError, ValueError, TypeError):
        raise ValueError("it is not valid YAML, or nested too deeply") from None
    document.measure(loaded)
    return loaded
