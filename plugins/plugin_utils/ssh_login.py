# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of the SSH connection over which Ansible logs in: as whom, from where, and by which address."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OVER_SSH = ("ssh", "paramiko", "paramiko_ssh", "libssh", "mitogen_ssh")
"""Connections, by the last part of their names, on which sshd tells where they come from."""
LOCAL = "local"
"""On the machine that Ansible runs on there is no connection, but whoever started it may have come in over SSH."""
# Who became another user by sudo and kept SSH_CONNECTION (sudo -E) has logged in as SUDO_USER.
# What a profile of the shell prints may come before, after and on the same line, so each answer is marked.
QUESTION = (
    "printf '\\n%s\\n%s\\n%s\\n'"
    ' "flotilla-user:${SUDO_USER:-$(id -un)}"'
    ' "flotilla-from:$SSH_CONNECTION"'
    ' "flotilla-addresses:$(hostname -I 2>/dev/null)"'
)
ANSWER = re.compile(r"^flotilla-(user|from|addresses):(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Login:
    """The answer; what was not said is empty.

    Attributes:
        user: the name on the host, as it was said.
        source: the address that the host sees the connection come from, without a zone.
        own: the host's own address on it, without a zone.
        port: the port at which it came in; 0 when it was not said.
        addresses: all addresses of the host that it names, ``own`` first.
        error: what the shell complained of.
    """

    user: str = ""
    source: str = ""
    own: str = ""
    port: int = 0
    addresses: tuple[str, ...] = ()
    error: str = ""


def is_over_ssh(connection: Any) -> bool:
    """Whether it is sshd that lets this connection plugin in."""
    return str(connection.transport).rsplit(".", maxsplit=1)[-1] in OVER_SSH


def is_local(connection: Any) -> bool:
    """Whether the host is the machine that Ansible runs on."""
    return str(connection.transport).rsplit(".", maxsplit=1)[-1] == LOCAL


def ask(execute: Callable[..., dict[str, Any]]) -> Login:
    """Ask with one command, as the user who logs in: becoming another one drops the variable.

    Over a local connection this is the SSH login of whoever started Ansible, if there is one.

    Args:
        execute: ``_low_level_execute_command`` of an action.
    """
    answer = execute(QUESTION, sudoable=False)
    error = str(answer.get("stderr") or "")
    if answer.get("rc") != 0:
        return Login(error=error)
    said = dict(ANSWER.findall(str(answer.get("stdout") or "").replace("\r", "")))
    # The client's address and port, and the address and port at which it came in.
    ends = said.get("from", "").split()
    source, _port, own, port = ends if len(ends) == 4 and ends[3].isdigit() else ("", "", "", "0")
    source, own = source.partition("%")[0], own.partition("%")[0]
    addresses = dict.fromkeys([*([own] if own else []), *said.get("addresses", "").split()])
    return Login(
        user=said.get("user", ""),
        source=source,
        own=own,
        port=int(port),
        addresses=tuple(addresses),
        error=error,
    )
