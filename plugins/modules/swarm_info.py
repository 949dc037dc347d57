#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_info
short_description: What a Docker Swarm is and what runs on it
version_added: 0.1.0
description:
  - Reads the whole swarm once from a manager and returns it in a schema that does not change with the engine's version.
  - Services come with the verdict on them, so that V(running) does not have to be guessed from lists of tasks.
  - Of secrets and configs it has the names, never the data.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
seealso:
  - module: flotilla.swarm.swarm_health
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Read the swarm
  flotilla.swarm.swarm_info:
  register: swarm

- name: Name the services that are not well
  ansible.builtin.debug:
    msg: >-
      {{ swarm.snapshot.services | rejectattr('state', 'in', ['converged', 'job_complete']) | map(attribute='name') }}
"""

RETURN = r"""
snapshot:
  description: The swarm. Lists are sorted by name.
  returned: success
  type: dict
  contains:
    schema:
      description: Version of this schema. It is raised when a field goes or changes its meaning.
      type: int
    cluster:
      description: The swarm itself.
      type: dict
      contains:
        id:
          description: ID of the swarm.
          type: str
        created:
          description: When it was made.
          type: str
        autolock:
          description: Whether a manager needs the unlock key to start.
          type: bool
        data_path_port:
          description: UDP port of the overlay traffic.
          type: int
        address_pools:
          description: CIDR networks that overlay networks are cut from.
          type: list
          elements: str
        subnet_size:
          description: Prefix length of what is cut from them.
          type: int
        ca_not_after:
          description: When the swarm's CA certificate ends. Null when the engine does not show it.
          type: str
        ca_rotating:
          description: Whether the CA is being rotated.
          type: bool
    quorum:
      description: The managers' raft.
      type: dict
      contains:
        managers:
          description: How many managers it has.
          type: int
        reachable:
          description: How many of them are reachable.
          type: int
        needed:
          description: How many must be.
          type: int
        tolerates:
          description: How many of the reachable ones may still be lost.
          type: int
        leader:
          description: Name of the leader. Null when there is none or more than one.
          type: str
        leaders:
          description: Names of all that are called leader.
          type: list
          elements: str
    nodes:
      description:
        - C(id), C(name), C(role), C(availability), C(state), C(message), C(address), C(leader), C(reachability),
          C(manager_address), C(engine_version), C(platform), C(cpus), C(memory_bytes) and C(labels) of each node.
      type: list
      elements: dict
    services:
      description:
        - C(id), C(name), C(stack), C(mode), C(image), C(image_digest), C(running), C(desired), C(state), C(reason),
          C(update), C(endpoint_mode), C(ports), C(constraints), C(volumes), C(version), C(created), C(updated) and
          C(labels) of each service. C(volumes) are names.
        - C(state) is C(converged), C(job_complete), C(pending), C(rolled_back), C(paused), C(unschedulable), C(crashed)
          or C(image_missing), and C(reason) says why.
      type: list
      elements: dict
    tasks:
      description: C(total), how many are in each of the C(states), and how many run on each node (C(running_by_node)).
        Of a node that is down, tasks that were replaced elsewhere are not counted there.
      type: dict
    networks:
      description:
        - C(id), C(name), C(driver), C(attachable), C(internal), C(ingress), C(encrypted), C(subnets), C(addresses),
          C(owner), C(labels) and C(used_by) of each network of the swarm.
        - C(addresses) says how many it has for tasks, services and nodes (C(total)), and how many of them are C(used)
          and C(free). It is null while the swarm has not given the network its addresses.
      type: list
      elements: dict
    secrets:
      description:
        - C(id), C(name), C(logical_name), C(version), C(owner), C(labels), C(created) and C(used_by) of each secret.
      type: list
      elements: dict
    configs:
      description: The same of each config.
      type: list
      elements: dict
    stacks:
      description: Name of each stack to the names of its services.
      type: dict
  sample:
    schema: 1
    cluster:
      id: wz6a8o0zfjwmvfzzbz8a1pjxu
      created: "2026-01-31T12:00:00.123456789Z"
      autolock: false
      data_path_port: 4789
      address_pools: [10.0.0.0/8]
      subnet_size: 24
      ca_not_after: "2046-01-26T12:00:00Z"
      ca_rotating: false
    quorum: {managers: 3, reachable: 3, needed: 2, tolerates: 1, leader: manager1, leaders: [manager1]}
    stacks: {medianest: [medianest_app-backend, medianest_postgres]}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import snapshot
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.observe import observe


def work(_module_object: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """The snapshot."""
    return {"changed": False, "snapshot": snapshot.take(observe(engine))}


def main() -> None:
    _module.run(AnsibleModule(argument_spec=_module.ENGINE_OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
