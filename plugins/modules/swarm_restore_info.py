#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_restore_info
short_description: Which backups can be restored on this node, and what must be stopped for that
version_added: 0.1.0
description:
  - Reads, for each job, whether its database runs on this node or its volume is in use here. That is where
    M(flotilla.swarm.swarm_restore) restores it.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
options:
  jobs:
    description: Names of jobs of databases and volumes, as C(swarm_backup_items) has them.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine.host
seealso:
  - module: flotilla.swarm.swarm_restore
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Find out where the database is
  flotilla.swarm.swarm_restore_info:
    jobs: [medianest-postgres]
"""

RETURN = r"""
jobs:
  description:
    - The jobs. C(here) tells whether it is this node's, and C(reason) why or why not.
    - C(there) tells the same, and is also true of a volume that is on this node while nothing uses it.
    - C(stop) lists the services that have to stand still, because they use the volume.
    - C(node) is the inventory name of this node.
  returned: success
  type: list
  elements: dict
  sample:
    - job: medianest-redis-data
      node: w1
      here: true
      there: true
      reason: the volume medianest_redis-data is here
      stop:
        - {stack: medianest, service: redis}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host
from ansible_collections.flotilla.swarm.plugins.module_utils._recover import data


def main() -> None:
    module = AnsibleModule(
        argument_spec={**_module.ENGINE_OPTIONS, "jobs": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    params = module.params
    _module.finish(
        module,
        lambda: {
            "changed": False,
            "jobs": data.restore_places(host.socket_path(params["docker_host"]), params["jobs"]),
        },
    )


if __name__ == "__main__":
    main()
