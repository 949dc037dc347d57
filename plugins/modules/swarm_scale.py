#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_scale
short_description: Give services of a running stack other numbers of tasks
version_added: 0.1.0
description:
  - Changes how many tasks services of a stack have, and nothing else of them. Then it waits until each of them has its
    verdict, as M(flotilla.swarm.swarm_stack) does.
  - It is refused while an update of the stack is in flight, and for a service whose last update stands half way. What
    is sent then takes the place of the version that swarm goes back to, so that C(docker service scale) in the middle
    of a failing update makes swarm roll back to the bad version.
  - It is also refused, before anything is changed, where the tasks would have no room. Counted are the nodes that the
    constraints allow, C(max_replicas_per_node), ports in host mode, and the free addresses of the networks.
  - When a service does not end well, every service that this run scaled goes back to the count that it had; see
    O(on_failure).
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  replicas:
    description:
      - How many tasks each service is to have, by its key in the stack file. V(0) stops a service.
      - Services that are not named stay as they are. Only replicated services have a count.
    type: dict
    required: true
  on_failure:
    description:
      - With V(revert), when a service does not end well, every service that was scaled gets its count back.
      - With V(keep), everything stays as it is then.
      - The module fails either way.
    type: str
    choices: [revert, keep]
    default: revert
  deadline:
    description:
      - Seconds within which every named service must have its verdict.
      - By default derived from the services' own healthchecks and update policies.
    type: int
  stable_for:
    description:
      - The most seconds for which a service that was scaled must run undisturbed before it counts as converged, as for
        M(flotilla.swarm.swarm_stack).
    type: int
    default: 60
  owner:
    description: Only services whose label C(flotilla.swarm.owner) has this value are scaled.
    type: str
    default: flotilla
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
attributes:
  check_mode:
    details: Refuses what the run would refuse, and returns the plan. It changes nothing and waits for nothing.
    support: full
  diff_mode:
    details: Shows the counts.
    support: full
  idempotent:
    details: A service that has its count is not touched. It gets a verdict all the same.
    support: full
notes:
  - Run it on a manager.
  - A count that the stack file declares is set back by the next deployment of the stack. Leave C(deploy.replicas) out
    of the file for a service that is scaled by hand or by an autoscaler; deployments then keep the count.
  - Tasks that a smaller count takes away get their C(stop_grace_period); the module does not wait for their end.
seealso:
  - module: flotilla.swarm.swarm_stack
  - module: flotilla.swarm.swarm_restart
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: More tasks for the backend
  flotilla.swarm.swarm_scale:
    stack: medianest
    replicas:
      app-backend: 5

- name: Stop a service within a minute
  flotilla.swarm.swarm_scale:
    stack: medianest
    replicas:
      worker: 0
    deadline: 60
"""

RETURN = r"""
plan:
  description: What was changed; in check mode, what would be.
  returned: when it was not refused
  type: list
  elements: dict
  sample:
    - action: update
      kind: service
      name: medianest_app-backend
      differences:
        - {field: replicas, before: 3, after: 5}
verdicts:
  description: What became of each named service, in the form that M(flotilla.swarm.swarm_stack) gives them.
  returned: not in check mode
  type: list
  elements: dict
reverted:
  description: What was taken back, in the form that M(flotilla.swarm.swarm_stack) gives it.
  returned: when a service ended badly and O(on_failure=revert)
  type: dict
problems:
  description: Why it was refused, one sentence each.
  returned: when it was refused
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import scaling
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client, service_changes
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.rollout import Policy


def work(module: AnsibleModule, engine: client.Engine) -> dict[str, Any]:
    """Scale; a bad verdict leaves through ``fail_json`` with the whole story."""
    params = module.params
    counts = scaling.counts(params["replicas"])
    wanted = scaling.Wanted(params["stack"], counts, labels.checked_owner(params["owner"]))
    policy = Policy(
        params["stack"],
        revert=params["on_failure"] == "revert",
        deadline=params["deadline"],
        stable_cap=params["stable_for"],
    )
    outcome = service_changes.scale(engine, wanted, policy, check_mode=module.check_mode)
    result = _module.result_of(outcome.plan, **outcome.as_dict())
    if not outcome.good:
        _module.fail(module, outcome.message(params["stack"]), result)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            **_module.OWNER_OPTION,
            "stack": {"type": "str", "required": True},
            "replicas": {"type": "dict", "required": True},
            "on_failure": {"type": "str", "choices": ["revert", "keep"], "default": "revert"},
            "deadline": {"type": "int"},
            "stable_for": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    _module.run(module, work)


if __name__ == "__main__":
    main()
