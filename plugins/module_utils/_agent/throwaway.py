# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container of a service's own image in which a database is restored, asked and thrown away.

It has no network, no capability, and a volume of its own that goes with it. Nothing is pulled: the image is on the node
where the service runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from .._engine.client import Json
from .._host import command
from .._host.errors import HostError
from .._host.restic import Restic
from . import store

LABEL = "flotilla.swarm.throwaway"
PLACE = "/flotilla"
"""Where its volume is."""
DEADLINE = 600.0
"""Seconds for one command in it that moves no data of the backup."""


@dataclass(frozen=True)
class Throwaway:
    """A container that runs; ``image`` is for sentences."""

    container: str
    image: str

    def argv(self, *words: str) -> list[str]:
        """A command that feeds what it is given into a command in the container."""
        return ["docker", "exec", "--interactive", self.container, *words]

    def try_run(self, *words: str) -> tuple[int, str, str]:
        """Status, output and errors of a command in the container."""
        return command.run(["docker", "exec", self.container, *words], DEADLINE)

    def run(self, *words: str) -> str:
        """The output of a command in the container.

        Raises:
            HostError: it failed.
        """
        what = "in a container of %s that was made to restore into" % self.image
        return command.demand(["docker", "exec", self.container, *words], what, DEADLINE)

    def needs(self, *programs: str) -> None:
        """See that the image has these programs.

        Raises:
            HostError: one is missing.
        """
        for program in programs:
            code, _out, _err = self.try_run("sh", "-c", 'command -v "$1"', "sh", program)
            if code != 0:
                raise HostError(
                    "the image %s has no %s, so nothing can be restored with it: use one that has the database's own "
                    "tools" % (self.image, program)
                )

    def receive(self, restic: Restic, snapshot: str, path: str) -> str:
        """Put one file of a snapshot into the container; where it is there."""
        there = PLACE + path
        restic.dump_to(snapshot, path, self.argv("sh", "-c", 'cat >"$1"', "sh", there))
        return there


@contextlib.contextmanager
def throwaway(container: Json, user: str, network: str = "none") -> Iterator[Throwaway]:
    """A container like another one, but for what that runs; removed with its volume at the end.

    Args:
        container: the engine's JSON of the other one.
        user: who runs in it where the other one does not say, or says root.
        network: as ``docker run`` has it.

    Raises:
        HostError: it can't be made.
    """
    _sweep()
    # It ends by itself, should whoever made it be killed; and not before nobody can be at work in it any more.
    lifetime = store.settings().limit
    image = str((container.get("Config") or {}).get("Image") or container["Image"])
    made = command.demand(
        [
            *("docker", "run", "--detach", "--rm", "--pull", "never", "--label", "%s=1" % LABEL),
            *("--network", network, "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "512"),
            # Where memory runs out, it goes first, and not what it is to help.
            *("--oom-score-adj", "1000"),
            *("--user", _user(container) or user, "--volume", PLACE, "--workdir", PLACE),
            # Its own entry point would begin to fill a database.
            *("--entrypoint", "sleep", str(container["Image"]), str(lifetime)),
        ],
        "a container of %s to restore into can't be made" % image,
        DEADLINE,
    ).strip()
    try:
        # The volume is root's; whoever runs in the container has to write into it.
        command.demand(["docker", "exec", "--user", "0", made, "chmod", "1777", PLACE], "its volume can't be opened")
        yield Throwaway(made, image)
    finally:
        _remove(made)


def _user(container: Json) -> str:
    """Who runs in a container, if that is not root."""
    user = str((container.get("Config") or {}).get("User") or "")
    return "" if user.partition(":")[0] in ("", "0", "root") else user


def _sweep() -> None:
    """Remove what a verification left behind that was killed. Only one runs at a time."""
    found = command.demand(
        ["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter", "label=%s" % LABEL], "containers can't be listed"
    )
    for container in found.split():
        _remove(container)


def _remove(container: str) -> None:
    code, _out, err = command.run(["docker", "rm", "--force", "--volumes", container], DEADLINE)
    # The engine may be removing it already, by --rm.
    if code != 0 and not any(text in err for text in ("already in progress", "No such container")):
        raise HostError("%s can't be removed: %s: remove it by hand" % (container, err.strip()))
