#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_leave
short_description: Let this worker leave its swarm
version_added: 0.1.0
description:
  - Lets the host leave the swarm O(cluster_id), and waits until it is in none. A host that is in no swarm is left so.
  - A manager is refused, because the raft goes on counting one that leaves. M(flotilla.swarm.swarm_nodes) demotes it
    first.
attributes:
  check_mode:
    support: full
  diff_mode:
    details: There is nothing to show.
    support: none
  idempotent:
    support: full
options:
  cluster_id:
    description: ID of the swarm to leave.
    type: str
    required: true
  deadline:
    description: Seconds for a demotion to arrive, and to leave.
    type: int
    default: 60
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine.host
notes:
  - Its node stays in the list of the swarm until M(flotilla.swarm.swarm_remove_nodes) removes it.
seealso:
  - module: flotilla.swarm.swarm_member
  - module: flotilla.swarm.swarm_remove_nodes
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Leave the swarm
  flotilla.swarm.swarm_leave:
    cluster_id: wz6a8o0zfjwmvfzzbz8a1pjxu
"""

RETURN = r"""
node_id:
  description: ID of the node that the host was. Null when it was in no swarm.
  returned: success
  type: str
  sample: 8mtc1pvxq6gz1z0mhbz7q8c5m
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host, leave


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            "cluster_id": {"type": "str", "required": True},
            "deadline": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    params = module.params
    _module.finish(
        module,
        lambda: leave.leave(
            host.socket_path(params["docker_host"]), params["cluster_id"], params["deadline"], dry_run=module.check_mode
        ),
    )


if __name__ == "__main__":
    main()
