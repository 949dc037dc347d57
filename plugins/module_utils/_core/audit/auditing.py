# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the kernel's audit watches the engine's files: section 1.1 of the benchmark.

Facts: ``audit_rules`` (the lines of ``auditctl -l``: the rules that are loaded, not those in files) and ``watched``
(path to where it really is, for a directory on its way may be a link; null where nothing is).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .model import HOST, Check, Facts, Finding, failed, not_applicable, passed

# Fields that leave a rule as wide as its path; others (who, from where, with what success) make it see less.
_HARMLESS = frozenset(("path", "dir", "perm", "key", "arch"))
_ALL_CALLS = ("all", "-1")
_UNITS = ("/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system")
_PROGRAMS = ("/usr/bin", "/usr/sbin")


@dataclass(frozen=True)
class Watched:
    """What the benchmark wants watched: its number, the name it has there, and where it may be."""

    id: str
    what: str
    paths: tuple[str, ...]


WATCHED = (
    Watched("1.1.3", "the Docker daemon", tuple(each + "/dockerd" for each in _PROGRAMS)),
    Watched("1.1.4", "/run/containerd", ("/run/containerd",)),
    Watched("1.1.5", "/var/lib/docker", ("/var/lib/docker",)),
    Watched("1.1.6", "/etc/docker", ("/etc/docker",)),
    Watched("1.1.7", "docker.service", tuple(unit + "/docker.service" for unit in _UNITS)),
    Watched("1.1.8", "containerd.sock", ("/run/containerd/containerd.sock",)),
    Watched("1.1.9", "docker.socket", tuple(unit + "/docker.socket" for unit in _UNITS)),
    Watched("1.1.10", "/etc/default/docker", ("/etc/default/docker",)),
    Watched("1.1.11", "/etc/docker/daemon.json", ("/etc/docker/daemon.json",)),
    Watched("1.1.12", "/etc/containerd/config.toml", ("/etc/containerd/config.toml",)),
    Watched("1.1.13", "/etc/sysconfig/docker", ("/etc/sysconfig/docker",)),
    Watched("1.1.14", "/usr/bin/containerd", ("/usr/bin/containerd", "/usr/sbin/containerd")),
    Watched("1.1.15", "/usr/bin/containerd-shim", ("/usr/bin/containerd-shim",)),
    Watched("1.1.16", "/usr/bin/containerd-shim-runc-v1", ("/usr/bin/containerd-shim-runc-v1",)),
    Watched("1.1.17", "/usr/bin/containerd-shim-runc-v2", ("/usr/bin/containerd-shim-runc-v2",)),
    Watched("1.1.18", "/usr/bin/runc", ("/usr/bin/runc", "/usr/sbin/runc")),
)

PATHS = tuple(path for watched in WATCHED for path in watched.paths)
"""What must be looked at."""


def watches(rules: Iterable[str]) -> tuple[list[str], list[str]]:
    """The paths that rules watch: those that are watched with all that is below, and those that are watched alone.

    ``-w PATH`` of a directory and ``-F dir=PATH`` reach below; ``-F path=PATH`` does not. Only a rule counts that
    records (``always,exit``) every write and every change of attributes, whoever does it (auditctl(8)).
    """
    deep: list[str] = []
    alone: list[str] = []
    for line in rules:
        kind, path = _watch(line)
        if path:
            (alone if kind == "path" else deep).append(path.rstrip("/") or "/")
    return deep, alone


def _watch(line: str) -> tuple[str, str]:
    """What a rule watches: ``dir`` or ``path``, and the path; an empty path for a rule that does not count."""
    words = line.split()
    options = list(zip(words, words[1:]))
    fields = dict(value.split("=", 1) for option, value in options if option == "-F" and "=" in value)
    given = dict(options)
    calls = [value for option, value in options if option == "-S"]
    narrow = "-C" in given or any(
        option == "-F" and value.split("=", 1)[0] not in _HARMLESS for option, value in options
    )
    # Without permissions `-w` means all of them; so does a rule, then of all calls.
    wanted = set(given.get("-p") or fields.get("perm") or "wa") >= {"w", "a"}
    if narrow or not wanted or not set(calls) <= set(_ALL_CALLS):
        return "", ""
    if "-w" in given:
        return "dir", given["-w"]
    if set(given.get("-a", "").split(",")) != {"always", "exit"}:
        return "", ""
    kind = "path" if "path" in fields else "dir"
    return kind, fields.get(kind, "")


def _alike(path: str) -> set[str]:
    """A path and the other spelling of it on a merged system: ``/lib`` is ``/usr/lib``, ``/var/run`` is ``/run``."""
    spellings = {path}
    for one, other in (("/usr/lib/", "/lib/"), ("/run/", "/var/run/")):
        for long, short in ((one, other), (other, one)):
            if path.startswith(long):
                spellings.add(short + path[len(long) :])
    return spellings


def _covered(path: str, deep: Sequence[str], alone: Sequence[str]) -> bool:
    """Whether a path is watched. Of a socket the name is what counts, and its directory's watch sees that replaced."""
    for one in _alike(path):
        if one in alone or any(each == one or one.startswith(each + "/") for each in deep):
            return True
        if one.endswith(".sock") and one.rpartition("/")[0] in alone:
            return True
    return False


def _evaluate(item: Watched, facts: Facts) -> Finding:
    there = facts.get("watched")
    # Names of one file are watched as soon as one of them is.
    names: dict[str, set[str]] = {}
    for path in item.paths:
        if there[path]:
            names.setdefault(there[path], {there[path]}).add(path)
    if not names:
        return not_applicable("there is no %s" % " or ".join(item.paths))
    deep, alone = watches(facts.get("audit_rules"))
    bare = [real for real, spelled in names.items() if not any(_covered(each, deep, alone) for each in spelled)]
    if bare:
        return failed("no loaded rule watches every change of %s" % ", ".join(bare))
    return passed("watched: %s" % ", ".join(names))


def _check(item: Watched) -> Check:
    daemon = item.id == "1.1.3"
    title = "the Docker daemon" if daemon else "Docker files and directories - " + item.what
    return Check(
        "cis-" + item.id,
        "Ensure auditing is configured for " + title,
        HOST,
        lambda facts: _evaluate(item, facts),
        "the role node_hardening writes the rules (auditd)",
    )


CHECKS = tuple(_check(item) for item in WATCHED)
