# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel modules that a host is to load at boot, and those that it is never to load."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..errors import DeclarationError
from ..plan import CREATE, Difference, Step

KIND = "kernel module"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")


def parse(load: Sequence[str], deny: Sequence[str]) -> tuple[list[str], list[str]]:
    """The modules to load and those to deny, each once.

    Raises:
        DeclarationError: a malformed name, or one that is in both.
    """
    loaded, denied = list(dict.fromkeys(load)), list(dict.fromkeys(deny))
    names = {_same(name) for name in loaded}
    problems = ["%r is no name of a kernel module" % name for name in [*loaded, *denied] if not _NAME.match(name)]
    problems += ["the kernel module %s is to be loaded and denied at once" % n for n in denied if _same(n) in names]
    if problems:
        raise DeclarationError(*problems)
    return loaded, denied


def _same(name: str) -> str:
    """For the kernel - and _ are the same."""
    return name.replace("-", "_")


def steps(modules: Sequence[str], present: Mapping[str, bool]) -> list[Step]:
    """Which modules must be loaded. ``present``: name → whether it is loaded or built in."""
    return [Step(CREATE, KIND, name, (Difference("loaded", False, True),)) for name in modules if not present.get(name)]


def render_load(modules: Sequence[str], header: str) -> str:
    """The text of our modules-load.d file."""
    return header + "".join("%s\n" % name for name in modules)


def render_deny(denied: Sequence[str], header: str) -> str:
    """The text of our modprobe.d file. ``blacklist`` stops aliases only, ``install`` a request by name too."""
    return header + "".join("blacklist %s\ninstall %s /bin/false\n" % (name, name) for name in denied)
