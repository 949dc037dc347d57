# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup is good only when it was restored, by the node that made it, and what was made for that is gone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import databases, store, trials, verify
from ansible_collections.flotilla.swarm.plugins.module_utils._agent.throwaway import PLACE
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import restic, status
from ansible_collections.flotilla.swarm.plugins.module_utils._host import raft_state, swarm_state
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.module_utils._host.restic import Unavailable

from tests.support import raft_files, secretbox
from tests.support.backup_agent import JOB, NODE, Docker, Engine, Repository, on_node, raft_backup, settings, snapshot

TAKEN = "2026-11-22T23:00:00Z"


def noted(job: str, id: str, size: int = 0) -> None:  # noqa: A002
    """This node has made a snapshot."""
    summary = restic.Summary(id, size, 1.0)
    store.write(status.after_success(None, JOB[job], NODE, summary, TAKEN))


def read(job: str) -> status.Status:
    found = store.read(job)
    assert found is not None
    return found


class Node:
    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repository = Repository()
        self.engine = Engine("shop_db", "shop_cache")
        self.answers: dict[str, tuple[int, str, str] | str] = {}
        self.docker: Docker = on_node(tmp_path, monkeypatch, self.repository, self.answer)
        monkeypatch.setattr(trials, "LOAD_SECONDS", 0.0)
        store.make_directories()

    def answer(self, words: list[str]) -> tuple[int, str, str] | str | None:
        return next((answer for word, answer in self.answers.items() if word in words), None)

    def made(self, job: str, id: str = "aaaa1111", size: int = 0) -> None:  # noqa: A002
        noted(job, id, size)
        self.repository.held.append(snapshot(id, job))

    def verify(self, job: str = "all") -> list[str]:
        return verify.verify(job, settings(), self.engine)  # type: ignore[arg-type]

    @property
    def removed(self) -> bool:
        """The container is gone, with its volume, whatever came before."""
        return self.docker.asked[-1] == ["docker", "rm", "--force", "--volumes", "throw"]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


# -- databases -------------------------------------------------------------------------------------------------------


def test_postgres_is_restored_into_a_container_and_asked(node: Node) -> None:
    node.made("pg")
    node.answers = {"--command=%s" % trials.TABLES: "42\n", "--command=SELECT count(*) FROM orders": "1234\n"}
    assert node.verify() == []
    found = read("pg")
    assert found.verdict == status.GOOD
    assert found.verified is not None
    assert found.verified.snapshot == "aaaa1111"
    assert found.verified.evidence == "42 tables restored; SELECT count(*) FROM orders = 1234"
    assert node.removed


def test_the_container_reaches_nobody_and_pulls_nothing(node: Node) -> None:
    node.made("pg")
    node.verify()
    made = node.docker.said("run")
    for pair in (("--network", "none"), ("--cap-drop", "ALL"), ("--pull", "never"), ("--user", "70:70")):
        at = made.index(pair[0])
        assert made[at + 1] == pair[1]
    assert made[-3:-1] == ["sleep", "sha256:1234"]
    assert "--rm" in made
    (fed,) = node.repository.fed
    assert fed[:6] == ["docker", "exec", "--interactive", "throw", "sh", "-euc"]


def test_a_trial_restores_as_the_restore_does_but_for_tablespaces(node: Node) -> None:
    """Else a backup could be good here, and fail for an owner or a grant when it is needed."""
    node.made("pg")
    node.verify()
    (fed,) = node.repository.fed
    words = ["--create", "--clean", "--if-exists", "--no-tablespaces"]
    assert fed[4:] == databases.undump("shop", "template1", *words, place=PLACE)


def test_the_container_outlives_who_made_it_and_no_more(node: Node) -> None:
    told = replace(settings(), deadline=50_000)
    store.write_file(store.SETTINGS, json.dumps(told.as_dict()), 0o600)
    node.made("pg")
    node.verify()
    assert node.docker.said("run")[-1] == str(told.limit)


