#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_secrets
short_description: Keep the secrets of a Docker Swarm as declared
version_added: 0.1.0
description:
  - Takes the whole declared set in one call, compares it with the swarm, and creates only what is missing or changed.
  - A secret of Docker can't be changed. So the declared secret V(jwt_secret) is kept as V(jwt_secret_v1), and a
    changed value becomes V(jwt_secret_v2). Services are pointed to the new version by whoever deploys them; see
    RV(current).
  - Objects that this module made for another O(owner), or did not make at all, are never changed or removed, unless
    O(secrets[].adopt) says so.
notes:
  - What an adopted secret holds can't be read, unless another O(owner) made it under the same key. The declared value
    is taken to be what it holds, and a warning says so. Where it is not, services that already use the secret keep the
    old value until the declared one changes.
  - A value is blanked out of the result wherever it comes up, and so is each of its lines. Texts of fewer than four
    characters are not, and neither are those that stand in a declared name.
attributes:
  check_mode:
    support: full
  diff_mode:
    details: Values are never shown.
    support: full
  idempotent:
    support: full
options:
  secrets:
    description:
      - The declared secrets. Each has less than 500 KiB.
      - Secrets that are in the swarm and not in this list are left alone.
    type: list
    elements: dict
    required: true
seealso:
  - module: flotilla.swarm.swarm_configs
  - module: flotilla.swarm.swarm_networks
  - module: flotilla.swarm.swarm_nodes
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.data_objects
  - flotilla.swarm.data_objects.digest
  - flotilla.swarm.data_objects.secrets
  - flotilla.swarm.engine
  - flotilla.swarm.engine.owner
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Keep the application's secrets
  flotilla.swarm.swarm_secrets:
    secrets:
      - name: jwt_secret
        value: "{{ vault_jwt_secret }}"
      - name: tls_key
        file: tls/app.key
        labels:
          expires: "2027-01-31"
      - name: session_key
        generate: {length: 48}
      - name: old_api_key
        state: absent
  register: app_secrets

- name: Show which version a service should mount
  ansible.builtin.debug:
    msg: "{{ app_secrets.current.jwt_secret.name }}"

- name: Take over ohlcv_api_key_v1, which was made by hand
  flotilla.swarm.swarm_secrets:
    secrets:
      - name: ohlcv_api_key
        value: "{{ vault_ohlcv_api_key }}"
        adopt: true

- name: Keep them under a key that is not in the swarm, and drop old versions that nothing uses
  flotilla.swarm.swarm_secrets:
    secrets:
      - name: jwt_secret
        value: "{{ vault_jwt_secret }}"
    digest_key: "{{ vault_digest_key }}"
    prune: true
"""

RETURN = r"""
current:
  description: The newest version of each declared secret that is present, by its logical name.
  returned: success
  type: dict
  sample:
    jwt_secret:
      name: jwt_secret_v2
      id: 4cvh8i2k7n6ho1dq0zq2lgx3f
      version: 2
  contains:
    name:
      description: The name of the object in the swarm.
      type: str
    id:
      description: The engine's ID of it; none in check mode for one that would be created.
      type: str
    version:
      description: The version, from 1.
      type: int
kept:
  description: The versions that O(prune) or V(state=absent) left because services use them.
  returned: success
  type: list
  elements: dict
  sample:
    - name: jwt_secret_v1
      used_by: [medianest_app-backend]
plan:
  description: The steps that were taken, or in check mode would be.
  returned: success
  type: list
  elements: dict
  sample:
    - action: create
      kind: secret
      name: jwt_secret_v2
      differences:
        - {field: version, before: 1, after: 2}
        - {field: value, before: (not shown), after: '(not shown, changed)'}
problems:
  description: What is wrong with the declaration, one sentence each.
  returned: when the declaration is refused
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _data_objects, _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import versioned


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            **_module.OWNER_OPTION,
            **_data_objects.items_option(versioned.SECRET),
            **_data_objects.DIGEST_OPTION,
            **_data_objects.PRUNE_OPTION,
        },
        supports_check_mode=True,
    )
    _data_objects.run(module, versioned.SECRET)


if __name__ == "__main__":
    main()
