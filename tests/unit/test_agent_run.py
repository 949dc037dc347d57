# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run does what is its node's, each job for itself, and notes how each went."""

from __future__ import annotations

import json
import os
import time
import types
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import lock, raft, run, store, volumes
from ansible_collections.flotilla.swarm.plugins.module_utils._agent.errors import Refused
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import status
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.jobs import Job
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.restic import Snapshot, Summary
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.settings import Settings
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import (
    EngineError,
    EngineUnreachable,
    NoQuorum,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

from tests.support import backup_agent
from tests.support.backup_agent import JOB, NODE, SWARM, on_node, settings

TAKEN = "2026-11-21T23:00:00Z"
SERVICES = {"shop_db": "shop_db_data", "shop_cache": "shop_uploads", "shop_web": "shop_raw"}
LACKS = "restic could not read all of it"
LEADERS = ["pg", "rd", "vol", "raw", "etc", "definition"]


class Repository:
    """``made``: job → what it was made of, in order. ``fails``: what is asked → what is raised.

    ``partial``: job → the snapshot that lacks something. ``held``: the snapshots; ``keeps``: those that always stay.
    """

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.fails: dict[str, BaseException] = {}
        self.partial: dict[str, str] = {}
        self.asked: list[str] = []
        self.there = False
        self.drafts: list[list[str]] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.note: Callable[[str, str], None] = lambda _snapshot, _lacks: None
        self.held: list[str] = []
        self.keeps: list[str] = []

    def _now(self, what: str) -> None:
        self.asked.append(what)
        if what in self.fails:
            raise self.fails[what]

    def exists(self) -> bool:
        return self.there

    def init_if_absent(self) -> bool:
        self._now("init")
        made, self.there = not self.there, True
        return made

    def forget(self, _swarm: str) -> None:
        self._now("forget")

    def snapshots(self) -> list[Snapshot]:
        self._now("snapshots")
        return [Snapshot(one, "2026-11-22T23:00:00.000000Z", NODE, "etc", "files", SWARM) for one in self.held]

    def discard(self, snapshots: Sequence[str], *, patient: bool) -> None:
        self._now("discard %s %s" % (" ".join(snapshots), "patiently" if patient else "at once"))
        self.meanwhile()
        self.held = [one for one in self.held if one not in snapshots or one in self.keeps]

    def _make(self, job: Job, swarm: str, source: Any) -> Summary:
        assert swarm == SWARM
        self.meanwhile()
        if job.name in self.partial:
            self.held.append(self.partial[job.name])
            self.note(self.partial[job.name], LACKS)
            raise HostError(LACKS)
        self._now(job.name)
        self.made[job.name] = source
        return Summary("new-" + job.name, 7, 1.5)

    def draft(self, paths: Sequence[str], swarm: str) -> None:
        assert swarm == SWARM
        self.drafts.append(list(paths))

    def backup_paths(self, paths: Sequence[str], job: Job, swarm: str, *, frozen: bool = False) -> Summary:
        # Where containers stand still, what could be done before was done before.
        assert frozen == (job.options.get("consistency") == "paused")
        assert not frozen or list(paths) in self.drafts
        return self._make(job, swarm, list(paths))

    def backup_command(self, argv: Sequence[str], filename: str, job: Job, swarm: str) -> Summary:
        return self._make(job, swarm, (filename, list(argv)))

    def backup_bytes(self, data: bytes, filename: str, job: Job, swarm: str) -> Summary:
        return self._make(job, swarm, (filename, json.loads(data)))


class Engine(backup_agent.Engine):
    """Of the leader, or of a worker; each service runs here, with a volume."""

    def __init__(self) -> None:
        self.version, self.frozen = "26.1.5", []
        self.here = tuple(SERVICES)
        self.leader = True
        self.driver = "local"
        self.mountpoint = "/volumes/x"

    def info(self) -> dict[str, Any]:
        return {"ServerVersion": "26.1.5", "Swarm": {"NodeID": "id1", "ControlAvailable": self.leader}}

    def nodes(self) -> list[dict[str, Any]]:
        status = {"Leader": True, "Reachability": "reachable", "Addr": "192.0.2.11:2377"}
        return [{"ID": "id1", "Spec": {}, "Description": {"Hostname": "m1"}, "ManagerStatus": status}]

    def swarm_inspect(self) -> dict[str, Any]:
        return {"ID": SWARM, "Spec": {}}

    def none(self) -> list[dict[str, Any]]:
        return []

    services = networks = none  # type: ignore[assignment]

    def secrets(self) -> list[dict[str, Any]]:
        return [{"ID": "s1", "Spec": {"Name": "shop_password"}}]

    def configs(self) -> list[dict[str, Any]]:
        return [{"ID": "c1", "Spec": {"Name": "shop_settings", "Data": "YQ=="}}]

    def containers(self, **filters: str) -> list[dict[str, Any]]:
        named = filters.get("label", "").partition("=")[2]
        return [
            {
                "Id": "of-" + service,
                "Labels": {"com.docker.swarm.service.name": service},
                "Mounts": [{"Type": "volume", "Name": volume}],
            }
            for service, volume in SERVICES.items()
            if service in self.here and named in ("", service) and filters.get("volume") in (None, volume)
        ]

    def volume(self, _name: str) -> dict[str, Any]:
        return {"Driver": self.driver, "Mountpoint": self.mountpoint}


class Node:
    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repository = Repository()
        self.engine = Engine()
        self.settings = replace(settings(), textfile=str(tmp_path / "metrics" / "flotilla.prom"))
        on_node(tmp_path, monkeypatch, backup_agent.Repository(), lambda _words: None)
        monkeypatch.setattr(run, "Restic", self.restic)
        monkeypatch.setattr(raft, "STOPPED", tmp_path / "run" / "engine-stopped")
        monkeypatch.setattr(raft, "KEY", tmp_path / "run" / "unlock-key")
        monkeypatch.setattr(raft, "STAGING", tmp_path / "lib" / "staging" / "raft")

    def restic(self, _settings: Settings, note: Callable[[str, str], None] | None = None) -> Repository:
        if note:
            self.repository.note = note
        return self.repository

    def run(self, job: str = "all") -> list[str]:
        return run.run(job, self.settings, self.engine)  # type: ignore[arg-type]

    def noted(self, job: str) -> status.Status:
        """A good backup of before."""
        store.make_directories()
        before = status.after_success(None, JOB[job], NODE, Summary("old-" + job, 5, 1.0), TAKEN)
        found = status.after_verification(before, JOB[job], NODE, before.snapshot, TAKEN, TAKEN, evidence="7 rows")
        store.write(found)
        return found

    @property
    def metrics(self) -> str:
        return Path(self.settings.textfile).read_text(encoding="utf-8")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


def read(job: str) -> status.Status:
    found = store.read(job)
    assert found is not None
    return found


# -- which jobs ------------------------------------------------------------------------------------------------------


def test_a_leader_does_all_but_the_raft_state(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert node.run() == []
    assert list(node.repository.made) == LEADERS
    assert "raft: not backed up here: this node is the leader" in capsys.readouterr().out
    assert store.read("raft") is None


def test_a_worker_does_what_runs_on_it(node: Node) -> None:
    node.engine.leader = False
    node.engine.here = ("shop_db",)
    assert node.run() == []
    assert list(node.repository.made) == ["pg", "etc"]


def test_one_job_is_done_alone(node: Node) -> None:
    assert node.run("vol") == []
    assert list(node.repository.made) == ["vol"]


def test_a_job_that_is_not_declared_is_refused_with_those_that_are(node: Node) -> None:
    with pytest.raises(HostError, match="there is no job vil: name one of pg, rd, vol, raw, etc, definition, raft, or"):
        node.run("vil")
    assert node.repository.asked == []


def test_where_nothing_is_to_be_done_the_repository_is_left_alone(node: Node) -> None:
    assert node.run("raft") == []
    assert node.repository.asked == []


def test_a_manager_without_quorum_backs_up_what_is_its_own_and_says_what_is_not(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_leader() -> list[dict[str, Any]]:
        raise NoQuorum("the swarm does not have a leader")

    monkeypatch.setattr(node.engine, "nodes", no_leader)
    missed = "the swarm itself is not backed up, for it has no quorum: the swarm does not have a leader"
    assert node.run() == [missed]
    assert sorted(node.repository.made) == ["etc", "pg", "raw", "rd", "vol"]
    assert node.run("pg") == []
    assert node.run("definition") == [missed]


def test_whose_turn_it_is_not_while_another_manager_is_stopped_for_its_own(
    node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nodes() -> list[dict[str, Any]]:
        return [
            {"ID": "id0", "Spec": {}, "ManagerStatus": {"Leader": True, "Reachability": "reachable"}},
            {"ID": "id1", "Spec": {}, "ManagerStatus": {"Reachability": "reachable"}},
        ]

    def held() -> list[dict[str, Any]]:
        labels = {"swarm.flotilla.backup.node": "m2", "swarm.flotilla.backup.since": str(int(time.time()))}
        return [{"ID": "c1", "Spec": {"Name": "flotilla_backup_lock", "Labels": labels}}]

    monkeypatch.setattr(node.engine, "nodes", nodes)
    monkeypatch.setattr(node.engine, "configs", held)
    assert node.run("raft") == []
    assert "raft: not backed up here: m2 backs up its state for 0 s already" in capsys.readouterr().out
    assert node.repository.made == {}


def test_an_engine_that_does_not_answer_has_no_jobs_that_could_be_left_out(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent() -> list[dict[str, Any]]:
        raise EngineUnreachable("no answer")

    monkeypatch.setattr(node.engine, "nodes", silent)
    with pytest.raises(EngineUnreachable):
        node.run()
    assert node.repository.made == {}


def test_whose_backups_these_are_must_be_known(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.settings = replace(node.settings, cluster_id="")
    monkeypatch.setattr(node.engine, "info", lambda: {"Swarm": {"LocalNodeState": "inactive"}})
    with pytest.raises(HostError, match="set swarm_backup_cluster_id, or let it join one"):
        node.run()
    assert node.repository.made == {}


# -- what is made of what --------------------------------------------------------------------------------------------


def test_postgres_is_dumped_in_its_own_container(node: Node) -> None:
    node.run("pg")
    filename, argv = node.repository.made["pg"]
    assert filename == "/pg.dump"
    assert argv[:5] == ["docker", "exec", "of-shop_db", "sh", "-euc"]
    assert argv[6:] == ["flotilla", "shop", "shop"]


def test_redis_is_told_where_its_password_is_and_not_the_password(node: Node) -> None:
    node.run("rd")
    filename, argv = node.repository.made["rd"]
    assert filename == "/rd.rdb"
    assert argv[:5] == ["docker", "exec", "of-shop_cache", "sh", "-euc"]
    assert argv[6:] == ["flotilla", "/run/secrets/redis_password"]


@pytest.mark.parametrize(("job", "frozen"), [("vol", ["of-shop_cache"]), ("raw", [])])
def test_a_volume_is_held_still_when_that_was_asked(node: Node, job: str, frozen: list[str]) -> None:
    seen: list[str] = []
    node.repository.meanwhile = lambda: seen.extend(node.engine.frozen)
    assert node.run(job) == []
    assert node.repository.made == {job: ["/volumes/x"]}
    assert (seen, node.engine.frozen) == (frozen, [])


@pytest.mark.parametrize("failure", [HostError("no space left"), SystemExit(143)])
def test_what_was_paused_goes_on_whatever_happens(node: Node, failure: BaseException) -> None:
    node.repository.fails = {"vol": failure}
    with ExitStack() as stack:
        if isinstance(failure, SystemExit):
            stack.enter_context(pytest.raises(SystemExit))
        node.run("vol")
    assert read("vol").verdict == status.FAILED
    assert node.engine.frozen == []
    assert not volumes.PAUSED.exists()


def test_the_definition_is_the_swarms_own(node: Node) -> None:
    node.run("definition")
    filename, found = node.repository.made["definition"]
    assert filename == "/definition.json"
    listed = {section: list(found[section]) for section in ("nodes", "secrets", "configs", "services", "networks")}
    wanted = {"nodes": ["m1"], "secrets": ["shop_password"], "configs": ["shop_settings"]}
    assert listed == {**wanted, "services": [], "networks": []}


def test_a_volume_that_lies_elsewhere_is_no_files_of_this_host(node: Node) -> None:
    node.engine.driver = "nfs"
    (problem,) = node.run("vol")
    assert problem == "vol: the volume shop_uploads is no local one (driver nfs): back it up where it is"
    assert node.repository.made == {}


# -- how it went -----------------------------------------------------------------------------------------------------


def test_a_backup_is_noted_and_not_good_yet(node: Node) -> None:
    node.noted("pg")
    node.run("pg")
    found = read("pg")
    assert (found.verdict, found.snapshot, found.bytes, found.seconds) == (status.UNVERIFIED, "new-pg", 7, 1.5)
    assert found.taken == found.attempted > TAKEN
    assert found.verified is not None
    assert found.verified.snapshot == "old-pg"


@pytest.mark.parametrize("error", [HostError("mend it"), EngineError("mend it")])
def test_what_fails_does_not_stop_what_comes_next(node: Node, error: Exception) -> None:
    node.repository.fails = {"pg": error, "vol": error}
    assert node.run() == ["pg: mend it", "vol: mend it"]
    assert list(node.repository.made) == ["rd", "raw", "etc", "definition"]
    assert (read("pg").verdict, read("pg").reason) == (status.FAILED, "mend it")
    assert read("rd").verdict == status.UNVERIFIED


def test_a_failure_keeps_what_there_was(node: Node) -> None:
    before = node.noted("pg")
    node.repository.fails = {"pg": HostError("mend it")}
    node.run("pg")
    found = read("pg")
    assert found == replace(before, verdict=status.FAILED, reason="mend it", attempted=found.attempted)
    assert found.attempted > TAKEN


def test_a_run_that_is_stopped_says_so_of_its_job(node: Node) -> None:
    before = node.noted("rd")
    node.repository.fails = {"rd": SystemExit(143)}
    with pytest.raises(SystemExit):
        node.run()
    assert (read("rd").verdict, read("rd").reason) == (status.FAILED, "it was stopped before its end")
    assert read("rd").snapshot == before.snapshot
    assert list(node.repository.made) == ["pg"]


def test_a_refusal_is_no_failure(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> raft.Made:
        raise Refused("another manager backs up its state now")

    monkeypatch.setattr(run, "_back_up", refuse)
    assert node.run("pg") == ["pg: another manager backs up its state now"]
    assert read("pg").verdict == status.REFUSED


def test_how_long_the_engine_stood_still_is_noted(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_back_up", lambda *_arguments: raft.Made(Summary("new", 7, 1.5), 21.0))
    assert node.run("pg") == []
    assert read("pg").engine_stopped == 21.0
    assert "the engine was stopped for 21.0 s" in read("pg").reason


# -- the repository --------------------------------------------------------------------------------------------------


def test_a_run_makes_no_repository_for_another_node_may_be_making_it(node: Node) -> None:
    node.run("pg")
    assert node.repository.asked == ["pg"]


def test_a_repository_is_made_where_there_is_none(node: Node) -> None:
    assert run.make_repository(node.settings) is True
    assert run.make_repository(node.settings) is False


def test_a_repository_that_was_lost_is_not_made_again(node: Node) -> None:
    node.noted("pg")
    with pytest.raises(HostError, match=r"no repository at .* any more, and this node has had backups in it \(pg\)"):
        run.make_repository(node.settings)
    assert "init" not in node.repository.asked
    node.repository.there = True
    assert run.make_repository(node.settings) is False


def test_the_leader_forgets_when_all_is_made(node: Node) -> None:
    node.run()
    assert node.repository.asked == [*LEADERS, "forget"]


def test_nobody_else_forgets(node: Node) -> None:
    node.engine.leader = False
    node.run()
    assert "etc" in node.repository.made
    assert "forget" not in node.repository.asked


def test_what_can_not_be_forgotten_is_said_and_fails_no_job(node: Node) -> None:
    node.repository.fails = {"forget": HostError("the repository stayed locked")}
    assert node.run() == ["what need not be kept was not forgotten: the repository stayed locked"]
    assert {read(name).verdict for name in LEADERS} == {status.UNVERIFIED}


# -- what could be read in part only ---------------------------------------------------------------------------------

LEFT = "%s is no backup, and the repository keeps it: remove it with `restic forget %s`, from where it may be removed"


def test_what_lacks_something_is_taken_away_when_all_goes_on(node: Node) -> None:
    """It may have to wait long for others."""
    frozen: list[list[str]] = []
    node.repository.meanwhile = lambda: frozen.append(list(node.engine.frozen))
    node.repository.partial = {"vol": "part1111"}
    assert node.run("vol") == ["vol: " + LACKS]
    assert node.repository.asked == ["snapshots", "discard part1111 patiently", "snapshots"]
    assert frozen == [["of-shop_cache"], []]
    assert (read("vol").verdict, read("vol").reason) == (status.FAILED, LACKS)
    assert store.partial() == {}


def test_what_lacks_something_is_noted_though_the_run_is_killed_then(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_container: str) -> None:
        raise SystemExit(143)

    node.repository.partial = {"vol": "part1111"}
    monkeypatch.setattr(node.engine, "unpause", killed)
    with pytest.raises(SystemExit):
        node.run("vol")
    assert store.partial() == {"part1111": LACKS}


def test_what_can_not_be_taken_away_stays_noted(node: Node) -> None:
    """The repository takes away nothing, and restic is content all the same."""
    node.repository.partial, node.repository.keeps = {"etc": "part1111"}, ["part1111"]
    assert node.run("etc") == ["etc: " + LACKS, LEFT % ("part1111", "part1111")]
    assert store.partial() == {"part1111": LACKS}


@pytest.mark.parametrize("failing", ["snapshots", "discard part1111 patiently"])
def test_a_repository_that_can_not_be_asked_has_lost_nothing(node: Node, failing: str) -> None:
    node.repository.partial, node.repository.fails = {"etc": "part1111"}, {failing: HostError("it is away")}
    assert node.run("etc") == [
        "etc: " + LACKS,
        "what could be read in part only was not taken out of the repository: it is away",
    ]
    assert store.partial() == {"part1111": LACKS}


def test_what_still_lacks_something_is_taken_away_first(node: Node) -> None:
    store.note_partial("part1111", LACKS)
    node.repository.held = ["part1111", "whole111"]
    assert node.run("etc") == []
    assert node.repository.asked == ["snapshots", "discard part1111 at once", "snapshots", "etc"]
    assert node.repository.held == ["whole111"]
    assert store.partial() == {}


def test_what_somebody_else_has_taken_away_is_noted_no_more(node: Node) -> None:
    store.note_partial("part1111", LACKS)
    node.repository.held = ["whole111"]
    assert node.run("raft") == []
    assert node.repository.asked == ["snapshots"]
    assert store.partial() == {}


def test_what_can_not_be_taken_away_first_keeps_nothing_from_being_backed_up(
    node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    store.note_partial("part1111", LACKS)
    node.repository.held = ["part1111"]
    node.repository.fails = {"discard part1111 at once": HostError("it is locked")}
    assert node.run("etc") == []
    assert "was not taken out of the repository: it is locked\n" in capsys.readouterr().out
    assert node.repository.asked[2:] == ["etc", "snapshots", "discard part1111 patiently", "snapshots"]
    assert store.partial() == {}


# -- metrics ---------------------------------------------------------------------------------------------------------


def test_metrics_say_how_all_jobs_stand(node: Node) -> None:
    node.noted("rd")
    node.repository.fails = {"pg": HostError("mend it")}
    node.run("pg")
    assert 'flotilla_backup_good{job="pg",kind="postgres"} 0\n' in node.metrics
    assert 'flotilla_backup_good{job="rd",kind="redis"} 1\n' in node.metrics
    assert Path(node.settings.textfile).stat().st_mode & 0o777 == 0o644


def test_metrics_tell_of_a_job_that_moved_no_more(node: Node) -> None:
    node.run()
    assert 'job="pg"' in node.metrics
    node.engine.here = tuple(service for service in SERVICES if service != "shop_db")
    node.run()
    assert 'job="pg"' not in node.metrics
    assert 'job="rd"' in node.metrics
    assert read("pg").snapshot


def test_of_a_volume_that_is_gone_nothing_stays_noted_after_a_day(node: Node) -> None:
    node.run()
    node.engine.here = tuple(service for service in SERVICES if service != "shop_cache")
    node.run()
    assert read("vol").snapshot, "its service may only be between two tasks"
    store.write(replace(read("vol"), attempted="2026-11-01T00:00:00Z"))
    node.run("pg")
    assert read("vol").snapshot
    node.run()
    assert store.read("vol") is None


def test_metrics_are_written_only_where_they_are_wanted(node: Node) -> None:
    wanted = Path(node.settings.textfile)
    node.settings = replace(node.settings, textfile="")
    assert node.run() == []
    assert not wanted.exists()


# -- one at a time ---------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.then: Callable[[], None] = lambda: None
        monkeypatch.setattr(lock, "time", types.SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep))

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.then()


def test_a_second_run_waits_and_then_says_who_works(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.delenv(lock.UNIT, raising=False)
    store.make_directories()
    with (
        lock.of_node(),
        pytest.raises(HostError, match=r"another run works on this node \(process \d+, since") as raised,
    ):
        node.run()
    assert "process %d, since 20" % os.getpid() in str(raised.value)
    assert clock.now == lock.PATIENCE
    assert node.repository.asked == []


def test_a_second_run_goes_on_when_the_first_has_ended(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    store.make_directories()
    with ExitStack() as first:
        first.enter_context(lock.of_node())
        clock.then = first.close
        assert node.run("pg") == []
    assert clock.now == 0.5
    assert list(node.repository.made) == ["pg"]


def test_a_run_of_systemd_waits_for_as_long_as_systemd_lets_it(
    node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No timer tries again before the next day; TimeoutStartSec ends what waits for too long."""
    clock = Clock(monkeypatch)
    monkeypatch.setenv(lock.UNIT, "0123456789abcdef0123456789abcdef")
    store.make_directories()
    with ExitStack() as first:
        first.enter_context(lock.of_node())
        clock.then = lambda: first.close() if clock.now >= 14000 else None
        assert node.run("pg") == []
    assert clock.now == 14000
    assert list(node.repository.made) == ["pg"]
    said = capsys.readouterr().out.splitlines()
    assert [line.split("(")[0] for line in said if "waiting for its end" in line] == ["another run works on this node "]


@pytest.mark.usefixtures("node")
def test_a_run_that_is_to_wait_for_nobody_does_not_in_a_unit_either(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setenv(lock.UNIT, "0123456789abcdef0123456789abcdef")
    store.make_directories()
    with lock.of_node(), pytest.raises(lock.Held), lock.of_node(patience=0):
        pass
    assert clock.now == 0


def test_what_a_run_before_left_behind_is_put_right_first(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    store.make_directories()
    store.write_file(volumes.PAUSED, '["of-shop_cache"]', 0o600)
    node.engine.frozen = ["of-shop_cache"]
    started: list[bool] = []
    monkeypatch.setattr(raft, "start_engine", lambda _engine: started.append(not node.repository.asked))
    frozen: list[str] = []
    node.repository.meanwhile = lambda: frozen.extend(node.engine.frozen)
    assert node.run("pg") == []
    assert (started, frozen) == ([True], [])
