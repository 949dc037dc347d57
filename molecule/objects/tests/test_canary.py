# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The value of a secret is nowhere but in the raft store, whatever becomes of a run, and however much it prints.

The value reaches Ansible in a vaulted file of variables. Ansible's own error excerpts show lines of playbooks, so no
module can protect a value that stands in one. That each search can find something is shown by test_canary_controls.py.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import canary as searchers
from tests.support.canary import Canary, Sampler, Search
from tests.support.lab import INVENTORY, PLAIN, ROOT, Lab

NODE = "m1"
DEADLINE = 180
"""Seconds for one run."""
PLACES = (
    "output",
    "log",
    "fact cache",
    "arguments",
    "environments",
    "files here, during",
    f"files of {NODE}, during",
    "files here",
    f"files of {NODE}",
    f"journal of {NODE}",
    "objects of the swarm",
)

Json = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A run: its tasks, whether it must fail, and words of its output that prove that it came as far as it should."""

    tasks: list[Json]
    fails: bool
    words: str
    variables: Json = field(default_factory=dict)

    def play(self, prefix: str) -> Json:
        return {
            "hosts": NODE,
            "gather_facts": False,
            "vars": {"prefix": prefix, **self.variables},
            "tasks": [GATHER, *self.tasks],
        }


GATHER = {"name": "Facts", "ansible.builtin.setup": {"gather_subset": ["!all"]}}
"""So that there is something to cache."""

SECRETS: list[Json] = [
    {"name": "{{ prefix }}text", "value": "{{ canary_value }}"},
    {"name": "{{ prefix }}binary", "value_base64": "{{ canary_base64 }}", "labels": {"purpose": "test"}},
]
TOO_LONG = {"name": "{{ prefix }}" + "x" * 64, "value": "{{ canary_value }}"}
CHANGED = [{"name": "{{ prefix }}text", "value": "{{ canary_value }} changed"}]


FROM_FILE: list[Json] = [{"name": "{{ prefix }}file", "file": "{{ canary_file }}"}]


def kept(items: list[Json], module: str = "swarm_secrets", **options: Any) -> Json:
    return {"name": "Keep", f"flotilla.swarm.{module}": {"secrets": items, **options}, "register": "kept"}


REHEARSE = {**kept(CHANGED), "check_mode": True}
SHOW = {"name": "Show the result", "ansible.builtin.debug": {"var": "kept"}}
CACHE = {"name": "Cache the result", "ansible.builtin.set_fact": {"kept_before": "{{ kept }}", "cacheable": True}}
FAIL = {"name": "Fail later", "ansible.builtin.fail": {"msg": "later, with {{ kept }}"}}
ROLE = {"name": "The role", "ansible.builtin.include_role": {"name": "flotilla.swarm.swarm_secrets"}}

CASES = [
    pytest.param(
        Case([kept(SECRETS), SHOW, CACHE, REHEARSE, SHOW, kept(CHANGED), SHOW], False, "text_v2"), id="passes"
    ),
    pytest.param(Case([kept(SECRETS), CACHE, FAIL], True, "later, with"), id="play-fails-later"),
    pytest.param(Case([kept([*SECRETS, TOO_LONG])], True, "64"), id="secret-with-too-long-a-name"),
    pytest.param(
        Case([kept([*SECRETS, {"name": "{{ prefix }}number", "value": 123}])], True, "not a string"),
        id="secret-that-is-a-number",
    ),
    pytest.param(
        Case([kept(SECRETS, docker_host="unix:///nothing")], True, "no Docker Engine answers"), id="no-engine"
    ),
    pytest.param(
        Case([kept([{"name": "{{ prefix }}text", "value": "{{ canary_value ~ nobody }}"}])], True, "nobody"),
        id="undefined-variable",
    ),
    pytest.param(Case([kept(SECRETS, misspelt=True)], True, "misspelt"), id="unknown-option"),
    pytest.param(Case([kept(FROM_FILE), SHOW, kept(FROM_FILE)], False, "file_v1"), id="file"),
    pytest.param(Case([kept([*FROM_FILE, TOO_LONG])], True, "64"), id="file-and-too-long-a-name"),
    pytest.param(
        Case([kept(SECRETS), kept(CHANGED, "swarm_rotate"), SHOW, FAIL], True, "text_v2"), id="rotation-then-failure"
    ),
    pytest.param(Case([ROLE], False, "text", variables={"swarm_secrets_items": SECRETS}), id="role-passes"),
    pytest.param(Case([ROLE], True, "64", variables={"swarm_secrets_items": [*SECRETS, TOO_LONG]}), id="role-fails"),
    pytest.param(
        Case(
            [
                {
                    "name": "Check the inventory",
                    "flotilla.swarm.validate_inventory": {
                        "managers": [NODE],
                        "secrets": [*SECRETS, TOO_LONG],
                    },
                }
            ],
            True,
            "64",
        ),
        id="inventory-is-refused",
    ),
]


class Vault:
    """Writes what must not be written down in the clear; nothing of it is in an argument or in a temporary file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        password = directory / "password"
        password.write_text("the password of a test", encoding="utf-8")
        self.arguments = ["--vault-password-file", str(password)]

    def write(self, name: str, text: str) -> Path:
        file = self._directory / name
        subprocess.run(
            ["ansible-vault", "encrypt", *self.arguments, "--output", str(file), "-"],
            cwd=ROOT,
            env=PLAIN,
            input=text.encode(),
            capture_output=True,
            check=True,
        )
        return file


