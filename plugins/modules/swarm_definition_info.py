#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_definition_info
short_description: Everything that a Docker Swarm was told, but for its secrets' values
version_added: 0.1.0
description:
  - Reads the definition of the swarm from a manager, as the leader backs it up.
  - IDs, versions and times are not in it, so that it is equal before a loss and after a recovery that brought
    everything back. P(flotilla.swarm.definition_differences#filter) compares two.
  - The data of configs is in it, and so is the environment of services.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
seealso:
  - plugin: flotilla.swarm.definition_differences
    plugin_type: filter
  - module: flotilla.swarm.swarm_info
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Read what the swarm was told
  flotilla.swarm.swarm_definition_info:
  register: before

- name: Keep it with what else describes the swarm
  ansible.builtin.copy:
    content: "{{ before.definition | to_nice_json }}"
    dest: /root/definition.json
    mode: '0600'
"""

RETURN = r"""
cluster_id:
  description: ID of the swarm. It is not in the definition.
  returned: success
  type: str
  sample: wz6a8o0zfjwmvfzzbz8a1pjxu
definition:
  description:
    - The sections C(swarm), C(nodes), C(services), C(networks), C(secrets) and C(configs), and the C(format) of all.
    - All but the first have an entry for each object, by its name.
  returned: success
  type: dict
  sample:
    format: 1
    swarm: {EncryptionConfig: {AutoLockManagers: false}}
    nodes: {manager1: {role: manager, availability: drain, labels: {}}}
    services: {}
    networks: {}
    secrets: {jwt_secret_v1: {labels: {flotilla.swarm.version: "1"}}}
    configs: {}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import definition
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.observe import observe


def work(_module_object: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """The definition, out of one pass over the engine's lists."""
    seen = observe(engine)
    return {
        "changed": False,
        "cluster_id": seen.swarm["ID"],
        "definition": definition.export(
            seen.swarm, seen.nodes, seen.services, seen.networks, seen.secrets, seen.configs
        ),
    }


def main() -> None:
    _module.run(AnsibleModule(argument_spec=_module.ENGINE_OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
