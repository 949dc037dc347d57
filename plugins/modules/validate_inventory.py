# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; it runs on the controller alone."""

from __future__ import annotations

DOCUMENTATION = r"""
module: validate_inventory
short_description: Check a declared swarm before any host is touched
version_added: 0.1.0
author:
  - the flotilla.swarm authors (!UNKNOWN)
description:
  - Checks managers, workers, labels, availability, secrets, configs, networks, backups and stack files against each
    other, on the controller.
  - Fails with all problems at once. Each names the key, and how to mend it. The value of a secret is in no message and
    no result.
  - Connects to no host. Run it once, in the first play.
options:
  managers:
    description: Names of the hosts that are managers.
    type: list
    elements: str
    required: true
  workers:
    description: Names of the hosts that are workers.
    type: list
    elements: str
    default: []
  labels:
    description: Node labels by host. Their values are strings.
    type: dict
    default: {}
  availability:
    description: V(active), V(pause) or V(drain) by host; an empty one counts as O(manager_availability) or V(active).
    type: dict
    default: {}
  manager_availability:
    description: What managers without an availability of their own get.
    type: str
    default: drain
  allow_even_managers:
    description: Accept an even number of managers, or more than seven.
    type: bool
    default: false
  secrets:
    description: What M(flotilla.swarm.swarm_secrets) takes as C(secrets). Their files are read here too.
    type: list
    elements: dict
    default: []
  configs:
    description: What M(flotilla.swarm.swarm_configs) takes as C(configs). Their files are read here too.
    type: list
    elements: dict
    default: []
  networks:
    description: What M(flotilla.swarm.swarm_networks) takes as C(networks).
    type: list
    elements: dict
    default: []
  backups:
    description: What the role C(swarm_backup) takes as C(swarm_backup_items).
    type: list
    elements: dict
    default: []
  stacks:
    description:
      - Stacks with C(name), C(files) (paths on the controller) and C(variables), as for M(flotilla.swarm.swarm_stack).
      - Other keys are left to whom they are for.
    type: list
    elements: dict
    default: []
extends_documentation_fragment:
  - flotilla.swarm.attributes
attributes:
  check_mode:
    details: It changes nothing anyway.
    support: full
  diff_mode:
    details: There is nothing to show.
    support: none
  idempotent:
    details: It changes nothing.
    support: full
notes:
  - Constraints on a node's ID, host name, address or platform can't be judged from an inventory and count as met.
seealso:
  - module: flotilla.swarm.swarm_stack
"""

EXAMPLES = r"""
- name: The inventory and the stack files fit together
  flotilla.swarm.validate_inventory:
    managers: "{{ groups['swarm_managers'] }}"
    workers: "{{ groups['swarm_workers'] }}"
    labels:
      w1: {tier: application}
    secrets: "{{ swarm_secrets_items }}"
    configs: "{{ swarm_configs_items }}"
    networks: "{{ swarm_networks_items }}"
    backups: "{{ swarm_backup_items }}"
    stacks:
      - name: medianest
        files: [stacks/medianest/stack.yml]
        variables: {VERSION: v1}
  run_once: true
"""

RETURN = r"""
problems:
  description: One sentence each; empty when there are none.
  returned: always
  type: list
  elements: str
"""
