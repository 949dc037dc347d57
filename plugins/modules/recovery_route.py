#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_route
short_description: Lead a lost manager's address to the one that took its place
version_added: 0.1.0
description:
  - Sends what this host itself sends to port 2377 of an old address to the same port of the new one, by a table of its
    own (C(flotilla_recovery)). No other table is touched.
  - A swarm that was restored to another address still names the old one, until its first manager has joined anew. And
    workers go on looking for managers that are lost, one after another and with waits, while the new leader waits for
    them for half a minute only.
  - The routes are not kept over a restart of the host.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description: V(present) makes the routes those that are given. V(absent) removes the table.
    type: str
    choices: [present, absent]
    default: present
  routes:
    description: The routes. Needed with O(state=present).
    type: list
    elements: dict
    suboptions:
      old:
        description: The address at which a manager is looked for.
        type: str
        required: true
      new:
        description: The address where a manager is now.
        type: str
        required: true
extends_documentation_fragment:
  - flotilla.swarm.attributes
notes:
  - The host needs a way to the old address in its routing table, if only the default one.
seealso:
  - module: flotilla.swarm.swarm_recover
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Reach the restored manager under its old address
  flotilla.swarm.recovery_route:
    routes:
      - old: 192.0.2.11
        new: 198.51.100.11

- name: Take the routes away
  flotilla.swarm.recovery_route:
    state: absent
"""

RETURN = r"""
routes:
  description: The routes as they are now, or in check mode would be.
  returned: success
  type: list
  elements: dict
  sample:
    - {old: 192.0.2.11, new: 198.51.100.11}
"""

from collections.abc import Iterable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import route
from ansible_collections.flotilla.swarm.plugins.module_utils._host import recovery_route


def shown(routes: Iterable[route.Route]) -> str:
    return "".join("%s -> %s\n" % (each.old, each.new) for each in routes)


def work(module: AnsibleModule) -> dict[str, Any]:
    """Have the routes that are asked for, and no others."""
    wanted = route.declared(module.params["routes"]) if module.params["state"] == "present" else []
    live = recovery_route.live()
    changed = live != wanted
    if changed and not module.check_mode:
        recovery_route.load(wanted)
    return {
        "changed": changed,
        "diff": {"before": shown(live), "after": shown(wanted)},
        "routes": [{"old": each.old, "new": each.new} for each in wanted],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "routes": {
                "type": "list",
                "elements": "dict",
                "options": {"old": {"type": "str", "required": True}, "new": {"type": "str", "required": True}},
            },
        },
        required_if=[("state", "present", ["routes"])],
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
