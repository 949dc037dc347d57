# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall of a host: look, change it with a way back, and keep what a new connection has confirmed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from .._core.firewall import state
from .._core.firewall.model import HostRules
from .._core.firewall.ruleset import REMOVAL, TABLE, Rendered, render
from . import command, nft, other_firewalls, timed_rollback
from . import firewall_files as files
from .errors import HostError

Result = dict[str, Any]
T = TypeVar("T")


def validated(rules: HostRules, *, alongside: bool, reached_at: Sequence[str] = ()) -> Result:
    """Look whether something on the host is in the way of the rules. It reads only, and works before nft is installed.

    Raises:
        HostError: something is.
    """
    # A bare host may have no ip yet; what is not seen now is seen when the rules are to be loaded.
    addresses = {*rules.members, *reached_at} if command.find("ip") else set()
    _refuse_others(rules, alongside, addresses)
    return {**_result([], None, ""), "nft": command.find("nft") is not None}


def present(
    rules: HostRules,
    *,
    window: int,
    alongside: bool,
    scratch: str,
    check_mode: bool,
    reached_at: Sequence[str] = (),
) -> Result:
    """Load the rules, with the old ones to come back after ``window`` seconds; nothing when all is as declared.

    Args:
        rules: what is declared.
        window: in seconds.
        alongside: whether another firewall may be active too.
        scratch: a directory for files that nft reads.
        check_mode: whether nothing is to be changed.
        reached_at: the host's own addresses by which administrators reach it, in canonical form.

    Raises:
        HostError: nothing was changed.
    """
    _refuse_others(rules, alongside, {*rules.members, *reached_at})
    rendered = render(rules)
    if check_mode and command.find("nft") is None:
        warning = "nft is not installed yet, so the rules were not checked"
        return {**_result(["the table is not loaded"], None, rendered.text), "warnings": [warning]}
    observed = _observe(rendered, scratch)
    differences = state.differences(observed)
    result = _result(differences, observed.live, observed.wanted)
    result["drift"] = state.drift(observed)
    if result["drift"] and observed.live and observed.live == _listing_of(files.read(files.PENDING), scratch):
        # Nobody's hand: rules that still wait to be confirmed.
        result["drift"] = []
    if result["drift"]:
        result["warnings"] = ["the table was changed by hand since it was confirmed: " + "; ".join(result["drift"])]
    if differences:
        _named(rendered, lambda: nft.check(rendered.text, scratch))
        if not check_mode:
            _apply(observed, window)
            result["pending"] = True
    return result


def confirm(rules: HostRules, *, scratch: str, check_mode: bool) -> Result:
    """Keep the rules that wait. Only a new connection may call this, for that it comes about is the proof.

    Raises:
        HostError: they are not in force any more, or it is others that wait. Rules that nobody confirmed are not in
            force any more when this is raised, or the timer still runs.
    """
    rendered = render(rules)
    pending = files.read(files.PENDING)
    if pending is None:
        observed = _observe(rendered, scratch)
        if not state.differences(observed):
            return _result([], observed.live, observed.wanted)
        raise HostError(
            "no rules wait to be confirmed on this host: it was restarted in the meantime, and has its old rules. Run "
            "the role again"
        )
    if pending != rendered.text:
        raise HostError(
            "other rules than these wait to be confirmed on this host: somebody else has applied some. Run the role "
            "again"
        )
    if check_mode:
        return _result(["the rules wait to be confirmed"], None, rendered.text)
    wanted = nft.listing(rendered.text, scratch)
    _demand_in_force(wanted)
    timed_rollback.disarm()
    # Asked again when nothing can load other rules any more; asked before, the timer is still there should nft fail.
    _demand_in_force(wanted)
    # They wait no longer, also where they can't be persisted: the next run must not take them back before it tries.
    files.remove(files.PENDING, files.ROLLBACK)
    files.persist(rendered.text)
    return _result(["the rules are kept"], wanted, wanted)


