# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is renewed after a key of the swarm has leaked, and what must be so that it can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import node_json

Json = Mapping[str, Any]

TOKENS = "join_tokens"
CA = "ca"
UNLOCK_KEY = "unlock_key"
KEYS = (TOKENS, CA, UNLOCK_KEY)


def problems(wanted: Sequence[str], swarm: Json, nodes: Sequence[Json]) -> list[str]:
    """Why these keys can't be renewed now, one sentence each with its mend.

    A CA's rotation ends when every node has a new certificate: with one node down it would never end.
    """
    found = []
    if CA in wanted:
        if swarm.get("RootRotationInProgress"):
            found.append("ca: a rotation is under way: wait for %s" % (", ".join(waiting(swarm, nodes)) or "its end"))
        found += [
            "ca: the node %s is %s, and the rotation would wait for it forever: bring it back, or remove it with "
            "playbooks/dr/node_failure.yml" % (node_json.name(node), node_json.state(node))
            for node in nodes
            if node_json.state(node) != "ready"
        ]
    if UNLOCK_KEY in wanted and not locked(swarm):
        found.append("unlock_key: autolock is off, so there is none: leave it out")
    return found


def locked(swarm: Json) -> bool:
    return bool(((swarm.get("Spec") or {}).get("EncryptionConfig") or {}).get("AutoLockManagers"))


def with_new_ca(spec: Json) -> dict[str, Any]:
    """The swarm's spec that makes it rotate its CA: the counter of forced rotations is one more than it was."""
    configured = spec.get("CAConfig") or {}
    return {**spec, "CAConfig": {**configured, "ForceRotate": int(configured.get("ForceRotate") or 0) + 1}}


def waiting(swarm: Json, nodes: Sequence[Json]) -> list[str]:
    """The nodes that have no certificate yet of the CA that the swarm goes over to."""
    wanted = swarm.get("TLSInfo") or {}
    keys = ("CertIssuerSubject", "CertIssuerPublicKey")
    return sorted(
        node_json.name(node)
        for node in nodes
        if any(((node.get("Description") or {}).get("TLSInfo") or {}).get(key) != wanted.get(key) for key in keys)
    )
