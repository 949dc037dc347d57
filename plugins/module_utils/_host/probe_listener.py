# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe's listening side: counts the packets that came to this host, and those that its firewall let through.

What a raw socket gets has passed the firewall: the kernel hands it a copy in ``ip_protocol_deliver_rcu``, through
``raw_local_deliver``, which ``ip_local_deliver_finish`` calls, and that is what follows the hook ``NF_INET_LOCAL_IN``
(net/ipv4/ip_input.c). With IPv6 they are ``raw6_local_deliver`` and ``ip6_input_finish`` (net/ipv6/ip6_input.c).
A packet to a published port goes on to a container instead; it has passed when it leaves by another interface. That,
and what arrives before any hook, a packet socket shows (packet(7)).
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import json
import os
import secrets
import select
import socket
import struct
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._core.firewall import probe_packet
from .._core.firewall.probe_packet import Note
from .errors import HostError

# linux/if_ether.h, linux/if_packet.h and asm-generic/socket.h; Python names none of them on every version.
_ETH_P_ALL = 0x0003
_PACKET_HOST = 0
_PACKET_OUTGOING = 4
_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_BUFFER = 4 << 20
"""Bytes: room for what all nodes of a large swarm send at the same moment."""
_MOST_NOTES = 50_000
_ANSWER_SECONDS = 15


@dataclass
class Count:
    """How often a packet was seen before the firewall (``arrived``) and after it (``passed``), and whence it came."""

    source: str = ""
    arrived: int = 0
    passed: int = 0


@dataclass
class Counts:
    """The packets of all senders."""

    token: str
    addresses: Collection[str]
    by_note: dict[Note, Count] = field(default_factory=dict)

    def delivered(self, data: bytes, offsets: Sequence[int]) -> None:
        """A packet from a raw socket."""
        found = self._of(data, offsets)
        if found is not None:
            found.passed += 1

    def seen(self, data: bytes, kind: int) -> None:
        """A packet from the packet socket, from its IP header on."""
        version = data[0] >> 4 if data else 0
        found = self._of(data, probe_packet.AFTER_IPV4 if version == 4 else probe_packet.AFTER_IPV6)
        if found is None:
            return
        if kind == _PACKET_HOST:
            found.arrived += 1
            raw = data[12:16] if version == 4 else data[8:24]
            found.source = found.source or str(ipaddress.ip_address(raw))
        elif kind == _PACKET_OUTGOING:
            found.passed += 1

    def as_list(self) -> list[dict[str, Any]]:
        return [
            {
                "sender": note.sender,
                "address": note.address,
                "flow": note.flow,
                "source": count.source,
                "arrived": count.arrived,
                "passed": count.passed,
            }
            for note, count in self.by_note.items()
        ]

    def _of(self, data: bytes, offsets: Sequence[int]) -> Count | None:
        note = probe_packet.read(self.token, data, offsets)
        if note is None or note.address not in self.addresses:
            return None
        if note not in self.by_note and len(self.by_note) >= _MOST_NOTES:
            return None
        return self.by_note.setdefault(note, Count())


Reader = Callable[[], None]


