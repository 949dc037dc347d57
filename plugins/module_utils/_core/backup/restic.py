# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How restic is called, and what it says (0.18 and newer; https://restic.readthedocs.io/en/stable/075_scripting.html)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import DeclarationError
from . import jobs, moments
from .settings import KNOWN_HOSTS, PASSWORD, SSH_KEY, Settings

FATAL = 1
UNREADABLE_SOURCE = 3
PARTLY_FORGOTTEN = 3
NO_REPOSITORY = 10
LOCKED = 11
WRONG_PASSWORD = 12
CLOSED = (NO_REPOSITORY, LOCKED, WRONG_PASSWORD)
"""With these it ends before it does what it was called for."""

ID_LENGTH = 8
"""Characters of a snapshot's ID that are noted and shown; restic takes it for the whole one."""
LOCK_WAIT = "5m"
LOCK_WAIT_OF_WORK = "1h"
"""For what moves data: other nodes do so at the same time, and a check or a prune keeps everybody out meanwhile."""
NO_WAIT = "0s"
"""For what is done while containers stand still."""
DRAFT = "draft"
"""The kind of a snapshot that is no backup of anything: the next one is quick because of it."""
CONNECT_SECONDS = 15
SILENT_SECONDS = 15
"""After so long without a word the other end is asked for one, four times: then the connection is given up."""

_VARIABLE = "swarm_backup_repository"
_SFTP = re.compile(r"sftp:(?!//)(?:(?P<user>[^:]+)@)?(?P<host>[^:@]+):(?P<path>.+)")
_SFTP_URL = re.compile(
    r"sftp://(?:(?P<user>[^/:@]+)@)?(?:\[(?P<bracketed>[^\]/]+)\]|(?P<host>[^/:@\[\]]+))(?::(?P<port>\d+))?/(?P<path>.+)"
)
# restic splits the command at blanks and quotes, and ssh takes what begins with '-' for an option.
_SSH_WORD = re.compile(r"[A-Za-z0-9_.:%@+][A-Za-z0-9_.:%@+-]*", re.ASCII)
_PASSWORD_INSIDE = re.compile(r"//[^/@]*:[^/]*@")
_WORDS_LENGTH = 400
"""Characters of restic's own words that a sentence holds at most."""


@dataclass(frozen=True)
class Summary:
    """What a backup made: the snapshot, the bytes of its source, and the seconds that it took."""

    snapshot: str
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Snapshot:
    """One snapshot of the repository.

    Attributes:
        id: the short one.
        time: in UTC with microseconds, so that it sorts as text.
        host: the node's name in the inventory.
        job, kind, swarm: from its tags; empty where it has none, so it isn't ours.
    """

    id: str
    time: str
    host: str
    job: str
    kind: str
    swarm: str


def base(settings: Settings) -> list[str]:
    """What every call of restic begins with.

    Raises:
        DeclarationError: the repository can't be reached by what is written there.
    """
    repository = settings.repository
    if _PASSWORD_INSIDE.search(repository):
        raise DeclarationError(
            "%s: %s has a password in it, which every process list would show: take it out, and write what the backend "
            "logs in with into swarm_backup_environment (RESTIC_REST_PASSWORD)" % (_VARIABLE, shown(repository))
        )
    argv = ["restic", "--repo", repository, "--password-file", PASSWORD, "--retry-lock", LOCK_WAIT]
    argv += ["--no-cache", "--json"]
    if settings.ssh_port and repository.startswith("sftp:"):
        argv += ["--option", "sftp.command=%s" % " ".join(_ssh(repository, settings.ssh_port))]
    return argv


def shown(repository: str) -> str:
    """The repository without a password that it may have, as an error may show it."""
    return _PASSWORD_INSIDE.sub("//***@", repository)


def _ssh(repository: str, port: int) -> list[str]:
    """The command whose standard input and output are the SFTP server."""
    found = _SFTP.fullmatch(repository) or _SFTP_URL.fullmatch(repository)
    parts = found.groupdict() if found else {}
    host = parts.get("host") or parts.get("bracketed") or ""
    destination = "%s@%s" % (parts["user"], host) if parts.get("user") else host
    if not _SSH_WORD.fullmatch(destination) or not _SSH_WORD.fullmatch(host):
        raise DeclarationError(
            "%s: %s is no SFTP repository: write sftp:USER@HOST:/PATH, or sftp://USER@HOST:PORT//PATH"
            % (_VARIABLE, repository)
        )
    return [
        "ssh",
        "-i",
        SSH_KEY,
        "-o",
        "UserKnownHostsFile=%s" % KNOWN_HOSTS,
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "BatchMode=yes",
        "-o",
        "ConnectTimeout=%d" % CONNECT_SECONDS,
        "-o",
        "ServerAliveInterval=%d" % SILENT_SECONDS,
        "-o",
        "ServerAliveCountMax=4",
        "-p",
        parts.get("port") or str(port),
        destination,
        "-s",
        "sftp",
    ]


