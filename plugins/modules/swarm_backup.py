#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_backup
short_description: Back up what is a node's to back up, restore it to prove it, or read how that stands
version_added: 0.1.0
description:
  - Runs on every node. Each does what is its own, as when the timers start it, which are databases and volumes where
    they are, the definition of the swarm on its leader, and the raft state on one manager that is not the leader.
  - systemd runs it, and carries on if this controller goes away. A unit that runs already is waited for.
  - What failed is told in the agent's own words.
extends_documentation_fragment:
  - flotilla.swarm.attributes
attributes:
  check_mode:
    details: Nothing is started, so what a backup would make is not foretold.
    support: partial
  diff_mode:
    details: The last snapshot of each job, before and after.
    support: full
  idempotent:
    details: Each backup is a new one. To verify and to read change nothing.
    support: none
options:
  state:
    description:
      - V(run) backs up.
      - V(verify) restores the last snapshots, into something that is thrown away, and asks it. A backup is good only
        after that.
      - V(status) only reads.
    type: str
    choices: [run, verify, status]
    default: status
  job:
    description: Names of jobs, one unit each. V(all) are all that this node has to do.
    type: list
    elements: str
    default: [all]
  deadline:
    description: Seconds to wait for each unit. One that takes longer goes on.
    type: int
    default: 14400
seealso:
  - module: flotilla.swarm.backup_agent
  - module: flotilla.swarm.swarm_backup_info
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Back up now
  flotilla.swarm.swarm_backup:
    state: run

- name: Prove that the database can be restored
  flotilla.swarm.swarm_backup:
    state: verify
    job: medianest-postgres
"""

RETURN = r"""
statuses:
  description:
    - How each job stands that this node has ever done. C(verdict) is V(good), V(unverified), V(failed) or V(refused).
  returned: success
  type: list
  elements: dict
  sample:
    - job: medianest-postgres
      kind: postgres
      node: w3
      verdict: good
      reason: ""
      attempted: "2026-11-22T02:31:07Z"
      snapshot: 1f0c5a9e
      taken: "2026-11-22T02:31:05Z"
      seconds: 2.4
      bytes: 81234
      engine_stopped: null
      verified:
        snapshot: 1f0c5a9e
        at: "2026-11-22T04:30:44Z"
        evidence: "42 tables restored"
made:
  description: Names of the jobs that have a new snapshot.
  returned: always
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._host import backup_units

UNITS = {"run": backup_units.RUN, "verify": backup_units.VERIFY}


def snapshots(statuses: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Job → its last snapshot."""
    return {str(status["job"]): str(status.get("snapshot") or "") for status in statuses}


def start(state: str, jobs: Sequence[str], deadline: int) -> list[str]:
    """Start the unit of each job, all of them whatever becomes of the first; what failed."""
    failures = [backup_units.start(UNITS[state] % job, deadline) for job in jobs]
    return [failure for failure in failures if failure]


def work(module: AnsibleModule) -> dict[str, Any]:
    """Do what is asked, and say how every job of this node stands then."""
    params = module.params
    before = snapshots(backup_units.statuses())
    failures: list[str] = []
    if params["state"] in UNITS and not module.check_mode:
        failures = start(params["state"], params["job"], params["deadline"])
    statuses = backup_units.statuses()
    after = snapshots(statuses)
    made = [job for job, snapshot in after.items() if snapshot and snapshot != before.get(job)]
    result = {
        "changed": bool(made),
        "made": made,
        "diff": {
            "before": {job: before.get(job, "") for job in made},
            "after": {job: after[job] for job in made},
        },
    }
    if failures:
        _module.fail(module, "\n".join(failures), result)
    return {**result, "statuses": statuses}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["run", "verify", "status"], "default": "status"},
            "job": {"type": "list", "elements": "str", "default": ["all"]},
            "deadline": {"type": "int", "default": 14400},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
