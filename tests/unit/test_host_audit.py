# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit reads of a host, and the two modules that judge it and the swarm."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._core.audit import auditing, catalogue, files, host
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineError
from ansible_collections.flotilla.swarm.plugins.module_utils._host import audit_facts
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.modules import host_audit, swarm_audit
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from ansible_collections.flotilla.swarm.tests.support.module_runner import Runner

CA_END = "2045-01-01T00:00:00Z"


def put(root: Path, path: str, text: str = "", mode: int = 0o644) -> Path:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


class Tools:
    """The programs of a host: what each says, by its name. One that is not named is not installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, tuple[int, str, str]] = {}
        monkeypatch.setattr(audit_facts, "find", lambda name: "/bin/" + name if self._has(name) else None)
        monkeypatch.setattr(audit_facts, "run", lambda command, _deadline: self._answer(command))

    def _has(self, name: str) -> bool:
        return any(words.split()[0] == name for words in self.answers)

    def _answer(self, command: list[str]) -> tuple[int, str, str]:
        words = " ".join([command[0].rpartition("/")[2], *command[1:]])
        return next(answer for known, answer in self.answers.items() if words.startswith(known))


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Tools:
    return Tools(monkeypatch)


# --- Files ------------------------------------------------------------------------------------------------------------


def test_owners_and_modes_are_read_and_what_is_not_there_is_null(tmp_path: Path) -> None:
    put(tmp_path, "/etc/docker/daemon.json", mode=0o640)
    put(tmp_path, "/usr/lib/systemd/system/docker.service")
    (tmp_path / "lib").symlink_to("usr/lib")
    extra = put(tmp_path, "/etc/docker/key.pem", mode=0o400)
    found = audit_facts.file_owners(("/etc/docker/key.pem",), tmp_path)
    assert set(found) == {*files.PATHS, "/etc/docker/key.pem"}
    assert found["/etc/docker/daemon.json"]["mode"] == 0o640
    assert found["/etc/docker/key.pem"] == {"owner": extra.owner(), "group": extra.group(), "mode": 0o400}
    assert found["/etc/default/docker"] is None
    places = [path for path in found if path.endswith("docker.service") and found[path]]
    assert len(places) == 1, "one file with two names counts once"


def test_a_path_that_can_not_be_looked_at_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, "/etc", "a file where a directory should be")
    with pytest.raises(NotADirectoryError):
        audit_facts.file_owners((), tmp_path)


def test_certificates_of_registries(tmp_path: Path) -> None:
    assert audit_facts.registry_certificates(tmp_path) == {}
    put(tmp_path, "/etc/docker/certs.d/registry.example.com/ca.crt", mode=0o444)
    put(tmp_path, "/etc/docker/certs.d/registry.example.com/client.key", mode=0o400)
    found = audit_facts.registry_certificates(tmp_path)
    assert {path: file["mode"] for path, file in found.items()} == {
        "/etc/docker/certs.d/registry.example.com/ca.crt": 0o444
    }


def test_which_watched_files_are_there(tmp_path: Path) -> None:
    put(tmp_path, "/usr/sbin/dockerd")
    found = audit_facts.watched(tmp_path)
    assert set(found) == set(auditing.PATHS)
    assert {path: real for path, real in found.items() if real} == {"/usr/sbin/dockerd": "/usr/sbin/dockerd"}
    (tmp_path / "usr/bin").symlink_to("sbin")
    assert audit_facts.watched(tmp_path)["/usr/bin/dockerd"] == "/usr/sbin/dockerd", "one file with two names"


def test_a_host_without_the_group_has_nobody_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_group(name: str) -> Any:
        raise KeyError(name)

    monkeypatch.setattr(audit_facts.grp, "getgrnam", no_group)
    assert audit_facts.docker_group() == []


# --- Programs ---------------------------------------------------------------------------------------------------------


def test_audit_rules_are_those_that_are_loaded(tools: Tools) -> None:
    assert audit_facts.audit_rules() == []
    tools.answers["auditctl -l"] = (0, "-w /etc/docker -p wa\nNo rules\n", "")
    assert audit_facts.audit_rules() == ["-w /etc/docker -p wa"]
    tools.answers["auditctl -l"] = (1, "", "Error sending rule list data request (Operation not permitted)\n")
    with pytest.raises(ValueError, match="Operation not permitted"):
        audit_facts.audit_rules()


def test_what_the_ssh_server_goes_by(tools: Tools) -> None:
    assert audit_facts.sshd() is None
    tools.answers["sshd -T"] = (0, "port 22\npermitrootlogin without-password\n", "")
    settings = audit_facts.sshd()
    assert settings is not None
    assert settings["permitrootlogin"] == "without-password"
    tools.answers["sshd -T"] = (255, "", "sshd: no hostkeys available -- exiting.\n")
    with pytest.raises(ValueError, match="no hostkeys"):
        audit_facts.sshd()


TABLE = "table inet flotilla {\n\tchain prerouting {\n\t}\n\n\tchain forward {\n\t}\n}\n"


def test_the_firewall_is_the_table_its_file_and_its_unit(tools: Tools, tmp_path: Path) -> None:
    tools.answers["systemctl is-enabled"] = (1, "not-found\n", "")
    none = {"installed": False, "chains": None, "persisted": False, "enabled": False}
    assert audit_facts.firewall(tmp_path) == none
    tools.answers["nft list table inet flotilla"] = (1, "", "Error: No such file or directory\nlist table\n")
    assert audit_facts.firewall(tmp_path) == {**none, "installed": True}
    tools.answers["nft list table inet flotilla"] = (0, TABLE, "")
    tools.answers["systemctl is-enabled"] = (0, "enabled\n", "")
    put(tmp_path, "/etc/flotilla/firewall.nft", TABLE)
    whole = {"installed": True, "chains": ["prerouting", "forward"], "persisted": True, "enabled": True}
    assert audit_facts.firewall(tmp_path) == whole
    tools.answers["nft list table inet flotilla"] = (1, "", "Error: Operation not permitted (you must be root)\n")
    with pytest.raises(ValueError, match="you must be root"):
        audit_facts.firewall(tmp_path)


def test_active_time_services(tools: Tools) -> None:
    with pytest.raises(ValueError, match="no systemctl"):
        audit_facts.time_services()
    tools.answers["systemctl is-active chrony.service"] = (0, "active\n", "")
    tools.answers["systemctl is-active"] = (3, "inactive\n", "")
    assert audit_facts.time_services() == ["chrony.service"]
    tools.answers["systemctl is-active"] = (1, "", "Failed to connect to bus: Host is down\n")
    with pytest.raises(ValueError, match="Failed to connect"):
        audit_facts.time_services()


def test_the_clock_is_what_chrony_or_else_the_kernel_says(tools: Tools) -> None:
    tools.answers["systemctl is-active systemd-timesyncd.service"] = (0, "active\n", "")
    tools.answers["systemctl is-active"] = (3, "inactive\n", "")
    for said, synchronised in (("yes", True), ("no", False)):
        tools.answers["timedatectl show"] = (0, "NTPSynchronized=%s\n" % said, "")
        timesyncd = {"services": ["systemd-timesyncd.service"], "synchronised": synchronised}
        assert audit_facts.clock() == timesyncd
    tools.answers = {"systemctl is-active chrony.service": (0, "active\n", ""), **tools.answers}
    with pytest.raises(ValueError, match="no chronyc"):
        audit_facts.clock()
    for said, synchronised in (("Normal", True), ("Insert second", True), ("Not synchronised", False)):
        tools.answers["chronyc -c tracking"] = (0, "7F7F0101,,0,0.000000000,0.0,%s\n" % said, "")
        assert audit_facts.clock()["synchronised"] is synchronised
    tools.answers["chronyc -c tracking"] = (1, "506 Cannot talk to daemon\n", "")
    with pytest.raises(ValueError, match="506"):
        audit_facts.clock()


def test_without_a_time_service_nobody_is_asked(tools: Tools) -> None:
    tools.answers["systemctl is-active"] = (3, "inactive\n", "")
    assert audit_facts.clock() == {"services": [], "synchronised": False}


def test_updates_of_both_families(tools: Tools) -> None:
    assert audit_facts.updates() == {"supported": False, "enabled": False}
    tools.answers["dnf"] = (0, "", "")
    tools.answers["systemctl is-enabled dnf-automatic-install.timer"] = (0, "enabled\n", "")
    tools.answers["systemctl is-enabled"] = (1, "disabled\n", "")
    assert audit_facts.updates() == {"supported": True, "enabled": True}
    tools.answers["apt-config dump"] = (0, 'APT::Periodic::Unattended-Upgrade "1";\n', "")
    assert audit_facts.updates() == {"supported": True, "enabled": False}, "the program is not there"
    tools.answers["unattended-upgrade"] = (0, "", "")
    assert audit_facts.updates() == {"supported": True, "enabled": False}, "its timer is disabled"
    tools.answers = {"systemctl is-enabled apt-daily-upgrade.timer": (0, "enabled\n", ""), **tools.answers}
    assert audit_facts.updates() == {"supported": True, "enabled": True}
    tools.answers["apt-config dump"] = (0, 'APT::Periodic::Unattended-Upgrade "0";\n', "")
    assert audit_facts.updates() == {"supported": True, "enabled": False}


def test_settings_of_the_kernel(tmp_path: Path) -> None:
    put(tmp_path, "/proc/sys/net/ipv4/ip_forward", "1\n")
    put(tmp_path, "/proc/sys/net/ipv4/conf/eth0.100/send_redirects", "1\n")
    found = audit_facts.sysctls(tmp_path)
    assert set(found) == {*host.SYSCTLS, "net.ipv4.conf.eth0/100.send_redirects"}
    assert found["net.ipv4.conf.eth0/100.send_redirects"] == "1"
    assert found["net.ipv4.ip_forward"] == "1"
    assert found["net.ipv4.tcp_syncookies"] is None


# --- The engine's process ---------------------------------------------------------------------------------------------


def test_without_an_engine_its_process_is_an_error(tmp_path: Path) -> None:
    for text in (None, "", "77"):
        if text is not None:
            put(tmp_path, "/run/docker.pid", text)
        with pytest.raises(ValueError, match="no engine runs"):
            audit_facts.engine_arguments(tmp_path)


def test_another_program_with_the_engines_old_process_id_is_none(tmp_path: Path) -> None:
    put(tmp_path, "/run/docker.pid", "77")
    for command in ("/usr/sbin/nginx\0dockerd\0", "/usr/bin/not-dockerd\0", ""):
        put(tmp_path, "/proc/77/cmdline", command)
        for read in (audit_facts.engine_arguments, audit_facts.listening):
            with pytest.raises(ValueError, match="no engine runs"):
                read(tmp_path)


def test_the_engines_arguments(tmp_path: Path) -> None:
    put(tmp_path, "/run/docker.pid", "77")
    put(tmp_path, "/proc/77/cmdline", "/usr/sbin/dockerd\0-H\0fd://\0--icc=false\0")
    assert audit_facts.engine_arguments(tmp_path) == ["-H", "fd://", "--icc=false"]


def test_the_sockets_that_a_process_listens_on(tmp_path: Path) -> None:
    """This process stands in for the engine: the kernel's own tables are read."""
    put(tmp_path, "/run/docker.pid", "77")
    put(tmp_path, "/proc/77/cmdline", "/usr/sbin/dockerd\0")
    for name in ("fd", "net"):
        (tmp_path / "proc/77" / name).symlink_to("/proc/self/%s" % name)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))  # bound, and it does not listen
        found = audit_facts.listening(tmp_path)
        assert ["127.0.0.1", one.getsockname()[1]] in found
        assert ["127.0.0.1", other.getsockname()[1]] not in found


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),  # noqa: S104  what is read
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
    ],
)
def test_addresses_as_the_kernel_writes_them(text: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_facts.sys, "byteorder", "little")
    assert audit_facts._address(text) == address


