# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""That the SSH server follows its drop-in, and that whoever connects is never locked out."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.flotilla.swarm.plugins.action import ssh_login_info
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening import ssh
from ansible_collections.flotilla.swarm.plugins.module_utils._host import command, sshd
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.plugin_utils import ssh_login

OWN = "/etc/ssh/sshd_config.d/00-flotilla.conf"
DROPIN = "# ours\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nMaxStartups 10:30:60\n"
EFFECTIVE = """permitrootlogin without-password
passwordauthentication no
kbdinteractiveauthentication no
maxstartups 10:30:60
"""
PASSWORDS = EFFECTIVE.replace("passwordauthentication no", "passwordauthentication yes")


def test_a_server_that_follows_the_dropin_is_fine() -> None:
    assert ssh.not_in_effect(DROPIN, EFFECTIVE, [(OWN, DROPIN)], OWN) == []


def test_a_file_that_wins_over_ours_is_named() -> None:
    files = [("/etc/ssh/sshd_config.d/00-a.conf", "PasswordAuthentication yes"), (OWN, DROPIN)]
    (said,) = ssh.not_in_effect(DROPIN, PASSWORDS, files, OWN)
    assert "take it out of /etc/ssh/sshd_config.d/00-a.conf" in said


def test_a_main_file_that_does_not_include_dropins_is_named_with_the_mend() -> None:
    said = ssh.not_in_effect(DROPIN, EFFECTIVE.replace("without-password", "yes"), [(OWN, DROPIN)], OWN)
    mend = "the first line of sshd_config must be `Include /etc/ssh/sshd_config.d/*.conf`"
    assert said == ["permitrootlogin prohibit-password of %s has no effect, sshd goes by yes: %s" % (OWN, mend)]


def test_what_a_match_block_says_is_not_taken_for_the_whole() -> None:
    assert ssh.keywords("A 1\nMatch User x\nB 2\n") == {"a": "1"}
    assert ssh.keywords("A=1\na 2\n") == {"a": "1"}


@pytest.mark.parametrize(
    ("user", "login", "has_key", "effective", "mend"),
    [
        ("admin", "key", True, EFFECTIVE, ""),
        ("root", "key", True, EFFECTIVE, ""),
        ("admin", "key", None, EFFECTIVE, ""),
        ("admin", "key", False, EFFECTIVE, "node_hardening_sshd_password_authentication"),
        ("admin", "password", True, EFFECTIVE, "node_hardening_sshd_password_authentication"),
        ("admin", "password", False, PASSWORDS, ""),
        ("root", "password", True, PASSWORDS,
         "node_hardening_sshd_permit_root_login to 'yes'"),
        ("root", "key", True, EFFECTIVE.replace("without-password", "no"), "node_hardening_sshd_permit_root_login"),
    ],
)  # fmt: skip
def test_who_connects_is_never_locked_out(
    user: str, login: str, has_key: bool | None, effective: str, mend: str
) -> None:
    problems = ssh.lockout(effective, user, login, has_key)
    assert bool(problems) == bool(mend)
    assert not mend or mend in problems[0]


# --- More than one factor ---------------------------------------------------------------------------------------------

OFF = "KbdInteractiveAuthentication no\nPasswordAuthentication no\n"
BOTH = "AuthenticationMethods publickey,keyboard-interactive:pam\n"
SWITCH = "node_hardening_sshd_keyboard_interactive to true"


@pytest.mark.parametrize(
    ("text", "declared", "said"),
    [
        (BOTH, OFF, "publickey,keyboard-interactive:pam of /x needs keyboard-interactive, .*" + SWITCH),
        ("Match Group admins\n" + BOTH, OFF, r"of /x \(Match Group admins\) needs keyboard-interactive, .*" + SWITCH),
        ("authenticationmethods=\"publickey,password\"\n", OFF, "node_hardening_sshd_password_authentication to true"),
        (BOTH, OFF.replace("Interactive", "interactive").replace("no", "yes", 1), ""),
        # One list that can be met is enough; a Match may turn on what is off; the first one for everybody counts.
        ("AuthenticationMethods publickey,keyboard-interactive publickey # either\n", OFF, ""),
        ("Match User a\nChallengeResponseAuthentication yes\n" + BOTH, OFF, ""),
        ("AuthenticationMethods any\n" + BOTH, OFF, ""),
        ("# " + BOTH, OFF, ""),
    ],
)  # fmt: skip
def test_nobody_is_asked_for_a_method_that_is_off(text: str, declared: str, said: str) -> None:
    problems = ssh.unmet_methods(declared, [(OWN, declared), ("/x", text)])
    assert bool(problems) == bool(said)
    if said:
        assert re.search(said, problems[0])