@pytest.mark.parametrize(
    ("user", "expected"), [("", "postgres"), ("root", "postgres"), ("0:0", "postgres"), ("7", "7")]
)
def test_a_database_never_runs_as_root(node: Node, user: str, expected: str) -> None:
    node.engine.user = user
    node.made("pg")
    node.verify()
    made = node.docker.said("run")
    assert made[made.index("--user") + 1] == expected


def test_a_dump_that_is_damaged_is_not_good(node: Node) -> None:
    node.made("pg")
    node.repository.refuses = "pg_restore: error: COPY failed for table\nDETAIL:  Key (mail)=(a@example.com) exists."
    (problem,) = node.verify()
    assert problem == "pg: the backup aaaa1111 is not good: pg_restore: error: COPY failed for table"
    assert "example.com" not in read("pg").reason
    assert read("pg").verdict == status.FAILED
    assert node.removed


def test_a_repository_that_can_not_be_used_now_refutes_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else prunes, say. What was proved stays so, and what was not is no failure."""

    def locked(*_arguments: object) -> bytes:
        raise Unavailable("the repository stayed locked")

    node.made("pg")
    before = read("pg")
    monkeypatch.setattr(node.repository, "dump_to", locked)
    assert node.verify() == ["pg: not verified: the repository stayed locked"]
    assert read("pg") == before


@pytest.mark.parametrize("job", ["pg", "rd"])
def test_a_trial_takes_no_room_that_what_runs_may_need(node: Node, monkeypatch: pytest.MonkeyPatch, job: str) -> None:
    monkeypatch.setattr(swarm_state, "free", lambda _place: 9 << 20)
    monkeypatch.setattr(verify, "_memory", lambda: 9 << 20)
    node.made(job, size=1 << 20)
    before = read(job)
    (problem,) = node.verify()
    assert "%s: not verified: there is no room to restore it beside what runs" % job in problem
    assert "has 9 MiB free, and it may take 10" in problem
    assert not any("run" in words for words in node.docker.asked)
    assert read(job) == before


def test_what_programs_can_still_have_is_read_off_the_kernel() -> None:
    assert 1 << 20 < verify._memory() < 1 << 50


def test_a_database_that_has_no_answer_is_not_good(node: Node) -> None:
    node.made("pg")
    node.answers = {"--command=%s" % trials.TABLES: "0\n", "--command=SELECT count(*) FROM orders": "\n"}
    assert "has no answer to the job's query: SELECT count(*) FROM orders" in node.verify()[0]
    assert node.removed


def test_an_image_without_the_tools_is_named(node: Node) -> None:
    node.made("pg")
    node.answers = {"initdb": (1, "", "")}
    assert "the image shop/db:1 has no initdb" in node.verify()[0]
    assert node.removed


def test_a_service_that_runs_nowhere_refutes_nothing(node: Node) -> None:
    node.made("pg")
    node.verify()
    node.answers = {"--command=%s" % trials.TABLES: "1\n", "--command=SELECT count(*) FROM orders": "1\n"}
    node.verify()
    node.engine.services = ()
    assert node.verify() == ["pg: not verified: no task of shop_db runs on this node, so its image is not at hand"]
    assert read("pg").verdict == status.GOOD


def test_what_was_left_behind_is_removed_first(node: Node) -> None:
    node.made("pg")
    node.answers = {"ps": "old1\nold2\n"}
    node.verify()
    words = [asked[-1] for asked in node.docker.asked if asked[:2] == ["docker", "rm"]]
    assert words == ["old1", "old2", "throw"]


def test_a_container_that_removes_itself_is_no_fault(node: Node) -> None:
    node.made("pg")
    node.answers = {
        "rm": (1, "", "Error response from daemon: removal of container throw is already in progress"),
        "--command=%s" % trials.TABLES: "1\n",
        "--command=SELECT count(*) FROM orders": "1\n",
    }
    assert node.verify() == []
    node.answers["rm"] = (1, "", "device or resource busy")
    assert "throw can't be removed: device or resource busy" in node.verify()[0]


def test_redis_loads_what_was_backed_up(node: Node) -> None:
    node.made("rd")
    node.answers = {
        "PING": "PONG\n",
        "INFO": "# Keyspace\r\ndb0:keys=12,expires=1,avg_ttl=0\r\ndb3:keys=3,expires=0\r\n",
    }
    assert node.verify() == []
    found = read("rd").verified
    assert found is not None
    assert found.evidence == "15 keys restored"
    server = node.docker.said("redis-server", "--port")
    assert server[server.index("--port") + 1] == "0"
    assert node.removed


def test_a_redis_dump_that_is_damaged_is_not_good_and_names_no_key(node: Node) -> None:
    node.made("rd")
    said = "[offset 0] Checking\n--- RDB ERROR DETECTED ---\n[offset 9] Wrong signature\n[info] Reading key 's3cret'"
    node.answers = {"/flotilla/rd.rdb": (1, said, "")}
    (problem,) = node.verify()
    assert problem.endswith("redis-check-rdb says: [offset 9] Wrong signature")
    assert node.removed


def test_a_redis_that_does_not_load_in_time_is_not_good(node: Node) -> None:
    node.made("rd")
    node.answers = {"PING": "LOADING Redis is loading\n", "tail": "Bad file format\n"}
    assert "has not loaded what was backed up within 0 s: Bad file format" in node.verify()[0]
    assert node.removed


# -- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two files of nine bytes, and a link."""
    root = tmp_path / "tree"
    (root / "etc" / "shop").mkdir(parents=True)
    (root / "etc" / "shop" / "a").write_bytes(b"1234")
    (root / "etc" / "b").write_bytes(b"12345")
    (root / "etc" / "link").symlink_to("b")
    return root


