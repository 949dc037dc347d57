# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a manager may make its swarm anew out of its own state, because the others are lost for good.

``--force-new-cluster`` asks nobody. Done while a majority of the managers lives, or could come back, it makes two
swarms with one ID, and each of them believes that it is the one. So everybody is asked first: every host of the
inventory for what it is, whom it knows, and which managers answer it on port 2377. Whoever gives no answer by either
way is lost; whoever gives one is not. A manager's state on a host that answers is not lost either, though its engine
does not run.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import membership, quorum
from ..membership import MANAGER, Membership

_RUNNING = (membership.ACTIVE, membership.PENDING, membership.LOCKED, membership.ERROR)
"""States of an engine that runs and holds a swarm's state."""

_MACHINE_IS_OFF = re.compile(r"is not running|No such container")
"""Docker's words for a container in which nothing can be run."""


@dataclass(frozen=True)
class Evidence:
    """What is known of one manager of the raft.

    Attributes:
        name: the host's name in the inventory; "" when no host is known to be this manager.
        node_id: "" when nobody knows it.
        address: ``address:port`` at which the others know it; "" when nobody does.
        answers_ansible: the host was asked and answered.
        engine: the state of its engine, as ``Membership.local_state`` has it; "" when it was not told.
        has_quorum: its engine answers for the swarm, so a majority is with it.
        knows: node IDs of the managers that it knows, itself among them.
        port_2377_open_from: hosts that reach its port.
        holds_state: the host holds this manager's state, whether or not its engine runs.
    """

    name: str
    node_id: str
    address: str
    answers_ansible: bool
    engine: str = ""
    has_quorum: bool = False
    knows: frozenset[str] = frozenset()
    port_2377_open_from: tuple[str, ...] = ()
    holds_state: bool = False

    @property
    def label(self) -> str:
        """How it is named in a sentence."""
        if self.name and self.address:
            return "%s (%s)" % (self.name, self.address)
        return self.name or self.address or self.node_id

    @property
    def lives(self) -> bool:
        """Its engine runs, or something answers in its place."""
        return self.engine in _RUNNING or bool(self.port_2377_open_from)

    @property
    def could_live(self) -> bool:
        """It does not live, and would if somebody started its engine."""
        return self.holds_state and not self.lives


@dataclass(frozen=True)
class Answer:
    """Whether it may be done, and all that speaks against it, one sentence each with its mend."""

    allowed: bool
    reasons: tuple[str, ...] = ()


def may_force(survivor: Evidence, others: Sequence[Evidence], cluster_id: str, *, recovered: bool = False) -> Answer:
    """Whether the survivor may make the swarm anew.

    Args:
        survivor: the manager whose state the swarm would go on with.
        others: all the other managers that it knows.
        cluster_id: the swarm's ID, for the sentences.
        recovered: the survivor has made it anew already, so that it leads alone is no reason.
    """
    reasons = []
    leading = [each.label for each in (survivor, *others) if each.has_quorum and not (recovered and each is survivor)]
    if leading:
        reasons.append(
            "the swarm %s has its quorum, which answers on %s: mend what keeps the others from these, or, if they have "
            "just died, run again in half a minute, when a leader that was left alone has seen it. Where a recovery "
            "was broken off when managers joined again, playbooks/phase1_swarm_setup.yml joins those that are left"
            % (cluster_id, ", ".join(leading))
        )
    if not others and not survivor.knows:
        reasons.append(
            "%s does not tell which other managers there are, and nobody else does: reach one of its workers"
            % survivor.label
        )
    elif not others and not recovered:
        reasons.append(
            "%s is the only manager of the swarm %s, so no majority is lost: start its engine, or unlock it with "
            "`docker swarm unlock`" % (survivor.label, cluster_id)
        )
    reasons += _majorities(survivor, others, recovered=recovered)
    reasons += [
        "%s answers on its port to %s, but Ansible can't reach it, so it can't be kept from coming back: stop it, or "
        "let Ansible in" % (each.label, ", ".join(each.port_2377_open_from))
        for each in others
        if each.port_2377_open_from and not each.answers_ansible
    ]
    reasons += [
        "%s and %s know different managers, so one of them missed what the swarm decided last: stop the engine of the "
        "one that is behind, and run again" % (survivor.label, each.label)
        for each in others
        if each.lives and each.knows and each.knows != survivor.knows
    ]
    return Answer(not reasons, tuple(reasons))


