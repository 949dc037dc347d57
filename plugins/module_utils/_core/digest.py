# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keyed digest by which a declared value is compared with a version that is already in the swarm.

A secret can't be read back, so its object carries a digest of its data in the label ``labels.DIGEST``. A bare hash
there would let whoever reads the label try out guesses (a weak password falls in seconds), so the digest is an
HMAC-SHA256, and what it is computed over names the kind and the logical name too: equal values of two secrets give
two digests. A config can be read back, so its data itself is compared and it carries no digest.

Where the key is, and who can then test guesses at a value:

* By default in the swarm itself, as the config ``flotilla_digest_key`` (32 random bytes). Labels alone (in a log, a
  report, an inventory dump) are then worth nothing. A config's data is read only through a manager's API; whoever may
  use all of that API can mount every secret into a container of his own anyway, so the key gives him nothing new.
  Somebody who may only read from it (a socket proxy that lets GET pass) does gain: he has labels and key, and can
  test guesses.
* Or the user's own (module option ``digest_key``), kept out of the swarm: then no reader of the API can test guesses.
  That key must be long and random, for it can be guessed at itself, and must be the same in every run.

The label starts with a short id of its key, so that a changed key is recognised as that and not taken for a changed
value.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import labels
from .errors import DeclarationError
from .plan import CREATE, Difference, Step

KEY_CONFIG = "flotilla_digest_key"
"""Name of the config object that holds the key."""
KEY_BYTES = 32
GIVEN_KEY_CHARACTERS = 16
"""The shortest key that a user may give."""

SAME = "same"
DIFFERENT = "different"
OTHER_KEY = "other key"

_SCHEME = "hmac-sha256"
_KEY_ID_DOMAIN = b"flotilla.swarm key id 1"
_DIGEST_DOMAIN = b"flotilla.swarm digest 1"


@dataclass(frozen=True)
class Key:
    """The key of the digests.

    Attributes:
        value: the key's bytes; never shown.
        missing: True when the swarm has none yet and this fresh one must be stored before it is used.
    """

    value: bytes = field(repr=False)
    missing: bool = False

    @property
    def id(self) -> str:
        """12 hexadecimal digits that tell two keys apart and say nothing about either."""
        return hmac.new(self.value, _KEY_ID_DOMAIN, hashlib.sha256).hexdigest()[:12]


def given_key(text: str) -> Key:
    """The key that a user gave.

    Raises:
        DeclarationError: it is too short to be worth anything.
    """
    if len(text) < GIVEN_KEY_CHARACTERS:
        raise DeclarationError(
            "digest_key has %d characters: give at least %d random ones, or leave it out to keep a key in the swarm"
            % (len(text), GIVEN_KEY_CHARACTERS)
        )
    return Key(text.encode("utf-8", "surrogateescape"))


def stored_key(configs: Iterable[Mapping[str, Any]]) -> Key | None:
    """The key that is kept in the swarm, read from the engine's list of configs; None when there is none yet.

    Raises:
        DeclarationError: a config of that name is there that we did not make, or that holds no key.
    """
    for config in configs:
        spec = config["Spec"]
        if spec["Name"] != KEY_CONFIG:
            continue
        if not (spec.get("Labels") or {}).get(labels.OWNER):
            raise DeclarationError(
                "the config %s was not made by this collection (no label %s): remove it, or give a digest_key"
                % (KEY_CONFIG, labels.OWNER)
            )
        try:
            value = base64.b64decode(spec.get("Data") or "", validate=True)
        except binascii.Error:
            value = b""
        if len(value) < KEY_BYTES:
            raise DeclarationError(
                "the config %s holds no key of %d bytes: remove it, and every value gets a new version under a new key"
                % (KEY_CONFIG, KEY_BYTES)
            )
        return Key(value)
    return None


def key_step(key: Key, owner: str) -> Step:
    """The step that stores a fresh key in the swarm."""
    return Step(
        CREATE,
        "config",
        KEY_CONFIG,
        (Difference("key_id", None, key.id),),
        {"data": key.value, "labels": {labels.OWNER: owner}},
    )


def digest(key: Key, kind: str, logical: str, value: bytes) -> str:
    """The label's text for a value: scheme, key id and HMAC-SHA256 in hexadecimal, joined by colons."""
    return "%s:%s:%s" % (_SCHEME, key.id, _mac(key, kind, logical, value))


def key_id_of(label: str | None) -> str | None:
    """The id of the key that a digest label was made with, or None when that can't be read."""
    parts = (label or "").split(":")
    return parts[1] if len(parts) == 3 and parts[0] == _SCHEME else None


def compare(label: str | None, key: Key, kind: str, logical: str, value: bytes) -> str:
    """Whether an object with that digest label holds this value: SAME, DIFFERENT or OTHER_KEY.

    A label that is missing or can't be read is DIFFERENT: the value is then written again, which is always safe.
    """
    key_id = key_id_of(label)
    if label is None or key_id is None:
        return DIFFERENT
    if key_id != key.id:
        return OTHER_KEY
    return SAME if hmac.compare_digest(label.encode(), digest(key, kind, logical, value).encode()) else DIFFERENT


def _mac(key: Key, kind: str, logical: str, value: bytes) -> str:
    mac = hmac.new(key.value, digestmod=hashlib.sha256)
    # Each part is preceded by its length, so that no two different triples give the same bytes.
    for part in (_DIGEST_DOMAIN, kind.encode(), logical.encode(), value):
        mac.update(len(part).to_bytes(8, "big"))
        mac.update(part)
    return mac.hexdigest()
