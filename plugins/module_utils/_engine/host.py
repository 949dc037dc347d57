# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says about itself: its engine, its membership, its kernel. The standard library is all this needs.

The Docker SDK is installed on managers alone, but every host must be asked before a swarm is made, and every host
joins. So these few requests go straight over the engine's socket; anything a manager does goes through ``client``.
Nothing here changes the host, but for ``HostEngine.swarm_init`` and ``swarm_join``.
"""

from __future__ import annotations

import gzip
import http.client
import ipaddress
import json
import os
import shutil
import socket
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .._core import certificate, kernel, membership
from .._core.errors import DeclarationError
from .._core.underlay import Route, interface_of
from . import loaded_config
from .client import REQUEST_TIMEOUT, Json, translate
from .errors import EngineError, EngineUnreachable

_BINARY_PATHS = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin", "/snap/bin")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class HostEngine:
    """The engine of this host; the few requests that a host needs before there is a swarm, and to restart an engine.

    The paths carry no API version, so each engine answers in its own newest. The fields used here have not changed
    since API 1.39.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def info(self) -> Json:
        return dict(self._request("GET", "/info"))

    def swarm_inspect(self) -> Json:
        return dict(self._request("GET", "/swarm"))

    def nodes(self) -> list[Json]:
        """The swarm's nodes; a manager's engine alone answers this."""
        return list(self._request("GET", "/nodes"))

    def swarm_init(self, request: Json) -> str:
        """Make a swarm. Returns this node's ID."""
        return str(self._request("POST", "/swarm/init", request))

    def swarm_join(self, request: Json) -> None:
        """Join one. The engine answers within 20 s, also when it then goes on joining in the background."""
        self._request("POST", "/swarm/join", request)

    def _request(self, method: str, path: str, body: Json | None = None) -> Any:
        """The engine's JSON answer. Raises what ``client.translate`` makes of a refusal, and EngineUnreachable."""
        connection = _UnixConnection(self._path, REQUEST_TIMEOUT)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, body=content, headers={"Content-Type": "application/json"})
            answer = connection.getresponse()
            status, raw = answer.status, answer.read()
        except socket.timeout as error:
            raise EngineUnreachable("the engine gave no answer within %s s" % REQUEST_TIMEOUT) from error
        except (OSError, http.client.HTTPException) as error:
            raise EngineUnreachable("no Docker Engine answers on %s: %s" % (self._path, error)) from error
        finally:
            connection.close()
        if status >= http.HTTPStatus.BAD_REQUEST:
            raise translate(status, _message(raw))
        try:
            return json.loads(raw) if raw.strip() else None
        except ValueError as error:
            raise EngineError("%s is no Docker Engine: it answers %s without JSON" % (self._path, path)) from error


def _message(raw: bytes) -> str:
    """The words in an engine's error answer, ``{"message": …}``."""
    try:
        return str(json.loads(raw)["message"])
    except (ValueError, KeyError, TypeError):
        return raw.decode("utf-8", "replace").strip()


def socket_path(docker_host: str) -> str:
    """The path in ``unix:///path``.

    Raises:
        DeclarationError: it is another kind of address; a host is asked on itself.
    """
    scheme, _colon, path = docker_host.partition("://")
    if scheme != "unix" or not path:
        raise DeclarationError("docker_host must be unix:///path of this host's own socket, not %s" % docker_host)
    return path


def is_installed(path: str) -> bool:
    """Whether this host has an engine: its socket or its binary. A stopped one counts, for it may hold a swarm."""
    return Path(path).exists() or shutil.which("dockerd", path=os.pathsep.join(_BINARY_PATHS)) is not None


def read_certificate(docker_root: str) -> certificate.Certificate | None:
    """This node's certificate; None when it has none, which is so until a join was accepted.

    Raises:
        EngineError: it is there but can't be read.
    """
    path = Path(docker_root) / "swarm" / "certificates" / "swarm-node.crt"
    try:
        return certificate.parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise EngineError("%s says which swarm this is, but can't be read (as root?): %s" % (path, error)) from error


def observe_membership(engine: HostEngine) -> membership.Membership:
    """Which swarm this host is in. A read that fails is an error, never "in no swarm"."""
    return membership_of(engine.info())


def membership_of(info: Json) -> membership.Membership:
    """The same, from an answer to ``GET /info``."""
    seen = membership.read(info, None)
    if seen.local_state == membership.INACTIVE:
        return seen
    seen = membership.read(info, read_certificate(str(info.get("DockerRootDir") or "/var/lib/docker")))
    if seen.local_state == membership.ACTIVE and not seen.cluster_id:
        raise EngineError("this host is in a swarm, but neither its engine nor its certificate says in which")
    return seen


def engine_facts(info: Json | None) -> dict[str, Any]:
    """What roles and reports use of ``GET /info``; None = no engine is installed."""
    if info is None:
        return {"installed": False}
    return {
        "installed": True,
        "version": info.get("ServerVersion"),
        "operating_system": info.get("OperatingSystem"),
        "architecture": info.get("Architecture"),
        "docker_root": info.get("DockerRootDir"),
        "storage_driver": info.get("Driver"),
        "cgroup_version": info.get("CgroupVersion"),
        "live_restore": bool(info.get("LiveRestoreEnabled")),
        "firewall_backend": (info.get("FirewallBackend") or {}).get("Driver") or "iptables",
        "cpus": info.get("NCPU"),
        "memory_bytes": info.get("MemTotal"),
        "configuration_stale": loaded_config.is_stale(),
        "warnings": list(info.get("Warnings") or ()),
    }


