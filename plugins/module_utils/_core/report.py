# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot as text for people: tables of nodes and services, and where the stacks answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import verdict

Json = Mapping[str, Any]


def lines(snapshot: Json, stacks: Sequence[Json] = ()) -> list[str]:
    """The report, a line an entry.

    Args:
        snapshot: as ``snapshot.take`` gives it.
        stacks: declared stacks; those with a ``url`` are named with it.
    """
    quorum = snapshot["quorum"]
    report = [
        "swarm %s: %d of %d managers reachable, leader %s, %d more may fail"
        % (
            snapshot["cluster"]["id"],
            quorum["reachable"],
            quorum["managers"],
            quorum["leader"] or "none",
            quorum["tolerates"],
        ),
        "",
    ]
    running = snapshot["tasks"]["running_by_node"]
    report += table(
        ("NODE", "ROLE", "STATE", "AVAILABILITY", "ENGINE", "TASKS", "LABELS"),
        (
            (
                node["name"],
                "leader" if node["leader"] else node["role"],
                node["reachability"] or node["state"],
                node["availability"],
                node["engine_version"],
                running.get(node["name"], 0),
                " ".join("%s=%s" % label for label in sorted(node["labels"].items())),
            )
            for node in snapshot["nodes"]
        ),
    )
    report.append("")
    report += table(
        ("SERVICE", "RUNNING", "STATE", "IMAGE", "PORTS", "REASON"),
        (
            (
                service["name"],
                "%s/%s" % (service["running"], service["desired"]),
                service["state"],
                service["image"],
                " ".join("%s->%s" % (port["published"], port["target"]) for port in service["ports"]),
                "" if service["state"] in verdict.GOOD else service["reason"],
            )
            for service in snapshot["services"]
        ),
    )
    urls = ["%s: %s" % (stack["name"], stack["url"]) for stack in stacks if stack.get("url")]
    return [*report, "", *urls] if urls else report


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Columns as wide as their widest cell, two spaces apart; no trailing space."""
    cells = [list(head)] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