# --- The modules ------------------------------------------------------------------------------------------------------


def run_on_host(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        host_audit.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_a_host_of_which_nothing_can_be_read_passes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def denied(*_arguments: Any) -> Any:
        raise HostError("permission denied")

    monkeypatch.setattr(audit_facts, "reads", lambda _configuration: dict.fromkeys(audit_facts_names(), denied))
    monkeypatch.setattr(host_audit, "configuration", denied)
    monkeypatch.setattr(host_audit.loaded_config, "engine_ticks", lambda _root: None)
    result = run_on_host(capsys, docker_host="unix://%s/none.sock" % tmp_path)
    assert result["changed"] is False
    assert [finding["id"] for finding in result["findings"]] == [check.id for check in catalogue.HOST_CHECKS]
    assert {finding["status"] for finding in result["findings"]} == {"unknown"}


def audit_facts_names() -> set[str]:
    return {
        "files",
        "docker_group",
        "registry_certificates",
        "watched",
        "audit_rules",
        "sysctls",
        "sshd",
        "firewall",
        "clock",
        "updates",
        "listening",
    }


def test_every_fact_has_its_read() -> None:
    assert set(audit_facts.reads(None)) == audit_facts_names()


INFO = {
    "Driver": "overlay2",
    "DockerRootDir": "/nowhere",
    "LiveRestoreEnabled": False,
    "SecurityOptions": ["name=no-new-privileges"],
    "RegistryConfig": {},
    "Swarm": {"LocalNodeState": "inactive"},
}


def test_a_host_that_answers_is_judged(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tools: Tools, tmp_path: Path
) -> None:
    tools.answers["auditctl -l"] = (1, "", "Operation not permitted\n")
    monkeypatch.setattr(host_audit.host.HostEngine, "info", lambda _self: INFO)
    monkeypatch.setattr(host_audit, "CONFIGURATION", put(tmp_path, "daemon.json", '{"icc": true, "trust": "x"}'))
    monkeypatch.setattr(audit_facts, "engine_arguments", lambda: ["--userland-proxy=false"])
    found = {finding["id"]: finding for finding in run_on_host(capsys, trusted_users=["ops"])["findings"]}
    assert found["cis-2.14"]["status"] == "pass"
    assert found["cis-2.16"]["status"] == "pass", "the engine's arguments count"
    assert found["cis-2.2"]["status"] == "fail"
    assert found["flotilla-member"]["status"] == "fail"
    assert found["cis-7.9"]["status"] == "not_applicable"
    assert "unknown" in {found[check_id]["status"] for check_id in ("flotilla-time", "flotilla-firewall-persisted")}


def test_a_broken_file_makes_its_items_unknown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tools: Tools, tmp_path: Path
) -> None:
    tools.answers.clear()
    monkeypatch.setattr(host_audit.host.HostEngine, "info", lambda _self: INFO)
    monkeypatch.setattr(host_audit, "CONFIGURATION", put(tmp_path, "daemon.json", "{broken"))
    monkeypatch.setattr(audit_facts, "engine_arguments", list)
    found = {finding["id"]: finding for finding in run_on_host(capsys)["findings"]}
    assert found["cis-2.2"]["status"] == "unknown"
    assert "is no JSON" in found["cis-2.2"]["evidence"]


