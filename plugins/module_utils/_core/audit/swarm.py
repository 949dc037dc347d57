# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The swarm itself: section 7 of the benchmark, as far as a manager tells.

Facts: ``swarm`` (``GET /swarm`` without its tokens), ``nodes``, ``networks``, ``services`` and ``secrets`` (the
engine's lists), ``ca_not_after`` and ``now`` (``2026-01-31T12:00:00Z``), and ``certificate_days``: the longest life
that a node's certificate may have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from .. import node_json, service_json
from .model import SWARM, UNKNOWN, Check, Facts, Finding, failed, not_applicable, passed, verdict

_DAY_NS = 24 * 3600 * 10**9
_CA_DAYS_LEFT = 365
_TIME = "%Y-%m-%dT%H:%M:%SZ"
# Variables whose value is a secret by their name. What ends so is the name of a file, and right.
_SECRET_NAME = re.compile(r"PASSW(OR)?D|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)
_FILE_NAME = re.compile(r"_(FILE|PATH|DIR)$", re.IGNORECASE)


def _managers(facts: Facts) -> Finding:
    managers = sorted(node_json.name(node) for node in facts.get("nodes") if node_json.in_raft(node))
    said = "%d managers (%s)" % (len(managers), ", ".join(managers))
    if len(managers) < 3:
        return failed(said + "; 3 is the least that survives the loss of one")
    if len(managers) % 2 == 0:
        return failed(said + "; an even number survives no more losses than one fewer")
    return failed(said + "; more than 7 only slow the raft down") if len(managers) > 7 else passed(said)


def _overlays(facts: Facts) -> Finding:
    services = facts.get("services")
    through_mesh = any(port.get("PublishMode", "ingress") == "ingress" for each in services for port in _ports(each))
    overlays = [
        network
        for network in facts.get("networks")
        if network.get("Driver") == "overlay" and (through_mesh or not network.get("Ingress"))
    ]
    if not overlays:
        return not_applicable("there is no overlay network that carries traffic")
    # The engine tests only whether the key is there: "encrypted": "false" encrypts too.
    plain = sorted(str(network["Name"]) for network in overlays if "encrypted" not in (network.get("Options") or {}))
    return verdict(
        ["not encrypted: %s" % ", ".join(plain)] if plain else (), "%d overlays, all encrypted" % len(overlays)
    )


def _ports(service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((service["Spec"].get("EndpointSpec") or {}).get("Ports") or ())


def _secrets(facts: Facts) -> Finding:
    services, secrets = facts.get("services"), facts.get("secrets")
    bad = []
    for service in services:
        container = service["Spec"]["TaskTemplate"].get("ContainerSpec") or {}
        names = [str(each).partition("=")[0] for each in container.get("Env") or ()]
        named = [name for name in names if _SECRET_NAME.search(name) and not _FILE_NAME.search(name)]
        if named:
            bad.append("%s has %s in its environment" % (service_json.name(service), ", ".join(named)))
    if bad or secrets:
        return verdict(bad, "%d secrets, and no variable is named like one" % len(secrets))
    return failed("the swarm has no secret") if services else not_applicable("nothing runs")


def _autolocked(facts: Facts) -> bool:
    return (facts.get("swarm")["Spec"].get("EncryptionConfig") or {}).get("AutoLockManagers") is True


def _autolock(facts: Facts) -> Finding:
    return passed("autolock is on") if _autolocked(facts) else failed("autolock is off")


def _autolock_key(facts: Facts) -> Finding:
    if not _autolocked(facts):
        return not_applicable("autolock is off, so there is no key")
    return Finding(UNKNOWN, "a swarm does not say how old its key is; waive this with the date of the last rotation")


def _node_certificates(facts: Facts) -> Finding:
    expiry = int(facts.get("swarm")["Spec"]["CAConfig"]["NodeCertExpiry"])
    most = int(facts.get("certificate_days"))
    said = "a node's certificate lives %g days" % round(expiry / _DAY_NS, 1)
    return passed(said) if 0 < expiry <= most * _DAY_NS else failed("%s, and %d are the most" % (said, most))


def _ca(facts: Facts) -> Finding:
    if facts.get("swarm").get("RootRotationInProgress"):
        return failed("a rotation of the CA is under way: a node that has not answered holds it up")
    end = facts.get("ca_not_after")
    # Both sides in UTC, written without a zone.
    left = datetime.strptime(end, _TIME) - datetime.strptime(facts.get("now"), _TIME)  # noqa: DTZ007
    said = "the CA ends %s" % end
    return passed(said) if left > timedelta(days=_CA_DAYS_LEFT) else failed("%s, less than a year from now" % said)


CHECKS = (
    Check(
        "cis-7.1",
        "Ensure that the minimum number of manager nodes have been created in a swarm",
        SWARM,
        _managers,
        "have 3 or 5 managers in the group swarm_managers",
    ),
    Check(
        "cis-7.3",
        "Ensure that all Docker swarm overlay networks are encrypted",
        SWARM,
        _overlays,
        "encrypted: true in swarm_networks_items; ingress can only be made anew, or publish with mode: host",
    ),
    Check(
        "cis-7.4",
        "Ensure that Docker's secret management commands are used for managing secrets in a swarm cluster",
        SWARM,
        _secrets,
        "declare them in swarm_secrets_items, and have the service read a file",
    ),
    Check(
        "cis-7.5",
        "Ensure that swarm manager is run in auto-lock mode",
        SWARM,
        _autolock,
        "docker swarm update --autolock, and keep the key where it is found when a manager restarts",
    ),
    Check(
        "cis-7.6",
        "Ensure that the swarm manager auto-lock key is rotated periodically",
        SWARM,
        _autolock_key,
        "docker swarm unlock-key --rotate",
    ),
    Check(
        "cis-7.7",
        "Ensure that node certificates are rotated as appropriate",
        SWARM,
        _node_certificates,
        "docker swarm update --cert-expiry 2160h",
    ),
    Check("cis-7.8", "Ensure that CA certificates are rotated as appropriate", SWARM, _ca, "docker swarm ca --rotate"),
)
