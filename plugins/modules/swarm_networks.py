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
  - A network can't be changed. One that is there and is not as declared is reported, field by field, as a warning and
    in RV(drift), and left as it is; it is never removed and made anew, since services may be using it.
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
            it stays, and a warning says why.
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
seealso:
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
  contains:
    id:
      description: The engine's ID of it; none in check mode for one that would be created.
      type: str
    owned:
      description: Whether it belongs to O(owner).
      type: bool
drift:
  description: Each way in which a network is not as declared.
  returned: success
  type: list
  elements: dict
  sample:
    - network: database-network
      field: encrypted
      before: false
      after: true
plan:
  description: The steps that were taken, or in check mode would be.
  returned: success
  type: list
  elements: dict
  sample:
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

from collections.abc import Sequence
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, networks
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import converge
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine


def work(items: Sequence[networks.Item], module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Bring the swarm's networks to what is declared, and say what was done."""
    owner = module.params["owner"]
    removing = any(item.state == networks.ABSENT for item in items)

    def observe(source: Engine) -> networks.Observation:
        # The list of networks leaves the swarm's own out, without an error, when the swarm can't be read (moby:
        # getNetworksList). So the services, whose list fails then, are read first in any case.
        services = source.services()
        return networks.Observation(source.networks(), services, source.tasks() if removing else ())

    def plan(observed: networks.Observation) -> networks.Decision:
        return networks.plan(items, observed, owner)

    outcome = converge(observe, plan, engine, dry_run=module.check_mode)
    decision = outcome.decision
    present = {
        name: {**entry, "id": outcome.id_of("network", name, entry["id"])} for name, entry in decision.networks.items()
    }
    return _module.result_of(outcome.plan, networks=present, drift=list(decision.drift))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            **_module.OWNER_OPTION,
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
        items = networks.declared(module.params["networks"])
    _module.run(module, partial(work, items))


if __name__ == "__main__":
    main()
