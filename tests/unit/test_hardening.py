# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role node_hardening: what it declares, and that none of it breaks a swarm, whichever comes first."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.flotilla.swarm.plugins.filter.hardening_batch import FilterModule, hardening_batch
from ansible_collections.flotilla.swarm.plugins.module_utils._core import kernel
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening import needs

ROLE = Path(__file__).resolve().parents[2] / "roles/node_hardening"
VARIABLES: dict[str, Any] = {}
for _file in sorted((ROLE / "vars/main").glob("*.yml")):
    VARIABLES.update(yaml.safe_load(_file.read_text(encoding="utf-8")))
DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text(encoding="utf-8"))
CONCERNS = {path.stem for path in (ROLE / "vars/main").glob("*.yml")} - {"concerns"}
SYSCTLS = VARIABLES["__node_hardening_sysctl_network_values"] + VARIABLES["__node_hardening_sysctl_kernel"]["sysctls"]


def test_each_concern_is_a_file_with_its_id_and_its_switch() -> None:
    for concern in CONCERNS:
        declared = VARIABLES["__node_hardening_" + concern]
        assert declared["id"] == concern
        assert declared["enabled"] == "{{ node_hardening_%s }}" % concern
        assert DEFAULTS["node_hardening_" + concern] is True
    listed = VARIABLES["__node_hardening_concerns"]
    assert {entry.strip("{} ") for entry in listed} == {"__node_hardening_" + concern for concern in CONCERNS}
    assert len(listed) == len(CONCERNS)


def test_each_concern_says_why() -> None:
    for concern in CONCERNS:
        lines = (ROLE / "vars/main" / (concern + ".yml")).read_text(encoding="utf-8").splitlines()
        assert lines[1].startswith("# "), concern


# --- Whichever comes first, hardening or the swarm --------------------------------------------------------------------


def test_nothing_that_is_declared_breaks_a_swarm() -> None:
    assert needs.contradictions(SYSCTLS, DEFAULTS["node_hardening_kernel_modules_denied"]) == []


def test_forwarding_is_asserted_first_and_nothing_turns_it_off() -> None:
    assert SYSCTLS[0] == {"name": "net.ipv4.ip_forward", "value": "1", "required": True}
    assert not [s for s in SYSCTLS if "forward" in s["name"] and s["value"] != "1"]
    assert {s["value"] for s in SYSCTLS if s["name"].endswith(".rp_filter")} == {"2"}
    assert {s["value"] for s in SYSCTLS if s["name"].startswith("net.bridge.")} == {"1"}


def test_no_module_that_a_swarm_needs_is_denied() -> None:
    denied = set(DEFAULTS["node_hardening_kernel_modules_denied"])
    assert not denied & {module for feature in kernel.FEATURES for module, _option in feature.ways}


def test_no_file_mounts_restricts_or_forbids_what_an_engine_lives_on() -> None:
    lines = [
        line for path in (ROLE / "vars/main").glob("*.yml") for line in path.read_text(encoding="utf-8").splitlines()
    ]
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    for wrong in ("noexec", "live-restore", "DefaultTasksMax", "DefaultLimit", "requiretty", "AllowUsers", "-e 2"):
        assert wrong not in text


def test_no_existing_file_gets_more_permissions_than_a_swarm_can_take() -> None:
    items = [item for concern in CONCERNS for item in VARIABLES["__node_hardening_" + concern].get("files") or []
             if isinstance(item, dict) and item.get("state") == "existing"]  # fmt: skip
    modes = {item["path"]: item["mode"] for item in items}
    assert modes["/run/docker.sock"] == "0660"  # its group must write
    assert modes["/etc/docker"] == "0755"
    assert not [path for path in modes if path.startswith("/var/lib/docker")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net.ipv4.ip_forward", "0"),
        ("net.ipv4.conf.all.forwarding", "0"),
        ("net.ipv4.conf.eth0.rp_filter", "1"),
        ("net.ipv4.conf.*.rp_filter", "1"),
        ("net.bridge.bridge-nf-call-iptables", "0"),
        ("kernel.modules_disabled", "1"),
    ],
)
def test_a_setting_that_breaks_a_swarm_is_refused_whoever_declares_it(name: str, value: str) -> None:
    extra = {"id": "extra", "enabled": True, "sysctls": [{"name": name, "value": value}]}
    with pytest.raises(AnsibleFilterError, match="breaks a swarm"):
        hardening_batch([extra])
    assert hardening_batch([{**extra, "enabled": False}])["off"] == ["extra"]


