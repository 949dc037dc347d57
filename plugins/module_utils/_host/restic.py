# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs restic on this host: what it is asked and what it answers is decided in ``_core.backup.restic``."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .._core.backup import moments, restic
from .._core.backup.jobs import Job
from .._core.backup.restic import Snapshot, Summary
from .._core.backup.settings import ENVIRONMENT, Settings
from . import command
from .errors import HostError

SHORT = 600.0
"""Seconds for what moves none; it holds the five minutes that restic waits for a lock."""
FROZEN = 900.0
"""Seconds for which containers may stand still."""
_DRAFT_KEPT = timedelta(hours=1)


class Unavailable(HostError):
    """The repository can't be used now. That tells nothing of what is in it."""


class Untouched(HostError):
    """The repository did not open: nothing was read from it, and nothing written elsewhere."""


def _nobody(_snapshot: str, _lacks: str) -> None:
    raise HostError("nobody notes such things here")


class Restic:
    """The repository of a node's settings.

    Args:
        note: is told at once, before anything else is done, of each snapshot that lacks a part of its source, and what.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Path = Path(ENVIRONMENT),
        note: Callable[[str, str], None] = _nobody,
    ) -> None:
        self._settings = settings
        self._environment = _variables(environment)
        self._note = note

    def exists(self) -> bool:
        """Whether there is a repository, which the password opens.

        Raises:
            HostError: it can't be told.
        """
        code, _out, err = self._run(["cat", "config"], SHORT)
        if code in (0, restic.NO_REPOSITORY):
            return code == 0
        raise self._failure(code, err)

    def demand(self) -> None:
        """See that there is a repository, which the password opens, before anything is done for what goes into it.

        Raises:
            HostError: there is none, or it can't be told.
        """
        self._demand(["cat", "config"], SHORT)

    def init_if_absent(self) -> bool:
        """Make the repository where there is none; whether it was made. Nobody else may be making it.

        Raises:
            HostError: it can't be told whether it is there, or it can't be made.
        """
        if self.exists():
            return False
        self._demand(["init"], SHORT)
        return True

    def backup_paths(self, paths: Sequence[str], job: Job, swarm: str, *, frozen: bool = False) -> Summary:
        """A snapshot of files and directories of this host, all of which must be there.

        Args:
            frozen: containers stand still meanwhile, so nobody is waited for.

        Raises:
            HostError: one of them is not there; or it failed, and there is no snapshot.
        """
        self._all_there(paths)
        return self._backup(["--", *paths], restic.tags(job.name, job.kind, swarm), frozen=frozen)

    def draft(self, paths: Sequence[str], swarm: str) -> None:
        """Bring into the repository what lies there now, so that a backup of the same paths has little left to do.

        What can't be read is passed over: it may be gone a moment later, and the backup will say so if not.
        """
        self._all_there(paths)
        code, out, err = self._make(["--", *paths], restic.tags("", restic.DRAFT, swarm))
        if code not in (0, restic.UNREADABLE_SOURCE):
            raise self._failure(code, err or out)

    @staticmethod
    def _all_there(paths: Sequence[str]) -> None:
        """Restic older than 0.19 passes over what is not there, and calls that a success (restic#4467)."""
        missing = [path for path in paths if not os.path.lexists(path)]
        if missing:
            raise HostError("%s is not there, so this would be no backup: correct the job" % ", ".join(missing))

    def backup_command(self, argv: Sequence[str], filename: str, job: Job, swarm: str) -> Summary:
        """A snapshot of one file, which a command prints; when the command fails there is no snapshot."""
        source = ["--stdin-from-command", "--stdin-filename", filename, "--", *argv]
        return self._backup(source, restic.tags(job.name, job.kind, swarm))

    def backup_bytes(self, data: bytes, filename: str, job: Job, swarm: str) -> Summary:
        """A snapshot of one file with this content."""
        source = ["--stdin", "--stdin-filename", filename]
        return self._backup(source, restic.tags(job.name, job.kind, swarm), data)

    def _backup(
        self, source: Sequence[str], tags: Sequence[str], given: bytes | None = None, *, frozen: bool = False
    ) -> Summary:
        code, out, err = self._make(source, tags, given, frozen=frozen)
        if code == restic.UNREADABLE_SOURCE:
            self._refuse(out, restic.explain(code, err, self._settings))
        if code != 0:
            raise self._failure(code, err or out)
        try:
            return restic.parse_summary(out)
        except ValueError as error:
            raise HostError(str(error)) from error

    def _make(
        self, source: Sequence[str], tags: Sequence[str], given: bytes | None = None, *, frozen: bool = False
    ) -> tuple[int, str, str]:
        words = ["backup", "--quiet", "--host", self._settings.node, *tags, *source]
        deadline, wait = (FROZEN, restic.NO_WAIT) if frozen else (self._settings.limit, "")
        return self._run(words, deadline, given, wait)

    def _refuse(self, out: str, why: str) -> None:
        """Note what restic made of a source that it could not read as a whole, and fail.

        Else it would be the newest snapshot, it can be restored, and nobody would see what it lacks. It is taken away
        later (``discard``): that may have to wait for others, and containers may stand still now.
        """
        try:
            made = restic.parse_summary(out).snapshot
        except ValueError as error:
            raise HostError(why) from error
        try:
            self._note(made, why)
        except HostError as error:
            mend = "%s; what it made of it, %s, could not be noted: remove it with `restic forget %s` (%s)"
            raise HostError(mend % (why, made, made, error)) from error
        raise HostError(why)

    def discard(self, snapshots: Sequence[str], *, patient: bool) -> None:
        """Forget these. Whether they are gone is for ``snapshots`` to say.

        Where one can't be removed, as in an append-only repository, restic 0.18 ends with 0 all the same, and newer
        ones with 3 (restic#5233).

        Args:
            patient: wait for who uses the repository as long as work does.
        """
        code, out, err = self._run(["forget", *snapshots], self._settings.limit if patient else SHORT)
        if code not in (0, restic.PARTLY_FORGOTTEN):
            raise self._failure(code, err or out)

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, the oldest first."""
        out = self._demand(["snapshots"], SHORT)
        try:
            return restic.parse_snapshots(out.decode("utf-8", "replace"))
        except ValueError as error:
            raise HostError(str(error)) from error

    def forget(self, swarm: str) -> None:
        """Forget what need not be kept of one swarm, and give its room back."""
        old = datetime.now(timezone.utc) - _DRAFT_KEPT
        drafts = [
            one.id
            for one in self.snapshots()
            if (one.kind, one.swarm) == (restic.DRAFT, swarm) and moments.parse(one.time) < old
        ]
        if drafts:
            self._demand(["forget", *drafts], self._settings.limit)
        for words in restic.forgetting(swarm, self._settings.keep):
            self._demand(words, self._settings.limit)

    def check(self) -> None:
        """Prove that the repository is whole, reading as much of its data as the settings say."""
        self._demand(["check", "--read-data-subset", self._settings.check_subset], self._settings.limit)

    def restore(self, snapshot: str, path: str, target: str, *, delete: bool = False) -> None:
        """Put what lay below a path into a directory, and read it once more to compare.

        Args:
            snapshot: its ID.
            path: a directory in the snapshot.
            target: the directory that gets its content.
            delete: remove what the snapshot does not have.

        Raises:
            Untouched: the repository did not open, so nothing was written.
            HostError: something was, maybe.
        """
        words = [
            "restore",
            "%s:%s" % (snapshot, path),
            "--target",
            target,
            "--verify",
            *(["--delete"] if delete else []),
        ]
        code, out, err = self._ask(words, self._settings.limit)
        if code != 0:
            failure = self._failure(code, err or out.decode("utf-8", "replace"), target)
            raise Untouched(str(failure)) if code in restic.CLOSED else failure

    def dump(self, snapshot: str, path: str) -> bytes:
        """The content of one file of a snapshot, in memory."""
        return self._demand(["dump", snapshot, path], self._settings.limit)

    def dump_to(self, snapshot: str, path: str, argv: Sequence[str]) -> bytes:
        """Feed one file of a snapshot into a command; the command's output.

        Raises:
            HostError: one of the two failed. The command may have taken a part then.
        """
        program = command.find(argv[0])
        if program is None:
            raise HostError("%s is not installed on this host" % argv[0])
        words = [*self._begin(restic.LOCK_WAIT_OF_WORK), "dump", snapshot, path]
        with tempfile.TemporaryFile() as said:
            with subprocess.Popen(  # pylint: disable=ansible-bad-function
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                env=command.environment_with(self._environment),
            ) as source:
                try:
                    taker = _take(source, [program, *argv[1:]], self._settings.limit)
                finally:
                    command.end(source)
            code = source.returncode
            said.seek(0)
            words_of_restic = said.read().decode("utf-8", "replace")
        # A taker that ends early breaks the pipe, which is not restic's failure; the other way round, it is.
        if code not in (0, -signal.SIGPIPE):
            raise self._failure(code, words_of_restic, path)
        if taker.returncode != 0:
            last = taker.stderr.decode("utf-8", "replace").strip() or "status %d" % taker.returncode
            raise HostError("`%s` says: %s" % (" ".join(argv), last))
        return taker.stdout

    def _demand(self, words: Sequence[str], deadline: float, target: str = "") -> bytes:
        code, out, err = self._ask(words, deadline)
        if code != 0:
            raise self._failure(code, err or out.decode("utf-8", "replace"), target)
        return out

    def _failure(self, code: int, said: str, target: str = "") -> HostError:
        kind = Unavailable if restic.is_passing(code, said) else HostError
        return kind(restic.explain(code, said, self._settings, target))

    def _run(
        self, words: Sequence[str], deadline: float, given: bytes | None = None, wait: str = ""
    ) -> tuple[int, str, str]:
        code, out, err = self._ask(words, deadline, given, wait)
        return code, out.decode("utf-8", "replace"), err

    def _ask(
        self, words: Sequence[str], deadline: float, given: bytes | None = None, wait: str = ""
    ) -> tuple[int, bytes, str]:
        """Exit status, output and error output.

        What is killed leaves its lock in the repository, and restic never takes it away by itself: one of a dump keeps
        everybody from pruning and checking, one of a prune from everything. `restic unlock` removes those alone whose
        process is gone from this host, or gave no sign for half an hour. Who must not wait has no time for that.
        """
        first = [*self._begin(wait), *words]
        answer = command.run_bytes(first, deadline, given=given, environment=self._environment)
        if answer[0] != restic.LOCKED or wait == restic.NO_WAIT:
            return answer
        command.run_bytes([*self._begin(), "unlock"], SHORT, environment=self._environment)
        again = [*self._begin(wait or (restic.LOCK_WAIT_OF_WORK if deadline > SHORT else "")), *words]
        return command.run_bytes(again, deadline, given=given, environment=self._environment)

    def _begin(self, wait: str = "") -> list[str]:
        """What a call begins with; the last word on how long a lock is waited for counts."""
        return [self._program(), *restic.base(self._settings)[1:], *(["--retry-lock", wait] if wait else [])]

    @staticmethod
    def _program() -> str:
        program = command.find("restic")
        if program is None:
            raise HostError("restic is not installed on this host: run the role swarm_backup on it")
        return program


def _take(source: subprocess.Popen[bytes], argv: Sequence[str], deadline: float) -> subprocess.CompletedProcess[bytes]:
    """Have a command read what another one writes, to the end of both."""
    try:
        taker = subprocess.run(  # pylint: disable=ansible-bad-function
            argv,
            stdin=source.stdout,
            capture_output=True,
            env=command.environment_with(),
            timeout=deadline,
            check=False,
        )
        if source.stdout is not None:
            source.stdout.close()  # or what still writes would wait for a reader forever
        source.wait(SHORT)
    except subprocess.TimeoutExpired as error:
        raise HostError("`%s` has not ended in time" % " ".join(argv)) from error
    return taker


def _variables(path: Path) -> Mapping[str, str]:
    """``KEY=VALUE`` lines; none where the file is not there.

    Raises:
        HostError: it can't be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise HostError("%s can't be read: %s" % (path, error.strerror)) from error
    return dict(line.split("=", 1) for line in lines if "=" in line)
