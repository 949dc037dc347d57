# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The searches of test_canary.py find a value that is there: in every place, and in every form."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support import canary as searchers
from tests.support.canary import Canary, Sampler, Search
from tests.support.lab import Lab

NODE = "m1"
ROOTS = [*searchers.TEMPORARY, str(searchers.OWN_TEMPORARY)]
DURING = {"arguments", "environments", "files here, during", f"files of {NODE}, during"}
AFTER = {"files here", f"files of {NODE}", f"journal of {NODE}", "objects of the swarm"}
SLEEP = "import sys; sys.stdin.read()"
"""A program that ends with its input."""


def in_node(*command: str, text: str) -> None:
    subprocess.run(
        ["docker", "exec", "--interactive", f"flotilla-{NODE}", *command],
        input=text.encode(),
        capture_output=True,
        check=True,
    )


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda value: value, id="as-it-is"),
        pytest.param(json.dumps, id="json"),
        pytest.param(repr, id="python"),
        pytest.param(shlex.quote, id="shell"),
        pytest.param(urllib.parse.quote, id="url"),
        pytest.param(lambda value: value.encode().hex(), id="hex"),
        pytest.param(lambda value: base64.b64encode(value.encode()).decode(), id="base64"),
        pytest.param(lambda value: base64.b64encode(b'{"a": "' + value.encode() + b'"}').decode(), id="base64-of-more"),
        pytest.param(lambda value: value[:60], id="cut"),
    ],
)
def test_each_form_is_recognised(written: Callable[[str], str]) -> None:
    planted, other = Canary(), Canary()
    assert planted.forms_in(b"before " + written(planted.value).encode() + b" after")
    assert not planted.forms_in(written(other.value).encode())


@contextmanager
def processes(value: str) -> Iterator[None]:
    """One here and one in the node, with the value among their arguments and in their environment."""
    inside = ["docker", "exec", "--interactive", "--env", f"CANARY={value}", f"flotilla-{NODE}", "python3"]
    with ExitStack() as stack:
        for python in ([sys.executable], inside):
            process = stack.enter_context(
                subprocess.Popen(
                    [*python, "-c", SLEEP, value], stdin=subprocess.PIPE, env={**os.environ, "CANARY": value}
                )
            )
            assert process.stdin is not None
            stack.callback(process.stdin.close)
        yield


@contextmanager
def files(lab: Lab, prefix: str, value: str) -> Iterator[None]:
    """One in every directory that is searched, here and in the node."""
    there = [f"{root}/{prefix}control" for root in searchers.TEMPORARY]
    with ExitStack() as stack:
        searchers.OWN_TEMPORARY.mkdir(parents=True, exist_ok=True)
        for root in ROOTS:
            file = stack.enter_context(tempfile.NamedTemporaryFile(dir=root, prefix=prefix))
            file.write(value.encode())
            file.flush()
        stack.callback(lambda: lab.run(NODE, "rm -f " + " ".join(there)))
        for path in there:
            in_node("sh", "-c", 'cat >"$1"', "sh", path, text=value)
        yield


def test_each_search_finds_what_is_there(lab: Lab, prefix: str, say: Callable[[str], None]) -> None:
    """What leaks would leave, left on purpose in every place."""
    planted = Canary()
    search, since, value = Search(planted), searchers.now(), planted.value

    def numbers(place: str) -> set[int]:
        """The processes in which it was found."""
        found = [thing for found_in, thing in list(search.found) if found_in == place]
        return {int(thing.split(":")[0].removeprefix("process ")) for thing in found}

    def seen() -> bool:
        """In both processes: by what each was started with, and by its environment."""
        known = sampler.processes.values()
        both = all(numbers(place) & seen for place in ("arguments", "environments") for seen in known)
        return both and search.places() >= DURING

    with files(lab, prefix, value), processes(value), Sampler(search, [NODE], since) as sampler:
        lab.wait("the sampler has seen what was planted", seen)
        in_node("logger", text=value)
        in_node("docker", "config", "create", f"{prefix}data", "-", text=value)
        label = f"leak={planted.needles['head'].decode()}"
        in_node("docker", "config", "create", "--label", label, f"{prefix}label", "-", text="harmless")
        searchers.look_at_what_is_left(search, NODE, since)
    say(f"{sampler.rounds} rounds of samples; {search.report()}")

    assert search.places() == DURING | AFTER
    for root in ROOTS:
        assert any(place == "files here" and thing.startswith(root) for place, thing in search.found), root
    for root in searchers.TEMPORARY:
        assert any(place == f"files of {NODE}" and thing.startswith(root) for place, thing in search.found), root
    forms = {thing for place, thing in search.found if place == "objects of the swarm"}
    assert any("configs: head in Base64" in form for form in forms), "the data of a config"
    assert "configs: head" in forms, "a label"
