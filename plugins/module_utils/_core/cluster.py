# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a whole inventory must do to be one swarm, and what its hosts declare about their nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import labels, quorum
from .errors import DeclarationError
from .membership import (
    ACTIVE,
    ERROR,
    INIT,
    JOIN,
    LOCKED,
    MANAGER,
    MEND_ERROR,
    MEND_LOCKED,
    NOTHING,
    PENDING,
    SILENT,
    WORKER,
    Membership,
    role_warnings,
    silence,
)

NODE_ID = "swarm_cluster_node_id"
"""The fact in which the role ``swarm_cluster`` publishes a host's node ID."""
NODE_LABELS = "swarm_nodes_labels"
NODE_AVAILABILITY = "swarm_nodes_availability"
"""The host variables of the role ``swarm_nodes``."""
MEND_UNREACHABLE = (
    "bring it back, or correct its address; a run on a swarm that is there can leave it out (--limit), and a host that "
    "is gone for good is taken out of the swarm (docker node demote, docker node rm) and out of the inventory"
)


@dataclass(frozen=True)
class ClusterPlan:
    """What an inventory must do to be one swarm. With ``problems`` nothing may be done.

    Attributes:
        action: ``init`` (no host is in a swarm), ``join`` (some are), ``none`` (all are, or it can't be told yet).
        cluster_id: of the swarm that was found.
        init_host: where to make the swarm.
        via: a manager that answers, to run manager-only modules on; ``init_host`` when there is no swarm yet; None when
            there is neither. It is found in spite of problems, because a dead host must not hide a living swarm from
            those who only use it.
        join_managers, join_workers: hosts still to join, in inventory order.
        members: host → node ID of those that are in.
        problems, warnings: one sentence each.
    """

    action: str
    cluster_id: str | None = None
    init_host: str | None = None
    via: str | None = None
    join_managers: tuple[str, ...] = ()
    join_workers: tuple[str, ...] = ()
    members: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "cluster_id": self.cluster_id,
            "init_host": self.init_host,
            "via": self.via,
            "join_managers": list(self.join_managers),
            "join_workers": list(self.join_workers),
            "members": dict(self.members),
            "problems": list(self.problems),
            "warnings": list(self.warnings),
        }


def plan_cluster(
    observed: Mapping[str, Mapping[str, Any] | None],
    managers: Sequence[str],
    workers: Sequence[str],
    *,
    allow_even: bool = False,
    allow_silent: bool = False,
) -> ClusterPlan:
    """What must be done so that the declared hosts are one swarm.

    A new swarm is made only when every declared host was observed and none of them is in one: a host that could not be
    asked may hold the swarm, and so may one whose engine is silent.

    Args:
        observed: host → result of ``swarm_host_info``. Missing or None = not asked (it is outside this run);
            ``{"unreachable": True}`` or ``{"failed": True, "msg": …}`` = asked in vain. Other hosts than the declared
            ones count too.
        managers, workers: the declared hosts in inventory order.
        allow_even: accept an even number of managers, or more than seven.
        allow_silent: whoever asks will mend silent engines and ask again, so they are not judged, nor is what they may
            be the reason for; otherwise each is a problem.
    """
    hosts = list(dict.fromkeys([*managers, *workers]))
    problems = quorum.declaration_problems(managers, workers, allow_even=allow_even)
    known, silent, in_vain = _split(observed, allow_silent)
    problems += in_vain
    unasked = [host for host in hosts if host not in known and not observed.get(host)]
    problems += _state_problems(known)
    cluster_id, more = _one_cluster(known)
    problems += more

    if cluster_id is None and silent:
        return ClusterPlan(NOTHING, problems=tuple(problems), warnings=tuple(_silent_warnings(silent)))
    if cluster_id is None:
        problems += ["%s was not observed and may hold the swarm: run on all hosts" % host for host in unasked]
        problems += [
            "%s is joining a swarm that no observed host is in; wait for it, or let it leave it" % host
            for host, membership in known.items()
            if membership.local_state == PENDING
        ]
        if problems:
            return ClusterPlan(NOTHING, problems=tuple(problems))
        first = managers[0]
        return ClusterPlan(
            INIT, init_host=first, via=first, join_managers=tuple(managers[1:]), join_workers=tuple(workers)
        )

    via = next((host for host in [*managers, *known] if host in known and known[host].answers), None)
    if via is None and not silent:
        problems.append(_no_manager(cluster_id, known, unasked))
    if problems:
        return ClusterPlan(NOTHING, cluster_id=cluster_id, via=via, problems=tuple(problems))
    waiting = [host for host in hosts if host in known and known[host].local_state != ACTIVE]
    return ClusterPlan(
        JOIN if waiting else NOTHING,
        cluster_id=cluster_id,
        via=via,
        join_managers=tuple(host for host in managers if host in waiting),
        join_workers=tuple(host for host in workers if host in waiting),
        members={h: str(m.node_id) for h, m in known.items() if m.local_state == ACTIVE and m.cluster_id == cluster_id},
        warnings=tuple(_cluster_warnings(known, silent, managers, workers, unasked)),
    )