class Server:
    """An SSH server with these files, whose own words are ``EFFECTIVE``."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.main, self.keys = directory / "sshd_config", directory / "keys"
        self.main.write_text("", encoding="utf-8")
        self.asked: list[str] = []
        monkeypatch.setattr(sshd, "MAIN", self.main)
        monkeypatch.setattr(sshd, "DROPINS", directory)
        monkeypatch.setattr(sshd, "_SEPARATION", directory)
        monkeypatch.setattr(command, "demand", self.demand)

    def demand(self, words: list[str], _what: str) -> str:
        self.asked.append(words[1])
        return EFFECTIVE + "authorizedkeysfile %s\n" % self.keys

    def judge(self, declared: str = DROPIN) -> None:
        sshd.judge(OWN, declared, pwd.getpwuid(os.geteuid()).pw_name, "key", "")


def test_a_method_that_is_off_is_named_before_sshd_refuses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(tmp_path, monkeypatch)
    server.main.write_text(BOTH, encoding="utf-8")
    with pytest.raises(HostError, match=SWITCH):
        server.judge(OFF)
    assert server.asked == []


def test_keys_that_cant_be_read_are_not_said_to_be_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(tmp_path, monkeypatch)
    with pytest.raises(HostError, match="has no key in authorized_keys"):
        server.judge()
    server.keys.mkdir()  # as unreadable as a file that NFS keeps from root
    with pytest.raises(HostError, match=r"is not known \(.*keys can't be read: Is a directory\).*let root read"):
        server.judge()
    server.keys.rmdir()
    server.keys.write_text("# mine\nssh-ed25519 AAAA\n", encoding="utf-8")
    server.judge()


def test_where_keys_lie_is_the_servers_word() -> None:
    assert ssh.key_files("", "a", "/home/a") == ["/home/a/.ssh/authorized_keys"]
    said = "authorizedkeysfile /etc/keys/%u %h/.k .ssh/x none\n"
    assert ssh.key_files(said, "a", "/home/a") == ["/etc/keys/a", "/home/a/.k", "/home/a/.ssh/x"]
    assert ssh.key_files("authorizedkeyscommand /usr/bin/sss_ssh\n", "a", "/home/a") is None
    assert ssh.key_files("trustedusercakeys /etc/ca\n", "a", "/home/a") is None


class Connection:
    """A connection that answers one command."""

    def __init__(self, transport: str, password: str | None = None) -> None:
        self.transport = transport
        self._password = password

    def get_option(self, name: str) -> str | None:
        assert name == "password"
        return self._password


def answer(monkeypatch: pytest.MonkeyPatch, connection: Connection, said: dict[str, Any]) -> dict[str, Any]:
    monkeypatch.setattr(ssh_login_info.ActionBase, "run", lambda _self, _tmp, _vars: {})
    action = ssh_login_info.ActionModule.__new__(ssh_login_info.ActionModule)
    action._connection = connection

    def execute(command: str, sudoable: bool) -> dict[str, Any]:
        assert (command, sudoable) == (ssh_login.QUESTION, False)
        return said

    monkeypatch.setattr(action, "_low_level_execute_command", execute, raising=False)
    return dict(action.run())


SAID = """
flotilla-user:deploy
flotilla-from:192.0.2.9 50000 192.0.2.11 22
flotilla-addresses:192.0.2.11 2001:db8::11\x20
"""
EXPECTED = {
    "changed": False,
    "over_ssh": True,
    "user": "deploy",
    "login": "key",
    "address": "192.0.2.9",
    "addresses": ["192.0.2.11", "2001:db8::11"],
}


def test_the_login_is_read_over_the_connection_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"rc": 0, "stdout": SAID}
    assert answer(monkeypatch, Connection("ssh"), said) == EXPECTED
    assert answer(monkeypatch, Connection("ssh", "x"), said) == {**EXPECTED, "login": "password"}
    with pytest.raises(AnsibleError, match="as whom"):
        answer(monkeypatch, Connection("ssh"), {"rc": 1, "stdout": "", "stderr": "no"})


def test_what_a_shells_profile_prints_is_not_taken_for_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = "Welcome to m1\r\nroot\nlast login: now" + SAID.replace("\n", "\r\n") + "bye\n"
    assert answer(monkeypatch, Connection("ssh"), {"rc": 0, "stdout": noisy}) == EXPECTED
    for name in ("", "id: not found", "a,b"):
        with pytest.raises(AnsibleError, match="as whom"):
            answer(monkeypatch, Connection("ssh"), {"rc": 0, "stdout": SAID.replace("deploy", name)})
    for name in ("DOMAIN\\Jane", "jane@example.com", "_apt", "machine$"):
        found = answer(monkeypatch, Connection("ssh"), {"rc": 0, "stdout": SAID.replace("deploy", name)})
        assert found["user"] == name


def test_the_question_is_one_that_a_shell_answers() -> None:
    environment = {"PATH": os.environ["PATH"], "SSH_CONNECTION": "192.0.2.9 50000 192.0.2.11 22"}
    ran = subprocess.run(
        ["/bin/sh", "-c", ssh_login.QUESTION], env=environment, capture_output=True, text=True, check=True
    )
    said = dict(ssh_login.ANSWER.findall(ran.stdout))
    assert said["user"] == pwd.getpwuid(os.geteuid()).pw_name
    assert said["from"] == environment["SSH_CONNECTION"]


def test_another_connection_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = answer(monkeypatch, Connection("community.docker.docker"), {})
    assert (found["over_ssh"], found["user"]) == (False, "")


def test_where_ansible_itself_runs_it_is_who_started_it_over_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    # Others see Ansible come from this host too, so its addresses would make it their jump host.
    expected = {**EXPECTED, "addresses": []}
    for transport in ("local", "ansible.builtin.local"):
        assert answer(monkeypatch, Connection(transport, "x"), {"rc": 0, "stdout": SAID}) == expected
    nobody = {**expected, "over_ssh": False, "user": "", "address": ""}
    for said in ({"rc": 0, "stdout": SAID.replace("192.0.2.9 50000 192.0.2.11 22", "")}, {"rc": 1}):
        assert answer(monkeypatch, Connection("local"), said) == nobody


def test_who_became_another_user_has_logged_in_under_the_first_name() -> None:
    environment = {"PATH": os.environ["PATH"], "SUDO_USER": "ops"}
    ran = subprocess.run(
        ["/bin/sh", "-c", ssh_login.QUESTION], env=environment, capture_output=True, text=True, check=True
    )
    assert dict(ssh_login.ANSWER.findall(ran.stdout))["user"] == "ops"
