#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_networks
short_description: Keep the overlay networks of a Docker Swarm as declared
version_added: 0.1.0
description:
  - Takes the whole declared set of networks in one call, compares it with the swarm, and creates those that are
    missing.
  - A network can't be changed, not even in its labels. One that is there and is not as declared is reported, field by
    field and with the services that use it, as a warning and in RV(drift), and left as it is, unless O(recreate) is
    given.
  - Networks of the swarm that are not declared are left alone.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  networks:
    description:
      - The declared networks. Names must differ in more than upper and lower case.
      - What is left out of a network is not compared, and is the engine's default in one that is created.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name. At most 63 letters, digits, C(-) and C(_), a letter or digit at both ends.
        type: str
        required: true
      state:
        description:
          - V(absent) removes the network when it belongs to O(owner) and no service or container uses it. Otherwise
            it stays, and a warning says why. Check mode foretells that but for what only the engine's refusal tells.
        type: str
        choices: [present, absent]
        default: present
      driver:
        description: The network driver.
        type: str
        default: overlay
      attachable:
        description: Whether containers that are not services may be attached.
        type: bool
      internal:
        description: Whether the network has no way out.
        type: bool
      encrypted:
        description:
          - Whether the traffic between nodes is encrypted. It needs IP protocol 50 (ESP) open between all nodes.
          - The driver only looks whether its option C(encrypted) is there, and encrypts at C(encrypted=false) too. So
            this option is the only way to say it, and V(false) leaves the driver's option away.
        type: bool
      mtu:
        description:
          - The MTU in bytes of the network below. Containers get 50 less, and 76 less or a few more when it is
            encrypted.
          - Left out, an overlay gets O(underlay_mtu), and one that is there is compared with that.
        type: int
      subnet:
        description: The subnet, for example V(10.20.0.0/24). It shares no address with another network of the swarm.
        type: str
      gateway:
        description: The gateway, an address of O(networks[].subnet).
        type: str
      labels:
        description:
          - Labels of the network, every value a string.
          - On a network that this module made, all labels are compared with these; on another, only the declared ones.
        type: dict
      driver_opts:
        description: Other options of the driver, every value a string. Options that are not declared are not compared.
        type: dict
  recreate:
    description:
      - Whether networks of O(owner) that are not as declared are removed and made anew. What is not declared of one is
        then as it was before, its subnet too.
      - Services that use such a network are stopped, taken off it, and put back when it is there again, all of them at
        the same time. Each keeps its aliases and options on the network. The run ends when every service that ran well
        before does so again, and fails otherwise.
      - It is refused, and nothing is changed, while one of the services is a job or a finished one-shot, since that
        would run again, while an update of one is not at an end, or while a container that is no service is attached.
      - When the run fails or is cut off on the way, services that are still stopped are put back by it, or by the next
        run, with or without this option. Their labels remember meanwhile what the network was, also where that is not
        declared. A swarm without a leader is waited for up to 60 seconds.
      - A network that no service uses is removed and made anew right after. Nothing in the swarm remembers it, so a run
        that is cut off just between the two leaves only what is declared of it.
      - The swarm remembers only one earlier spec of each service, and that is the same as the present one afterwards.
        So these services can't be rolled back to what they were before.
    type: bool
    default: false
  underlay_mtu:
    description:
      - The smallest MTU in bytes of the interfaces that carry the swarm's traffic, as
        M(flotilla.swarm.swarm_host_info) reads it from each host.
      - A network without a O(networks[].mtu) of its own is made for it. Written into its options only where it is not
        1500, which is what the driver assumes.
      - A network that is there and was made for a larger one is reported as not as declared, since large packets are
        lost in it. One for a smaller one works, and is left alone.
      - Left out, nothing is compared with it.
    type: int
seealso:
  - module: flotilla.swarm.swarm_host_info
  - module: flotilla.swarm.swarm_nodes
  - module: flotilla.swarm.swarm_secrets
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
  - flotilla.swarm.engine.owner
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Keep the application's networks
  flotilla.swarm.swarm_networks:
    networks:
      - name: frontend-network
        encrypted: true
      - name: database-network
        encrypted: true
        internal: true
        subnet: 10.20.3.0/24

- name: Make networks anew that differ, which stops the services on them for a while
  flotilla.swarm.swarm_networks:
    networks:
      - name: frontend-network
        encrypted: true
        subnet: 10.20.0.0/22
    recreate: true

