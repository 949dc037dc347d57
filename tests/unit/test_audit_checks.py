# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each item of the audit makes of facts: good ones, bad ones, and those that could not be read."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.audit import (
    arguments,
    auditing,
    catalogue,
    files,
    model,
)

FILE = {"owner": "root", "group": "root", "mode": 0o644}
RULES = ["-w %s -p wa -k docker" % path for path in auditing.PATHS]
SERVICE: dict[str, Any] = {
    "ID": "s1",
    "Spec": {
        "Name": "shop_web",
        "EndpointSpec": {"Ports": [{"TargetPort": 8080, "PublishedPort": 443, "PublishMode": "host"}]},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "shop/web:1.2@sha256:abc",
                "User": "10001:10001",
                "ReadOnly": True,
                "Env": ["DATABASE_PASSWORD_FILE=/run/secrets/db", "MODE=production"],
                "Privileges": {"NoNewPrivileges": True},
                "Mounts": [{"Type": "volume", "Source": "data", "Target": "/data"}],
            },
            "Networks": [{"Target": "n1"}],
            "Resources": {"Limits": {"MemoryBytes": 1 << 28, "Pids": 64}},
        },
    },
}


def manager(name: str) -> dict[str, Any]:
    return {"ID": "id-" + name, "Description": {"Hostname": name}, "ManagerStatus": {"Reachability": "reachable"}}


GOOD: dict[str, Any] = {
    # Of a host.
    "configuration": {
        "icc": False,
        "log-level": "info",
        "userland-proxy": False,
        "no-new-privileges": True,
        "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1, "Hard": 1}},
        "log-driver": "json-file",
        "log-opts": {"max-size": "10m"},
        "metrics-addr": "127.0.0.1:9323",
    },
    "configuration_stale": False,
    "engine": {
        "Driver": "overlay2",
        "LiveRestoreEnabled": False,
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns", "name=no-new-privileges"],
        "RegistryConfig": {"InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"], "IndexConfigs": {}},
    },
    "address": "192.0.2.11",
    "files": {
        **dict.fromkeys(files.PATHS, FILE),
        "/run/docker.sock": {"owner": "root", "group": "docker", "mode": 0o660},
        "/run/containerd/containerd.sock": {**FILE, "mode": 0o660},
        "/etc/docker": {**FILE, "mode": 0o755},
        "/etc/sysconfig/docker": None,
    },
    "registry_certificates": {"/etc/docker/certs.d/registry.example.com/ca.crt": {**FILE, "mode": 0o444}},
    "docker_group": [],
    "trusted_users": [],
    "watched": {path: path for path in auditing.PATHS},
    "audit_rules": RULES,
    "firewall": {"installed": True, "chains": ["prerouting", "host", "forward"], "persisted": True, "enabled": True},
    "sshd": {"permitrootlogin": "prohibit-password", "passwordauthentication": "no", "x11forwarding": "no"},
    "sysctls": {
        "net.ipv4.ip_forward": "1",
        "net.bridge.bridge-nf-call-iptables": None,
        "net.ipv4.conf.all.rp_filter": "2",
        "net.ipv4.conf.all.accept_redirects": "0",
        "net.ipv4.conf.all.send_redirects": "0",
        "net.ipv4.conf.all.accept_source_route": "0",
        "net.ipv6.conf.all.accept_redirects": None,
        "net.ipv4.conf.eth0.send_redirects": "0",
        "net.ipv4.conf.gone.send_redirects": None,
        "net.ipv4.tcp_syncookies": "1",
        "net.ipv4.icmp_echo_ignore_broadcasts": "1",
    },
    "clock": {"services": ["chrony.service"], "synchronised": True},
    "updates": {"supported": True, "enabled": True},
    "listening": [["192.0.2.11", 2377], ["::", 7946]],
    "membership": {"state": "active", "role": "manager"},
    "underlay": {"advertised": "192.0.2.11", "data_path": "198.51.100.11"},
    "certificate": {"not_after": "2026-04-01T00:00:00Z"},
    "now": "2026-02-01T00:00:00Z",
    # Of the swarm.
    "swarm": {
        "Spec": {
            "EncryptionConfig": {"AutoLockManagers": False},
            "CAConfig": {"NodeCertExpiry": 90 * 24 * 3600 * 10**9},
        }
    },
    "nodes": [manager("m1"), manager("m2"), manager("m3"), {"ID": "id-w1", "Description": {"Hostname": "w1"}}],
    "networks": [
        {"Id": "n1", "Name": "back", "Driver": "overlay", "Options": {"encrypted": ""}},
        {"Id": "n2", "Name": "ingress", "Driver": "overlay", "Ingress": True, "Options": {}},
        {"Id": "n3", "Name": "host", "Driver": "host", "Options": {}},
    ],
    "services": [SERVICE],
    "secrets": [{"ID": "x1"}],
    "ca_not_after": "2045-01-01T00:00:00Z",
    "published_ports": [80, 443],
    "certificate_days": 90,
}


