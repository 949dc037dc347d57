# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an SSH server does what its drop-in says, and still lets in whoever manages the host.

Judged are the server's own words, ``sshd -T``: only it knows which of its files and lines wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

KEY = "key"
PASSWORD = "password"  # noqa: S105  the name of a way to log in
_SAME = {"without-password": "prohibit-password"}


def keywords(text: str) -> dict[str, str]:
    """Keyword in small letters → its first value, as it counts for sshd; lines after a ``Match`` are left out."""
    found: dict[str, str] = {}
    for raw in text.splitlines():
        words = raw.strip().replace("=", " ", 1).split(None, 1)
        if not words or words[0].startswith("#"):
            continue
        name = words[0].lower()
        if name == "match":
            break
        found.setdefault(name, " ".join(words[1].split()) if len(words) > 1 else "")
    return found


def _value(text: str) -> str:
    return _SAME.get(text.lower(), text.lower())


def not_in_effect(declared: str, effective: str, files: Sequence[tuple[str, str]], own: str) -> list[str]:
    """A sentence for each keyword of our drop-in that the server does not follow.

    Args:
        declared: the drop-in's text.
        effective: what ``sshd -T`` says.
        files: (path, text) of sshd_config and its drop-ins.
        own: path of our drop-in.
    """
    says = keywords(effective)
    problems = []
    for name, value in keywords(declared).items():
        if name not in says or _value(says[name]) == _value(value):
            continue
        culprit = next((path for path, text in files if path != own and name in keywords(text)), "")
        mend = (
            "take it out of %s, or see that the first line of sshd_config is `Include /etc/ssh/sshd_config.d/*.conf`"
            % culprit
            if culprit
            else "the first line of sshd_config must be `Include /etc/ssh/sshd_config.d/*.conf`"
        )
        problems.append("%s %s of %s has no effect, sshd goes by %s: %s" % (name, value, own, says[name], mend))
    return problems


def lockout(effective: str, user: str, login: str, has_key: bool | None) -> list[str]:
    """Why the user who connects now could not connect any more; empty when it still can.

    Args:
        effective: what ``sshd -T -C user=…`` says for this user.
        user: its name.
        login: how it logs in, ``key`` or ``password``.
        has_key: whether a key of it is on the host; None = keys come from elsewhere (a command or a certificate).
    """
    says = keywords(effective)
    root = _value(says.get("permitrootlogin", "yes"))
    passwords = "yes" in (says.get("passwordauthentication"), says.get("kbdinteractiveauthentication"))
    problems = []
    if user == "root" and root in ("no", "forced-commands-only"):
        problems.append(
            "root connects, and could not any more: set node_hardening_sshd_permit_root_login to "
            "prohibit-password, or connect as another user"
        )
    if login == PASSWORD and (not passwords or (user == "root" and root == "prohibit-password")):
        problems.append(
            "%s connects with a password, and passwords would not be taken any more: put a key on the host and "
            "connect with it, or set node_hardening_sshd_password_authentication to true%s"
            % (user, " and node_hardening_sshd_permit_root_login to 'yes'" if user == "root" else "")
        )
    if login == KEY and not passwords and has_key is False:
        problems.append(
            "%s has no key in authorized_keys on the host, and passwords would not be taken any more: put one there, "
            "or set node_hardening_sshd_password_authentication to true" % user
        )
    return problems


def key_files(effective: str, user: str, home: str) -> list[str] | None:
    """Where the user's public keys may lie; None when they come from a command or a certificate instead."""
    says = keywords(effective)
    for name in ("authorizedkeyscommand", "trustedusercakeys"):
        if says.get(name, "none") != "none":
            return None
    found = []
    for word in says.get("authorizedkeysfile", ".ssh/authorized_keys").split():
        path = _expanded(word, {"%": "%", "h": home, "u": user})
        found.append(path if path.startswith("/") else "%s/%s" % (home.rstrip("/"), path))
    return [path for path in found if not path.endswith("/none")]


def _expanded(text: str, tokens: Mapping[str, str]) -> str:
    return re.sub(r"%(.)", lambda match: tokens.get(match[1], match[0]), text)
