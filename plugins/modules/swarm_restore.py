#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_restore
short_description: Restore a database or a volume of a running swarm from its backup, where it is
version_added: 0.1.0
description:
  - Run it on the node where the job's database runs or its volume is, as M(flotilla.swarm.swarm_restore_info) tells.
  - What is there is replaced by what the snapshot holds.
  - No running container may use a volume that is restored.
attributes:
  check_mode:
    details: Nothing is restored, so what would be there is not told.
    support: partial
  diff_mode:
    details: There is nothing to show.
    support: none
  idempotent:
    details: It is restored each time.
    support: none
options:
  job:
    description: Name of the job, as C(swarm_backup_items) has it.
    type: str
    required: true
  snapshot:
    description: ID of the snapshot, or V(latest).
    type: str
    default: latest
  host:
    description:
      - Inventory name of the node whose snapshots alone count, for a volume that several nodes have. By default those
        of all nodes do.
    type: str
  deadline:
    description:
      - Seconds for the whole. A restore that takes longer is stopped, and has a minute to put right what it was in the
        middle of.
    type: int
    default: 14400
extends_documentation_fragment:
  - flotilla.swarm.attributes
notes:
  - The host is connected to the repository by the role C(swarm_backup).
seealso:
  - module: flotilla.swarm.swarm_restore_info
  - module: flotilla.swarm.swarm_backup
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Bring the database back to the newest backup
  flotilla.swarm.swarm_restore:
    job: medianest-postgres
"""

RETURN = r"""
snapshot:
  description: ID of the snapshot.
  returned: not in check mode
  type: str
  sample: 1f0c5a9e
taken:
  description: When that was taken.
  returned: not in check mode
  type: str
  sample: "2026-11-22T02:31:05Z"
age_seconds:
  description: How old it is.
  returned: not in check mode
  type: int
error:
  description: C(CutShort) where a part of the backup may be there and a part of what was before, else C(HostError).
  returned: on failure
  type: str
  sample: HostError
evidence:
  description: What is there now.
  returned: not in check mode
  type: str
  sample: 42 tables restored
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import moments
from ansible_collections.flotilla.swarm.plugins.module_utils._host import backup_agent

GRACE = 60
"""Seconds after the deadline until the agent, which ends itself then, is killed: it waits for restic, and cleans up."""


def work(module: AnsibleModule) -> dict[str, Any]:
    """Let the agent restore it, and say how old that is."""
    if module.check_mode:
        return {"changed": True}
    params = module.params
    deadline = params["deadline"]
    words = ["restore", params["job"], params["snapshot"], params["host"] or "", str(deadline)]
    found = backup_agent.answer(words, deadline + GRACE)
    return {"changed": True, **found, "age_seconds": moments.age(found["taken"], time.time())}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "job": {"type": "str", "required": True},
            "snapshot": {"type": "str", "default": "latest"},
            "host": {"type": "str"},
            "deadline": {"type": "int", "default": 14400},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