def judged(check_id: str, **changes: Any) -> model.Finding:
    facts = {name: {"value": value} for name, value in {**GOOD, **changes}.items()}
    return model.judge(catalogue.BY_ID[check_id], model.Facts(facts))


def service(**container: Any) -> list[dict[str, Any]]:
    """The good service with another container."""
    made = copy.deepcopy(SERVICE)
    made["Spec"]["TaskTemplate"]["ContainerSpec"].update(container)
    return [made]


def template(**changes: Any) -> list[dict[str, Any]]:
    made = copy.deepcopy(SERVICE)
    made["Spec"]["TaskTemplate"].update(changes)
    return [made]


def config(**keys: Any) -> dict[str, Any]:
    return {**GOOD["configuration"], **{key.replace("_", "-"): value for key, value in keys.items()}}


def of(name: str, **changes: Any) -> dict[str, Any]:
    return {**GOOD[name], **changes}


NOT_HERE = {"cis-7.5": model.FAIL, "cis-7.6": model.NOT_APPLICABLE}
NO_FILE = {"cis-3.9", "cis-3.10", "cis-3.11", "cis-3.12", "cis-3.13", "cis-3.14", "cis-3.21", "cis-3.22"}


@pytest.mark.parametrize("check_id", catalogue.BY_ID)
def test_a_good_host_and_a_good_swarm_pass(check_id: str) -> None:
    finding = judged(check_id)
    expected = NOT_HERE.get(check_id, model.NOT_APPLICABLE if check_id in NO_FILE else model.PASS)
    assert finding.status == expected, finding.evidence
    assert finding.evidence


@pytest.mark.parametrize("check_id", catalogue.BY_ID)
def test_what_was_not_read_is_never_a_pass(check_id: str) -> None:
    check = catalogue.BY_ID[check_id]
    assert model.judge(check, model.Facts({})).status == model.UNKNOWN
    denied = model.Facts({name: {"error": "permission denied"} for name in GOOD})
    finding = model.judge(check, denied)
    assert finding.status == model.UNKNOWN
    assert "permission denied" in finding.evidence


# For these a mapping without the key that they ask for is a good answer: nobody set it, nobody is in the group.
ABSENT_IS_GOOD = {
    *("cis-1.1.2", "cis-2.3", "cis-2.4", "cis-2.7", "cis-2.18"),
    "flotilla-metrics-address",
}


