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
        HostError: sshd refuses it, does not follow our drop-in, or would lock that user out.
    """
    with _separation():
        command.demand([PROGRAM, "-t"], "sshd refuses its configuration")
        # Without Match blocks, which are exceptions that somebody made on purpose.
        effective = command.demand([PROGRAM, "-T"], "sshd does not say what its configuration means")
        problems = ssh.not_in_effect(declared, effective, _files(), own)
        if user:
            # With those that apply to this user.
            who = "user=%s,host=%s,addr=%s" % (user, address or "localhost", address or "127.0.0.1")
            for_user = command.demand([PROGRAM, "-T", "-C", who], "sshd does not say what it means for %s" % user)
            problems += ssh.lockout(for_user, user, login, _has_key(for_user, user))
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


def _has_key(effective: str, user: str) -> bool | None:
    """Whether a public key of the user is on the host; None when keys come from elsewhere."""
    try:
        home = pwd.getpwnam(user).pw_dir
    except KeyError:
        return None  # it is known to another directory than the host's own
    paths = ssh.key_files(effective, user, home)
    return None if paths is None else any(_holds_key(Path(path)) for path in paths)


def _holds_key(path: Path) -> bool:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip() and not line.lstrip().startswith("#") for line in lines)


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
