# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the SSH server what its whole configuration means, before a changed one is kept."""

from __future__ import annotations

import contextlib
import pwd
from collections.abc import Iterator
from pathlib import Path

from .._core.hardening import ssh
from . import command
from .errors import HostError

PROGRAM = "/usr/sbin/sshd"
MAIN = Path("/etc/ssh/sshd_config")
DROPINS = Path("/etc/ssh/sshd_config.d")
# Where sshd keeps its unprivileged part; it refuses to check anything while that is missing, as before its first start.
_SEPARATION = Path("/run/sshd")


def judge(own: str, declared: str, user: str, login: str, address: str) -> None:
    """Check the configuration that lies on the host now.

    Args:
        own: path of our drop-in.
        declared: its text.
        user, login: who must still get in, and how (``key``, ``password``); no user = nobody connects by SSH.
        address: from where this user connects; empty = not known.

    Raises:
        HostError: sshd refuses it, does not follow our drop-in, or would lock out that user, or anybody whom it asks
            for a method that our drop-in turns off.
    """
    files = _files()
    unmet = ssh.unmet_methods(declared, files)
    if unmet:
        raise HostError("; ".join(unmet))
    with _separation():
        command.demand([PROGRAM, "-t"], "sshd refuses its configuration")
        # Without Match blocks, which are exceptions that somebody made on purpose.
        effective = command.demand([PROGRAM, "-T"], "sshd does not say what its configuration means")
        problems = ssh.not_in_effect(declared, effective, files, own)
        if user:
            # With those that apply to this user.
            who = "user=%s,host=%s,addr=%s" % (user, address or "localhost", address or "127.0.0.1")
            for_user = command.demand([PROGRAM, "-T", "-C", who], "sshd does not say what it means for %s" % user)
            problems += ssh.lockout(for_user, user, login, *_has_key(for_user, user))
    if problems:
        raise HostError("; ".join(problems))


def _files() -> list[tuple[str, str]]:
    found = []
    for path in [*sorted(DROPINS.glob("*.conf")), MAIN]:
        try:
            found.append((str(path), path.read_text(encoding="utf-8", errors="replace")))
        except OSError as error:
            raise HostError("%s can't be read: %s" % (path, error.strerror)) from error
    return found


def _has_key(effective: str, user: str) -> tuple[bool | None, str]:
    """Whether a public key of the user is on the host (None: keys come from elsewhere), and what can't be read."""
    try:
        home = pwd.getpwnam(user).pw_dir
    except KeyError:
        return None, ""  # it is known to another directory than the host's own
    paths = ssh.key_files(effective, user, home)
    if paths is None:
        return None, ""
    unread = []
    for path in paths:
        try:
            lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            # As root can't on a home that NFS exports with root_squash.
            unread.append("%s can't be read: %s" % (path, error.strerror))
            continue
        if any(line.strip() and not line.lstrip().startswith("#") for line in lines):
            return True, ""
    return False, ", ".join(unread)


@contextlib.contextmanager
def _separation() -> Iterator[None]:
    """The directory that sshd wants, for as long as it is asked."""
    if _SEPARATION.exists():
        yield
        return
    _SEPARATION.mkdir(mode=0o755)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            _SEPARATION.rmdir()
