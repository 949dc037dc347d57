#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_audit
short_description: Judge how a host of a Docker Swarm is secured
version_added: 0.1.0
description:
  - Reads in one execution the engine's configuration and what it runs with, owners and modes of its files, the loaded
    audit rules, kernel settings, the SSH server's effective settings, the firewall and the engine's sockets, and judges
    them by the host's items of the audit.
  - Items whose ID begins with C(cis-) carry the numbers of the CIS Docker Benchmark 1.6.0, the others are this
    collection's own.
  - A read that fails makes its items V(unknown), never V(pass).
  - Nothing is changed.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
options:
  address:
    description: The host's address in the cluster, on which the engine's metrics may listen. Empty allows any one.
    type: str
    default: ''
  trusted_users:
    description: Who may be in the group C(docker), and so be root.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine.host
notes:
  - Run it as root. What only root can read is V(unknown) otherwise.
seealso:
  - module: flotilla.swarm.swarm_audit
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Judge how this host is secured
  flotilla.swarm.host_audit:
    trusted_users: [ops]
  register: host_audit

- name: Show what is bad
  ansible.builtin.debug:
    msg: "{{ host_audit.findings | selectattr('status', 'in', ['fail', 'unknown']) }}"
"""

RETURN = r"""
findings:
  description: What was found, one entry for each item.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The item.
      type: str
    title:
      description: What it asks for.
      type: str
    scope:
      description: V(host).
      type: str
    status:
      description: V(pass), V(fail), V(unknown) (it could not be read) or V(not_applicable).
      type: str
    evidence:
      description: What was seen, or why it could not be read.
      type: str
    mend:
      description: What to do when it is bad.
      type: str
  sample:
    - id: cis-2.2
      title: Ensure network traffic is restricted between containers on the default bridge
      scope: host
      status: pass
      evidence: icc is false
      mend: the role docker_engine sets it (docker_engine_hardening)
"""

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import daemon_config
from ansible_collections.flotilla.swarm.plugins.module_utils._core.audit import arguments, catalogue, model
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host, loaded_config
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineError
from ansible_collections.flotilla.swarm.plugins.module_utils._host import audit_facts
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

CONFIGURATION = Path("/etc/docker/daemon.json")
Readings = dict[str, dict[str, Any]]


def configuration() -> dict[str, Any]:
    """What the engine goes by: its arguments, and the file that they name or else the usual one."""
    given = audit_facts.engine_arguments()
    path = configuration_file(given)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = ""
    return arguments.effective(daemon_config.parse(text, str(path)), given)


def configuration_file(given: list[str]) -> Path:
    return Path(str(arguments.parse(given).get("config-file", CONFIGURATION)))


def configuration_stale() -> bool:
    """Whether the running engine goes by another configuration than its file's.

    Raises:
        ValueError: that is not known.
    """
    path = configuration_file(audit_facts.engine_arguments())
    if path != CONFIGURATION:
        raise ValueError("the engine goes by %s, of which nothing is remembered" % path)
    stale = loaded_config.is_stale()
    if stale is None:
        raise ValueError("no engine runs, or its process can't be found (/run/docker.pid)")
    return stale


def of_the_swarm(info: dict[str, Any]) -> Readings:
    """What the engine's answer says of this host's place in its swarm; it may have to look at the node's state."""
    root = str(info.get("DockerRootDir") or "/var/lib/docker")
    seen = model.reading(lambda: host.membership_of(info), EngineError)
    if "error" in seen:
        return dict.fromkeys(("membership", "underlay", "certificate"), seen)
    member = seen["value"]

    def addresses() -> dict[str, Any]:
        return {"advertised": member.address, "data_path": host.underlay(member.address, root)["address"]}

    def certificate() -> dict[str, str] | None:
        found = host.read_certificate(root)
        return {"not_after": found.not_after} if found else None

    return {
        "membership": {"value": {"state": member.local_state, "role": member.role}},
        "underlay": model.reading(addresses),
        "certificate": model.reading(certificate, EngineError),
    }


def observe(docker_host: str, address: str, trusted_users: list[str]) -> Readings:
    """All the facts that the host's items need."""
    engine = host.HostEngine(host.socket_path(docker_host))
    info = model.reading(engine.info, EngineError)
    config = model.reading(configuration, HostError)
    readings = {name: model.reading(read, HostError) for name, read in audit_facts.reads(config.get("value")).items()}
    readings["engine"] = info
    readings["configuration"] = config
    readings["configuration_stale"] = model.reading(configuration_stale)
    readings["address"] = {"value": address}
    readings["trusted_users"] = {"value": trusted_users}
    readings["now"] = {"value": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")}
    if "value" in info:
        readings.update(of_the_swarm(info["value"]))
    else:
        readings.update(dict.fromkeys(("membership", "underlay", "certificate"), info))
    return readings


def work(params: dict[str, Any]) -> dict[str, Any]:
    """Read, and judge."""
    readings = observe(params["docker_host"], params["address"], params["trusted_users"])
    return {"changed": False, "findings": model.run(catalogue.HOST_CHECKS, readings)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            "address": {"type": "str", "default": ""},
            "trusted_users": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module.params))


if __name__ == "__main__":
    main()
