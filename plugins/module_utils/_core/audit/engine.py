# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's configuration: section 2 of the benchmark, as far as a swarm allows it and this collection sets it.

Facts: ``configuration`` (``daemon.json`` with the arguments of ``dockerd`` laid over it), ``configuration_stale`` and
``engine`` (``GET /info``).
"""

from __future__ import annotations

from typing import Any

from .. import daemon_dangers
from .model import HOST, Check, Facts, Finding, failed, passed, verdict

_ROLE = "the role docker_engine sets it (docker_engine_hardening)"


def _key(facts: Facts, key: str, default: Any) -> Any:
    value = facts.get("configuration").get(key)
    return default if value is None else value


def _equals(key: str, wanted: Any, default: Any) -> Any:
    """A check's function: the key (or the engine's default) is what is wanted."""

    def evaluate(facts: Facts) -> Finding:
        value = _key(facts, key, default)
        said = "%s is %s" % (key, str(value).lower() if isinstance(value, bool) else value)
        return passed(said) if value is wanted else failed(said)

    return evaluate


def _log_level(facts: Facts) -> Finding:
    level = str(_key(facts, "log-level", "info"))
    said = "log-level is %s" % level
    return passed(said) if level == "info" else failed(said)


def _insecure_registries(facts: Facts) -> Finding:
    registries = facts.get("engine")["RegistryConfig"]
    # 127.0.0.0/8 is the engine's own entry; ::1/128 came with 27.
    networks = [
        each for each in registries.get("InsecureRegistryCIDRs") or () if each not in ("127.0.0.0/8", "::1/128")
    ]
    named = [name for name, index in (registries.get("IndexConfigs") or {}).items() if not index.get("Secure")]
    insecure = sorted(networks + named)
    return verdict(["without TLS: " + ", ".join(insecure)] if insecure else (), "every registry needs TLS")


def _storage_driver(facts: Facts) -> Finding:
    driver = facts.get("engine")["Driver"]
    return verdict(["the storage driver is aufs"] if driver == "aufs" else (), "the storage driver is %s" % driver)


def _tls(facts: Facts) -> Finding:
    config = facts.get("configuration")
    hosts = daemon_dangers.tcp_hosts(config)
    if not hosts:
        return passed("the API listens on no TCP address")
    said = "the API listens on %s, tlsverify %s" % (", ".join(hosts), str(bool(config.get("tlsverify"))).lower())
    return passed(said) if config.get("tlsverify") is True else failed(said)


def _ulimits(facts: Facts) -> Finding:
    limits = _key(facts, "default-ulimits", {})
    if "nofile" not in limits:
        return failed("default-ulimits sets no nofile")
    return passed("default-ulimits: " + ", ".join(sorted(limits)))


def _no_new_privileges(facts: Facts) -> Finding:
    # What the running engine says, not what its file does.
    options = [str(option) for option in facts.get("engine")["SecurityOptions"]]
    on = any(option.partition("name=")[2].split(",")[0] == "no-new-privileges" for option in options)
    return passed("the engine's default is on") if on else failed("the engine's default is off")


def _seccomp(facts: Facts) -> Finding:
    # "name=seccomp,profile=builtin", or the path of another profile; without seccomp the engine names none.
    options = [str(option).split(",") for option in facts.get("engine")["SecurityOptions"]]
    profiles = [each.partition("profile=")[2] for words in options if "name=seccomp" in words for each in words[1:]]
    if not profiles:
        return failed("the engine knows no seccomp")
    return verdict(
        ["the engine's default profile is unconfined"] if "unconfined" in profiles else (),
        "the engine's default profile is %s" % ", ".join(profiles),
    )


def _live_restore(facts: Facts) -> Finding:
    on = facts.get("engine")["LiveRestoreEnabled"] is True or _key(facts, "live-restore", False) is True
    return failed("live-restore is on") if on else passed("live-restore is off; the swarm moves tasks instead")


def _log_rotation(facts: Facts) -> Finding:
    driver = str(_key(facts, "log-driver", "json-file"))
    options = _key(facts, "log-opts", {})
    if driver == "json-file" and "max-size" not in options:
        return failed("json-file logs without max-size grow until the disk is full")
    return passed("%s%s" % (driver, ", max-size %s" % options["max-size"] if "max-size" in options else ""))


def _metrics(facts: Facts) -> Finding:
    address = str(_key(facts, "metrics-addr", ""))
    if not address:
        return passed("the engine shows no metrics")
    bad = daemon_dangers.metrics_problem({"metrics-addr": address}, str(facts.get("address") or ""))
    return failed(bad) if bad else passed("metrics-addr is %s" % address)


def _loaded(facts: Facts) -> Finding:
    if facts.get("configuration_stale") is False:
        return passed("the engine runs with the configuration of its file")
    return failed("daemon.json holds another configuration than the one that the engine was started with")


CHECKS = (
    Check(
        "cis-2.2",
        "Ensure network traffic is restricted between containers on the default bridge",
        HOST,
        _equals("icc", False, True),
        _ROLE,
    ),
    Check("cis-2.3", "Ensure the logging level is set to 'info'", HOST, _log_level, _ROLE),
    Check(
        "cis-2.4",
        "Ensure Docker is allowed to make changes to iptables",
        HOST,
        _equals("iptables", True, True),
        "take iptables out of daemon.json (docker_engine_config_remove)",
    ),
    Check(
        "cis-2.5",
        "Ensure insecure registries are not used",
        HOST,
        _insecure_registries,
        "give the registry a certificate, and take insecure-registries out of docker_engine_config",
    ),
    Check("cis-2.6", "Ensure aufs storage driver is not used", HOST, _storage_driver, "move to overlay2"),
    Check("cis-2.7", "Ensure TLS authentication for Docker daemon is configured", HOST, _tls, _ROLE),
    Check("cis-2.8", "Ensure the default ulimit is configured appropriately", HOST, _ulimits, _ROLE),
    Check(
        "cis-2.14",
        "Ensure containers are restricted from acquiring new privileges",
        HOST,
        _no_new_privileges,
        _ROLE,
    ),
    Check(
        "cis-2.15",
        "Ensure live restore is enabled (turned round: a swarm needs it off)",
        HOST,
        _live_restore,
        "docker_engine_config_remove: [live-restore]",
    ),
    Check("cis-2.16", "Ensure Userland Proxy is Disabled", HOST, _equals("userland-proxy", False, True), _ROLE),
    Check(
        "cis-2.18",
        "Ensure that experimental features are not implemented in production",
        HOST,
        _equals("experimental", False, False),
        "docker_engine_config_remove: [experimental]",
    ),
    Check("flotilla-log-rotation", "Containers' logs are bounded", HOST, _log_rotation, _ROLE),
    Check(
        "flotilla-seccomp",
        "The engine confines containers by a seccomp profile",
        HOST,
        _seccomp,
        "take seccomp-profile out of daemon.json (docker_engine_config_remove), and use a kernel with seccomp",
    ),
    Check("flotilla-metrics-address", "Metrics listen on loopback or the cluster's address", HOST, _metrics, _ROLE),
    Check(
        "flotilla-engine-loaded",
        "The engine runs with the configuration of its file",
        HOST,
        _loaded,
        "the role docker_engine restarts it",
    ),
)
