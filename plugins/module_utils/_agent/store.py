# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent reads and notes on its node: its settings, how its jobs stand, and the metrics."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from .._core.backup import jobs, moments, status
from .._core.backup.jobs import Job
from .._core.backup.settings import FILE, RUN_DIRECTORY, STATE_DIRECTORY, Settings
from .._core.backup.status import Status
from .._host.errors import HostError

SETTINGS = Path(FILE)
STATE = Path(STATE_DIRECTORY)
RUN = Path(RUN_DIRECTORY)
STAGING = STATE / "staging"


def settings() -> Settings:
    """What this node was told.

    Raises:
        HostError: it was told nothing, or that can't be read.
    """
    mend = "run the role swarm_backup on this host"
    try:
        found = json.loads(SETTINGS.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HostError("%s is not there: %s" % (SETTINGS, mend)) from error
    except (OSError, ValueError) as error:
        raise HostError("%s can't be read (%s): %s" % (SETTINGS, error, mend)) from error
    return Settings.from_dict(found)


def jobs_of(asked: str, told: Settings) -> list[Job]:
    """The job of that name, or with ``all`` every one, whoever's it is.

    Raises:
        HostError: there is none.
    """
    wanted = [job for job in told.jobs if asked in (jobs.ALL, job.name)]
    if not wanted:
        names = ", ".join(job.name for job in told.jobs)
        raise HostError("there is no job %s: name one of %s, or %s" % (asked, names, jobs.ALL))
    return wanted


def now() -> str:
    """The time, as statuses have it."""
    return moments.render(datetime.now(timezone.utc))


def read(job: str) -> Status | None:
    """How a job stands on this node; None where this node never did it.

    Raises:
        HostError: its file can't be read.
    """
    path = _path(job)
    try:
        return Status.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise HostError("%s can't be read (%s): remove it, and back up again" % (path, error)) from error


def everything() -> list[Status]:
    """All that this node has noted, by name."""
    names = sorted(path.stem for path in (STATE / "status").glob("*.json"))
    return [found for found in map(read, names) if found is not None]


def write(found: Status) -> None:
    """Note how a job stands."""
    write_file(_path(found.job), json.dumps(found.as_dict(), indent=2) + "\n", 0o600)


def remember(own: Sequence[Job], wanted: Sequence[Job]) -> None:
    """Note which of these jobs are this node's now, for the metrics: a job that moved is another node's to tell of.

    Of a volume that nobody has used here for as long as a backup may be old nothing stays noted: each node's has to be
    backed up, and this one has none.

    Args:
        own: those that are.
        wanted: those that were looked at.
    """
    before = _own()
    if before is None:
        before = {one.job for one in everything()}
    kept = before - {job.name for job in wanted}
    names = {job.name for job in own}
    write_file(STATE / "own.json", json.dumps(sorted(kept | names)) + "\n", 0o600)
    for job in wanted:
        noted = read(job.name) if job.kind == jobs.VOLUME and job.name not in names else None
        if noted is not None and moments.parse(noted.attempted) < datetime.now(timezone.utc) - timedelta(
            hours=job.max_age
        ):
            _path(job.name).unlink()


def _own() -> set[str] | None:
    """What was remembered; None for nothing yet."""
    path = STATE / "own.json"
    try:
        return set(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise HostError("%s can't be read (%s): remove it, and back up again" % (path, error)) from error


def partial() -> dict[str, str]:
    """This node's snapshots that are no backups, as their sources could not be read as a whole: ID → what it lacks.

    Raises:
        HostError: it can't be told.
    """
    path = _partial()
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")).items())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise HostError("%s can't be read (%s): remove it, and back up again" % (path, error)) from error


def note_partial(snapshot: str, lacks: str) -> None:
    """Note of a snapshot what it lacks."""
    _write_partial({**partial(), snapshot: lacks})


def keep_partial(there: Collection[str]) -> None:
    """Keep the notes of these snapshots alone: the others are gone."""
    _write_partial({snapshot: lacks for snapshot, lacks in partial().items() if snapshot in there})


def _write_partial(noted: Mapping[str, str]) -> None:
    write_file(_partial(), json.dumps(noted, indent=2, sort_keys=True) + "\n", 0o600)


def _partial() -> Path:
    return STATE / "partial.json"


def write_metrics(path: str) -> None:
    """Tell Prometheus' node exporter, which is another user, of this node's jobs; an empty path tells nothing."""
    if path:
        before = os.umask(0o022)  # the unit has one that shuts everybody out of a directory that is made here
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HostError("%s can't be made: %s" % (Path(path).parent, error.strerror)) from error
        finally:
            os.umask(before)
        own = _own()
        shown = [one for one in everything() if own is None or one.job in own]
        write_file(Path(path), status.metrics(shown), 0o644)


def write_file(path: Path, content: str, mode: int) -> None:
    """Replace a file as a whole; the directory is made.

    Raises:
        HostError: it can't be written.
    """
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="." + path.name, dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:  # also when this is stopped: no part of a key stays behind
            Path(name).unlink()
            raise
    except OSError as error:
        raise HostError("%s can't be written: %s" % (path, error.strerror)) from error


def make_directories() -> None:
    """What the agent needs, for root alone."""
    try:
        for path in (RUN.parent, RUN, STATE, STATE / "status", STAGING):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HostError("%s can't be made: %s" % (path, error.strerror)) from error


def _path(job: str) -> Path:
    return STATE / "status" / ("%s.json" % job)


def say(line: str) -> None:
    """How far the agent is, for the journal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def answer(found: Mapping[str, Any]) -> None:
    """The answer to who asked the agent: one line of JSON, its last."""
    say(json.dumps(found, sort_keys=True))
