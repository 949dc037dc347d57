#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_health
short_description: Wait until a Docker Swarm is healthy, or say everything that is wrong
version_added: 0.1.0
description:
  - Reads the swarm again and again until nothing is wrong or the deadline has come. Then it fails with every problem.
  - Whatever is expected, there must be one leader, and enough managers for a quorum.
  - A manager or worker that is gone while enough others are there is a warning. A replaced node stays listed until
    somebody removes it.
  - Nothing is changed.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
options:
  managers:
    description: How many managers must be reachable. Left out, all that the swarm has.
    type: int
  workers:
    description: How many workers must be ready. Left out, workers are not counted.
    type: int
  manager_availability:
    description: The availability that every reachable manager must have.
    type: str
    choices: [active, pause, drain]
  node_ids:
    description: IDs of nodes that must be ready. The managers among them must be reachable too.
    type: list
    elements: str
    default: []
  stacks:
    description:
      - Names of stacks of which every service must have converged. After a rollback that has ended, a service counts as
        healthy with a warning. Its previous version runs, and the deploy has failed already.
    type: list
    elements: str
    default: []
  deadline:
    description: Seconds to become healthy. V(0) looks once.
    type: int
    default: 60
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
seealso:
  - module: flotilla.swarm.swarm_info
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: The swarm is complete, its managers are drained, and the application runs
  flotilla.swarm.swarm_health:
    managers: 3
    workers: 5
    manager_availability: drain
    stacks: [medianest]
    deadline: 120
"""

RETURN = r"""
problems:
  description: What is wrong, one sentence each. Empty when the swarm is healthy.
  returned: always
  type: list
  elements: str
  sample:
    - "medianest_app-backend: crashed (1/3): 2 failed tasks, last error: task: non-zero exit (1)"
quorum:
  description: The managers' raft as it was seen last, as RV(flotilla.swarm.swarm_info#module:snapshot.quorum) has it.
  returned: when the swarm had a quorum to be read with
  type: dict
  sample: {managers: 3, reachable: 3, needed: 2, tolerates: 1, leader: manager1, leaders: [manager1]}
view:
  description:
    - The swarm's ID, its leader's node ID, and the name of each node by its ID, as this manager saw them last.
    - Compare those of several managers with the filter P(flotilla.swarm.swarm_view_differences#filter).
  returned: when the swarm had a quorum to be read with
  type: dict
  sample:
    cluster: wz6a8o0zfjwmvfzzbz8a1pjxu
    leader: k5dzym3pkktvn2q0sl3nclcvt
    nodes: {k5dzym3pkktvn2q0sl3nclcvt: manager1}
"""

from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import health, snapshot, views
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import NoQuorum
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.observe import observe
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.wait import DeadlineExceeded, wait_until

INTERVAL = 2.0
"""Seconds between two looks."""


@dataclass(frozen=True)
class Look:
    """One look at the swarm; ``quorum`` and ``view`` are empty when it had no quorum to be read with."""

    health: health.Health
    quorum: dict[str, Any]
    view: dict[str, Any]


def look(engine: Engine, expected: health.Expectations) -> Look:
    """Examine the swarm once. While the managers elect a leader there is nothing to read, and that passes."""
    try:
        taken = snapshot.take(observe(engine))
    except NoQuorum as error:
        return Look(health.Health(("the swarm has no quorum: %s" % error,)), {}, {})
    return Look(health.examine(taken, expected), taken["quorum"], views.of(taken))


def work(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Wait for a look without problems; fail with those of the last look."""
    params = module.params
    expected = health.Expectations(
        managers=params["managers"],
        workers=params["workers"],
        manager_availability=params["manager_availability"],
        node_ids=tuple(params["node_ids"]),
        stacks=tuple(params["stacks"]),
    )
    healthy = True
    try:
        seen = wait_until(
            lambda: look(engine, expected), lambda each: not each.health.problems, params["deadline"], INTERVAL
        )
    except DeadlineExceeded as error:
        seen = error.last
        healthy = False
    for warning in seen.health.warnings:
        module.warn(warning)
    result = {"changed": False, "problems": list(seen.health.problems), "quorum": seen.quorum, "view": seen.view}
    if not healthy:
        said = "\n  ".join(seen.health.problems)
        module.fail_json(msg="the swarm is not healthy after %d s:\n  %s" % (params["deadline"], said), **result)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            "managers": {"type": "int"},
            "workers": {"type": "int"},
            "manager_availability": {"type": "str", "choices": ["active", "pause", "drain"]},
            "node_ids": {"type": "list", "elements": "str", "default": []},
            "stacks": {"type": "list", "elements": "str", "default": []},
            "deadline": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    _module.run(module, work)


if __name__ == "__main__":
    main()
