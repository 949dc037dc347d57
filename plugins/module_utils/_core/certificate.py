# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this collection reads from an X.509 certificate, with the standard library alone.

A node of a swarm carries its identity in its certificate. On a worker nothing else says of which swarm it is: ``docker
info`` gives the cluster's ID on managers only. The subject is O = the swarm's ID, OU = ``swarm-manager`` or
``swarm-worker``, CN = the node's ID (swarmkit, ``ca/certificates.go``).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
_VERSION = 0xA0  # the optional first field of a TBSCertificate, [0] EXPLICIT
_UTC_TIME = 0x17
_NAMES = {b"\x55\x04\x03": "CN", b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU"}  # OIDs 2.5.4.3, .10, .11
_ROLES = {"swarm-manager": "manager", "swarm-worker": "worker"}


@dataclass(frozen=True)
class Certificate:
    """A certificate's subject and end.

    Attributes:
        subject: CN, O and OU, as far as they are there.
        not_after: when it ends, as ``2036-01-31T12:00:00Z``.
    """

    subject: dict[str, str]
    not_after: str

    @property
    def cluster_id(self) -> str | None:
        return self.subject.get("O")

    @property
    def node_id(self) -> str | None:
        return self.subject.get("CN")

    @property
    def role(self) -> str | None:
        """``manager`` or ``worker``; None for a certificate that is not a node's."""
        return _ROLES.get(self.subject.get("OU", ""))


def parse(pem: bytes) -> Certificate:
    """The first certificate of a PEM text (a node's file has its own first).

    Raises:
        ValueError: there is none, or it is damaged.
    """
    found = _PEM.search(pem)
    if found is None:
        raise ValueError("it holds no PEM certificate")
    try:
        der = base64.b64decode(b"".join(found.group(1).split()), validate=True)
        return _parse_der(der)
    except (ValueError, IndexError, StopIteration) as error:
        raise ValueError("its certificate is damaged") from error


def _parse_der(der: bytes) -> Certificate:
    # Certificate = SEQUENCE of (TBSCertificate, …); RFC 5280, 4.1. Of TBSCertificate the fields in order are
    # version (optional), serial, signature, issuer, validity, subject.
    _tag, certificate = next(_elements(der))
    _tag, to_be_signed = next(_elements(certificate))
    fields = [field for field in _elements(to_be_signed) if field[0] != _VERSION]
    _tag, validity = fields[3]
    _tag, subject = fields[4]
    _not_before, (tag, not_after) = list(_elements(validity))[:2]
    return Certificate(_names(subject), _time(tag, not_after.decode("ascii")))


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The tag and the content of each DER element of a sequence's content."""
    position = 0
    while position < len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:  # the long form: the low bits say how many bytes the length has
            size = length & 0x7F
            length = int.from_bytes(data[position : position + size], "big")
            position += size
        if position + length > len(data):
            raise IndexError("an element is longer than what holds it")
        yield tag, data[position : position + length]
        position += length


def _names(subject: bytes) -> dict[str, str]:
    """The known attributes of a Name: SEQUENCE of SET of SEQUENCE of (OID, string)."""
    names: dict[str, str] = {}
    for _set, attributes in _elements(subject):
        for _sequence, attribute in _elements(attributes):
            (_oid_tag, oid), (_text_tag, text) = list(_elements(attribute))[:2]
            if oid in _NAMES:
                names[_NAMES[oid]] = text.decode("utf-8")
    return names


def _time(tag: int, text: str) -> str:
    """``YYMMDDhhmmssZ`` (UTCTime, years 1950 to 2049) or ``YYYYMMDDhhmmssZ`` as ISO 8601."""
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return "%s-%s-%sT%s:%s:%sZ" % (text[:4], text[4:6], text[6:8], text[8:10], text[10:12], text[12:14])
