#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_restart
short_description: Restart services of a running stack, one after the other
version_added: 0.1.0
description:
  - Gives services of a stack new tasks with the specification that they have, by their own update policies, as
    C(docker service update --force) does.
  - One service is restarted after the other. The next one begins when the one before has its good verdict, as
    M(flotilla.swarm.swarm_stack) gives it. When one does not run well again, the module fails with that service's own
    words, and the others are left alone.
  - It is refused while an update of the stack is in flight, and for a service whose last update stands half way. What
    is sent then takes the place of the version that swarm goes back to.
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  services:
    description:
      - Keys of the services in the stack file, in the order in which they are restarted.
      - By default all of the stack, by name, that run for good. A job is left out, and so is a service whose work is
        done, which has no tasks, or which something else deployed; a warning names it.
      - A job that is named is run again, since every update of a job does that.
    type: list
    elements: str
    default: []
  deadline:
    description:
      - Seconds within which each service must have its verdict.
      - By default derived from its own update policy and healthcheck. Give a job that is named the time that it needs.
    type: int
  stable_for:
    description:
      - The most seconds for which a service that was restarted must run undisturbed before it counts as converged, as
        for M(flotilla.swarm.swarm_stack).
    type: int
    default: 60
  owner:
    description: Only services whose label C(flotilla.swarm.owner) has this value are restarted.
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
    details: Shows the counter that makes swarm replace the tasks.
    support: full
  idempotent:
    details: It restarts the services each time.
    support: none
notes:
  - Run it on a manager.
  - Nothing is taken back when a restart fails. The service has the specification that it had, so there is nothing to go
    back to. What its update policy says of a failure (pause, or roll back) happens.
  - Afterwards C(docker service rollback) leads to the specification that the service has. The releases of
    M(flotilla.swarm.swarm_stack) are not touched; M(flotilla.swarm.swarm_stack_rollback) leads where it led before.
  - A service whose image is named by a tag without a digest, as after a deployment with C(resolve_images=false), comes
    up with what the tag means then.
seealso:
  - module: flotilla.swarm.swarm_stack
  - module: flotilla.swarm.swarm_scale
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Restart every service of the stack
  flotilla.swarm.swarm_restart:
    stack: medianest

- name: Restart the cache, then what uses it
  flotilla.swarm.swarm_restart:
    stack: medianest
    services: [redis, app-backend]
"""

RETURN = r"""
plan:
  description: What was restarted; in check mode, what would be.
  returned: when it was not refused
  type: list
  elements: dict
  sample:
    - action: update
      kind: service
      name: medianest_redis
      differences:
        - {field: TaskTemplate.ForceUpdate, before: 0, after: 1}
verdicts:
  description: What became of each service, in the form that M(flotilla.swarm.swarm_stack) gives them.
  returned: not in check mode
  type: list
  elements: dict
untouched:
  description: Services that were to follow the one that failed.
  returned: when a service failed
  type: list
  elements: str
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
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import restarting
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client, service_changes
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.rollout import Policy


def work(module: AnsibleModule, engine: client.Engine) -> dict[str, Any]:
    """Restart; a bad verdict leaves through ``fail_json`` with the whole story."""
    params = module.params
    wanted = restarting.Wanted(params["stack"], params["services"], labels.checked_owner(params["owner"]))
    policy = Policy(params["stack"], deadline=params["deadline"], stable_cap=params["stable_for"])
    restarted = service_changes.restart(engine, wanted, policy, check_mode=module.check_mode)
    verdicts = [verdict.as_dict() for verdict in restarted.verdicts]
    result = _module.result_of(restarted.plan, **({"verdicts": verdicts} if verdicts else {}))
    if not restarted.good:
        untouched = list(restarted.untouched)
        _module.fail(module, restarted.message(params["stack"]), {**result, "untouched": untouched})
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            **_module.OWNER_OPTION,
            "stack": {"type": "str", "required": True},
            "services": {"type": "list", "elements": "str", "default": []},
            "deadline": {"type": "int"},
            "stable_for": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    _module.run(module, work)


if __name__ == "__main__":
    main()
