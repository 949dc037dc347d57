# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a host's own tools, with a deadline and without a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from .errors import HostError

DEADLINE = 60.0
"""Seconds for one command."""
GRACE = 10.0
"""Seconds for a command that is ended early to clean up: restic takes its lock off the repository then."""
_PATHS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class Late(HostError):
    """A command took longer than it may, and was ended."""


def find(name: str) -> str | None:
    """Where a program is; None when this host does not have it."""
    return shutil.which(name, path=os.pathsep.join(_PATHS))


def environment_with(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a command: this process's, these variables, the C locale, and where a host's programs are."""
    return {**os.environ, **(variables or {}), "LC_ALL": "C", "PATH": os.pathsep.join(_PATHS)}


def run(command: Sequence[str], deadline: float = DEADLINE) -> tuple[int, str, str]:
    """Exit status, output and error output of a command, in the C locale and without input.

    Raises:
        HostError: the program is not there.
        Late: it takes longer than ``deadline`` seconds.
    """
    code, out, err = run_bytes(command, deadline)
    return code, out.decode("utf-8", "replace"), err


def run_bytes(
    command: Sequence[str],
    deadline: float = DEADLINE,
    *,
    given: bytes | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, bytes, str]:
    """The same, with the output as it came.

    Args:
        command: the program and its arguments, which everybody on the host can read.
        deadline: in seconds.
        given: its standard input; None = it has none.
        environment: variables beside those that it has anyway.
    """
    program = command[0] if command[0].startswith("/") else find(command[0])
    if program is None:
        raise HostError("%s is not installed on this host" % command[0])
    try:
        # run_command would be the module's, which this room does not know; and it has no deadline. subprocess.run has
        # one, and kills at once what it no longer waits for.
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function,consider-using-with
            [program, *command[1:]],
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment_with(environment),
        )
        with process:
            try:
                out, err = process.communicate(given, deadline)
            except BaseException:
                end(process)
                raise
    except FileNotFoundError as error:
        raise HostError("%s is not installed on this host" % command[0]) from error
    except subprocess.TimeoutExpired as error:
        raise Late("`%s` has not ended within %g s" % (" ".join(command), deadline)) from error
    return process.returncode, out, err.decode("utf-8", "replace")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command that nobody waits for any more; one that has ended already is left alone."""
    try:
        process.terminate()
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.wait()


def demand(command: Sequence[str], what: str, deadline: float = DEADLINE) -> str:
    """The output of a command that must succeed.

    Args:
        command: the program and its arguments.
        what: how the error begins; the tool's own words follow.
        deadline: in seconds.

    Raises:
        HostError: it failed.
    """
    code, out, err = run(command, deadline)
    if code != 0:
        raise HostError("%s: `%s` says: %s" % (what, " ".join(command), (err or out).strip() or "status %d" % code))
    return out
