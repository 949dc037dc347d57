# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a swarm's state, as far as a recovery reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .._core import certificate
from .._core.errors import DeclarationError
from .._core.recovery import node_key as key_core
from .._host import node_key
from .._host.errors import HostError


def read_certificate(state: Path) -> certificate.Certificate:
    """The certificate of the node whose state this is.

    Raises:
        HostError: there is none, or it can't be read.
    """
    path = state / node_key.CERTIFICATE
    try:
        return certificate.parse(path.read_bytes())
    except FileNotFoundError as error:
        raise HostError("%s holds no state of a swarm: there is no %s" % (state, path)) from error
    except (OSError, ValueError) as error:
        raise HostError("%s says of which swarm the state is, and can't be read: %s" % (path, error)) from error


def read_key(path: Path) -> key_core.NodeKey:
    """A node's key, as it lies there.

    Raises:
        HostError: it can't be read.
    """
    try:
        return key_core.parse(path.read_bytes())
    except DeclarationError as error:
        raise HostError("%s: %s" % (path, error)) from error
    except OSError as error:
        raise HostError("%s can't be read: %s" % (path, error.strerror)) from error


def read_metadata(state: Path) -> dict[str, Any]:
    """What was written down beside a state when it was backed up.

    Raises:
        HostError: it can't be read.
    """
    path = state.parent / "metadata.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HostError("%s belongs to the backup, and can't be read: %s" % (path, error)) from error
    if not isinstance(found, dict):
        raise HostError("%s belongs to the backup, and is no JSON object" % path)
    return found
