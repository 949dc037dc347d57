# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe's results against the declared rules: a matrix for people, and each difference in a sentence."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..report import table
from .allows import is_known
from .expected import Target, columns, passes
from .probe_packet import TCP, Flow

Json = Mapping[str, Any]

MEMBERS = "members"
"""What all members together are called in the matrix; a single host keeps its own name."""
NOT_OPEN = "-"
NOT_TRIED = "?"
DIFFERENT = "!"
LEGEND = (
    "open = let through, - = arrived and was dropped (TCP: no answer), 2/7 = from so many of them, "
    "? = nothing is proved (behind another sign: not all), ! = not what is declared; "
    "a port without a protocol: TCP and UDP"
)
NO_OUTSIDER = (
    "NO OUTSIDER: no host of the group swarm_outsiders takes part, so nothing is shown of what a stranger reaches; "
    "put a host with Python there that is no member and no administrator's"
)
_MOST_LINES = 60


@dataclass(frozen=True)
class Results:
    """What the modules returned, by host: ``sent`` with mode=send, ``counted`` with mode=collect. Some failed."""

    sent: Mapping[str, Json]
    counted: Mapping[str, Json]


@dataclass(frozen=True)
class Try:
    """One kind of packet from one host to one address of another.

    Attributes:
        source: the address that it came from, as far as it is known.
        is_open: None when it could not be tried; then ``reason`` says why.
        to_be_open: what the declared rules say; None where they allow both.
    """

    sender: str
    source: str
    target: str
    address: str
    flow: Flow
    to_be_open: bool | None
    is_open: bool | None
    reason: str = ""

    @property
    def is_different(self) -> bool:
        """A packet that could not be sent is missed only where it should have come through."""
        if self.is_open is None:
            return bool(self.to_be_open)
        return self.to_be_open is not None and self.is_open != self.to_be_open


@dataclass
class _Way:
    """From one host to one address of another: what the sender says of it, and what the listener counted.

    ``declared`` is the address that a member is to send from, where it has one of that family.
    """

    sender: str
    target: Target
    address: str
    said: Json
    counted: Mapping[str, Json]
    declared: str = ""
    problem: str = ""

    def source(self) -> str:
        """The address as the target saw it, else as the sender's kernel chose it, else as it was declared."""
        for seen in self.counted.values():
            if seen["source"]:
                return str(seen["source"])
        return str(self.said.get("source") or self.declared)

    def unreachable(self) -> str:
        """Why the sender has no way to that address at all; else nothing."""
        answers = self.said.get("answers", {})
        if not answers:
            return str(self.said.get("error") or "")
        arrived = any(seen["arrived"] or seen["passed"] for seen in self.counted.values())
        if arrived or self.problem or "open" in answers.values() or "sent" not in answers.values():
            return ""
        # Not even the target's network card saw a datagram.
        return "not one packet arrived at %s, not even before its firewall" % self.target.name

    def outcome(self, flow: Flow, to_be_open: bool | None) -> tuple[bool | None, str]:
        """Whether packets of a kind come through, or None and why nothing is known of it."""
        name = str(flow)
        answer = str(self.said.get("answers", {}).get(name, ""))
        unreachable = self.unreachable()
        if unreachable or answer not in ("open", "closed", "sent"):
            return None, unreachable or answer or "the sender said nothing of it"
        if flow.protocol == TCP:
            return answer == "open", ""
        if self.problem:
            return None, self.problem
        seen = self.counted.get(name, {})
        if not (seen.get("arrived") or seen.get("passed") or to_be_open):
            # Something on the way dropped it, so the host's own rules were not asked.
            return None, "did not arrive at %s, not even before its firewall" % self.target.name
        return bool(seen.get("passed")), ""


@dataclass
class Matrix:
    """What the probe found.

    Attributes:
        lines: the matrix and its notices, for people.
        problems: what is not as declared, a sentence each; empty when all is.
    """

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, list[str]]:
        return {"lines": self.lines, "problems": self.problems}


