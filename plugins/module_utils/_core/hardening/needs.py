# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine and a swarm need of a host, so that hardening never takes it away: neither ours nor a user's addition.

Hardening a host first and making it a node later must end as the other order does, so nothing here asks whether an
engine is there yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from .. import kernel

SYSCTLS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("net.ipv4.ip_forward", ("1",), "containers reach nothing, and published ports and overlays carry no traffic"),
    ("net.ipv4.conf.*.forwarding", ("1",), "it turns net.ipv4.ip_forward off again on these interfaces"),
    ("net.bridge.bridge-nf-call-iptables", ("1",), "rules between containers on one bridge are not applied"),
    ("net.bridge.bridge-nf-call-ip6tables", ("1",), "rules between containers on one bridge are not applied"),
    (
        "net.ipv4.conf.*.rp_filter",
        ("0", "2"),
        "the strict filter drops answers that come in by another interface than the route back",
    ),
    ("kernel.modules_disabled", ("0",), "the engine loads vxlan, ip_vs and others when they are first used"),
    ("user.max_net_namespaces", (), "every container has a network namespace"),
)
"""Names (wildcards allowed), the values that are accepted (none = it is not to be set), and what breaks otherwise."""

MODULES: frozenset[str] = frozenset(
    [module for feature in kernel.FEATURES for module, _option in feature.ways]
    + ["ip6_tables", "llc", "stp", "udp_tunnel", "ip6_udp_tunnel", "authenc", "esp6", "macvlan", "ipvlan", "dummy"]
)
"""Modules that the engine, its networks or its storage use."""

MODULE_FAMILIES = ("nf_", "nft_", "nfnetlink", "xt_", "ip_vs", "iptable_", "ip6table_", "ipt_", "ip6t_", "xfrm")
"""The first letters of modules that come in families; which of them a rule needs is the kernel's affair."""


def contradictions(sysctls: Iterable[Mapping[str, object]], denied: Iterable[str]) -> list[str]:
    """A sentence for each declared setting or denied module that would break an engine or a swarm.

    Args:
        sysctls: mappings with ``name`` and ``value``.
        denied: names of modules that are to be denied.
    """
    problems = []
    for item in sysctls:
        name, value = str(item.get("name", "")), " ".join(str(item.get("value", "")).split())
        for pattern, accepted, effect in SYSCTLS:
            if fnmatchcase(name, pattern) and value not in accepted:
                mend = "set it to %s or leave it out" % " or ".join(accepted) if accepted else "leave it out"
                problems.append("sysctl %s = %s breaks a swarm (%s): %s" % (name, value, effect, mend))
    problems += ["the kernel module %s is denied, and a swarm needs it: take it out" % m for m in denied if needed(m)]
    return problems


def needed(module: str) -> bool:
    """Whether an engine or a swarm uses this kernel module. (The kernel takes - and _ for the same.)"""
    name = module.replace("-", "_")
    return name in MODULES or name.startswith(MODULE_FAMILIES)
