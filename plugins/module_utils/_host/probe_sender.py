# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe's sending side: connections and datagrams to every port of every host that listens, all at once."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.firewall.probe_packet import ESP, TCP, Flow, Note, packet

OPEN = "open"
CLOSED = "closed"
SENT = "sent"

BATCH = 250
"""Connections at once: a process may have 1024 files open by default."""
_ROUNDS = 2
"""A datagram is lost now and then, and the first ones while a neighbour's address is still asked for."""

# linux/in.h, linux/in6.h and linux/socket.h; Python names none of them on every version.
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_MSG_ERRQUEUE = 0x2000


@dataclass(frozen=True)
class Peer:
    """One address of a host that listens, and the token of its listener."""

    name: str
    token: str
    address: str

    @property
    def family(self) -> int:
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET


@dataclass
class Way:
    """To one address of a host: from which address, and what came of each flow (``str`` of it).

    An answer is open, closed (TCP), sent (everything else: the listener knows what came of it) or an error.
    """

    peer: Peer
    source: str = ""
    error: str = ""
    answers: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "target": self.peer.name,
            "address": self.peer.address,
            "source": self.source,
            "error": self.error,
            "answers": self.answers,
        }


def peers(targets: Iterable[Mapping[str, Any]]) -> list[Peer]:
    """The addresses of all targets (``name``, ``token`` and ``addresses`` each)."""
    return [
        Peer(str(target["name"]), str(target["token"]), str(address))
        for target in targets
        for address in target["addresses"]
    ]


def send(sender: str, everybody: Sequence[Peer], flows: Sequence[Flow], timeout: float) -> list[dict[str, Any]]:
    """Try every flow to every peer.

    Args:
        sender: this host's name, which its packets carry.
        timeout: seconds that a connection has to be answered.
    """
    ways = [_way(peer) for peer in everybody]
    reachable = [way for way in ways if not way.error]
    datagrams = [flow for flow in flows if flow.protocol != TCP]
    with _Sockets() as sockets:
        for number in range(_ROUNDS):
            for way in reachable:
                for flow in datagrams:
                    way.answers[str(flow)] = sockets.send(sender, way.peer, flow)
            if number == 0:
                _connect_all([(way, flow) for way in reachable for flow in flows if flow.protocol == TCP], timeout)
    return [way.as_dict() for way in ways]


def _way(peer: Peer) -> Way:
    """The source address that the kernel would choose; an error where it knows no route. Nothing is sent."""
    try:
        with socket.socket(peer.family, socket.SOCK_DGRAM) as client:
            client.connect((peer.address, 9))
            return Way(peer, source=str(client.getsockname()[0]))
    except OSError as error:
        return Way(peer, error=_words(error))


def _words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


# --- Datagrams --------------------------------------------------------------------------------------------------------


class _Sockets:
    """One socket for each family and protocol, opened when it is needed."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, bool], socket.socket] = {}

    def __enter__(self) -> _Sockets:
        return self

    def __exit__(self, *_error: object) -> None:
        for client in self._open.values():
            client.close()

    def send(self, sender: str, peer: Peer, flow: Flow) -> str:
        """``sent``, or why not."""
        try:
            content = packet(peer.token, Note(sender, peer.address, str(flow)), flow)
            self._socket(peer.family, flow.protocol == ESP).sendto(content, (peer.address, flow.port))
        except PermissionError as error:
            return "%s, let Ansible become root there" % _words(error) if flow.protocol == ESP else _words(error)
        except OSError as error:
            return _words(error)
        return SENT

    def _socket(self, family: int, raw: bool) -> socket.socket:
        if (family, raw) not in self._open:
            kind = (socket.SOCK_RAW, socket.IPPROTO_ESP) if raw else (socket.SOCK_DGRAM, 0)
            self._open[family, raw] = socket.socket(family, *kind)
        return self._open[family, raw]


# --- Connections ------------------------------------------------------------------------------------------------------


def _connect_all(wanted: Sequence[tuple[Way, Flow]], timeout: float) -> None:
    for start in range(0, len(wanted), BATCH):
        _connect(wanted[start : start + BATCH], timeout)


def _connect(wanted: Sequence[tuple[Way, Flow]], timeout: float) -> None:
    """Begin all connections, and note the answers that come before the deadline; the others are closed."""
    under_way: dict[int, tuple[socket.socket, Way, Flow]] = {}
    waiting = select.poll()
    try:
        for way, flow in wanted:
            client = _begin(way, flow)
            if client is not None:
                under_way[client.fileno()] = (client, way, flow)
                waiting.register(client, select.POLLOUT)
        for number in _ready(waiting, timeout, len(under_way)):
            client, way, flow = under_way.pop(number)
            way.answers[str(flow)] = _answer(client)
            client.close()
        for _client, way, flow in under_way.values():
            way.answers[str(flow)] = CLOSED
    finally:
        for client, _way_there, _flow in under_way.values():
            client.close()


def _begin(way: Way, flow: Flow) -> socket.socket | None:
    """A connection under way; None when it could not begin, which is noted."""
    client = socket.socket(way.peer.family, socket.SOCK_STREAM)
    try:
        client.setblocking(False)
        # Ended by a reset: neither side keeps anything of it.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if way.peer.family == socket.AF_INET6:
            client.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            client.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        number = client.connect_ex((way.peer.address, flow.port))
        if number in (0, errno.EINPROGRESS):
            return client
        way.answers[str(flow)] = os.strerror(number)
    except OSError as error:
        way.answers[str(flow)] = _words(error)
    client.close()
    return None


def _ready(waiting: select.poll, timeout: float, count: int) -> Iterator[int]:
    """The numbers of the sockets that got an answer, until all have one or the time is over."""
    end = time.monotonic() + timeout
    while count:
        # On a busy machine the time may be over before the first look: what came by then has been answered in time.
        left = max(0.0, end - time.monotonic())
        answered = waiting.poll(left * 1000)
        if not answered and not left:
            return
        for number, _event in answered:
            waiting.unregister(number)
            count -= 1
            yield number


def _answer(client: socket.socket) -> str:
    """A connection or a reset came through the firewall; what an ICMP message ended did not.

    A firewall that rejects with ICMP's "port unreachable" looks like a reset (``ECONNREFUSED``) but for the message,
    which the socket's error queue holds (ip(7), IP_RECVERR).
    """
    number = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number == 0:
        return OPEN
    if number != errno.ECONNREFUSED:
        return CLOSED
    try:
        client.recvmsg(1, 512, _MSG_ERRQUEUE)
    except OSError:
        return OPEN  # the queue is empty
    return CLOSED