# -- what went wrong -------------------------------------------------------------------------------------------------

_AS_THEY_WERE = "the backups that it has are as they were"
_NO_ROOM = "no space left|disk quota exceeded|disk full"
_NO_LOCK = "unable to create lock"
_NO_ROOM_HERE = "there is no space left on this host for {target}: make room there; " + _AS_THEY_WERE
_AWAY = (
    "connection (?:refused|timed out|closed|reset|lost)|no route to host|network is unreachable|no such host|"
    "could not resolve hostname|timeout, server|unable to start the sftp session"
)
_MEANINGS: Mapping[int, str] = {
    UNREADABLE_SOURCE: (
        "restic could not read all that it was to back up, so this counts as no backup: mend what it names"
    ),
    NO_REPOSITORY: (
        "there is no repository at {repository}: correct swarm_backup_repository; if it was never made, "
        "playbooks/backup.yml makes it"
    ),
    LOCKED: (
        "the repository {repository} stayed locked: wait for who uses it; if nobody does, `restic unlock` "
        "removes locks that were left behind"
    ),
    WRONG_PASSWORD: (
        "the password does not open the repository {repository}: set swarm_backup_password to the one that it was made "
        "with"
    ),
}

# The first that fits counts, in what ssh, SFTP and restic itself write.
_SYMPTOMS: Mapping[str, str] = {
    "host key verification failed|remote host identification has changed|no .* host key is known": (
        "the host of {repository} is not the one in swarm_backup_known_hosts: find out why, and then correct it (with "
        "what `ssh-keyscan` says, compared with the host's own keys)"
    ),
    "permission denied \\(": (
        "the host of {repository} refuses the key: put the public half of swarm_backup_ssh_key into its user's "
        "authorized_keys"
    ),
    _NO_ROOM: (
        "there is no space left where {repository} is: make room there, or keep less (swarm_backup_keep_within); "
        + _AS_THEY_WERE
    ),
    _AWAY: (
        "the host of {repository} does not answer: bring it back, or correct swarm_backup_repository; " + _AS_THEY_WERE
    ),
    "ciphertext verification failed|invalid data|wrong hash|hash mismatch|does not match|file is too short|"
    "unexpected eof|not found in index|data is damaged|repository contains errors": (
        "the repository {repository} is damaged: restore nothing that is named here; `restic check --read-data` lists "
        "all of it, and https://restic.readthedocs.io/en/stable/077_troubleshooting.html says how to mend it"
    ),
    "executable file not found|command not found": (
        "a program that restic needs is missing: run the role swarm_backup on this host"
    ),
}


def explain(code: int, stderr: str, settings: Settings, target: str = "") -> str:
    """What a failed call means and how to mend it: one sentence, and what restic said.

    Args:
        target: what it restores, or where to, on this host; empty where it writes into the repository alone.
    """
    words = " ".join(_words(stderr).split())
    # Who restores writes no more than a lock into the repository. To make room there would cost backups.
    here = {_NO_ROOM: _NO_ROOM_HERE} if target and _NO_LOCK not in words else {}
    fitting = (mend for pattern, mend in {**_SYMPTOMS, **here}.items() if re.search(pattern, words, re.IGNORECASE))
    meaning = _MEANINGS.get(code) or next(fitting, "restic failed (exit status %d): mend what it names" % code)
    # Replaced one by one: a repository may have braces of its own.
    sentence = meaning.replace("{target}", target).replace("{repository}", shown(settings.repository))
    said = shown(words)
    if len(said) > _WORDS_LENGTH:
        said = "... " + said[-_WORDS_LENGTH:]
    return "%s (restic: %s)" % (sentence, said) if said else sentence


def is_passing(code: int, stderr: str) -> bool:
    """Whether a failed call tells nothing of what is in the repository: it is locked or away, or there is no room."""
    return code == LOCKED or bool(re.search("%s|%s" % (_AWAY, _NO_ROOM), _words(stderr), re.IGNORECASE))


