# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners and modes of the engine's files: section 3 of the benchmark.

Facts: ``files``, path to ``{"owner", "group", "mode"}`` (names, and an int), or null for a path where nothing is;
``registry_certificates``, the same of the certificates below ``/etc/docker/certs.d``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .model import HOST, Check, Facts, Finding, failed, not_applicable, passed, verdict

_UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_MEND = "the role node_hardening sets it"


@dataclass(frozen=True)
class Guarded:
    """A file with the benchmark's numbers for its owner and its mode.

    Attributes:
        owner_id, mode_id: the numbers, without ``cis-``.
        what: what the benchmark calls it.
        paths: where it may be; those that are there are judged.
        mode: the most that it may have.
        group: the group that it must have.
    """

    owner_id: str
    mode_id: str
    what: str
    paths: tuple[str, ...]
    mode: int
    group: str = "root"


GUARDED = (
    Guarded("3.1", "3.2", "docker.service file", tuple(unit + "/docker.service" for unit in _UNITS), 0o644),
    Guarded("3.3", "3.4", "docker.socket file", tuple(unit + "/docker.socket" for unit in _UNITS), 0o644),
    Guarded("3.5", "3.6", "/etc/docker directory", ("/etc/docker",), 0o755),
    Guarded("3.15", "3.16", "Docker socket file", ("/run/docker.sock",), 0o660, "docker"),
    Guarded("3.17", "3.18", "daemon.json file", ("/etc/docker/daemon.json",), 0o644),
    Guarded("3.19", "3.20", "/etc/default/docker file", ("/etc/default/docker",), 0o644),
    Guarded("3.22", "3.21", "/etc/sysconfig/docker file", ("/etc/sysconfig/docker",), 0o644),
    Guarded("3.23", "3.24", "Containerd socket file", ("/run/containerd/containerd.sock",), 0o660),
)

PATHS = tuple(path for guarded in GUARDED for path in guarded.paths)
"""What must be looked at."""

# Files that the configuration names: the key, the numbers for owner and mode, what it is, and the most it may have.
_KEYS = (
    ("tlscacert", "3.9", "3.10", "TLS CA certificate file", 0o444),
    ("tlscert", "3.11", "3.12", "Docker server certificate file", 0o444),
    ("tlskey", "3.13", "3.14", "Docker server certificate key file", 0o400),
)


def paths_of(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """The files that a configuration names, to be looked at too."""
    return tuple(str(configuration[key]) for key, *_rest in _KEYS if configuration.get(key))


def _there(facts: Facts, paths: Sequence[str]) -> dict[str, Any]:
    files = facts.get("files")
    return {path: files[path] for path in paths if files[path] is not None}


def _owned(facts: Facts, paths: Sequence[str], group: str) -> Finding:
    seen = _there(facts, paths)
    if not seen:
        return not_applicable("there is no %s" % " or ".join(paths))
    said = {path: "%s is %s:%s" % (path, file["owner"], file["group"]) for path, file in seen.items()}
    bad = [said[path] for path, file in seen.items() if (file["owner"], file["group"]) != ("root", group)]
    return verdict(bad, "; ".join(said.values()))


def _moded(facts: Facts, paths: Sequence[str], most: int) -> Finding:
    seen = _there(facts, paths)
    if not seen:
        return not_applicable("there is no %s" % " or ".join(paths))
    said = {path: "%s has mode %04o" % (path, file["mode"]) for path, file in seen.items()}
    return verdict([said[path] for path, file in seen.items() if file["mode"] & ~most], "; ".join(said.values()))


def _guards(guarded: Guarded) -> tuple[Check, Check]:
    owner = "root:%s" % guarded.group
    return (
        Check(
            "cis-" + guarded.owner_id,
            "Ensure that the %s ownership is set to %s" % (guarded.what, owner),
            HOST,
            lambda facts: _owned(facts, guarded.paths, guarded.group),
            _MEND,
        ),
        Check(
            "cis-" + guarded.mode_id,
            "Ensure that the %s permissions are set to %o or more restrictively" % (guarded.what, guarded.mode),
            HOST,
            lambda facts: _moded(facts, guarded.paths, guarded.mode),
            _MEND,
        ),
    )


def _named(key: str, facts: Facts) -> tuple[str, ...]:
    path = facts.get("configuration").get(key)
    return (str(path),) if path else ()


def _named_owned(key: str, facts: Facts) -> Finding:
    paths = _named(key, facts)
    return _owned(facts, paths, "root") if paths else not_applicable("%s is not set" % key)


def _named_moded(key: str, facts: Facts, most: int) -> Finding:
    paths = _named(key, facts)
    return _moded(facts, paths, most) if paths else not_applicable("%s is not set" % key)


def _keyed(key: str, owner_id: str, mode_id: str, what: str, most: int) -> tuple[Check, Check]:
    mend = "chown root:root and chmod %04o the file that %s names" % (most, key)
    return (
        Check(
            "cis-" + owner_id,
            "Ensure that the %s ownership is set to root:root" % what,
            HOST,
            lambda facts: _named_owned(key, facts),
            mend,
        ),
        Check(
            "cis-" + mode_id,
            "Ensure that the %s permissions are set to %o or more restrictively" % (what, most),
            HOST,
            lambda facts: _named_moded(key, facts, most),
            mend,
        ),
    )


def _registry_owned(facts: Facts) -> Finding:
    found = facts.get("registry_certificates")
    bad = ["%s is %s:%s" % (path, file["owner"], file["group"]) for path, file in found.items() if not _is_roots(file)]
    return verdict(bad, "%d certificates" % len(found)) if found else not_applicable("no registry has one here")


def _is_roots(file: Mapping[str, Any]) -> bool:
    return (file["owner"], file["group"]) == ("root", "root")


def _registry_moded(facts: Facts) -> Finding:
    found = facts.get("registry_certificates")
    bad = ["%s has mode %04o" % (path, file["mode"]) for path, file in found.items() if file["mode"] & ~0o444]
    return verdict(bad, "%d certificates" % len(found)) if found else not_applicable("no registry has one here")


def _trusted_users(facts: Facts) -> Finding:
    members = sorted(set(facts.get("docker_group")) - {"root"} - set(facts.get("trusted_users")))
    if members:
        return failed("root by way of the group docker: %s" % ", ".join(members))
    return passed("the group docker has nobody but root and who is trusted")


CHECKS = (
    Check(
        "cis-1.1.2",
        "Ensure only trusted users are allowed to control Docker daemon",
        HOST,
        _trusted_users,
        "take them out of the group docker, or name them in swarm_audit_trusted_users",
    ),
    *(check for guarded in GUARDED for check in _guards(guarded)),
    Check(
        "cis-3.7", "Ensure that registry certificate file ownership is set to root:root", HOST, _registry_owned, _MEND
    ),
    Check(
        "cis-3.8",
        "Ensure that registry certificate file permissions are set to 444 or more restrictively",
        HOST,
        _registry_moded,
        _MEND,
    ),
    *(check for key, owner_id, mode_id, what, most in _KEYS for check in _keyed(key, owner_id, mode_id, what, most)),
)
