# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which swarm a host is in, and what that host must do to be a member of the right one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .certificate import Certificate
from .errors import DeclarationError
from .plan import CREATE, Difference, Plan, Step

MANAGER = "manager"
WORKER = "worker"

ABSENT = "absent"
INACTIVE = "inactive"
PENDING = "pending"
ACTIVE = "active"
ERROR = "error"
LOCKED = "locked"
SILENT = "silent"
_OUTSIDE = (ABSENT, INACTIVE)

NOTHING = "none"
INIT = "init"
JOIN = "join"
WAIT = "wait"

MEND_ERROR = (
    "read the engine's journal there; if the host never became a member (a join that failed), "
    "`docker swarm leave --force` on it clears the failed attempt"
)
MEND_LOCKED = "unlock it with `docker swarm unlock`"
MEND_SILENT = "start it there (`systemctl start docker`), and when it does not start, read its journal"


@dataclass(frozen=True)
class Membership:
    """What one host knows about its swarm.

    Attributes:
        local_state: the engine's LocalNodeState, or ``absent`` where no engine is installed, or ``silent`` where one is
            installed and does not answer: then nothing else is known, and the host may be in any swarm.
        cluster_id: the swarm's ID; None outside a swarm and while a join has not got that far.
        node_id: this node's ID.
        node_name: the engine's name for this node: its hostname, not its inventory name.
        role: ``manager`` or ``worker``; None outside a swarm.
        is_manager: this engine answers manager requests now (ControlAvailable).
        address: the address that this node advertises.
        remote_managers: (node ID, ``address:port``) of each manager this node knows.
        data_path_port: UDP port of the swarm's VXLAN, 0 for the default; None where it is not known, as on workers.
        error: the engine's own words about what is wrong ("" = nothing). A manager without quorum says so here. Of a
            silent engine it says how it was asked in vain.
    """

    local_state: str
    cluster_id: str | None = None
    node_id: str | None = None
    node_name: str | None = None
    role: str | None = None
    is_manager: bool = False
    address: str | None = None
    remote_managers: tuple[tuple[str, str], ...] = ()
    data_path_port: int | None = None
    error: str = ""

    @property
    def answers(self) -> bool:
        """An active manager that can serve the swarm: it has control, and its quorum."""
        return self.local_state == ACTIVE and self.is_manager and not self.error

    def as_dict(self) -> dict[str, Any]:
        return {
            "local_state": self.local_state,
            "cluster_id": self.cluster_id,
            "node_id": self.node_id,
            "node_name": self.node_name,
            "role": self.role,
            "is_manager": self.is_manager,
            "address": self.address,
            "remote_managers": [{"node_id": node_id, "address": address} for node_id, address in self.remote_managers],
            "data_path_port": self.data_path_port,
            "error": self.error,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Membership:
        """The reverse of ``as_dict``."""
        remotes = tuple((str(peer["node_id"]), str(peer["address"])) for peer in value.get("remote_managers") or ())
        known = {key: value[key] for key in cls.__dataclass_fields__ if key in value and key != "remote_managers"}
        return cls(**known, remote_managers=remotes)


NOT_INSTALLED = Membership(ABSENT)


def read(info: Mapping[str, Any], certificate: Certificate | None) -> Membership:
    """A host's membership, from ``GET /info`` and its node certificate.

    A worker's ``/info`` doesn't name its swarm, nor does a manager's that has lost its quorum: the certificate does.
    """
    swarm = info.get("Swarm") or {}
    state = swarm.get("LocalNodeState") or INACTIVE
    if state == INACTIVE:
        return Membership(INACTIVE, node_name=info.get("Name"), error=str(swarm.get("Error") or ""))
    is_manager = bool(swarm.get("ControlAvailable"))
    role = MANAGER if is_manager else certificate.role if certificate else None
    cluster = swarm.get("Cluster") or {}
    remotes = [(str(peer.get("NodeID")), str(peer.get("Addr"))) for peer in swarm.get("RemoteManagers") or ()]
    return Membership(
        local_state=str(state),
        cluster_id=cluster.get("ID") or (certificate.cluster_id if certificate else None),
        node_id=swarm.get("NodeID") or (certificate.node_id if certificate else None),
        node_name=info.get("Name"),
        role=role,
        is_manager=is_manager,
        address=swarm.get("NodeAddr") or None,
        remote_managers=tuple(sorted(remotes)),
        data_path_port=cluster.get("DataPathPort") if cluster.get("ID") else None,
        error=str(swarm.get("Error") or ""),
    )


@dataclass(frozen=True)
class MemberRequest:
    """What one host was declared to be.

    Attributes:
        role: ``manager`` or ``worker``.
        init: make a new swarm on this host; otherwise join.
        cluster_id: the swarm to be in; None only with ``init``.
        join_token: for the role; needed only when a join is.
        remote_addrs: ``address[:port]`` of managers to join through, tried in this order.
        advertise_addr, listen_addr, data_path_addr: as in the engine's API; None = the engine chooses.
        availability: the node's availability from its first moment (``active``, ``pause``, ``drain``).
        data_path_port, default_addr_pool, subnet_size: of the whole swarm; used by ``init`` alone.
    """

    role: str
    init: bool = False
    cluster_id: str | None = None
    join_token: str | None = field(default=None, repr=False)
    remote_addrs: tuple[str, ...] = ()
    advertise_addr: str | None = None
    listen_addr: str | None = None
    data_path_addr: str | None = None
    availability: str = ACTIVE
    data_path_port: int | None = None
    default_addr_pool: tuple[str, ...] = ()
    subnet_size: int | None = None


@dataclass(frozen=True)
class MemberPlan:
    """What a host does to become a member: ``none``, ``init``, ``join``, or ``wait`` for a join that is under way."""

    action: str
    plan: Plan


def plan_member(current: Membership, wanted: MemberRequest, *, rehearsal: bool = False) -> MemberPlan:
    """What this host must do. Its role and its swarm are never changed when it is in the wanted one.

    Args:
        current: what the host is.
        wanted: what it was declared to be.
        rehearsal: check mode, in which the swarm to join may not be made yet: then it has neither an ID nor tokens.

    Raises:
        DeclarationError: the host is in another swarm or in a state that needs a hand, or the request lacks what the
            needed step takes.
    """
    problems = _request_problems(wanted, rehearsal)
    name = current.node_name or "this host"
    if current.local_state == LOCKED:
        problems.append("%s is a locked manager: %s" % (name, MEND_LOCKED))
    elif current.local_state == ERROR:
        problems.append("the swarm part of %s has failed (%s): %s" % (name, current.error, MEND_ERROR))
    elif current.local_state == SILENT:
        problems.append(silence(name, current))
    elif current.local_state == ACTIVE:
        problems += _belonging_problems(current, wanted, name)
    elif current.local_state in _OUTSIDE and not wanted.init and not rehearsal:
        problems += [
            "%s is in no swarm, and a join needs %s" % (name, key)
            for key, value in (("join_token", wanted.join_token), ("remote_addrs", wanted.remote_addrs))
            if not value
        ]
    if problems:
        raise DeclarationError(*problems)
    if current.local_state == ACTIVE:
        return MemberPlan(NOTHING, Plan(warnings=role_warnings(current, wanted.role, name)))
    if current.local_state == PENDING:
        return MemberPlan(WAIT, Plan())
    return _step(name, wanted)


def _request_problems(wanted: MemberRequest, rehearsal: bool) -> list[str]:
    problems = []
    if wanted.init and wanted.role != MANAGER:
        problems.append("init makes a manager, so it can't go with role: %s" % wanted.role)
    if wanted.init and wanted.cluster_id:
        problems.append("init makes a new swarm, so it can't go with cluster_id: %s" % wanted.cluster_id)
    if not wanted.init and not wanted.cluster_id and not rehearsal:
        problems.append("cluster_id is needed to join, so that a host in another swarm is not taken for a member")
    return problems


def _belonging_problems(current: Membership, wanted: MemberRequest, name: str) -> list[str]:
    if wanted.init and not current.is_manager:
        return [
            "%s is a %s of the swarm %s already, so no swarm is made there" % (name, current.role, current.cluster_id)
        ]
    if wanted.cluster_id and current.cluster_id != wanted.cluster_id:
        return [
            "%s is in the swarm %s, not in %s: check the inventory; to move the host, drain it and let it leave "
            "with `docker swarm leave` first" % (name, current.cluster_id, wanted.cluster_id)
        ]
    return []


def silence(name: str, current: Membership) -> str:
    """What to say about a silent host of which something has to be known."""
    return "%s has an engine that does not answer (%s): %s" % (name, current.error or "no reason given", MEND_SILENT)


def role_warnings(current: Membership, role: str, name: str) -> tuple[str, ...]:
    """What to say about a member whose role is not the declared one: it is never promoted or demoted on the way."""
    if current.role in (None, role):
        return ()
    verb = "docker node promote" if role == MANAGER else "docker node demote"
    return ("%s is a %s but declared a %s; it is left so (`%s` changes it)" % (name, current.role, role, verb),)


def _step(name: str, wanted: MemberRequest) -> MemberPlan:
    request: dict[str, Any] = {
        "ListenAddr": wanted.listen_addr or "0.0.0.0:2377",
        "AdvertiseAddr": wanted.advertise_addr or "",
        "DataPathAddr": wanted.data_path_addr or "",
        "Availability": wanted.availability,
    }
    differences = [
        Difference("swarm", None, wanted.cluster_id or ("a new one" if wanted.init else "the one to be made")),
        Difference("role", None, wanted.role),
        Difference("availability", None, wanted.availability),
    ]
    if wanted.init:
        request.update(DataPathPort=wanted.data_path_port or 0, SubnetSize=wanted.subnet_size or 0, Spec={})
        if wanted.default_addr_pool:
            request["DefaultAddrPool"] = list(wanted.default_addr_pool)
            differences.append(Difference("default_addr_pool", None, list(wanted.default_addr_pool)))
    else:
        request.update(JoinToken=wanted.join_token, RemoteAddrs=list(wanted.remote_addrs))
        differences.append(Difference("through", None, list(wanted.remote_addrs)))
    if wanted.advertise_addr:
        differences.append(Difference("address", None, wanted.advertise_addr))
    step = Step(CREATE, "membership", name, tuple(differences), payload=request)
    return MemberPlan(INIT if wanted.init else JOIN, Plan((step,)))
