# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a service in a stack file to a ContainerSpec: each key means what it means to the docker CLI."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.tests.support.stack_trees import converted

Json = dict[str, Any]
MS = 10**6
S = 10**9


def spec_of(entry: Json, **sections: Any) -> Json:
    found: Json = converted(entry, **sections)["TaskTemplate"]["ContainerSpec"]
    return found


def container(**entry: Any) -> Json:
    return spec_of(entry)


@pytest.mark.parametrize(
    ("key", "value", "name", "sent"),
    [
        ("entrypoint", ["sh", "-c"], "Command", ["sh", "-c"]),
        ("command", ["a", "b c"], "Args", ["a", "b c"]),
        ("hostname", "{{.Node.Hostname}}", "Hostname", "{{.Node.Hostname}}"),
        ("working_dir", "/srv", "Dir", "/srv"),
        ("user", "1000:1000", "User", "1000:1000"),
        ("stop_signal", "SIGINT", "StopSignal", "SIGINT"),
        ("stop_grace_period", "1m30s", "StopGracePeriod", 90 * S),
        ("stop_grace_period", "0s", "StopGracePeriod", 0),
        ("tty", True, "TTY", True),
        ("stdin_open", True, "OpenStdin", True),
        ("read_only", True, "ReadOnly", True),
        ("init", True, "Init", True),
        ("init", False, "Init", False),
        ("isolation", "hyperv", "Isolation", "hyperv"),
        ("sysctls", {"net.core.somaxconn": "1024"}, "Sysctls", {"net.core.somaxconn": "1024"}),
        ("environment", {"foo": "bar", "bar": "", "Key": None}, "Env", ["Key", "bar=", "foo=bar"]),
        (
            "extra_hosts",
            ["zulu:192.0.2.2", "alpha:192.0.2.1", "zulu:2001:db8::1", "nothing"],
            "Hosts",
            ["192.0.2.2 zulu", "192.0.2.1 alpha", "2001:db8::1 zulu"],
        ),
        (
            "ulimits",
            {"nproc": 5, "core": -1, "nofile": {"soft": 10, "hard": 20}, "cpu": {"hard": 3}, "data": {}},
            "Ulimits",
            [
                {"Name": "core", "Soft": -1, "Hard": -1},
                {"Name": "cpu", "Soft": 0, "Hard": 3},
                {"Name": "data", "Soft": 0, "Hard": 0},
                {"Name": "nofile", "Soft": 10, "Hard": 20},
                {"Name": "nproc", "Soft": 5, "Hard": 5},
            ],
        ),
        ("labels", {"a": "", "b": "c"}, "Labels", {"a": "", "b": "c", "com.docker.stack.namespace": "shop"}),
        ("labels", {labels.STACK_NAMESPACE: "x"}, "Labels", {labels.STACK_NAMESPACE: "shop"}),
    ],
)
def test_keys_of_the_container(key: str, value: Any, name: str, sent: Any) -> None:
    assert container(**{key: value})[name] == sent


@pytest.mark.parametrize(
    "name",
    [
        "Command",
        "Args",
        "Hostname",
        "Dir",
        "User",
        "StopSignal",
        "StopGracePeriod",
        "TTY",
        "OpenStdin",
        "ReadOnly",
        "Init",
        "Isolation",
        "Sysctls",
        "Env",
        "Hosts",
        "Ulimits",
        "Healthcheck",
        "DNSConfig",
        "OomScoreAdj",
    ],
)
def test_what_the_file_does_not_say_is_not_sent(name: str) -> None:
    assert name not in container()


@pytest.mark.parametrize(
    ("check", "sent"),
    [
        (
            {
                "test": ["CMD", "touch", "/foo"],
                "timeout": "30s",
                "interval": "2ms",
                "retries": 10,
                "start_period": "1m0s",
                "start_interval": "1s",
            },
            {
                "Test": ["CMD", "touch", "/foo"],
                "Timeout": 30 * S,
                "Interval": 2 * MS,
                "Retries": 10,
                "StartPeriod": 60 * S,
                "StartInterval": S,
            },
        ),
        ({"disable": True}, {"Test": ["NONE"]}),
        ({"disable": False, "test": ["NONE"]}, {"Test": ["NONE"]}),
        # The image's own command, looked at more often.
        ({"interval": "5s"}, {"Test": [], "Interval": 5 * S}),
        ({}, {"Test": []}),
    ],
)
def test_healthchecks(check: Json, sent: Json) -> None:
    assert container(healthcheck=check)["Healthcheck"] == sent