class Listener:
    """The open sockets and what they counted."""

    def __init__(self, token: str, addresses: Collection[str]) -> None:
        self.token = token
        self.counts = Counts(token, addresses)
        self._readers: dict[socket.socket, Reader] = {}
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._control.bind(_control_address(token))
        self._control.listen(1)

    def open(self) -> None:
        """Open all sockets; from now on nothing is missed.

        Raises:
            HostError: it may not, or the kernel can't.
        """
        try:
            for protocol in (socket.IPPROTO_UDP, socket.IPPROTO_ESP):
                # A raw socket's packet begins with the IP header (raw(7)), but with IPv6 after it (RFC 3542).
                self._raw(socket.AF_INET, protocol, probe_packet.AFTER_IPV4)
                if socket.has_ipv6 and Path("/proc/net/if_inet6").exists():
                    self._raw(socket.AF_INET6, protocol, probe_packet.AFTER_NOTHING)
            self._packets()
        except PermissionError as error:
            raise HostError("packets can be counted by root only: let Ansible become root (%s)" % error) from error
        except OSError as error:
            raise HostError("packets can't be counted here: %s" % error) from error

    def serve(self, seconds: float) -> None:
        """Count until somebody asks for the result, then give it and end; end at the deadline at the latest."""
        end = time.monotonic() + seconds
        waiting = select.poll()
        by_number = {each.fileno(): each for each in [self._control, *self._readers]}
        for number in by_number:
            waiting.register(number, select.POLLIN)
        while time.monotonic() < end:
            for number, _event in waiting.poll(1000):
                ready = by_number[number]
                if ready is not self._control:
                    self._readers[ready]()
                elif self._answer():
                    return

    def close(self) -> None:
        for each in [self._control, *self._readers]:
            each.close()

    def numbers(self) -> set[int]:
        """The file descriptors that a process needs to go on serving."""
        return {each.fileno() for each in [self._control, *self._readers]}

    def _raw(self, family: int, protocol: int, offsets: Sequence[int]) -> None:
        client = socket.socket(family, socket.SOCK_RAW, protocol)
        self._prepared(client, offsets)
        self._readers[client] = lambda: self._drain(client, lambda data, _kind: self.counts.delivered(data, offsets))

    def _packets(self) -> None:
        # Of all protocols: a packet socket of one is shown nothing that leaves.
        client = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._prepared(client, sorted(probe_packet.AFTER_IPV4 + probe_packet.AFTER_IPV6))
        self._readers[client] = lambda: self._drain(client, self.counts.seen)

    def _prepared(self, client: socket.socket, offsets: Sequence[int]) -> None:
        client.setblocking(False)
        program = probe_packet.socket_filter(self.token, offsets)
        buffer = ctypes.create_string_buffer(program, len(program))
        # struct sock_fprog: the number of instructions, and where they are.
        client.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, ctypes.addressof(buffer))
        )
        client.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)

    @staticmethod
    def _drain(client: socket.socket, take: Callable[[bytes, int], None]) -> None:
        while True:
            try:
                data, sender = client.recvfrom(2048)
            except OSError:
                return  # nothing left, or an interface went down
            take(data, sender[2] if client.family == socket.AF_PACKET else 0)

    def _answer(self) -> bool:
        """Give whoever asks the counts; False when it was nobody who may know."""
        with contextlib.suppress(OSError):
            asker, _address = self._control.accept()
            with asker:
                credentials = asker.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
                _process, user, _group = struct.unpack("iII", credentials)
                if user not in (0, os.getuid()):
                    return False
                for read in self._readers.values():
                    read()
                asker.settimeout(_ANSWER_SECONDS)
                asker.sendall(json.dumps(self.counts.as_list()).encode("utf-8"))
                return True
        return False


def _control_address(token: str) -> str:
    """An abstract socket: nothing lies in a file system, so nothing can be left there."""
    return "\0flotilla-firewall-probe-" + token


def start(addresses: Collection[str], seconds: float) -> str:
    """Leave a process behind that counts until it is asked, or so many seconds; returns the token that it counts.

    When this returns, its sockets are open.

    Raises:
        HostError: packets can't be counted here.
    """
    token = secrets.token_hex(probe_packet.TOKEN_BYTES // 2)
    listener = Listener(token, addresses)
    try:
        listener.open()
        child = os.fork()
        if child == 0:
            _leave(lambda: listener.serve(seconds), listener.numbers())
        os.waitpid(child, 0)
    finally:
        listener.close()
    return token


def _leave(work: Callable[[], None], keep: Collection[int]) -> None:
    """In a child: do the work in a process of its own session that holds none of the caller's files, and end."""
    try:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            nothing = os.open(os.devnull, os.O_RDWR)
            for number in range(3):
                os.dup2(nothing, number)
            for number in _open_files():
                if number > 2 and number not in keep:
                    with contextlib.suppress(OSError):
                        os.close(number)
            work()
    finally:
        # Without what Python and Ansible do at an exit: that is the caller's to do.
        os._exit(0)


def _open_files() -> list[int]:
    return [int(path.name) for path in Path("/proc/self/fd").iterdir()]


def collect(token: str) -> list[dict[str, Any]]:
    """What the listener with this token counted; it ends.

    Raises:
        HostError: it is not there any more.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(_ANSWER_SECONDS)
            client.connect(_control_address(token))
            return list(json.loads(b"".join(_received(client)).decode("utf-8")))
    except (OSError, ValueError) as error:
        raise HostError(
            "the listener does not answer (%s): it ended at its deadline, or was ended; probe again, with more seconds "
            "if the probe took longer" % error
        ) from error


def _received(client: socket.socket) -> Iterator[bytes]:
    while True:
        data = client.recv(1 << 16)
        if not data:
            return
        yield data
