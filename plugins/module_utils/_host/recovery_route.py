# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads, reads and removes the one table that leads a manager's old address to its new one."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from .._core.recovery import route
from . import command
from .errors import HostError


def live() -> list[route.Route]:
    """The routes that are loaded; none where there is no such table, or no nft that could have loaded one.

    Raises:
        HostError: it can't be read.
    """
    if command.find("nft") is None:
        return []
    return [found for family in route.FAMILIES for found in route.parse(_listing(family))]


def _listing(family: str) -> str:
    code, out, err = command.run(["nft", "--numeric", "--stateless", "list", "table", *route.table(family).split()])
    if code == 0:
        return out
    if "No such file or directory" in err:
        return ""
    raise HostError("the table %s can't be read: %s" % (route.table(family), (err or out).strip()))


def load(routes: Sequence[route.Route]) -> None:
    """Have these routes and no others; no table is left for none.

    Raises:
        HostError: nft does not take them, and nothing was changed.
    """
    with tempfile.TemporaryDirectory(prefix="flotilla-recovery-") as directory:
        path = Path(directory) / "recovery.nft"
        path.write_text(route.render(routes), encoding="utf-8")
        command.demand(["nft", "--file", str(path)], "nft refuses the routes, and nothing was changed")
