# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the key of a manager whose engine is stopped, and takes the lock off it.

An engine can't be asked for either: with its quorum lost, ``docker swarm unlock`` waits forever (moby#36852).
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._core.errors import DeclarationError
from .._core.recovery import node_key as core
from .._core.recovery.raft_records import Unseal
from . import raft_state
from .errors import HostError

KEY = Path("certificates/swarm-node.key")
CERTIFICATE = Path("certificates/swarm-node.crt")


@dataclass(frozen=True)
class Opened:
    """A key that was opened.

    Attributes:
        key: as it stands in the file.
        der: the private key (PKCS#8).
        deks: header → the raft's key in it.
    """

    key: core.NodeKey
    der: bytes = field(repr=False)
    deks: dict[str, bytes] = field(repr=False)

    @property
    def raft_keys(self) -> list[bytes]:
        """The raft's keys; the newest first."""
        return [self.deks[header] for header in reversed(core.DEKS) if header in self.deks]


def open_key(state: Path, unlock_key: str | None, unseal: Unseal | None = None) -> Opened:
    """Open the node's key, and see that it is the one of its certificate.

    Args:
        state: the directory that the engine calls ``swarm``.
        unlock_key: ``SWMKEY-1-…``; None or empty where there is none.

    Raises:
        HostError: it can't be opened. No message shows a key.
    """
    path = state / KEY
    try:
        key = core.parse(_read(path))
        secret = _secret(key, unlock_key)
        der = _open_der(key, secret, state)
        deks = core.open_deks(key, secret, unseal or raft_state.secretbox())
    except DeclarationError as error:
        raise HostError("%s: %s" % (path, error)) from error
    return Opened(key, der, deks)


def check(state: Path, unlock_key: str | None, unseal: Unseal | None = None) -> bool:
    """See that a manager's state can be opened: its key, and with the raft's keys in that, the raft.

    Returns:
        Whether the key is locked.

    Raises:
        HostError: it can't.
    """
    opened = open_key(state, unlock_key, unseal)
    raft_state.prove_keys(state, opened.raft_keys, unseal)
    return opened.key.encrypted


def unlock(state: Path, unlock_key: str, unseal: Unseal | None = None) -> None:
    """Write the key without encryption, so that the engine needs no unlock key. One that isn't locked stays as it is.

    Raises:
        HostError: it can't be opened or written; it is as it was then.
    """
    opened = open_key(state, unlock_key, unseal)
    if opened.key.encrypted:
        _replace(state / KEY, core.render(core.unlocked(opened.key, opened.der, opened.deks)))


def _secret(key: core.NodeKey, unlock_key: str | None) -> bytes | None:
    if not key.encrypted:
        return None
    if not unlock_key:
        raise DeclarationError("it is locked, and there is no unlock key: autolock was on when it was written")
    return core.kek(unlock_key)


def _open_der(key: core.NodeKey, secret: bytes | None, state: Path) -> bytes:
    """The private key itself, opened, in PKCS#8.

    Raises:
        DeclarationError: the unlock key does not open it, or it is not the certificate's.
        HostError: the certificate can't be read, or the library isn't there.
    """
    try:
        from cryptography import x509  # noqa: PLC0415 -- only managers have it
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.hazmat.backends import default_backend  # noqa: PLC0415
        from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415
    except ImportError as error:
        raise HostError(
            "a node's key is opened with Python's cryptography: install the package python3-cryptography here"
        ) from error
    # RHEL 9 and Ubuntu 22.04 have a version of it that wants a backend.
    backend = default_backend()
    try:
        private: Any = form.load_der_private_key(key.der, secret, backend)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DeclarationError(
            "the unlock key does not open it: give the one of that time, or the file was changed since it was written"
            if key.encrypted
            else "its key can't be read (%s)" % error
        ) from error
    path = state / CERTIFICATE
    try:
        public = x509.load_pem_x509_certificate(_read(path), backend).public_key()
    except ValueError as error:
        raise HostError("%s is no certificate: %s" % (path, error)) from error
    if _public(public, form) != _public(private.public_key(), form):
        raise DeclarationError("it is not the key of the certificate beside it")
    return bytes(private.private_bytes(form.Encoding.DER, form.PrivateFormat.PKCS8, form.NoEncryption()))


def _public(key: Any, form: Any) -> bytes:
    return bytes(key.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise HostError("there is no %s: this is no node's state" % path) from error
    except OSError as error:
        raise HostError("%s can't be read: %s" % (path, error.strerror)) from error


def _replace(path: Path, content: bytes) -> None:
    """Give a file new content at once, with the owner and mode that it has."""
    try:
        before = path.stat()
        handle, name = tempfile.mkstemp(prefix=".swarm-node-key-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise HostError("%s can't be written: %s" % (path, error.strerror)) from error