def _majorities(survivor: Evidence, others: Sequence[Evidence], *, recovered: bool) -> list[str]:
    """A problem when those that live, or could, are a majority: of all managers that are known, or that one knows.

    Once the swarm is made anew, those that could live are of a raft that is no more, and have to be fenced.
    """
    if not others:
        return []
    living = {each.node_id: each for each in (survivor, *others) if each.lives}
    views = [frozenset((survivor.node_id, *(each.node_id for each in others)))]
    stopped = {each.node_id: each for each in (survivor, *others) if each.could_live and not recovered}
    asked = [each for each in (*living.values(), *stopped.values()) if not (recovered and each is survivor)]
    views += [each.knows for each in asked if each.knows]
    for view in views:
        up = sorted(each.label for node_id, each in living.items() if node_id in view)
        need = quorum.needed(len(view))
        if len(up) >= need:
            return [
                "%d of %d managers live (%s) and %d are a majority: let them reach each other on port 2377, and the "
                "swarm has its quorum again" % (len(up), len(view), ", ".join(up), need)
            ]
        idle = sorted(each.label for node_id, each in stopped.items() if node_id in view)
        if len(up) + len(idle) >= need:
            return [
                "%d of %d managers live or could live (%s) and %d are a majority: on %s, start its engine (systemctl "
                "start docker); if its state can't be used, set it aside with flotilla.swarm.swarm_fence and run again"
                % (len(up) + len(idle), len(view), ", ".join((*up, *idle)), need, ", ".join(idle))
            ]
    return []


@dataclass(frozen=True)
class LossPlan:
    """What recovering from a lost quorum does. With ``problems`` nothing may be done.

    Attributes:
        survivor: the host whose state the swarm goes on with; "" when none could be chosen.
        cluster_id: the swarm's ID; "" like it.
        address: the address that the survivor advertises; "" when nobody knows it.
        fence: hosts that answer and hold a manager's state of this swarm: it is set aside before anything else.
        gone: managers that answer nobody, as sentences name them. They must never come back with their disks.
        routes: (old, new) addresses by which workers that look for any other manager find the survivor; none where
            nobody knows its address.
        recovered: the survivor leads the swarm as its only manager already, and more are declared: what is left to do
            is what comes after that.
        problems: one sentence each.
    """

    survivor: str = ""
    cluster_id: str = ""
    address: str = ""
    fence: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()
    recovered: bool = False
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "survivor": self.survivor,
            "cluster_id": self.cluster_id,
            "address": self.address,
            "fence": list(self.fence),
            "gone": list(self.gone),
            "routes": [{"old": old, "new": new} for old, new in self.routes],
            "recovered": self.recovered,
            "problems": list(self.problems),
        }


def plan(
    observed: Mapping[str, Mapping[str, Any]],
    managers: Sequence[str],
    addresses: Mapping[str, str] | None = None,
    survivor: str = "",
) -> LossPlan:
    """Who survives, who is kept from coming back, and what speaks against it.

    Args:
        observed: host → result of ``swarm_quorum_info``. That of a host which gave no answer is evidence. A module that
            failed is a problem, and so is nothing, for a host that was not asked could be a manager that lives.
        managers: the hosts that are declared managers.
        addresses: host → the address that it is declared to advertise, by which a manager that does not answer is
            given its name.
        survivor: the host to go on with; "" = the one that there is.
    """
    seen = {host: _Host(host, result) for host, result in observed.items() if _answered(result)}
    problems = [
        "%s could not be asked (%s): mend that and run again, for it may be a manager that lives"
        % (host, result.get("msg") or "it was left out of this run")
        for host, result in observed.items()
        if host not in seen and not _is_silent(result)
    ]
    chosen, refused = _choose(seen, survivor)
    if chosen is None:
        return LossPlan(problems=(*problems, refused))
    cluster_id = str(chosen.membership.cluster_id)
    strangers = [host.name for host in seen.values() if host.is_manager and host.membership.cluster_id != cluster_id]
    problems += [
        "%s is a manager of the swarm %s, and %s of %s: leave out of the inventory what is not of this swarm"
        % (name, seen[name].membership.cluster_id, chosen.name, cluster_id)
        for name in strangers
    ]
    problems += _isolation(observed, seen, [*managers, *(h.name for h in seen.values() if h.is_manager)])
    own, others = _evidence(chosen, seen, observed, addresses or {})
    recovered = own.has_quorum and own.knows == {own.node_id} and len(set(managers)) > 1
    problems += may_force(own, others, cluster_id, recovered=recovered).reasons
    fence = [
        host.name
        for host in seen.values()
        if host.is_manager and host.name != chosen.name and host.membership.cluster_id == cluster_id
    ]
    # Declared managers that give no answer and are none that the survivor knows: they may hold a state all the same.
    named = {each.name for each in others}
    unknown = [host for host in managers if host in observed and host not in seen and host not in named]
    return LossPlan(
        survivor=chosen.name,
        cluster_id=cluster_id,
        address=_without_port(own.address),
        fence=tuple(fence),
        gone=(*(each.label for each in others if not each.answers_ansible and not each.lives), *unknown),
        routes=_routes(_without_port(own.address), others),
        recovered=recovered,
        problems=tuple(problems),
    )


def _routes(survivor: str, others: Sequence[Evidence]) -> tuple[tuple[str, str], ...]:
    lost = {_without_port(each.address) for each in others if each.address} - {survivor}
    return tuple((old, survivor) for old in sorted(lost)) if survivor else ()


