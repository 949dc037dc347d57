# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client: the engine's refusals told apart, and the requests that go out."""

from __future__ import annotations

import base64
from typing import Any

import docker
import pytest
import requests
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client, errors
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import DockerEngine, translate


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (500, "rpc error: code = Unknown desc = update out of sequence", errors.StaleVersion),
        (
            500,
            "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers",
            errors.NoQuorum,
        ),
        (500, "rpc error: code = DeadlineExceeded desc = context deadline exceeded", errors.NoQuorum),
        (
            500,
            "rpc error: code = Unknown desc = raft: failed to process the request: node lost leader status",
            errors.NoQuorum,
        ),
        (
            503,
            "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state.",
            errors.NotAManager,
        ),
        (
            400,
            "rpc error: code = InvalidArgument desc = secret 'a' is in use by the following service: b",
            errors.InUse,
        ),
        (400, "rpc error: code = FailedPrecondition desc = network abc is in use by service def", errors.InUse),
        (400, "rpc error: code = FailedPrecondition desc = network abc is in use by task def", errors.InUse),
        (403, "error while removing network: network a has active endpoints", errors.InUse),
        (409, "rpc error: code = AlreadyExists desc = secret a already exists", errors.NameConflict),
        (409, "network with name a already exists", errors.NameConflict),
        (500, "rpc error: code = Unknown desc = name conflicts with an existing object", errors.NameConflict),
        (404, "secret a not found", errors.NotFound),
        (409, "anything else", errors.NameConflict),
        (400, "rpc error: code = InvalidArgument desc = invalid name", errors.EngineError),
        (None, "", errors.EngineError),
    ],
)
def test_the_engines_words_become_an_error_class(
    status: int | None, words: str, kind: type[errors.EngineError]
) -> None:
    error = translate(status, words)
    assert error.__class__ is kind
    assert str(error) == words


def _frame(text: bytes, stream: int = 1) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (b"", ""),
        (_frame(b"out\n") + _frame(b"err\n", 2), "out\nerr\n"),
        (_frame("ä".encode()[:1]), "\ufffd"),
        (_frame(b"whole") + b"\x01\x00", "whole"),
        (_frame(b"cut off")[:-3], "cut "),
    ],
)
def test_a_log_stream_is_taken_apart(stream: bytes, text: str) -> None:
    assert client.demultiplex(stream) == text


class Answer:
    def __init__(self, content: bytes = b"", status_code: int = 200) -> None:
        self.content = content
        self.status_code = status_code

    def json(self) -> Any:
        return {"ID": "id1", "Id": "id1"}


