# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``docker stack config`` drops from a stack file without a word, so that only the file as written still has it.

Its schemas (docker/cli: cli/compose/schema/data) let some mappings have any key, its reader takes those that it knows,
and its short forms lose what they can't hold (cli/compose/loader). What the engine can do all the same is put back;
the rest is a problem.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .references import mapping, section, sequence

Tree = Mapping[str, Any]

PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")
"""How mounts below a bind mount spread, as the engine knows it."""

_FILE_KEYS = ("source", "target", "uid", "gid", "mode")
_MOUNT_KEYS: Mapping[str, tuple[str, ...]] = {
    "bind": ("propagation",),
    "volume": ("nocopy", "subpath"),
    "tmpfs": ("size",),
}
_SHORT_OPTIONS = ("ro", "rw", "nocopy", *PROPAGATIONS)
# A path of Windows begins with a letter and a colon, which separates nothing.
_PATH = r"(?:[a-zA-Z]:[^:]*|[^:]{2,}|[^a-zA-Z:])"
_SHORT_VOLUME = re.compile("%s:%s:(.*)" % (_PATH, _PATH), re.DOTALL)
_INTEGER = re.compile(r"[-+]?[0-9]+")


def problems(tree: Tree) -> Iterator[str]:
    """One sentence for each thing that would be lost, naming the key and the mend.

    Args:
        tree: one stack file as parsed, its variables replaced.
    """
    for service, entry in section(tree, "services").items():
        for problem in _service(mapping(entry)):
            yield "services.%s.%s" % (service, problem)


def _service(entry: Tree) -> Iterator[str]:
    for kind in ("secrets", "configs"):
        for position, used in enumerate(sequence(entry.get(kind))):
            yield from _unknown("%s[%d]" % (kind, position), used, _FILE_KEYS)
    for position, volume in enumerate(sequence(entry.get("volumes"))):
        where = "volumes[%d]" % position
        for option, known in _MOUNT_KEYS.items():
            yield from _unknown("%s.%s" % (where, option), mapping(volume).get(option), known)
        if isinstance(volume, str):
            yield from _short_volume(where, volume)
    for position, port in enumerate(sequence(entry.get("ports"))):
        if isinstance(port, str) and _address(port):
            yield (
                "ports[%d]: docker stack deploy drops %s and listens on every address of the node: leave it out, and "
                "let a firewall decide who gets there" % (position, _address(port))
            )
    yield from _hosts(entry.get("extra_hosts"))
    score = entry.get("oom_score_adj")
    if score is not None and not _INTEGER.fullmatch(str(score)):
        yield "oom_score_adj: %s is no whole number" % score


def _unknown(where: str, entry: Any, known: Sequence[str]) -> Iterator[str]:
    for key in mapping(entry):
        # The CLI's reader does not look at the case of a key.
        if str(key).lower() not in known and not str(key).startswith("x-"):
            yield "%s.%s is ignored by docker stack deploy, which knows %s there: remove it" % (
                where,
                key,
                " and ".join([", ".join(known[:-1]), known[-1]] if known[1:] else known),
            )


def _short_volume(where: str, volume: str) -> Iterator[str]:
    parts = _SHORT_VOLUME.fullmatch(volume)
    for option in parts.group(1).split(",") if parts else ():
        if option not in _SHORT_OPTIONS:
            yield "%s: the option %s of %s is ignored by docker stack deploy, which knows %s: remove it" % (
                where,
                option or '""',
                volume,
                ", ".join(_SHORT_OPTIONS),
            )


def _address(port: str) -> str:
    """The node's address in a port's short form; empty for none, and for the one that stands for all of them."""
    address = port.rpartition(":")[0].rpartition(":")[0].strip("[]")
    try:
        return "" if ipaddress.ip_address(address).is_unspecified else address
    except ValueError:
        # The CLI refuses what is no address.
        return ""


def _hosts(hosts: Any) -> Iterator[str]:
    entries = [(str(name), value) for name, value in mapping(hosts).items()]
    lost = [name for name, value in entries if value is None]
    lost += [str(entry) for entry in sequence(hosts) if "=" not in str(entry) and ":" not in str(entry)]
    for name in lost:
        yield "extra_hosts: %s has no address, so docker stack deploy drops it: write %s:ADDRESS" % (name, name)


def restored(tree: Tree, files: Sequence[Tree]) -> dict[str, Any]:
    """The normal form with what the engine can do of what it lost: ``oom_score_adj``, which no CLI reads, and a
    volume's ``subpath``, which those before 28.0 don't.

    Args:
        tree: the normal form.
        files: the stack files as parsed, in their order, their variables replaced; ``problems`` finds nothing in them.
    """
    services = {}
    for key, entry in section(tree, "services").items():
        written = [mapping(section(file, "services").get(key)) for file in files]
        services[key] = _restored(mapping(entry), written)
    return {**tree, "services": services}


def _restored(entry: Tree, written: Sequence[Tree]) -> dict[str, Any]:
    result = dict(entry)
    subpaths = {}
    for one in written:
        if one.get("oom_score_adj") is not None:
            result["oom_score_adj"] = int(one["oom_score_adj"])
        for volume in map(mapping, sequence(one.get("volumes"))):
            subpaths[volume.get("target")] = mapping(volume.get("volume")).get("subpath")
    if any(subpaths.values()):
        result["volumes"] = [_with_subpath(mapping(volume), subpaths) for volume in sequence(entry.get("volumes"))]
    return result


def _with_subpath(volume: Tree, subpaths: Mapping[Any, Any]) -> Tree:
    subpath = subpaths.get(volume.get("target"))
    return {**volume, "volume": {**mapping(volume.get("volume")), "subpath": subpath}} if subpath else volume