def judge(targets: Sequence[Target], members: Sequence[str], outsiders: Sequence[str], results: Results) -> Matrix:
    """The matrix of everything that was tried.

    Args:
        targets: the members that listened.
        members: all members that are meant to take part, in the order to show them.
        outsiders: hosts that are no members.
        results: what came of it.
    """
    ways = list(_ways(targets, [*members, *outsiders], results))
    headings = columns(targets)
    flows = [flow for _label, group in headings for flow in group]
    tries = {id(way): [_try(way, flow) for flow in flows] for way in ways}
    found = Matrix()
    found.lines += _table(headings, targets, members, outsiders, [each for way in ways for each in tries[id(way)]])
    found.lines += ["", LEGEND]
    found.problems += _missing(targets, members, outsiders, results)
    found.problems += _strange_sources(ways, targets)
    # What strangers reach is worst.
    found.problems += _shortened(
        sentence
        for way in sorted(ways, key=lambda way: way.sender not in outsiders)
        for sentence in _differences(way, tries[id(way)])
    )
    found.problems += _blind(outsiders, ways) + _known(outsiders, ways)
    notices = _untried(
        each for way in ways for each in tries[id(way)] if each.is_open is None and not each.is_different
    )
    if not outsiders:
        notices.insert(0, NO_OUTSIDER)
    if notices:
        found.lines += ["", *notices]
    return found


def _ways(targets: Sequence[Target], senders: Sequence[str], results: Results) -> Iterator[_Way]:
    own = {target.name: target.addresses for target in targets}
    for sender in senders:
        said = {
            (str(entry["target"]), str(entry["address"])): entry
            for entry in results.sent.get(sender, {}).get("sent", [])
        }
        for target in targets:
            counted = results.counted.get(target.name, {})
            problem = "" if "counted" in counted else "%s gave no counts" % target.name
            for address in target.addresses:
                if (target.name, address) in said:
                    seen = {
                        str(entry["flow"]): entry
                        for entry in counted.get("counted", [])
                        if (entry["sender"], entry["address"]) == (sender, address)
                    }
                    known = [each for each in own.get(sender, ()) if _family(each) == _family(address)]
                    declared = known[0] if known else ""
                    yield _Way(sender, target, address, said[target.name, address], seen, declared, problem)


def _try(way: _Way, flow: Flow) -> Try:
    source = way.source()
    to_be_open = passes(way.target.rules, source, flow) if source else False
    is_open, reason = way.outcome(flow, to_be_open)
    return Try(way.sender, source, way.target.name, way.address, flow, to_be_open, is_open, reason)


# --- Sentences --------------------------------------------------------------------------------------------------------


def _differences(way: _Way, tries: Sequence[Try]) -> Iterator[str]:
    """A sentence for each way in which packets on the same way differ, with all of these packets."""
    groups: dict[str, list[Try]] = defaultdict(list)
    for each in tries:
        if each.is_different:
            groups[_seen(each)].append(each)
    hint = "; see its custom rules, which the probe can't read" if way.target.rules.custom_rules else ""
    for seen, group in groups.items():
        yield "%s -> %s %s: %s, is to be %s (%s to %s)%s" % (
            way.sender,
            way.target.name,
            ", ".join(str(each.flow) for each in group),
            seen,
            "open" if group[0].to_be_open else "closed",
            group[0].source or "unknown",
            way.address,
            hint,
        )


def _seen(each: Try) -> str:
    if each.is_open is None:
        return "is not proved (%s)" % each.reason
    return "is open" if each.is_open else "is closed"


def _shortened(sentences: Iterator[str]) -> list[str]:
    said = list(sentences)
    more = len(said) - _MOST_LINES
    return said if more <= 0 else [*said[:_MOST_LINES], "and %d more like these: see the matrix" % more]


def _missing(
    targets: Sequence[Target], members: Sequence[str], outsiders: Sequence[str], results: Results
) -> list[str]:
    """Hosts that gave nothing to compare."""
    listening = {target.name for target in targets}
    said = [
        "%s did not listen, so nothing is known of its firewall" % name for name in members if name not in listening
    ]
    said += [
        "%s sent nothing%s" % (name, _reason(results.sent.get(name)))
        for name in [*members, *outsiders]
        if listening - {name} and "sent" not in results.sent.get(name, {})
    ]
    return said + [
        "%s did not say what it counted%s" % (target.name, _reason(results.counted.get(target.name)))
        for target in targets
        if "counted" not in results.counted.get(target.name, {})
    ]