def _words(stderr: str) -> str:
    """What people read in restic's standard error: its messages, and the lines that are no JSON, in their order."""
    return "\n".join(text for line in stderr.splitlines() for text in _of_line(line.strip()))


def _of_line(line: str) -> Iterator[str]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        yield line
        return
    if not isinstance(message, dict):
        yield line
    elif message.get("message_type") == "error":
        error = message.get("error")
        text = error.get("message") if isinstance(error, dict) else error
        yield " ".join(str(part) for part in (message.get("item"), text) if part)
    elif message.get("message"):
        yield str(message["message"])


# -- what is kept ----------------------------------------------------------------------------------------------------


def forgetting(swarm: str, keep: Mapping[str, Any]) -> list[list[str]]:
    """The calls that forget what need not be kept of one swarm, the last of which gives the room back.

    What else is in the repository, another swarm's backups, say, is not ours to forget. Files and volumes are another
    thing on each node, so each node's are kept; of all else it does not matter which node made it.
    """
    rules = ["--keep-within", str(keep["within"]), "--keep-last", str(keep["last"])]

    def of(kinds: Iterable[str], together: str) -> list[str]:
        chosen = [word for kind in kinds for word in ("--tag", "swarm=%s,kind=%s" % (swarm, kind))]
        return ["forget", *chosen, "--group-by", together, *rules]

    return [
        of(jobs.OF_EACH_NODE, "host,tags"),
        [*of((*jobs.DATABASES, *jobs.OF_THE_SWARM), "tags"), "--prune"],
    ]


# -- what it made ----------------------------------------------------------------------------------------------------


def parse_summary(stdout: str) -> Summary:
    """What ``restic backup --json`` made.

    Raises:
        ValueError: it says of no snapshot.
    """
    for line in reversed(stdout.splitlines()):
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict) and message.get("message_type") == "summary" and message.get("snapshot_id"):
            return Summary(
                str(message["snapshot_id"])[:ID_LENGTH],
                int(message.get("total_bytes_processed") or 0),
                float(message.get("total_duration") or 0),
            )
    raise ValueError("restic ended well and names no snapshot that it made")


def parse_snapshots(stdout: str) -> list[Snapshot]:
    """What ``restic snapshots --json`` lists, the oldest first.

    Raises:
        ValueError: it is no list of snapshots. An empty one is: restic says ``[]`` then, or ``null``.
    """
    try:
        listed = json.loads(stdout)
    except ValueError as error:
        raise ValueError("restic's list of snapshots can't be read: %s" % error) from error
    if listed is None:
        return []
    if not isinstance(listed, list):
        raise ValueError("restic's list of snapshots is no list")  # noqa: TRY004  it was read, not passed
    try:
        found = [_snapshot(one) for one in listed]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("restic's list of snapshots can't be read: %r" % error) from error
    return sorted(found, key=lambda one: (one.time, one.id))


def _snapshot(listed: Mapping[str, Any]) -> Snapshot:
    tags = dict(str(tag).split("=", 1) for tag in listed.get("tags") or () if "=" in str(tag))
    return Snapshot(
        str(listed["id"])[:ID_LENGTH],
        moments.render(moments.parse(str(listed["time"])), "microseconds"),
        str(listed.get("hostname") or ""),
        tags.get("job", ""),
        tags.get("kind", ""),
        tags.get("swarm", ""),
    )


def newest(
    snapshots: Iterable[Snapshot], job: str, swarm: str, before: str | None = None, host: str | None = None
) -> Snapshot | None:
    """The newest snapshot of a job of one swarm; None when there is none.

    Args:
        swarm: the swarm's ID. An empty one fits nothing: whose snapshot it would be could not be told.
        before: a point in time (``2026-11-22T23:00:00Z``) that it must be older than.
        host: for a job that several nodes have, whose.

    Raises:
        ValueError: ``before`` is no point in time.
    """
    limit = None if before is None else moments.parse(before)
    fitting = [
        one
        for one in snapshots
        if swarm
        and (one.job, one.swarm) == (job, swarm)
        and host in (None, one.host)
        and (limit is None or moments.parse(one.time) < limit)
    ]
    return max(fitting, key=lambda one: (moments.parse(one.time), one.id), default=None)


def tags(job: str, kind: str, swarm: str) -> list[str]:
    """The arguments that tag a snapshot, which ``parse_snapshots`` reads again."""
    return ["--tag", "job=%s" % job, "--tag", "kind=%s" % kind, "--tag", "swarm=%s" % swarm]
