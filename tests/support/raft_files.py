# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a manager's state as swarmkit and etcd do, small and with keys that are known."""

from __future__ import annotations

import base64
import datetime
import struct
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import node_key, raft_records
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery.raft_records import Record, crc32c, varint
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support import secretbox

CLUSTER, NODE = "cluster1", "node1"
DEK, OTHER_DEK, KEK = b"d" * 32, b"p" * 32, b"k" * 32
UNLOCK_KEY = "SWMKEY-1-" + base64.b64encode(KEK).decode().rstrip("=")
_NONCE = b"n" * 24
METADATA, ENTRY, STATE, CRC, SNAPSHOT = range(1, 6)


def sealed(data: bytes, key: bytes = DEK) -> Record:
    return Record(raft_records.SECRETBOX, secretbox.seal(key, _NONCE, data), _NONCE)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def text(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


class Wal:
    """One file of the log; ``crc`` goes on from the file before."""

    def __init__(self, crc: int = 0) -> None:
        self.crc = crc
        self.data = b""
        self.put(CRC, None)
        self.put(METADATA, text(2, b"node1"))

    def put(self, kind: int, content: bytes | None) -> None:
        body = content or b""
        self.crc = crc32c(body, self.crc)
        frame = number(1, kind) + number(2, self.crc) + (text(3, body) if content is not None else b"")
        padding = -len(frame) % 8
        self.data += struct.pack("<Q", len(frame) | ((0x80 | padding) << 56 if padding else 0)) + frame + bytes(padding)

    def snapshot(self, index: int, term: int) -> None:
        self.put(SNAPSHOT, number(1, index) + number(2, term))

    def entry(self, index: int, data: bytes, key: bytes = DEK) -> None:
        record = sealed(data, key).render()
        self.put(ENTRY, number(1, 0) + number(2, 2) + number(3, index) + text(4, record))

    def state(self, commit: int) -> None:
        self.put(STATE, number(1, 2) + number(2, 7) + number(3, commit))


def snap(index: int, term: int, data: bytes, key: bytes = DEK) -> bytes:
    """The file of a snapshot."""
    about = text(1, b"") + number(2, index) + number(3, term)
    inner = text(1, sealed(data, key).render()) + text(2, about)
    return number(1, crc32c(inner)) + text(2, inner)


def log(indices: Sequence[int] = (1, 2, 3), key: bytes = DEK) -> Wal:
    """A log without a snapshot."""
    wal = Wal()
    wal.snapshot(0, 0)
    for index in indices:
        wal.entry(index, b"entry %d" % index, key)
    wal.state(indices[-1])
    return wal


def make_state(root: Path, *, locked: bool = True, pending: bytes | None = None, wal: bytes | None = None) -> Path:
    """The directory that an engine calls ``swarm``."""
    private = ec.generate_private_key(ec.SECP256R1())
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if locked:
        protection = serialization.BestAvailableEncryption(KEK)
    der = private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, protection)
    headers = {"kek-version": "22", "raft-dek": _header(DEK, locked=locked), "flavour": "unknown"}
    if pending is not None:
        headers["raft-dek-pending"] = _header(pending, locked=locked)
    certificates, logs = root / "certificates", root / "raft" / "wal-v3-encrypted"
    certificates.mkdir(parents=True)
    logs.mkdir(parents=True)
    (root / "raft" / "snap-v3-encrypted").mkdir()
    label = "ENCRYPTED PRIVATE KEY" if locked else "PRIVATE KEY"
    key = certificates / "swarm-node.key"
    key.write_bytes(node_key.render(node_key.NodeKey(headers, der, locked, label)))
    key.chmod(0o600)
    (certificates / "swarm-node.crt").write_bytes(_certificate(private))
    (logs / ("%016x-%016x.wal" % (0, 0))).write_bytes(log().data + bytes(64) if wal is None else wal)
    return root


def _header(dek: bytes, *, locked: bool) -> str:
    return node_key.encode_record(sealed(dek, KEK) if locked else Record(raft_records.PLAIN, dek))


def _certificate(private: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, CLUSTER),
            x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "swarm-manager"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, NODE),
        ]
    )
    begin = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=90))
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
