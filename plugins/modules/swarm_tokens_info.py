#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_tokens_info
short_description: The join tokens of a Docker Swarm, and where to join it
version_added: 0.1.0
description:
  - Reads the join tokens and the managers' addresses from a manager.
  - Whoever has a token and reaches a manager can join the swarm, so use C(no_log=true) on the task.
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
  - module: flotilla.swarm.swarm_member
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Read the join tokens from a manager
  flotilla.swarm.swarm_tokens_info:
  delegate_to: manager1
  no_log: true
  register: swarm_tokens
"""

RETURN = r"""
cluster_id:
  description: ID of the swarm.
  returned: success
  type: str
  sample: wz6a8o0zfjwmvfzzbz8a1pjxu
tokens:
  description: The join tokens, C(manager) and C(worker).
  returned: success
  type: dict
remote_addrs:
  description: Address and port of each reachable manager, the one that was asked first and then the leader.
  returned: success
  type: list
  elements: str
  sample: ["192.0.2.11:2377", "192.0.2.12:2377"]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import cluster
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine


def work(_module_object: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """The tokens, the swarm's ID and the addresses."""
    swarm = engine.swarm_inspect()
    here = str((engine.info().get("Swarm") or {}).get("NodeID"))
    return {
        "changed": False,
        "cluster_id": swarm["ID"],
        "tokens": {role.lower(): token for role, token in swarm["JoinTokens"].items()},
        "remote_addrs": cluster.join_addresses(engine.nodes(), here),
    }


def main() -> None:
    _module.run(AnsibleModule(argument_spec=_module.ENGINE_OPTIONS, supports_check_mode=True), work)


if __name__ == "__main__":
    main()
