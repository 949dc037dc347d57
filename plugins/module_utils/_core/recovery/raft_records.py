# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in which a manager keeps its raft: the log's frames and the snapshots, and in them what swarmkit encrypts.

etcd's packages ``wal`` and ``snap`` write them (https://github.com/etcd-io/etcd: server/storage/wal,
server/etcdserver/api/snap).

Stricter than an engine, which takes some damage for the log's end and goes on with less: here all of it is an error.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Union

PLAIN = 0
SECRETBOX = 1
"""XSalsa20 and Poly1305, NaCl's secretbox."""
FERNET = 2
"""What an engine in FIPS mode encrypts with."""

_METADATA, _ENTRY, _STATE, _CRC, _SNAPSHOT = range(1, 6)
_HEAD = 8
"""Bytes of a frame's length."""
_SEGMENT = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.wal")
_SNAP = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.snap")

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
Value = Union[int, bytes]


class Damaged(ValueError):
    """What was read can't be what was written. ``offset`` is where in its file, as far as that is known."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


# -- CRC-32C and protobuf --------------------------------------------------------------------------------------------


def _table() -> tuple[int, ...]:
    found = []
    for number in range(256):
        value = number
        for _bit in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return tuple(found)


_CRC_TABLE = _table()


def crc32c(data: bytes, crc: int = 0) -> int:
    """The Castagnoli CRC of what ``crc`` is of, and this after it."""
    table = _CRC_TABLE
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def message(data: bytes, shape: Mapping[int, int]) -> dict[int, Value]:
    """The fields of a protobuf message, each of which it has once at most.

    Args:
        shape: number of each field that it may have → its wire type.

    Raises:
        Damaged: it is none, or has another field.
    """
    found: dict[int, Value] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if shape.get(number) != kind or number in found:
            raise Damaged("it has the field %d of the wire type %d, which can't be" % (number, kind))
        if kind == _VARINT:
            found[number], at = _varint(data, at)
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        else:
            length = _WIDTHS[kind]
        if at + length > len(data):
            raise Damaged("a field ends behind the message's end")
        found[number] = data[at : at + length]
        at += length
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = 0
    for position, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            if value >> 64:
                break
            return value, at + position + 1
    raise Damaged("a number in it has no end")


def varint(value: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(found: Mapping[int, Value], key: int) -> int:
    value = found.get(key, 0)
    return value if isinstance(value, int) else 0


def _text(found: Mapping[int, Value], key: int) -> bytes:
    value = found.get(key, b"")
    return value if isinstance(value, bytes) else b""


# -- records that may be encrypted -----------------------------------------------------------------------------------

Unseal = Callable[[bytes, bytes, bytes], bytes]
"""Opens a secretbox: key, nonce, sealed data → data. A ValueError when the key does not fit it."""

_RECORD = {1: _VARINT, 2: _BYTES, 3: _BYTES}


@dataclass(frozen=True)
class Record:
    """What swarmkit calls a MaybeEncryptedRecord."""

    algorithm: int
    data: bytes = field(repr=False)
    nonce: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Record:
        """The record that was marshalled.

        Raises:
            Damaged: it is none.
        """
        found = message(data, _RECORD)
        record = cls(_number(found, 1), _text(found, 2), _text(found, 3))
        if record.algorithm not in (PLAIN, SECRETBOX, FERNET) or not record.data:
            raise Damaged("it is no record that may be encrypted")
        return record

    def render(self) -> bytes:
        """As ``parse`` reads it."""
        out = b"\x08" + varint(self.algorithm) if self.algorithm else b""
        out += b"\x12" + varint(len(self.data)) + self.data
        return out + (b"\x1a" + varint(len(self.nonce)) + self.nonce if self.nonce else b"")

    def decrypted(self, keys: Sequence[bytes], unseal: Unseal) -> bytes:
        """What is in it.

        Raises:
            Damaged: none of the keys opens it.
        """
        if self.algorithm == PLAIN:
            return self.data
        if self.algorithm == FERNET:
            raise Damaged("it is encrypted as by an engine in FIPS mode (Fernet), which this collection does not read")
        for key in keys:
            try:
                return unseal(key, self.nonce, self.data)
            except ValueError:
                continue
        raise Damaged("the key does not open it, or it was changed since it was written")


def from_base64(text: str) -> bytes:
    """Raises Damaged when it is no base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise Damaged("it is no base64") from error


# -- the log ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One entry of the log: its index, where it is, and what swarmkit wrote into it."""

    index: int
    file: str
    offset: int
    data: bytes = field(repr=False)


