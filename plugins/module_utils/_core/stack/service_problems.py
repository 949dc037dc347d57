# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service of a stack file can't be: ``docker stack config`` lets it pass, and the CLI's converter (docker/cli:
cli/compose/convert) or the engine (swarmkit: manager/controlapi/service.go, ``validate…``) would refuse it half way
through a deployment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import container_spec, images, mounts
from .references import mapping, section, sequence
from .scalars import nano_cpus, nanoseconds

Tree = Mapping[str, Any]

_CHOICES = (
    (("mode",), ("replicated", "global", "replicated-job", "global-job")),
    (("endpoint_mode",), ("vip", "dnsrr")),
    (("restart_policy", "condition"), ("none", "on-failure", "any")),
    (("update_config", "failure_action"), ("pause", "continue", "rollback")),
    (("update_config", "order"), ("stop-first", "start-first")),
    (("rollback_config", "failure_action"), ("pause", "continue", "rollback")),
    (("rollback_config", "order"), ("stop-first", "start-first")),
)
_PORT_CHOICES = (("protocol", ("tcp", "udp", "sctp")), ("mode", ("ingress", "host")))
_HEALTH_TIMES = ("interval", "timeout", "start_period", "start_interval")
_TIMES = (
    ("stop_grace_period",),
    *(("healthcheck", time) for time in _HEALTH_TIMES),
    *(("deploy", "restart_policy", time) for time in ("delay", "window")),
    *(("deploy", policy, time) for policy in ("update_config", "rollback_config") for time in ("delay", "monitor")),
)
_ISOLATIONS = ("default", "process", "hyperv")
_RESTARTS = ("no", "always", "unless-stopped", "on-failure")
_OOM_SCORES = (-1000, 1000)
_LEAST_MEMORY = 4 * 1024 * 1024
_LEAST_CPUS = 10**6
_LEAST_TIME = 10**6


def problems(tree: Tree, stack: str, key: str, names: container_spec.Names) -> list[str]:
    """One sentence for each thing that is wrong with a service, naming the key and the mend.

    Args:
        tree: the normal form, external names resolved.
        stack: the stack's name.
        key: the service's key.
        names: what there is in the swarm, and what the same run makes before it.
    """
    entry = mapping(section(tree, "services")[key])
    deploy = mapping(entry.get("deploy"))
    found = [
        *_container(entry),
        *_times(entry),
        *_restart(entry),
        *_templates(entry),
        *_ports(sequence(entry.get("ports")), deploy),
        *_deploy(deploy),
        *_generic_resources(deploy),
        *_networks(tree, entry),
        *mounts.problems(sequence(entry.get("volumes")), tree),
        *_files(tree, stack, entry, "secrets", names.secrets),
        *_files(tree, stack, entry, "configs", names.configs),
    ]
    return ["services.%s.%s" % (key, problem) for problem in found]


def _container(entry: Tree) -> Iterator[str]:
    image = str(entry.get("image") or "")
    if not image:
        yield "image: there is none: name the image to run"
    elif not images.is_name(image):
        yield "image: %s is no image's name: a repository in small letters, with a tag or a digest" % image
    check = mapping(entry.get("healthcheck"))
    if check.get("disable") and check.get("test"):
        yield "healthcheck: test and disable exclude one another: remove one of them"
    for time in _HEALTH_TIMES:
        if 0 < nanoseconds(check.get(time)) < _LEAST_TIME:
            yield "healthcheck.%s: %s is less than 1ms, the least there is" % (time, check[time])
    if entry.get("isolation") and str(entry["isolation"]).lower() not in _ISOLATIONS:
        yield "isolation: %s is none of %s" % (entry["isolation"], ", ".join(_ISOLATIONS))
    least, most = _OOM_SCORES
    if not least <= int(entry.get("oom_score_adj") or 0) <= most:
        yield "oom_score_adj: %s is not between %d and %d" % (entry["oom_score_adj"], least, most)
    credentials = sorted(name for name, value in mapping(entry.get("credential_spec")).items() if value)
    if len(credentials) > 1:
        yield "credential_spec: %s exclude one another: keep one of them" % " and ".join(credentials)


def _times(entry: Tree) -> Iterator[str]:
    for path in _TIMES:
        value = _at(entry, path)
        if str(value).startswith("-"):
            yield "%s: %s is less than no time" % (".".join(path), value)


def _at(entry: Tree, path: Sequence[str]) -> Any:
    value: Any = entry
    for key in path:
        value = mapping(value).get(key)
    return value


def _restart(entry: Tree) -> Iterator[str]:
    """``restart``, which counts where ``deploy`` has no policy."""
    if mapping(entry.get("deploy")).get("restart_policy") is not None or not entry.get("restart"):
        return
    name, _colon, attempts = str(entry["restart"]).partition(":")
    if name not in _RESTARTS or (attempts and not attempts.isdigit()):
        yield "restart: %s is none of %s, or on-failure:ATTEMPTS" % (entry["restart"], ", ".join(_RESTARTS))


def _templates(entry: Tree) -> Iterator[str]:
    """Texts that the engine reads as templates (swarmkit: template/expand.go)."""
    texts = [("hostname", entry.get("hostname"))]
    texts += [("environment.%s" % name, value) for name, value in mapping(entry.get("environment")).items()]
    for position, volume in enumerate(map(mapping, sequence(entry.get("volumes")))):
        texts += [("volumes[%d].%s" % (position, key), volume.get(key)) for key in ("source", "target")]
    for where, text in texts:
        if "{{" in str(text).rpartition("}}")[2]:
            yield "%s: the template in %s has no end: write }} behind it" % (where, text)


