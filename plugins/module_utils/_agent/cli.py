# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backup agent: what systemd runs on a node, without Ansible. Python and restic are all that it needs.

make-repository, run JOB|all, verify JOB|all, start-engine, status,
fetch-state SNAPSHOT|latest [CLUSTER], restore JOB SNAPSHOT|latest [HOST [SECONDS]]
"""

from __future__ import annotations

import inspect
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from .._core.errors import DeclarationError
from .._engine.errors import EngineError
from .._engine.local import LocalEngine
from .._host.backup_agent import CUT_SHORT
from .._host.errors import CutShort, HostError
from . import fetch, left_behind, lock, raft, restore, store, verify
from .errors import Refused
from .run import make_repository, run

_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""What ends this from without."""


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 done, 1 something failed, as standard error says, 2 not understood, 3 it may be half done."""
    # SIGHUP comes when the connection is lost over which this was started.
    for number in _ENDS:
        signal.signal(number, _stopped)
    command = _COMMANDS.get(arguments[0]) if arguments else None
    if command is None or not _takes(command, arguments[1:]):
        sys.stderr.write("%s\n" % __doc__)
        return 2
    try:
        problems = command(*arguments[1:])
    except CutShort as error:
        sys.stderr.write("%s\n" % error)
        return CUT_SHORT
    except (DeclarationError, EngineError, HostError, Refused) as error:
        problems = [str(error)]
    for problem in problems:
        sys.stderr.write(problem + "\n")
    return 1 if problems else 0


def _run(job: str) -> list[str]:
    return run(job, store.settings(), LocalEngine())


def _make_repository() -> list[str]:
    store.answer({"made": make_repository(store.settings())})
    return []


def _verify(job: str) -> list[str]:
    return verify.verify(job, store.settings(), LocalEngine())


def _start_engine() -> list[str]:
    """What follows every unit. A run that still works has stopped the engine for itself, and starts it itself."""
    engine = LocalEngine()
    store.make_directories()
    try:
        with lock.of_node(patience=0):
            try:
                left_behind.put_right(engine)
            finally:
                raft.clear()
    except lock.Held as error:
        store.say(str(error))
    return []


def _status() -> list[str]:
    store.answer({"statuses": [one.as_dict() for one in store.everything()]})
    return []


def _fetch_state(snapshot: str, cluster_id: str = "") -> list[str]:
    store.answer(fetch.fetch(snapshot, cluster_id, store.settings()))
    return []


def _restore(job: str, snapshot: str, host: str = "", seconds: str = "0") -> list[str]:
    if not seconds.isdigit():
        return ["%s is no number of seconds" % seconds]
    with _within(int(seconds), job):
        store.answer(restore.restore(job, snapshot, store.settings(), LocalEngine(), host))
    return []


_COMMANDS: Mapping[str, Callable[..., list[str]]] = {
    "make-repository": _make_repository,
    "run": _run,
    "verify": _verify,
    "start-engine": _start_engine,
    "status": _status,
    "fetch-state": _fetch_state,
    "restore": _restore,
}


def _takes(command: Callable[..., list[str]], values: Sequence[str]) -> bool:
    try:
        inspect.signature(command).bind(*values)
    except TypeError:
        return False
    return True


@contextmanager
def _within(seconds: int, job: str) -> Iterator[None]:
    """End a restore that takes longer, from within: who kills it from without may not wait until all is put right.

    Args:
        seconds: 0 is without end.
        job: its name, for the message.
    """

    def ended(_signal: int, _frame: FrameType | None) -> None:
        _hear_no_more()
        raise SystemExit(
            "%s was not restored within %d s, and the restore was stopped: give it a longer deadline "
            "(swarm_backup_deadline), and start it again" % (job, seconds)
        )

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _stopped(number: int, _frame: FrameType | None) -> None:
    """So that what was begun is put right on the way out."""
    _hear_no_more()
    raise SystemExit(128 + number)


def _hear_no_more() -> None:
    """Let no other signal cut short what is put right on the way out."""

    def pass_over(_signal: int, _frame: FrameType | None) -> None:
        """Not SIG_IGN: the commands that are run meanwhile would inherit that, and could not be ended."""

    for number in (*_ENDS, signal.SIGALRM):
        signal.signal(number, pass_over)
