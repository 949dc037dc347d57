# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an SSH server does what its drop-in says, and still lets in whoever manages the host.

Judged are the server's own words, ``sshd -T``: only it knows which of its files and lines wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

KEY = "key"
PASSWORD = "password"  # noqa: S105  the name of a way to log in
_SAME = {"without-password": "prohibit-password"}
_ALIASES = {"challengeresponseauthentication": "kbdinteractiveauthentication"}
_SWITCHES = {
    "keyboard-interactive": ("kbdinteractiveauthentication", "node_hardening_sshd_keyboard_interactive"),
    "password": ("passwordauthentication", "node_hardening_sshd_password_authentication"),
}
"""Method of AuthenticationMethods → the keyword that turns it off, and our variable for it."""


def keywords(text: str) -> dict[str, str]:
    """Keyword in small letters → its first value, as it counts for sshd; lines after a ``Match`` are left out."""
    return next(_blocks(text))[1]


def _blocks(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The condition of each ``Match`` (empty for what comes before the first) → its keywords, as in ``keywords``."""
    condition = ""
    found: dict[str, str] = {}
    for raw in text.splitlines():
        words = raw.strip().replace("=", " ", 1).split(None, 1)
        if not words or words[0].startswith("#"):
            continue
        name, value = words[0].lower(), " ".join(words[1].split()) if len(words) > 1 else ""
        if name == "match":
            yield condition, found
            condition, found = value, {}
        else:
            found.setdefault(_ALIASES.get(name, name), value)
    yield condition, found


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


def unmet_methods(declared: str, files: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence for each AuthenticationMethods of which every list needs a method that our drop-in turns off.

    With one for everybody sshd does not start. With one in a ``Match`` it does, and lets in none of those it is for.

    Args:
        declared: the drop-in's text.
        files: (path, text) of sshd_config and its drop-ins, in the order in which they are read.
    """
    ours = keywords(declared)
    problems = []
    everybody = False
    for path, text in files:
        for condition, says in _blocks(text):
            value = says.get("authenticationmethods")
            # For everybody the first one counts.
            if value is None or (not condition and everybody):
                continue
            everybody = everybody or not condition
            # A Match may turn on again what is off for everybody.
            for_them = {**ours, **says} if condition else ours
            off = {method for method, (keyword, _key) in _SWITCHES.items() if for_them.get(keyword, "").lower() == "no"}
            needed = [off & _methods(words) for words in value.split(" #")[0].replace('"', " ").split()]
            if not needed or not all(needed):
                continue
            # The list that needs the least: mending one of them is enough.
            least = min(needed, key=len)
            methods = sorted(least)
            problems.append(
                "AuthenticationMethods %s of %s%s needs %s, which would be off, so nobody whom it is for could connect "
                "any more: set %s to true, or take that line out"
                % (
                    value,
                    path,
                    " (Match %s)" % condition if condition else "",
                    " and ".join(methods),
                    " and ".join(_SWITCHES[method][1] for method in methods),
                )
            )
    return problems


def _methods(words: str) -> set[str]:
    """The methods of one list, without their submethods (``keyboard-interactive:pam``)."""
    return {method.partition(":")[0].lower() for method in words.split(",")}


def lockout(effective: str, user: str, login: str, has_key: bool | None, unread: str = "") -> list[str]:
    """Why the user who connects now could not connect any more; empty when it still can.

    Args:
        effective: what ``sshd -T -C user=…`` says for this user.
        user: its name.
        login: how it logs in, ``key`` or ``password``.
        has_key: whether a key of it is on the host; None = keys come from elsewhere (a command or a certificate).
        unread: where none was found, a file of keys that can't be read, and why.
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
    if login == KEY and not passwords and has_key is False and unread:
        problems.append(
            "whether %s has a key on the host is not known (%s), and passwords would not be taken any more: let root "
            "read that file, or set node_hardening_sshd_password_authentication to true" % (user, unread)
        )
    elif login == KEY and not passwords and has_key is False:
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
