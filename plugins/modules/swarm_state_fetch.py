#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_state_fetch
short_description: Fetch a backup of a swarm's raft state, and prove that it is whole
version_added: 0.1.0
description:
  - Has the backup agent restore a snapshot of the raft state to this host, beside its metadata. Nothing of it is used
    before M(flotilla.swarm.swarm_recover) is told to.
  - A backup that is damaged, that its key does not open, or that is another swarm's is refused.
  - The state of a swarm with autolock is unlocked with the key that was kept with it, which is never returned.
attributes:
  check_mode:
    details: Nothing is fetched, so nothing is known of it.
    support: partial
  diff_mode:
    details: There is nothing to show.
    support: none
  idempotent:
    details: It is fetched each time.
    support: none
options:
  snapshot:
    description: ID of the snapshot, or V(latest).
    type: str
    default: latest
  cluster_id:
    description: ID of the swarm. Left out, that of the host's settings.
    type: str
  deadline:
    description: Seconds for the whole.
    type: int
    default: 600
extends_documentation_fragment:
  - flotilla.swarm.attributes
notes:
  - The host is connected to the repository by the role C(swarm_backup), whose C(tasks_from) C(connect.yml) is enough.
seealso:
  - module: flotilla.swarm.swarm_recover
  - module: flotilla.swarm.swarm_backup_info
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Fetch the newest state of the swarm that was lost
  flotilla.swarm.swarm_state_fetch:
    cluster_id: wz6a8o0zfjwmvfzzbz8a1pjxu
  register: fetched
"""

RETURN = r"""
snapshot:
  description: ID of the snapshot.
  returned: not in check mode
  type: str
  sample: 1f0c5a9e
state:
  description: Where it is. That is the O(flotilla.swarm.swarm_recover#module:state_dir) that goes on with it.
  returned: not in check mode
  type: str
  sample: /var/lib/flotilla/recovery/state/swarm
node:
  description: Inventory name of the manager that was backed up.
  returned: not in check mode
  type: str
taken:
  description: When it was backed up.
  returned: not in check mode
  type: str
  sample: "2026-11-22T02:31:05Z"
metadata:
  description: What was noted with the backup, such as C(cluster_id), C(address), C(autolock), C(taken), C(managers).
  returned: not in check mode
  type: dict
age_seconds:
  description: How old it is.
  returned: not in check mode
  type: int
evidence:
  description: How it was proved.
  returned: not in check mode
  type: str
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import moments
from ansible_collections.flotilla.swarm.plugins.module_utils._host import backup_agent


def work(module: AnsibleModule) -> dict[str, Any]:
    """Let the agent fetch it, and say how old it is."""
    if module.check_mode:
        return {"changed": True}
    params = module.params
    swarm = [params["cluster_id"]] if params["cluster_id"] else []
    found = backup_agent.answer(["fetch-state", params["snapshot"], *swarm], params["deadline"])
    return {"changed": True, **found, "age_seconds": moments.age(found["metadata"]["taken"], time.time())}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "snapshot": {"type": "str", "default": "latest"},
            "cluster_id": {"type": "str"},
            "deadline": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
