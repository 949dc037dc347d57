# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host itself is like: firewall, SSH server, kernel settings, clock, and where the engine listens.

Facts: ``firewall`` (``{"installed", "chains", "persisted", "enabled"}``), ``sshd`` (keyword in small letters to its
effective value; null where no server is installed), ``sysctls`` (name to value, null where the kernel has none; those
of interfaces by each one's name), ``clock`` (``{"services", "synchronised"}``: the active time services, and whether
they have set the clock), ``updates`` (``{"supported", "enabled"}``), ``listening`` (``[address, port]`` of each TCP
socket of the engine), ``membership`` (``{"state", "role"}``), ``underlay`` (``{"advertised", "data_path"}``),
``certificate`` (``{"not_after"}`` or null) and ``now``; times are ``2026-01-31T12:00:00Z``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase

from .model import FAIL, HOST, Check, Facts, Finding, failed, not_applicable, passed, verdict

FIREWALL_CHAINS = ("forward", "prerouting")
SYSCTLS_NEEDED = {
    "net.ipv4.ip_forward": ("1",),
    "net.bridge.bridge-nf-call-iptables": ("1",),
    "net.ipv4.conf.all.rp_filter": ("0", "2"),
}
"""What a swarm's traffic needs, and the values that will do."""
SYSCTLS_HARDENED = {
    "net.ipv4.conf.all.accept_redirects": ("0",),
    "net.ipv4.conf.all.send_redirects": ("0",),
    "net.ipv4.conf.all.accept_source_route": ("0",),
    "net.ipv6.conf.all.accept_redirects": ("0",),
    "net.ipv4.tcp_syncookies": ("1", "2"),
    "net.ipv4.icmp_echo_ignore_broadcasts": ("1",),
}
SYSCTLS_OF_INTERFACES = {
    "net.ipv4.conf.*.send_redirects": ("0",),
    "net.ipv4.conf.*.secure_redirects": ("0",),
    "net.ipv6.conf.*.accept_redirects": ("0",),
}
"""What counts on each interface: IPv4 does it where `all` or the interface allows it, IPv6 where the interface does."""
SYSCTLS = tuple({**SYSCTLS_NEEDED, **SYSCTLS_HARDENED})
"""What must be read."""
TIME_SERVICES = ("chrony.service", "chronyd.service", "systemd-timesyncd.service", "ntpsec.service", "ntpd.service")
_SSHD = {
    "permitrootlogin": ("no", "prohibit-password", "without-password", "forced-commands-only"),
    "passwordauthentication": ("no",),
    "kbdinteractiveauthentication": ("no",),
    "permitemptypasswords": ("no",),
    "x11forwarding": ("no",),
}
_CLUSTER_PORT = 2377
_PLAIN_API_PORT = 2375
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  what must not be
_HARDENING = "the role node_hardening sets it"
_FIREWALL = "the role swarm_firewall loads it"


def _loaded(facts: Facts) -> Finding:
    firewall = facts.get("firewall")
    if not firewall["installed"]:
        return failed("nftables is not installed")
    if firewall["chains"] is None:
        return failed("there is no table inet flotilla")
    missing = [chain for chain in FIREWALL_CHAINS if chain not in firewall["chains"]]
    return verdict(["the table inet flotilla has no chain %s" % chain for chain in missing], "inet flotilla is loaded")


def _persisted(facts: Facts) -> Finding:
    firewall = facts.get("firewall")
    bad = []
    if not firewall["persisted"]:
        bad.append("/etc/flotilla/firewall.nft is not there")
    if not firewall["enabled"]:
        bad.append("flotilla-firewall.service is not enabled")
    return verdict(bad, "flotilla-firewall.service loads it at boot")


def _sshd(facts: Facts) -> Finding:
    settings = facts.get("sshd")
    if settings is None:
        return not_applicable("no SSH server is installed")
    seen = {name: settings.get(name) for name in _SSHD if settings.get(name) is not None}
    bad = ["%s is %s" % (name, value) for name, value in seen.items() if value not in _SSHD[name]]
    if "permitrootlogin" not in seen:
        bad.append("permitrootlogin is not said")
    return verdict(bad, ", ".join("%s %s" % item for item in seen.items()))


def _sysctls(facts: Facts, wanted: Mapping[str, tuple[str, ...]]) -> Finding:
    values = facts.get("sysctls")
    seen = {name: values[name] for name in wanted if values[name] is not None}
    if not seen:
        return failed("the kernel shows none of %s" % ", ".join(wanted))
    bad = ["%s is %s" % (name, value) for name, value in seen.items() if value not in wanted[name]]
    absent = ["%s is unknown to the kernel" % name for name in wanted if name not in seen]
    return verdict(bad, ", ".join(["%s = %s" % item for item in seen.items()] + absent))


