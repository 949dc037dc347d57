# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks nft. No table but our own is ever named."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from .._core.firewall.ruleset import TABLE
from . import command
from .errors import HostError

_ERROR = re.compile(r":(\d+):\d+(?:-\d+)?: Error: ")
_LIST = ("nft", "--stateless", "list", "table", *TABLE.split())
# Both in one network namespace, which is gone when the shell ends; nft can't list what it loads in the same run.
_LOAD_AND_LIST = 'nft --file "$1" && nft --stateless list table %s' % TABLE


class Refused(HostError):
    """nft does not take a text.

    Attributes:
        words: what it says, without the name of the file.
        line: the first line (from 1) that it complains of; None when it names none.
    """

    def __init__(self, said: str, path: str) -> None:
        found = _ERROR.search(said)
        self.line = int(found.group(1)) if found else None
        self.words = said.strip().replace(path, "line ").replace("line :", "line ")
        super().__init__("nft refuses the rules, and nothing was changed: %s" % self.words)


def check(text: str, scratch: str) -> None:
    """Let nft and the kernel judge a text as if it were loaded now.

    Args:
        text: what nft is to read.
        scratch: a directory for the file that it reads.

    Raises:
        Refused: they don't take it.
    """
    _judged(["nft", "--check", "--file"], text, scratch)


def listing(text: str, scratch: str) -> str:
    """How nft would list our table with this text loaded: it is loaded in an empty network namespace of its own.

    Raises:
        Refused: nft does not take the text.
    """
    return _judged(["unshare", "--net", "sh", "-c", _LOAD_AND_LIST, "sh"], text, scratch)


def _judged(words: list[str], text: str, scratch: str) -> str:
    with tempfile.TemporaryDirectory(prefix="flotilla-firewall-", dir=scratch) as directory:
        path = Path(directory) / "firewall.nft"
        path.write_text(text, encoding="utf-8")
        code, out, err = command.run([*words, str(path)])
    if code != 0:
        raise Refused(err or out or "status %d" % code, str(path))
    return out


def live() -> str | None:
    """The table that is loaded, as nft lists it without counters; None when there is none.

    Raises:
        HostError: it can't be read.
    """
    code, out, err = command.run(_LIST)
    if code == 0:
        return out
    if "No such file or directory" in err:
        return None
    raise HostError("the firewall's table can't be read: %s" % (err or out).strip())


def load(path: Path) -> None:
    """Load a file, all of it or nothing.

    Raises:
        Refused: nothing was loaded.
    """
    code, out, err = command.run(["nft", "--file", str(path)])
    if code != 0:
        raise Refused(err or out, str(path))
