# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall's files: the rules that were confirmed, the service that loads them at boot, and rules that wait."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from .._core.hardening.services import Unit
from . import command, units
from .errors import HostError

PERSISTED = Path("/etc/flotilla/firewall.nft")
SERVICE = Path("/etc/systemd/system/flotilla-firewall.service")
DROP_IN = Path("/etc/systemd/system/nftables.service.d/flotilla.conf")
# In memory, so that rules that nobody confirmed do not outlive a restart.
PENDING = Path("/run/flotilla/firewall-pending.nft")
ROLLBACK = Path("/run/flotilla/firewall-rollback.nft")

# As early as the distribution's nftables.service, and after it. Nothing starts it again by itself, so systemd's limit
# of five starts in ten seconds would only refuse the sixth change of a short time.
_SERVICE = """\
# Managed by Ansible (flotilla.swarm.swarm_firewall)
[Unit]
Description=The swarm's firewall (nftables table inet flotilla)
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
Conflicts=shutdown.target
After=nftables.service
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={nft} --file {rules}

[Install]
WantedBy=sysinit.target
"""

# That one removes every table whenever it is started, reloaded or stopped. Its own result does not hang on ours ("-").
_DROP_IN = """\
# Managed by Ansible (flotilla.swarm.swarm_firewall)
[Service]
ExecStartPost=-{nft} --file {rules}
ExecReload=-{nft} --file {rules}
ExecStopPost=-{nft} --file {rules}
"""


def read(path: Path) -> str | None:
    """A file's text; None when there is none.

    Raises:
        HostError: it can't be read.
    """
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError("%s can't be read: %s" % (path, error.strerror)) from error


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Put a text in a file's place in one step, on the disk when this returns.

    Raises:
        HostError: it can't be written.
    """
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle, candidate = tempfile.mkstemp(prefix=".flotilla-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode("utf-8"))
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(candidate).replace(path)
            _sync(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(candidate).unlink()
            raise
    except OSError as error:
        raise HostError("%s can't be written: %s" % (path, error.strerror)) from error


def _sync(directory: Path) -> None:
    """Until then only the file's content is on the disk, and not its name."""
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def remove(*paths: Path) -> None:
    """Take files away that may be there.

    Raises:
        HostError: one can't be removed.
    """
    for path in paths:
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise HostError("%s can't be removed: %s" % (path, error.strerror)) from error


def starts() -> bool:
    """Whether the confirmed rules are loaded at boot, by the service as it is written here, and were the last time.

    Raises:
        HostError: systemd does not answer.
    """
    if not all(read(path) == text for path, text in _units().items()):
        return False
    found = units.observe([Unit(SERVICE.name)])[SERVICE.name]
    return found.enabled and found.running


def persist(text: str) -> None:
    """Have these rules loaded at boot. They are loaded at once in the same way, which proves it.

    Raises:
        HostError: it did not work; the message is systemd's.
    """
    write(PERSISTED, text)
    changed = {path: unit for path, unit in _units().items() if read(path) != unit}
    for path, unit in changed.items():
        write(path, unit, 0o644)
    if changed:
        _systemctl("daemon-reload")
    _systemctl("enable", "--quiet", SERVICE.name)
    _systemctl("restart", SERVICE.name)


def forget() -> None:
    """Have nothing loaded at boot any more.

    Raises:
        HostError: it did not work; the message is systemd's.
    """
    if read(SERVICE) is not None:
        _systemctl("disable", "--quiet", "--now", SERVICE.name)
    remove(SERVICE, DROP_IN, PERSISTED, PENDING, ROLLBACK)
    _systemctl("daemon-reload")


def _units() -> dict[Path, str]:
    """What systemd reads of us: file -> text."""
    nft = command.find("nft") or "nft"
    return {path: text.format(nft=nft, rules=PERSISTED) for path, text in ((SERVICE, _SERVICE), (DROP_IN, _DROP_IN))}


def _systemctl(*words: str) -> None:
    command.demand(["systemctl", *words], "the rules are loaded, but what loads them at boot can't be set up")