def test_the_file_that_the_engine_goes_by_is_judged(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tools: Tools, tmp_path: Path
) -> None:
    tools.answers.clear()
    monkeypatch.setattr(host_audit.host.HostEngine, "info", lambda _self: INFO)
    monkeypatch.setattr(host_audit, "CONFIGURATION", put(tmp_path, "daemon.json", '{"icc": false}'))
    other = put(tmp_path, "other.json", '{"icc": true}')
    monkeypatch.setattr(audit_facts, "engine_arguments", lambda: [f"--config-file={other}"])
    found = {finding["id"]: finding for finding in run_on_host(capsys)["findings"]}
    assert (found["cis-2.2"]["status"], found["cis-2.2"]["evidence"]) == ("fail", "icc is true")
    assert found["flotilla-engine-loaded"]["status"] == "unknown"
    assert str(other) in found["flotilla-engine-loaded"]["evidence"]


def test_a_membership_that_can_not_be_read_is_unknown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_info: Any) -> Any:
        raise EngineError("its certificate can't be read")

    monkeypatch.setattr(host_audit.host.HostEngine, "info", lambda _self: INFO)
    monkeypatch.setattr(host_audit.host, "membership_of", unreadable)
    monkeypatch.setattr(audit_facts, "reads", lambda _configuration: {})
    found = {finding["id"]: finding for finding in run_on_host(capsys)["findings"]}
    assert found["cis-7.2"] == {
        **found["cis-7.2"],
        "status": "unknown",
        "evidence": "membership can't be read: its certificate can't be read",
    }


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    monkeypatch.setattr(swarm_audit, "end_of_ca", lambda _swarm: CA_END)
    return Runner(monkeypatch, capsys)


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {finding["id"]: finding["status"] for finding in result["findings"]}


