#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a whole stack back to an earlier release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_stack_rollback
short_description: Bring a whole stack back to an earlier release
version_added: 0.1.0
author:
  - the flotilla.swarm authors (!UNKNOWN)
description:
  - Gives every service of a stack the specification that it had in an earlier release, with image, environment,
    secrets, configs and replicas. M(flotilla.swarm.swarm_stack) records a release in the swarm at every deployment.
  - Services that the release does not have are removed, after all others run; those that are gone are made again.
  - It needs no stack files and asks no registry. The recorded images have their digests.
  - Every service gets its verdict, as with a deployment; see O(on_failure). The rollback is itself recorded as a
    release.
  - Without O(release) it is the last good one that is not what runs. When the newest release did not end well, that is
    the newest good one. Else it is the newest good one before it. A second rollback goes further back, never to what
    the first one left.
  - Refused before anything is changed when a secret, config or network of the release is gone, or a service has
    another mode now. Every such problem is named.
  - That nodes seem to have no room for a service, or that none meets its constraints, is a warning, so that the way
    back stays open for the others.
options:
  name:
    description: Name of the stack.
    type: str
    required: true
  release:
    description:
      - Number of the release to restore. M(flotilla.swarm.swarm_stack_info) lists them.
      - One that did not end well is refused.
    type: int
  who:
    description: Who does this, for the record.
    type: str
    default: ""
  when:
    description: When, for the record. The engine's own time is recorded in any case.
    type: str
    default: ""
  with_registry_auth:
    description:
      - Send the registry credentials of the user that runs the module on the manager along, so that nodes can pull.
    type: bool
    default: false
  on_failure:
    description:
      - With V(revert), when a service does not end well, every service that was changed gets the specification back
        that it had before this run, and every service that was made again is removed.
      - With V(keep), everything stays as it is then.
      - The module fails either way.
    type: str
    choices: [revert, keep]
    default: revert
  deadline:
    description:
      - Seconds within which every service must have its verdict.
      - By default derived from the services' own update policies and healthchecks.
    type: int
  stable_for:
    description:
      - The most seconds for which a service changed in this run must run undisturbed before it counts as converged, as
        for M(flotilla.swarm.swarm_stack).
    type: int
    default: 60
  keep_releases:
    description:
      - How many good releases of the stack are kept in the swarm, and how many others. At least 2.
      - Older ones are removed at the end of the run.
    type: int
    default: 10
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
  - flotilla.swarm.engine.owner
attributes:
  check_mode:
    details: Reads the swarm and returns the plan; changes nothing and waits for nothing.
    support: full
  diff_mode:
    details: Shows why each service is created, updated or removed.
    support: full
  idempotent:
    details:
      - With O(release), a stack that is as in that release is not touched, and nothing is recorded.
      - Without it, each run goes back by one more release, until the one that runs is the oldest good one.
    support: partial
notes:
  - Run it on a manager.
  - An update of the stack that is in flight is not waited for, but replaced. So a deployment that hangs can be stopped.
  - A secret or config is looked up by the name it had. When another object has that name now, a warning says so.
  - What a service wrote to its volumes or into a database stays as it is.
seealso:
  - module: flotilla.swarm.swarm_stack
  - module: flotilla.swarm.swarm_stack_info
"""

EXAMPLES = r"""
- name: Go back to the last good release
  flotilla.swarm.swarm_stack_rollback:
    name: medianest

- name: Show what going back to release 7 would change
  flotilla.swarm.swarm_stack_rollback:
    name: medianest
    release: 7
  check_mode: true
  diff: true

- name: Go back to release 7
  flotilla.swarm.swarm_stack_rollback:
    name: medianest
    release: 7
    who: "{{ lookup('ansible.builtin.env', 'USER') }}"
    when: "{{ now(utc=true, fmt='%Y-%m-%dT%H:%M:%SZ') }}"
"""

RETURN = r"""
restored:
  description: Number of the release that was restored, or was to be.
  returned: when the release could be planned
  type: int
  sample: 7
release:
  description: Number of the release that this run was recorded as; null when there was nothing to do.
  returned: not in check mode
  type: int
  sample: 9
plan:
  description: What was changed (in check mode, what would be), in that order.
  returned: when the release could be planned
  type: list
  elements: dict
  sample:
    - action: update
      kind: service
      name: medianest_app-backend
      differences:
        - field: TaskTemplate.ContainerSpec.Image
          before: backend:1.4.3@sha256:6b…
          after: backend:1.4.2@sha256:0c…
verdicts:
  description: What became of each service, in the form that M(flotilla.swarm.swarm_stack) gives them.
  returned: not in check mode
  type: list
  elements: dict
reverted:
  description: What was taken back, in the form that M(flotilla.swarm.swarm_stack) gives it.
  returned: when a service ended badly and O(on_failure=revert)
  type: dict
pruned:
  description: Names of the configs that were removed at the end, records of old releases among them.
  returned: not in check mode
  type: list
  elements: str
problems:
  description: Why the release can't be restored.
  returned: when it was refused
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, releases
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import Plan
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import stack_rollback
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine


def work(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Restore the release; a bad verdict leaves through ``fail_json`` with the whole story."""
    params = module.params
    request = stack_rollback.Request(
        stack=params["name"],
        release=params["release"],
        who=params["who"],
        when=params["when"],
        owner=labels.checked_owner(params["owner"]),
        with_registry_auth=params["with_registry_auth"],
        revert=params["on_failure"] == "revert",
        deadline=params["deadline"],
        stable_cap=params["stable_for"],
        keep=params["keep_releases"],
        check_mode=module.check_mode,
    )
    rolled = stack_rollback.Rollback(request, engine).run()
    outcome = rolled.outcome
    plan = Plan(outcome.plan.steps, (*outcome.plan.warnings, *rolled.warnings))
    values = {"restored": rolled.target.number, **outcome.as_dict()}
    if not module.check_mode:
        values["release"] = rolled.number
        values["pruned"] = list(rolled.pruned)
    result = _module.result_of(plan, **values)
    if outcome.bad:
        message = "The rollback to %s failed. %s" % (rolled.target.label, outcome.message(request.stack))
        _module.fail(module, message, result)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            **_module.OWNER_OPTION,
            "name": {"type": "str", "required": True},
            "release": {"type": "int"},
            "who": {"type": "str", "default": ""},
            "when": {"type": "str", "default": ""},
            "with_registry_auth": {"type": "bool", "default": False},
            "on_failure": {"type": "str", "choices": ["revert", "keep"], "default": "revert"},
            "deadline": {"type": "int"},
            "stable_for": {"type": "int", "default": 60},
            "keep_releases": {"type": "int", "default": releases.KEEP},
        },
        supports_check_mode=True,
    )
    _module.run(module, work)


if __name__ == "__main__":
    main()
