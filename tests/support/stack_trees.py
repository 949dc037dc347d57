# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks in the normal form of ``docker stack config``, drawn at random: every key that a service can have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import (
    container_spec,
    definition,
    service_problems,
    service_spec,
)
from hypothesis import strategies as st

Json = dict[str, Any]

STACK = "shop"
OWNER = "flotilla"

_TEXTS = st.text(max_size=3)
_WORDS = st.sampled_from(["a", "b-c", "ä"])
_DURATIONS = st.sampled_from(["0s", "500ms", "1.5s", "1m30s", "2h0m0s"])
_COUNTS = st.integers(0, 3)
_FLAGS = st.booleans()
_LABELS = st.dictionaries(st.sampled_from(["a", "b.c", "Runtime"]), _TEXTS, max_size=2)


def _some(**optional: Any) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=optional)


def _lists(entries: Any, most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(entries, max_size=most)


_UPDATE = _some(
    parallelism=_COUNTS,
    delay=_DURATIONS,
    monitor=_DURATIONS,
    failure_action=st.sampled_from(["pause", "continue", "rollback"]),
    max_failure_ratio=st.sampled_from([0.3, 1]),
    order=st.sampled_from(["start-first", "stop-first"]),
)
_RESERVATIONS: Json = {
    "cpus": st.sampled_from(["0.5", "2", "0.100", "1e-3"]),
    "memory": st.sampled_from(["0", "4194304"]),
}
_GENERIC = st.just({"discrete_resource_spec": {"kind": "gpu", "value": 2}})
_DEPLOY: Json = {
    "labels": _LABELS,
    "endpoint_mode": st.sampled_from(["vip", "dnsrr", "VIP"]),
    "update_config": _UPDATE,
    "rollback_config": _UPDATE,
    "restart_policy": _some(
        condition=st.sampled_from(["none", "on-failure", "any"]),
        delay=_DURATIONS,
        max_attempts=_COUNTS,
        window=_DURATIONS,
    ),
    "placement": _some(
        constraints=_lists(st.sampled_from(["node.role == manager", "node.labels.a != b"])),
        preferences=_lists(st.sampled_from([{"spread": "node.labels.a"}, {}])),
        max_replicas_per_node=_COUNTS,
    ),
    "resources": _some(
        limits=_some(pids=_COUNTS, **_RESERVATIONS),
        reservations=_some(generic_resources=_lists(_GENERIC), **_RESERVATIONS),
    ),
}
_MODES = st.one_of(
    st.fixed_dictionaries(
        {}, optional={"mode": st.sampled_from(["replicated", "replicated-job"]), "replicas": _COUNTS, **_DEPLOY}
    ),
    st.fixed_dictionaries({"mode": st.sampled_from(["global", "global-job"])}, optional=_DEPLOY),
)
_MOUNTS = st.sampled_from(
    [
        {"type": "volume", "source": "data", "target": "/data", "volume": {"nocopy": True, "subpath": "x"}},
        {"type": "volume", "source": "shared", "target": "/shared", "read_only": True, "volume": {}},
        {"type": "volume", "target": "/anonymous"},
        {"type": "bind", "source": "/etc", "target": "/etc2", "bind": {"propagation": "rslave"}},
        {"type": "bind", "source": "/srv", "target": "/srv", "bind": {}, "consistency": "cached"},
        {"type": "tmpfs", "target": "/tmp", "tmpfs": {"size": 1024}},  # noqa: S108 - a path in a container
        {"type": "tmpfs", "target": "/run"},
        {"type": "npipe", "source": "\\\\.\\pipe\\x", "target": "\\\\.\\pipe\\x"},
        {"type": "cluster", "source": "group:fast", "target": "/fast"},
    ]
)
_PORTS = st.builds(
    dict,
    target=st.sampled_from([80, 53]),
    published=st.sampled_from([0, 80, 8080]),
    protocol=st.sampled_from(["tcp", "udp", "TCP"]),
    mode=st.sampled_from(["ingress", "host"]),
)
_FILES: Json = {
    "target": st.sampled_from(["/x", "y"]),
    "uid": st.just("103"),
    "gid": st.just("0"),
    "mode": st.sampled_from([0, 0o440]),
}
_ATTACHMENT = st.one_of(
    st.none(), _some(aliases=_lists(_WORDS), driver_opts=st.dictionaries(_WORDS, _TEXTS, max_size=1))
)
_ULIMITS = st.sampled_from([-1, 20, {"soft": 10, "hard": 20}, {"hard": 5}, {}])


def _distinct(entries: list[Json], key: Callable[[Json], Any]) -> list[Json]:
    """Those entries whose key no entry before them has."""
    return list({key(entry): entry for entry in reversed(entries)}.values())


def _deployable(entry: Json) -> Json:
    """The entry without what excludes something else in it."""
    deploy = dict(entry.get("deploy", {}))
    if "job" in deploy.get("mode", ""):
        deploy.pop("update_config", None)
    ports = _distinct(entry.get("ports", []), lambda port: (port["published"], port["protocol"].lower()))
    if deploy.get("endpoint_mode") == "dnsrr":
        ports = [{**port, "mode": "host"} for port in ports]
    changed: Json = {"deploy": deploy, "ports": ports}
    for kind in ("secrets", "configs"):
        changed[kind] = _distinct(entry.get(kind, []), lambda used: used.get("target", used["source"]))
    changed["volumes"] = _distinct(entry.get("volumes", []), lambda volume: volume["target"])
    return {**entry, **{key: value for key, value in changed.items() if key in entry}}


ENTRIES = st.fixed_dictionaries(
    {"image": st.sampled_from(["app", "app:v1", "docker.io/library/app:v1", "r.example:5000/a@sha256:" + "a" * 64])},
    optional={
        "cap_add": _lists(st.sampled_from(["NET_ADMIN", "cap_chown", "ALL", "RESET"])),
        "cap_drop": _lists(st.sampled_from(["chown", "ALL", "SYS_TIME"])),
        "command": _lists(_TEXTS),
        "configs": _lists(st.fixed_dictionaries({"source": st.sampled_from(["conf", "ready"])}, optional=_FILES)),
        "credential_spec": st.sampled_from([{"config": "ready"}, {"file": "x.json"}, {"registry": "x"}, {}]),
        "deploy": _MODES,
        "dns": _lists(st.just("192.0.2.53")),
        "dns_search": _lists(_WORDS),
        "entrypoint": _lists(_TEXTS),
        "environment": st.dictionaries(st.sampled_from(["A", "B"]), st.one_of(st.none(), _TEXTS)),
        "extra_hosts": _lists(st.sampled_from(["db:192.0.2.7", "six:::1"])),
        "healthcheck": st.one_of(
            st.just({"disable": True}),
            _some(
                test=_lists(_TEXTS),
                interval=_DURATIONS,
                timeout=_DURATIONS,
                start_period=_DURATIONS,
                start_interval=_DURATIONS,
                retries=_COUNTS,
            ),
        ),
        "hostname": st.just("{{.Node.Hostname}}"),
        "init": _FLAGS,
        "isolation": st.sampled_from(["default", "hyperv"]),
        "labels": _LABELS,
        "logging": _some(driver=st.just("json-file"), options=st.dictionaries(_WORDS, _TEXTS, max_size=1)),
        "networks": st.dictionaries(st.sampled_from(["back", "ext", "host", "default"]), _ATTACHMENT, max_size=3),
        "ports": _lists(_PORTS, 3),
        "read_only": _FLAGS,
        "secrets": _lists(st.fixed_dictionaries({"source": st.just("key")}, optional=_FILES)),
        "security_opt": _lists(
            st.sampled_from(["no-new-privileges:true", "seccomp=unconfined", "apparmor:unconfined", "seccomp:default"])
        ),
        "stdin_open": _FLAGS,
        "stop_grace_period": _DURATIONS,
        "stop_signal": st.just("SIGINT"),
        "sysctls": st.dictionaries(st.just("net.core.somaxconn"), st.sampled_from(["", "1"])),
        "tty": _FLAGS,
        "ulimits": st.dictionaries(st.sampled_from(["nofile", "core"]), _ULIMITS),
        "user": st.just("1000:1000"),
        "volumes": _lists(_MOUNTS, 3),
        "working_dir": st.just("/srv"),
    },
).map(_deployable)
"""One service; it refers to what ``SECTIONS`` has."""

SERVICES = st.dictionaries(st.sampled_from(["api", "web", "db"]), ENTRIES, min_size=1)

SECTIONS: Json = {
    "networks": {
        "back": {"driver": "overlay", "labels": {"a": ""}},
        "ext": {"name": "ext", "external": True},
        "host": {"name": "host", "external": True},
    },
    "volumes": {"data": {"driver": "local", "labels": {"a": ""}}, "shared": {"name": "shared", "external": True}},
    "secrets": {"key": {"name": "key_v1", "external": True}},
    "configs": {"conf": {"file": "/nowhere/conf"}, "ready": {"name": "ready_v1", "external": True}},
}
"""What stands at the top of a stack beside its services."""

IN_THE_SWARM: Json = {
    "secrets": [{"ID": "id-key_v1", "Spec": {"Name": "key_v1"}}],
    "configs": [{"ID": "id-ready_v1", "Spec": {"Name": "ready_v1"}}],
    "networks": [
        {"Id": "id-ext", "Name": "ext", "Scope": "swarm"},
        {"Id": "local-host", "Name": "host", "Scope": "local"},
    ],
}
"""What is external to ``SECTIONS``, as an Observation takes it."""


_NAMES = container_spec.Names(
    {"key_v1": "id-key", "shop_own": "id-own"}, {"ready_v1": "id-ready", "shop_conf": "id-conf", "a_v1": "id-a"}
)


def converted(entry: Json | None = None, **sections: Any) -> Json:
    """The spec of a service ``api`` with an image and what else is given, in which nothing is wrong."""
    tree = {"services": {"api": {"image": "app:v1", **(entry or {})}}, **sections}
    assert service_problems.problems(tree, STACK, "api", _NAMES) == []
    return service_spec.convert(tree, STACK, "api", _NAMES, {labels.OWNER: OWNER})


def resolved(services: Json, content: bytes = b"x") -> tuple[Json, tuple[definition.ConfigObject, ...]]:
    """The stack as a planner gets it, and the configs that are made from its files."""
    tree = definition.prepared({"services": services, **SECTIONS})
    found, objects, problems = definition.config_objects(tree, STACK, {"conf": content}, OWNER)
    assert problems == []
    return found, objects


def shuffled(value: Any, random: Any) -> Any:
    """The same with its mappings in another order; lists stay as they are."""
    if isinstance(value, dict):
        items = [(key, shuffled(entry, random)) for key, entry in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(entry, random) for entry in value] if isinstance(value, list) else value