def _network(facts: Facts) -> Finding:
    values = facts.get("sysctls")
    bad = [
        "%s is %s" % (name, value)
        for pattern, good in SYSCTLS_OF_INTERFACES.items()
        for name, value in values.items()
        if fnmatchcase(name, pattern) and name not in SYSCTLS_HARDENED and value not in (None, *good)
    ]
    whole = _sysctls(facts, SYSCTLS_HARDENED)
    if not bad:
        return whole
    return failed("; ".join([whole.evidence, *bad] if whole.status == FAIL else bad))


def _clock(facts: Facts) -> Finding:
    clock = facts.get("clock")
    services, synchronised = clock["services"], clock["synchronised"]
    if not services:
        return failed("no time service is active")
    said = "%s is active, and the clock is" % ", ".join(services)
    return passed(said + " synchronised") if synchronised is True else failed(said + " not synchronised")


def _updates(facts: Facts) -> Finding:
    updates = facts.get("updates")
    if not updates["supported"]:
        return not_applicable("neither apt nor dnf-automatic is here")
    return passed("they are on") if updates["enabled"] else failed("they are off")


def _joined(address: str, port: int) -> str:
    return ("[%s]:%d" if ":" in address else "%s:%d") % (address, port)


def _plain_api(facts: Facts) -> Finding:
    listening = [tuple(each) for each in facts.get("listening")]
    open_ = [_joined(address, port) for address, port in listening if port == _PLAIN_API_PORT]
    return verdict(["the engine listens on %s" % each for each in open_], "nothing listens on port 2375")


def _bound(facts: Facts) -> Finding:
    membership = facts.get("membership")
    if membership["role"] != "manager":
        return not_applicable("this host is no manager (%s)" % membership["state"])
    sockets = [address for address, port in facts.get("listening") if port == _CLUSTER_PORT]
    if not sockets:
        return failed("a manager, and nothing listens on port 2377")
    bad = ["it listens on %s" % _joined(each, _CLUSTER_PORT) for each in sockets if each in _EVERYWHERE]
    return verdict(bad, "it listens on %s" % ", ".join(sockets))


def _separated(facts: Facts) -> Finding:
    membership, underlay = facts.get("membership"), facts.get("underlay")
    if membership["state"] != "active":
        return not_applicable("this host is in no swarm (%s)" % membership["state"])
    if not underlay["advertised"] or not underlay["data_path"]:
        raise ValueError("the host does not say which addresses it uses")
    said = "management %(advertised)s, data %(data_path)s" % underlay
    return failed(said) if underlay["advertised"] == underlay["data_path"] else passed(said)


def _certificate(facts: Facts) -> Finding:
    if facts.get("membership")["state"] != "active":
        return not_applicable("this host is in no swarm")
    found = facts.get("certificate")
    if found is None:
        return failed("a member of a swarm without a certificate")
    # The same form and zone, so their order is that of their text.
    said = "it ends %s" % found["not_after"]
    return passed(said) if found["not_after"] > facts.get("now") else failed(said)


def _member(facts: Facts) -> Finding:
    state = facts.get("membership")["state"]
    return passed("this host is in a swarm") if state == "active" else failed("its membership is %s" % state)


def _checks() -> Iterator[Check]:
    yield Check("flotilla-firewall-loaded", "The firewall is loaded", HOST, _loaded, _FIREWALL)
    yield Check("flotilla-firewall-persisted", "The firewall is loaded again at boot", HOST, _persisted, _FIREWALL)
    yield Check("flotilla-sshd", "The SSH server takes keys only, and root by no password", HOST, _sshd, _HARDENING)
    yield Check(
        "flotilla-sysctl-swarm",
        "The kernel forwards what a swarm needs",
        HOST,
        lambda facts: _sysctls(facts, SYSCTLS_NEEDED),
        _HARDENING,
    )
    yield Check(
        "flotilla-sysctl-network",
        "The kernel follows no redirects and no source routes",
        HOST,
        _network,
        _HARDENING,
    )
    yield Check("flotilla-time", "A time service is active, and the clock synchronised", HOST, _clock, _HARDENING)
    yield Check(
        "flotilla-updates", "Security updates are installed without being asked for", HOST, _updates, _HARDENING
    )
    yield Check(
        "flotilla-plain-api",
        "The engine's API is on no plain TCP port",
        HOST,
        _plain_api,
        "take tcp:// out of hosts, and -H tcp:// out of the unit",
    )
    yield Check("flotilla-member", "The host is in a swarm", HOST, _member, "playbooks/phase1_swarm_setup.yml joins it")
    yield Check(
        "flotilla-node-certificate", "The node's certificate has not ended", HOST, _certificate, "join the node again"
    )
    yield Check(
        "cis-7.2",
        "Ensure that swarm services are bound to a specific host interface",
        HOST,
        _bound,
        "set swarm_cluster_listen_addr to the host's own address before the manager joins",
    )
    yield Check(
        "cis-7.9",
        "Ensure that management plane traffic is separated from data plane traffic",
        HOST,
        _separated,
        "set swarm_cluster_data_path_addr to an address of a second network before the host joins",
    )


CHECKS = tuple(_checks())
