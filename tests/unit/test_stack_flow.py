# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploying and removing a stack: from sources to verdicts, on a swarm in memory and with a docker CLI in memory."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import errors, stack_cli
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.stack_cli import Answer, Request
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.stack_flow import Deployment, Outcome
from ansible_collections.flotilla.swarm.tests.support.memory_swarm import Clock, Swarm

Json = dict[str, Any]

STACK_FILE = """
services:
  api:
    image: app:${VERSION}
    configs: [{source: conf, target: /conf}]
    networks: {back: }
    deploy: {replicas: 1, update_config: {monitor: 5s}}
  web: {image: "web:v1", networks: {back: }}
networks: {back: {}}
configs: {conf: {file: ./app.conf}}
"""


class Docker:
    """The docker CLI: its normal form for simple files, and its way to deploy."""

    def __init__(self, swarm: Swarm, healthy: bool = True) -> None:
        self.swarm = swarm
        self.healthy = healthy
        self.documents: list[Json] = []
        self.environments: list[Mapping[str, str]] = []
        self.directory = Path()
        self.answer = Answer(0, "", "")

    def run(self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float, stdin: str = "") -> Answer:
        assert timeout > 0
        self.environments.append(environment)
        return self._config(arguments, environment) if arguments[1] == "config" else self._deploy(arguments, stdin)

    def _config(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Answer:
        merged: Json = {}
        files = [Path(path) for path in arguments if path.endswith(".yml")]
        self.directory = files[0].parent
        assert stat.S_IMODE(self.directory.stat().st_mode) == 0o700
        for file in files:
            text = file.read_text().replace("${VERSION}", environment.get("VERSION", ""))
            for section, entries in yaml.safe_load(text).items():
                merged.setdefault(section, {}).update(entries)
        for config in merged.get("configs", {}).values():
            if "file" in config:
                config["file"] = str(self.directory / config["file"])
        return Answer(0, yaml.safe_dump(merged), "")

    def _deploy(self, arguments: Sequence[str], document: str) -> Answer:
        if self.answer.status:
            answer, self.answer = self.answer, Answer(0, "", "")
            return answer
        stack = arguments[-1]
        sent = json.loads(document)
        self.documents.append(sent)
        for key, network in sent.get("networks", {}).items():
            name = "%s_%s" % (stack, key)
            if not (network or {}).get("external") and name not in [item["Name"] for item in self.swarm.networks()]:
                own = {**(network or {}).get("labels", {}), labels.STACK_NAMESPACE: stack}
                self.swarm.create_network({"Name": name, "Driver": "overlay", "Labels": own})
        for key, entry in sent["services"].items():
            self._service("%s_%s" % (stack, key), stack, entry, sent.get("configs", {}))
        return self.answer

    def _service(self, name: str, stack: str, entry: Json, configs: Json) -> None:
        ids = {config["Spec"]["Name"]: config["ID"] for config in self.swarm.configs()}
        names = [configs[used["source"]]["name"] for used in entry.get("configs", [])]
        container = {"Image": entry["image"], "Configs": [{"ConfigID": ids[n], "ConfigName": n} for n in names]}
        spec = {
            "Name": name,
            "Labels": {**entry["deploy"]["labels"], labels.STACK_NAMESPACE: stack},
            "TaskTemplate": {"ContainerSpec": container, "Runtime": "container"},
            "Mode": {"Replicated": {"Replicas": entry["deploy"].get("replicas", 1)}},
        }
        live = {service["Spec"]["Name"]: service for service in self.swarm.services()}
        if name in live:
            self.swarm.update_service(live[name]["ID"], live[name]["Version"]["Index"], spec)
        else:
            self.swarm.create_service(spec)
        if self.healthy:
            self.swarm.settle(name)


@pytest.fixture
def swarm() -> Swarm:
    return Swarm()


@pytest.fixture
def docker(swarm: Swarm) -> Docker:
    return Docker(swarm)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def request(version: str = "v1", text: str = STACK_FILE, **more: Any) -> Request:
    return Request(
        stack="shop",
        files=["s.yml"],
        sources={"s.yml": text, "app.conf": "hello"},
        variables={"VERSION": version},
        **more,
    )


def deploy(swarm: Swarm, docker: Docker, clock: Clock, wanted: Request | None = None) -> Outcome:
    return Deployment(wanted or request(), swarm, docker, clock, clock.sleep).present()


def states(outcome: Outcome) -> dict[str, str]:
    return {item.service: item.state for item in outcome.verdicts}


def test_the_first_deployment_makes_everything_and_holds_for_the_window(
    swarm: Swarm, docker: Docker, clock: Clock
) -> None:
    outcome = deploy(swarm, docker, clock)
    assert [(step.action, step.kind, step.name) for step in outcome.plan] == [
        ("create", "config", "shop_conf_2cf24dba5fb0"),
        ("create", "network", "shop_back"),
        ("create", "service", "shop_api"),
        ("create", "service", "shop_web"),
    ]
    assert states(outcome) == {"shop_api": "converged", "shop_web": "converged"}
    assert outcome.bad == ()
    assert clock.now >= 5
    assert not docker.directory.exists()


def test_a_second_deployment_touches_nothing(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    deploy(swarm, docker, clock)
    before, started, sent = swarm.services(), clock.now, len(docker.documents)
    outcome = deploy(swarm, docker, clock)
    assert not outcome.plan
    assert states(outcome) == {"shop_api": "converged", "shop_web": "converged"}
    assert swarm.services() == before
    assert (clock.now, len(docker.documents)) == (started, sent)


def test_only_the_changed_service_is_sent(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    deploy(swarm, docker, clock)
    outcome = deploy(swarm, docker, clock, request("v2"))
    assert [step.name for step in outcome.plan] == ["shop_api"]
    assert list(docker.documents[-1]["services"]) == ["api"]
    assert docker.documents[-1]["configs"] == {"conf": {"external": True, "name": "shop_conf_2cf24dba5fb0"}}


def test_the_cli_sees_the_variables_and_nothing_else_of_this_machine(
    swarm: Swarm, docker: Docker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERSION", "from-the-node")
    monkeypatch.setenv("LEAK", "x")
    deploy(swarm, docker, clock)
    assert [set(environment) - {"PATH", "HOME"} for environment in docker.environments] == [{"VERSION"}, set()]
    assert swarm.named("shop_api")["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] == "app:v1"


def test_check_mode_plans_and_changes_nothing(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    outcome = deploy(swarm, docker, clock, request(check_mode=True))
    assert len(outcome.plan.steps) == 4
    assert outcome.verdicts == ()
    assert swarm.services() == []
    assert swarm.configs() == []
    assert clock.now == 0


def test_a_rollback_is_a_failure_with_the_tasks_own_words(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    deploy(swarm, docker, clock)
    docker.healthy = False
    service = swarm.named("shop_api")

    def roll_back() -> None:
        failed = swarm.task("shop_api", "failed", desired="shutdown", err="task: non-zero exit (3)")
        swarm.logs[failed["ID"]] = "FATAL: no config\n"
        service["Spec"] = service.pop("PreviousSpec")
        message = "update rolled back due to failure or early termination of task %s" % failed["ID"]
        service["UpdateStatus"] = {"State": "rollback_started", "Message": message}

    def finish() -> None:
        swarm.task("shop_api", "rejected", image="app:v2", desired="shutdown", err="unknown network")
        service["UpdateStatus"] = {"State": "rollback_completed", "Message": "rollback completed"}

    clock.at(clock.now + 2, roll_back)
    clock.at(clock.now + 4, finish)
    outcome = deploy(swarm, docker, clock, request("v2"))
    assert states(outcome) == {"shop_api": "rolled_back", "shop_web": "converged"}
    message = outcome.message("shop")
    assert "1 of 2 services of the stack shop did not converge." in message
    assert "on m1 failed with exit code 3: task: non-zero exit (3)" in message
    assert "| FATAL: no config" in message
    # The version that runs now is the declared one again: nothing to do, and no failure.
    again = deploy(swarm, docker, clock, request("v1"))
    assert not again.plan
    assert again.bad == ()


def test_a_crash_after_the_swarms_monitor_is_caught_by_the_window(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    deploy(swarm, docker, clock)

    def crash() -> None:
        swarm.task_list[-1]["DesiredState"] = "shutdown"
        swarm.task_list[-1]["Status"] = {"State": "failed", "Err": "task: non-zero exit (4)"}
        swarm.task("shop_api", "ready", desired="ready")

    clock.at(clock.now + 3, crash)
    outcome = deploy(swarm, docker, clock, request("v2"))
    assert states(outcome)["shop_api"] == "crashed"
    assert "within the 5 s for which it must run" in outcome.message("shop")


def test_a_new_service_may_fail_until_what_it_needs_is_there(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    docker.healthy = False

    def crash() -> None:
        swarm.task("shop_web")
        swarm.task("shop_api", "failed", desired="shutdown", err="no database")
        swarm.task("shop_api", "ready", desired="ready")

    clock.at(1, crash)
    clock.at(30, lambda: swarm.settle("shop_api"))
    assert deploy(swarm, docker, clock).bad == ()
    assert clock.now >= 35


def test_a_service_that_keeps_crashing_is_told_at_the_deadline(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    docker.healthy = False

    def crash() -> None:
        swarm.task("shop_web")
        swarm.task("shop_api", "failed", desired="shutdown", err="task: non-zero exit (3)")
        swarm.task("shop_api", "ready", desired="ready")

    def run() -> None:
        swarm.settle("shop_api")

    clock.at(1, crash)
    clock.at(28, run)
    outcome = deploy(swarm, docker, clock, request(deadline=30))
    assert states(outcome)["shop_api"] == "crashed"
    assert "it keeps failing and starting again" in outcome.message("shop")
    assert clock.now == pytest.approx(30)


def test_the_deadline_is_kept_and_names_the_reason(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    docker.healthy = False
    words = "no suitable node (insufficient resources on 1 node)"

    def stick() -> None:
        swarm.task("shop_web")
        swarm.task("shop_api", "pending", err=words)

    clock.at(1, stick)
    outcome = deploy(swarm, docker, clock, request(deadline=20))
    assert states(outcome) == {"shop_api": "unschedulable", "shop_web": "converged"}
    assert words in outcome.message("shop")
    assert clock.now == pytest.approx(20)


def test_a_deadline_within_the_window_is_no_success(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    outcome = deploy(swarm, docker, clock, request(deadline=2))
    assert set(states(outcome).values()) == {"timeout"}
    assert "had run undisturbed for 5 s" in outcome.message("shop")


class Interrupted(Swarm):
    """A swarm that gives no answer while ``trouble`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: errors.EngineError | None = None

    def interrupt(self, trouble: errors.EngineError | None) -> Callable[[], None]:
        def change() -> None:
            self.trouble = trouble

        return change

    def services(self) -> list[Json]:
        if self.trouble:
            raise self.trouble
        return super().services()

    def task_log(self, task_id: str, lines: int) -> str:
        if self.trouble:
            raise self.trouble
        return super().task_log(task_id, lines)


TROUBLES = [
    errors.NoQuorum("The swarm does not have a leader."),
    errors.EngineUnreachable("the engine gave no answer within 60 s"),
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_passing_trouble_of_the_engine_costs_no_verdict(trouble: errors.EngineError, clock: Clock) -> None:
    swarm = Interrupted()
    clock.at(1, swarm.interrupt(trouble))
    clock.at(9, swarm.interrupt(None))
    outcome = deploy(swarm, Docker(swarm), clock)
    assert states(outcome) == {"shop_api": "converged", "shop_web": "converged"}
    assert clock.now == pytest.approx(9)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_until_the_deadline_fails_with_the_last_verdicts_and_the_engines_words(
    trouble: errors.EngineError, clock: Clock
) -> None:
    swarm = Interrupted()

    def crash() -> None:
        swarm.task("shop_web")
        swarm.task("shop_api", "failed", desired="shutdown", err="no database")
        swarm.task("shop_api", "ready", desired="ready")

    clock.at(1, crash)
    clock.at(8, swarm.interrupt(trouble))
    outcome = deploy(swarm, Docker(swarm, healthy=False), clock, request(deadline=20))
    assert states(outcome) == {"shop_api": "crashed", "shop_web": "converged"}
    assert clock.now == pytest.approx(20)
    message = outcome.message("shop")
    assert "no database" in message
    assert "at the deadline the swarm could not be read: %s" % trouble in message
    assert "(the log can't be read: %s)" % trouble in message


@pytest.mark.parametrize("trouble", TROUBLES)
def test_services_that_were_never_seen_again_time_out(trouble: errors.EngineError, clock: Clock) -> None:
    swarm = Interrupted()

    class Last(Docker):
        def _deploy(self, arguments: Sequence[str], document: str) -> Answer:
            answer = super()._deploy(arguments, document)
            swarm.trouble = trouble
            return answer

    outcome = deploy(swarm, Last(swarm), clock, request(deadline=10))
    assert set(states(outcome).values()) == {"timeout"}
    assert "it was never seen after the deployment" in outcome.message("shop")
    assert str(trouble) in outcome.message("shop")


def test_a_lasting_refusal_while_watching_is_passed_on_at_once(clock: Clock) -> None:
    swarm = Interrupted()
    clock.at(2, swarm.interrupt(errors.NotAManager("This node is not a swarm manager.")))
    with pytest.raises(errors.NotAManager):
        deploy(swarm, Docker(swarm), clock)
    assert clock.now == pytest.approx(2)


def test_it_waits_for_an_update_in_flight_and_plans_then(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    deploy(swarm, docker, clock)
    service = swarm.named("shop_api")
    service["UpdateStatus"] = {"State": "updating"}
    with pytest.raises(errors.DeadlineExceeded, match=r"still in flight.*shop_api \(updating\)"):
        deploy(swarm, docker, clock, request("v2", deadline=5))
    assert len(docker.documents) == 1
    clock.at(clock.now + 3, lambda: service.update({"UpdateStatus": {"State": "completed"}}))
    assert [step.name for step in deploy(swarm, docker, clock, request("v2")).plan] == ["shop_api"]


def test_a_stale_version_is_planned_again_within_bounds(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    docker.answer = Answer(1, "", "failed to update service shop_api: rpc error: update out of sequence")
    assert [step.name for step in deploy(swarm, docker, clock).plan if step.kind == "service"] == [
        "shop_api",
        "shop_web",
    ]

    class Stubborn(Docker):
        def run(
            self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float, stdin: str = ""
        ) -> Answer:
            self.answer = Answer(1, "", "update out of sequence")
            return super().run(arguments, environment, timeout, stdin)

    with pytest.raises(errors.StaleVersion, match="planned 3 times"):
        deploy(swarm, Stubborn(swarm), clock, request("v2"))


def test_what_the_cli_says_is_passed_on(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    docker.answer = Answer(0, "", "image app:v1 could not be accessed\non a registry.\n\nimage web:v1 too.\n\n")
    assert deploy(swarm, docker, clock).plan.warnings == (
        "docker stack deploy: image app:v1 could not be accessed on a registry.",
        "docker stack deploy: image web:v1 too.",
    )
    docker.answer = Answer(1, "", "network shop_back not found")
    with pytest.raises(errors.EngineError, match="docker stack deploy shop failed: network shop_back not found"):
        deploy(swarm, docker, clock, request("v2"))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("services: {a: {image: 'x:${MISSING}'}}", "${MISSING}"),
        ("services: {a: {image: x, privileged: true}}", "services.a.privileged"),
        ("services: {a: {image: x, secrets: [s]}}\nsecrets: {s: {external: true}}", "no secret s in the swarm"),
        ("services: {a: {image: x, networks: [n]}}\nnetworks: {n: {external: true}}", "network n is not in the swarm"),
        ("services: {a: {image: x, deploy: {placement: {constraints: [node.role == worker]}}}}", "0 eligible nodes"),
        ("services: {a: {image: x}}\nnetworks: {default: {ipam: {config: [{subnet: 10.2.0.0/30}]}}}", "needs 3 more"),
        ("services: {a: {image: x}}\nconfigs: {c: {file: missing.conf}}", "missing.conf is not among the sources"),
        ("services: {a: {image: x, env_file: missing.env}}", "missing.env is not among the sources"),
    ],
)
def test_what_is_wrong_is_said_before_anything_changes(
    swarm: Swarm, docker: Docker, clock: Clock, text: str, word: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        deploy(swarm, docker, clock, request(text=text))
    assert word in str(refused.value)
    assert docker.documents == []
    assert swarm.services() == []
    assert swarm.configs() == []


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ".", "a\0b"])
def test_sources_stay_in_their_directory(path: str) -> None:
    wanted = Request("shop", files=["s.yml"], sources={"s.yml": "services: {a: {image: x}}", path: ""})
    with pytest.raises(DeclarationError, match="not a relative path"):
        stack_cli.read_definition(wanted, Docker(Swarm()))


def test_a_bind_mount_that_a_variable_makes_relative_is_refused(swarm: Swarm) -> None:
    class Resolving(Docker):
        def _config(self, arguments: Sequence[str], _environment: Mapping[str, str]) -> Answer:
            source = "%s/data" % Path(arguments[-1]).parent
            volumes = [{"type": "bind", "source": source, "target": "/data"}]
            return Answer(0, yaml.safe_dump({"services": {"a": {"image": "x", "volumes": volumes}}}), "")

    with pytest.raises(DeclarationError, match="data is relative"):
        stack_cli.read_definition(request(), Resolving(swarm))


def test_the_clis_refusal_shows_no_path_of_the_private_directory(swarm: Swarm) -> None:
    class Refusing(Docker):
        def _config(self, arguments: Sequence[str], _environment: Mapping[str, str]) -> Answer:
            self.directory = Path(arguments[-1]).parent
            return Answer(1, "", "%s: services.a Additional property x is not allowed" % arguments[-1])

    docker = Refusing(swarm)
    with pytest.raises(DeclarationError) as refused:
        stack_cli.read_definition(request(), docker)
    assert str(refused.value).endswith("config: s.yml: services.a Additional property x is not allowed")
    assert not docker.directory.exists()


def test_pruning_comes_last_and_only_when_asked(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    deploy(swarm, docker, clock)
    without = STACK_FILE.replace('  web: {image: "web:v1", networks: {back: }}\n', "")
    kept = deploy(swarm, docker, clock, request("v2", without))
    assert "shop_web" in kept.plan.warnings[0]
    assert swarm.named("shop_web")
    pruned = deploy(swarm, docker, clock, request("v2", without, prune=True))
    assert [(step.action, step.name) for step in pruned.plan] == [("remove", "shop_web")]
    broken = without + "secrets: {s: {external: true}}\n"
    deploy(swarm, docker, clock, request("v2"))
    with pytest.raises(DeclarationError):
        deploy(swarm, docker, clock, request("v2", broken, prune=True))
    assert swarm.named("shop_web")


def test_absent_waits_until_the_tasks_are_gone_and_then_removes_the_rest(
    swarm: Swarm, docker: Docker, clock: Clock
) -> None:
    deploy(swarm, docker, clock)
    wanted = Request("shop")
    rehearsed = Deployment(Request("shop", check_mode=True), swarm, docker, clock, clock.sleep).absent()
    assert len(swarm.services()) == 2
    started = clock.now
    clock.at(started + 3, swarm.task_list.clear)
    outcome = Deployment(wanted, swarm, docker, clock, clock.sleep).absent()
    assert outcome.plan == rehearsed.plan
    assert [step.kind for step in outcome.plan] == ["service", "service", "network", "config"]
    assert clock.now >= started + 3
    assert (swarm.services(), swarm.configs()) == ([], [])
    assert "shop_back" not in [network["Name"] for network in swarm.networks()]
    assert not Deployment(wanted, swarm, docker, clock, clock.sleep).absent().plan


def test_absent_leaves_alone_what_something_else_deployed_under_the_same_name(
    swarm: Swarm, docker: Docker, clock: Clock
) -> None:
    deploy(swarm, docker, clock)
    swarm.create_service({"Name": "shop_theirs", "Labels": {labels.STACK_NAMESPACE: "shop"}})
    swarm.create_secret("shop_key", b"x", {labels.STACK_NAMESPACE: "shop", labels.OWNER: "flotilla"})
    clock.at(clock.now + 3, swarm.task_list.clear)
    outcome = Deployment(Request("shop"), swarm, docker, clock, clock.sleep).absent()
    assert [service["Spec"]["Name"] for service in swarm.services()] == ["shop_theirs"]
    assert [secret["Spec"]["Name"] for secret in swarm.secrets()] == ["shop_key"]
    assert "service shop_theirs" in outcome.plan.warnings[0]
    assert "secret shop_key" in outcome.plan.warnings[1]


def test_absent_has_a_deadline(swarm: Swarm, docker: Docker, clock: Clock) -> None:
    deploy(swarm, docker, clock)
    with pytest.raises(errors.DeadlineExceeded, match="tasks that are left: task1, task2"):
        Deployment(Request("shop", deadline=10), swarm, docker, clock, clock.sleep).absent()


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
