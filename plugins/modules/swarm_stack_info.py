#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the history of stacks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_stack_info
short_description: The releases of stacks, and what runs of them now
version_added: 0.1.0
author:
  - the flotilla.swarm authors (!UNKNOWN)
description:
  - Returns the releases that M(flotilla.swarm.swarm_stack) and M(flotilla.swarm.swarm_stack_rollback) recorded in the
    swarm, the newest first, and the services that are live.
  - A warning names each record that can't be read.
options:
  name:
    description:
      - Name of the stack. It is returned even if there is nothing of it.
      - By default all stacks that O(owner) has.
    type: str
  release:
    description: Number of a release of the stack O(name), to return that one alone.
    type: int
  specs:
    description:
      - Return the complete service specifications of the O(release) too.
      - They hold the services' environment.
    type: bool
    default: false
  owner:
    description: Whose stacks are returned.
    type: str
    default: flotilla
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
notes:
  - Run it on a manager.
seealso:
  - module: flotilla.swarm.swarm_stack
  - module: flotilla.swarm.swarm_stack_rollback
"""

EXAMPLES = r"""
- name: Read the history of a stack
  flotilla.swarm.swarm_stack_info:
    name: medianest
  register: medianest

- name: Show the last release and how it ended
  ansible.builtin.debug:
    msg: "{{ medianest.stacks[0].releases | first | default('never deployed') }}"

- name: Read what exactly release 7 was
  flotilla.swarm.swarm_stack_info:
    name: medianest
    release: 7
    specs: true

- name: Read all stacks
  flotilla.swarm.swarm_stack_info:
"""

RETURN = r"""
stacks:
  description: The stacks, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The stack's name.
      type: str
    releases:
      description: Its releases that are kept, the newest first.
      type: list
      elements: dict
      contains:
        number:
          description: Number of the release. The next one has a higher one.
          type: int
        state:
          description:
            - V(good) when every service ended well, V(failed) when one did not.
            - V(deploying) while its run goes on, and for ever when that was interrupted.
            - V(unreadable) when the record can't be read; most fields are null then.
          type: str
        kind:
          description: V(deploy) or V(rollback).
          type: str
        restores:
          description: The release that a rollback brought back; null for a deployment.
          type: int
        who:
          description: Who deployed, as the play said.
          type: str
        when:
          description: When that was, as the play said.
          type: str
        recorded:
          description: When the record was made, by the manager's clock.
          type: str
        reverted:
          description: Whether a failed run was taken back as a whole.
          type: bool
        reason:
          description: Why it failed, or why it can't be read, in one line.
          type: str
        seconds:
          description: How long the run took from its record to the last verdict, or until it was taken back.
          type: float
        services:
          description:
            - C(image), C(replicas), C(verdict) and C(seconds) of each service, by its name in the swarm.
            - C(replicas) is null for services that have no such number, and C(verdict) where there was none.
          type: dict
        specs:
          description: ServiceSpec of each service, by its name in the swarm. Networks stand in them by their names.
          type: dict
          returned: with O(specs=true)
    current:
      description: Its live services, by name.
      type: list
      elements: dict
      contains:
        name:
          description: The service's name in the swarm.
          type: str
        image:
          description: Its image.
          type: str
        replicas:
          description: How many tasks it is to have; null for services that have no such number.
          type: int
        update_status:
          description: The engine's own update status; empty when the service was never updated.
          type: str
  sample:
    - name: medianest
      releases:
        - number: 8
          state: failed
          kind: deploy
          restores: null
          who: ci
          when: "2026-01-31T12:00:00Z"
          recorded: "2026-01-31T12:00:03.123456789Z"
          reverted: true
          reason: "medianest_app-backend: crashed: 2 failed tasks, last error: task: non-zero exit (3)"
          seconds: 41.5
          services:
            medianest_app-backend: {image: "backend:1.4.3@sha256:6b…", replicas: 3, verdict: crashed, seconds: 11.0}
      current:
        - {name: medianest_app-backend, image: "backend:1.4.2@sha256:0c…", replicas: 3, update_status: completed}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import release_info, release_record, releases
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine


def work(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """The stacks with their histories."""
    params = module.params
    name, number, owner = params["name"], params["release"], params["owner"]
    configs = engine.configs() if name is None else engine.configs(release_record.prefix(name))
    entries = release_record.history(configs, name, owner)
    if number is not None:
        entries = tuple(entry for entry in entries if entry.number == number)
        if not entries:
            raise DeclarationError("release: there is no release %d of %s in this swarm" % (number, name))
    return {
        "changed": False,
        "stacks": release_info.stacks(entries, engine.services(), owner, name, number if params["specs"] else None),
        "warnings": releases.unreadable(entries),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            **_module.OWNER_OPTION,
            "name": {"type": "str"},
            "release": {"type": "int"},
            "specs": {"type": "bool", "default": False},
        },
        required_by={"release": ("name",)},
        required_if=[("specs", True, ["release"])],
        supports_check_mode=True,
    )
    _module.run(module, work)


if __name__ == "__main__":
    main()