@pytest.mark.parametrize("check_id", catalogue.BY_ID)
@pytest.mark.parametrize("nonsense", [None, 3, "text", {"other": 1}], ids=str)
def test_facts_of_another_form_are_no_crash_and_no_pass(check_id: str, nonsense: Any) -> None:
    check = catalogue.BY_ID[check_id]
    finding = model.judge(check, model.Facts({name: {"value": nonsense} for name in GOOD}))
    if check_id not in ABSENT_IS_GOOD:
        assert finding.status != model.PASS, finding.evidence


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("cis-1.1.2", {"docker_group": ["eve"]}, "eve"),
    ("cis-1.1.3", {"audit_rules": []}, "dockerd"),
    ("cis-1.1.11", {"audit_rules": ["-w /etc/dockerother -p wa"]}, "daemon.json"),
    ("cis-2.2", {"configuration": {}}, "icc is true"),
    ("cis-2.3", {"configuration": config(log_level="debug")}, "debug"),
    ("cis-2.3", {"configuration": config(log_level="fatal")}, "fatal"),
    ("cis-2.4", {"configuration": config(iptables=False)}, "iptables is false"),
    (
        "cis-2.5",
        {"engine": of("engine", RegistryConfig={"IndexConfigs": {"registry.example.com:5000": {"Secure": False}}})},
        "registry.example.com:5000",
    ),
    ("cis-2.6", {"engine": of("engine", Driver="aufs")}, "aufs"),
    ("cis-2.7", {"configuration": config(hosts=["fd://", "tcp://192.0.2.11:2375"])}, "tcp://192.0.2.11:2375"),
    ("cis-2.8", {"configuration": config(default_ulimits={})}, "nofile"),
    ("cis-2.14", {"engine": of("engine", SecurityOptions=["name=seccomp,profile=builtin"])}, "off"),
    ("cis-2.15", {"engine": of("engine", LiveRestoreEnabled=True)}, "on"),
    ("cis-2.16", {"configuration": {}}, "userland-proxy is true"),
    ("cis-2.18", {"configuration": config(experimental=True)}, "true"),
    ("cis-3.7", {"registry_certificates": {"/x/ca.crt": {**FILE, "group": "ops"}}}, "root:ops"),
    ("cis-3.8", {"registry_certificates": {"/x/ca.crt": FILE}}, "0644"),
    ("cis-3.17", {"files": of("files", **{"/etc/docker/daemon.json": {**FILE, "owner": "ops"}})}, "ops:root"),
    ("cis-3.18", {"files": of("files", **{"/etc/docker/daemon.json": {**FILE, "mode": 0o666}})}, "0666"),
    ("cis-3.15", {"files": of("files", **{"/run/docker.sock": FILE})}, "root:root"),
    ("flotilla-log-rotation", {"configuration": config(log_opts={})}, "max-size"),
    ("flotilla-seccomp", {"engine": of("engine", SecurityOptions=["name=no-new-privileges"])}, "no seccomp"),
    ("flotilla-seccomp", {"engine": of("engine", SecurityOptions=["name=seccomp,profile=unconfined"])}, "unconfined"),
    ("flotilla-metrics-address", {"configuration": config(metrics_addr=":9323")}, "whoever"),
    ("flotilla-metrics-address", {"configuration": config(metrics_addr="203.0.113.5:9323")}, "203.0.113.5"),
    ("flotilla-engine-loaded", {"configuration_stale": True}, "another configuration"),
    ("flotilla-firewall-loaded", {"firewall": of("firewall", chains=None)}, "no table"),
    ("flotilla-firewall-loaded", {"firewall": of("firewall", chains=["prerouting"])}, "forward"),
    ("flotilla-firewall-loaded", {"firewall": of("firewall", installed=False)}, "not installed"),
    ("flotilla-firewall-persisted", {"firewall": of("firewall", persisted=False, enabled=False)}, "not enabled"),
    ("flotilla-sshd", {"sshd": {"permitrootlogin": "yes"}}, "permitrootlogin is yes"),
    ("flotilla-sshd", {"sshd": {}}, "not said"),
    ("flotilla-sysctl-swarm", {"sysctls": of("sysctls", **{"net.ipv4.ip_forward": "0"})}, "ip_forward is 0"),
    ("flotilla-sysctl-swarm", {"sysctls": of("sysctls", **{"net.ipv4.conf.all.rp_filter": "1"})}, "rp_filter is 1"),
    ("flotilla-sysctl-network", {"sysctls": dict.fromkeys(GOOD["sysctls"])}, "none of"),
    ("flotilla-sysctl-network", {"sysctls": of("sysctls", **{"net.ipv4.conf.eth0.send_redirects": "1"})}, "eth0"),
    ("flotilla-sysctl-network", {"sysctls": of("sysctls", **{"net.ipv6.conf.eth0.accept_redirects": "1"})}, "eth0"),
    ("flotilla-time", {"clock": {"services": [], "synchronised": True}}, "no time service"),
    ("flotilla-time", {"clock": {"services": ["chrony.service"], "synchronised": False}}, "not synchronised"),
    ("flotilla-updates", {"updates": {"supported": True, "enabled": False}}, "off"),
    ("flotilla-plain-api", {"listening": [["::", 2375]]}, "[::]:2375"),
    ("flotilla-member", {"membership": {"state": "locked", "role": None}}, "locked"),
    ("flotilla-node-certificate", {"certificate": {"not_after": "2026-01-01T00:00:00Z"}}, "2026-01-01"),
    ("flotilla-node-certificate", {"certificate": None}, "without a certificate"),
    ("cis-7.1", {"nodes": [manager("m1")]}, "1 managers"),
    ("cis-7.1", {"nodes": [manager("m%d" % n) for n in range(4)]}, "even"),
    ("cis-7.1", {"nodes": [manager("m%d" % n) for n in range(9)]}, "7"),
    ("cis-7.2", {"listening": [["::", 2377]]}, "[::]:2377"),
    ("cis-7.2", {"listening": []}, "nothing listens"),
    ("cis-7.3", {"networks": [{"Name": "back", "Driver": "overlay", "Options": None}]}, "back"),
    (
        "cis-7.3",
        {"services": [{"Spec": {"Name": "a", "TaskTemplate": {}, "EndpointSpec": {"Ports": [{"PublishedPort": 80}]}}}]},
        "ingress",
    ),
    ("cis-7.4", {"services": service(Env=["DB_PASSWORD=hunter2"])}, "DB_PASSWORD"),
    ("cis-7.4", {"secrets": []}, "no secret"),
    ("cis-7.7", {"swarm": {"Spec": {"CAConfig": {"NodeCertExpiry": 365 * 24 * 3600 * 10**9}}}}, "365 days"),
    ("cis-7.8", {"ca_not_after": "2026-08-01T00:00:00Z"}, "less than a year"),
    ("cis-7.8", {"swarm": {"Spec": {}, "RootRotationInProgress": True}}, "under way"),
    ("cis-7.9", {"underlay": {"advertised": "192.0.2.11", "data_path": "192.0.2.11"}}, "192.0.2.11"),
    ("cis-5.2", {"services": service(Privileges={"AppArmor": {"Mode": "disabled"}})}, "AppArmor"),
    ("cis-5.4", {"services": service(CapabilityAdd=["CAP_SYS_ADMIN"])}, "SYS_ADMIN"),
    ("cis-5.6", {"services": service(Mounts=[{"Type": "bind", "Source": "/etc/ssl/"}])}, "/etc/ssl"),
    ("cis-5.6", {"services": service(Mounts=[{"Type": "bind", "Source": "/"}])}, "it mounts /"),
    ("cis-5.9", {"published_ports": [80]}, "443"),
    ("cis-5.9", {"services": [{**SERVICE, "Endpoint": {"Ports": [{"PublishedPort": 30001}]}}]}, "30001"),
    ("cis-5.10", {"services": template(Networks=[{"Target": "n3"}])}, "host's network"),
    ("cis-5.11", {"services": template(Resources={})}, "no limit"),
    ("cis-5.13", {"services": service(ReadOnly=False)}, "writable"),
    ("cis-5.22", {"services": service(Privileges={"Seccomp": {"Mode": "unconfined"}})}, "seccomp"),
    ("cis-5.26", {"services": service(Privileges=None)}, "no-new-privileges"),
    ("cis-5.29", {"services": template(Resources={"Limits": {"MemoryBytes": 1}})}, "no limit"),
    ("cis-5.32", {"services": service(Mounts=[{"Type": "bind", "Source": "/var/run/docker.sock"}])}, "docker.sock"),
    ("cis-5.32", {"services": service(Mounts=[{"Type": "bind", "Source": "/run"}])}, "/run"),
    ("flotilla-image-tag", {"services": service(Image="registry.example.com:5000/web")}, "no tag"),
    ("flotilla-image-tag", {"services": service(Image="web:latest@sha256:abc")}, "latest"),
    ("flotilla-service-user", {"services": service(User="0:0")}, "root"),
    ("flotilla-service-user", {"services": service(User="")}, "no user"),
]