def absent(*, check_mode: bool) -> Result:
    """Take away the table, and all that brings it back.

    Raises:
        HostError: something did not go.
    """
    live = nft.live() if command.find("nft") else None
    there = [path for path in (files.SERVICE, files.DROP_IN, files.PERSISTED) if files.read(path) is not None]
    differences = ["the table is loaded"] if live is not None else []
    differences += ["%s is there" % path for path in there]
    if differences and not check_mode:
        if live is not None:
            # A timer that still runs does the same from now on.
            files.write(files.ROLLBACK, REMOVAL)
            nft.load(files.ROLLBACK)
        timed_rollback.disarm()
        files.forget()
    return _result(differences, live, "")


def _refuse_others(rules: HostRules, alongside: bool, addresses: Collection[str]) -> None:
    """``addresses``: by which others reach this host; some may be other hosts' own."""
    uplinks = other_firewalls.uplinks(addresses)
    named_as_dockers = [name for name in uplinks if other_firewalls.is_named_as_dockers(name)]
    if named_as_dockers:
        raise HostError(
            "others reach this host by %s, which is called as Docker's bridges are, so they would be taken for "
            "containers: rename the interface" % ", ".join(named_as_dockers)
        )
    bridges = [] if rules.routing else other_firewalls.bridges_of_others(uplinks)
    if bridges:
        raise HostError(
            "the bridge %s of this host is not called as Docker's are, and what it passes on, as for virtual machines, "
            "would be dropped: set routing: true (swarm_firewall_routing for this host) to let it pass"
            % ", ".join(bridges)
        )
    others = other_firewalls.active()
    if others and not alongside:
        raise HostError(
            "another firewall is active on this host, and what it drops stays dropped: turn it off (%s), or set "
            "alongside: true to have both decide" % "; ".join(others)
        )


def _observe(rendered: Rendered, scratch: str) -> state.Observed:
    wanted = _named(rendered, lambda: nft.listing(rendered.text, scratch))
    persisted = files.read(files.PERSISTED)
    return state.Observed(
        text=rendered.text,
        wanted=wanted,
        live=nft.live(),
        persisted=persisted,
        confirmed=wanted if persisted == rendered.text else _listing_of(persisted, scratch),
        starts=files.starts(),
        kept=files.read(files.ROLLBACK),
    )


def _listing_of(text: str | None, scratch: str) -> str | None:
    """The listing of a file's text; None when there is none or nft can't read it."""
    if text is None:
        return None
    try:
        return nft.listing(text, scratch)
    except nft.Refused:
        return None


def _apply(observed: state.Observed, window: int) -> None:
    """The way back first: from when the rules are loaded, it needs nobody.

    Rules that still wait are taken back before their timer is stopped, so that none is ever in force without one.
    """
    waiting = files.read(files.PENDING) is not None
    files.write(files.ROLLBACK, state.way_back(observed))
    files.write(files.PENDING, observed.text)
    if waiting:
        _go_back()
    timed_rollback.disarm()
    timed_rollback.arm(files.ROLLBACK, window)
    try:
        nft.load(files.PENDING)
    except HostError:
        timed_rollback.disarm()
        files.remove(files.PENDING, files.ROLLBACK)
        raise


def _demand_in_force(wanted: str) -> None:
    if nft.live() != wanted:
        _go_back()
        raise HostError(
            "the new rules are not in force any more, for the confirmation came too late or somebody changed them. The "
            "old rules are loaded. Run the role again"
        )


def _go_back() -> None:
    try:
        nft.load(files.ROLLBACK)
    except nft.Refused as error:
        raise HostError("the old rules can't be loaded again: %s" % error.words) from error


def _named(rendered: Rendered, ask: Callable[[], T]) -> T:
    """What ``ask`` returns; where nft refuses a line that the user wrote, the error says which."""
    try:
        return ask()
    except nft.Refused as error:
        index = rendered.custom_lines.get(error.line or 0)
        if index is None:
            raise
        rule = rendered.text.splitlines()[(error.line or 1) - 1].strip()
        raise HostError(
            "nft refuses custom_rules[%d] '%s', and nothing was changed: %s" % (index, rule, error.words)
        ) from error


def _result(differences: list[str], before: str | None, after: str) -> Result:
    header = "nft list table %s" % TABLE
    diff = {"before": before or "", "after": after, "before_header": header, "after_header": header}
    changed = bool(differences)
    return {
        "changed": changed,
        "differences": differences,
        "drift": [],
        "pending": False,
        "diff": diff if changed else {},
    }
