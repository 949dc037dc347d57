# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Items that somebody has accepted, each with his reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DeclarationError
from .catalogue import BY_ID
from .model import HOST


@dataclass(frozen=True)
class Waiver:
    """Accepts what a check found.

    Attributes:
        id: the check's.
        reason: why.
        host: the one host that it is for; empty = every host, and the swarm.
    """

    id: str
    reason: str
    host: str = ""

    def covers(self, check_id: str, host: str) -> bool:
        return self.id == check_id and self.host in ("", host)

    def __str__(self) -> str:
        return "%s on %s" % (self.id, self.host) if self.host else self.id


def parse(declared: Sequence[Mapping[str, Any]], hosts: Collection[str]) -> list[Waiver]:
    """The declared waivers.

    Args:
        declared: ``[{"id", "reason", "host"}]``; the host may be left out.
        hosts: inventory names that there are.

    Raises:
        DeclarationError: all that is wrong with them.
    """
    waivers: list[Waiver] = []
    problems: list[str] = []
    for number, entry in enumerate(declared, 1):
        waiver = Waiver(*(str(entry.get(key) or "").strip() for key in ("id", "reason", "host")))
        where = "swarm_audit_waivers, entry %d (%s)" % (number, waiver.id or "no id")
        problems += ["%s: %s" % (where, said) for said in _problems(entry, waiver, hosts)]
        if any(other.covers(waiver.id, waiver.host) or waiver.covers(other.id, other.host) for other in waivers):
            problems.append("%s: another entry waives it already" % where)
        waivers.append(waiver)
    if problems:
        raise DeclarationError(*problems)
    return waivers


def _problems(entry: Mapping[str, Any], waiver: Waiver, hosts: Collection[str]) -> list[str]:
    found = [
        "%s is no key of a waiver: id, reason and host are" % key
        for key in entry
        if key not in ("id", "reason", "host")
    ]
    check = BY_ID.get(waiver.id)
    if check is None:
        found.append("there is no such check")
    elif waiver.host and check.scope != HOST:
        found.append("the check is of the swarm as a whole: take host out")
    if not waiver.reason:
        found.append("say a reason")
    if waiver.host and waiver.host not in hosts:
        found.append("there is no host %s" % waiver.host)
    return found
