# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of a node's key, ``swarm-node.key``: the key itself, and in its headers the keys of the raft's log.

With autolock both are encrypted with the unlock key (swarmkit's "key encryption key"); without, neither is.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import DeclarationError
from . import raft_records
from .raft_records import FERNET, PLAIN, SECRETBOX, Damaged, Record

DEK = "raft-dek"
PENDING = "raft-dek-pending"
"""There while the raft goes over from one key to the next: either may have encrypted what is on the disk."""
DEKS = (DEK, PENDING)
DEK_LENGTH = 32

_PREFIX = "SWMKEY-1-"
_ENCRYPTED = "ENCRYPTED PRIVATE KEY"
_PLAIN_LABELS = ("PRIVATE KEY", "EC PRIVATE KEY")
_BLOCK = re.compile(r"\s*-----BEGIN ([A-Z ]+)-----\n(.*)-----END \1-----\s*", re.DOTALL)
_HEADER = re.compile(r"([^:\s][^:]*): ?(.*)")
VERSION = "kek-version"
"""The header that tells with which unlock key the key was locked last: it counts the unlock keys."""
OLDEST = "0"
"""Older than any unlock key of a swarm."""


@dataclass(frozen=True)
class NodeKey:
    """A node's key, as the file has it.

    Attributes:
        headers: as they stand there.
        der: the key, in DER.
        encrypted: whether that is encrypted.
        label: what the file's first line calls it.
    """

    headers: Mapping[str, str] = field(repr=False)
    der: bytes = field(repr=False)
    encrypted: bool
    label: str = "PRIVATE KEY"


def parse(pem: bytes) -> NodeKey:
    """The key in a file.

    Raises:
        DeclarationError: there is none in it, or one that this collection does not open.
    """
    try:
        found = _BLOCK.fullmatch(pem.decode("ascii").replace("\r\n", "\n"))
    except UnicodeDecodeError:
        found = None
    if found is None:
        raise DeclarationError("it is no key in the PEM format")
    label, text = found.groups()
    headers, body = _split(text)
    if label not in (_ENCRYPTED, *_PLAIN_LABELS):
        raise DeclarationError("it is a %s, and no private key" % label.lower())
    if any(name.lower() in ("proc-type", "dek-info") for name in headers):
        raise DeclarationError(
            "its key is encrypted in the old way of OpenSSL, which this collection does not open: it was made by an "
            "engine before 18.09"
        )
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise DeclarationError("its key is no base64") from error
    if not der:
        raise DeclarationError("there is no key in it")
    return NodeKey(headers, der, label == _ENCRYPTED, label)


def _split(text: str) -> tuple[dict[str, str], str]:
    """The headers, and what follows them after an empty line."""
    if ":" not in text:
        return {}, text
    head, empty, body = text.partition("\n\n")
    headers: dict[str, str] = {}
    for line in head.split("\n"):
        found = _HEADER.fullmatch(line)
        if not empty or found is None or found[1] in headers:
            raise DeclarationError("its headers can't be read")
        headers[found[1]] = found[2]
    return headers, body


def render(key: NodeKey) -> bytes:
    """The file, as the engine would write it."""
    label = _ENCRYPTED if key.encrypted else key.label
    body = base64.b64encode(key.der).decode("ascii")
    lines = ["%s: %s" % (name, key.headers[name]) for name in sorted(key.headers)]
    if lines:
        lines.append("")
    lines += [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join(["-----BEGIN %s-----" % label, *lines, "-----END %s-----" % label, ""]).encode("ascii")


def kek(unlock_key: str) -> bytes:
    """The bytes of an unlock key.

    Raises:
        DeclarationError: it is none. The message does not show it.
    """
    text = unlock_key.strip()
    try:
        raw = base64.b64decode(text[len(_PREFIX) :] + "=" * (-len(text[len(_PREFIX) :]) % 4), validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if not text.startswith(_PREFIX) or len(raw) != DEK_LENGTH:
        raise DeclarationError(
            "this is no unlock key: write it as `docker swarm unlock-key` shows it, %s and 43 characters after that"
            % _PREFIX
        )
    return raw


def decode_record(text: str) -> Record:
    """The record in a header.

    Raises:
        DeclarationError: there is none in it, or one that an engine in FIPS mode made.
    """
    try:
        record = Record.parse(raft_records.from_base64(text))
    except Damaged as error:
        raise DeclarationError("a key of the raft can't be read: %s" % error) from error
    if record.algorithm == FERNET:
        raise DeclarationError(
            "a key of the raft is encrypted as by an engine in FIPS mode (Fernet), which this collection does not "
            "open: use such an engine and `docker swarm unlock`"
        )
    return record


def encode_record(record: Record) -> str:
    """As ``decode_record`` reads it."""
    return base64.b64encode(record.render()).decode("ascii")


def open_deks(key: NodeKey, secret: bytes | None, unseal: raft_records.Unseal) -> dict[str, bytes]:
    """Header → the raft's key in it; at least the current one.

    Args:
        secret: the unlock key's bytes; None where there is none.

    Raises:
        DeclarationError: there is none, or the unlock key does not open it.
    """
    found = {}
    for header in DEKS:
        if header not in key.headers:
            continue
        record = decode_record(key.headers[header])
        if record.algorithm == SECRETBOX and secret is None:
            raise DeclarationError("%s: it is encrypted, and there is no unlock key: autolock was on" % header)
        try:
            dek = record.decrypted([secret] if secret else [], unseal)
        except Damaged as error:
            raise DeclarationError("%s: the unlock key does not open it: give the one of that time" % header) from error
        if len(dek) != DEK_LENGTH:
            raise DeclarationError("%s: it is no key of %d bytes" % (header, DEK_LENGTH))
        found[header] = dek
    if DEK not in found:
        raise DeclarationError("it has no header %s, so it is no manager's key" % DEK)
    return found


def unlocked(key: NodeKey, der: bytes, deks: Mapping[str, bytes]) -> NodeKey:
    """The same key without any encryption. All other headers stay: by ``kek-version`` the engine knows the unlock key.

    Args:
        der: the opened key.
        deks: what ``open_deks`` found.
    """
    opened = {header: encode_record(Record(PLAIN, dek)) for header, dek in deks.items()}
    return NodeKey({**key.headers, **opened}, der, encrypted=False)
