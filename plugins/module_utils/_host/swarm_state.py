# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory in which an engine keeps what makes it a swarm's member. It is changed while the engine is stopped."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from .errors import HostError

ADDRESSES = ("docker-state.json", "state.json")
"""What an engine knows of its own and of other managers' addresses; the raft state has them too."""


def size(root: Path) -> int:
    """Bytes on the disk of all files below a directory.

    Raises:
        HostError: it is not there, or can't be read.
    """
    try:
        total = root.lstat().st_blocks
        for entry in root.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # a running engine removes files meanwhile
                total += entry.lstat().st_blocks
    except OSError as error:
        raise HostError("%s can't be read: %s" % (root, error.strerror)) from error
    return total * 512


def free(directory: Path) -> int:
    """Bytes that are free where a directory lies."""
    try:
        found = os.statvfs(directory)
    except OSError as error:
        raise HostError("%s can't be read: %s" % (directory, error.strerror)) from error
    return found.f_bavail * found.f_frsize


def copy(root: Path, target: Path) -> None:
    """Copy the state, with its modes, to where nothing is yet. The engine runs as root, and so does this.

    Raises:
        HostError: it can't be copied; what was copied is removed.
    """
    if target.exists():
        raise HostError("%s is there already, so nothing was copied to it" % target)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copytree(root, target, symlinks=True, ignore=_no_sockets)
        target.chmod(0o700)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(target, ignore_errors=True)
        raise HostError("%s can't be copied to %s: %s" % (root, target, error)) from error


def _no_sockets(directory: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(directory, name).is_socket()]


def set_aside(root: Path) -> Path | None:
    """Give the state another name beside its own; the new one, None where there was none.

    Raises:
        HostError: it can't be renamed.
    """
    aside = root.with_name("%s.aside-%d" % (root.name, int(time.time())))
    try:
        root.rename(aside)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError("%s can't be set aside: %s" % (root, error.strerror)) from error
    return aside


def put(source: Path, root: Path) -> None:
    """Copy a state to where the engine looks for its own; nothing may be there.

    Raises:
        HostError: something is there, or it can't be copied.
    """
    if root.exists():
        raise HostError("%s is there, and would be overwritten: set it aside first" % root)
    copy(source, root)


def move(source: Path, root: Path) -> None:
    """Give a state another name beside its own, at once.

    Raises:
        HostError: it can't be renamed.
    """
    try:
        source.rename(root)
    except OSError as error:
        raise HostError("%s can't be renamed to %s: %s" % (source, root, error.strerror)) from error


def remove(root: Path) -> None:
    """Remove a copy of a state, where there is one.

    Raises:
        HostError: it can't be removed.
    """
    try:
        shutil.rmtree(root)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError("%s can't be removed: %s" % (root, error.strerror)) from error


def forget_addresses(root: Path) -> None:
    """Make the engine forget that it was in a swarm, and with whom; keys and raft stay.

    Raises:
        HostError: a file can't be removed.
    """
    for name in ADDRESSES:
        try:
            (root / name).unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HostError("%s can't be removed: %s" % (root / name, error.strerror)) from error
