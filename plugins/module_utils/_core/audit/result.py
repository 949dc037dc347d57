# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of all hosts and of the swarm put together: waivers, the score, and the text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..report import table
from .catalogue import HOST_CHECKS, SWARM_CHECKS
from .model import BENCHMARK, FAIL, HOST, NOT_APPLICABLE, PASS, SWARM, UNKNOWN, Check, Finding, as_dict
from .waivers import Waiver

SCHEMA = 1
WAIVED = "waived"
_BAD = (FAIL, UNKNOWN)
_ORDER = (FAIL, UNKNOWN, WAIVED, PASS, NOT_APPLICABLE)


def assemble(
    hosts: Mapping[str, Mapping[str, Any] | None],
    swarm: Mapping[str, Any] | None,
    waivers: Sequence[Waiver],
    declared: Collection[str] = (),
) -> dict[str, Any]:
    """The audit's result, ready for JSON.

    Args:
        hosts: inventory name to the result of the module host_audit; None, or one without ``findings``, could not be
            had, and every check of that host is unknown.
        swarm: the result of the module swarm_audit, alike.
        waivers: what is accepted.
        declared: every host of the inventory's swarm; those that are not in ``hosts`` are named as left out.

    Returns:
        ``schema``, ``benchmark``, ``score`` (percent, rounded down; 100 = nothing bad that is not waived), ``counts``
        by state, ``findings`` (each with ``where``, and a waived one with its ``reason``), ``left_out`` and
        ``problems`` (waivers that nothing needs).
    """
    findings = [{"where": host, **finding} for host in sorted(hosts) for finding in _findings(HOST_CHECKS, hosts[host])]
    findings += [{"where": SWARM, **finding} for finding in _findings(SWARM_CHECKS, swarm)]
    used: set[Waiver] = set()
    judged = [_waived(finding, waivers, used) for finding in findings]
    left_out = sorted(set(declared) - set(hosts))
    counts = Counter(finding["status"] for finding in judged)
    return {
        "schema": SCHEMA,
        "benchmark": BENCHMARK,
        "score": score(counts),
        "counts": {state: counts[state] for state in (PASS, FAIL, UNKNOWN, WAIVED, NOT_APPLICABLE)},
        "findings": judged,
        "left_out": left_out,
        "problems": _unused(waivers, used, left_out),
    }


def _findings(checks: Iterable[Check], result: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """The findings in a module's result, one for each check; what it does not hold is unknown."""
    got = {finding["id"]: dict(finding) for finding in (result or {}).get("findings") or ()}
    why = str((result or {}).get("msg") or "it was not asked")
    return [got.get(check.id) or as_dict(check, Finding(UNKNOWN, why)) for check in checks]


def _waived(finding: dict[str, str], waivers: Sequence[Waiver], used: set[Waiver]) -> dict[str, str]:
    waiver = next((each for each in waivers if each.covers(finding["id"], finding["where"])), None)
    if waiver is None or finding["status"] not in _BAD:
        return finding
    used.add(waiver)
    return {**finding, "status": WAIVED, "found": finding["status"], "reason": waiver.reason}


def _unused(waivers: Sequence[Waiver], used: Collection[Waiver], left_out: Collection[str]) -> list[str]:
    """Waivers that nothing needs any more. One for every host may be needed where nobody looked."""
    return [
        "nothing needs the waiver of %s any more: take it out of swarm_audit_waivers" % waiver
        for waiver in waivers
        if waiver not in used and waiver.host not in left_out and (waiver.host or not left_out)
    ]


def score(counts: Mapping[str, int]) -> int:
    """Passed of those that count, in percent, rounded down; 0 when none does."""
    judged = counts[PASS] + counts[FAIL] + counts[UNKNOWN]
    return 100 * counts[PASS] // judged if judged else 0


def lines(audit: Mapping[str, Any]) -> list[str]:
    """The audit as text: what is bad and what is waived with the evidence, what passed by its title, and the mends."""
    counts = audit["counts"]
    text = [
        "security audit: score %d %% (%d passed, %d failed, %d unknown; %d waived, %d not applicable); cis-… = %s"
        % (audit["score"], *(counts[state] for state in (PASS, FAIL, UNKNOWN, WAIVED, NOT_APPLICABLE)), BENCHMARK)
    ]
    if audit["left_out"]:
        text.append("not audited: %s" % ", ".join(audit["left_out"]))
    silent = _silent(audit["findings"])
    text += ["%s: nothing is known (%s)" % item for item in silent.items()]
    findings = [finding for finding in audit["findings"] if finding["where"] not in silent]
    hosts = {finding["where"] for finding in audit["findings"] if finding["scope"] == HOST}
    for states, last in (
        ((FAIL, UNKNOWN), "EVIDENCE"),
        ((WAIVED,), "EVIDENCE (REASON)"),
        ((PASS, NOT_APPLICABLE), "TITLE"),
    ):
        rows = _rows([f for f in findings if f["status"] in states], hosts, titles=last == "TITLE")
        text += ["", *table(("STATE", "ID", "WHERE", last), rows)] if rows else []
    mends = {f["id"]: "%(id)s (%(title)s): %(mend)s" % f for f in findings if f["status"] in _BAD}
    return [*text, *(["", "what to do:"] if mends else []), *mends.values(), *audit["problems"]]


def _silent(findings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Hosts (and the swarm) of which not one item is known, each with the reason."""
    states: dict[str, set[tuple[str, str]]] = {}
    for finding in findings:
        states.setdefault(finding["where"], set()).add((finding.get("found", finding["status"]), finding["evidence"]))
    return {
        where: next(iter(seen))[1]
        for where, seen in states.items()
        if len(seen) == 1 and next(iter(seen))[0] == UNKNOWN
    }


def _rows(findings: Sequence[Mapping[str, str]], hosts: Collection[str], titles: bool) -> list[tuple[str, ...]]:
    """Rows of a table, the worst state first; alike findings of several hosts are one row."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for finding in findings:
        said = finding["evidence"] + (" (%s)" % finding["reason"] if "reason" in finding else "")
        key = (finding["status"], finding["id"], finding["title"] if titles else said)
        groups.setdefault(key, []).append(finding["where"])
    ordered = sorted(groups.items(), key=lambda group: _ORDER.index(group[0][0]))
    return [
        (state.replace("_", " "), check_id, _places(where, hosts), said) for (state, check_id, said), where in ordered
    ]


def _places(where: Sequence[str], hosts: Collection[str]) -> str:
    return "every host" if len(where) > 1 and set(where) == set(hosts) else ",".join(where)


def refusals(audit: Mapping[str, Any], minimum: int, strict: bool) -> list[str]:
    """Why an audit is not good enough; empty when it is.

    Args:
        audit: from ``assemble``.
        minimum: percent that the score must reach.
        strict: nothing may be bad without a waiver.
    """
    found = list(audit["problems"])
    if audit["score"] < minimum:
        found.append("the score is %d %%, and %d %% is wanted (swarm_audit_minimum)" % (audit["score"], minimum))
    bad = audit["counts"][FAIL] + audit["counts"][UNKNOWN]
    if strict and bad:
        found.append("%d findings are bad and not waived (swarm_audit_strict)" % bad)
    return found
