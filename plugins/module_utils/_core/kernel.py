# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernel features a swarm needs, which of them a host has, and what a missing one disables.

A swarm on a kernel without IPVS or ESP comes up and reports success; only traffic is lost. So the kernel is judged
before anything relies on it. The list is what moby's ``contrib/check-config.sh`` asks for, cut to what a swarm uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

AVAILABLE = "available"
LOADABLE = "loadable"
ABSENT = "absent"
UNKNOWN = "unknown"
_BEST_FIRST = (AVAILABLE, LOADABLE, UNKNOWN, ABSENT)

EFFECTS: Mapping[str, str] = {
    "container_network": "containers get no working bridge network, and the engine may not start",
    "storage": "the overlay2 storage driver can't be used",
    "overlay_network": "overlay networks carry no traffic between nodes",
    "virtual_ip": (
        "virtual IPs and the routing mesh accept no traffic: use endpoint_mode dnsrr, and publish ports with mode: host"
    ),
    "encryption": "encrypted overlay networks carry no traffic between nodes",
}
"""What does not work when a feature of that capability is absent."""


@dataclass(frozen=True)
class Feature:
    """One thing that the kernel must be able to do.

    Attributes:
        name: how it is reported.
        capability: a key of ``EFFECTS``.
        ways: pairs of a module's name and its option in the kernel's configuration; any one of them is enough.
    """

    name: str
    capability: str
    ways: tuple[tuple[str, str], ...]


FEATURES: tuple[Feature, ...] = (
    Feature("bridge", "container_network", (("bridge", "CONFIG_BRIDGE"),)),
    Feature("br_netfilter", "container_network", (("br_netfilter", "CONFIG_BRIDGE_NETFILTER"),)),
    Feature("veth", "container_network", (("veth", "CONFIG_VETH"),)),
    Feature(
        "iptables", "container_network", (("ip_tables", "CONFIG_IP_NF_IPTABLES"), ("nf_tables", "CONFIG_NF_TABLES"))
    ),
    Feature("nf_nat", "container_network", (("nf_nat", "CONFIG_NF_NAT"),)),
    # Docker writes `-j MASQUERADE`: also over nf_tables that is the x_tables target, so nft_masq is no substitute.
    Feature(
        "masquerade",
        "container_network",
        (
            ("xt_MASQUERADE", "CONFIG_NETFILTER_XT_TARGET_MASQUERADE"),
            ("ipt_MASQUERADE", "CONFIG_IP_NF_TARGET_MASQUERADE"),
        ),
    ),
    Feature("xt_conntrack", "container_network", (("xt_conntrack", "CONFIG_NETFILTER_XT_MATCH_CONNTRACK"),)),
    Feature("xt_addrtype", "container_network", (("xt_addrtype", "CONFIG_NETFILTER_XT_MATCH_ADDRTYPE"),)),
    Feature("overlay", "storage", (("overlay", "CONFIG_OVERLAY_FS"),)),
    Feature("vxlan", "overlay_network", (("vxlan", "CONFIG_VXLAN"),)),
    Feature("ip_vs", "virtual_ip", (("ip_vs", "CONFIG_IP_VS"),)),
    Feature("ip_vs_rr", "virtual_ip", (("ip_vs_rr", "CONFIG_IP_VS_RR"),)),
    Feature("xt_ipvs", "virtual_ip", (("xt_ipvs", "CONFIG_NETFILTER_XT_MATCH_IPVS"),)),
    Feature("xt_mark", "virtual_ip", (("xt_mark", "CONFIG_NETFILTER_XT_MARK"),)),
    Feature("esp4", "encryption", (("esp4", "CONFIG_INET_ESP"),)),
    Feature("xfrm_user", "encryption", (("xfrm_user", "CONFIG_XFRM_USER"),)),
    # libnetwork marks the packets to encrypt by their VXLAN ID: with a BPF match, in older engines with u32.
    Feature(
        "xt_bpf",
        "encryption",
        (("xt_bpf", "CONFIG_NETFILTER_XT_MATCH_BPF"), ("xt_u32", "CONFIG_NETFILTER_XT_MATCH_U32")),
    ),
)


