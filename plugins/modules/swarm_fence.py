#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_fence
short_description: Keep a manager whose engine is dead from ever coming back to its swarm
version_added: 0.1.0
description:
  - Stops the host's engine and sets its state of one swarm aside, so that it is a member no more when it starts. What
    was set aside is kept on the host.
  - This comes before M(flotilla.swarm.swarm_recover) on the survivor. Two managers that returned with their old state
    would be a quorum under the same ID.
  - Refuses a host that answers for the swarm, and one whose state is of another swarm.
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
    description: ID of the swarm whose state is set aside.
    type: str
    required: true
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine.host
notes:
  - Run it as root. The engine stays stopped; the role C(docker_engine) starts it.
seealso:
  - module: flotilla.swarm.swarm_recover
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Keep the manager from coming back
  flotilla.swarm.swarm_fence:
    cluster_id: wz6a8o0zfjwmvfzzbz8a1pjxu
"""

RETURN = r"""
kept:
  description: Where the state is now. Empty when there was none, and in check mode.
  returned: success
  type: str
  sample: /var/lib/docker/swarm.aside-1795389300
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host
from ansible_collections.flotilla.swarm.plugins.module_utils._recover.fence import fence


def main() -> None:
    module = AnsibleModule(
        argument_spec={**_module.ENGINE_OPTIONS, "cluster_id": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    params = module.params
    _module.finish(
        module,
        lambda: fence(host.socket_path(params["docker_host"]), params["cluster_id"], dry_run=module.check_mode),
    )


if __name__ == "__main__":
    main()