class Sdk:
    """Stands for docker.APIClient: notes what it is asked, and raises what it is told to."""

    def __init__(self, answer: Any = None, error: Exception | None = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.headers: list[Any] = []
        self._answer = answer
        self._error = error

    def _note(self, *asked: Any) -> Any:
        self.asked.append(asked)
        if self._error is not None:
            raise self._error
        return self._answer

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self._note(name, *arguments)

    def _url(self, path: str, *parts: str) -> str:
        return "http://engine/v1.44" + path.format(*parts)

    def _post_json(self, url: str, data: Any, **more: Any) -> Answer:
        self._note("POST", url, data, more.get("params"))
        self.headers.append(more["headers"])
        return Answer(b"{}")

    def _raise_for_status(self, answer: Answer) -> None:
        assert answer.status_code == 200

    def get(self, url: str, **more: Any) -> Any:
        return self._note("GET", url, more.get("params"))


def test_labels_are_updated_with_the_whole_spec_and_the_version() -> None:
    sdk = Sdk()
    engine = DockerEngine(sdk)
    engine.update_secret("s1", 7, {"Name": "a_v1", "Labels": {}})
    engine.update_config("c1", 8, {"Name": "b_v1", "Labels": {}, "Data": "eA=="})
    assert sdk.asked == [
        ("POST", "http://engine/v1.44/secrets/s1/update", {"Name": "a_v1", "Labels": {}}, {"version": 7}),
        (
            "POST",
            "http://engine/v1.44/configs/c1/update",
            {"Name": "b_v1", "Labels": {}, "Data": "eA=="},
            {"version": 8},
        ),
    ]


def test_networks_swarms_and_joins_are_posted_as_they_are() -> None:
    sdk = Sdk()
    engine = DockerEngine(sdk)
    assert engine.create_network({"Name": "n"}) == "id1"
    engine.swarm_init({"Availability": "drain"})
    engine.swarm_join({"JoinToken": "t"})
    assert [asked[:3] for asked in sdk.asked] == [
        ("POST", "http://engine/v1.44/networks/create", {"Name": "n"}),
        ("POST", "http://engine/v1.44/swarm/init", {"Availability": "drain"}),
        ("POST", "http://engine/v1.44/swarm/join", {"JoinToken": "t"}),
    ]


SPEC = {"Name": "s", "TaskTemplate": {"ContainerSpec": {"Image": "r.example:5000/app:1@sha256:" + "a" * 64}}}


def test_whole_specs_of_services_are_posted_as_they_are() -> None:
    sdk = Sdk()
    engine = DockerEngine(sdk)
    assert engine.create_service(SPEC) == "id1"
    engine.update_service("s1", 7, SPEC)
    assert sdk.asked == [
        ("POST", "http://engine/v1.44/services/create", SPEC, None),
        # Without new credentials the service keeps those that it has.
        ("POST", "http://engine/v1.44/services/s1/update", SPEC, {"version": 7, "registryAuthFrom": "spec"}),
    ]
    assert sdk.headers == [{}, {}]


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("r.example:5000/app:1@sha256:" + "a" * 64, "r.example:5000"),
        ("r.example:5000/app:1", "r.example:5000"),
        ("acme/app:1@sha256:" + "a" * 64, "docker.io"),
        ("app", "docker.io"),
    ],
)
def test_registry_credentials_go_along_when_told(image: str, registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def header(_client: Any, name: str) -> bytes:
        asked.append(name)
        return b"e30="

    monkeypatch.setattr(docker.auth, "get_config_header", header)
    sdk = Sdk()
    spec = {"TaskTemplate": {"ContainerSpec": {"Image": image}}}
    DockerEngine(sdk).create_service(spec, registry_auth=True)
    DockerEngine(sdk).update_service("s1", 7, spec, registry_auth=True)
    assert sdk.headers == [{"X-Registry-Auth": "e30="}] * 2
    assert asked == [registry] * 2


def test_a_registry_without_credentials_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker.auth, "get_config_header", lambda _client, _name: None)
    sdk = Sdk()
    DockerEngine(sdk).create_service(SPEC, registry_auth=True)
    assert sdk.headers == [{}]


def test_credentials_that_can_not_be_read_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_client: Any, _name: str) -> None:
        raise docker.errors.DockerException("Credentials store error: docker-credential-pass not installed")

    monkeypatch.setattr(docker.auth, "get_config_header", refuse)
    sdk = Sdk()
    with pytest.raises(errors.EngineError, match=r"for the registry of r\.example:5000/app:1.* store error"):
        DockerEngine(sdk).create_service(SPEC, registry_auth=True)
    assert sdk.asked == []


def test_a_refused_service_shows_nothing_of_its_spec() -> None:
    refusal = docker.errors.APIError("400 Client Error", explanation="invalid reference format")
    spec = {**SPEC, "Labels": {"a": "something of the user's"}}
    with pytest.raises(errors.EngineError, match=r"^invalid reference format$"):
        DockerEngine(Sdk(error=refusal)).create_service(spec)


