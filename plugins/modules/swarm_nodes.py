#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_nodes
short_description: Keep labels, availability and roles of a Docker Swarm's nodes as declared
version_added: 0.1.0
description:
  - Takes the whole declared set of nodes in one call, compares it with the swarm, and updates only the nodes that
    differ.
  - Nodes of the swarm that are not declared are left alone and reported; see RV(undeclared).
  - When somebody else changes a node at the same time, it is read and compared again.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  nodes:
    description:
      - The declared nodes. Each is found by exactly one of O(nodes[].id), O(nodes[].name) and O(nodes[].address), and
        must fit exactly one node of the swarm.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: The node's ID in the swarm, in full. The only one that can't be ambiguous.
        type: str
      name:
        description: The node's hostname, as C(docker node ls) shows it. That need not be its name in the inventory.
        type: str
      address:
        description: The address under which the swarm knows the node.
        type: str
      labels:
        description:
          - Labels of the node, every value a string; an empty string is a value like any other.
          - Left out, the labels are not managed. V({}) removes those that this module set before.
        type: dict
      availability:
        description:
          - Whether the node gets tasks. Left out, it is not managed.
          - With V(drain) the module also waits until the node's tasks are gone; see O(drain_deadline).
          - Draining a manager does not stop it. When the swarm has other managers, and would lose its quorum if this
            one were stopped next, that is a warning.
        type: str
        choices: [active, pause, drain]
      role:
        description: The role that the node should have. A difference is a warning, unless O(change_roles=true).
        type: str
        choices: [manager, worker]
  labels_mode:
    description:
      - V(merge) sets the declared labels, removes those that were set by this module before and are no longer
        declared, and leaves the labels of others alone. What was set is remembered in the node's label
        C(flotilla.swarm.node-labels).
      - V(exact) removes every label that is not declared, from the nodes whose O(nodes[].labels) are given.
    type: str
    choices: [merge, exact]
    default: merge
  change_roles:
    description:
      - Promote and demote nodes to their O(nodes[].role). A node without one keeps its role, and so does a node that is
        not declared.
      - Promotions come first. Each new manager is waited for until it is reachable. Then the demotions come one at a
        time, the leader last, and each is waited for until the raft has let go of the node.
      - Before anything is changed, the whole change is held against the quorum, without counting on the promotions. It
        is refused when the remaining managers would have no quorum, or none would be left.
      - The manager that this module runs on is never demoted, because it could not see that through.
    type: bool
    default: false
  drain_deadline:
    description:
      - Seconds that all tasks together have to leave the nodes that are declared with V(drain), also those that were
        drained before. V(0) does not wait.
      - When tasks are left then, the module fails and names them. The nodes stay drained, and the next run waits again.
      - A task gets its service's stop grace period to end. The tasks of global services go too. A task of a job may run
        to its end first. Containers that are no tasks are not looked at.
      - The tasks of a node that is down can't end. They are not waited for, and that is a warning.
    type: float
    default: 120
  remove_superseded:
    description:
      - Demote and remove what is left of hosts that were installed anew. That is a node which is down, and whose name
        and address a ready node has now that is declared by O(nodes[].id).
      - The old node of a manager counts for the quorum until it is gone.
      - Nothing else is ever removed.
    type: bool
    default: false
seealso:
  - module: flotilla.swarm.swarm_networks
  - module: flotilla.swarm.swarm_secrets
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Label the nodes, and keep tasks off the manager
  flotilla.swarm.swarm_nodes:
    nodes:
      - name: manager1
        availability: drain
      - name: worker1
        labels:
          tier: application
      - address: 192.0.2.25
        labels:
          tier: ingress
          monitoring: "true"

- name: Let worker1 take manager3's place in the raft, and clear manager3
  flotilla.swarm.swarm_nodes:
    nodes:
      - name: worker1
        role: manager
      - name: manager3
        role: worker
        availability: drain
    change_roles: true
    drain_deadline: 300

- name: Take away every label of one node, whoever set it
  flotilla.swarm.swarm_nodes:
    nodes:
      - id: 8mtc1pvxq6gz1z0mhbz7q8c5m
        labels: {}
    labels_mode: exact
"""

RETURN = r"""
nodes:
  description: The declared nodes as they are now, or in check mode would be, by name.
  returned: success
  type: list
  elements: dict
  sample:
    - id: 8mtc1pvxq6gz1z0mhbz7q8c5m
      name: worker1
      address: 192.0.2.21
      role: worker
      availability: active
      labels: {tier: application}
      state: ready
undeclared:
  description: The other nodes of the swarm, in the same form. Nothing was done to them.
  returned: success
  type: list
  elements: dict
  sample: []
plan:
  description: The steps that were taken, or in check mode would be.
  returned: success
  type: list
  elements: dict
  sample:
    - action: update
      kind: node
      name: worker1
      differences:
        - {field: labels.tier, before: null, after: application}
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
from ansible_collections.flotilla.swarm.plugins.module_utils._core import drain, nodes
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import converge
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine, Json
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.drain import wait_drained


def work(items: Sequence[nodes.Item], module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Bring the swarm's nodes to what is declared, and say what was done."""
    options = module.params
    asked = (engine.info().get("Swarm") or {}).get("NodeID") if options["change_roles"] else None

    def observe(source: Engine) -> list[Json]:
        return source.nodes()

    def plan(observed: list[Json]) -> nodes.Decision:
        return nodes.plan(
            items,
            observed,
            options["labels_mode"],
            options["remove_superseded"],
            change_roles=options["change_roles"],
            asked=asked,
        )

    def afterwards(source: Engine, decision: nodes.Decision) -> list[str]:
        return wait_drained(source, decision.drained, options["drain_deadline"])

    outcome = converge(observe, plan, engine, dry_run=module.check_mode, afterwards=afterwards)
    decision = outcome.decision
    return _module.result_of(outcome.plan, nodes=list(decision.nodes), undeclared=list(decision.undeclared))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "id": {"type": "str"},
                    "name": {"type": "str"},
                    "address": {"type": "str"},
                    "labels": {"type": "dict"},
                    "availability": {"type": "str", "choices": list(nodes.AVAILABILITIES)},
                    "role": {"type": "str", "choices": list(nodes.ROLES)},
                },
            },
            "labels_mode": {"type": "str", "choices": list(nodes.LABELS_MODES), "default": nodes.MERGE},
            "change_roles": {"type": "bool", "default": False},
            "drain_deadline": {"type": "float", "default": 120},
            "remove_superseded": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    with _module.failures(module):
        drain.checked_deadline(module.params["drain_deadline"])
        items = nodes.declared(module.params["nodes"])
    _module.run(module, partial(work, items))


if __name__ == "__main__":
    main()