@pytest.mark.parametrize(("check_id", "changes", "word"), BAD, ids=[f"{entry[0]}-{entry[2]}" for entry in BAD])
def test_what_is_bad_fails_and_is_named(check_id: str, changes: dict[str, Any], word: str) -> None:
    before = copy.deepcopy(changes)
    finding = judged(check_id, **changes)
    assert finding.status == model.FAIL, finding
    assert word in finding.evidence
    assert changes == before


def test_every_item_that_can_fail_is_shown_to_fail() -> None:
    shown = {check_id for check_id, _changes, _word in BAD} | {"cis-7.5", "cis-7.6"}
    alike = {check.id for check in (*auditing.CHECKS, *files.CHECKS)}
    assert set(catalogue.BY_ID) - shown - alike == set()


@pytest.mark.parametrize(
    ("check_id", "changes"),
    [
        ("cis-1.1.13", {"watched": {**GOOD["watched"], "/etc/sysconfig/docker": None}}),
        ("cis-7.2", {"membership": {"state": "active", "role": "worker"}}),
        ("cis-7.9", {"membership": {"state": "inactive", "role": None}}),
        ("flotilla-node-certificate", {"membership": {"state": "inactive", "role": None}}),
        ("flotilla-sshd", {"sshd": None}),
        ("flotilla-updates", {"updates": {"supported": False, "enabled": False}}),
        ("cis-7.3", {"networks": []}),
        ("cis-3.7", {"registry_certificates": {}}),
        ("cis-3.8", {"registry_certificates": {}}),
        ("cis-7.4", {"services": [], "secrets": []}),
        ("cis-5.11", {"services": []}),
    ],
)
def test_what_does_not_concern_a_host_is_not_applicable(check_id: str, changes: dict[str, Any]) -> None:
    assert judged(check_id, **changes).status == model.NOT_APPLICABLE


