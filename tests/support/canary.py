# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A secret value that is easy to recognise, and the searchers that look for it everywhere it must not be.

Each searcher counts what it looked through, so that a search that saw nothing can't pass for one that found nothing.
What they find is told by its place, never by the value.
"""

from __future__ import annotations

import base64
import io
import os
import secrets
import string
import subprocess
import tarfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  # where others may leave a value; nothing is written there
OWN_TEMPORARY = Path.home() / ".ansible/tmp"
"""Where Ansible keeps files on the controller while it runs."""
OBJECTS = ("services", "tasks", "secrets", "configs", "networks", "nodes", "swarm")
"""What the API of a manager lists, Specs and PreviousSpecs and the configs' data in Base64 included."""
API = "http://localhost/v1.45/"
ELSEWHERE = "elsewhere"
"""Where processes are that run in none of the nodes asked for: on this machine, or in a container."""
SLACK = 1.0
"""Seconds by which a file's time may lie before the moment it was written: file systems' clocks are coarse."""
LARGEST = 64 * 1024 * 1024
"""Bytes of one file that are searched."""


def _token(length: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _i in range(length))


class Canary:
    """A value of two long tokens, with what JSON, YAML and shells escape between them.

    Each token alone gives it away, however the middle was escaped or where the text was cut. Base64 is looked for at
    all three offsets that a value can have in a longer text.
    """

    def __init__(self) -> None:
        head, tail = _token(40), _token(40)
        self.value = f"{head}\"'\\\n${{}}{tail}"
        self.needles: dict[str, bytes] = {"head": head.encode(), "tail": tail.encode()}
        for name, token in (("head", head), ("tail", tail)):
            self.needles[f"{name} in hex"] = token.encode().hex().encode()
            for offset in range(3):
                # The characters at both ends depend on the neighbours.
                encoded = base64.b64encode(bytes(offset) + token.encode() + bytes(2))
                self.needles[f"{name} in Base64 at {offset}"] = encoded[4:-8]

    def forms_in(self, data: bytes) -> list[str]:
        """The forms in which the value is there."""
        return [form for form, needle in self.needles.items() if needle in data]


class Search:
    """What was looked through, and where the value was: both by place."""

    def __init__(self, canary: Canary) -> None:
        self.canary = canary
        self.looked: Counter[str] = Counter()
        self.found: set[tuple[str, str]] = set()
        """(place, the thing and the form of the value in it)"""

    def look(self, place: str, thing: str, data: bytes) -> None:
        self.looked[place] += 1
        for content in (data, *_unzipped(data)):
            self.found.update((place, f"{thing}: {form}") for form in self.canary.forms_in(content))

    def places(self) -> set[str]:
        """The places where it was found."""
        return {place for place, _thing in self.found}

    def report(self) -> str:
        counts = ", ".join(f"{count} x {place}" for place, count in sorted(self.looked.items()))
        found = "".join(f"\n  FOUND {place}: {thing}" for place, thing in sorted(self.found))
        return f"looked through {counts}; found {len(self.found)}{found}"


