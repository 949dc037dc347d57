# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and places a host's files; what one batch has placed can be put back as a whole."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._core.hardening import files as core
from .._core.hardening import time_servers
from .._core.plan import CREATE, REMOVE, Plan, Step
from . import command
from .errors import HostError

DIRECTORY_MODE = 0o755
"""Of the directories that a new file needs."""
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


def observe(wanted: Sequence[core.Wanted]) -> core.Survey:
    """What is there now of every declared file.

    Raises:
        HostError: something can't be read.
    """
    seen: list[core.Seen] = []
    left_out: list[core.LeftOut] = []
    met: set[tuple[int, int]] = set()
    for one in wanted:
        if one.requires and not _lies(one.requires):
            left_out.append(core.LeftOut(one.path, one.concern, "there is no %s" % one.requires))
        elif one.state != core.EXISTING:
            seen.append(core.Seen(one, one.path, look(one.path, with_content=True)))
        else:
            for path in sorted(str(found) for found in Path("/").glob(one.path.lstrip("/"))):
                reason = _unfit(path, one, met)
                if reason is None:
                    seen.append(core.Seen(one, path, look(path)))
                elif reason:
                    left_out.append(core.LeftOut(path, one.concern, reason))
    return core.Survey(tuple(seen), tuple(left_out))


def _unfit(path: str, wanted: core.Wanted, met: set[tuple[int, int]]) -> str | None:
    """Why an existing file is left out; empty for one that was met before or is gone, None for a fit one."""
    try:
        status = Path(path).lstat()
    except FileNotFoundError:
        return ""  # gone since it was found
    except OSError as error:
        raise HostError("%s can't be read: %s" % (path, error.strerror)) from error
    if (status.st_dev, status.st_ino) in met:
        return ""
    met.add((status.st_dev, status.st_ino))
    if stat.S_ISLNK(status.st_mode):
        return "it is a link"
    for name, known in ((wanted.owner, _is_user), (wanted.group, _is_group)):
        if name is not None and not known(name):
            return "there is no %s on this host" % name
    return None


def look(path: str, *, with_content: bool = False) -> core.Found | None:
    """What lies at a path; None when nothing does.

    Raises:
        HostError: it can't be read.
    """
    try:
        status = Path(path).lstat()
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "other")
        content = None
        if with_content and kind == "file":
            content = Path(path).read_bytes().decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HostError("%s can't be read: %s" % (path, error.strerror)) from error
    return core.Found(kind, _user(status.st_uid), _group(status.st_gid), stat.S_IMODE(status.st_mode), content)


def lost_time_servers(root: Path = Path("/")) -> list[str]:
    """A sentence for each file with time servers that nobody would follow once chrony is installed.

    Raises:
        HostError: one can't be read.
    """
    if (root / time_servers.CHRONY.lstrip("/")).exists():
        return []
    problems = []
    for daemon in time_servers.DAEMONS:
        if (root / daemon.program.lstrip("/")).exists():
            problems += time_servers.lost(_texts(daemon, root))
    return problems


def _texts(daemon: time_servers.Daemon, root: Path) -> list[tuple[str, str]]:
    drop_ins: dict[str, Path] = {}
    for directory in daemon.drop_ins:
        for path in (root / directory.lstrip("/")).glob("*.conf"):
            drop_ins.setdefault(path.name, path)
    paths = [*(root / path.lstrip("/") for path in daemon.main), *(drop_ins[name] for name in sorted(drop_ins))]
    found = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HostError("%s can't be read: %s" % (path, error.strerror)) from error
        found.append(("/" + str(path.relative_to(root)), text))
    return found


def judge_copies(plan: Plan, wanted: Sequence[core.Wanted], scratch: str) -> None:
    """Let each new content be judged by its own tool, where that is installed, before anything is placed.

    The copy lies in the file's own directory where there is one already, because a tool may be confined to it.

    Raises:
        HostError: a tool refuses; its words are in it.
    """
    commands = {one.path: one.validate for one in wanted if one.validate}
    for step in plan:
        words = commands.get(step.name)
        content = step.payload.get("content")
        if not words or content is None or command.find(words[0]) is None:
            continue
        parent = Path(step.name).parent
        candidate = _written(content, parent if parent.is_dir() else Path(scratch))
        try:
            code, out, err = command.run([word.replace("%s", str(candidate)) for word in words])
        finally:
            candidate.unlink()
        if code != 0:
            said = (err or out).strip().replace(str(candidate), step.name)
            raise HostError("%s refuses %s, and nothing was changed: %s" % (words[0], step.name, said))


