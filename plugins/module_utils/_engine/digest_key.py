# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the key of the digests comes from (what it is for: _core/digest.py)."""

from __future__ import annotations

import secrets

from .._core import digest
from .client import Engine


def read(engine: Engine, given: digest.Key | None) -> digest.Key:
    """The user's key, else the one that is kept in the swarm, else a fresh random one that must still be stored there.

    To be called for every observation: of two runs that find no key, one stores its own, and the other must take that.
    A key that was given costs no request.

    Raises:
        DeclarationError: the stored key is not fit to be one.
        EngineError: the swarm can't be read.
    """
    if given is not None:
        return given
    # Of all configs the engine would send the data too.
    stored = digest.stored_key(engine.configs(digest.KEY_CONFIG))
    return stored or digest.Key(secrets.token_bytes(digest.KEY_BYTES), missing=True)