@pytest.mark.parametrize("job", ["etc", "vol"])
def test_files_are_restored_and_counted(node: Node, tree: Path, job: str) -> None:
    node.made(job, size=9)
    node.repository.trees["aaaa1111"] = tree
    assert node.verify() == []
    found = read(job).verified
    assert found is not None
    assert found.evidence == "2 files restored and compared, 9 bytes"
    assert node.repository.restored == [("/", str(verify.STAGING), False)]
    assert not verify.STAGING.exists()


def test_bytes_that_are_missing_are_found(node: Node, tree: Path) -> None:
    node.made("etc", size=10)
    node.repository.trees["aaaa1111"] = tree
    assert "10 bytes were backed up, and 9 restored" in node.verify()[0]
    assert not verify.STAGING.exists()


def test_without_room_nothing_is_restored(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.made("etc", size=10 << 20)
    monkeypatch.setattr(swarm_state, "free", lambda _path: 10 << 20)
    assert "has 10 MiB free, and 11 are needed: make room there" in node.verify()[0]
    assert node.repository.restored == []


NOT_ALL = "restic could not read all of it: mend what it names (restic: open /etc/shop/a: permission denied)"


def test_what_lacks_something_is_never_good_though_it_can_be_restored(node: Node, tree: Path) -> None:
    node.made("etc", size=9)
    node.repository.trees = {"aaaa1111": tree, "bbbb2222": tree}
    assert node.verify() == []
    proved = read("etc")
    node.repository.held.append(snapshot("bbbb2222", "etc", minute=5))
    store.note_partial("bbbb2222", NOT_ALL)
    (problem,) = node.verify()
    assert problem == "etc: the backup bbbb2222 is not good: it is not whole: %s; then back up again" % NOT_ALL
    found = read("etc")
    assert (found.verdict, found.snapshot, found.taken) == (status.FAILED, proved.snapshot, proved.taken)
    assert (found.bytes, found.verified) == (9, proved.verified)
    assert NOT_ALL in found.reason
    assert len(node.repository.restored) == 1
    node.repository.held.pop()
    store.keep_partial([])
    assert node.verify() == []
    assert read("etc").verdict == status.GOOD


def test_whether_something_is_lacking_must_be_known(node: Node, tree: Path) -> None:
    node.made("etc", size=9)
    node.repository.trees["aaaa1111"] = tree
    before = read("etc")
    (store.STATE / "partial.json").write_text("[]", encoding="utf-8")
    with pytest.raises(HostError, match=r"partial.json can't be read \(.*\): remove it, and back up again"):
        node.verify()
    assert read("etc") == before


# -- the swarm's own -------------------------------------------------------------------------------------------------


def definition(**changed: object) -> bytes:
    whole = {"services": {"a": {}}, "nodes": {"m1": {}}, "networks": {}, "secrets": {}, "configs": {}}
    return json.dumps({**whole, **changed}).encode()


def test_a_definition_is_read_and_the_repository_checked(node: Node) -> None:
    node.made("definition")
    node.repository.files["aaaa1111", "/definition.json"] = definition()
    assert node.verify() == []
    found = read("definition").verified
    assert found is not None
    assert found.evidence == (
        "1 services, 1 nodes, 0 networks, 0 secrets, 0 configs; the repository is whole (5% of its data read)"
    )
    assert node.repository.checked == 1


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", definition(nodes={}), definition(services=None)])
def test_what_is_no_definition_is_not_good(node: Node, data: bytes) -> None:
    node.made("definition")
    node.repository.files["aaaa1111", "/definition.json"] = data
    assert "it is no definition of a swarm" in node.verify()[0]


def test_the_raft_state_is_opened_with_the_key_that_was_kept(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raft_state, "secretbox", lambda: secretbox.unseal)
    node.made("raft")
    state = raft_files.make_state(tmp_path / "made" / "swarm")
    raft_backup(node.repository, node.repository.held[0], state, raft_files.UNLOCK_KEY)
    assert node.verify() == []
    found = read("raft").verified
    assert found is not None
    assert found.evidence.startswith("the state of m1: its key opened with the unlock key; 3 entries, 3 encrypted")
    assert not verify.STAGING.exists()
    node.engine.version = "25.0.1"
    assert "and this one is 25.0.1" in node.verify()[0]


# -- whose turn it is ------------------------------------------------------------------------------------------------


def test_only_what_this_node_made_is_its_own(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.made("definition")
    node.repository.held.append(snapshot("bbbb2222", "definition", minute=5, host="n2"))
    assert node.verify() == []
    assert "definition: not verified here: n2 has made a newer backup" in capsys.readouterr().out
    assert read("definition").verdict == status.UNVERIFIED


@pytest.mark.parametrize("job", ["etc", "vol"])
def test_files_and_volumes_are_each_nodes_own(node: Node, tree: Path, job: str) -> None:
    node.made(job, size=9)
    node.repository.trees["aaaa1111"] = tree
    node.repository.held.append(snapshot("bbbb2222", job, minute=5, host="n2"))
    assert node.verify() == []
    assert read(job).verdict == status.GOOD


def test_another_swarms_backup_is_not_taken_for_ours(node: Node) -> None:
    noted("definition", "aaaa1111")
    node.repository.held.append(snapshot("bbbb2222", "definition", minute=5, swarm="cluster2"))
    assert node.verify() == ["definition: the backup aaaa1111 is not good: the repository does not have it any more"]
    assert read("definition").verdict == status.FAILED


def test_one_failure_does_not_keep_the_others_from_being_verified(node: Node, tree: Path) -> None:
    node.made("pg", "cccc3333")
    node.made("etc", "aaaa1111", size=9)
    node.repository.trees["aaaa1111"] = tree
    node.answers = {"initdb": (1, "", "")}
    assert len(node.verify()) == 1
    assert (read("pg").verdict, read("etc").verdict) == (status.FAILED, status.GOOD)


def test_a_job_that_is_not_declared_is_an_error(node: Node) -> None:
    with pytest.raises(HostError, match="there is no job nothing: name one of pg, rd, "):
        node.verify("nothing")