def _split(
    observed: Mapping[str, Mapping[str, Any] | None], allow_silent: bool
) -> tuple[dict[str, Membership], dict[str, Membership], list[str]]:
    """The memberships that were read, those of allowed silent hosts, and a problem for each host asked in vain."""
    known: dict[str, Membership] = {}
    silent: dict[str, Membership] = {}
    problems = []
    for host, result in observed.items():
        if not result:
            continue
        if result.get("unreachable"):
            problems.append("%s is unreachable: %s" % (host, MEND_UNREACHABLE))
        elif result.get("failed") or "membership" not in result:
            problems.append("%s could not be observed: %s" % (host, result.get("msg") or "it gave no membership"))
        else:
            membership = Membership.from_dict(result["membership"])
            if membership.local_state != SILENT:
                known[host] = membership
            elif allow_silent:
                silent[host] = membership
            else:
                problems.append(silence(host, membership))
    return known, silent, problems


def _state_problems(known: Mapping[str, Membership]) -> list[str]:
    problems = []
    by_node: dict[str, str] = {}
    for host, membership in known.items():
        if membership.node_id and by_node.setdefault(membership.node_id, host) != host:
            twin = by_node[membership.node_id]
            problems.append(
                "%s and %s have the same node ID %s: one is a copy of the other's disk, or both names are "
                "one host" % (twin, host, membership.node_id)
            )
        if membership.local_state == LOCKED:
            problems.append("%s is a locked manager: %s" % (host, MEND_LOCKED))
        elif membership.local_state == ACTIVE and not membership.cluster_id:
            problems.append(
                "%s is in a swarm, and which one can't be told, since its certificate can't be read: let Ansible "
                "become root there" % host
            )
        elif membership.local_state == ERROR:
            problems.append("the swarm part of %s has failed (%s): %s" % (host, membership.error, MEND_ERROR))
    return problems


def _one_cluster(known: Mapping[str, Membership]) -> tuple[str | None, list[str]]:
    """The one swarm that hosts are in (None = none is), and a problem when they are in several."""
    clusters: dict[str, list[str]] = {}
    for host, membership in known.items():
        if membership.cluster_id:
            clusters.setdefault(membership.cluster_id, []).append(host)
    if len(clusters) > 1:
        named = "; ".join("%s: %s" % (cluster, ", ".join(hosts)) for cluster, hosts in sorted(clusters.items()))
        return min(clusters), ["the hosts are in %d different swarms (%s)" % (len(clusters), named)]
    return next(iter(clusters), None), []


def _no_manager(cluster_id: str, known: Mapping[str, Membership], unasked: Sequence[str]) -> str:
    said = ["%s: %s" % (host, m.error) for host, m in known.items() if m.is_manager and m.error]
    if said:
        return (
            "the swarm %s exists, but no manager has a quorum (%s): managers that have just come back elect a leader "
            "within a minute, so run again; where a majority is gone for good, see playbooks/dr/quorum_loss.yml"
            % (cluster_id, "; ".join(said))
        )
    hidden = "; not observed: %s" % ", ".join(unasked) if unasked else ""
    return "the swarm %s exists, but no manager of it answers on the observed hosts%s" % (cluster_id, hidden)


