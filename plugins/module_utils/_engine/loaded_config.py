# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the engine runs with the configuration that its file holds.

What a process was started with is remembered below ``/run`` as the digest of the file's content, together with the
process's start in the kernel's own ticks, which nobody's clock moves. ``engine_restart`` knows it for sure. Of another
process it is known when its file is older than its start; and only then, and where nothing is remembered, times of
the clock are compared. So a clock that was stepped costs one restart at most.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from .._core.audit import arguments

ROOT = Path("/")
FILE = Path("etc/docker/daemon.json")
MEMORY = Path("run/flotilla/engine-configuration.json")


def engine_ticks(root: Path = ROOT) -> int | None:
    """When the running engine was started, in clock ticks since the boot; None when its process can't be found.

    From ``/proc``: field 22 of the process's ``stat``.
    """
    pid = (_lines(root / "run/docker.pid") or [""])[0].strip()
    if not pid.isdigit() or not _is_engine(root / "proc" / pid):
        return None
    status = _lines(root / "proc" / pid / "stat")
    # The second field is the command in parentheses, which may hold spaces.
    return int(status[0].rpartition(")")[2].split()[19]) if status else None


def _is_engine(process: Path) -> bool:
    try:
        return arguments.of_process((process / "cmdline").read_bytes()) is not None
    except OSError:
        return False


def is_stale(root: Path = ROOT) -> bool | None:
    """Whether the file holds another configuration than the one that the running engine was started with.

    None when it can't be told, because the engine's process can't be found.
    """
    ticks = engine_ticks(root)
    if ticks is None:
        return None
    kept = _remembered(root)
    if kept.get("ticks") == ticks:
        return bool(kept.get("digest") != digest(root))
    return _written_after(ticks, root)


def remember(root: Path = ROOT) -> None:
    """Keep what the engine was started with, unless it is kept already or its file was written later."""
    ticks = engine_ticks(root)
    if ticks is not None and _remembered(root).get("ticks") != ticks and not _written_after(ticks, root):
        _keep(ticks, root)


def remember_start(before: str, root: Path = ROOT) -> None:
    """Keep what an engine that was just started runs with.

    Args:
        before: the file's digest before the start. When the file is another one now, nothing is known.
        root: where the files are.
    """
    ticks = engine_ticks(root)
    if ticks is not None and digest(root) == before:
        _keep(ticks, root)


def digest(root: Path = ROOT) -> str:
    """Of what the file says: neither the order of its keys nor its spaces count. What is no JSON is taken as it is."""
    try:
        raw = (root / FILE).read_bytes()
    except FileNotFoundError:
        raw = b""
    with contextlib.suppress(ValueError):
        raw = json.dumps(json.loads(raw.strip() or b"{}"), sort_keys=True).encode()
    return hashlib.sha256(raw).hexdigest()


def _written_after(ticks: int, root: Path) -> bool:
    """Whether the file is newer than a start, by the clock: ``btime`` is the boot in seconds since the epoch."""
    boot = [line.split()[1] for line in _lines(root / "proc/stat") if line.startswith("btime ")]
    file = root / FILE
    if not boot or not file.exists():
        return False
    return file.stat().st_mtime > int(boot[0]) + ticks / os.sysconf("SC_CLK_TCK")


def _keep(ticks: int, root: Path) -> None:
    """That it can't be kept is no failure: then times are compared."""
    memory = root / MEMORY
    with contextlib.suppress(OSError):
        memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        memory.write_text(json.dumps({"ticks": ticks, "digest": digest(root)}), encoding="utf-8")
        memory.chmod(0o600)


def _remembered(root: Path) -> dict[str, object]:
    try:
        kept = json.loads((root / MEMORY).read_bytes())
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _lines(path: Path) -> list[str]:
    """The lines of a text file; none when it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