class _Host:
    """What one host said: a reading aid for the result of ``swarm_quorum_info``."""

    def __init__(self, name: str, result: Mapping[str, Any]) -> None:
        self.name = name
        self.membership = Membership.from_dict(result["membership"])
        self.known = {str(peer["node_id"]): str(peer["address"]) for peer in result.get("known_managers") or ()}
        self.open = frozenset(str(address) for address in result.get("open") or ())

    @property
    def is_manager(self) -> bool:
        """It holds a manager's state, whether or not its engine runs."""
        return self.membership.role == MANAGER and bool(self.membership.cluster_id)


def _answered(result: Mapping[str, Any]) -> bool:
    return "membership" in result and not result.get("failed") and not result.get("unreachable")


def _is_silent(result: Mapping[str, Any]) -> bool:
    """Whether a host gave no answer: it was not reached, or no module came to speak on it.

    For some connections, docker's among them, a machine that is off is no unreachable one: its shell prints nothing. A
    shell that complains, of a Python that it lacks for one, is that of a machine that lives.
    """
    if result.get("unreachable"):
        return True
    complaint = str(result.get("module_stderr") or "").strip()
    spoke = result.get("module_stdout") != "" or (complaint and not _MACHINE_IS_OFF.search(complaint))
    return bool(result.get("failed")) and not spoke


_NO_STATE = (
    "no host holds a manager's state of a swarm: if all managers are lost, playbooks/dr/full_rebuild.yml. If a "
    "recovery was broken off here, look for swarm.aside-* below /var/lib/docker on its survivor first: that is the "
    "state of before, and goes back by its name (while the engine is stopped, mv it to swarm)"
)


def _choose(seen: Mapping[str, _Host], survivor: str) -> tuple[_Host | None, str]:
    """The host to go on with, or why there is none."""
    holders = [host for host in seen.values() if host.is_manager]
    if survivor:
        found = next((host for host in holders if host.name == survivor), None)
        return found, "%s holds no manager's state of a swarm: choose another one with -e survivor=" % survivor
    running = [host for host in holders if host.membership.local_state in _RUNNING]
    if len(running) == 1 or (not running and len(holders) == 1):
        return (running or holders)[0], ""
    # One that still has its quorum is what the refusal will speak of.
    leading = next((host for host in running if host.membership.answers), None)
    if leading is not None:
        return leading, ""
    if not holders:
        return None, _NO_STATE
    names = ", ".join(host.name for host in running or holders)
    return None, "%s hold a manager's state: name the one to go on with, with -e survivor=" % names


def _isolation(observed: Mapping[str, Mapping[str, Any]], seen: Collection[str], managers: Iterable[str]) -> list[str]:
    """A problem when nobody but the managers themselves could tell whether the others live."""
    holders = set(managers)
    witnesses = [host for host in observed if host not in holders]
    if not witnesses or any(host in seen for host in witnesses):
        return []
    return [
        "none of %s answers, so it may be this controller and the survivor that are cut off from a swarm that lives: "
        "reach one of them first, or take out of the inventory those that are lost" % ", ".join(witnesses)
    ]


def _evidence(
    chosen: _Host,
    seen: Mapping[str, _Host],
    observed: Mapping[str, Mapping[str, Any]],
    addresses: Mapping[str, str],
) -> tuple[Evidence, list[Evidence]]:
    """What is known of the survivor, and of each other manager that it or somebody else of its swarm knows."""
    cluster_id = chosen.membership.cluster_id
    by_id = {str(host.membership.node_id): host for host in seen.values() if host.membership.cluster_id == cluster_id}
    by_address = {
        _without_port(address): host
        for host, address in addresses.items()
        if host in observed and not (host in seen and seen[host].is_manager)
    }
    own_id = str(chosen.membership.node_id)
    known = {own_id: "", **chosen.known}
    # Managers that others of this swarm know and the survivor does not: it may have been away when they were made.
    for node_id, each in by_id.items():
        more = {**each.known, **({node_id: each.known.get(node_id, "")} if each.is_manager else {})}
        known.update({peer: address for peer, address in more.items() if not known.get(peer)})
    found = {}
    for node_id, address in known.items():
        name = by_address.get(_without_port(address), "")
        reached_from = tuple(sorted(each.name for each in seen.values() if address and address in each.open))
        host = by_id.get(node_id)
        if host is None:
            found[node_id] = Evidence(name, node_id, address, False, port_2377_open_from=reached_from)
            continue
        found[node_id] = Evidence(
            name=host.name,
            node_id=node_id,
            address=address or host.membership.address or "",
            answers_ansible=True,
            engine=host.membership.local_state,
            has_quorum=host.membership.answers,
            knows=frozenset((*host.known, node_id)) if host.known else frozenset(),
            port_2377_open_from=reached_from,
            holds_state=host.is_manager,
        )
    own = found.pop(own_id)
    return own, [found[node_id] for node_id in sorted(found)]


def _without_port(address: str) -> str:
    return address.rpartition(":")[0].strip("[]") if ":" in address else address