def _reason(result: Json | None) -> str:
    return ": %s" % result["msg"] if result and result.get("msg") else ""


def _strange_sources(ways: Sequence[_Way], targets: Sequence[Target]) -> list[str]:
    """Members that the others know by another address than the one that their packets come from."""
    own = {target.name: target.addresses for target in targets}
    strange = {
        (way.sender, way.source())
        for way in ways
        if way.sender in own and way.source() and way.source() not in own[way.sender]
    }
    return [
        "%s sends from %s, which is none of its addresses (%s): add it to swarm_firewall_addresses"
        % (sender, source, ", ".join(own[sender]))
        for sender, source in sorted(strange)
    ]


def _blind(outsiders: Sequence[str], ways: Sequence[_Way]) -> list[str]:
    """Outsiders that have no way to any member: what they don't reach says nothing."""
    said = []
    for name in outsiders:
        own = [way for way in ways if way.sender == name]
        if own and all(way.unreachable() for way in own):
            said.append(
                "%s has no way to any member (%s), so it proves nothing: free its way to one, or take it out of the "
                "inventory" % (name, own[0].unreachable())
            )
    return said


def _known(outsiders: Sequence[str], ways: Sequence[_Way]) -> list[str]:
    """Outsiders that a member takes for another member or an administrator: they may reach what no stranger may."""
    known = {
        (way.sender, way.source())
        for way in ways
        if way.sender in outsiders and way.source() and is_known(way.target.rules, way.source())
    }
    return [
        "%s is seen as %s, which is a member's or an administrator's address: it is no outsider, so it proves nothing; "
        "take another host" % pair
        for pair in sorted(known)
    ]


def _untried(tries: Iterator[Try]) -> list[str]:
    """What could not be tried and is to be closed, once for all the packets that it is true of."""
    groups: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for each in tries:
        groups[each.sender, each.reason, _family(each.address)].add(str(each.flow))
    return [
        "not proved: %s, %s: %s (%s)" % (sender, family, reason, _names(flows))
        for (sender, reason, family), flows in sorted(groups.items())
    ]


def _names(flows: set[str]) -> str:
    return ", ".join(sorted(flows)) if len(flows) <= 4 else "%d kinds of packets" % len(flows)


# --- The table --------------------------------------------------------------------------------------------------------


def _family(address: str) -> str:
    return "IPv%d" % ipaddress.ip_address(address).version


def _table(
    headings: Sequence[tuple[str, list[Flow]]],
    targets: Sequence[Target],
    members: Sequence[str],
    outsiders: Sequence[str],
    tries: Sequence[Try],
) -> list[str]:
    """A row for each group of senders, target and family; families that show the same share a row."""
    title_of = {**dict.fromkeys(members, MEMBERS), **{name: name for name in outsiders}}
    groups: dict[tuple[str, str, str], list[Try]] = defaultdict(list)
    for each in tries:
        groups[title_of[each.sender], each.target, _family(each.address)].append(each)
    rows: list[list[str]] = []
    for title in [MEMBERS, *outsiders]:
        for target in targets:
            by_family = {
                family: [_cell(groups[title, target.name, family], flows) for _label, flows in headings]
                for family in ("IPv4", "IPv6")
                if (title, target.name, family) in groups
            }
            rows += _merged("%s -> %s" % (title, target.name), by_family)
    return table(["FROM -> TO", "OVER"] + [label for label, _group in headings], rows)


def _merged(title: str, by_family: Mapping[str, list[str]]) -> list[list[str]]:
    if len(by_family) == 2 and by_family["IPv4"] == by_family["IPv6"]:
        return [[title, "IPv4 IPv6", *by_family["IPv4"]]]
    return [[title, family, *cells] for family, cells in by_family.items()]


def _cell(tries: Sequence[Try], flows: Sequence[Flow]) -> str:
    own = [each for each in tries if each.flow in flows]
    tried = [each for each in own if each.is_open is not None]
    opened = sum(1 for each in tried if each.is_open)
    if not tried:
        text = NOT_TRIED
    elif opened == 0:
        text = NOT_OPEN
    else:
        text = "open" if opened == len(tried) else "%d/%d" % (opened, len(tried))
    if tried and len(tried) < len(own):
        text += NOT_TRIED
    return text + (DIFFERENT if any(each.is_different for each in own) else "")
