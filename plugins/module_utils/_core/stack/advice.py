# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What in a service is most likely not what its author means: no reason not to deploy it, but to say so.

Each is a mistake that was seen in stacks, and that no tool reports: the engine takes the service, and it does not
start, does not do what it looks like, or hands out more than it should.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..plan import Step
from . import changes
from .changes import Change
from .references import mapping, sequence

Json = Mapping[str, Any]

_SHELLS = ("sh", "ash", "bash", "dash", "ksh", "zsh", "busybox")
_SECRET = re.compile(r"/run/secrets/([A-Za-z0-9_.-]*[A-Za-z0-9_-])")
_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
_TRAEFIK = re.compile(r"(?:^|/)traefik(?::(?:v?(\d+))?[^/]*)?$")
_ACME = re.compile(r"--certificatesresolvers\.([^.=]+)\.acme\.([a-z.]+)", re.IGNORECASE)
_CHALLENGES = ("httpchallenge", "tlschallenge", "dnschallenge")


def warnings(steps: Sequence[Step]) -> list[str]:
    """One sentence for each thing in the services that a plan creates or updates, naming the key and the mend."""
    found = []
    for change in changes.of(steps):
        for check in (_latest, _unread_secrets, _no_shell, _socket, _traefik):
            found += ["%s.%s" % (change.where, text) for text in check(change)]
    return found


def idle(steps: Sequence[Step], nodes: Sequence[Json]) -> list[str]:
    """One sentence for each global service in a plan that no node takes: it is complete with 0 of 0 tasks."""
    return [
        "%s.deploy.placement.constraints: no node takes its tasks now, so the global service has none: label a node "
        "(swarm_nodes), or change the constraints" % change.where
        for change in changes.of(steps)
        if change.is_global and not change.eligible(nodes)
    ]


def _container(change: Change) -> Json:
    return mapping(mapping(change.after.get("TaskTemplate")).get("ContainerSpec"))


def _words(change: Change) -> list[tuple[str, str]]:
    """The words of what is run, each with its key."""
    container = _container(change)
    return [
        (key, str(word))
        for key, name in (("entrypoint", "Command"), ("command", "Args"))
        for word in sequence(container.get(name))
    ]


def _image(change: Change) -> str:
    return str(_container(change).get("Image") or "")


def _latest(change: Change) -> Iterator[str]:
    name, _at, _digest = _image(change).partition("@")
    if name.endswith(":latest"):
        yield (
            "image: %s is another image tomorrow, and a rollback can't tell them apart by their names: name a version"
            % name
        )


def _unread_secrets(change: Change) -> Iterator[str]:
    container = _container(change)
    given = {
        posixpath.basename(str(mapping(one.get("File")).get("Name")))
        for kind in ("Secrets", "Configs")
        for one in map(mapping, sequence(container.get(kind)))
    }
    mounted = [str(mapping(mount).get("Target") or "") for mount in sequence(container.get("Mounts"))]
    if any("/run/secrets".startswith(target) or target.startswith("/run/secrets") for target in mounted if target):
        return
    read = {
        "environment": [str(word) for word in sequence(container.get("Env"))],
        "healthcheck.test": [str(word) for word in sequence(mapping(container.get("Healthcheck")).get("Test"))],
    }
    for key, word in _words(change):
        read.setdefault(key, []).append(word)
    told = set()
    for key, words in read.items():
        for name in [name for word in words for name in _SECRET.findall(word)]:
            if name not in given and name not in told:
                told.add(name)
                yield "%s reads /run/secrets/%s, which the service does not get: add %s to its secrets" % (
                    key,
                    name,
                    name,
                )


def _no_shell(change: Change) -> Iterator[str]:
    words = _words(change)
    if any(posixpath.basename(word) in (*_SHELLS, "-c") for _key, word in words):
        return
    for key, word in words:
        if "$(" in word:
            yield (
                "%s: no shell reads %s, so the program gets it as it is written: run it with [sh, -c, '…'], or let the "
                "program read a file itself" % (key, word)
            )
            return


def _socket(change: Change) -> Iterator[str]:
    for mount in map(mapping, sequence(_container(change).get("Mounts"))):
        if mount.get("Type") == "bind" and str(mount.get("Source")) in _SOCKETS:
            yield (
                "volumes: %s hands the engine over to the service, and on a manager the whole swarm (read_only makes "
                "no difference): do without it, or put a proxy before it that lets only reading requests pass"
                % mount["Source"]
            )


def _traefik(change: Change) -> Iterator[str]:
    match = _TRAEFIK.search(_image(change).partition("@")[0])
    if match is None:
        return
    options = [word for key, word in _words(change) if key == "command"]
    for option in options:
        if option.lower().startswith("--providers.docker.swarmmode") and match.group(1) not in (None, "1", "2"):
            yield "command: Traefik %s doesn't know %s, and doesn't start: write --providers.swarm" % (
                match.group(1),
                option,
            )
    resolvers: dict[str, set[str]] = {}
    for option in options:
        for name, setting in _ACME.findall(option):
            resolvers.setdefault(name, set()).add(setting.lower())
    for name, settings in resolvers.items():
        lacking = [one for one in ("email", "storage") if one not in settings]
        if not any(setting.startswith(_CHALLENGES) for setting in settings):
            lacking.append("httpchallenge")
        if "httpchallenge" in settings | {one.partition(".")[0] for one in settings}:
            lacking += ["httpchallenge.entrypoint"] if "httpchallenge.entrypoint" not in settings else []
        if lacking:
            yield (
                "command: no certificate is asked for, or kept, without --certificatesresolvers.%s.acme.%s: add %s"
                % (
                    name,
                    lacking[0],
                    "it" if len(lacking) == 1 else "it, and %s" % ", ".join(lacking[1:]),
                )
            )
