# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files placed as one batch: what differs, what is left out, and that a refusal puts everything back."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening import files as core
from ansible_collections.flotilla.swarm.plugins.module_utils._host import files as host
from ansible_collections.flotilla.swarm.plugins.module_utils._host import sshd
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.modules import host_files

Run = dict[str, Any]


def run(capsys: pytest.CaptureFixture[str], files: list[dict[str, Any]], check: bool = False, **options: Any) -> Run:
    """What the module answers."""
    arguments = {"files": files, **options, "_ansible_check_mode": check}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        host_files.main()
    return dict(json.loads(capsys.readouterr().out))


def mode(path: Path) -> str:
    return "%04o" % stat.S_IMODE(path.lstat().st_mode)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to root")


@needs_root
def test_a_batch_is_placed_and_a_second_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "old").write_text("x", encoding="utf-8")
    batch = [
        {"path": str(tmp_path / "new.d/a"), "content": "one\n", "mode": "0600", "concern": "a"},
        {"path": str(tmp_path / "dir"), "state": "directory", "concern": "b"},
        {"path": str(tmp_path / "old"), "state": "absent", "concern": "c"},
        {"path": str(tmp_path / "gone"), "content": "x", "requires": str(tmp_path / "nothing"), "concern": "d"},
    ]
    rehearsed = run(capsys, batch, check=True)
    assert not (tmp_path / "new.d").exists()
    found = run(capsys, batch)
    assert (
        found["changed_paths"] == rehearsed["changed_paths"] == [str(tmp_path / n) for n in ("new.d/a", "dir", "old")]
    )
    assert found["changed_concerns"] == ["a", "b", "c"]
    assert found["left_out"] == [
        {"name": str(tmp_path / "gone"), "concern": "d", "reason": "there is no %s" % (tmp_path / "nothing")}
    ]
    assert (tmp_path / "new.d/a").read_text(encoding="utf-8") == "one\n"
    assert [mode(tmp_path / name) for name in ("new.d", "new.d/a", "dir")] == ["0755", "0600", "0755"]
    assert not (tmp_path / "old").exists()
    again = run(capsys, batch)
    assert (again["changed"], again["diff"], again["plan"]) == (False, [], [])


@needs_root
def test_permissions_of_existing_files_are_only_taken_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, bits in (("a.key", 0o644), ("b.key", 0o200)):
        (tmp_path / name).write_text("x", encoding="utf-8")
        (tmp_path / name).chmod(bits)
    (tmp_path / "c.key").symlink_to("a.key")
    wanted = {"path": str(tmp_path / "*.key"), "state": "existing", "mode": "0600", "owner": "root"}
    found = run(capsys, [wanted, {**wanted, "path": str(tmp_path / "a.*")}, {**wanted, "path": str(tmp_path / "z")}])
    assert found["changed_paths"] == [str(tmp_path / "a.key")]
    assert found["diff"][0]["before"] == "mode: 0644\n"
    assert [one["reason"] for one in found["left_out"]] == ["it is a link"]
    assert [mode(tmp_path / name) for name in ("a.key", "b.key")] == ["0600", "0200"]


@needs_root
def test_a_group_that_the_host_lacks_leaves_an_existing_file_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "socket").write_text("", encoding="utf-8")
    wanted = {"path": str(tmp_path / "socket"), "state": "existing", "group": "no-such-group", "mode": "0600"}
    found = run(capsys, [wanted])
    assert not found["changed"]
    assert found["left_out"][0]["reason"] == "there is no no-such-group on this host"


@needs_root
def test_a_copy_is_judged_before_anything_is_placed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = [
        {"path": str(tmp_path / "good"), "content": "x"},
        {
            "path": str(tmp_path / "bad"),
            "content": "x",
            "validate": ["sh", "-c", "echo no such word >&2; test -s $1.x", "-", "%s"],
        },
    ]
    found = run(capsys, batch)
    assert found["failed"]
    assert found["msg"] == "sh refuses %s, and nothing was changed: no such word" % (tmp_path / "bad")
    assert list(tmp_path.iterdir()) == []


@needs_root
def test_a_tool_that_is_not_installed_yet_judges_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, [{"path": str(tmp_path / "a"), "content": "x", "validate": ["no-such-tool", "%s"]}])["changed"]


@needs_root
@pytest.mark.parametrize("error", [HostError("sshd refuses"), PermissionError("no")])
def test_a_refusal_of_the_whole_puts_every_file_back_with_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    kept = tmp_path / "kept"
    kept.write_text("before", encoding="utf-8")
    kept.chmod(0o640)
    os.utime(kept, (1000, 1000))
    (tmp_path / "removed").symlink_to("kept")
    batch = [
        {"path": str(kept), "content": "after", "concern": "a"},
        {"path": str(tmp_path / "new.d/x"), "content": "x", "concern": "b"},
        {"path": str(tmp_path / "removed"), "state": "absent"},
    ]

    def judge(*_arguments: str) -> None:
        assert kept.read_text(encoding="utf-8") == "after"
        raise error

    monkeypatch.setattr(sshd, "judge", judge)
    found = run(capsys, batch, sshd={"path": str(kept)})
    assert found["msg"] == "%s. Every file was put back as it was" % error
    assert (kept.read_text(encoding="utf-8"), mode(kept), kept.stat().st_mtime) == ("before", "0640", 1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "removed"]