- name: Remove a network when nothing uses it any more
  flotilla.swarm.swarm_networks:
    networks:
      - name: legacy-network
        state: absent
"""

RETURN = r"""
networks:
  description: The declared networks that are present, by name.
  returned: success
  type: dict
  sample:
    frontend-network:
      id: u5mwkz5l2nt5x1ofc4s0m2b7x
      owned: true
      container_mtu: 1424
      addresses: {total: 253, used: 12, free: 241}
  contains:
    id:
      description: The engine's ID of it; none in check mode for one that would be created.
      type: str
    owned:
      description: Whether it belongs to O(owner).
      type: bool
    container_mtu:
      description: The MTU in bytes of a container's interface in it. Null for another driver than overlay.
      type: int
    addresses:
      description:
        - How many addresses it has for tasks, services and nodes in all (C(total)), how many of these are C(used), and
          how many are C(free).
        - Each task takes one, each service with a virtual IP one more, and each node with a task on the network one.
          A container that was attached by hand takes one too.
        - Null while the swarm has not given the network its addresses.
      type: dict
drift:
  description: Each way in which a network is not as declared, and stays so.
  returned: success
  type: list
  elements: dict
  sample:
    - network: database-network
      field: encrypted
      before: false
      after: true
      services: [medianest_postgres]
plan:
  description: The steps that were taken, or in check mode would be.
  returned: success
  type: list
  elements: dict
  sample:
    - action: update
      kind: service
      name: medianest_app-frontend
      differences:
        - {field: runs, before: 2 replicas, after: parked}
        - {field: network frontend-network, before: attached, after: taken off}
    - action: create
      kind: network
      name: frontend-network
      differences:
        - {field: driver, before: null, after: overlay}
        - {field: encrypted, before: null, after: true}
problems:
  description: What is wrong with the declaration, one sentence each.
  returned: when the declaration is refused
  type: list
  elements: str
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, networks
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.network_recreate import converge
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.patience import patiently


def observe(source: Engine) -> networks.Observation:
    """Everything that tells what there is and what uses it."""
    # The list of networks leaves the swarm's own out, without an error, when the swarm can't be read (moby:
    # getNetworksList). So the services, whose list fails then, are read first in any case.
    services = source.services()
    return networks.Observation(source.networks(), services, source.tasks(by_hand=True), source.nodes())


def work(items: Sequence[networks.Item], module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Bring the swarm's networks to what is declared, and say what was done."""
    owner = module.params["owner"]

    def plan(observed: networks.Observation) -> networks.Decision:
        return networks.plan(
            items,
            observed,
            owner,
            recreate=module.params["recreate"],
            underlay_mtu=module.params["underlay_mtu"],
        )

    outcome = converge(observe, plan, engine, owner, dry_run=module.check_mode)
    present = dict(outcome.decision.networks)
    if outcome.plan and not module.check_mode:
        # All is done by now, so a swarm that has no leader at this moment is no reason to fail.
        seen = patiently(lambda: observe(engine), time.monotonic, time.sleep)
        there = {network["Name"]: network for network in seen.networks if network.get("Scope") == "swarm"}
        present = {name: networks.present(there[name], seen, owner) for name in present if name in there}
    return _module.result_of(outcome.plan, networks=present, drift=list(outcome.decision.drift))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            **_module.OWNER_OPTION,
            "recreate": {"type": "bool", "default": False},
            "underlay_mtu": {"type": "int"},
            "networks": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "state": {"type": "str", "choices": list(networks.STATES), "default": networks.PRESENT},
                    "driver": {"type": "str", "default": "overlay"},
                    "attachable": {"type": "bool"},
                    "internal": {"type": "bool"},
                    "encrypted": {"type": "bool"},
                    "mtu": {"type": "int"},
                    "subnet": {"type": "str"},
                    "gateway": {"type": "str"},
                    "labels": {"type": "dict"},
                    "driver_opts": {"type": "dict"},
                },
            },
        },
        supports_check_mode=True,
    )
    with _module.failures(module):
        labels.checked_owner(module.params["owner"])
        networks.checked_underlay(module.params["underlay_mtu"])
        items = networks.declared(module.params["networks"])
    _module.run(module, partial(work, items))


if __name__ == "__main__":
    main()
