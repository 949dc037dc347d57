#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_host_info
short_description: What a host is to a swarm, and whether its kernel is fit for one
version_added: 0.1.0
description:
  - Reads in one execution the host's engine, its membership in a swarm, the network below its overlays, the features
    of its kernel and its clock. Works on every host, in a swarm or not, with an engine or not.
  - A read that fails is never taken for V(inactive) or V(absent). An installed engine that does not answer is
    V(silent), and any other failed read fails the module.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine.host
notes:
  - Run it as root. The swarm that a worker is in is named nowhere on the worker but in its certificate, which only root
    can read.
  - No kernel module is loaded to find out what the kernel can do. Only files are read.
seealso:
  - module: flotilla.swarm.swarm_member
  - module: flotilla.swarm.swarm_networks
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Read what this host is to a swarm
  flotilla.swarm.swarm_host_info:
  register: host_info

- name: Say what its kernel can't do
  ansible.builtin.debug:
    msg: "{{ item.effect }} (absent: {{ item.features | join(', ') }})"
  loop: "{{ host_info.kernel.lacking }}"
"""

RETURN = r"""
engine:
  description:
    - The engine. Nothing but C(installed) when there is none, or when it does not answer.
    - C(configuration_stale) tells that C(/etc/docker/daemon.json) holds another configuration than the one that the
      engine was started with. It is null where the engine's process can't be found.
  returned: success
  type: dict
  sample:
    installed: true
    version: 28.5.2
    operating_system: Debian GNU/Linux 13 (trixie)
    architecture: x86_64
    docker_root: /var/lib/docker
    storage_driver: overlay2
    cgroup_version: "2"
    live_restore: false
    configuration_stale: false
    firewall_backend: iptables
    cpus: 4
    memory_bytes: 8326684672
    warnings: []
membership:
  description: What the host knows about its swarm.
  returned: success
  type: dict
  contains:
    local_state:
      description:
        - V(absent) where no engine is installed, V(silent) where an installed one does not answer (it may hold a
          swarm), else what the engine says, which is V(inactive), V(pending) (joining), V(active), V(locked) or
          V(error).
      type: str
    cluster_id:
      description: ID of the swarm. Null outside a swarm, and while a join has not got that far.
      type: str
    node_id:
      description: ID of this node.
      type: str
    node_name:
      description: The engine's name for this node. That is its hostname, not its name in the inventory.
      type: str
    role:
      description: V(manager) or V(worker), null outside a swarm.
      type: str
    is_manager:
      description: Whether this engine takes manager requests now.
      type: bool
    address:
      description: The address that this node advertises.
      type: str
    remote_managers:
      description: Node ID and address of each manager that this node knows.
      type: list
      elements: dict
    data_path_port:
      description: UDP port of the swarm's overlay traffic, V(0) for the default. Null where it is not known (workers).
      type: int
    error:
      description: What is wrong, in the engine's words. A manager without a quorum says so here.
      type: str
  sample:
    local_state: active
    cluster_id: wz6a8o0zfjwmvfzzbz8a1pjxu
    node_id: 8mtc1pvxq6gz1z0mhbz7q8c5m
    node_name: worker1
    role: worker
    is_manager: false
    address: 192.0.2.21
    remote_managers:
      - {node_id: k5dzym3pkktvn2q0sl3nclcvt, address: "192.0.2.11:2377"}
    data_path_port: null
    error: ""
underlay:
  description: The network below the overlays, as far as it can be told. It can't be told of a host in no swarm.
  returned: success
  type: dict
  contains:
    address:
      description: The address of the overlay traffic. That is the one it advertises, unless it was given another.
      type: str
    interface:
      description: The interface that carries it.
      type: str
    mtu:
      description: The interface's MTU in bytes.
      type: int
  sample: {address: 192.0.2.21, interface: eth0, mtu: 1500}
clock:
  description: The host's clock beside the controller's, in seconds since the epoch, for the filter C(cluster_plan).
  returned: success
  type: dict
  contains:
    first:
      description: The host's clock when the module began.
      type: float
    last:
      description: The host's clock when it ended.
      type: float
    sent:
      description: The controller's clock before the module was sent.
      type: float
    received:
      description: The controller's clock when the answer was there.
      type: float
  sample: {first: 1795331700.31, last: 1795331700.42, sent: 1795331699.87, received: 1795331700.61}
kernel:
  description: The running kernel's release and features.
  returned: success
  type: dict
  contains:
    release:
      description: As C(uname -r) says it.
      type: str
    features:
      description:
        - Name to state, source and capability of each feature that a swarm uses. The state is V(available),
          V(loadable) (the kernel or the engine loads it on use), V(absent) or V(unknown).
      type: dict
    lacking:
      description: For each capability of which a feature is absent, these features and what does not work then.
      type: list
      elements: dict
    unknown:
      description: Names of the features about which the host shows nothing.
      type: list
      elements: str
  sample:
    release: 6.12.48-cloud-amd64
    features:
      ip_vs:
        state: absent
        source: "/boot/config-6.12.48-cloud-amd64: CONFIG_IP_VS is not set"
        capability: virtual_ip
    lacking:
      - capability: virtual_ip
        features: [ip_vs]
        effect: >-
          virtual IPs and the routing mesh accept no traffic: use endpoint_mode dnsrr, and publish ports with mode: host
    unknown: []
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import kernel, membership
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineUnreachable


def look(path: str) -> tuple[dict[str, Any], membership.Membership]:
    """The engine's facts and its membership. An engine that is there and silent is told apart from one that is not."""
    if not host.is_installed(path):
        return host.engine_facts(None), membership.NOT_INSTALLED
    try:
        info = host.HostEngine(path).info()
    except EngineUnreachable as error:
        return {"installed": True}, membership.Membership(membership.SILENT, error=str(error))
    return host.engine_facts(info), host.membership_of(info)


def work(docker_host: str) -> dict[str, Any]:
    """Everything that this host says about itself."""
    first = time.time()
    engine, seen = look(host.socket_path(docker_host))
    found = {
        "changed": False,
        "engine": engine,
        "membership": seen.as_dict(),
        "underlay": host.underlay(seen.address, str(engine.get("docker_root") or "/var/lib/docker")),
        "kernel": kernel.judge(host.kernel_evidence()),
    }
    return {**found, "clock": {"first": first, "last": time.time()}}


def main() -> None:
    module = AnsibleModule(argument_spec=_module.ENGINE_OPTIONS, supports_check_mode=True)
    _module.finish(module, lambda: work(module.params["docker_host"]))


if __name__ == "__main__":
    main()
