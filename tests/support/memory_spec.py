# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ServiceSpec as an engine gives it back: what was sent, through swarm's own form and into JSON again.

From moby's daemon/cluster/convert (service.go, container.go) and the ``omitempty`` of api/types/swarm, as of 26.1.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def given_back(spec: Mapping[str, Any]) -> Json:
    """The spec after a journey through the engine; the networks' targets stay what they are."""
    result = copy.deepcopy(dict(spec))
    result.setdefault("Labels", {})
    result["Mode"] = _mode(result.get("Mode") or {})
    if "TaskTemplate" in result:
        result["TaskTemplate"] = _task(result["TaskTemplate"])
    for name in ("UpdateConfig", "RollbackConfig"):
        if result.get(name) is not None:
            result[name] = _update(result[name])
    if result.get("EndpointSpec") is not None:
        result["EndpointSpec"] = _endpoint(result["EndpointSpec"])
    return result


def _without_empty(value: Mapping[str, Any], *kept: str) -> Json:
    """What Go writes of a structure whose fields are ``omitempty``, but for those that are kept."""
    return {key: entry for key, entry in value.items() if key in kept or entry not in (None, "", 0, [], {})}


def _mode(mode: Mapping[str, Any]) -> Json:
    if "Global" in mode or "GlobalJob" in mode:
        return {key: {} for key in mode}
    if "ReplicatedJob" in mode:
        job = mode["ReplicatedJob"]
        concurrent = job["MaxConcurrent"] if job.get("MaxConcurrent") is not None else 1
        total = job["TotalCompletions"] if job.get("TotalCompletions") is not None else concurrent
        return {"ReplicatedJob": {"MaxConcurrent": concurrent, "TotalCompletions": total}}
    replicas = (mode.get("Replicated") or {}).get("Replicas")
    return {"Replicated": {"Replicas": 1 if replicas is None else replicas}}


def _task(template: Mapping[str, Any]) -> Json:
    result = _without_empty(template, "Resources", "RestartPolicy", "Placement", "LogDriver", "Networks")
    if "ContainerSpec" in result:
        result["ContainerSpec"] = _container(result["ContainerSpec"])
    if result.get("RestartPolicy") is not None:
        result["RestartPolicy"] = {"Condition": "any", "MaxAttempts": 0, **result["RestartPolicy"]}
    if result.get("Placement") is not None:
        placement = _without_empty(result["Placement"])
        if "Platforms" in placement:
            placement["Platforms"] = [_without_empty(platform) for platform in placement["Platforms"]]
        result["Placement"] = placement
    if result.get("Resources") is not None:
        result["Resources"] = {key: _without_empty(amounts) for key, amounts in result["Resources"].items()}
    if result.get("LogDriver") is not None:
        result["LogDriver"] = _without_empty(result["LogDriver"])
    if result.get("Networks") is not None:
        result["Networks"] = [_without_empty(network) for network in result["Networks"]]
    return {**result, "ForceUpdate": template.get("ForceUpdate") or 0, "Runtime": "container"}


def _container(container: Mapping[str, Any]) -> Json:
    result = _without_empty(container, "Init", "StopGracePeriod", "Privileges", "Healthcheck", "DNSConfig")
    if result.get("Privileges") is not None:
        credential = result["Privileges"].get("CredentialSpec")
        result["Privileges"] = {
            "SELinuxContext": None,
            "NoNewPrivileges": False,
            **result["Privileges"],
            "CredentialSpec": credential and {"Config": "", "File": "", "Registry": "", **credential},
        }
    for name in ("Healthcheck", "DNSConfig"):
        if result.get(name) is not None:
            result[name] = _without_empty(result[name])
    if "Mounts" in result:
        result["Mounts"] = [_mount(mount) for mount in result["Mounts"]]
    return {**result, "Isolation": result.get("Isolation") or "default"}


def _mount(mount: Mapping[str, Any]) -> Json:
    result = _without_empty(mount, "VolumeOptions", "TmpfsOptions")
    # Swarm's own form has no room for it.
    result.pop("Consistency", None)
    result.pop("ClusterOptions", None)
    if result.get("VolumeOptions") is not None:
        result["VolumeOptions"] = _without_empty(result["VolumeOptions"])
    if result.get("TmpfsOptions") is not None:
        result["TmpfsOptions"] = _without_empty(result["TmpfsOptions"])
    if "BindOptions" in result and not result["BindOptions"].get("Propagation"):
        del result["BindOptions"]
    return result


def _update(config: Mapping[str, Any]) -> Json:
    zero = {"Parallelism": 0, "FailureAction": "pause", "MaxFailureRatio": 0, "Order": "stop-first"}
    return {**zero, **_without_empty(config)}


def _endpoint(endpoint: Mapping[str, Any]) -> Json:
    ports = [
        _without_empty({"Protocol": "tcp", "PublishMode": "ingress", **_without_empty(port)})
        for port in endpoint.get("Ports") or ()
    ]
    return _without_empty({"Mode": endpoint.get("Mode") or "vip", "Ports": ports})