@dataclass(frozen=True)
class Evidence:
    """What was read on a host. None = that source was not there or not readable, which proves nothing.

    Attributes:
        release: ``uname -r``.
        present: modules that are seen at work: loaded, or built in and registered somewhere. Not seen is no proof.
        builtin: modules in ``modules.builtin``.
        loadable: modules in ``modules.dep``.
        config: options of the kernel's configuration that are ``y`` or ``m``; it names every option that is set.
        config_source: the file ``config`` was read from.
        module_support: whether the kernel can load modules at all (``/proc/modules`` is there).
        modules_locked: whether ``kernel.modules_disabled`` forbids loading until the next boot.
    """

    release: str
    present: frozenset[str] = frozenset()
    builtin: frozenset[str] | None = None
    loadable: frozenset[str] | None = None
    config: Mapping[str, str] | None = None
    config_source: str = ""
    module_support: bool = True
    modules_locked: bool = False


def judge(evidence: Evidence) -> dict[str, Any]:
    """The report on a host's kernel.

    Returns:
        ``release``; ``features``: name → {state, source, capability}; ``lacking``: one entry {capability, features,
        effect} for each capability of which something is absent; ``unknown``: the features that could not be judged.
        A state is available, loadable (the engine or the kernel loads it on use), absent or unknown.
    """
    features: dict[str, dict[str, str]] = {}
    for feature in FEATURES:
        judged = [_judge_way(module, option, evidence) for module, option in feature.ways]
        state, source = min(judged, key=lambda way: _BEST_FIRST.index(way[0]))
        if state == ABSENT:
            source = "; ".join(reason for _state, reason in judged)
        features[feature.name] = {"state": state, "source": source, "capability": feature.capability}
    lacking: list[dict[str, Any]] = []
    for capability, effect in EFFECTS.items():
        absent = [n for n, f in features.items() if f["capability"] == capability and f["state"] == ABSENT]
        if absent:
            lacking.append({"capability": capability, "features": absent, "effect": effect})
    unknown = [name for name, feature in features.items() if feature["state"] == UNKNOWN]
    return {"release": evidence.release, "features": features, "lacking": lacking, "unknown": unknown}


def _judge_way(module: str, option: str, evidence: Evidence) -> tuple[str, str]:
    """The state of one way to have a feature, and the evidence for it.

    What proves presence is asked first, because a later kernel may have renamed the option.
    """
    directory = "/lib/modules/%s" % evidence.release
    configured = (evidence.config or {}).get(option)
    on_disk = module in (evidence.loadable or ())
    if module in evidence.present:
        return AVAILABLE, "the running kernel shows %s" % module
    if configured == "y":
        return AVAILABLE, "%s: %s=y" % (evidence.config_source, option)
    if module in (evidence.builtin or ()):
        return AVAILABLE, "%s/modules.builtin names %s" % (directory, module)
    if on_disk or configured == "m":
        source = (
            "%s/modules.dep names %s" % (directory, module)
            if on_disk
            else "%s: %s=m" % (evidence.config_source, option)
        )
        obstacle = _obstacle(module, directory, evidence)
        return (ABSENT, obstacle) if obstacle else (LOADABLE, source)
    return _judge_missing(module, option, directory, evidence)


def _obstacle(module: str, directory: str, evidence: Evidence) -> str:
    """Why a feature that the kernel has as a module can't be loaded; empty when nothing speaks against it."""
    if not evidence.module_support:
        return "%s is a module, and this kernel loads none" % module
    if evidence.modules_locked:
        return "%s is not loaded, and kernel.modules_disabled forbids loading it" % module
    if evidence.loadable is not None and module not in evidence.loadable:
        return "%s is a module that %s lacks" % (module, directory)
    return ""


def _judge_missing(module: str, option: str, directory: str, evidence: Evidence) -> tuple[str, str]:
    """Nothing names the feature: that proves its absence only where something would have named it."""
    if evidence.config is not None:
        return ABSENT, "%s: %s is not set" % (evidence.config_source, option)
    if evidence.builtin is not None and evidence.loadable is not None:
        return ABSENT, "%s knows no module %s" % (directory, module)
    return UNKNOWN, "no kernel configuration and no list of modules can be read"


def lacking_by_hosts(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What hosts lack, one sentence for each set of hosts that lack the same.

    Args:
        reports: host → what ``judge`` returned there.
    """
    hosts: dict[str, list[str]] = {}
    for host, report in reports.items():
        for entry in report.get("lacking") or ():
            sentence = "no %s (%s): %s" % (entry["capability"], ", ".join(entry["features"]), entry["effect"])
            hosts.setdefault(sentence, []).append(host)
    return ["%s: %s" % (", ".join(names), sentence) for sentence, names in hosts.items()]