@pytest.mark.parametrize(
    ("entry", "sent"),
    [
        ({"dns": ["192.0.2.8", "192.0.2.9"]}, {"Nameservers": ["192.0.2.8", "192.0.2.9"], "Search": []}),
        ({"dns_search": ["a.example"]}, {"Nameservers": [], "Search": ["a.example"]}),
        (
            {"dns": ["192.0.2.8"], "dns_search": ["a.example", "b.example"]},
            {"Nameservers": ["192.0.2.8"], "Search": ["a.example", "b.example"]},
        ),
        ({"dns": [], "dns_search": []}, None),
    ],
)
def test_name_servers(entry: Json, sent: Json | None) -> None:
    assert container(**entry).get("DNSConfig") == sent


@pytest.mark.parametrize(
    ("add", "drop", "added", "dropped"),
    [
        ([], [], [], []),
        (["SYS_NICE", "cap_net_admin"], [], ["CAP_NET_ADMIN", "CAP_SYS_NICE"], []),
        ([" chown ", "CHOWN"], [], ["CAP_CHOWN"], []),
        (["SYS_NICE"], ["CHOWN", "CAP_SYS_NICE"], ["CAP_SYS_NICE"], ["CAP_CHOWN"]),
        (["ALL", "SYS_NICE"], ["CHOWN"], ["ALL"], ["CAP_CHOWN"]),
        (["CHOWN"], ["ALL", "SYS_NICE"], ["CAP_CHOWN"], ["ALL"]),
        (["all"], ["all"], ["ALL"], []),
        (["RESET", "CHOWN"], ["RESET", "SYS_NICE"], ["CAP_CHOWN"], ["CAP_SYS_NICE"]),
    ],
)
def test_capabilities(add: list[str], drop: list[str], added: list[str], dropped: list[str]) -> None:
    found = container(cap_add=add, cap_drop=drop)
    assert (found["CapabilityAdd"], found["CapabilityDrop"]) == (added, dropped)


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ([], {}),
        (["no-new-privileges"], {"NoNewPrivileges": True}),
        (["no-new-privileges:true"], {"NoNewPrivileges": True}),
        (["no-new-privileges=false"], {}),
        (
            ["seccomp=unconfined", "apparmor:unconfined"],
            {"Seccomp": {"Mode": "unconfined"}, "AppArmor": {"Mode": "disabled"}},
        ),
        (["seccomp:default"], {}),
        (["seccomp=builtin", "apparmor=docker-default"], {}),
        (['seccomp={"a": 1}'], {"Seccomp": {"Mode": "custom", "Profile": "eyJhIjogMX0="}}),
        (["label=disable"], {"SELinuxContext": {"Disable": True}}),
        (
            ["label:user:U", "label=role:R", "label=type:T", "label=level:s0:c1"],
            {"SELinuxContext": {"User": "U", "Role": "R", "Type": "T", "Level": "s0:c1"}},
        ),
    ],
)
def test_security_options_are_done_though_the_cli_drops_them(options: list[str], sent: Json) -> None:
    assert container(security_opt=options)["Privileges"] == {**sent, "CredentialSpec": None}


OBJECTS: Json = {
    "secrets": {"key": {"name": "key_v1", "external": True}, "own": {"name": "shop_own", "external": True}},
    "configs": {
        "ready": {"name": "ready_v1", "external": True},
        "conf": {"name": "shop_conf", "external": True},
        "a": {"name": "a_v1", "external": True},
    },
}


def test_files_from_secrets_have_their_targets_owners_and_modes_and_are_sorted_by_name() -> None:
    entry = {
        "secrets": [
            {"source": "own"},
            {"source": "key", "target": "/run/key", "uid": "103", "gid": "104", "mode": 0o400},
        ]
    }
    assert spec_of(entry, **OBJECTS)["Secrets"] == [
        {
            "File": {"Name": "/run/key", "UID": "103", "GID": "104", "Mode": 0o400},
            "SecretID": "id-key",
            "SecretName": "key_v1",
        },
        {
            "File": {"Name": "own", "UID": "0", "GID": "0", "Mode": 0o444},
            "SecretID": "id-own",
            "SecretName": "shop_own",
        },
    ]


def test_a_mode_of_zero_is_a_mode() -> None:
    entry = {"configs": [{"source": "ready", "mode": 0}]}
    (config,) = spec_of(entry, **OBJECTS)["Configs"]
    assert config["File"]["Mode"] == 0


def test_the_config_of_a_credential_spec_is_no_file_and_is_named_by_its_id() -> None:
    entry = {"configs": [{"source": "conf"}, {"source": "a"}], "credential_spec": {"config": "ready"}}
    spec = spec_of(entry, **OBJECTS)
    assert spec["Privileges"]["CredentialSpec"] == {"Config": "id-ready"}
    assert [config["ConfigName"] for config in spec["Configs"]] == ["a_v1", "ready_v1", "shop_conf"]
    assert spec["Configs"][1] == {"Runtime": {}, "ConfigID": "id-ready", "ConfigName": "ready_v1"}