@pytest.mark.parametrize(
    "module", ["overlay", "vxlan", "ip_vs", "br-netfilter", "nf_nat", "xt_bpf", "esp4", "nft_compat"]
)
def test_a_module_that_a_swarm_needs_is_refused_whoever_denies_it(module: str) -> None:
    (problem,) = needs.contradictions([], [module, "dccp"])
    assert module in problem


def test_what_the_user_names_replaces_the_roles_own_in_its_place() -> None:
    extra = [
        {"name": "net.ipv4.conf.all.rp_filter", "value": "0"},
        {"name": "net.ipv4.ip_forward", "value": "1", "required": False},
        {"name": "fs.suid_dumpable", "value": "2"},
        {"name": "vm.swappiness", "value": "10"},
    ]
    concerns = templated("__node_hardening_concerns", ansible_facts=DEBIAN, node_hardening_sysctl_extra=extra,
                         __node_hardening_login={"user": "ops", "login": "key", "address": ""})  # fmt: skip
    sysctls = hardening_batch(concerns)["sysctls"]
    assert sysctls[0] == {"name": "net.ipv4.ip_forward", "value": "1", "required": True, "concern": "sysctl_network"}
    found = {s["name"]: (s["value"], s["concern"]) for s in sysctls}
    assert len(found) == len(sysctls)
    assert found["net.ipv4.conf.all.rp_filter"] == ("0", "sysctl_network")
    assert found["fs.suid_dumpable"] == ("2", "core_dumps")
    assert found["kernel.kptr_restrict"] == ("1", "sysctl_kernel")
    assert (sysctls[-1]["name"], found["vm.swappiness"]) == ("vm.swappiness", ("10", "sysctl_network"))


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ([{"name": "net.ipv4.ip_forward", "value": "0"}], "sysctl net.ipv4.ip_forward = 0 breaks a swarm"),
        ([{"name": "a.b", "value": "1"}, {"name": "a.b", "value": "2"}], "sysctl a.b is declared as 1 and as 2"),
        ([{"name": "ip_forward", "value": "1"}], "sysctl ip_forward: write the name with dots"),
    ],
)
def test_what_is_wrong_with_the_users_settings_is_said_with_the_key(extra: list[dict[str, str]], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match="node_hardening_sysctl_extra: " + said):
        hardening_batch([{"id": "one", "enabled": True, "extra_sysctls": extra}])


# --- What a host holds already ----------------------------------------------------------------------------------------


def templated(name: str, **variables: Any) -> Any:
    """A variable of the role as Ansible makes it, with the role's defaults."""
    loader = DataLoader()
    found: dict[str, Any] = {}
    for path in [*sorted((ROLE / "vars/main").glob("*.yml")), ROLE / "defaults/main.yml"]:
        found.update(loader.load_from_file(str(path), trusted_as_template=True))
    found.update(variables)
    return Templar(loader=loader, variables=found).template(trust_as_template("{{ %s }}" % name))


DEBIAN = {"os_family": "Debian", "distribution": "Debian"}
REDHAT = {"os_family": "RedHat", "distribution": "Rocky"}


def test_time_sources_that_a_host_has_are_kept() -> None:
    servers = ["192.0.2.123"]
    for declared in ([], servers):
        files = templated(
            "__node_hardening_chrony", ansible_facts=DEBIAN, node_hardening_chrony_servers=declared
        )["files"]  # fmt: skip
        assert [file["path"] for file in files] == [
            "/etc/chrony/conf.d/10-flotilla.conf",
            "/etc/chrony/sources.d/10-flotilla.sources",
        ]
        assert ("server 192.0.2.123 iburst prefer\n" in files[1]["content"]) == bool(declared)
    assert templated("__node_hardening_chrony", ansible_facts=REDHAT)["files"] == []
    (whole,) = templated("__node_hardening_chrony", ansible_facts=REDHAT, node_hardening_chrony_servers=servers)[
        "files"
    ]
    assert "server 192.0.2.123 iburst prefer\nsourcedir /run/chrony-dhcp\n" in whole["content"]