@pytest.fixture
def marker(lab: Lab, prefix: str) -> Iterator[None]:
    """A harmless new file in the node: a search of its files that works has one to look at."""
    path = f"/tmp/{prefix}marker"  # noqa: S108  # a place where others may leave a value
    lab.run(NODE, "touch %s", path)
    yield
    lab.run(NODE, "rm %s", path)


def run(arguments: list[str], environment: dict[str, str]) -> tuple[int, int, bytes]:
    """A playbook at its most talkative: its process's number and exit status, and what it printed."""
    with subprocess.Popen(
        ["ansible-playbook", "-i", INVENTORY, "-vvvv", "--diff", *arguments],
        cwd=ROOT,
        env=PLAIN | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            output, _nothing = process.communicate(timeout=DEADLINE)
        finally:
            process.kill()
    return process.pid, process.returncode, output


@pytest.mark.usefixtures("marker")
@pytest.mark.parametrize("case", CASES)
def test_value_is_nowhere(prefix: str, tmp_path: Path, say: Callable[[str], None], case: Case) -> None:
    planted = Canary()
    search, since = Search(planted), searchers.now()
    vault = Vault(tmp_path)
    variables = {
        "canary_value": planted.value,
        "canary_base64": base64.b64encode(planted.value.encode()).decode(),
        "canary_file": str(vault.write("canary", planted.value)),
    }
    extra = [*vault.arguments, "-e", f"@{vault.write('variables.yml', json.dumps(variables))}"]
    log, facts, play = tmp_path / "ansible.log", tmp_path / "facts", tmp_path / "play.yml"
    play.write_text(json.dumps([case.play(prefix)]), encoding="utf-8")
    environment = {
        "ANSIBLE_LOG_PATH": str(log),
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(facts),
    }
    with Sampler(search, [NODE], since) as sampler:
        number, status, output = run([*extra, str(play)], environment)
    search.look("output", "stdout and stderr", output)
    search.look("log", log.name, log.read_bytes())
    for file in facts.iterdir():
        search.look("fact cache", file.name, file.read_bytes())
    journal = searchers.look_at_what_is_left(search, NODE, since)
    seen = {where: len(processes) for where, processes in sampler.processes.items()}
    say(
        f"rc {status}; {sampler.rounds} rounds of samples, processes {seen} and {len(sampler.closed)} closed ones; "
        + search.report()
    )

    assert search.places() == set(), search.report()
    assert (status != 0) is case.fails, output.decode()
    assert case.words in output.decode()
    # Nothing was found because it is not there, not because nothing was looked at.
    assert {place for place in PLACES if not search.looked[place]} == set()
    assert number in sampler.processes[searchers.ELSEWHERE]
    # The fields of an entry come in any order.
    assert b".setup\n" in journal
    assert b"MESSAGE=Invoked with" in journal