def test_a_digest_that_somebody_wrote_is_stricter_than_any_tag() -> None:
    assert judged("flotilla-image-tag", services=service(Image="postgres@sha256:abc")).status == model.PASS


def test_a_setting_that_the_kernel_does_not_know_is_named() -> None:
    finding = judged("flotilla-sysctl-swarm", sysctls=of("sysctls", **{"net.bridge.bridge-nf-call-iptables": None}))
    assert "net.bridge.bridge-nf-call-iptables is unknown to the kernel" in finding.evidence


def test_a_value_is_never_evidence() -> None:
    finding = judged("cis-7.4", services=service(Env=["API_TOKEN=a canary that must not be seen"]))
    assert "API_TOKEN" in finding.evidence
    assert "canary" not in finding.evidence


def test_the_age_of_the_unlock_key_is_known_to_nobody() -> None:
    swarm = {"Spec": {"EncryptionConfig": {"AutoLockManagers": True}}}
    assert judged("cis-7.5", swarm=swarm).status == model.PASS
    assert judged("cis-7.6", swarm=swarm).status == model.UNKNOWN


@pytest.mark.parametrize(
    "rule",
    [
        "-w /etc/docker -p wa -k docker",
        "-w /etc/docker/ -p wa",
        "-w /etc/docker/daemon.json -p wa",
        "-a always,exit -F dir=/etc/docker -F perm=wa -F key=docker",
        "-a always,exit -S all -F path=/etc/docker/daemon.json -F perm=wa",
    ],
)
def test_a_watch_counts_however_it_is_written(rule: str) -> None:
    assert judged("cis-1.1.11", audit_rules=[rule]).status == model.PASS


def test_a_watch_of_a_directory_alone_is_none_of_the_files_in_it() -> None:
    alone = [
        "-a always,exit -S all -F path=/etc/docker -F perm=wa",
        "-a always,exit -F path=/run/containerd -F perm=wa",
    ]
    assert judged("cis-1.1.6", audit_rules=alone).status == model.PASS
    assert judged("cis-1.1.11", audit_rules=alone).status == model.FAIL
    assert judged("cis-1.1.8", audit_rules=alone).status == model.PASS, "a socket is only ever replaced"


