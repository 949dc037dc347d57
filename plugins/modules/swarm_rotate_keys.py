#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_rotate_keys
short_description: Renew a Docker Swarm's join tokens, its CA and its unlock key after one of them leaked
version_added: 0.1.0
description:
  - Renews what is named in O(keys). The old join tokens and the old unlock key are worth nothing then; members stay.
  - A rotation of the CA gives every node a new certificate. It is refused while a node is not ready, because it would
    wait for that node forever; and when it does not end in time, the nodes that it waits for are named.
  - No key is ever returned. C(docker swarm join-token) and C(docker swarm unlock-key) show them on a manager.
attributes:
  check_mode:
    details: Refuses what the run would refuse.
    support: full
  diff_mode:
    details: There is nothing that may be shown.
    support: none
  idempotent:
    details: It renews the keys each time.
    support: none
options:
  keys:
    description: What is renewed. With V(ca) the join tokens are new ones too, because they name the CA.
    type: list
    elements: str
    choices: [join_tokens, ca, unlock_key]
    required: true
  deadline:
    description: Seconds for every node to have its new certificate.
    type: int
    default: 300
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine.host
notes:
  - Run it on a manager.
  - Back up the raft state afterwards. A backup has the unlock key of its own time with it.
seealso:
  - module: flotilla.swarm.swarm_tokens_info
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Make the leaked join tokens worthless
  flotilla.swarm.swarm_rotate_keys:
    keys: [join_tokens]
"""

RETURN = r"""
rotated:
  description: What was renewed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [join_tokens]
problems:
  description: Why it was refused, one sentence each.
  returned: when it was refused
  type: list
  elements: str
"""

from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import keys
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host, swarm_spec


def work(path: str, wanted: Sequence[str], deadline: int, dry_run: bool) -> dict[str, Any]:
    """Ask, renew, and wait for the nodes."""
    swarm_spec.rotate(path, wanted, deadline, dry_run=dry_run)
    return {"changed": bool(wanted), "rotated": [key for key in keys.KEYS if key in wanted]}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            "keys": {
                "type": "list",
                "elements": "str",
                "choices": list(keys.KEYS),
                "required": True,
                "no_log": False,
            },
            "deadline": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    params = module.params
    _module.finish(
        module,
        lambda: work(host.socket_path(params["docker_host"]), params["keys"], params["deadline"], module.check_mode),
    )


if __name__ == "__main__":
    main()