def test_the_swarm_is_judged_in_one_read_of_each_list(runner: Runner) -> None:
    result = runner.run(swarm_audit)
    found = statuses(result)
    assert list(found) == [check.id for check in catalogue.SWARM_CHECKS]
    assert found["cis-7.1"] == "fail"
    assert found["cis-7.5"] == "fail"
    assert found["cis-7.7"] == "unknown", "this engine shows no CAConfig"
    assert found["cis-7.8"] == "pass"
    assert found["cis-5.11"] == "not_applicable"
    assert sorted(runner.engine.calls) == ["networks", "nodes", "secrets", "services", "swarm_inspect"]
    assert "SWMTKN" not in runner.output
    assert runner.run(swarm_audit, check_mode=True) == result


def test_without_a_manager_or_a_quorum_the_module_fails(runner: Runner) -> None:
    runner.engine.quorum = False
    assert runner.run(swarm_audit)["error"] == "NoQuorum"
    runner.engine = MemoryEngine(manager=False)
    assert runner.run(swarm_audit)["error"] == "NotAManager"


def test_a_quorum_that_is_lost_on_the_way_makes_networks_unknown_and_not_encrypted(runner: Runner) -> None:
    runner.engine.before("services", lambda: setattr(runner.engine, "quorum", False))
    found = statuses(runner.run(swarm_audit))
    assert found["cis-7.1"] == "fail", "it was read before"
    assert found["cis-7.3"] == "unknown"
    assert found["cis-5.32"] == "unknown"
    assert found["cis-7.5"] == "fail"


def test_a_ca_that_is_not_shown_is_unknown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert statuses(Runner(monkeypatch, capsys).run(swarm_audit))["cis-7.8"] == "unknown"
