# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client: the one place that speaks to a Docker Engine.

``Engine`` is the protocol; ``DockerEngine`` speaks it over the engine's socket with the Docker SDK for Python. The
dictionaries are the engine's own JSON (https://docs.docker.com/reference/api/engine/), so that nothing is lost on the
way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

try:
    import docker
    import docker.auth
    import docker.errors
    import requests
except ImportError as error:  # reported by the module, which can say what to install
    IMPORT_ERROR: ImportError | None = error
else:
    IMPORT_ERROR = None

from .errors import (
    EngineError,
    EngineUnreachable,
    InUse,
    NameConflict,
    NoQuorum,
    NotAManager,
    NotFound,
    PortInUse,
    StaleVersion,
)

Json = dict[str, Any]

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
REQUEST_TIMEOUT = 25
"""Seconds for one request. A manager without quorum answers writes only after its own 20 s; the promise is 30 s."""


class Engine(Protocol):
    """What planners' executors need of an engine. Every method raises a subclass of ``EngineError``."""

    def info(self) -> Json: ...

    def swarm_inspect(self) -> Json: ...

    def swarm_init(self, request: Json) -> str: ...

    def swarm_join(self, request: Json) -> None: ...

    def nodes(self) -> list[Json]: ...

    def update_node(self, node_id: str, version: int, spec: Json) -> None: ...

    def remove_node(self, node_id: str) -> None: ...

    def secrets(self) -> list[Json]: ...

    def create_secret(self, name: str, data: bytes, labels: Mapping[str, str]) -> str: ...

    def update_secret(self, secret_id: str, version: int, spec: Json) -> None: ...

    def remove_secret(self, secret_id: str) -> None: ...

    def configs(self, name: str | None = None) -> list[Json]: ...

    def create_config(self, name: str, data: bytes, labels: Mapping[str, str], *, template_driver: str = "") -> str: ...

    def update_config(self, config_id: str, version: int, spec: Json) -> None: ...

    def remove_config(self, config_id: str) -> None: ...

    def networks(self) -> list[Json]: ...

    def create_network(self, request: Json) -> str: ...

    def remove_network(self, network_id: str) -> None: ...

    def services(self) -> list[Json]: ...

    def create_service(self, spec: Json, *, registry_auth: bool = False) -> str: ...

    def update_service(self, service_id: str, version: int, spec: Json, *, registry_auth: bool = False) -> None: ...

    def remove_service(self, service_id: str) -> None: ...

    def tasks(self, by_hand: bool = False) -> list[Json]: ...

    def task_log(self, task_id: str, lines: int) -> str: ...

    def distribution(self, image: str) -> Json: ...


