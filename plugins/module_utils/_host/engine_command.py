# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine is started with next: by its unit, else by the process that runs, else by the packages' unit."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from .audit_facts import ROOT, engine_arguments
from .command import find, run

PACKAGED = "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS"
"""What the units of docker.io and docker-ce start, as far as it can be a key of ``daemon.json`` too."""
DEFAULTS = "/etc/default/docker"
DROP_INS = Path("etc/systemd/system/docker.service.d")
_PROPERTIES = "--property=LoadState,ExecStart,Environment,EnvironmentFiles"
_ARGV = re.compile(r"argv\[\]=(.*?) ; ignore_errors=")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_DEADLINE = 20.0


def arguments(root: Path = ROOT) -> list[str]:
    """The arguments of ``dockerd``, without its program.

    A drop-in that came after the running engine's start counts for the next one, and what it took back does not.
    """
    properties = _unit()
    if properties.get("LoadState") == ["loaded"]:
        started = _ARGV.findall(" ".join(properties.get("ExecStart", ())))
        named = [line.rpartition(" (")[0] or line for line in properties.get("EnvironmentFiles", ())]
        variables = _assignments(word for line in properties.get("Environment", ()) for word in _words(line))
        return _expanded(started, {**variables, **_files(named, root)})
    try:
        return engine_arguments(root)
    except (OSError, ValueError):
        pass  # none runs, so what counts is what its packages will start
    return _expanded(_drop_ins(root) or [PACKAGED], _files([DEFAULTS], root))


def _unit() -> dict[str, list[str]]:
    """What systemd says of ``docker.service``, each property with its lines; nothing where there is no systemd."""
    systemctl = find("systemctl")
    if systemctl is None:
        return {}
    code, output, _error = run([systemctl, "show", "docker.service", _PROPERTIES], _DEADLINE)
    found: dict[str, list[str]] = {}
    for line in output.splitlines() if code == 0 else ():
        name, _equals, value = line.partition("=")
        found.setdefault(name, []).append(value)
    return found


def _drop_ins(root: Path) -> list[str]:
    """What drop-ins start that are there before the unit is; an empty ``ExecStart=`` takes back what came before."""
    started: list[str] = []
    for file in sorted((root / DROP_INS).glob("*.conf")):
        for line in _text(file).splitlines():
            name, _equals, value = line.partition("=")
            if name.strip() == "ExecStart":
                started = [*started, value.strip()] if value.strip() else []
    return started


def _files(paths: Iterable[str], root: Path) -> dict[str, str]:
    """The variables of environment files; one that is not there has none."""
    return _assignments(line for path in paths for line in _text(root / path.lstrip("/")).splitlines())


def _assignments(lines: Iterable[str]) -> dict[str, str]:
    pairs = (line.strip().partition("=") for line in lines if "=" in line and line.strip()[0] not in "#;")
    return {name.strip(): " ".join(_words(value)) for name, _equals, value in pairs}


def _expanded(commands: Iterable[str], variables: Mapping[str, str]) -> list[str]:
    """The arguments as systemd makes them: ``$NAME`` becomes words, ``${NAME}`` a part of one (systemd.service(5))."""
    found: list[str] = []
    for command in commands:
        for word in _words(command)[1:]:
            if word.startswith("$") and word[1:].isidentifier():
                found += _words(variables.get(word[1:], ""))
            else:
                found.append(_VARIABLE.sub(lambda match: variables.get(match.group(1), ""), word))
    return found


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _text(path: Path) -> str:
    """A file's text with its continued lines joined; empty where it can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    except OSError:
        return ""