@pytest.mark.parametrize(
    ("spec", "sent"),
    [
        ({}, None),
        ({"file": "x.json"}, {"File": "x.json"}),
        ({"registry": "x"}, {"Registry": "x"}),
        ({"config": "", "file": "x.json"}, {"File": "x.json"}),
    ],
)
def test_credential_specs(spec: Json, sent: Json | None) -> None:
    assert container(credential_spec=spec)["Privileges"]["CredentialSpec"] == sent


@pytest.mark.parametrize(
    ("volume", "sent"),
    [
        ({"type": "volume", "target": "/a"}, {"Type": "volume", "Target": "/a"}),
        ({"type": "volume", "target": "/a", "volume": {}}, {"Type": "volume", "Target": "/a"}),
        (
            {"type": "volume", "source": "data", "target": "/a", "read_only": True},
            {
                "Type": "volume",
                "Source": "shop_data",
                "Target": "/a",
                "ReadOnly": True,
                "VolumeOptions": {"Labels": {labels.STACK_NAMESPACE: "shop"}},
            },
        ),
        (
            {"type": "volume", "source": "driven", "target": "/a", "volume": {"nocopy": True, "subpath": "x"}},
            {
                "Type": "volume",
                "Source": "its-own-name",
                "Target": "/a",
                "VolumeOptions": {
                    "NoCopy": True,
                    "Subpath": "x",
                    "Labels": {"a": "", labels.STACK_NAMESPACE: "shop"},
                    "DriverConfig": {"Name": "nfs", "Options": {"o": "addr=192.0.2.1", "empty": ""}},
                },
            },
        ),
        (
            {"type": "volume", "source": "optioned", "target": "/a"},
            {
                "Type": "volume",
                "Source": "shop_optioned",
                "Target": "/a",
                "VolumeOptions": {"Labels": {labels.STACK_NAMESPACE: "shop"}, "DriverConfig": {"Name": ""}},
            },
        ),
        (
            {"type": "volume", "source": "outside", "target": "/a", "volume": {"nocopy": True}},
            {"Type": "volume", "Source": "special", "Target": "/a", "VolumeOptions": {"NoCopy": True}},
        ),
        (
            {"type": "bind", "source": "/b", "target": "/a", "read_only": True, "bind": {"propagation": "shared"}},
            {
                "Type": "bind",
                "Source": "/b",
                "Target": "/a",
                "ReadOnly": True,
                "BindOptions": {"Propagation": "shared"},
            },
        ),
        (
            {"type": "bind", "source": "/b", "target": "/a", "consistency": "cached"},
            {"Type": "bind", "Source": "/b", "Target": "/a", "Consistency": "cached"},
        ),
        (
            {"type": "tmpfs", "target": "/a", "tmpfs": {"size": 1000}},
            {"Type": "tmpfs", "Target": "/a", "TmpfsOptions": {"SizeBytes": 1000}},
        ),
        (
            {"type": "tmpfs", "target": "/a", "tmpfs": {}},
            {"Type": "tmpfs", "Target": "/a", "TmpfsOptions": {"SizeBytes": 0}},
        ),
        ({"type": "tmpfs", "target": "/a"}, {"Type": "tmpfs", "Target": "/a"}),
        (
            {"type": "npipe", "source": "//pipe", "target": "//pipe", "bind": {}},
            {"Type": "npipe", "Source": "//pipe", "Target": "//pipe", "BindOptions": {"Propagation": ""}},
        ),
        (
            {"type": "cluster", "source": "data", "target": "/a"},
            {"Type": "cluster", "Source": "shop_data", "Target": "/a", "ClusterOptions": {}},
        ),
        (
            {"type": "cluster", "source": "outside", "target": "/a"},
            {"Type": "cluster", "Source": "special", "Target": "/a", "ClusterOptions": {}},
        ),
        (
            {"type": "cluster", "source": "group:fast", "target": "/a"},
            {"Type": "cluster", "Source": "group:fast", "Target": "/a", "ClusterOptions": {}},
        ),
    ],
)
def test_mounts(volume: Json, sent: Json) -> None:
    volumes = {
        "data": None,
        "driven": {
            "name": "its-own-name",
            "driver": "nfs",
            "driver_opts": {"o": "addr=192.0.2.1", "empty": ""},
            "labels": {"a": ""},
        },
        "optioned": {"driver_opts": {}},
        "outside": {"external": True, "name": "special"},
    }
    assert spec_of({"volumes": [volume]}, volumes=volumes)["Mounts"] == [sent]
