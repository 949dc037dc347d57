# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of ``dockerd`` as keys of ``daemon.json``, so that both can be judged alike.

The engine refuses to start with a key in both, so neither outranks the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SHORT = {
    "-H": "host",
    "-l": "log-level",
    "-D": "debug",
    "-b": "bridge",
    "-G": "group",
    "-p": "pidfile",
    "-s": "storage-driver",
}
_SWITCHES = frozenset(
    (
        "debug",
        "experimental",
        "icc",
        "ip-forward",
        "ip-masq",
        "ip6tables",
        "iptables",
        "live-restore",
        "no-new-privileges",
        "selinux-enabled",
        "tls",
        "tlsverify",
        "userland-proxy",
    )
)
# Flags that may be given again and again, with the key of the list that they make.
_LISTS = {
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "registry-mirror": "registry-mirrors",
    "dns": "dns",
    "dns-opt": "dns-opts",
    "dns-search": "dns-search",
    "label": "labels",
    "storage-opt": "storage-opts",
    "exec-opt": "exec-opts",
    "authorization-plugin": "authorization-plugins",
    "allow-nondistributable-artifacts": "allow-nondistributable-artifacts",
    "node-generic-resource": "node-generic-resources",
    "cdi-spec-dir": "cdi-spec-dirs",
    "default-address-pool": "default-address-pools",
}
# Flags NAME=VALUE, with the key of the mapping that they make.
_MAPPINGS = {
    "log-opt": "log-opts",
    "default-ulimit": "default-ulimits",
    "default-network-opt": "default-network-opts",
    "feature": "features",
}


def of_process(command: bytes) -> list[str] | None:
    """The arguments of a process without its program; None where it is no engine.

    A process ID that was kept over a crash or a reboot may be another program's by now.

    Args:
        command: the process's ``cmdline``.
    """
    program, *words = command.decode("utf-8", "replace").rstrip("\0").split("\0")
    return words if program.rpartition("/")[2] == "dockerd" else None


def parse(arguments: Sequence[str]) -> dict[str, Any]:
    """Keys of ``daemon.json``.

    Args:
        arguments: of the process, without its program.
    """
    config: dict[str, Any] = {}
    left = list(arguments)
    while left:
        name, value = _flag(left.pop(0))
        if not name:
            continue
        if value is None:
            value = "true" if name in _SWITCHES or not left or left[0].startswith("-") else left.pop(0)
        if name in _LISTS:
            config.setdefault(_LISTS[name], []).append(value)
        elif name in _MAPPINGS:
            key, _equals, inner = value.partition("=")
            config.setdefault(_MAPPINGS[name], {})[key] = inner
        else:
            config[name] = value == "true" if value in ("true", "false") else value
    return config


def _flag(word: str) -> tuple[str, str | None]:
    """A flag's long name, and its value where it is in the same word; an empty name for what is no flag."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return name, value if equals else None
    if word[:2] in _SHORT:
        rest = word[2:].lstrip("=")
        return _SHORT[word[:2]], rest or None
    return "", None


def effective(file: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, Any]:
    """The file's keys and those of the arguments."""
    return {**file, **parse(arguments)}
