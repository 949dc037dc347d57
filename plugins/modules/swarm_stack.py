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
  - When one service does not end well, every service that this run changed goes back to what it was; see
    O(on_failure).
  - An update that the swarm rolled back or paused, a task that crashes, has no node or no image, and a deadline that
    passes, all fail the module with the task's own error, exit code and last log lines.
  - Everything that can be checked is checked before anything is changed. Undefined variables, keys that
    C(docker stack deploy) drops silently, missing secrets, configs and networks, images that no registry has, and
    constraints that no node meets are errors.
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
        C(flotilla.swarm.owner), and their tasks are gone when the module returns. Tasks on nodes that are down are not
        waited for; a warning names the nodes.
      - The history of its releases goes too, so there is nothing to roll back to afterwards.
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
      - Values are strings; a whole number is taken as it is. C(PATH) and C(HOME) can't be among them.
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
  resolve_images:
    description:
      - Ask the registries which digests the images have now, and deploy those, so that every node runs the same. An
        image that is written with its digest is asked for too, for the platforms that it is built for.
      - When a registry has no answer for one of them, nothing is deployed.
      - With V(false) images are sent as they are written; a service whose image is unchanged keeps its digest.
    type: bool
    default: true
  adopt:
    description:
      - Take over services of the stack that something else deployed, the docker CLI for example. Without it they are
        refused.
    type: bool
    default: false
  on_failure:
    description:
      - With V(revert), when a service does not end well, every service that was changed gets the specification back
        that it had, secrets and configs included, and every service that was new is removed.
      - With V(keep), everything stays as it is then.
      - The module fails either way.
    type: str
    choices: [revert, keep]
    default: revert
  keep_releases:
    description:
      - How many good releases of the stack the swarm keeps, and how many others. At least 2.
      - The newest good one always stays.
      - What a kept good release names is not removed from the swarm, nor what one names that is still being deployed.
      - While the record of a release can't be read, since a newer version wrote it or it is damaged, no config is
        removed. A warning names the record.
    type: int
    default: 10
  who:
    description: Who deploys, for the release's record.
    type: str
    default: ""
  when:
    description: When this is, for the release's record, in any form. The engine's own time is recorded as well.
    type: str
    default: ""
  deadline:
    description:
      - Seconds within which every service must have its verdict.
      - By default derived from the stack's own update policies and healthchecks.
      - With O(state=absent), seconds within which everything must be gone, by default 120.
    type: int
  stable_for:
    description:
      - The most seconds for which a service changed in this run must run undisturbed before it counts as converged.
      - A service's own window is the longest one of C(update_config.monitor), 5 s, and the time that its healthcheck
        needs to fail (start_period + interval * retries).
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
  - A change made by hand is seen, shown field by field, and set back. Only a replica count that the file leaves out is
    left to others.
  - An update that the swarm paused goes on when the same definition is deployed again.
  - A config made from a file gets a name that ends in a digest of its content, so that a changed file makes a new
    config and its services are updated. Old ones go after a good deployment, once no service, no rollback target of
    one, and no kept release names them.
  - Each run that changes services is a release, recorded in the swarm in a config named C(STACK.release.NUMBER). See
    M(flotilla.swarm.swarm_stack_info) and M(flotilla.swarm.swarm_stack_rollback). The record holds the services' whole
    specifications, so whoever may read configs can read what is in them.
  - A secret with C(file) is refused, because its value would travel in a file. Declare it with
    M(flotilla.swarm.swarm_secrets) and write C(external) in the stack.
seealso:
  - module: flotilla.swarm.swarm_stack_info
  - module: flotilla.swarm.swarm_stack_rollback
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
        - Else V(rolled_back), V(paused), V(unschedulable), V(crashed), V(image_missing), V(replaced), V(timeout) or
          V(pending).
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
release:
  description: The number of the release that this run is recorded as.
  returned: with O(state=present), when a service was changed
  type: int
pruned:
  description: Configs that nothing names any more and that were removed, records of old releases among them.
  returned: with O(state=present), not in check mode
  type: list
  elements: str
reverted:
  description: What was taken back.
  returned: when a service ended badly and O(on_failure=revert)
  type: dict
  contains:
    back:
      description: Services that have the specification that they had before, and run.
      type: list
      elements: str
    removed:
      description: Services that were new.
      type: list
      elements: str
    stuck:
      description: Services that could not be taken back, or do not run well, each with why.
      type: list
      elements: str
problems:
  description: Everything that was wrong with the declaration.
  returned: when it was refused
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.flotilla.swarm.plugins.module_utils import _module, _stack_yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, releases
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import (
    client,
    stack_cli,
    stack_flow,
    stack_removal,
)
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.releases import About, Recorder

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
    "resolve_images": {"type": "bool", "default": True},
    "adopt": {"type": "bool", "default": False},
    "on_failure": {"type": "str", "choices": ["revert", "keep"], "default": "revert"},
    "keep_releases": {"type": "int", "default": releases.KEEP},
    "who": {"type": "str", "default": ""},
    "when": {"type": "str", "default": ""},
    "deadline": {"type": "int"},
    "stable_for": {"type": "int", "default": 60},
}


def work(module: AnsibleModule, engine: client.Engine) -> dict[str, Any]:
    """Deploy or remove the stack; a bad verdict leaves through ``fail_json`` with the whole story."""
    params = module.params
    owner = labels.checked_owner(params["owner"])
    if params["state"] == "absent":
        removal = stack_removal.Removal(params["name"], owner, engine, params["deadline"])
        return _module.result_of(removal.run(module.check_mode))
    request = stack_cli.Request(
        stack=params["name"],
        files=params["files"],
        sources={source["path"]: source["content"] for source in params["sources"] or ()},
        variables=params["variables"],
        prune=params["prune"],
        with_registry_auth=params["with_registry_auth"],
        resolve_images=params["resolve_images"],
        adopt=params["adopt"],
        revert=params["on_failure"] == "revert",
        deadline=params["deadline"],
        stable_cap=params["stable_for"],
        owner=owner,
        check_mode=module.check_mode,
    )
    keep = releases.checked_keep(params["keep_releases"])
    recorder = Recorder(engine, About(request.stack, request.owner, None, params["who"], params["when"], keep))
    cli = stack_cli.DockerCli(params["docker_host"])
    outcome = stack_flow.Deployment(request, engine, cli, recorder).run()
    values = outcome.as_dict()
    if not module.check_mode:
        values["pruned"] = recorder.pruned
    if recorder.number is not None:
        values["release"] = recorder.number
    result = _module.result_of(outcome.plan, **values)
    if outcome.bad:
        _module.fail(module, outcome.message(request.stack), result)
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
