# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of a swarm, as far as it can be read back: everything but the secrets' values.

Objects are known by their names here. Their IDs, versions and times are left out, so that the definitions of a swarm
and of the one that was restored from it are equal when nothing is lost.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import network_json, node_json, service_json

FORMAT = 1
"""Of the definition; it is raised when its meaning changes."""
LOCK_CONFIG = "flotilla_backup_lock"
"""Name of the config that a backup of the raft state holds while it runs: no part of the definition."""

Json = Mapping[str, Any]

_SECTIONS = (
    ("nodes", "node"),
    ("networks", "network"),
    ("secrets", "secret"),
    ("configs", "config"),
    ("services", "service"),
)
_SWARM_KEYS = ("DefaultAddrPool", "SubnetSize", "DataPathPort")
_SIGNING_KEYS = ("SigningCAKey", "SigningCACert", "ForceRotate")
"""Of the swarm's certificates: the key, and what belongs to a rotation that was asked for once."""
_SHOWN = ("TaskTemplate.ContainerSpec.Image", "availability", "role")
"""Where texts are that a difference shows. Others may be secret (a variable's value, a password's hash in a label)."""


def export(
    swarm: Json,
    nodes: Iterable[Json],
    services: Iterable[Json],
    networks: Iterable[Json],
    secrets: Iterable[Json],
    configs: Iterable[Json],
) -> dict[str, Any]:
    """The definition of a swarm, in one order however the engine listed it.

    Args:
        swarm, nodes, services, networks, secrets, configs: the engine's JSON of the lists of that name.
    """
    services, networks, secrets, configs = [*services], [*networks], [*secrets], [*configs]
    names = {
        "Secret": {str(secret["ID"]): str(secret["Spec"]["Name"]) for secret in secrets},
        "Config": {str(config["ID"]): str(config["Spec"]["Name"]) for config in configs},
        "Network": {str(network["Id"]): str(network["Name"]) for network in networks},
    }
    document = {
        "format": FORMAT,
        "swarm": _swarm(swarm),
        "nodes": _nodes(nodes),
        "services": {service_json.name(service): _service(service["Spec"], names) for service in services},
        "networks": {
            str(network["Name"]): {**network_json.like(network), "Ingress": bool(network.get("Ingress"))}
            for network in networks
            if network.get("Scope") == "swarm"
        },
        "secrets": {str(secret["Spec"]["Name"]): _data_object(secret["Spec"]) for secret in secrets},
        "configs": {
            str(config["Spec"]["Name"]): {**_data_object(config["Spec"]), **_data(config["Spec"])}
            for config in configs
            if config["Spec"]["Name"] != LOCK_CONFIG
        },
    }
    # A copy that shares nothing with the engine's answers, its keys in order.
    ordered: dict[str, Any] = json.loads(json.dumps(document, sort_keys=True))
    return ordered


def _swarm(swarm: Json) -> dict[str, Any]:
    """Its settings, without the tokens and keys."""
    spec = dict(swarm["Spec"])
    authority = {key: value for key, value in (spec.get("CAConfig") or {}).items() if key not in _SIGNING_KEYS}
    if authority.get("ExternalCAs"):
        # Their options may be credentials.
        authority["ExternalCAs"] = [
            {key: value for key, value in external.items() if key != "Options"} for external in authority["ExternalCAs"]
        ]
    return {**spec, "CAConfig": authority, **{key: swarm.get(key) for key in _SWARM_KEYS}}


def _nodes(nodes: Iterable[Json]) -> dict[str, Any]:
    """By hostname. Several may have the same (what is left of a node that was replaced): the others get a number."""
    found: dict[str, list[dict[str, Any]]] = {}
    for node in nodes:
        spec = node["Spec"]
        entry = {
            "role": spec.get("Role"),
            "availability": spec.get("Availability"),
            "labels": dict(spec.get("Labels") or {}),
        }
        found.setdefault(node_json.name(node), []).append(entry)
    return {
        "%s#%d" % (name, number) if number > 1 else name: entry
        for name, entries in found.items()
        for number, entry in enumerate(sorted(entries, key=_text), 1)
    }


def _data_object(spec: Json) -> dict[str, Any]:
    """What secrets and configs have alike; who drives or fills them in, only where somebody does."""
    driven = {key: spec[key] for key in ("Driver", "Templating") if spec.get(key)}
    return {"labels": dict(spec.get("Labels") or {}), **driven}


def _data(spec: Json) -> dict[str, str]:
    data = base64.b64decode(spec.get("Data") or "")
    return {"sha256": hashlib.sha256(data).hexdigest(), "data": base64.b64encode(data).decode("ascii")}


def _service(spec: Json, names: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """A service's spec with names in place of IDs, and without the count of its forced restarts."""
    result: dict[str, Any] = json.loads(json.dumps(spec))
    template = result.get("TaskTemplate") or {}
    template.pop("ForceUpdate", None)
    container = template.get("ContainerSpec") or {}
    for kind in ("Secret", "Config"):
        if container.get(kind + "s"):
            container[kind + "s"] = sorted(
                (_reference(reference, kind, names[kind]) for reference in container[kind + "s"]), key=_text
            )
    credentials = (container.get("Privileges") or {}).get("CredentialSpec") or {}
    if credentials.get("Config"):
        credentials["Config"] = names["Config"].get(credentials["Config"], credentials["Config"])
    for holder in (template, result):
        if holder.get("Networks"):
            holder["Networks"] = sorted(
                ({**one, "Target": names["Network"].get(one["Target"], one["Target"])} for one in holder["Networks"]),
                key=_text,
            )
    return result


def _reference(reference: Json, kind: str, names: Mapping[str, str]) -> dict[str, Any]:
    """A secret or config as a service mounts it, by the name that it has now."""
    found = {key: value for key, value in reference.items() if key != kind + "ID"}
    found[kind + "Name"] = names.get(str(reference[kind + "ID"]), reference.get(kind + "Name"))
    return found


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


# -- comparing -------------------------------------------------------------------------------------------------------


def differences(before: Json, after: Json) -> list[str]:
    """How one definition differs from another, one line each; empty when nothing was lost and nothing came.

    It shows where, and of most texts not what: they may be secret.
    """
    found = ["swarm: " + line for line in _compared(before.get("swarm") or {}, after.get("swarm") or {}, "")]
    for section, singular in _SECTIONS:
        old, new = before.get(section) or {}, after.get(section) or {}
        for name in sorted({*old, *new}):
            if name not in new:
                found.append("%s %s is gone" % (singular, name))
            elif name not in old:
                found.append("%s %s is new" % (singular, name))
            else:
                found += ["%s %s: %s" % (singular, name, line) for line in _compared(old[name], new[name], "")]
    return found


def _compared(old: Any, new: Any, path: str) -> Iterator[str]:
    """Where two values differ: down to the keys of dictionaries; lists as a whole."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _compared(old.get(key), new.get(key), "%s.%s" % (path, key) if path else str(key))
    elif _text(old) != _text(new):
        yield "%s %s" % (path, _change(old, new, path))


def _change(old: Any, new: Any, path: str) -> str:
    if all(path in _SHOWN or isinstance(value, (bool, int, float)) for value in (old, new)):
        return "was %s, is %s" % (_text(old), _text(new))
    if old is None or new is None:
        return "is new" if old is None else "is gone"
    return "differs"
