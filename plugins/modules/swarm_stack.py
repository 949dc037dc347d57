#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy a stack, and say what became of every service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_stack
short_description: Deploy a stack with a plan, a deadline and a verdict
version_added: 0.1.0
author:
  - the flotilla.swarm authors (!UNKNOWN)
description:
  - Brings a stack to the definition in its files, and waits until every service has its verdict.
  - Only services whose definition changed are sent to the swarm. A stack that is as declared is not touched at all, so
    that what C(docker service rollback) needs stays there.
  - An update that the swarm rolled back or paused, a task that crashes, has no node or no image, and a deadline that
    passes, all fail the module with the task's own error, exit code and last log lines.
  - Everything that can be checked is checked before anything is changed. Undefined variables, keys that
    C(docker stack deploy) drops silently, missing secrets, configs and networks, and constraints that no node meets are
    errors.
  - An external secret or config is named by its logical name; the newest version that M(flotilla.swarm.swarm_secrets)
    made is used.
options:
  name:
    description: Name of the stack.
    type: str
    required: true
  state:
    description:
      - With V(present), the stack is as its files say.
      - With V(absent), the stack's services, networks and configs are removed that carry O(owner) in their label
        C(flotilla.swarm.owner), and their tasks are gone when the module returns.
      - What something else deployed under the stack's name (C(docker stack deploy) by hand, another O(owner)) stays,
        and a warning names it. Secrets and volumes always stay.
    type: str
    choices: [present, absent]
    default: present
  files:
    description:
      - Stack files; later ones override earlier ones. Needed with O(state=present).
      - Paths on the controller, looked up as for M(ansible.builtin.copy), unless O(sources) is given.
      - With O(sources), the paths of the stack files among them.
    type: list
    elements: str
    default: []
  sources:
    description:
      - The contents of the stack files and of the files that they name (C(configs.*.file), C(env_file)).
      - The action of this name reads them on the controller and fills this in. Give it only to call the module without
        files.
      - They lie in a private directory on the manager while C(docker stack config) reads them, and nowhere
        afterwards.
    type: list
    elements: dict
    suboptions:
      path:
        description: Path relative to the one directory that all sources lie in.
        type: str
        required: true
      content:
        description: The file's text.
        type: str
        required: true
  variables:
    description:
      - Values for V(${NAME}) in the files. Nothing from the environment of the controller or the node is ever used.
      - Values are strings; a whole number is taken as it is.
      - Not for secrets. What is put into a service's environment can be read by everyone who can read the service.
    type: dict
    default: {}
  prune:
    description:
      - Remove services of the stack that its files no longer have. Only those that carry O(owner); a warning names
        others.
      - Done last, after everything was checked and the rest was sent.
    type: bool
    default: false
  with_registry_auth:
    description:
      - Send the registry credentials of the user that runs the module on the manager along, so that nodes can pull.
    type: bool
    default: false
  deadline:
    description:
      - Seconds within which every service must have its verdict.
      - By default derived from the stack's own update policies and healthchecks.
      - With O(state=absent), seconds within which everything must be gone, by default 120.
    type: int
  stable_for:
    description:
      - The most seconds for which a service changed in this run must run undisturbed before it counts as converged.
      - A service's own window is the longer one of C(update_config.monitor) and the time its healthcheck needs to fail
        (start_period + interval * retries).
    type: int
    default: 60
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
  - flotilla.swarm.engine.owner
requirements:
  - Docker CLI on the managed node
  - PyYAML (C(python3-yaml)) on the managed node
attributes:
  check_mode:
    details: Reads the swarm and returns the plan; changes nothing and waits for nothing.
    support: full
  diff_mode:
    details: Shows why each object is created, updated or removed.
    support: full
  idempotent:
    details: A stack that is as declared is not touched; no service gets a new version.
    support: full
notes:
  - Run it on a manager.
  - A replica count that somebody changed by hand is set back to the declared one.
  - An update that the swarm paused goes on when the same definition is deployed again.
  - A config made from a file gets a name that ends in a digest of its content, so that a changed file makes a new
    config and its services are updated. Old ones stay until the stack is removed.
  - A secret with C(file) is refused, because its value would travel in a file. Declare it with
    M(flotilla.swarm.swarm_secrets) and write C(external) in the stack.