def _unzipped(data: bytes) -> Iterator[bytes]:
    """The members of a ZIP archive, as Ansible makes of modules."""
    if not data.startswith(b"PK\x03\x04"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    except zipfile.BadZipFile:  # one that is still being written
        return


def look_at_files(search: Search, place: str, roots: Iterable[Path], since: float, depth: int = 99) -> None:
    """Files under ``roots`` that are newer than ``since`` (seconds of the epoch), and their names.

    Files come and go while one looks; what is gone is no finding.
    """
    for root in roots:
        for directory, below, names in os.walk(root):
            if len(Path(directory).relative_to(root).parts) >= depth:
                below.clear()
            for name in names:
                file = Path(directory, name)
                try:
                    status = file.lstat()
                    if max(status.st_mtime, status.st_ctime) < since - SLACK or not file.is_file():
                        continue
                    with file.open("rb") as stream:
                        data = stream.read(LARGEST)
                except OSError:
                    continue
                search.look(place, str(file), os.fsencode(file) + b"\n" + data)


def _in_node(node: str, *command: str) -> bytes:
    run = subprocess.run(["docker", "exec", f"flotilla-{node}", *command], capture_output=True, check=False)
    assert run.returncode == 0, f"{node}: {command}: {run.stderr.decode()}"
    return run.stdout


def look_at_node_files(search: Search, node: str, roots: Iterable[str], since: float) -> None:
    """The same on a node of the lab, asked as a whole."""
    place = f"files of {node}"
    script = (
        'newest=$1; shift; find "$@" -type f -newerct "@$newest" -print0 2>/dev/null'
        " | tar --create --null --no-recursion --ignore-failed-read --absolute-names --files-from=- 2>/dev/null; exit 0"
    )
    answer = _in_node(node, "sh", "-c", script, "sh", str(since - SLACK), *roots)
    with tarfile.open(fileobj=io.BytesIO(answer), mode="r:") as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None:
                search.look(place, member.name, member.name.encode() + b"\n" + stream.read(LARGEST))


def look_at_journal(search: Search, node: str, since: float) -> bytes:
    """The node's journal from then on, all fields of it; returned too, so that one can ask whether a run is in it."""
    _in_node(node, "journalctl", "--sync")
    entries = _in_node(node, "journalctl", "--no-pager", "--all", "--output=export", f"--since=@{int(since)}")
    for number, entry in enumerate(entries.split(b"\n\n")):
        search.look(f"journal of {node}", f"entry {number}", entry)
    return entries


def look_at_objects(search: Search, node: str) -> None:
    """Everything that the API of a manager tells of the swarm's objects."""
    for kind in OBJECTS:
        url = API + kind
        answer = _in_node(
            node, "curl", "--silent", "--show-error", "--fail", "--unix-socket", "/var/run/docker.sock", url
        )
        assert answer.strip(), f"{node}: nothing came from {url}"
        search.look("objects of the swarm", kind, answer)


def look_at_what_is_left(search: Search, node: str, since: float) -> bytes:
    """Everything above, once a run is over; returns the node's journal."""
    look_at_files(search, "files here", [*map(Path, TEMPORARY), OWN_TEMPORARY], since)
    look_at_node_files(search, node, [*TEMPORARY, "/root/.ansible"], since)
    look_at_objects(search, node)
    return look_at_journal(search, node, since)


class Sampler(threading.Thread):
    """Reads, again and again, what every process was started with, and the new files in the temporary directories.

    Nodes are containers, so their processes are in this machine's /proc too, and so are their files. It needs root: as
    somebody else one sees none of a node's processes, which ``processes`` then shows.
    A process that lives for less than one round, some tens of milliseconds, can be missed.
    """

    def __init__(self, search: Search, nodes: Iterable[str], since: float) -> None:
        super().__init__(daemon=True)
        self._search = search
        self._since = since
        self._done = threading.Event()
        self._error: Exception | None = None
        self._namespaces: dict[str, str] = {}
        self._roots: dict[str, list[Path]] = {"files here, during": [*map(Path, TEMPORARY), OWN_TEMPORARY]}
        for node in nodes:
            pid = _main_process(node)
            self._namespaces[str(Path(f"/proc/{pid}/ns/pid").readlink())] = node
            root = Path(f"/proc/{pid}/root")
            own = [root / directory.lstrip("/") for directory in (*TEMPORARY, "/root/.ansible")]
            self._roots[f"files of {node}, during"] = own
        self.rounds = 0
        self.processes: dict[str, set[int]] = {ELSEWHERE: set(), **{node: set() for node in self._namespaces.values()}}
        """Where -> the processes that were seen there and could be read in full, by their numbers here."""
        self.closed: set[int] = set()
        """Processes of which only the arguments could be read."""

    def __enter__(self) -> Sampler:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self.join(60)
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        try:
            while True:
                done = self._done.is_set()  # one whole round more after the end
                self._sample()
                self.rounds += 1
                if done:
                    return
                self._done.wait(0.005)
        except Exception as error:  # noqa: BLE001  # raised again where the thread is joined
            self._error = error

    def _sample(self) -> None:
        for process in Path("/proc").iterdir():
            if process.name.isdecimal() and int(process.name) != os.getpid():
                self._look_at_process(process)
        if self.rounds % 10 == 0:
            for place, roots in self._roots.items():
                # Not all that lies in them, for a whole walk is slow; Ansible's own directories are at most that deep.
                look_at_files(self._search, place, roots, self._since, depth=3)

    def _look_at_process(self, process: Path) -> None:
        try:
            arguments = (process / "cmdline").read_bytes()
            if not arguments:  # the kernel's own threads have none
                return
            self._search.look("arguments", f"process {process.name}", arguments)
            where = self._namespaces.get(str((process / "ns/pid").readlink()), ELSEWHERE)
            environment = (process / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            return
        except PermissionError:  # not even root may look at every process, where the machine itself is a container
            self.closed.add(int(process.name))
            return
        self.processes[where].add(int(process.name))
        self._search.look("environments", f"process {process.name}", environment)


def _main_process(node: str) -> int:
    """The number, on this machine, of the first process of a node."""
    answer = subprocess.run(
        ["docker", "inspect", "--format", "{{.State.Pid}}", f"flotilla-{node}"],
        capture_output=True,
        check=True,
        text=True,
    )
    return int(answer.stdout)


def now() -> float:
    """Seconds of the epoch, in whole ones: what is looked at may be a little older, never younger."""
    return float(int(time.time()))
