# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and sets what the running kernel is told: its settings in /proc/sys and its modules."""

from __future__ import annotations

import os
from pathlib import Path

from . import command
from .errors import HostError

SYSCTL_DIRECTORIES = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d")
"""Where settings for the boot lie; of two files with one name the first directory's counts (sysctl.d(5))."""


def setting(name: str, root: Path = Path("/")) -> str | None:
    """The value of a kernel setting; None when this kernel has none of that name.

    Raises:
        HostError: it can't be read.
    """
    try:
        return " ".join(_path(name, root).read_text(encoding="utf-8").split())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HostError("the kernel setting %s can't be read: %s" % (name, error.strerror)) from error


def set_setting(name: str, value: str, root: Path = Path("/")) -> None:
    """Set it now. One whose interface has gone since it was read is gone with it.

    Raises:
        HostError: the kernel refuses, or holds another value than it was given.
    """
    mend = "a container may not be allowed to; switch the concern off there, or take the setting out"
    try:
        _path(name, root).write_text(value, encoding="utf-8")
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError("the kernel refuses %s = %s (%s): %s" % (name, value, error.strerror, mend)) from error
    now = setting(name, root)
    if now not in (value, None):
        raise HostError("the kernel took %s = %s and holds %s" % (name, value, now))


def names(pattern: str, root: Path = Path("/")) -> list[str]:
    """The names that a name with ``*`` in place of an interface stands for now.

    A dot in an interface's name (``eth0.100``) is written as /, as sysctl.d(5) has it.
    """
    top = root / "proc/sys"
    return [_swapped(str(path.relative_to(top))) for path in sorted(top.glob(_swapped(pattern)))]


def _path(name: str, root: Path) -> Path:
    return root / "proc/sys" / _swapped(name)


def _swapped(name: str) -> str:
    return name.translate({ord("."): "/", ord("/"): "."})


def boot_files(own: str, root: Path = Path("/")) -> list[tuple[str, str]]:
    """(path, text) of the files that set kernel settings at boot, in the order in which they are read.

    systemd reads all of them by their names. ``sysctl --system`` reads /etc/sysctl.conf after them, so it is last.

    Args:
        own: path of our own file; it is in the list even when it does not exist yet.
        root: where the file system begins.
    """
    by_name: dict[str, Path] = {}
    for directory in SYSCTL_DIRECTORIES:
        for path in (root / directory).glob("*.conf"):
            by_name.setdefault(path.name, path)
    own_path = root / own.lstrip("/")
    if own_path.parent == root / SYSCTL_DIRECTORIES[0]:
        by_name[own_path.name] = own_path
    ordered = [by_name[name] for name in sorted(by_name)]
    last = root / "etc/sysctl.conf"
    return [("/" + str(path.relative_to(root)), _text(path)) for path in [*ordered, last]]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise HostError("%s can't be read: %s" % (path, error.strerror)) from error


def has_module(name: str, root: Path = Path("/")) -> bool:
    """Whether a module is loaded, or built in."""
    own = name.replace("-", "_")
    if (root / "sys/module" / own).exists():
        return True
    builtin = root / "lib/modules" / os.uname().release / "modules.builtin"
    return any(Path(line).name.replace("-", "_") == own + ".ko" for line in _text(builtin).splitlines())


def is_loaded(name: str, root: Path = Path("/")) -> bool:
    """Whether a module can be unloaded, that is: it is loaded, and not built in."""
    own = name.replace("-", "_")
    return any(line.split(None, 1)[0] == own for line in _text(root / "proc/modules").splitlines() if line.strip())


def load_module(name: str, *, rehearsal: bool = False) -> bool:
    """Load a module now, or only see whether it could be. False when this kernel has no such module, or loads none."""
    if command.find("modprobe") is None:
        return False
    code, _out, _err = command.run(["modprobe", *(["--dry-run"] if rehearsal else []), "--", name])
    return code == 0
