# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup is put back into stays usable, whatever becomes of the restore."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import lock, restore, store, trials
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import status
from ansible_collections.flotilla.swarm.plugins.module_utils._host import swarm_state
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import CutShort, HostError
from ansible_collections.flotilla.swarm.plugins.module_utils._host.restic import Untouched

from tests.support.backup_agent import Engine, Repository, on_node, settings, snapshot

MASTER = "OK\n# Replication\r\nrole:master\r\nmaster_link_status:%s\r\nmaster_sync_in_progress:0\r\n"
PERSISTENCE = (
    "OK\naof_enabled:%d\r\naof_rewrite_in_progress:0\r\naof_rewrite_scheduled:0\r\n"
    "aof_last_bgrewrite_status:ok\r\nrdb_bgsave_in_progress:0\r\nrdb_last_bgsave_status:ok\r\n"
)
KEYS = "OK\ndb0:keys=%d,expires=0,avg_ttl=0\r\n"


class Node:
    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repository = Repository(*(snapshot("aaaa1111", job) for job in ("pg", "rd", "vol", "raw", "etc", "raft")))
        self.engine = Engine("shop_db", "shop_cache")
        self.engine.mountpoint = str(tmp_path / "volume")
        (tmp_path / "volume").mkdir()
        self.answers: dict[str, Any] = {}
        self.docker = on_node(tmp_path, monkeypatch, self.repository, self.answer)
        monkeypatch.setattr(restore, "SYNC_SECONDS", 0.0)
        monkeypatch.setattr(trials, "LOAD_SECONDS", 0.0)

    def answer(self, words: list[str]) -> Any:
        return next((answer for word, answer in self.answers.items() if word in words), None)

    def restore(self, job: str, asked: str = "latest", host: str = "") -> dict[str, Any]:
        return restore.restore(job, asked, settings(), self.engine, host)  # type: ignore[arg-type]

    def requests(self) -> list[str]:
        """What the service's Redis server was asked, in order."""
        return [asked[-1] for asked in self.docker.asked if "live" in asked and "sh" in asked]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(tmp_path, monkeypatch)


# -- PostgreSQL ------------------------------------------------------------------------------------------------------


def test_postgres_is_replaced_in_one_transaction(node: Node) -> None:
    node.answers = {"--command=%s" % trials.TABLES: "42\n", "--command=SELECT count(*) FROM orders": "7\n"}
    found = node.restore("pg")
    assert found["evidence"] == "42 tables there; SELECT count(*) FROM orders = 7"
    assert (found["job"], found["snapshot"], found["node"]) == ("pg", "aaaa1111", "n1")
    (fed,) = node.repository.fed
    assert "live" in fed
    assert fed[-7:] == ["flotilla", "shop", "shop", "", "--clean", "--if-exists", "--single-transaction"]
    # Whoever holds a table can't make it wait forever, and the job's query changes nothing.
    assert "PGOPTIONS=-c lock_timeout=60s" in fed
    assert "PGOPTIONS=-c default_transaction_read_only=on" in node.docker.said("--command=SELECT count(*) FROM orders")


def test_a_postgres_that_refuses_is_as_it_was(node: Node) -> None:
    node.repository.refuses = "pg_restore: error: canceling statement due to lock timeout\nDETAIL: a row"
    with pytest.raises(HostError, match=r"^the database is as it was: pg_restore: .* lock timeout$"):
        node.restore("pg")


