#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_rotate
short_description: Give running services new values of secrets and configs, or none of them
version_added: 0.1.0
description:
  - Creates new versions of the declared secrets and configs whose values changed, as
    M(flotilla.swarm.swarm_secrets) and M(flotilla.swarm.swarm_configs) do. Then every service that mounts an old
    version is moved to the current one, one after the other, each by its own update policy.
  - A service counts as moved when it runs with the new version undisturbed, as after a deployment.
  - When one does not, every service that was moved goes back to the version it had, and the module fails saying which
    service, which task, on which node, with its exit code and its last log lines.
  - Services that did not run well before are refused before anything is changed, since they could prove nothing.
  - A run that was interrupted is finished by the next one, which refuses when a service that was moved does not run
    well.
  - A service that mounts two versions of one name is refused, and so is a secret that would be adopted here.
notes:
  - The old version stays, since a rollback of the service needs it. O(prune) removes those that neither a service's
    present or previous specification nor a release of a stack names (M(flotilla.swarm.swarm_stack_rollback)).
  - A rollback of a stack to an earlier release brings back the version that this release had. Where that must never
    run again, deploy the stack once more and lower C(keep_releases) until no release has it.
  - After a failed rotation no rollback leads to the new version, and it is removed from the swarm, unless a service
    that an earlier run had moved uses it.
  - Where the path in the container is the name of the versioned object, it stays as it was.
  - Services move by name. A value that a server and its clients must change at the same time needs two values that the
    server accepts; no order of services can do without.
  - The log lines of a failed container are shown as it wrote them, but for the declared values.
attributes:
  check_mode:
    details: Shows the versions that would be made and the services that would be moved.
    support: full
  diff_mode:
    details: Values are never shown.
    support: full
  idempotent:
    details: O(renew) makes a new version in every run.
    support: partial
options:
  secrets:
    description:
      - Secrets, in the same form as those of M(flotilla.swarm.swarm_secrets).
      - Those with V(state=absent) are left alone here.
    type: list
    elements: dict
  configs:
    description:
      - Configs, in the same form as those of M(flotilla.swarm.swarm_configs).
      - Those with V(state=absent) are left alone here.
    type: list
    elements: dict
  renew:
    description:
      - Names of declared secrets and configs that get a new version even if the declared value is the same. A generated
        one gets a fresh value.
    type: list
    elements: str
    default: []
  deadline:
    description:
      - Seconds within which each service must run well.
      - By default derived from its own update policy and healthcheck.
    type: int
  stable_for:
    description:
      - The most seconds for which a service must run undisturbed before it counts as moved, as for
        M(flotilla.swarm.swarm_stack).
    type: int
    default: 60
seealso:
  - module: flotilla.swarm.swarm_configs
  - module: flotilla.swarm.swarm_secrets
  - module: flotilla.swarm.swarm_stack
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.data_objects
  - flotilla.swarm.data_objects.configs
  - flotilla.swarm.data_objects.digest
  - flotilla.swarm.data_objects.secrets
  - flotilla.swarm.engine
  - flotilla.swarm.engine.owner
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Move every service to the new key, or none
  flotilla.swarm.swarm_rotate:
    secrets:
      - name: jwt_secret
        value: "{{ vault_jwt_secret }}"
    prune: true

- name: Make a fresh value of one that was generated
  flotilla.swarm.swarm_rotate:
    secrets:
      - name: session_key
        generate:
          length: 48
    renew: [session_key]
"""

RETURN = r"""
current:
  description: The newest version of each declared secret and config, by kind and logical name.
  returned: success
  type: dict
  sample:
    secrets:
      jwt_secret: {name: jwt_secret_v2, id: 4cvh8i2k7n6ho1dq0zq2lgx3f, version: 2}
    configs: {}
plan:
  description: The versions that were made or removed and the services that were moved; in check mode, that would be.
  returned: success
  type: list
  elements: dict
  sample:
    - action: create
      kind: secret
      name: jwt_secret_v2
      differences:
        - {field: version, before: 1, after: 2}
    - action: update
      kind: service
      name: medianest_app-backend
      differences:
        - {field: secret, before: jwt_secret_v1, after: jwt_secret_v2}
verdicts:
  description: What became of each service that was touched, in the form that M(flotilla.swarm.swarm_stack) gives them.
  returned: not in check mode
  type: list
  elements: dict
back:
  description: Services that have their old version again, the failed one among them.
  returned: when a service failed
  type: list
  elements: str
dropped:
  description: New versions that were removed again.
  returned: when a service failed
  type: list
  elements: str
kept:
  description: The versions that O(prune) left because services or releases use them.
  returned: success
  type: list
  elements: dict
  sample:
    - name: jwt_secret_v1
      used_by: [medianest_app-backend]
problems:
  description: What is wrong with the declaration, or which service did not run well before, one sentence each.
  returned: when it is refused
  type: list
  elements: str
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _data_objects, _module, _rotate
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            **_module.OWNER_OPTION,
            **_data_objects.items_option(versioned.SECRET, required=False),
            **_data_objects.items_option(versioned.CONFIG, required=False),
            **_data_objects.DIGEST_OPTION,
            **_data_objects.PRUNE_OPTION,
            "renew": {"type": "list", "elements": "str", "default": []},
            "deadline": {"type": "int"},
            "stable_for": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    with _module.failures(module):
        owner = labels.checked_owner(module.params["owner"])
        for option in ("deadline", "stable_for"):
            if module.params[option] is not None and module.params[option] < 1:
                raise DeclarationError("%s: %s is no time: give at least 1 second" % (option, module.params[option]))
        declared = _rotate.declarations(module, owner)
    _module.run(module, partial(_rotate.work, declared))


if __name__ == "__main__":
    main()
