# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets of the firewall's probe: what is in them, and how a listener tells them from all others.

Every packet carries, at a place that its protocol fixes, the token of the listener that it is for, and a note of who
sent it, where to and as what. So a listener needs no header to count it, and no translated address misleads it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TCP = "tcp"
UDP = "udp"
VXLAN = "vxlan"
ESP = "esp"

PROBE_VNI = 4095
"""A VXLAN network that no overlay has: Swarm allocates from 4096 (moby: overlay/ovmanager, ``vxlanIDStart``)."""

TOKEN_BYTES = 16
MINIMUM = 96
"""Bytes of a payload, so that no filter looks beyond the end of one."""
_LONGEST_NOTE = 400

_SPI = 255
"""No security association has it: the parameters 1 to 255 are reserved (RFC 4303, section 2.1)."""
_UDP_HEADER = 8
_ESP_HEADER = 8
_VXLAN_HEADER = 8
_ETHERNET_HEADER = 14
_IPV4_HEADER = 20
_IPV6_HEADER = 40

_UNICAST = bytes.fromhex("02f107111a01")
_NOBODY = bytes.fromhex("02f107111aff")
"""Locally administered addresses (the bit 0x02 of the first byte): a source and a destination that no card has."""
_EXPERIMENTAL = bytes.fromhex("88b5")
"""The EtherType for experiments (IEEE Std 802, local experimental EtherType 1): no stack takes it for its own."""

AFTER_IPV4 = tuple(_IPV4_HEADER + _UDP_HEADER + more for more in (0, _VXLAN_HEADER + _ETHERNET_HEADER))
AFTER_IPV6 = tuple(_IPV6_HEADER + _UDP_HEADER + more for more in (0, _VXLAN_HEADER + _ETHERNET_HEADER))
AFTER_NOTHING = tuple(_UDP_HEADER + more for more in (0, _VXLAN_HEADER + _ETHERNET_HEADER))
"""Where the token is, in bytes from the IPv4, IPv6 or transport header. An ESP header is as long as UDP's."""


@dataclass(frozen=True)
class Flow:
    """One kind of packet.

    Attributes:
        protocol: tcp, udp, vxlan or esp.
        port: the destination port; 0 with esp, which has none.
        vni: the network inside VXLAN; 0 otherwise.
    """

    protocol: str
    port: int = 0
    vni: int = 0

    def __str__(self) -> str:
        """As people write it: 2377/tcp, 4789/vxlan, 4789/vxlan:4097 (in the network 4097), esp."""
        if self.protocol == ESP:
            return ESP
        network = ":%d" % self.vni if self.protocol == VXLAN and self.vni != PROBE_VNI else ""
        return "%d/%s%s" % (self.port, self.protocol, network)

    @classmethod
    def parse(cls, text: str) -> Flow:
        """The reverse of ``str``; ``ValueError`` for what it never writes."""
        if text == ESP:
            return cls(ESP)
        port, slash, rest = text.partition("/")
        protocol, colon, vni = rest.partition(":")
        if not slash or protocol not in (TCP, UDP, VXLAN) or (colon and protocol != VXLAN):
            raise ValueError("%r is no flow" % text)
        if protocol == VXLAN:
            return cls(protocol, int(port), int(vni) if colon else PROBE_VNI)
        return cls(protocol, int(port))


@dataclass(frozen=True)
class Note:
    """What a packet says of itself: the sender's name, the address it was sent to, and the flow (``str`` of it)."""

    sender: str
    address: str
    flow: str


def payload(token: str, note: Note) -> bytes:
    """Token and note; ``ValueError`` when the note is too long for a packet that must not be fragmented."""
    text = json.dumps([note.sender, note.address, note.flow]).encode("utf-8")
    if len(text) > _LONGEST_NOTE:
        raise ValueError("the name %r is too long for a packet" % note.sender)
    return (token.encode("ascii") + text + b"\n").ljust(MINIMUM, b".")


def packet(token: str, note: Note, flow: Flow) -> bytes:
    """What follows the UDP header, or with esp the IP header."""
    content = payload(token, note)
    if flow.protocol == VXLAN:
        return vxlan_header(flow.vni) + _NOBODY + _UNICAST + _EXPERIMENTAL + content
    if flow.protocol == ESP:
        return struct.pack("!II", _SPI, 1) + content
    return content


def vxlan_header(vni: int) -> bytes:
    """Flags with the bit that the VNI is valid, and the VNI in the upper three bytes of the second word (RFC 7348)."""
    return struct.pack("!II", 0x08 << 24, vni << 8)


def read(token: str, data: bytes, offsets: Sequence[int]) -> Note | None:
    """The note of a packet that carries the token at one of these places; None of any other packet."""
    wanted = token.encode("ascii")
    for offset in offsets:
        if data[offset : offset + len(wanted)] == wanted:
            text, newline, _rest = data[offset + len(wanted) :].partition(b"\n")
            return _note(text) if newline else None
    return None


def _note(text: bytes) -> Note | None:
    try:
        fields: Any = json.loads(text.decode("utf-8"))
    except ValueError:
        return None
    if not isinstance(fields, list) or len(fields) != 3 or not all(isinstance(field, str) for field in fields):
        return None
    return Note(*fields)


# Classic BPF (linux/bpf_common.h): load a word at a place, jump when it equals, return so many bytes.
_LOAD_WORD = 0x20
_JUMP_EQUAL = 0x15
_RETURN = 0x06
_WHOLE = 0xFFFF


def socket_filter(token: str, offsets: Sequence[int]) -> bytes:
    """A program for SO_ATTACH_FILTER that passes packets with the token's first four bytes at one of these places.

    Without it, a listener's socket would get every packet of the data path, which on a busy node it could not keep up
    with. A load beyond the end of a packet ends the program, and the packet is not passed: so the places are in order.

    Returns:
        the instructions, 8 bytes each (struct sock_filter: code, jt, jf, k).
    """
    places = sorted(offsets)
    (magic,) = struct.unpack("!I", token.encode("ascii")[:4])
    program = []
    for index, place in enumerate(places):
        left = len(places) - index - 1
        program.append(struct.pack("=HBBI", _LOAD_WORD, 0, 0, place))
        # Over the pairs that are left and the refusal; else on to the next.
        program.append(struct.pack("=HBBI", _JUMP_EQUAL, 2 * left + 1, 0, magic))
    program.append(struct.pack("=HBBI", _RETURN, 0, 0, 0))
    program.append(struct.pack("=HBBI", _RETURN, 0, 0, _WHOLE))
    return b"".join(program)