seealso:
  - module: flotilla.swarm.validate_inventory
  - module: flotilla.swarm.swarm_secrets
  - module: flotilla.swarm.swarm_networks
"""

EXAMPLES = r"""
- name: Deploy the stack
  flotilla.swarm.swarm_stack:
    name: medianest
    files:
      - stacks/medianest/stack.yml
      - stacks/medianest/production.yml
    variables:
      VERSION: 1.4.2

- name: Show what would change
  flotilla.swarm.swarm_stack:
    name: medianest
    files: [stacks/medianest/stack.yml]
    variables:
      VERSION: 1.4.3
  check_mode: true
  diff: true

- name: Deploy, drop services that are no longer in the file, and fail after five minutes
  flotilla.swarm.swarm_stack:
    name: medianest
    files: [stacks/medianest/stack.yml]
    prune: true
    deadline: 300

- name: Remove the stack and wait until it is gone
  flotilla.swarm.swarm_stack:
    name: medianest
    state: absent
"""

RETURN = r"""
plan:
  description: What was changed (in check mode, what would be), in that order.
  returned: when the stack could be planned
  type: list
  elements: dict
  contains:
    action:
      description: V(create), V(update) or V(remove).
      type: str
    kind:
      description: V(service), V(network) or V(config).
      type: str
    name:
      description: The object's name in the swarm.
      type: str
    differences:
      description: Fields with their values before and after.
      type: list
      elements: dict
verdicts:
  description: What became of each service.
  returned: with O(state=present), not in check mode
  type: list
  elements: dict
  contains:
    service:
      description: The service's name in the swarm.
      type: str
    state:
      description:
        - V(converged) or V(job_complete) when all is well.
        - Else V(rolled_back), V(paused), V(unschedulable), V(crashed), V(image_missing), V(timeout) or V(pending).
      type: str
    reason:
      description: One sentence.
      type: str
    running:
      description: Tasks that run (for a job, that completed).
      type: int
    desired:
      description: Tasks that should.
      type: int
    failure:
      description: The task that explains a bad verdict, with its node, error, exit code and last log lines.
      type: dict
    update_status:
      description: The engine's own update status; empty when the service was never updated.
      type: str
problems:
  description: Everything that was wrong with the declaration.
  returned: when it was refused
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.flotilla.swarm.plugins.module_utils import _module, _stack_yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client, stack_cli, stack_flow

ARGUMENTS: dict[str, Any] = {
    **_module.ENGINE_OPTIONS,
    **_module.OWNER_OPTION,
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "files": {"type": "list", "elements": "str", "default": []},
    "sources": {
        "type": "list",
        "elements": "dict",
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "required": True},
        },
    },
    "variables": {"type": "dict", "default": {}},
    "prune": {"type": "bool", "default": False},
    "with_registry_auth": {"type": "bool", "default": False},
    "deadline": {"type": "int"},
    "stable_for": {"type": "int", "default": 60},
}


def work(module: AnsibleModule, engine: client.Engine) -> dict[str, Any]:
    """Deploy or remove the stack; a bad verdict leaves through ``fail_json`` with the whole story."""
    params = module.params
    request = stack_cli.Request(
        stack=params["name"],
        files=params["files"],
        sources={source["path"]: source["content"] for source in params["sources"] or ()},
        variables=params["variables"],
        prune=params["prune"],
        with_registry_auth=params["with_registry_auth"],
        deadline=params["deadline"],
        stable_cap=params["stable_for"],
        owner=params["owner"],
        check_mode=module.check_mode,
    )
    run = stack_flow.Deployment(request, engine, stack_cli.DockerCli(params["docker_host"]))
    outcome = run.present() if params["state"] == "present" else run.absent()
    verdicts = [verdict.as_dict() for verdict in outcome.verdicts]
    result = _module.result_of(outcome.plan, **({"verdicts": verdicts} if verdicts else {}))
    if outcome.bad:
        module.fail_json(msg=outcome.message(request.stack), **result)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", "present", ["sources"])],
        supports_check_mode=True,
    )
    if _stack_yaml.IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=str(_stack_yaml.IMPORT_ERROR))
    _module.run(module, work)


if __name__ == "__main__":
    main()
