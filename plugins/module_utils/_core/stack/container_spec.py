# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ContainerSpec of a service: what runs in each of its tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import mounts, security
from .references import mapping, section, sequence
from .scalars import nanoseconds, put, strings, text, texts

Tree = Mapping[str, Any]

_RESET = "CAP_RESET"


@dataclass(frozen=True)
class Names:
    """The IDs, in the swarm, of what services refer to.

    Attributes:
        secrets, configs: name -> ID.
    """

    secrets: Mapping[str, str]
    configs: Mapping[str, str]


def convert(tree: Tree, stack: str, entry: Tree, names: Names, namespace: Tree) -> dict[str, Any]:
    container: dict[str, Any] = {
        "Image": entry["image"],
        "Labels": {**strings(entry.get("labels")), **namespace},
        "Privileges": {
            **security.privileges(sequence(entry.get("security_opt"))),
            "CredentialSpec": _credential_spec(tree, stack, entry, names),
        },
        "Secrets": _files(tree, stack, "secrets", entry, names.secrets, "Secret"),
        "Configs": [
            *_files(tree, stack, "configs", entry, names.configs, "Config"),
            *_runtime_configs(tree, stack, entry, names),
        ],
    }
    container["Configs"].sort(key=lambda config: str(config["ConfigName"]))
    plain = (
        ("entrypoint", "Command", list),
        ("command", "Args", list),
        ("hostname", "Hostname", str),
        ("working_dir", "Dir", str),
        ("user", "User", str),
        ("stop_signal", "StopSignal", str),
        ("tty", "TTY", bool),
        ("stdin_open", "OpenStdin", bool),
        ("read_only", "ReadOnly", bool),
        ("init", "Init", bool),
        ("isolation", "Isolation", lambda word: str(word).lower()),
        ("oom_score_adj", "OomScoreAdj", int),
        ("sysctls", "Sysctls", strings),
        ("environment", "Env", _environment),
        ("extra_hosts", "Hosts", _hosts),
        ("ulimits", "Ulimits", _ulimits),
        ("healthcheck", "Healthcheck", _healthcheck),
        ("stop_grace_period", "StopGracePeriod", nanoseconds),
    )
    for key, name, make in plain:
        put(container, name, entry.get(key), make)
    container.update(_capabilities(entry))
    if entry.get("dns") or entry.get("dns_search"):
        container["DNSConfig"] = {"Nameservers": texts(entry.get("dns")), "Search": texts(entry.get("dns_search"))}
    container["Mounts"] = [mounts.convert(volume, tree, stack) for volume in sequence(entry.get("volumes"))]
    return container


def _environment(values: Any) -> list[str]:
    """``NAME=value``, sorted; a variable without a value is handed over by name alone."""
    return sorted(str(name) if value is None else "%s=%s" % (name, text(value)) for name, value in values.items())


def _hosts(values: Any) -> list[str]:
    """``host:address`` turned round to ``address host``, in the order of the file."""
    pairs = (str(value).split(":", 1) for value in sequence(values) if ":" in str(value))
    return ["%s %s" % (address, host) for host, address in pairs]


def _ulimits(values: Any) -> list[dict[str, Any]]:
    found = []
    for name in sorted(mapping(values)):
        limit = values[name]
        soft, hard = (limit.get("soft", 0), limit.get("hard", 0)) if isinstance(limit, Mapping) else (limit, limit)
        found.append({"Name": name, "Soft": int(soft), "Hard": int(hard)})
    return found


def _healthcheck(check: Any) -> dict[str, Any]:
    if check.get("disable"):
        return {"Test": ["NONE"]}
    result: dict[str, Any] = {"Test": list(check.get("test") or ())}
    for key, name in (
        ("interval", "Interval"),
        ("timeout", "Timeout"),
        ("start_period", "StartPeriod"),
        ("start_interval", "StartInterval"),
    ):
        put(result, name, check.get(key), nanoseconds)
    put(result, "Retries", check.get("retries"), int)
    return result


def _capabilities(entry: Tree) -> dict[str, Any]:
    """Capabilities in one spelling, sorted; what is added is not dropped (docker/cli: opts.EffectiveCapAddCapDrop)."""
    # RESET undoes what an update had changed; a whole spec has nothing to undo.
    add = {_capability(name) for name in sequence(entry.get("cap_add"))} - {_RESET}
    drop = {_capability(name) for name in sequence(entry.get("cap_drop"))} - {_RESET}
    add = {"ALL"} if "ALL" in add else add
    drop = {"ALL"} if "ALL" in drop else drop
    return {"CapabilityAdd": sorted(add), "CapabilityDrop": sorted(drop - add)}


def _capability(name: Any) -> str:
    text = str(name).strip().upper()
    return text if text == "ALL" or text.startswith("CAP_") else "CAP_" + text


def _files(tree: Tree, stack: str, kind: str, entry: Tree, ids: Mapping[str, str], prefix: str) -> list[dict[str, Any]]:
    """The mounted secrets or configs, by their names in the swarm."""
    found = []
    for used in sequence(entry.get(kind)):
        source = str(used["source"])
        name = object_name(tree, stack, kind, source)
        mode = used.get("mode")
        file = {
            "Name": str(used.get("target") or source),
            "UID": str(used.get("uid") or "0"),
            "GID": str(used.get("gid") or "0"),
            "Mode": 0o444 if mode is None else int(mode),
        }
        found.append({"File": file, prefix + "ID": ids[name], prefix + "Name": name})
    return sorted(found, key=lambda one: str(one[prefix + "Name"]))


def object_name(tree: Tree, stack: str, section_name: str, key: str) -> str:
    """The name in the swarm of a secret or config of the stack."""
    return str(mapping(section(tree, section_name).get(key)).get("name") or "%s_%s" % (stack, key))


def _runtime_configs(tree: Tree, stack: str, entry: Tree, names: Names) -> list[dict[str, Any]]:
    """A config that a credential spec names: the engine reads it, no container mounts it."""
    key = mapping(entry.get("credential_spec")).get("config")
    if not key:
        return []
    name = object_name(tree, stack, "configs", str(key))
    return [{"Runtime": {}, "ConfigID": names.configs[name], "ConfigName": name}]


def _credential_spec(tree: Tree, stack: str, entry: Tree, names: Names) -> dict[str, str] | None:
    spec = mapping(entry.get("credential_spec"))
    if spec.get("config"):
        return {"Config": names.configs[object_name(tree, stack, "configs", str(spec["config"]))]}
    return next(
        ({name: str(spec[key])} for key, name in (("file", "File"), ("registry", "Registry")) if spec.get(key)), None
    )
