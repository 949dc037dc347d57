# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one file that Python runs of a module of this collection and of all that it imports: a zipapp.

The sources are asked of whoever loaded the modules, so it is the same from a checkout, from the archive in which
Ansible sends a module, and with Mitogen. Which modules belong to it is read from their imports, never from what happens
to be loaded. Nothing is compressed: what zlib makes of a text differs between its versions.
"""

from __future__ import annotations

import ast
import importlib
import io
import zipfile
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ._host.errors import HostError

PACKAGE = "flotilla"
"""What the package of the copies is called."""
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip archive knows."""
_MAIN = "import sys\n\nfrom %s import main\n\nsys.exit(main(sys.argv[1:]))\n"


def build(root: str, start: str) -> bytes:
    """The archive. It runs ``main(arguments)`` of the module ``start``.

    Args:
        root: full name of the package whose part the modules are.
        start: name of the module below it, as ``_agent.cli``.

    Raises:
        HostError: a source can't be had.
    """
    files = {"__main__.py": _MAIN % ("%s.%s" % (PACKAGE, start)), "%s/__init__.py" % PACKAGE: ""}
    for name, (source, is_package) in sources(root, start).items():
        path = "/".join([PACKAGE, *name.split(".")])
        files[path + ("/__init__.py" if is_package else ".py")] = source
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for path in sorted(files):
            member = zipfile.ZipInfo(path, _EARLIEST)
            member.create_system = 3  # Unix, wherever it is made
            member.external_attr = 0o644 << 16
            target.writestr(member, files[path])
    return archive.getvalue()


def sources(root: str, start: str) -> dict[str, tuple[str, bool]]:
    """Name below ``root`` → source, and whether it is a package, of a module and of all that it imports by relation.

    An import inside a function counts like any other.

    Raises:
        HostError: a source can't be had.
    """
    found: dict[str, tuple[str, bool]] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if not name or name in found:
            continue
        module = importlib.import_module("%s.%s" % (root, name))
        source = _source(module)
        found[name] = (source, hasattr(module, "__path__"))
        waiting.append(name.rpartition(".")[0])
        waiting += [full[len(root) + 1 :] for full in _imported(module, source) if full.startswith(root + ".")]
    return found


def _source(module: ModuleType) -> str:
    loader: Any = getattr(module.__spec__, "loader", None)
    source = loader.get_source(module.__name__) if hasattr(loader, "get_source") else None
    if source is None:
        raise HostError(
            "the source of %s can't be had from %s: run this with Ansible's own strategy" % (module.__name__, loader)
        )
    return str(source)


def _imported(module: ModuleType, source: str) -> Iterator[str]:
    """Full names of the modules that a module imports by relation."""
    package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        above = package.rsplit(".", node.level - 1)[0]
        base = "%s.%s" % (above, node.module) if node.module else above
        yield base
        yield from ("%s.%s" % (base, one.name) for one in node.names if _is_module(base, one.name))


def _is_module(package: str, name: str) -> bool:
    """Whether ``from package import name`` gets a module. What is imported only later is no attribute yet."""
    parent = importlib.import_module(package)
    if not hasattr(parent, "__path__"):
        return False
    value = getattr(parent, name, None)
    return value is None or (isinstance(value, ModuleType) and value.__name__ == "%s.%s" % (package, name))
