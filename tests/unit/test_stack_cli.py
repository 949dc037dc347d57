# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the docker CLI is for: it reads the stack files, and sees nothing else of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors, stack_cli
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.stack_cli import Answer, Request
from ansible_collections.flotilla.swarm.tests.support.memory_stack import Docker, request


class Saying(Docker):
    """A docker CLI that says what a test wants it to; ``%s`` in it is the directory of the sources."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float, stdin: str = "") -> Answer:
        super().run(arguments, environment, timeout, stdin)
        output, error = (text.replace("%s", str(self.directory)) for text in (self.answer.output, self.answer.error))
        return Answer(self.answer.status, output, error)


def test_the_files_become_a_tree_and_the_contents_of_its_configs() -> None:
    docker = Docker()
    tree, contents = stack_cli.read_definition(request("v3"), docker)
    assert tree["services"]["api"]["image"] == "app:v3"
    assert contents == {"conf": b"hello"}
    assert not docker.directory.exists()


def test_the_cli_sees_the_variables_and_nothing_else_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERSION", "from-the-node")
    monkeypatch.setenv("LEAK", "x")
    docker = Docker()
    tree, _contents = stack_cli.read_definition(request("v1"), docker)
    assert [set(environment) - {"PATH", "HOME"} for environment in docker.environments] == [{"VERSION"}]
    assert tree["services"]["api"]["image"] == "app:v1"


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ".", "a\0b"])
def test_sources_stay_in_their_directory(path: str) -> None:
    wanted = Request("shop", files=["s.yml"], sources={"s.yml": "services: {a: {image: x}}", path: ""})
    with pytest.raises(DeclarationError, match="not a relative path"):
        stack_cli.read_definition(wanted, Docker())


def test_a_bind_mount_that_a_variable_makes_relative_is_refused() -> None:
    volumes = [{"type": "bind", "source": "%s/data", "target": "/data"}]
    docker = Saying(Answer(0, yaml.safe_dump({"services": {"a": {"image": "x", "volumes": volumes}}}), ""))
    with pytest.raises(DeclarationError, match="data is relative"):
        stack_cli.read_definition(request(), docker)


def test_the_clis_refusal_shows_no_path_of_the_private_directory() -> None:
    docker = Saying(Answer(1, "", "%s/s.yml: services.a Additional property x is not allowed\n"))
    with pytest.raises(DeclarationError) as refused:
        stack_cli.read_definition(request(), docker)
    assert "config: s.yml: services.a Additional property x is not allowed: docker stack doesn't" in str(refused.value)
    assert not docker.directory.exists()


def test_a_refusal_without_a_word_is_one_too() -> None:
    with pytest.raises(DeclarationError, match="refused by docker stack config: no word"):
        stack_cli.read_definition(request(), Saying(Answer(1, "", "")))


def test_what_the_cli_writes_must_be_readable() -> None:
    with pytest.raises(errors.EngineError, match="what docker stack config wrote can't be read"):
        stack_cli.read_definition(request(), Saying(Answer(0, "{", "")))


def test_the_real_command_runs_with_just_the_given_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "docker"
    program.write_text('#!/bin/sh\necho "$@"; env; cat; echo trouble >&2; exit 3\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "%s:/usr/bin:/bin" % tmp_path)
    monkeypatch.setenv("LEAK", "x")
    answer = stack_cli.DockerCli("unix:///x").run(
        ["stack", "config"], {"PATH": "/usr/bin:/bin", "V": "1"}, 10, "stdin ü"
    )
    assert (answer.status, answer.error) == (3, "trouble\n")
    assert answer.output.startswith("--host unix:///x stack config\n")
    assert "LEAK" not in answer.output
    assert answer.output.endswith("stdin ü")
    program.write_text("#!/bin/sh\nexec sleep 30\n")
    with pytest.raises(errors.DeadlineExceeded, match="docker stack config was not done within"):
        stack_cli.DockerCli("unix:///x").run(["stack", "config"], {"PATH": "/usr/bin:/bin"}, 0.2)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(errors.EngineError, match="install the Docker CLI"):
        stack_cli.DockerCli("unix:///x").run(["stack"], {}, 1)