def _silent_warnings(silent: Mapping[str, Membership]) -> list[str]:
    what = "%s has an engine that does not answer (%s), so what it is to a swarm is not known yet"
    return [what % (host, membership.error) for host, membership in silent.items()]


def _cluster_warnings(
    known: Mapping[str, Membership],
    silent: Mapping[str, Membership],
    managers: Sequence[str],
    workers: Sequence[str],
    unasked: Sequence[str],
) -> list[str]:
    warnings = _silent_warnings(silent)
    for role, hosts in ((MANAGER, managers), (WORKER, workers)):
        for host in hosts:
            if host in known and known[host].local_state == ACTIVE:
                warnings += role_warnings(known[host], role, host)
    if unasked:
        warnings.append("not in this run and left alone: %s" % ", ".join(unasked))
    if unasked or silent:
        return warnings  # a manager that is unknown here may be one of these
    ours = {membership.node_id for membership in known.values()}
    strangers = {peer for m in known.values() if m.answers for peer in m.remote_managers if peer[0] not in ours}
    warnings += [
        "the manager %s at %s is in the swarm but not in the inventory; it is left alone" % peer
        for peer in sorted(strangers)
    ]
    return warnings


def join_addresses(nodes: Sequence[Mapping[str, Any]], asked: str) -> list[str]:
    """Where a host can join: ``address:port`` of each manager that is reachable, the one that was asked first.

    Args:
        nodes: the engine's list of nodes.
        asked: ID of the node that gave the list; it answers, so a join through it is the surest.
    """
    found = []
    for node in nodes:
        status = node.get("ManagerStatus") or {}
        address = str(status.get("Addr") or "")
        # A manager may show every address for itself until its first heartbeat. (Compared here, nothing is bound.)
        unknown = address.startswith(("0.0.0.0:", "[::]:"))
        if status.get("Reachability") == "reachable" and address and not unknown:
            found.append((node.get("ID") != asked, not status.get("Leader"), address))
    return [address for _other, _follower, address in sorted(found)]


def declared_by_host(hostvars: Mapping[str, Mapping[str, Any]], hosts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What each host declares about its node, unchecked and unconverted: ``{"labels": {host: …}, "availability": …}``.

    Args:
        hostvars, hosts: as for ``declared_nodes``.
    """
    return {
        "labels": {host: hostvars[host].get(NODE_LABELS, {}) for host in hosts},
        "availability": {host: hostvars[host].get(NODE_AVAILABILITY, "") for host in hosts},
    }


def declared_nodes(
    hostvars: Mapping[str, Mapping[str, Any]],
    hosts: Sequence[str],
    ids: Mapping[str, str] | None = None,
    managers: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """The ``nodes`` of ``swarm_nodes``: what each host declares about its node.

    Args:
        hostvars: per host ``swarm_nodes_labels`` (a mapping of strings), ``swarm_nodes_availability`` (empty = not
            managed), and ``swarm_cluster_node_id``, which the role ``swarm_cluster`` publishes on each host of its run.
        hosts: the inventory names of the nodes.
        ids: host → node ID. For a host that is not in it the ID is the published one. A host without either is left out
            when any of the hosts has a published one, because then it is not part of this run; when none has, its node
            is the one that is named in the swarm as the host is in the inventory.
        managers: the hosts that are declared managers; None = the role is not compared.

    Raises:
        DeclarationError: a label that is not a string.
    """
    problems: list[str] = []
    nodes: list[dict[str, Any]] = []
    published = {host: str(found) for host in hosts if (found := (hostvars.get(host) or {}).get(NODE_ID))}
    for host in hosts:
        variables: Mapping[str, Any] = hostvars.get(host) or {}
        declared = variables.get(NODE_LABELS) or {}
        problems += labels.problems(declared, "%s of %s" % (NODE_LABELS, host))
        node_id = (ids or {}).get(host) or published.get(host)
        if published and not node_id:
            continue
        node: dict[str, Any] = {"id": node_id} if node_id else {"name": host}
        node["labels"] = declared
        if variables.get(NODE_AVAILABILITY):
            node["availability"] = variables[NODE_AVAILABILITY]
        if managers is not None:
            node["role"] = MANAGER if host in managers else WORKER
        nodes.append(node)
    if problems:
        raise DeclarationError(*problems)
    return nodes
