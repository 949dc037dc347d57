# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit reads of a host beside its engine. Nothing is changed and nothing is loaded.

Every read raises OSError, ValueError or HostError where it can't tell; what is simply not there is a value.
"""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .._core.audit import arguments, auditing, files, host
from .._core.hardening import ssh
from . import kernel
from .command import find, run

ROOT = Path("/")
FIREWALL_FILE = Path("etc/flotilla/firewall.nft")
FIREWALL_UNIT = "flotilla-firewall.service"
APT_TIMER = "apt-daily-upgrade.timer"
DNF_TIMERS = ("dnf-automatic.timer", "dnf-automatic-install.timer")
_CHAIN = re.compile(r"^\s*chain (\S+) \{", re.MULTILINE)
_CHRONY = frozenset(("chrony.service", "chronyd.service"))
_SYNCHRONISED = ("Normal", "Insert second", "Delete second")  # chronyc(1), "Leap status"; else "Not synchronised"
_LISTENING = "0A"  # TCP_LISTEN, as /proc/net/tcp writes it
_DEADLINE = 20.0


def _said(error: str, output: str) -> str:
    return (error or output).strip() or "it failed without a word"


# -- files ---------------------------------------------------------------------------------------------------------


def file_owners(extra: Sequence[str] = (), root: Path = ROOT) -> dict[str, Any]:
    """Owner, group and mode of the engine's files; null where none is, or where the path leads to another of them."""
    paths = (*files.PATHS, *extra)
    found: dict[str, Any] = {}
    real: set[Path] = set()
    for path in paths:
        place = root / path.lstrip("/")
        try:
            status = place.stat()
        except FileNotFoundError:
            found[path] = None
            continue
        target = place.resolve()
        if target in real:
            found[path] = None
            continue
        real.add(target)
        found[path] = _file(status)
    return found


def _file(status: os.stat_result) -> dict[str, Any]:
    return {"owner": _user(status.st_uid), "group": _group(status.st_gid), "mode": status.st_mode & 0o7777}


def registry_certificates(root: Path = ROOT) -> dict[str, Any]:
    """Owner, group and mode of the certificates of registries."""
    try:
        registries = sorted((root / "etc/docker/certs.d").iterdir())
    except FileNotFoundError:
        return {}
    paths = [path for registry in registries if registry.is_dir() for path in sorted(registry.iterdir())]
    return {"/%s" % path.relative_to(root): _file(path.stat()) for path in paths if path.suffix in (".crt", ".cert")}


def _is_there(path: Path) -> bool:
    """Whether something is there; where that may not be asked, an error (``Path.exists`` says no on newer Pythons)."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def docker_group() -> list[str]:
    """Who is in the group docker, by name or by being in it first of all; nobody where there is no such group."""
    try:
        group = grp.getgrnam("docker")
    except KeyError:
        return []
    return sorted({*group.gr_mem, *(user.pw_name for user in pwd.getpwall() if user.pw_gid == group.gr_gid)})


def watched(root: Path = ROOT) -> dict[str, str | None]:
    """Where the files that an audit is to watch really are; null for one that is not there."""
    top = root.resolve()
    places = {path: root / path.lstrip("/") for path in auditing.PATHS}
    return {
        path: "/%s" % place.resolve().relative_to(top) if _is_there(place) else None for path, place in places.items()
    }


def audit_rules() -> list[str]:
    """The audit rules that the kernel has loaded."""
    auditctl = find("auditctl")
    if auditctl is None:
        return []
    code, output, error = run([auditctl, "-l"], _DEADLINE)
    if code != 0:
        raise ValueError(_said(error, output))
    return [line.strip() for line in output.splitlines() if line.strip().startswith("-")]


# -- services and the kernel -----------------------------------------------------------------------------------------


def sysctls(root: Path = ROOT) -> dict[str, str | None]:
    """The kernel's settings that are judged, also those of each interface that there is now; null where it has none."""
    of_interfaces = (name for pattern in host.SYSCTLS_OF_INTERFACES for name in kernel.names(pattern, root))
    return {name: kernel.setting(name, root) for name in (*host.SYSCTLS, *of_interfaces)}


def sshd() -> dict[str, str] | None:
    """What the SSH server goes by; None where none is installed."""
    server = find("sshd")
    if server is None:
        return None
    code, output, error = run([server, "-T"], _DEADLINE)
    if code != 0:
        raise ValueError(_said(error, output))
    return ssh.keywords(output)


def firewall(root: Path = ROOT) -> dict[str, Any]:
    """Our own table: its chains (null where it is not loaded), its file, and whether its unit is enabled."""
    nft = find("nft")
    chains = None
    if nft is not None:
        code, output, error = run([nft, "list", "table", "inet", "flotilla"], _DEADLINE)
        if code == 0:
            chains = _CHAIN.findall(output)
        elif "No such file or directory" not in error:
            raise ValueError(_said(error, output))
    return {
        "installed": nft is not None,
        "chains": chains,
        "persisted": _is_there(root / FIREWALL_FILE),
        "enabled": _unit_states("is-enabled", (FIREWALL_UNIT,))[FIREWALL_UNIT] == "enabled",
    }