def test_packages_that_somebody_holds_stay_held() -> None:
    content = templated("__node_hardening_upgrades_apt", ansible_facts=DEBIAN)["content"]
    assert "#clear Unattended-Upgrade::Package-Blacklist" not in content
    assert '"^containerd";' in content


def test_root_makes_files_that_containers_can_read() -> None:
    assert "umask" not in yaml.safe_dump(VARIABLES["__node_hardening_login_and_sudo"])


@pytest.mark.parametrize("key", ["send_redirects", "secure_redirects"])
def test_redirects_are_off_on_every_interface(key: str) -> None:
    names = {s["name"]: s["value"] for s in SYSCTLS}
    assert {names["net.ipv4.conf.%s.%s" % (which, key)] for which in ("all", "default", "*")} == {"0"}
    assert {names["net.ipv6.conf.%s.accept_redirects" % which] for which in ("all", "default", "*")} == {"0"}


# --- Who is reached through a host ------------------------------------------------------------------------------------


def behind(host: str, **logins: tuple[str, list[str]]) -> list[str]:
    """The hosts that would be cut off with ``host``. ``logins``: host → where it sees Ansible come from, its own."""
    known: dict[str, dict[str, Any]] = {"unasked": {"inventory_hostname": "unasked"}}
    for name, (address, own) in logins.items():
        login = {"address": address, "addresses": own}
        known[name] = {"inventory_hostname": name, "__node_hardening_login": login}
    return list(templated("__node_hardening_behind", hostvars=known, ansible_play_hosts_all=list(known), **known[host]))


def test_a_jump_host_is_told_by_where_others_see_ansible_come_from() -> None:
    jump = {
        "m1": ("198.51.100.9", ["203.0.113.11", "192.0.2.11"]),
        "w1": ("192.0.2.11", ["192.0.2.21"]),
        "w2": ("198.51.100.9", ["192.0.2.22"]),
    }
    assert behind("m1", **jump) == ["w1"]
    assert behind("w1", **jump) == []


@pytest.mark.parametrize("seen", ["192.0.2.11", "127.0.0.1", ""])
def test_the_controller_and_hosts_over_other_connections_are_no_jump_hosts(seen: str) -> None:
    own = ["192.0.2.11"] if seen else []
    assert behind("m1", m1=(seen, own), w1=("192.0.2.11", ["192.0.2.21"]), w2=("", [])) == []


# --- As whom Ansible logs in ------------------------------------------------------------------------------------------


def judged(**login: str) -> tuple[str, dict[str, str]]:
    """What the drop-in says of root, and who must still get in."""
    known = {"__node_hardening_login": login}
    content = templated("__node_hardening_sshd.files[0].content", ansible_facts=DEBIAN, **known)
    (root,) = [line for line in content.splitlines() if line.startswith("PermitRootLogin")]
    return root, templated("__node_hardening_sshd_judge", **known)


@pytest.mark.parametrize(
    ("user", "root"),
    [("root", "prohibit-password"), ("ops", "no"), ("", "no")],
    ids=["root", "another", "not over SSH"],
)
def test_who_logs_in_is_who_must_still_get_in(user: str, root: str) -> None:
    said, who = judged(user=user, login="password", address="192.0.2.1")
    assert said == "PermitRootLogin " + root
    assert {name: who[name] for name in ("user", "login", "address")} == {
        "user": user,
        "login": "password",
        "address": "192.0.2.1",
    }


@pytest.mark.parametrize(
    ("said", "root"), [(False, "no"), (True, "yes"), ("no", "no"), ("yes", "yes"), ("", "prohibit-password")]
)
def test_root_without_quotes_means_the_same(said: bool | str, root: str) -> None:
    content = templated(
        "__node_hardening_sshd.files[0].content",
        ansible_facts=DEBIAN,
        node_hardening_sshd_permit_root_login=said,
        __node_hardening_login={"user": "root", "login": "key", "address": ""},
    )
    assert "PermitRootLogin %s\n" % root in content


