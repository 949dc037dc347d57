# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NaCl's secretbox where PyNaCl is not installed: XSalsa20 (https://cr.yp.to/snuffle/xsalsa-20110204.pdf) and Poly1305.

For tests alone: it is slow, and nothing in it is safe from being watched.
"""

from __future__ import annotations

import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.poly1305 import Poly1305

_CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")
_COLUMNS = ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11))
_ROWS = ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14))


def _rounds(state: list[int]) -> list[int]:
    words = list(state)
    for turn in range(20):
        for a, b, c, d in _ROWS if turn % 2 else _COLUMNS:
            for target, one, other, by in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18)):
                total = (words[one] + words[other]) & 0xFFFFFFFF
                words[target] ^= (total << by | total >> (32 - by)) & 0xFFFFFFFF
    return words


def _state(key: bytes, block: bytes) -> list[int]:
    k, n = struct.unpack("<8I", key), struct.unpack("<4I", block)
    c = _CONSTANTS
    return [c[0], *k[:4], c[1], *n, c[2], *k[4:], c[3]]


def _stream(key: bytes, nonce: bytes, length: int) -> bytes:
    mixed = _rounds(_state(key, nonce[:16]))
    subkey = struct.pack("<8I", *(mixed[at] for at in (0, 5, 10, 15, 6, 7, 8, 9)))
    out = b""
    for counter in range(-(-length // 64)):
        state = _state(subkey, nonce[16:] + struct.pack("<Q", counter))
        mixed = _rounds(state)
        out += struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(state, mixed, strict=True)))
    return out[:length]


def seal(key: bytes, nonce: bytes, data: bytes) -> bytes:
    """What ``unseal`` opens."""
    stream = _stream(key, nonce, 32 + len(data))
    sealed = bytes(a ^ b for a, b in zip(data, stream[32:], strict=True))
    return Poly1305.generate_tag(stream[:32], sealed) + sealed


def unseal(key: bytes, nonce: bytes, data: bytes) -> bytes:
    """Open a box, as ``_host.raft_state.secretbox`` does; a ValueError when the key does not fit it."""
    stream = _stream(key, nonce, 16 + len(data))
    try:
        Poly1305.verify_tag(stream[:32], data[16:], data[:16])
    except InvalidSignature as error:
        raise ValueError("it does not open") from error
    return bytes(a ^ b for a, b in zip(data[16:], stream[32:], strict=True))
