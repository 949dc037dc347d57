#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_configs
short_description: Keep the configs of a Docker Swarm as declared
version_added: 0.1.0
description:
  - Takes the whole declared set in one call, compares it with the swarm, and creates only what is missing or changed.
  - A config of Docker can't be changed. So the declared config V(app_config) is kept as V(app_config_v1), and a
    changed content becomes V(app_config_v2). Services are pointed to the new version by whoever deploys them; see
    RV(current).
  - Objects that this module made for another O(owner), or did not make at all, are never changed or removed, unless
    O(configs[].adopt) says so.
notes:
  - Whether a content has changed is seen by comparing it with the config itself. So a config that is adopted gets a new
    version only where its content is another one than declared.
  - A config is no place for a secret, because everybody who may read from a manager's API can read it. Still its
    content is neither shown nor logged here.
  - The config C(flotilla_digest_key), in which M(flotilla.swarm.swarm_secrets) keeps its key, can't be declared.
attributes:
  check_mode:
    support: full
  diff_mode:
    details: Contents are never shown.
    support: full
  idempotent:
    support: full
options:
  configs:
    description:
      - The declared configs. Each has less than 1000 KiB.
      - Configs that are in the swarm and not in this list are left alone.
    type: list
    elements: dict
    required: true
seealso:
  - module: flotilla.swarm.swarm_networks
  - module: flotilla.swarm.swarm_secrets
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.data_objects
  - flotilla.swarm.data_objects.configs
  - flotilla.swarm.engine
  - flotilla.swarm.engine.owner
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Keep the application's configs
  flotilla.swarm.swarm_configs:
    configs:
      - name: app_config
        file: app.json
      - name: banner
        value: |
          Welcome.
        labels:
          team: web
      - name: old_config
        state: absent
    prune: true
  register: app_configs

- name: Show which version a service should mount
  ansible.builtin.debug:
    msg: "{{ app_configs.current.app_config.name }}"

- name: Take over ohlcv_config_v1, which was made by hand
  flotilla.swarm.swarm_configs:
    configs:
      - name: ohlcv_config
        file: ohlcv/app.json
        adopt: true
"""

RETURN = r"""
current:
  description: The newest version of each declared config that is present, by its logical name.
  returned: success
  type: dict
  sample:
    app_config:
      name: app_config_v2
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
    - name: app_config_v1
      used_by: [medianest_app-backend]
plan:
  description: The steps that were taken, or in check mode would be.
  returned: success
  type: list
  elements: dict
  sample:
    - action: create
      kind: config
      name: app_config_v2
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
            **_data_objects.items_option(versioned.CONFIG),
            **_data_objects.PRUNE_OPTION,
        },
        supports_check_mode=True,
    )
    _data_objects.run(module, versioned.CONFIG)


if __name__ == "__main__":
    main()
