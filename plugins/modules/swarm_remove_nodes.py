#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_remove_nodes
short_description: Take nodes whose machines are lost out of a Docker Swarm's list
version_added: 0.1.0
description:
  - Demotes each node that the managers' raft still counts, when the quorum allows it, and removes the node.
  - A node that is ready is refused. A node that has just left is waited for.
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
      - IDs or hostnames of nodes. One that is in the swarm no more is passed over.
      - Under a hostname only nodes that are not ready are meant, when there are any. The machine that took the place of
        a lost one may have its name.
    type: list
    elements: str
  all_but:
    description:
      - IDs of nodes. All others are removed. That is for a swarm that was restored from a backup, when all of its
        machines were lost.
    type: list
    elements: str
  deadline:
    description: Seconds for nodes that are still ready to be so no more. V(0) does not wait.
    type: int
    default: 0
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
seealso:
  - module: flotilla.swarm.swarm_nodes
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Take the machine that burnt down out of the list
  flotilla.swarm.swarm_remove_nodes:
    nodes: [worker1]
"""

RETURN = r"""
removed:
  description: The nodes that were removed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: ["worker1 (8mtc1pvxq6gz1z0mhbz7q8c5m)"]
plan:
  description: The steps that were taken, or in check mode would be.
  returned: success
  type: list
  elements: dict
problems:
  description: Why it was refused, one sentence each.
  returned: when it was refused
  type: list
  elements: str
"""

import contextlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import node_json
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import REMOVE
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import removal
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import converge
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine, Json
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.wait import DeadlineExceeded, wait_until


def work(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Wait, remove, and say what was removed."""
    names, keep = module.params["nodes"] or [], module.params["all_but"] or []

    def quiet(nodes: list[Json]) -> bool:
        return all(node_json.state(node) != "ready" for node in removal.targets(nodes, names, keep))

    # What is ready at the deadline is the plan's to refuse, by name.
    if not module.check_mode:
        with contextlib.suppress(DeadlineExceeded):
            wait_until(engine.nodes, quiet, module.params["deadline"], 1.0)
    outcome = converge(
        lambda source: source.nodes(),
        lambda nodes: removal.plan(nodes, names, keep),
        engine,
        dry_run=module.check_mode,
    )
    removed = [step.name for step in outcome.plan if step.action == REMOVE]
    return _module.result_of(outcome.plan, removed=removed)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            "nodes": {"type": "list", "elements": "str"},
            "all_but": {"type": "list", "elements": "str"},
            "deadline": {"type": "int", "default": 0},
        },
        mutually_exclusive=[("nodes", "all_but")],
        required_one_of=[("nodes", "all_but")],
        supports_check_mode=True,
    )
    _module.run(module, work)


if __name__ == "__main__":
    main()
