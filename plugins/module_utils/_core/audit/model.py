# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit is made of: checks, the facts that they judge, and what they find.

Facts are readings: a read either gave a value or says why it failed. A check asks for readings by name, and one that
failed makes its finding ``unknown``, which counts as failed; so a check can't pass for want of knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PASS = "pass"  # noqa: S105  a state
FAIL = "fail"
UNKNOWN = "unknown"
NOT_APPLICABLE = "not_applicable"

HOST = "host"
SWARM = "swarm"

BENCHMARK = "CIS Docker Benchmark 1.6.0"
"""Whose numbers the ids ``cis-…`` carry. The ids ``flotilla-…`` are of this collection."""


class Unread(Exception):
    """A fact that a check needs could not be read; says why."""


class Facts:
    """Readings by name: ``{"value": …}`` or ``{"error": why}``."""

    def __init__(self, readings: Mapping[str, Mapping[str, Any]]) -> None:
        self._readings = readings

    def get(self, name: str) -> Any:
        """The value that was read. Raises Unread."""
        reading = self._readings.get(name)
        if reading is None:
            raise Unread("%s was not read" % name)
        if "error" in reading or "value" not in reading:
            raise Unread("%s can't be read: %s" % (name, reading.get("error") or "no reason was given"))
        return reading["value"]


@dataclass(frozen=True)
class Finding:
    """What a check found: one of the four states, and a sentence on what was seen."""

    status: str
    evidence: str


@dataclass(frozen=True)
class Check:
    """One item of the audit.

    Attributes:
        id: stable; ``cis-7.1`` or ``flotilla-firewall``.
        title: one line.
        scope: HOST (judged on every host) or SWARM (once, on a manager).
        evaluate: judges facts; pure. May raise Unread, and what comes of facts that are not as they should be.
        mend: what to do when it fails.
    """

    id: str
    title: str
    scope: str
    evaluate: Callable[[Facts], Finding]
    mend: str


def passed(evidence: str) -> Finding:
    return Finding(PASS, evidence)


def failed(evidence: str) -> Finding:
    return Finding(FAIL, evidence)


def not_applicable(evidence: str) -> Finding:
    return Finding(NOT_APPLICABLE, evidence)


def verdict(bad: Iterable[str], good: str) -> Finding:
    """Passed with ``good`` when nothing is bad, else failed with all that is."""
    found = list(bad)
    return failed("; ".join(found)) if found else passed(good)


def judge(check: Check, facts: Facts) -> Finding:
    """A check's finding. Facts that can't be read, or are of another form than the check knows, are ``unknown``."""
    try:
        return check.evaluate(facts)
    except Unread as error:
        return Finding(UNKNOWN, str(error))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        return Finding(UNKNOWN, "what was read can't be understood (%s: %s)" % (type(error).__name__, error))


def reading(read: Callable[[], Any], *errors: type[Exception]) -> dict[str, Any]:
    """What a read gave, or why it failed: an OSError, a ValueError, or one of the errors that are named."""
    failures: tuple[type[Exception], ...] = (OSError, ValueError, *errors)
    try:
        return {"value": read()}
    except failures as error:
        return {"error": str(error) or type(error).__name__}


def run(checks: Iterable[Check], readings: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """The findings of checks: ``id``, ``title``, ``scope``, ``status``, ``evidence`` and ``mend`` of each."""
    facts = Facts(readings)
    return [as_dict(check, judge(check, facts)) for check in checks]


def as_dict(check: Check, finding: Finding) -> dict[str, str]:
    return {
        "id": check.id,
        "title": check.title,
        "scope": check.scope,
        "status": finding.status,
        # One line, for tables; what programs say often has several.
        "evidence": " ".join(finding.evidence.split()),
        "mend": check.mend,
    }
