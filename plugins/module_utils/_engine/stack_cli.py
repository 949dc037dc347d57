# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the docker CLI is for here: ``docker stack config`` merges, interpolates and normalises stack files."""

from __future__ import annotations

import os
import posixpath
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .. import _stack_yaml
from .._core.errors import DeclarationError
from .._core.stack import cli_refusal, definition, dropped, interpolation, keys, references, security, sources
from . import errors

CONFIG_TIMEOUT = 60.0
"""Seconds for ``docker stack config``, which only reads files."""


@dataclass(frozen=True)
class Answer:
    """What a command gave back."""

    status: int
    output: str
    error: str


class Cli(Protocol):
    """Runs ``docker`` with exactly this environment."""

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float, stdin: str = ""
    ) -> Answer: ...


class DockerCli:
    """The docker CLI of this node, pointed to one engine.

    AnsibleModule.run_command adds to the module's own environment, which the CLI would then use for ``${…}``, and has
    no timeout; so the command is started here.
    """

    def __init__(self, socket: str) -> None:
        self._socket = socket

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float, stdin: str = "") -> Answer:
        docker = shutil.which("docker")
        if docker is None:
            raise errors.EngineError(
                "the docker command is not on this node: install the Docker CLI (Debian: docker-cli)"
            )
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                [docker, "--host", self._socket, *arguments],
                input=stdin.encode("utf-8"),
                capture_output=True,
                env=dict(environment),
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            command = " ".join(["docker", *arguments[:2]])
            raise errors.DeadlineExceeded("%s was not done within %d s" % (command, timeout)) from None
        return Answer(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Attributes:
        stack: the stack's name.
        files: paths of the stack files among ``sources``.
        sources: content by path; paths are relative to one common directory.
        variables: values for ``${NAME}``; nothing else is ever put there.
        prune: remove services of the stack that the files no longer have.
        with_registry_auth: send this node's registry credentials along, so that nodes can pull.
        resolve_images: pin images to the digests that their registries give.
        adopt: take over services of the stack that something else deployed.
        revert: when a service ends badly, give every service that this run changed the spec back that it had.
        deadline: seconds; None derives them from the stack.
        stable_cap: the longest stability window in seconds.
        owner: whose versions of secrets and configs logical names mean.
        check_mode: plan, and change nothing.
    """

    stack: str
    files: Sequence[str] = ()
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, Any] = field(default_factory=dict)
    prune: bool = False
    with_registry_auth: bool = False
    resolve_images: bool = True
    adopt: bool = False
    revert: bool = True
    deadline: float | None = None
    stable_cap: float = 60.0
    owner: str = "flotilla"
    check_mode: bool = False


def read_definition(request: Request, cli: Cli) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The stack in the CLI's normal form, and the contents of the configs that are made from files.

    The sources lie in a private directory while the CLI reads them, and nowhere afterwards. No secret can be among
    them: a secret that names a file is refused first.

    Raises:
        DeclarationError: the files don't make a stack, or not one that can be deployed as it is meant.
    """
    variables, files = _checked(request)
    # mkdtemp makes the directory with mode 0700.
    directory = os.path.realpath(tempfile.mkdtemp(prefix="flotilla-stack-"))
    try:
        tree = dropped.restored(definition.prepared(_normal_form(request, variables, cli, directory)), files)
        contents = _contents(tree, directory)
        tree = _with_profiles(tree, Path(directory, request.files[0]).parent)
    finally:
        shutil.rmtree(directory)
    problems = [*keys.problems(tree), *_relative_binds(tree, directory)]
    if problems:
        raise DeclarationError(*problems)
    return tree, contents


def _checked(request: Request) -> tuple[dict[str, str], Sequence[Mapping[str, Any]]]:
    """Everything that can be said about the sources before the CLI sees them.

    Returns:
        The variables as strings; the stack files as parsed, their variables replaced.
    """
    variables, problems = sources.variables(request.variables)
    problems += ["files: %s is not among the sources" % path for path in request.files if path not in request.sources]
    strange = [path for path in request.sources if not _inside(path)]
    problems += ["sources: %s is not a relative path within one directory" % path for path in strange]
    if not request.files:
        problems.append("files: name at least one stack file")
    if problems:
        raise DeclarationError(*problems)
    named = [(path, request.sources[path]) for path in request.files]
    examined = sources.examine(named, variables, _stack_yaml.load_source)
    problems += examined.problems
    base = posixpath.dirname(request.files[0])
    for attachment in examined.attachments:
        path = posixpath.normpath(posixpath.join(base, attachment.path))
        if path not in request.sources:
            problems.append("%s: the file %s is not among the sources" % (attachment.where, path))
        elif attachment.environment:
            problems += interpolation.environment_problems(request.sources[path], variables, attachment.path)
    if problems:
        raise DeclarationError(*problems)
    return variables, examined.files


def _relative_binds(tree: Mapping[str, Any], directory: str) -> list[str]:
    """Bind mounts that a variable made relative: the CLI has resolved them against the private directory."""
    problems = []
    for service, entry in references.section(tree, "services").items():
        for volume in references.sequence(references.mapping(entry).get("volumes")):
            source = str(references.mapping(volume).get("source") or "")
            if source == directory or source.startswith(directory + os.sep):
                where = "services.%s.volumes" % service
                problems.append(references.RELATIVE_BIND % (where, os.path.relpath(source, directory)))
    return problems


def _normal_form(request: Request, variables: Mapping[str, str], cli: Cli, directory: str) -> Any:
    for path, content in request.sources.items():
        target = Path(directory, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode("utf-8"))
    arguments = ["stack", "config"]
    for path in request.files:
        arguments += ["--compose-file", str(Path(directory, path))]
    answer = cli.run(arguments, _environment(variables), CONFIG_TIMEOUT)
    if answer.status != 0:
        words = cli_refusal.explained((answer.error or "no word").replace(directory + os.sep, ""))
        raise DeclarationError("the stack %s is refused by docker stack config: %s" % (request.stack, words))
    try:
        return _stack_yaml.load_normal(answer.output)
    except ValueError as error:
        raise errors.EngineError("what docker stack config wrote can't be read: %s" % error) from error


def _contents(tree: Mapping[str, Any], directory: str) -> dict[str, bytes]:
    contents = {}
    for key, path in definition.config_files(tree).items():
        real = os.path.realpath(path)
        if not real.startswith(directory + os.sep):
            raise DeclarationError("configs.%s.file: %s lies outside of the stack's sources" % (key, path))
        try:
            contents[key] = Path(real).read_bytes()
        except OSError as error:
            relative = os.path.relpath(real, directory)
            raise DeclarationError("configs.%s.file: %s can't be read: %s" % (key, relative, error.strerror)) from error
    return contents


def _with_profiles(tree: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The tree with seccomp profiles by their content, as the engine takes them.

    Args:
        base: the directory of the first stack file, from which paths lead.
    """
    services = {}
    for key, entry in references.section(tree, "services").items():
        options = references.sequence(entry.get("security_opt"))
        try:
            read = [security.with_profile(option, lambda path: (base / path).read_text("utf-8")) for option in options]
        except (OSError, UnicodeDecodeError) as error:
            raise DeclarationError("services.%s.security_opt: a profile can't be read: %s" % (key, error)) from error
        services[key] = {**entry, "security_opt": read} if read else entry
    return {**tree, "services": services}


def _inside(path: str) -> bool:
    """Whether a path stays below the directory it is joined to."""
    normal = posixpath.normpath(path)
    return "\0" not in path and not posixpath.isabs(path) and normal != "." and normal.split("/")[0] != ".."


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The CLI's whole environment: the user's variables, and nothing of this node's but where programs are."""
    own = {name: os.environ[name] for name in interpolation.RESERVED if name in os.environ}
    return {**variables, **own}
