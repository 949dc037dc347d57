# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine's configuration must not hold, whether somebody declares it or the file has it already.

``dockerd --validate`` accepts all of this. Each problem names the key and the mend.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

LIVE_RESTORE = "live-restore"
METRICS = "metrics-addr"
HOSTS = "hosts"
POOLS = "default-address-pools"
SWARM_POOLS = ("10.0.0.0/8",)
"""What a swarm cuts its overlay networks from when it was told nothing else (swarmkit)."""

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


@dataclass(frozen=True)
class Allowed:
    """What is accepted.

    Attributes:
        live_restore: ``live-restore: true``, for an engine that will never be in a swarm.
        open_metrics: metrics on every address.
        plain_tcp: an API over TCP that asks clients for no certificate.
        cluster_address: the one address beside loopback that metrics may listen on; empty = any that is not all.
        swarm_pools: what the swarm cuts its networks from, CIDR.
    """

    live_restore: bool = False
    open_metrics: bool = False
    plain_tcp: bool = False
    cluster_address: str = ""
    swarm_pools: tuple[str, ...] = SWARM_POOLS


NOTHING_ALLOWED = Allowed()


def problems(config: Mapping[str, Any], declared: Mapping[str, Any], allowed: Allowed) -> list[str]:
    """One sentence for each danger in a configuration.

    Args:
        config: the whole of it.
        declared: the part that the user wrote, which is where he is sent to.
        allowed: what is accepted.
    """
    found: list[str] = []
    if config.get(LIVE_RESTORE) is True and not allowed.live_restore:
        found.append(
            "live-restore is on (%s), and an engine with it can't be in a swarm: it refuses to start as a member. "
            "Declare live-restore: false, or take it out with remove (docker_engine_config_remove)"
            % _source(LIVE_RESTORE, declared)
        )
    if not allowed.open_metrics:
        found += _metrics(config, declared, allowed.cluster_address)
    if not allowed.plain_tcp:
        found += _plain_tcp(config, declared)
    found += _pools(config.get(POOLS), allowed.swarm_pools)
    return found


def twice(config: Mapping[str, Any], declared: Mapping[str, Any], flags: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each key that is on the engine's command line as well; it does not start with these.

    Args:
        config: the whole of it.
        declared: the part that the user wrote.
        flags: what is on the command line, as keys of the file.
    """
    proxies = config.get("proxies")
    # The engine flattens these before it compares, and takes runtimes from both places (moby: daemon/config).
    for key in (*config, *(proxies if isinstance(proxies, Mapping) else ())):
        if key in flags and key != "runtimes":
            yield (
                "%s is %s and on the engine's command line, and it does not start with both: take it out here "
                "(docker_engine_config_remove), or out of docker.service, its drop-ins and /etc/default/docker%s"
                % (key, _source(key, declared), ", where it is -H" if key == HOSTS else "")
            )


def _source(key: str, declared: Mapping[str, Any]) -> str:
    return "declared" if declared.get(key) is not None else "in the file already"


def _metrics(config: Mapping[str, Any], declared: Mapping[str, Any], cluster: str) -> Iterator[str]:
    problem = metrics_problem(config, cluster)
    if problem:
        mend = "declare 127.0.0.1:9323%s" % (", or %s" % _joined(cluster, 9323) if _address(cluster) else "")
        yield "%s (%s): %s" % (problem, _source(METRICS, declared), mend)


def metrics_problem(config: Mapping[str, Any], cluster: str) -> str:
    """What is wrong with where the metrics listen; empty when nothing is.

    Args:
        config: of the engine.
        cluster: the one address beside loopback that is right; what is no address allows every single one.
    """
    value = str(config.get(METRICS) or "")
    if not value:
        return ""
    host = value.rpartition(":")[0].strip("[]")
    address = _address("127.0.0.1" if host == "localhost" else host)
    if address is None and host:
        return "%s is %s, and it must be an address, for a name may stand for any" % (METRICS, value)
    if address is None or address.is_unspecified:
        return "%s is %s, so whoever reaches the host reads what runs there" % (METRICS, value)
    if not address.is_loopback and _address(cluster) not in (None, address):
        return "%s is %s, which is neither loopback nor the cluster's address" % (METRICS, value)
    return ""


def _joined(address: str, port: int) -> str:
    return ("[%s]:%d" if ":" in address else "%s:%d") % (address, port)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def tcp_hosts(config: Mapping[str, Any]) -> list[str]:
    """The addresses of an engine's API that are TCP; one without a scheme is."""
    hosts = config.get(HOSTS) or []
    listed = [hosts] if isinstance(hosts, str) else list(hosts)
    return [str(host) for host in listed if str(host).partition("://")[0] == "tcp" or "://" not in str(host)]


def _plain_tcp(config: Mapping[str, Any], declared: Mapping[str, Any]) -> Iterator[str]:
    plain = tcp_hosts(config)
    if plain and config.get("tlsverify") is not True:
        yield (
            "hosts has %s (%s) without tlsverify: whoever reaches it is root on this host. Take it out, or declare "
            "tlsverify: true with tlscacert, tlscert and tlskey, and have a drop-in of docker.service start dockerd "
            "without -H, because it does not start with both" % (", ".join(plain), _source(HOSTS, declared))
        )


def _pools(pools: Any, swarm_pools: Sequence[str]) -> Iterator[str]:
    """What is wrong with ``[{"base": "172.30.0.0/16", "size": 24}]``."""
    if pools is None:
        return
    if not isinstance(pools, list) or not all(isinstance(pool, Mapping) for pool in pools):
        yield '%s must be a list of {"base": CIDR, "size": prefix length}' % POOLS
        return
    taken: list[tuple[str, Network]] = [("the swarm's pool " + text, _network(text)) for text in swarm_pools]
    for pool in pools:
        try:
            base = _network(str(pool.get("base")))
            size = int(pool.get("size") or 0)
        except ValueError as error:
            yield "%s: %s" % (POOLS, error)
            continue
        if not base.prefixlen <= size <= base.max_prefixlen:
            yield "%s: size %s of %s must be from %d to %d" % (POOLS, size, base, base.prefixlen, base.max_prefixlen)
        for name, other in taken:
            if base.version == other.version and base.overlaps(other):
                yield "%s: %s overlaps %s; local bridges would take the overlays' addresses" % (POOLS, base, name)
        taken.append((str(base), base))


def _network(text: str) -> Network:
    """A network. Raises ValueError, naming what is wrong with it."""
    return ipaddress.ip_network(text)