# -- the network below the overlays ----------------------------------------------------------------------------------


def underlay(address: str | None, docker_root: str, root: Path = Path("/")) -> dict[str, Any]:
    """``{"address", "interface", "mtu"}`` of what carries this host's overlay traffic; null is what can't be told.

    Args:
        address: the one that the node advertises; None outside a swarm.
        docker_root: the engine's data, where it keeps the address of its data path when it was given its own.
        root: where ``proc`` and ``sys`` are.
    """
    own = _data_path_address(docker_root) or address if address else None
    interface = interface_of(own, _routes(root), _ipv6_interfaces(root)) if own else None
    if interface == "lo":
        interface = None  # no other host is reached by it
    mtu = _lines(root / "sys/class/net" / interface / "mtu") if interface else None
    return {"address": own, "interface": interface, "mtu": int(mtu[0]) if mtu and mtu[0].strip().isdigit() else None}


def _data_path_address(docker_root: str) -> str:
    """The node's ``--data-path-addr``, an address also where an interface was given; empty without one.

    The engine shows it nowhere, but keeps it (moby: daemon/cluster, ``nodeStartConfig``).
    """
    try:
        kept = json.loads((Path(docker_root) / "swarm" / "docker-state.json").read_bytes())
        return str(kept.get("DataPathAddr") or "")
    except (OSError, ValueError, AttributeError):
        return ""


_UP = 0x1
_REJECT = 0x200


def _routes(root: Path) -> list[Route]:
    """The IPv4 routes (``/proc/net/route``, proc(5)): addresses in hexadecimal, in the host's byte order."""
    found = []
    for line in (_lines(root / "proc/net/route") or [])[1:]:
        interface, destination, _gateway, flags, _ref, _use, metric, mask, *_rest = line.split()
        if int(flags, 16) & (_UP | _REJECT) == _UP:
            network = ipaddress.IPv4Network((_ipv4(destination), str(_ipv4(mask))))
            found.append(Route(interface, network, int(metric)))
    return found


def _ipv4(text: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(text, 16).to_bytes(4, sys.byteorder))


def _ipv6_interfaces(root: Path) -> dict[str, str]:
    """The host's IPv6 addresses, each with its interface (``/proc/net/if_inet6``)."""
    fields = [line.split() for line in _lines(root / "proc/net/if_inet6") or ()]
    return {str(ipaddress.IPv6Address(int(field[0], 16))): field[-1] for field in fields}


# -- the kernel ------------------------------------------------------------------------------------------------------


def kernel_evidence(root: Path = Path("/"), release: str | None = None) -> kernel.Evidence:
    """Everything readable that tells which features the running kernel has. Nothing is loaded to find out.

    A socket of an absent family or an iptables call would make the kernel load modules, so only files are read.
    Containers see the host's kernel in the same files, but not its ``/lib/modules``.

    Args:
        root: where ``proc``, ``sys``, ``lib`` and ``boot`` are.
        release: ``uname -r``.
    """
    release = release or os.uname().release
    modules = root / "lib/modules" / release
    config, source = _kernel_config(
        root, (Path("proc/config.gz"), Path("boot/config-" + release), Path("lib/modules") / release / "config")
    )
    locked = _lines(root / "proc/sys/kernel/modules_disabled") or []
    return kernel.Evidence(
        release=release,
        present=frozenset(_present(root)),
        builtin=_module_names(_lines(modules / "modules.builtin")),
        loadable=_module_names(_lines(modules / "modules.dep")),
        config=config,
        config_source=source,
        module_support=(root / "proc/modules").exists(),
        modules_locked=locked == ["1"],
    )


def _present(root: Path) -> Iterable[str]:
    """Modules seen at work. Built-in ones show in ``/sys/module`` only when they have parameters."""
    for line in _lines(root / "proc/modules") or ():
        yield line.split()[0]
    if (root / "sys/module").is_dir():
        yield from (entry.name for entry in (root / "sys/module").iterdir())
    for kind in ("matches", "targets"):
        yield from ("xt_" + name for name in _lines(root / "proc/net" / ("ip_tables_" + kind)) or ())
    yield from (line.split()[-1] for line in _lines(root / "proc/filesystems") or ())
    if (root / "proc/net/ip_vs").exists():
        yield "ip_vs"


def _kernel_config(root: Path, candidates: Iterable[Path]) -> tuple[dict[str, str] | None, str]:
    """The options that are set, and the file that says so; None when no file does."""
    for candidate in candidates:
        lines = _lines(root / candidate)
        if lines:
            pairs = (line.split("=", 1) for line in lines if line.startswith("CONFIG_"))
            return {name: value for name, value in pairs if value in ("y", "m")}, "/%s" % candidate
    return None, ""


def _module_names(lines: list[str] | None) -> frozenset[str] | None:
    """``kernel/net/netfilter/ipvs/ip_vs.ko.xz: …`` → ``ip_vs``. Files say ``-`` where modules are named with ``_``."""
    if lines is None:
        return None
    return frozenset(line.split(":")[0].rpartition("/")[2].partition(".ko")[0].replace("-", "_") for line in lines)


def _lines(path: Path) -> list[str] | None:
    """The lines of a text file that may be gzipped; None when it isn't there or isn't readable."""
    try:
        raw = path.read_bytes()
        text = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error):
        return None
    return [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