@pytest.mark.parametrize(("switch", "said"), [(False, "no"), (True, "yes")])
def test_a_second_factor_has_a_switch(switch: bool, said: str) -> None:
    content = templated(
        "__node_hardening_sshd.files[0].content",
        ansible_facts=DEBIAN,
        node_hardening_sshd_keyboard_interactive=switch,
        __node_hardening_login={"user": "ops", "login": "key", "address": ""},
    )
    assert "KbdInteractiveAuthentication %s\n" % said in content


def test_time_servers_are_looked_for_before_anything_is_changed() -> None:
    tasks = yaml.safe_load((ROLE / "tasks/preflight.yml").read_text(encoding="utf-8"))
    (task,) = [task for task in tasks if "flotilla.swarm.host_files" in task]
    assert task["flotilla.swarm.host_files"] == {"files": [], "before_chrony": True}
    assert task["when"] == ["node_hardening_chrony", "node_hardening_chrony_servers | length == 0"]


@pytest.mark.parametrize(
    "name", ["__node_hardening_sshd_judge.user", "__node_hardening_sshd_judge", "__node_hardening_sshd.files"]
)
def test_a_login_that_was_not_read_is_no_login_over_another_connection(name: str) -> None:
    with pytest.raises(AnsibleError, match="as whom Ansible logs in"):
        templated(name, ansible_facts=DEBIAN)
    with pytest.raises(AnsibleError, match="no attribute 'user'"):
        templated(name, ansible_facts=DEBIAN, __node_hardening_login={"skipped": True, "changed": False})


def test_no_part_is_run_without_the_preflight() -> None:
    (block,) = yaml.safe_load((ROLE / "tasks/main.yml").read_text(encoding="utf-8"))
    preflight, *parts = block["block"]
    assert preflight["ansible.builtin.import_tasks"] == "preflight.yml"
    assert set(preflight["tags"]) >= {tag for part in parts for tag in part["tags"]}


# --- The audit rules --------------------------------------------------------------------------------------------------


def test_every_audit_rule_loads_before_there_is_an_engine() -> None:
    """A rule loads when its path's directory exists, also while the path itself does not (auditctl(8))."""
    there = {"/usr/bin", "/usr/sbin", "/run", "/var/lib", "/etc", "/usr/lib/systemd/system", "/etc/systemd/system"}
    made = {item["path"] for item in VARIABLES["__node_hardening_auditd"]["files"] if item.get("state") == "directory"}
    for path in VARIABLES["__node_hardening_auditd_common"]:
        assert str(Path(path).parent) in there | made, path


# --- The filter -------------------------------------------------------------------------------------------------------


def test_it_is_the_filter_that_ansible_finds() -> None:
    assert FilterModule().filters() == {"hardening_batch": hardening_batch}


def test_it_gathers_what_is_on_and_names_what_is_off() -> None:
    one = {"id": "one", "enabled": True, "packages": ["a", "b"], "files": [{"path": "/x"}], "services": [{"name": "s"}]}
    two = {"id": "two", "enabled": True, "packages": ["b", "c"], "denied": ["dccp"]}
    off = {"id": "off", "enabled": False, "packages": ["d"], "denied": ["overlay"]}
    assert hardening_batch([one, two, off]) == {
        "packages": ["a", "b", "c"],
        "files": [{"path": "/x", "concern": "one"}],
        "services": [{"name": "s", "concern": "one"}],
        "sysctls": [],
        "modules": [],
        "denied": ["dccp"],
        "off": ["off"],
    }


def test_a_concern_that_is_declared_wrongly_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match="two concerns have the id 'one'"):
        hardening_batch([{"id": "one", "enabled": True}, {"id": "one", "enabled": True}])
    with pytest.raises(AnsibleFilterError, match="the concern one has no part file:"):
        hardening_batch([{"id": "one", "enabled": True, "file": []}])


def test_engine_packages_are_not_upgraded_by_themselves() -> None:
    held = DEFAULTS["node_hardening_unattended_upgrades_held"]
    for package in ("docker.io", "docker-ce", "docker-cli", "containerd", "containerd.io", "runc"):
        assert any(fnmatchcase(package, h.strip("^").replace("$", "") + ("*" if "$" not in h else "")) for h in held)