def test_the_sdk_is_asked_for_the_rest() -> None:
    sdk = Sdk({"ID": "id1"})
    engine = DockerEngine(sdk)
    assert engine.create_secret("a", b"1", {}) == "id1"
    assert engine.create_config("a", b"1", {}) == "id1"
    engine.remove_secret("s1")
    engine.remove_config("c1")
    engine.remove_network("n1")
    engine.update_node("w1", 3, {"Role": "worker"})
    engine.remove_service("s1")
    assert engine.distribution("app:1") == {"ID": "id1"}
    assert engine.info() == {"ID": "id1"}
    assert engine.swarm_inspect() == {"ID": "id1"}
    assert [asked[0] for asked in sdk.asked] == [
        "create_secret",
        "create_config",
        "remove_secret",
        "remove_config",
        "remove_network",
        "update_node",
        "remove_service",
        "inspect_distribution",
        "info",
        "inspect_swarm",
    ]
    assert ("update_node", "w1", 3, {"Role": "worker"}) in sdk.asked


@pytest.mark.parametrize("method", ["nodes", "secrets", "configs", "networks", "services", "tasks"])
def test_a_list_that_fails_is_an_error_and_never_empty(method: str) -> None:
    assert getattr(DockerEngine(Sdk([{"ID": "1"}])), method)() == [{"ID": "1"}]
    refusal = docker.errors.APIError("503", explanation="This node is not a swarm manager.")
    with pytest.raises(errors.NotAManager, match="not a swarm manager"):
        getattr(DockerEngine(Sdk(error=refusal)), method)()


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (requests.exceptions.ReadTimeout("slow"), "the engine gave no answer within 25 s"),
        (requests.exceptions.ConnectionError("refused"), "the engine can't be reached: refused"),
        (docker.errors.DockerException("broken"), "the engine can't be reached: broken"),
        (PermissionError("denied"), "the engine can't be reached: denied"),
    ],
)
def test_an_engine_that_does_not_answer(raised: Exception, message: str) -> None:
    with pytest.raises(errors.EngineUnreachable, match=message):
        DockerEngine(Sdk(error=raised)).info()


def test_nothing_answers_on_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_options: Any) -> None:
        raise docker.errors.DockerException("no such file")

    monkeypatch.setattr(docker, "APIClient", refuse)
    with pytest.raises(errors.EngineUnreachable, match="no Docker Engine answers on unix:///nowhere: no such file"):
        client.connect("unix:///nowhere")


def test_the_api_version_is_negotiated_and_every_request_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {}
    monkeypatch.setattr(docker, "APIClient", options.update)
    client.connect()
    assert options == {"base_url": "unix:///var/run/docker.sock", "version": "auto", "timeout": client.REQUEST_TIMEOUT}


def test_tasks_of_containers_that_were_attached_by_hand_take_a_filter() -> None:
    sdk = Sdk([])
    DockerEngine(sdk).tasks()
    DockerEngine(sdk).tasks(by_hand=True)
    assert sdk.asked == [("tasks", None), ("tasks", {"runtime": ["container", "", "attachment"]})]


def test_the_log_of_a_task() -> None:
    sdk = Sdk(Answer(_frame(b"last words\n")))
    assert DockerEngine(sdk).task_log("t1", 20) == "last words\n"
    assert sdk.asked == [("GET", "http://engine/v1.44/tasks/t1/logs", {"stdout": 1, "stderr": 1, "tail": 20})]


def test_a_log_that_cannot_be_had_is_empty() -> None:
    assert DockerEngine(Sdk(Answer(b"no", 500))).task_log("t1", 20) == ""
    assert DockerEngine(Sdk(error=requests.exceptions.ReadTimeout())).task_log("t1", 20) == ""


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    value = b"the value of a secret"
    refusal = docker.errors.APIError("400 Client Error", explanation="invalid name")
    with pytest.raises(errors.EngineError) as caught:
        DockerEngine(Sdk(error=refusal)).create_secret("a", value, {})
    assert value.decode() not in str(caught.value)
    assert base64.b64encode(value).decode() not in repr(caught.value)
