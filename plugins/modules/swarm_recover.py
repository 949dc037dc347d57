#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_recover
short_description: Make a swarm anew out of one manager's state, or out of a backup
version_added: 0.1.0
description:
  - Makes this host the only manager of the swarm O(cluster_id) with everything that its state holds, such as services,
    secrets, configs and networks.
  - It asks nobody. Whether a majority of the managers is lost for good is for P(flotilla.swarm.quorum_loss_plan#filter)
    to say, and P(flotilla.swarm.quorum_loss_plan#filter) needs all hosts for that. Use C(playbooks/dr/quorum_loss.yml)
    and C(playbooks/dr/full_rebuild.yml).
  - Before anything is stopped, it is proved that the state is this swarm's, that a manager's key opens it, and that the
    engine is not older than the one that wrote it.
  - The engine is stopped, its own state is set aside, and a locked state is unlocked without the engine, which could
    not do that without a quorum. What was set aside is kept, and is put back when a step fails before the swarm was
    made anew.
attributes:
  check_mode:
    details: Proves what can be proved without stopping the engine, and returns the plan.
    support: full
  diff_mode:
    support: full
  idempotent:
    details: A host that is the only manager of the swarm, and leads it, is left as it is.
    support: full
options:
  source:
    description:
      - V(own) goes on with the state of this host, when the quorum is lost.
      - V(fetched) goes on with what M(flotilla.swarm.swarm_state_fetch) brought, when all nodes are lost.
    type: str
    choices: [own, fetched]
    required: true
  state_dir:
    description: The fetched state. Its C(metadata.json) lies beside it.
    type: path
    default: /var/lib/flotilla/recovery/state/swarm
  cluster_id:
    description: ID that the state must have.
    type: str
    required: true
  advertise_addr:
    description: Address, or interface, that this host shows to the others. Left out, the engine finds it.
    type: str
  listen_addr:
    description: Where the manager listens.
    type: str
    default: 0.0.0.0:2377
  data_path_addr:
    description: Address, or interface, for the overlay traffic. Left out, the advertised one.
    type: str
  data_path_port:
    description: UDP port of the swarm's overlay traffic.
    type: int
    default: 4789
  unlock_key:
    description: Unlock key of a swarm with autolock, as C(docker swarm unlock-key) shows it.
    type: str
  unlock_key_from_backup:
    description:
      - Where the state is locked and no O(unlock_key) is given, take the one that is kept with the newest backup of the
        raft state. The role C(swarm_backup) has connected the host to the repository then.
    type: bool
    default: false
  autolock:
    description:
      - Whether managers are to be locked afterwards. Left out, as they were when the state was written.
      - A swarm that had autolock keeps its unlock key. C(docker swarm unlock-key) shows it.
    type: bool
  deadline:
    description: Seconds until this host must lead the swarm.
    type: int
    default: 120
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine.host
notes:
  - Run it as root, on one host alone.
  - For a fetched state, and for one that is locked, the host needs Python's C(nacl) and C(cryptography).
seealso:
  - module: flotilla.swarm.swarm_quorum_info
  - module: flotilla.swarm.swarm_fence
  - module: flotilla.swarm.swarm_state_fetch
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Go on with the one manager that is left
  flotilla.swarm.swarm_recover:
    source: own
    cluster_id: wz6a8o0zfjwmvfzzbz8a1pjxu
    advertise_addr: 192.0.2.13
    unlock_key: "{{ vault_unlock_key }}"

- name: Go on with a backup
  flotilla.swarm.swarm_recover:
    source: fetched
    cluster_id: wz6a8o0zfjwmvfzzbz8a1pjxu
    advertise_addr: 198.51.100.11
"""

RETURN = r"""
node_id:
  description: ID of this node. It is the one of the state.
  returned: success
  type: str
  sample: 8mtc1pvxq6gz1z0mhbz7q8c5m
autolock:
  description: Whether managers are locked now, or in check mode would be.
  returned: success
  type: bool
kept:
  description: Where the state is that the engine had before. Empty when it had none, and in check mode.
  returned: success
  type: str
  sample: /var/lib/docker/swarm.aside-1795389300
plan:
  description: What was done, or in check mode would be.
  returned: success
  type: list
  elements: dict
problems:
  description: Why it was refused, one sentence each. Nothing was touched then.
  returned: when it was refused
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host
from ansible_collections.flotilla.swarm.plugins.module_utils._recover import anew, prepare


def request(params: dict[str, Any]) -> prepare.Request:
    """The module's options as the work takes them."""
    return prepare.Request(
        source=params["source"],
        cluster_id=params["cluster_id"],
        state_dir=params["state_dir"],
        advertise_addr=params["advertise_addr"] or "",
        listen_addr=params["listen_addr"],
        data_path_addr=params["data_path_addr"] or "",
        data_path_port=params["data_path_port"],
        unlock_key=params["unlock_key"] or "",
        key_from_backup=params["unlock_key_from_backup"],
        autolock=params["autolock"],
        deadline=params["deadline"],
    )


def work(module: AnsibleModule) -> dict[str, Any]:
    """Prove, then do."""
    path = host.socket_path(module.params["docker_host"])
    wanted = request(module.params)
    found = prepare.prepare(path, wanted)
    plan = prepare.planned(found, wanted)
    values = {"node_id": found.node_id, "autolock": found.autolock, "kept": ""}
    if plan and not module.check_mode:
        values = anew.recover(path, wanted, found)
    return _module.result_of(plan, **values)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            "source": {"type": "str", "choices": list(prepare.SOURCES), "required": True},
            "state_dir": {"type": "path", "default": "/var/lib/flotilla/recovery/state/swarm"},
            "cluster_id": {"type": "str", "required": True},
            "advertise_addr": {"type": "str"},
            "listen_addr": {"type": "str", "default": "0.0.0.0:2377"},
            "data_path_addr": {"type": "str"},
            "data_path_port": {"type": "int", "default": 4789},
            "unlock_key": {"type": "str", "no_log": True},
            "unlock_key_from_backup": {"type": "bool", "default": False, "no_log": False},
            "autolock": {"type": "bool"},
            "deadline": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