@dataclass(frozen=True)
class _Before:
    """What lay at a path: its permissions and, of a file or a link, all of it."""

    status: os.stat_result
    content: bytes | None
    link: Path | None


class Transaction:
    """Places files one by one, and can put all of them back."""

    def __init__(self) -> None:
        self._undo: list[tuple[Path, _Before | None]] = []

    def apply(self, plan: Plan) -> None:
        """Do every step of a plan of ``_core.hardening.files``.

        Raises:
            HostError: a file can't be placed; all are put back then.
        """
        try:
            for step in plan:
                self._step(step)
        except (OSError, HostError) as error:
            self.undo()
            raise HostError("the files can't be placed (%s); every one was put back" % error) from error

    def undo(self) -> None:
        """Put back what was there, the last change first."""
        while self._undo:
            path, before = self._undo.pop()
            if before is not None:
                _restore(path, before)
            elif path.is_dir():
                # Somebody else's file in it keeps it.
                with contextlib.suppress(OSError):
                    path.rmdir()
            elif _lies(str(path)):
                path.unlink()

    def _step(self, step: Step) -> None:
        path = Path(step.payload["path"])
        if step.action == REMOVE:
            self._remember(path)
            path.unlink()
            return
        self._make_directories(path.parent)
        self._remember(path)
        _place(path, step.payload, created=step.action == CREATE)

    def _make_directories(self, path: Path) -> None:
        missing = []
        while not path.is_dir():
            missing.append(path)
            path = path.parent
        for directory in reversed(missing):
            directory.mkdir()
            directory.chmod(DIRECTORY_MODE)
            self._undo.append((directory, None))

    def _remember(self, path: Path) -> None:
        try:
            status = path.lstat()
        except FileNotFoundError:
            self._undo.append((path, None))
            return
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else None
        link = path.readlink() if stat.S_ISLNK(status.st_mode) else None
        self._undo.append((path, _Before(status, content, link)))


def _place(path: Path, values: Mapping[str, Any], *, created: bool) -> None:
    """Give a file or directory what is in ``values``; None leaves that as it is."""
    mode = values["mode"]
    if values["kind"] == "directory" and created:
        path.mkdir()
    elif values["content"] is not None:
        candidate = _written(values["content"], path.parent)
        if not created:
            _as_before(candidate, path.lstat())
        _own(candidate, values["owner"], values["group"], mode)
        candidate.replace(path)
        return
    _own(path, values["owner"], values["group"], mode)


def _own(path: Path, owner: str | None, group: str | None, mode: int | None) -> None:
    if owner is not None or group is not None:
        os.chown(path, _user_id(owner), _group_id(group))
    if mode is not None:
        path.chmod(mode)


def _restore(path: Path, before: _Before) -> None:
    if before.link is not None:
        path.symlink_to(before.link)
    elif before.content is not None:
        candidate = _written(before.content.decode("utf-8", "surrogateescape"), path.parent)
        _as_before(candidate, before.status)
        # With its old time too: a service must not seem to run with an older configuration.
        os.utime(candidate, ns=(before.status.st_atime_ns, before.status.st_mtime_ns))
        candidate.replace(path)
    else:
        _as_before(path, before.status)


def _as_before(path: Path, status: os.stat_result) -> None:
    os.chown(path, status.st_uid, status.st_gid)
    path.chmod(stat.S_IMODE(status.st_mode))


def _written(content: str, directory: Path) -> Path:
    """A new hidden file with this content, readable for root alone; directories of drop-ins pass over such a name."""
    handle, name = tempfile.mkstemp(prefix=".flotilla-", suffix="~", dir=directory)
    with os.fdopen(handle, "wb") as file:
        file.write(content.encode("utf-8", "surrogateescape"))
        file.flush()
        os.fsync(file.fileno())
    return Path(name)


def _lies(path: str) -> bool:
    """Whether anything lies there, a dangling link too."""
    return os.path.lexists(path)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _is_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _user_id(name: str | None) -> int:
    """The number of a user; -1, which leaves it as it is, for None."""
    if name is None:
        return -1
    if not _is_user(name):
        raise HostError("there is no user %s on this host" % name)
    return pwd.getpwnam(name).pw_uid


def _group_id(name: str | None) -> int:
    if name is None:
        return -1
    if not _is_group(name):
        raise HostError("there is no group %s on this host" % name)
    return grp.getgrnam(name).gr_gid