def _ports(ports: Any, deploy: Tree) -> Iterator[str]:
    published = set()
    for position, port in enumerate(map(mapping, ports)):
        where = "ports[%d]" % position
        if not port.get("target"):
            yield "%s.target: there is none: name the port in the container" % where
        for key, allowed in _PORT_CHOICES:
            if port.get(key) and str(port[key]).lower() not in allowed:
                yield "%s.%s: %s is none of %s" % (where, key, port[key], ", ".join(allowed))
        if str(deploy.get("endpoint_mode")).lower() == "dnsrr" and str(port.get("mode")).lower() != "host":
            yield "%s.mode: without a virtual IP (endpoint_mode: dnsrr) a port can only have the mode host" % where
        address = (port.get("published"), str(port.get("protocol") or "tcp").lower())
        if address[0] and address in published:
            yield "%s.published: %s/%s is published already: give it another one" % (where, *address)
        published.add(address)


def _deploy(deploy: Tree) -> Iterator[str]:
    for path, allowed in _CHOICES:
        value = _at(deploy, path)
        # The CLI makes endpoint_mode small itself.
        if value and (str(value).lower() if path == ("endpoint_mode",) else value) not in allowed:
            yield "deploy.%s: %s is none of %s" % (".".join(path), value, ", ".join(allowed))
    mode = deploy.get("mode")
    if mode in ("global", "global-job") and deploy.get("replicas") is not None:
        yield "deploy.replicas: a %s service has one task on each node: remove replicas, or the mode" % mode
    if mode in ("replicated-job", "global-job") and deploy.get("update_config") is not None:
        yield "deploy.update_config: a job has none, for its tasks end by themselves: remove it"
    for policy in ("update_config", "rollback_config"):
        ratio = mapping(deploy.get(policy)).get("max_failure_ratio") or 0
        if not 0 <= ratio <= 1:
            yield "deploy.%s.max_failure_ratio: %s is not between 0 and 1" % (policy, ratio)
    for kind in ("limits", "reservations"):
        for problem in _amounts(mapping(mapping(deploy.get("resources")).get(kind))):
            yield "deploy.resources.%s.%s" % (kind, problem)


def _generic_resources(deploy: Tree) -> Iterator[str]:
    reserved = mapping(mapping(deploy.get("resources")).get("reservations"))
    for position, one in enumerate(map(mapping, sequence(reserved.get("generic_resources")))):
        if not mapping(one.get("discrete_resource_spec")).get("kind"):
            yield (
                "deploy.resources.reservations.generic_resources[%d]: it names no kind, so the engine ignores it: "
                "write discrete_resource_spec: {kind: …, value: …}" % position
            )


def _amounts(amounts: Tree) -> Iterator[str]:
    cpus = amounts.get("cpus")
    try:
        nano = nano_cpus(cpus) if cpus is not None else 0
    except ValueError:
        yield "cpus: %s is no number of CPUs (at most 9 decimals)" % cpus
    else:
        if 0 < nano < _LEAST_CPUS:
            yield "cpus: %s is less than 0.001, the least there is" % cpus
    memory = int(amounts.get("memory") or 0)
    if memory != 0 and memory < _LEAST_MEMORY:
        yield "memory: %d bytes are less than 4 MiB, the least there is" % memory


def _networks(tree: Tree, entry: Tree) -> Iterator[str]:
    for network in mapping(entry.get("networks")):
        declared = section(tree, "networks").get(network)
        if network != "default" and network not in section(tree, "networks"):
            yield _undeclared("networks", "networks", network)
        elif mapping(declared).get("external") and mapping(declared).get("name") == "ingress":
            yield "networks.%s: no service can be attached to the network ingress: publish ports instead" % network


def _files(tree: Tree, stack: str, entry: Tree, kind: str, present: Mapping[str, str]) -> Iterator[str]:
    targets = set()
    for position, used in enumerate(map(mapping, sequence(entry.get(kind)))):
        where, source = "%s[%d]" % (kind, position), str(used.get("source") or "")
        if not source:
            yield "%s.source: there is none: name one of the stack's top-level %s" % (where, kind)
            continue
        target = str(used.get("target") or source)
        if target in targets:
            yield "%s.target: %s is another one's target already: give it a target of its own" % (where, target)
        targets.add(target)
        yield from _file(tree, stack, kind, source, present, kind)
    credential = mapping(entry.get("credential_spec")).get("config")
    if kind == "configs" and credential:
        yield from _file(tree, stack, kind, str(credential), present, "credential_spec.config")


def _file(tree: Tree, stack: str, kind: str, source: str, present: Mapping[str, str], where: str) -> Iterator[str]:
    if source not in section(tree, kind):
        yield _undeclared(where, kind, source)
    elif container_spec.object_name(tree, stack, kind, source) not in present:
        yield (
            "%s: %s is neither external nor made from a file: declare it with swarm_%s, and write "
            "%s.%s: {external: true}" % (where, source, kind, kind, source)
        )


def _undeclared(where: str, kind: str, key: str) -> str:
    return "%s names %s, which the stack's top-level %s doesn't declare: add %s.%s" % (where, key, kind, kind, key)
