# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that are to run, and those that have not taken in the files that they read.

No times are compared: a clock that is corrected would make a service older than its files for ever, or never. What a
service has taken in is noted once it has, as one version of each of its files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DeclarationError
from ..plan import UPDATE, Difference, Plan, Step

KIND = "service"

RELOAD = "reload"
RESTART = "restart"


@dataclass(frozen=True)
class Unit:
    """One declared unit of systemd.

    Attributes:
        name: with its suffix.
        concern: what it belongs to.
        running: whether it is to run; None = not managed.
        enabled: whether it is to start at boot; None = not managed.
        configuration: files that it reads when it starts or reloads.
        on_change: how it takes in a changed configuration: ``reload`` or ``restart``.
        command: what loads the configuration in place of that.
        optional: a host without the unit is fine.
    """

    name: str
    concern: str = ""
    running: bool | None = None
    enabled: bool | None = None
    configuration: tuple[str, ...] = ()
    on_change: str = RESTART
    command: tuple[str, ...] = ()
    optional: bool = False


@dataclass(frozen=True)
class Found:
    """A unit as it is.

    Attributes:
        installed: systemd knows it.
        masked: somebody forbade it, which stays so.
        running, enabled: as they are.
    """

    installed: bool = True
    masked: bool = False
    running: bool = False
    enabled: bool = False


def parse(items: Sequence[Mapping[str, Any]]) -> list[Unit]:
    """The declared units in their order.

    Raises:
        DeclarationError: names every one that is declared twice.
    """
    units: list[Unit] = []
    problems: list[str] = []
    for item in items:
        name = str(item["name"])
        unit = Unit(
            name=name if "." in name else name + ".service",
            concern=str(item.get("concern") or ""),
            running=item.get("running"),
            enabled=item.get("enabled"),
            configuration=tuple(str(path) for path in item.get("configuration") or ()),
            on_change=str(item.get("on_change") or RESTART),
            command=tuple(str(word) for word in item.get("command") or ()),
            optional=bool(item.get("optional")),
        )
        if unit.name in {other.name for other in units}:
            problems.append("the service %s is declared twice" % unit.name)
        units.append(unit)
    if problems:
        raise DeclarationError(*problems)
    return units


def plan(
    units: Sequence[Unit],
    found: Mapping[str, Found],
    versions: Mapping[str, str],
    taken_in: Mapping[str, Mapping[str, str]],
    changed: Collection[str] = (),
    *,
    rehearsal: bool = False,
) -> Plan:
    """What must be done so that the services run as declared, with the configuration that their files hold.

    A payload holds ``verbs``: what to tell systemd, in order; ``command`` where one loads the configuration; and
    ``takes_in``: path → version of each file that the unit has taken in then, None when it takes none in.

    Args:
        units: the declared ones.
        found: name → how it is.
        versions: path → what tells one version of a file from another; a file that is not there is left out.
        taken_in: name → the versions of its files that the unit has taken in, as far as that was noted.
        changed: paths that this run has changed, or in check mode would.
        rehearsal: in check mode a unit that is not installed yet is taken for one that will be.

    Raises:
        DeclarationError: a unit that is not optional is not installed.
    """
    missing = [u.name for u in units if not found[u.name].installed and not u.optional]
    if missing and not rehearsal:
        raise DeclarationError(
            *["the service %s is not installed: install its package, or switch its concern off" % m for m in missing]
        )
    steps = []
    for unit in units:
        if _managed(unit, found[unit.name], rehearsal):
            now = {path: versions[path] for path in unit.configuration if path in versions}
            older = now != taken_in.get(unit.name, {}) or any(path in changed for path in unit.configuration)
            steps.append(_step(unit, found[unit.name], now, older=older))
    return Plan(tuple(step for step in steps if step is not None))


def _managed(unit: Unit, found: Found, rehearsal: bool) -> bool:
    if found.masked:
        return False
    return found.installed or (rehearsal and not unit.optional)


def left_out(units: Sequence[Unit], found: Mapping[str, Found]) -> list[dict[str, str]]:
    """Units that are left as they are, and why."""
    reasons = []
    for unit in units:
        if found[unit.name].masked:
            reasons.append({"name": unit.name, "concern": unit.concern, "reason": "it is masked"})
        elif not found[unit.name].installed and unit.optional:
            reasons.append({"name": unit.name, "concern": unit.concern, "reason": "it is not installed"})
    return reasons


def _step(unit: Unit, found: Found, files: Mapping[str, str], *, older: bool) -> Step | None:
    """What must be done with one unit. ``older``: it has not taken in its files as they are now (``files``)."""
    differences: list[Difference] = []
    verbs: list[str] = []
    command: tuple[str, ...] = ()
    if unit.enabled is not None and unit.enabled != found.enabled:
        differences.append(Difference("enabled", found.enabled, unit.enabled))
        verbs.append("enable" if unit.enabled else "disable")
    if unit.running is not None and unit.running != found.running:
        differences.append(Difference("running", found.running, unit.running))
        verbs.append("start" if unit.running else "stop")
    runs = found.running if unit.running is None else unit.running
    if runs and older and (unit.command or found.running):
        differences.append(Difference("configuration", "older than its files", "taken in"))
        command = unit.command
        verbs += [] if command else [unit.on_change]
    if not verbs and not command:
        return None
    payload = {"verbs": verbs, "command": list(command), "takes_in": dict(files) if runs and older else None}
    return Step(UPDATE, KIND, unit.name, tuple(differences), payload)