def test_roles_that_were_made_are_told_of(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.answers = {"--command=%s" % trials.TABLES: "42\n", "--command=SELECT count(*) FROM orders": "7\n"}
    said = b"roles made without a password: app_ro\n"
    monkeypatch.setattr(node.repository, "dump_to", lambda *_words: said)
    wanted = "42 tables there; SELECT count(*) FROM orders = 7; roles made without a password: app_ro"
    assert node.restore("pg")["evidence"] == wanted


def test_what_depends_on_what_is_replaced_is_named(node: Node) -> None:
    node.repository.refuses = (
        "pg_restore: error: could not execute query: ERROR:  cannot drop table public.orders because other objects "
        "depend on it\nDETAIL:  view public.recent depends on table public.orders\nconstraint c on table public.lines "
        "depends on table public.orders\nHINT:  Use DROP ... CASCADE to drop the dependent objects too.\n"
        "Command was: DROP TABLE x;"
    )
    with pytest.raises(HostError) as caught:
        node.restore("pg")
    assert str(caught.value).endswith(
        "ERROR:  cannot drop table public.orders because other objects depend on it (view public.recent depends on "
        "table public.orders; constraint c on table public.lines depends on table public.orders): drop what was added "
        "since the backup, and start again"
    )


def test_the_script_that_restores_is_no_part_of_a_sentence(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_snapshot: str, _path: str, argv: list[str]) -> bytes:
        raise HostError("`%s` says: pg_restore: error: no such thing" % " ".join(argv))

    monkeypatch.setattr(node.repository, "dump_to", fails)
    with pytest.raises(HostError) as caught:
        node.restore("pg")
    assert str(caught.value) == "the database is as it was: `pg_restore` says: pg_restore: error: no such thing"


def test_a_database_is_restored_where_it_runs(node: Node) -> None:
    node.engine.services = ()
    with pytest.raises(HostError, match="no task of shop_db runs on this node"):
        node.restore("pg")


def test_what_lacks_something_is_not_put_back(node: Node) -> None:
    node.repository.held.append(snapshot("bbbb2222", "pg", minute=5))
    store.note_partial("bbbb2222", "restic could not read all of it")
    node.answers = {"--command=%s" % trials.TABLES: "42\n", "--command=SELECT count(*) FROM orders": "7\n"}
    assert node.restore("pg")["snapshot"] == "aaaa1111"
    with pytest.raises(HostError, match="the snapshot bbbb2222 is no backup"):
        node.restore("pg", "bbbb2222")
    assert len(node.repository.fed) == 1


# -- Redis -----------------------------------------------------------------------------------------------------------


def redis(node: Node, *, link: str = "up", aof: int = 1, there: int = 15) -> None:
    node.answers = {
        "PING": "PONG\n",
        "keyspace": KEYS % 15,
        "INFO replication": MASTER % link,
        "INFO persistence": PERSISTENCE % aof,
        "INFO keyspace": KEYS % there,
        "REPLICAOF 127.0.0.1 16379": "OK\nOK\n",
        "REPLICAOF NO ONE": "OK\nOK\n",
        "BGSAVE": "OK\nBackground saving started\n",
    }


def test_redis_becomes_a_replica_for_a_moment(node: Node) -> None:
    redis(node)
    assert node.restore("rd")["evidence"] == "15 keys restored; the server has 15"
    assert node.requests() == [
        "INFO replication",
        "REPLICAOF 127.0.0.1 16379",
        "INFO replication",
        "REPLICAOF NO ONE",
        "INFO persistence",
        "INFO persistence",
        "INFO keyspace",
    ]
    made = node.docker.said("run")
    assert made[made.index("--network") + 1] == "container:live"
    server = node.docker.said("redis-server", "--bind")
    assert server[server.index("--bind") + 1] == "127.0.0.1"


def test_redis_without_an_append_only_file_saves(node: Node) -> None:
    redis(node, aof=0)
    node.restore("rd")
    assert "BGSAVE" in node.requests()


def test_redis_is_a_master_again_whatever_happens(node: Node) -> None:
    redis(node, link="down")
    with pytest.raises(HostError, match="has not taken over what was backed up within 0 s"):
        node.restore("rd")
    assert node.requests()[-1] == "REPLICAOF NO ONE"
    assert node.docker.asked[-1] == ["docker", "rm", "--force", "--volumes", "throw"]


def test_redis_that_still_loads_is_asked_again(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    redis(node)
    loading = iter(["OK\nLOADING Redis is loading the dataset in memory\n"] * 2)
    again = node.answer

    def answer(words: list[str]) -> Any:
        return next(loading, None) or again(words) if words[-1] == "REPLICAOF NO ONE" else again(words)

    monkeypatch.setattr(node.docker, "answer", answer)
    assert node.restore("rd")["evidence"] == "15 keys restored; the server has 15"
    assert node.requests().count("REPLICAOF NO ONE") == 3


@pytest.mark.parametrize(
    "said", ["OK\nLOADING Redis is loading the dataset in memory\n", "OK\nNOPERM no\n", (1, "", "gone")]
)
def test_redis_that_stays_a_replica_is_told_of(node: Node, monkeypatch: pytest.MonkeyPatch, said: Any) -> None:
    redis(node)
    node.answers["REPLICAOF NO ONE"] = said
    monkeypatch.setattr(restore, "_LOADING_SECONDS", 0.0)
    with pytest.raises(CutShort, match=r"the server of shop_cache is left a replica .* REPLICAOF NO ONE mends that"):
        node.restore("rd")


def test_a_dump_that_does_not_load_never_reaches_the_server(node: Node) -> None:
    redis(node)
    node.answers = {"/flotilla/rd.rdb": (1, "RDB ERROR DETECTED ---\n[offset 9] Wrong signature", ""), **node.answers}
    with pytest.raises(HostError, match="Wrong signature"):
        node.restore("rd")
    assert node.requests() == ["INFO replication"]


def test_a_replica_is_not_restored_into(node: Node) -> None:
    redis(node)
    node.answers["INFO replication"] = "OK\nrole:slave\r\n"
    with pytest.raises(HostError, match=r"is a replica .* REPLICAOF NO ONE"):
        node.restore("rd")
    assert node.requests() == ["INFO replication"]


def test_a_password_that_is_wrong_is_told(node: Node) -> None:
    node.answers = {"INFO replication": "WRONGPASS invalid username-password pair\nNOAUTH Authentication required.\n"}
    with pytest.raises(HostError, match="redis does not answer `INFO replication`: WRONGPASS"):
        node.restore("rd")


def test_a_server_that_has_nothing_afterwards_is_an_error(node: Node) -> None:
    redis(node, there=0)
    with pytest.raises(HostError, match="15 keys were loaded, and the server has none"):
        node.restore("rd")


# -- volumes ---------------------------------------------------------------------------------------------------------


def staging() -> Path:
    return store.STAGING / "restore"


def both(node: Node) -> list[tuple[str, str, bool]]:
    """What is restored when all goes well: elsewhere first, and then in place."""
    place = node.engine.mountpoint
    return [(place, str(staging()), False), (place, place, True)]


def test_a_volume_is_proved_elsewhere_and_then_replaced(node: Node) -> None:
    assert node.restore("vol")["evidence"] == "0 files restored and compared, 0 bytes"
    assert node.repository.restored == both(node)
    assert not staging().exists()


def test_a_damaged_backup_leaves_the_volume_as_it_was(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = Path(node.engine.mountpoint)
    (live / "upload").write_bytes(b"live")
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "upload").write_bytes(b"backed up")
    node.repository.trees["aaaa1111"] = whole
    staging().mkdir(parents=True)
    (staging() / "of_a_run_that_was_killed").touch()
    put_back = node.repository.restore
    found: list[tuple[list[str], int]] = []

    def damaged(_snapshot: str, _path: str, target: str, *, delete: bool = False) -> None:
        """As restic: what comes before the damage is written, and what the backup doesn't have is gone."""
        found.append((sorted(path.name for path in Path(target).iterdir()), Path(target).stat().st_mode & 0o777))
        put_back(_snapshot, _path, target, delete=delete)
        raise HostError("the repository is damaged")

    monkeypatch.setattr(node.repository, "restore", damaged)
    with pytest.raises(HostError, match=r"^the volume shop_uploads is as it was: the repository is damaged$"):
        node.restore("vol")
    assert found == [([], 0o700)]
    assert node.repository.restored == both(node)[:1]
    assert {path.name: path.read_bytes() for path in live.iterdir()} == {"upload": b"live"}
    assert not staging().exists()


@pytest.mark.parametrize("noted", ["aaaa1111", "bbbb2222"])
def test_without_room_the_volume_is_as_it_was(node: Node, monkeypatch: pytest.MonkeyPatch, noted: str) -> None:
    # The size of the snapshot where it is noted, else that of what is there.
    sizes = {"aaaa1111": (10 << 20, 1 << 20), "bbbb2222": (1 << 20, 10 << 20)}[noted]
    store.write(status.Status("vol", "volume", "n1", status.GOOD, snapshot=noted, bytes=sizes[0]))
    monkeypatch.setattr(swarm_state, "size", lambda _root: sizes[1])
    monkeypatch.setattr(swarm_state, "free", lambda _directory: 10 << 20)
    with pytest.raises(HostError) as caught:
        node.restore("vol")
    assert "is as it was: there is no room" in str(caught.value)
    assert "%s has 10 MiB free, and 11 are needed" % store.STAGING in str(caught.value)
    assert node.repository.restored == []


def test_the_volume_needs_room_for_what_it_does_not_have(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """restic removes what the backup does not have last, and what it writes over needs no more than it has grown."""
    live, whole = Path(node.engine.mountpoint), tmp_path / "whole"
    (whole / "more").mkdir(parents=True)
    (whole / "more" / "new").write_bytes(b"x" * (1 << 20))
    (whole / "grown").write_bytes(b"x" * (3 << 20))
    (live / "grown").write_bytes(b"x" * (2 << 20))
    (live / "more").write_bytes(b"in the way of a directory")
    (live / "only_here").write_bytes(b"x" * (9 << 20))
    node.repository.trees["aaaa1111"] = whole
    free = {str(store.STAGING): 1 << 40, node.engine.mountpoint: (2 << 20) + 100000}
    monkeypatch.setattr(swarm_state, "free", lambda directory: free[str(directory)])
    with pytest.raises(HostError) as caught:
        node.restore("vol")
    assert "the volume shop_uploads is as it was: there is no room" in str(caught.value)
    assert "%s has 2 MiB free, and 2 are needed" % live in str(caught.value)
    assert node.repository.restored == both(node)[:1]
    free[node.engine.mountpoint] += 1 << 20
    (live / "more").unlink()
    node.restore("vol")
    assert node.repository.restored == [*both(node)[:1], *both(node)]


@pytest.fixture
def alarm() -> Iterator[None]:
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.mark.usefixtures("alarm")
@pytest.mark.parametrize(("left", "kept"), [(99, True), (101, False), (0, False)])
def test_what_could_be_cut_short_is_not_begun(
    node: Node, monkeypatch: pytest.MonkeyPatch, left: int, kept: bool
) -> None:
    """The rehearsal takes 100 seconds of those there are before the alarm; without an alarm there is no end of them."""
    clock = iter([1000.0, 1100.0])
    monkeypatch.setattr(restore, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    signal.setitimer(signal.ITIMER_REAL, left)
    if kept:
        with pytest.raises(HostError, match=r"is as it was: .* took 100 s, and 98 s are left .*swarm_backup_deadline"):
            node.restore("vol")
        assert node.repository.restored == both(node)[:1]
    else:
        node.restore("vol")
        assert node.repository.restored == both(node)


@pytest.mark.parametrize(
    "failure",
    [HostError("no space left"), OSError(28, "no space left"), SystemExit("not within 9 s"), SystemExit(143)],
)
@pytest.mark.parametrize(
    ("first", "now", "kind"),
    [
        (True, "is as it was", HostError),
        (False, "holds a mixture now: restore it again before its service runs", CutShort),
    ],
)
def test_who_fails_or_is_stopped_says_what_the_volume_holds(
    node: Node,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    failure: BaseException,
    first: bool,
    now: str,
    kind: type[HostError],
) -> None:
    def put_back(_snapshot: str, _path: str, _target: str, *, delete: bool = False) -> None:
        if delete != first:
            raise failure

    monkeypatch.setattr(node.repository, "restore", put_back)
    with pytest.raises(SystemExit if isinstance(failure, SystemExit) else kind) as caught:
        node.restore("vol")
    said = "the volume shop_uploads " + now
    if not isinstance(failure, SystemExit):
        assert isinstance(caught.value, CutShort) == (kind is CutShort)
        assert str(caught.value).startswith(said + ": ")
        assert str(caught.value).endswith("no space left")
    else:
        # Neither the signal's status nor that of a text, which is 1, tells whether something is half done.
        assert caught.value.code == (3 if kind is CutShort else 1)
        assert capsys.readouterr().err == said + ("\n" if failure.code == 143 else "\nnot within 9 s\n")
    assert not staging().exists()


def test_a_repository_that_does_not_open_leaves_the_volume(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def put_back(_snapshot: str, _path: str, _target: str, *, delete: bool = False) -> None:
        if delete:
            raise Untouched("somebody prunes it")

    monkeypatch.setattr(node.repository, "restore", put_back)
    with pytest.raises(HostError, match=r"^the volume shop_uploads is as it was: somebody prunes it$") as caught:
        node.restore("vol")
    assert not isinstance(caught.value, CutShort)


def test_who_fails_to_count_what_is_restored_has_restored_it(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(_place: Path) -> None:
        raise OSError(5, "broken")

    monkeypatch.setattr(restore, "measure", measured)
    with pytest.raises(HostError, match=r"^the volume shop_uploads is restored: .*broken$") as caught:
        node.restore("vol")
    assert not isinstance(caught.value, CutShort)


def test_a_service_that_comes_while_its_volume_is_written_over_has_a_mixture(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_back = node.repository.restore

    def watched(*arguments: Any, delete: bool = False) -> None:
        put_back(*arguments, delete=delete)
        if delete:
            node.engine.users = [{"Id": "u1", "Names": ["/shop_web.1.x"]}]

    monkeypatch.setattr(node.repository, "restore", watched)
    with pytest.raises(CutShort, match=r"holds a mixture now: .* is in use by shop_web\.1\.x"):
        node.restore("vol")


@pytest.mark.parametrize(("restores", "kind"), [(True, CutShort), (False, lock.Held)])
def test_who_waits_for_another_restore_does_not_know_what_is_there(
    node: Node, monkeypatch: pytest.MonkeyPatch, restores: bool, kind: type[HostError]
) -> None:
    """It may be this very one, begun over a connection that was lost since."""
    monkeypatch.setattr(lock, "PATIENCE", 0.0)
    store.make_directories()
    with lock.of_node(restores=restores), pytest.raises(kind, match="another run works on this node") as caught:
        node.restore("vol")
    assert isinstance(caught.value, CutShort) == restores
    assert node.repository.restored == []


@pytest.mark.parametrize(("job", "volume"), [("vol", "shop_uploads"), ("raw", "shop_raw")])
def test_who_comes_meanwhile_keeps_the_volume(
    node: Node, monkeypatch: pytest.MonkeyPatch, job: str, volume: str
) -> None:
    put_back = node.repository.restore

    def watched(*arguments: Any, **more: Any) -> None:
        put_back(*arguments, **more)
        node.engine.users = [{"Id": "u1", "Names": ["/shop_web.1.x"]}]

    monkeypatch.setattr(node.repository, "restore", watched)
    with pytest.raises(HostError, match=r"the volume %s is in use by shop_web\.1\.x" % volume):
        node.restore(job)
    assert node.repository.restored == both(node)[:1]


@pytest.mark.parametrize(("job", "volume"), [("vol", "shop_uploads"), ("raw", "shop_raw")])
def test_a_volume_must_not_be_in_use_also_one_that_is_frozen_for_its_backup(node: Node, job: str, volume: str) -> None:
    # A process that is frozen goes on with its memory afterwards, and writes over what was restored.
    node.engine.users = [{"Id": "u1", "Names": ["/shop_web.1.x"]}, {"Id": "u2", "State": "paused"}]
    with pytest.raises(
        HostError, match=r"the volume %s is in use by shop_web.1.x, u2: scale its service to 0" % volume
    ):
        node.restore(job)
    assert (node.repository.restored, node.engine.frozen) == ([], [])
    node.engine.users = []
    node.restore(job)
    assert node.repository.restored == both(node)


# -- a volume that several nodes have --------------------------------------------------------------------------------


def test_each_node_gets_its_own_newest_where_several_have_the_volume(node: Node) -> None:
    node.repository.held = [
        snapshot("aaaa1111", "vol", minute=1, host="w1"),
        snapshot("bbbb2222", "vol", minute=2, host="w2"),
        snapshot("cccc3333", "pg", minute=3, host="w3"),
    ]
    found = {host: node.restore("vol", host=host)["snapshot"] for host in ("w1", "w2", "")}
    assert found == {"w1": "aaaa1111", "w2": "bbbb2222", "": "bbbb2222"}
    assert node.restore("vol", "aaaa", host="w1")["snapshot"] == "aaaa1111"
    node.repository.restored.clear()
    with pytest.raises(HostError, match=r"no backup of vol that w3 made \(there are those of w1, w2\)"):
        node.restore("vol", host="w3")
    with pytest.raises(HostError, match="there is no one snapshot bbbb2222"):
        node.restore("vol", "bbbb2222", host="w1")
    assert node.repository.restored == []


# -- what is asked ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("job", "message"), [("etc", "restic restore"), ("raft", "full_rebuild"), ("nothing", "no job")]
)
def test_what_is_not_restored_here_says_where(node: Node, job: str, message: str) -> None:
    with pytest.raises(HostError, match=message):
        node.restore(job)
    assert node.docker.asked == []


def test_only_the_jobs_own_snapshots_are_restored(node: Node) -> None:
    node.repository.held = [
        snapshot("aaaa1111", "pg"),
        snapshot("bbbb2222", "rd"),
        snapshot("cccc3333", "pg", swarm="x"),
    ]
    for asked in ("bbbb2222", "cccc3333"):
        with pytest.raises(HostError, match=r"no one snapshot .* name one of its newest, aaaa1111"):
            node.restore("pg", asked)
    assert node.repository.fed == []
