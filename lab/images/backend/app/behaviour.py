"""How a release behaves, chosen by its version: good ones, and the bad ones that fault tests deploy."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Behaviour:
    """What a release does wrong. All fields at their defaults: nothing."""

    crash_at_start: bool = False
    unhealthy: bool = False
    exit_after_seconds: float | None = None
    delay_seconds: float = 0.0
    hog_cpu: bool = False
    hog_memory_mebibytes: int = 0


def behaviour_of(version: str, environ: Mapping[str, str]) -> Behaviour:
    """The behaviour of ``version``. Any name that is not a known fault is a good release."""
    faults = {
        "crash": lambda: Behaviour(crash_at_start=True),
        "unhealthy": lambda: Behaviour(unhealthy=True),
        # Later than the stack's update monitor (10 s in the lab): raw Docker calls this release a success.
        "late-crash": lambda: Behaviour(exit_after_seconds=float(environ.get("LATE_CRASH_SECONDS", "13"))),
        "slow": lambda: Behaviour(delay_seconds=float(environ.get("SLOW_SECONDS", "3"))),
        "hog-cpu": lambda: Behaviour(hog_cpu=True),
        "hog-memory": lambda: Behaviour(hog_memory_mebibytes=int(environ.get("HOG_MEMORY_MEBIBYTES", "4096"))),
    }
    make = faults.get(version)
    return make() if make else Behaviour()


def start_hogs(behaviour: Behaviour) -> None:
    """Start what wastes resources.

    Cores: processes of their own, which don't hold this one's lock. Memory: this one, so that the kernel ends the task.
    """
    if behaviour.hog_cpu:
        for _core in range(os.cpu_count() or 1):
            multiprocessing.Process(target=_burn, daemon=True).start()
    if behaviour.hog_memory_mebibytes:
        threading.Thread(target=_swallow, args=(behaviour.hog_memory_mebibytes,), daemon=True).start()


def _burn() -> None:
    while True:
        pass


def _swallow(mebibytes: int) -> None:
    """Take about 160 MiB a second, written to so that it counts, up to ``mebibytes`` or the kernel's patience."""
    sys.stderr.write(f"backend: hog-memory takes {mebibytes} MiB\n")
    held = []
    for _block in range(mebibytes // 16):
        held.append(bytearray(os.urandom(4096) * (16 * MEBIBYTE // 4096)))
        time.sleep(0.1)
    while True:
        time.sleep(3600)