def test_a_watch_counts_under_the_other_name_of_the_same_directory() -> None:
    unit = "/usr/lib/systemd/system/docker.service"
    here = dict.fromkeys(auditing.PATHS) | {unit: unit}
    assert judged("cis-1.1.7", watched=here, audit_rules=["-w /lib/systemd/system/docker.service"]).status == "pass"


@pytest.mark.parametrize(
    "rule",
    [
        "-a never,exit -F dir=/etc/docker -F perm=wa",
        "-a always,exclude -F dir=/etc/docker -F perm=wa",
        "-a always,exit -F dir=/etc/docker -F perm=r",
        "-a always,exit -F dir=/etc/docker -F perm=w",
        "-a always,exit -F dir=/etc/docker -F perm=wa -F auid>=1000",
        "-a always,exit -S unlink -F dir=/etc/docker",
        "-w /etc/docker -p r -k docker",
    ],
)
def test_a_rule_that_does_not_record_every_change_is_no_watch(rule: str) -> None:
    assert judged("cis-1.1.6", audit_rules=[rule]).status == model.FAIL


def test_every_copy_must_be_watched_and_two_names_of_one_are_one_copy() -> None:
    rules = ["-w /usr/bin/dockerd -p wa"]
    two = dict.fromkeys(auditing.PATHS) | {
        "/usr/bin/dockerd": "/usr/bin/dockerd",
        "/usr/sbin/dockerd": "/usr/sbin/dockerd",
    }
    finding = judged("cis-1.1.3", watched=two, audit_rules=rules)
    assert finding.status == model.FAIL
    assert "/usr/sbin/dockerd" in finding.evidence
    one = {**two, "/usr/sbin/dockerd": "/usr/bin/dockerd"}
    assert judged("cis-1.1.3", watched=one, audit_rules=rules).status == model.PASS


def test_the_files_that_the_configuration_names_are_judged() -> None:
    named = config(tlskey="/etc/docker/key.pem")
    assert files.paths_of(named) == ("/etc/docker/key.pem",)
    seen = {**GOOD["files"], "/etc/docker/key.pem": FILE}
    assert judged("cis-3.14", configuration=named, files=seen).status == model.FAIL
    assert judged("cis-3.13", configuration=named, files=seen).status == model.PASS


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-H", "fd://", "--containerd=/run/containerd/containerd.sock"], {"hosts": ["fd://"]}),
        (["-H=tcp://192.0.2.1:2376", "--host", "fd://"], {"hosts": ["tcp://192.0.2.1:2376", "fd://"]}),
        (["--icc=false", "--tlsverify", "--live-restore", "-D"], {"icc": False, "tlsverify": True, "debug": True}),
        (["--log-opt", "max-size=1m", "--log-level", "debug"], {"log-opts": {"max-size": "1m"}, "log-level": "debug"}),
        (["stray"], {}),
    ],
)
def test_arguments_of_the_engine_are_keys_of_its_file(words: list[str], expected: Mapping[str, Any]) -> None:
    found = arguments.parse(words)
    assert {**found, **expected} == found


def test_every_item_of_our_own_is_in_the_roles_readme() -> None:
    readme = (Path(__file__).resolve().parents[2] / "roles/swarm_audit/README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(flotilla-[a-z-]+)`", readme)) == {
        check.id for check in catalogue.CHECKS if check.id.startswith("flotilla-")
    }


def test_ids_are_unique_ordered_and_of_two_kinds() -> None:
    ids = [check.id for check in catalogue.CHECKS]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"cis-\d(\.\d+)+|flotilla-[a-z-]+", check_id) for check_id in ids)
    assert ids.index("cis-2.2") < ids.index("cis-2.14") < ids.index("cis-7.1") < ids.index("flotilla-member")
    assert {"cis-7.%d" % number for number in range(1, 10)} <= set(ids)
    assert all(check.mend and check.title for check in catalogue.CHECKS)
