# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the services ask for: those items of section 5 of the benchmark that a service of a swarm can break.

A swarm knows no privileged containers and no namespace of the host but the network's, so those items are not here.
Facts: ``services`` and ``networks`` (the engine's lists), ``published_ports``: the ports that may be published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from .. import service_json
from .model import SWARM, Check, Facts, Finding, not_applicable, verdict

Json = Mapping[str, Any]

_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock")
_SENSITIVE = ("/boot", "/dev", "/etc", "/lib", "/proc", "/root", "/run", "/sys", "/usr", "/var/lib/docker", "/var/run")
_STRONG = ("ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "DAC_READ_SEARCH", "NET_ADMIN", "BPF")
_MEND = "in the stack's file"


def _each(complaint: Callable[[Json, Facts], Iterable[str]], good: str) -> Callable[[Facts], Finding]:
    """A check's function that asks the same of each service."""

    def evaluate(facts: Facts) -> Finding:
        services = facts.get("services")
        if not services:
            return not_applicable("nothing runs")
        bad = [
            "%s: %s" % (service_json.name(service), said)
            for service in sorted(services, key=service_json.name)
            for said in complaint(service, facts)
        ]
        return verdict(bad, "%d services: %s" % (len(services), good))

    return evaluate


def _template(service: Json) -> Json:
    found: Json = service["Spec"]["TaskTemplate"]
    return found


def _container(service: Json) -> Json:
    return _template(service).get("ContainerSpec") or {}


def _privileges(service: Json) -> Json:
    return _container(service).get("Privileges") or {}


def _limits(service: Json) -> Json:
    return (_template(service).get("Resources") or {}).get("Limits") or {}


def _binds(service: Json) -> list[str]:
    mounts = _container(service).get("Mounts") or ()
    return [(str(m.get("Source") or "")).rstrip("/") or "/" for m in mounts if m.get("Type") == "bind"]


def _profiles(service: Json, _facts: Facts) -> Iterator[str]:
    if (_privileges(service).get("AppArmor") or {}).get("Mode") == "disabled":
        yield "AppArmor is off"


def _seccomp(service: Json, _facts: Facts) -> Iterator[str]:
    if (_privileges(service).get("Seccomp") or {}).get("Mode") == "unconfined":
        yield "seccomp is off"


def _capabilities(service: Json, _facts: Facts) -> Iterator[str]:
    added = [str(name).upper() for name in _container(service).get("CapabilityAdd") or ()]
    strong = [name for name in added if (name[4:] if name.startswith("CAP_") else name) in _STRONG]
    if strong:
        yield "it adds %s" % ", ".join(strong)


def _directories(service: Json, _facts: Facts) -> Iterator[str]:
    for source in _binds(service):
        sensitive = source == "/" or any(source == each or source.startswith(each + "/") for each in _SENSITIVE)
        if sensitive and source not in _SOCKETS:
            yield "it mounts %s" % source


def _sockets(service: Json, _facts: Facts) -> Iterator[str]:
    # The directory of a socket holds the socket.
    holders = {each.rpartition("/")[0] for each in _SOCKETS} | {"/", "/var"}
    for source in _binds(service):
        if source in _SOCKETS or source in holders:
            yield "it mounts %s" % source


def _host_network(service: Json, facts: Facts) -> Iterator[str]:
    hosts = {
        key for each in facts.get("networks") if each.get("Driver") == "host" for key in (each["Id"], each["Name"])
    }
    if any(str(each.get("Target")) in hosts | {"host"} for each in _template(service).get("Networks") or ()):
        yield "it is on the host's network"


def _published(service: Json, facts: Facts) -> Iterator[str]:
    allowed = {int(port) for port in facts.get("published_ports")}
    spec = (service["Spec"].get("EndpointSpec") or {}).get("Ports") or ()
    actual = (service.get("Endpoint") or {}).get("Ports") or ()
    for port in sorted(
        {int(each["PublishedPort"]) for each in (*spec, *actual) if each.get("PublishedPort")} - allowed
    ):
        yield "it publishes %d" % port


def _memory(service: Json, _facts: Facts) -> Iterator[str]:
    if not _limits(service).get("MemoryBytes"):
        yield "no limit"


def _pids(service: Json, _facts: Facts) -> Iterator[str]:
    if int(_limits(service).get("Pids") or 0) <= 0:
        yield "no limit"


def _read_only(service: Json, _facts: Facts) -> Iterator[str]:
    if _container(service).get("ReadOnly") is not True:
        yield "its root file system is writable"


def _privileged_gain(service: Json, _facts: Facts) -> Iterator[str]:
    if _privileges(service).get("NoNewPrivileges") is not True:
        yield "no-new-privileges is not set"


def _image_tag(service: Json, _facts: Facts) -> Iterator[str]:
    name, _at, digest = service_json.image(service["Spec"]).partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    # Where a tag was resolved it stays beside the digest; a digest alone is what somebody wrote.
    if tag == "latest" or (not tag and not digest):
        yield "%s %s" % (name, "is :latest" if tag else "has no tag, which is :latest")


def _user(service: Json, _facts: Facts) -> Iterator[str]:
    user = str(_container(service).get("User") or "").partition(":")[0]
    if user in ("", "0", "root"):
        yield "no user is set" if not user else "it runs as root"


CHECKS = (
    Check(
        "cis-5.2",
        "Ensure that, if applicable, an AppArmor Profile is enabled",
        SWARM,
        _each(_profiles, "none turns it off"),
        _MEND,
    ),
    Check(
        "cis-5.4",
        "Ensure that Linux kernel capabilities are restricted within containers",
        SWARM,
        _each(_capabilities, "none adds a strong one"),
        _MEND,
    ),
    Check(
        "cis-5.6",
        "Ensure sensitive host system directories are not mounted on containers",
        SWARM,
        _each(_directories, "none mounts one"),
        _MEND,
    ),
    Check(
        "cis-5.9",
        "Ensure that only needed ports are open on the container",
        SWARM,
        _each(_published, "none publishes what is not in swarm_audit_published_ports"),
        "take the port out of the stack's file, or name it in swarm_audit_published_ports",
    ),
    Check(
        "cis-5.10",
        "Ensure that the host's network namespace is not shared",
        SWARM,
        _each(_host_network, "none shares it"),
        _MEND,
    ),
    Check(
        "cis-5.11",
        "Ensure that the memory usage for containers is limited",
        SWARM,
        _each(_memory, "each has a limit"),
        _MEND + ": deploy.resources.limits.memory",
    ),
    Check(
        "cis-5.13",
        "Ensure that the container's root filesystem is mounted as read only",
        SWARM,
        _each(_read_only, "each is read-only"),
        _MEND + ": read_only: true",
    ),
    Check(
        "cis-5.22",
        "Ensure the default seccomp profile is not Disabled",
        SWARM,
        _each(_seccomp, "none turns it off"),
        _MEND,
    ),
    Check(
        "cis-5.26",
        "Ensure that the container is restricted from acquiring additional privileges",
        SWARM,
        _each(_privileged_gain, "each is restricted"),
        "deploy it with the role swarm_stack, which sets it",
    ),
    Check(
        "cis-5.29",
        "Ensure that the PIDs cgroup limit is used",
        SWARM,
        _each(_pids, "each has a limit"),
        _MEND + ": deploy.resources.limits.pids",
    ),
    Check(
        "cis-5.32",
        "Ensure that the Docker socket is not mounted inside any containers",
        SWARM,
        _each(_sockets, "none has it"),
        _MEND,
    ),
    Check("flotilla-image-tag", "Every image has a tag of its own", SWARM, _each(_image_tag, "each has one"), _MEND),
    Check(
        "flotilla-service-user",
        "Every service says a user that is not root",
        SWARM,
        _each(_user, "each says one"),
        _MEND + ": user",
    ),
)