class DockerEngine:
    """An engine behind a socket, spoken to through ``docker.APIClient``."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def info(self) -> Json:
        return dict(self._call(self._client.info))

    def swarm_inspect(self) -> Json:
        return dict(self._call(self._client.inspect_swarm))

    # The SDK's init_swarm and join_swarm know no Availability (docker-py 7.1), and a manager that joins active gets
    # tasks before it can be drained; so these two requests are posted as they are.
    def swarm_init(self, request: Json) -> str:
        return str(self._post("/swarm/init", request))

    def swarm_join(self, request: Json) -> None:
        self._post("/swarm/join", request)

    def nodes(self) -> list[Json]:
        return list(self._call(self._client.nodes))

    def update_node(self, node_id: str, version: int, spec: Json) -> None:
        self._call(lambda: self._client.update_node(node_id, version, spec))

    def remove_node(self, node_id: str) -> None:
        self._call(lambda: self._client.remove_node(node_id))

    def secrets(self) -> list[Json]:
        return list(self._call(self._client.secrets))

    def create_secret(self, name: str, data: bytes, labels: Mapping[str, str]) -> str:
        return str(self._call(lambda: self._client.create_secret(name, data, dict(labels)))["ID"])

    def update_secret(self, secret_id: str, version: int, spec: Json) -> None:
        """Change labels, the one thing that can be changed; ``spec`` is the whole spec as it was read."""
        self._post("/secrets/{0}/update", spec, secret_id, params={"version": version})

    def remove_secret(self, secret_id: str) -> None:
        self._call(lambda: self._client.remove_secret(secret_id))

    def configs(self, name: str | None = None) -> list[Json]:
        """All configs with their data, or only those whose name begins with ``name``, whatever its case."""
        filters = None if name is None else {"name": name}
        return list(self._call(lambda: self._client.configs(filters)))

    def create_config(self, name: str, data: bytes, labels: Mapping[str, str], *, template_driver: str = "") -> str:
        templating = {"Name": template_driver} if template_driver else None
        return str(self._call(lambda: self._client.create_config(name, data, dict(labels), templating))["ID"])

    def update_config(self, config_id: str, version: int, spec: Json) -> None:
        """Change labels, the one thing that can be changed; ``spec`` is the whole spec as it was read."""
        self._post("/configs/{0}/update", spec, config_id, params={"version": version})

    def remove_config(self, config_id: str) -> None:
        self._call(lambda: self._client.remove_config(config_id))

    def networks(self) -> list[Json]:
        return list(self._call(self._client.networks))

    def create_network(self, request: Json) -> str:
        return str(self._post("/networks/create", request)["Id"])

    def remove_network(self, network_id: str) -> None:
        self._call(lambda: self._client.remove_network(network_id))

    def services(self) -> list[Json]:
        return list(self._call(self._client.services))

    # The SDK builds ServiceSpecs out of its own types, which don't know every field; so whole specs are posted.
    def create_service(self, spec: Json, *, registry_auth: bool = False) -> str:
        """Make a service; with ``registry_auth`` its nodes pull with this user's credentials for the registry."""
        return str(self._post("/services/create", spec, headers=self._auth(spec, registry_auth))["ID"])

    def update_service(self, service_id: str, version: int, spec: Json, *, registry_auth: bool = False) -> None:
        """Replace a service's spec; without ``registry_auth`` it keeps the credentials that it was given before."""
        params = {"version": version, "registryAuthFrom": "spec"}
        headers = self._auth(spec, registry_auth)
        self._post("/services/{0}/update", spec, service_id, params=params, headers=headers)

    def _auth(self, spec: Json, wanted: bool) -> dict[str, str]:
        if not wanted:
            return {}
        image = str(spec["TaskTemplate"]["ContainerSpec"]["Image"])
        try:
            registry, _name = docker.auth.resolve_repository_name(image.partition("@")[0])
            header = docker.auth.get_config_header(self._client, registry)
        except docker.errors.DockerException as error:
            raise EngineError("the credentials for the registry of %s can't be read: %s" % (image, error)) from error
        return {"X-Registry-Auth": header.decode("ascii")} if header else {}

    def remove_service(self, service_id: str) -> None:
        self._call(lambda: self._client.remove_service(service_id))

    def tasks(self, by_hand: bool = False) -> list[Json]:
        """The tasks of services; with ``by_hand`` also those of containers that were attached to a network by hand."""
        # Without a filter the engine leaves the latter out (moby: daemon/cluster/tasks.go, GetTasks).
        filters = {"runtime": ["container", "", "attachment"]} if by_hand else None
        return list(self._call(lambda: self._client.tasks(filters)))

    def task_log(self, task_id: str, lines: int) -> str:
        """The last lines that a task wrote to stdout and stderr; empty when its node can't be asked."""
        client = self._client
        url = client._url("/tasks/{0}/logs", task_id)
        params = {"stdout": 1, "stderr": 1, "tail": lines}
        try:
            answer = self._call(lambda: client.get(url, params=params, timeout=REQUEST_TIMEOUT))
        except EngineUnreachable:
            return ""
        return demultiplex(answer.content) if answer.status_code == 200 else ""

    def distribution(self, image: str) -> Json:
        """What the image's registry says of it, asked by the engine: ``Descriptor.digest`` and ``Platforms``."""
        return dict(self._call(lambda: self._client.inspect_distribution(image)))

    def _post(
        self,
        path: str,
        request: Json,
        *parts: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        client = self._client

        def post() -> Any:
            answer = client._post_json(
                client._url(path, *parts), data=request, params=params, headers=dict(headers or {})
            )
            client._raise_for_status(answer)
            return answer.json() if answer.content else None

        return self._call(post)

    @staticmethod
    def _call(request: Callable[[], Any]) -> Any:
        try:
            return request()
        except docker.errors.APIError as error:
            raise translate(error.status_code, error.explanation or str(error)) from error
        except requests.exceptions.Timeout as error:
            raise EngineUnreachable("the engine gave no answer within %s s" % REQUEST_TIMEOUT) from error
        except (requests.exceptions.RequestException, docker.errors.DockerException, OSError) as error:
            raise EngineUnreachable("the engine can't be reached: %s" % error) from error


def connect(socket: str = DEFAULT_SOCKET) -> DockerEngine:
    """A client for the engine behind a socket, with the API version negotiated.

    Raises:
        EngineUnreachable: nothing answers there.
    """
    try:
        client = docker.APIClient(base_url=socket, version="auto", timeout=REQUEST_TIMEOUT)
    except (docker.errors.DockerException, OSError) as error:
        raise EngineUnreachable("no Docker Engine answers on %s: %s" % (socket, error)) from error
    return DockerEngine(client)


_MARKS: Sequence[tuple[str, type[EngineError]]] = (
    # Words that moby and swarmkit put into their errors; the status code alone (500, 503) does not tell these apart.
    ("update out of sequence", StaleVersion),
    ("the swarm does not have a leader", NoQuorum),
    ("node lost leader status", NoQuorum),
    ("context deadline exceeded", NoQuorum),
    ("rpc error: code = deadlineexceeded", NoQuorum),
    # A follower's answer while its leader has just died.
    ("rpc error: code = unavailable", NoQuorum),
    ("this node is not a swarm manager", NotAManager),
    ("is already in use by service", PortInUse),
    ("is in use by the following", InUse),
    ("is in use by service", InUse),
    ("is in use by task", InUse),
    ("has active endpoints", InUse),
    ("already exists", NameConflict),
    ("name conflicts with an existing object", NameConflict),
)


def translate(status: int | None, explanation: str) -> EngineError:
    """The error class for an HTTP status and the engine's own words."""
    words = explanation.lower()
    for mark, kind in _MARKS:
        if mark in words:
            return kind(explanation)
    if status == 404:
        return NotFound(explanation)
    if status == 409:
        return NameConflict(explanation)
    return EngineError(explanation)


def gone(remove: Callable[[str], None], identifier: str) -> None:
    """Remove an object, unless somebody else was quicker or the answer to an earlier attempt was lost."""
    with contextlib.suppress(NotFound):
        remove(identifier)


def demultiplex(stream: bytes) -> str:
    """The text of a log stream: frames of an 8-byte header (1 byte stream, 3 zero, 4 length big-endian) and a body."""
    text = bytearray()
    position = 0
    while position + 8 <= len(stream):
        length = int.from_bytes(stream[position + 4 : position + 8], "big")
        text += stream[position + 8 : position + 8 + length]
        position += 8 + length
    return text.decode("utf-8", "replace")