@needs_root
def test_a_file_that_cant_be_placed_puts_back_those_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = [
        {"path": str(tmp_path / "a"), "content": "x"},
        {"path": str(tmp_path / "b"), "content": "x", "owner": "no-such-user"},
    ]
    found = run(capsys, batch)
    assert "there is no user no-such-user" in found["msg"]
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


@needs_root
def test_the_ssh_servers_refusal_puts_every_file_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def judge(*arguments: str) -> None:
        asked.append(arguments)
        raise HostError("root would be locked out")

    monkeypatch.setattr(sshd, "judge", judge)
    path = tmp_path / "00-x.conf"
    options = {"path": str(path), "user": "root", "login": "key", "address": "192.0.2.9"}
    found = run(capsys, [{"path": str(path), "content": "UsePAM yes\n"}], sshd=options)
    assert found["msg"] == "root would be locked out. Every file was put back as it was"
    assert asked == [(str(path), "UsePAM yes\n", "root", "key", "192.0.2.9")]
    assert not path.exists()


@needs_root
def test_the_ssh_server_is_judged_where_nothing_changes_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "00-x.conf"
    batch = [{"path": str(path), "content": "UsePAM yes\n"}]
    assert run(capsys, batch)["changed"]

    def judge(*_arguments: str) -> None:
        raise HostError("sshd goes by another file")

    monkeypatch.setattr(sshd, "judge", judge)
    assert run(capsys, batch, sshd={"path": str(path)})["msg"] == "sshd goes by another file. No file was changed"
    assert path.exists()
    assert not run(capsys, batch, check=True, sshd={"path": str(path)})["changed"]
    left_out = [{**batch[0], "requires": str(tmp_path / "nothing")}]
    assert not run(capsys, left_out, sshd={"path": str(path)})["changed"]


def test_what_is_declared_wrongly_is_named_all_at_once() -> None:
    with pytest.raises(DeclarationError) as caught:
        core.parse([
            {"path": "etc/x", "content": "x"},
            {"path": "/a", "content": "x", "mode": "rw"},
            {"path": "/a", "content": "x"},
            {"path": "/b"},
            {"path": "/c", "content": "x", "validate": ["sshd", "-t"]},
        ])  # fmt: skip
    assert len(caught.value.problems) == 5


def test_something_else_in_the_place_of_a_file_is_refused() -> None:
    (wanted,) = core.parse([{"path": "/a", "content": "x"}])
    with pytest.raises(DeclarationError, match="/a is to be a file and is a link"):
        core.plan([core.Seen(wanted, "/a", core.Found("link"))])


# --- Time servers that go with their daemon ---------------------------------------------------------------------------

TIMESYNCD = "usr/lib/systemd/systemd-timesyncd"


def lost(root: Path, **files: str) -> list[str]:
    """What is said of a host with these files; ``__`` stands for / in their names, and ``_`` for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return host.lost_time_servers(root)


def installed(root: Path, *programs: str) -> Path:
    for program in programs:
        (root / program).parent.mkdir(parents=True, exist_ok=True)
        (root / program).touch()
    return root


def test_servers_of_a_time_daemon_that_chrony_replaces_are_named(tmp_path: Path) -> None:
    installed(tmp_path, TIMESYNCD)
    drop_in = "[Time]\nNTP=10.0.0.1 0.debian.pool.ntp.org 10.0.0.2\n"
    (said,) = lost(tmp_path, etc__systemd__timesyncd_conf="#NTP=a\n", run__systemd__timesyncd_conf_d__a_conf=drop_in)
    assert said.startswith("/run/systemd/timesyncd.conf.d/a.conf names 10.0.0.1, 10.0.0.2, and chrony,")
    assert "set node_hardening_chrony_servers to" in said
    assert "node_hardening_chrony to false" in said
    # A file of the same name in /etc counts in its place, and an empty value takes back those before it.
    assert lost(tmp_path, etc__systemd__timesyncd_conf_d__a_conf="") == []
    own = {"etc__systemd__timesyncd_conf": "NTP=10.0.0.1\nFallbackNTP=10.0.0.9\n"}
    (said,) = lost(tmp_path, etc__systemd__timesyncd_conf_d__a_conf="NTP=\n", **own)
    assert "names 10.0.0.9, and" in said


def test_servers_of_the_distribution_are_not_lost(tmp_path: Path) -> None:
    installed(tmp_path, "usr/sbin/ntpd")
    default = "server 127.127.1.0\npool 0.debian.pool.ntp.org iburst\npool -4 ntp.ubuntu.com # Canonical's\nserverx a\n"
    assert lost(tmp_path, etc__ntpsec__ntp_conf=default) == []
    (said,) = lost(tmp_path, etc__ntpsec__ntp_conf=default + "server -4 10.0.0.1 iburst\n")
    assert said.startswith("/etc/ntpsec/ntp.conf names 10.0.0.1, and")


@pytest.mark.parametrize("programs", [(), ("usr/sbin/chronyd", TIMESYNCD)], ids=["no daemon", "chrony is there"])
def test_no_server_is_lost_without_a_daemon_or_with_chrony(tmp_path: Path, programs: tuple[str, ...]) -> None:
    assert lost(installed(tmp_path, *programs), etc__systemd__timesyncd_conf="NTP=10.0.0.1\n") == []


def test_nothing_is_placed_where_time_servers_would_be_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "lost_time_servers", lambda: ["/x names 10.0.0.1"])
    batch = [{"path": str(tmp_path / "a"), "content": "x"}]
    assert run(capsys, batch, before_chrony=True)["msg"] == "/x names 10.0.0.1"
    assert list(tmp_path.iterdir()) == []
    assert not run(capsys, [])["changed"]