def time_services() -> list[str]:
    """The services that keep the clock and are active."""
    return [unit for unit, state in _unit_states("is-active", host.TIME_SERVICES).items() if state == "active"]


def clock() -> dict[str, Any]:
    """The active time services, and whether one has set the clock: chrony's own word, else the kernel's."""
    services = time_services()
    if not services:
        return {"services": [], "synchronised": False}
    if _CHRONY.isdisjoint(services):
        synchronised = _output("timedatectl", "show", "--property=NTPSynchronized") == "NTPSynchronized=yes"
    else:
        synchronised = _output("chronyc", "-c", "tracking").rpartition(",")[2] in _SYNCHRONISED
    return {"services": services, "synchronised": synchronised}


def _output(name: str, *arguments: str) -> str:
    """What a program says. Raises ValueError where it fails or is not there."""
    program = find(name)
    if program is None:
        raise ValueError("there is no %s" % name)
    code, output, error = run([program, *arguments], _DEADLINE)
    if code != 0:
        raise ValueError(_said(error, output))
    return output.strip()


def _unit_states(question: str, units: Sequence[str]) -> dict[str, str]:
    """What systemctl says of each unit; one that it does not know is ``not-found``."""
    systemctl = find("systemctl")
    if systemctl is None:
        raise ValueError("there is no systemctl")
    states = {}
    for unit in units:
        _code, output, error = run([systemctl, question, unit], _DEADLINE)
        word = output.strip()
        # Before systemd 253, a unit that is not there was said so on standard error alone.
        if not word and "No such file or directory" not in error:
            raise ValueError(_said(error, output))
        states[unit] = word or "not-found"
    return states


def updates() -> dict[str, bool]:
    """Whether the distribution's updates without being asked for can be told, and are on."""
    if find("apt-config") is not None:
        output = _output("apt-config", "dump", "APT::Periodic::Unattended-Upgrade")
        on = re.search(r'APT::Periodic::Unattended-Upgrade "([^"]*)"', output)
        asked = bool(on and on.group(1) not in ("", "0")) and find("unattended-upgrade") is not None
        return {
            "supported": True,
            "enabled": asked and _unit_states("is-enabled", (APT_TIMER,))[APT_TIMER] == "enabled",
        }
    if find("dnf") is None:
        return {"supported": False, "enabled": False}
    return {"supported": True, "enabled": "enabled" in _unit_states("is-enabled", DNF_TIMERS).values()}


# -- the engine's process ----------------------------------------------------------------------------------------------


def engine_process(root: Path = ROOT) -> int:
    """The engine's process ID. Raises ValueError where none runs."""
    try:
        pid = (root / "run/docker.pid").read_text(encoding="ascii").strip()
    except FileNotFoundError as error:
        raise ValueError("no engine runs (there is no /run/docker.pid)") from error
    if not pid.isdigit() or _command(pid, root) is None:
        raise ValueError("no engine runs (/run/docker.pid names none)")
    return int(pid)


def engine_arguments(root: Path = ROOT) -> list[str]:
    """What the engine was started with, without its program. Raises ValueError where none runs."""
    found = _command(str(engine_process(root)), root)
    if found is None:
        raise ValueError("no engine runs (it ended just now)")
    return found


def _command(pid: str, root: Path) -> list[str] | None:
    """The arguments of a process; None where it is no engine, or has ended."""
    try:
        return arguments.of_process((root / "proc" / pid / "cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return None


def listening(root: Path = ROOT) -> list[list[Any]]:
    """``[address, port]`` of every TCP socket on which the engine waits for connections."""
    process = root / "proc" / str(engine_process(root))
    sockets = set(_sockets(process / "fd"))
    found = []
    for table in ("tcp", "tcp6"):
        try:
            lines = (process / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except FileNotFoundError:
            continue  # a kernel without IPv6
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTENING and fields[9] in sockets:
                address, _colon, port = fields[1].partition(":")
                found.append([_address(address), int(port, 16)])
    return sorted(found)


def _sockets(directory: Path) -> Iterable[str]:
    """The inodes of a process's sockets."""
    for entry in directory.iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue  # closed meanwhile
        if target.startswith("socket:["):
            yield target[len("socket:[") : -1]


def _address(text: str) -> str:
    """An address of ``/proc/net/tcp``: 32-bit words in hexadecimal, each in the host's byte order."""
    words = [int(text[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def reads(configuration: Mapping[str, Any] | None, root: Path = ROOT) -> Mapping[str, Callable[[], Any]]:
    """Every read of this file by the name of its fact.

    Args:
        configuration: the engine's, as far as it is known: it names more files to look at.
    """
    named = files.paths_of(configuration or {})
    return {
        "files": lambda: file_owners(named, root),
        "registry_certificates": lambda: registry_certificates(root),
        "docker_group": docker_group,
        "watched": lambda: watched(root),
        "audit_rules": audit_rules,
        "sysctls": lambda: sysctls(root),
        "sshd": sshd,
        "firewall": lambda: firewall(root),
        "clock": clock,
        "updates": updates,
        "listening": lambda: listening(root),
    }
