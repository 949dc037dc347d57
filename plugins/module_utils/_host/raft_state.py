# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the raft of a manager's state directory without an engine, and without changing anything in it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from .._core.recovery import raft_records
from .._core.recovery.raft_records import PLAIN, Damaged, Log, Unseal
from .errors import HostError

WAL = Path("raft/wal-v3-encrypted")
SNAPSHOTS = Path("raft/snap-v3-encrypted")
_Answer = TypeVar("_Answer")


def secretbox() -> Unseal:
    """What opens a NaCl secretbox.

    Raises:
        HostError: the library isn't there.
    """
    try:
        errors = importlib.import_module("nacl.exceptions")
        secret = importlib.import_module("nacl.secret")
    except ImportError as error:
        raise HostError("the raft's keys are opened with PyNaCl: install the package python3-nacl here") from error

    def unseal(key: bytes, nonce: bytes, data: bytes) -> bytes:
        try:
            return bytes(secret.SecretBox(key).decrypt(data, nonce))
        except errors.CryptoError as error:
            raise ValueError(str(error)) from error

    return unseal


def open_raft(state: Path, deks: Sequence[bytes], unseal: Unseal | None = None) -> str:
    """Read everything that an engine would read when it starts with this state, and open all of it.

    Args:
        state: the directory that the engine calls ``swarm``, of an engine that was stopped.
        deks: the raft's keys; each record is opened by one of them.

    Returns:
        What is there, for people.

    Raises:
        HostError: something was changed since it was written, or the keys do not fit it.
    """
    unseal = unseal or secretbox()
    log, encrypted = _snapshot(state, deks, unseal), 0
    for path in _segments(state, log.index):
        _judged(path, partial(log.read, path.name, _read(path)))
    _judged(state / WAL, log.finish)
    for entry in log.entries:
        encrypted += _opened(state / WAL / entry.file, entry, deks, unseal)
    at = "snapshot at index %d" % log.index if log.index else "no snapshot yet"
    return "%d entries, %d encrypted, %s" % (len(log.entries), encrypted, at)


def prove_keys(state: Path, deks: Sequence[bytes], unseal: Unseal | None = None) -> None:
    """Open one record with the keys, the newest snapshot or else the log's first entry.

    The rest is not looked at: an engine that was killed may have left half a record at the log's end, and mends that.

    Raises:
        HostError: they do not fit it.
    """
    unseal = unseal or secretbox()
    log = _snapshot(state, deks, unseal)
    if log.index:
        return
    for path in _segments(state, 0):
        data = _read(path)
        with contextlib.suppress(Damaged):
            log.read(path.name, data)
        if log.entries:
            _opened(path, log.entries[0], deks, unseal)
            return
    raise HostError("%s has neither a snapshot nor an entry that the keys could open" % (state / WAL))


def _snapshot(state: Path, deks: Sequence[bytes], unseal: Unseal) -> Log:
    """A log that begins with the newest snapshot, which was opened."""
    directory = state / SNAPSHOTS
    found = raft_records.newest_snapshot(_names(directory)) if directory.is_dir() else None
    if found is None:
        return Log()
    name, index, term = found
    path = directory / name
    _judged(path, lambda: raft_records.snapshot(_read(path), index, term).decrypted(deks, unseal))
    return Log(index, term)


def _opened(path: Path, entry: raft_records.Entry, deks: Sequence[bytes], unseal: Unseal) -> bool:
    """Whether an entry was encrypted; it is opened."""

    def work() -> bool:
        try:
            record = raft_records.Record.parse(entry.data)
            record.decrypted(deks, unseal)
        except Damaged as error:
            raise Damaged("entry %d: %s" % (entry.index, error), entry.offset) from error
        return record.algorithm != PLAIN

    return _judged(path, work)


def _segments(state: Path, index: int) -> list[Path]:
    directory = state / WAL
    names = _names(directory)
    return [directory / name for name in _judged(directory, lambda: raft_records.segments(names, index))]


def _judged(path: Path, work: Callable[[], _Answer]) -> _Answer:
    """Do something with a file, and say which it was if that shows that it is damaged."""
    try:
        return work()
    except Damaged as error:
        raise HostError("%s, byte %d: %s: this state can't be used" % (path, error.offset, error)) from error


def _names(directory: Path) -> list[str]:
    try:
        return [path.name for path in directory.iterdir()]
    except FileNotFoundError as error:
        raise HostError("there is no %s: this is no manager's state" % directory) from error
    except OSError as error:
        raise HostError("%s can't be read: %s" % (directory, error.strerror)) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HostError("%s can't be read: %s" % (path, error.strerror)) from error