@dataclass
class Log:
    """What is read of the log from a snapshot on, file after file, the oldest first.

    Attributes:
        index, term: of that snapshot; both 0 for none.
        entries: those after it. What the raft has overwritten since is not among them.
        frames: everything that was read.
        commit: the last index of which the manager knew that a majority has it.
        marked: the log says of that snapshot too.
    """

    index: int = 0
    term: int = 0
    entries: list[Entry] = field(default_factory=list)
    frames: int = 0
    commit: int = 0
    marked: bool = False
    _crc: int | None = None
    _metadata: bytes | None = None

    def read(self, file: str, data: bytes) -> None:
        """Take one file of the log.

        Raises:
            Damaged: it has something in it that was never written so.
        """
        for offset, kind, crc, content in _frames(data):
            try:
                self._take(file, offset, kind, crc, content)
            except Damaged as error:
                raise Damaged(str(error), offset) from error
            self.frames += 1

    def finish(self) -> None:
        """Judge the whole.

        Raises:
            Damaged: something that belongs to it is not there.
        """
        last = self.entries[-1].index if self.entries else self.index
        if self._metadata is None:
            raise Damaged("the log is empty")
        if not self.marked:
            raise Damaged("the log does not know the snapshot at index %d" % self.index)
        if self.commit > last:
            raise Damaged("the log ends at index %d, and %d was committed" % (last, self.commit))

    def _take(self, file: str, offset: int, kind: int, crc: int, content: bytes) -> None:
        if kind == _CRC:
            # Each file begins with the sum of all that came before; the first that is read has nothing to compare.
            if content or (self._crc is not None and crc != self._crc):
                raise Damaged("its checksum does not continue that of the file before")
            self._crc = crc
            return
        if self._crc is None:
            raise Damaged("it does not begin with a checksum")
        self._crc = crc32c(content, self._crc)
        if self._crc != crc:
            raise Damaged("its checksum is %08x, and %08x was written" % (self._crc, crc))
        if kind == _METADATA:
            self._member(content)
        elif kind == _ENTRY:
            self._entry(file, offset, content)
        elif kind == _STATE:
            self.commit = _number(_whole(content, {1: _VARINT, 2: _VARINT, 3: _VARINT}), 3)
        elif kind == _SNAPSHOT:
            self._mark(content)
        else:
            raise Damaged("it is of the type %d, which there is not" % kind)

    def _member(self, content: bytes) -> None:
        if self._metadata not in (None, content):
            raise Damaged("it says another member of the raft than before")
        self._metadata = content

    def _mark(self, content: bytes) -> None:
        found = message(content, {1: _VARINT, 2: _VARINT, 3: _BYTES})
        if not {1, 2} <= set(found):
            raise Damaged("it is no note of a snapshot")
        if found[1] == self.index and found[2] != self.term:
            raise Damaged("it says another term of the snapshot at index %d" % self.index)
        self.marked = self.marked or found[1] == self.index

    def _entry(self, file: str, offset: int, content: bytes) -> None:
        found = _whole(content, {1: _VARINT, 2: _VARINT, 3: _VARINT, 4: _BYTES})
        index = _number(found, 3)
        if index <= self.index:
            return
        known = index - self.index - 1
        if known > len(self.entries):
            raise Damaged("the entries before index %d are not there" % index)
        del self.entries[known:]
        self.entries.append(Entry(index, file, offset, _text(found, 4)))


def _whole(content: bytes, shape: Mapping[int, int]) -> dict[int, Value]:
    """A message that has all of its fields."""
    found = message(content, shape)
    if set(found) != set(shape):
        raise Damaged("a part of it is missing")
    return found


def _frames(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Offset, type, checksum and content of each frame; zeros, with which the file was made, are its end."""
    at = 0
    while at < len(data):
        if at + _HEAD > len(data):
            raise Damaged("it ends in the middle of a frame", at)
        head = int.from_bytes(data[at : at + _HEAD], "little")
        if head == 0:
            if data.count(0, at) != len(data) - at:
                raise Damaged("there is something behind the log's end", at)
            return
        # Seven bytes are the length; the eighth says how many zeros follow to make it a multiple of eight.
        length, padding = head & (1 << 56) - 1, head >> 56
        if padding != (0x80 | -length % 8 if length % 8 else 0):
            raise Damaged("a frame's length can't be", at)
        start, end = at + _HEAD, at + _HEAD + length
        if end + -length % 8 > len(data):
            raise Damaged("it ends in the middle of a frame", at)
        if any(data[end : end + -length % 8]):
            raise Damaged("there is something between two frames", end)
        try:
            found = message(data[start:end], {1: _VARINT, 2: _VARINT, 3: _BYTES})
        except Damaged as error:
            raise Damaged("a frame can't be read: %s" % error, at) from error
        if not {1, 2} <= set(found) or (found[1] != _CRC and not _text(found, 3)):
            raise Damaged("a frame has no content", at)
        yield at, _number(found, 1), _number(found, 2), _text(found, 3)
        at = end + -length % 8


def segments(names: Sequence[str], index: int) -> list[str]:
    """The files of the log that are needed from an index on, in their order.

    Raises:
        Damaged: one is not there.
    """
    found = sorted((int(one[1], 16), int(one[2], 16), one[0]) for one in map(_SEGMENT.fullmatch, names) if one)
    first = max((position for position, one in enumerate(found) if one[1] <= index), default=None)
    if first is None:
        raise Damaged("there is no file of the log for the index %d" % index)
    needed = found[first:]
    for before, after in zip(needed, needed[1:]):
        if after[0] != before[0] + 1:
            raise Damaged("the file of the log between %s and %s is not there" % (before[2], after[2]))
    return [name for _sequence, _index, name in needed]


# -- snapshots -------------------------------------------------------------------------------------------------------


def newest_snapshot(names: Sequence[str]) -> tuple[str, int, int] | None:
    """Name, index and term of the newest snapshot; None for none."""
    found = sorted(one[0] for one in map(_SNAP.fullmatch, names) if one)
    if not found:
        return None
    term, _dash, index = found[-1][: -len(".snap")].partition("-")
    return found[-1], int(index, 16), int(term, 16)


def snapshot(data: bytes, index: int, term: int) -> Record:
    """What is in the file of a snapshot.

    Args:
        index, term: what its name says.

    Raises:
        Damaged: it was changed since it was written.
    """
    outer = _whole(data, {1: _VARINT, 2: _BYTES})
    content = _text(outer, 2)
    if crc32c(content) != _number(outer, 1):
        raise Damaged("its checksum is %08x, and %08x was written" % (crc32c(content), _number(outer, 1)))
    inner = _whole(content, {1: _BYTES, 2: _BYTES})
    about = message(_text(inner, 2), {1: _BYTES, 2: _VARINT, 3: _VARINT})
    if (_number(about, 2), _number(about, 3)) != (index, term):
        raise Damaged("it is of another index than its name says")
    return Record.parse(_text(inner, 1))
