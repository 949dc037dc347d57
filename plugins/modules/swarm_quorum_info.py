#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_quorum_info
short_description: What a host can tell about the managers of a swarm whose quorum may be lost
version_added: 0.1.0
description:
  - Reads whose manager or worker this host is, which managers it knows, and which of them answer it on port 2377.
  - Where the engine does not answer, or is in no swarm, what it left on its disk is read, such as the swarm, the node
    and the managers that it knew.
  - The results of all hosts together are what P(flotilla.swarm.quorum_loss_plan#filter) decides by.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
options:
  probe:
    description: Addresses to try besides those of the managers that this host knows, with C(:port) or the port 2377.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine.host
notes:
  - Run it as root. What an engine left on its disk can be read by root alone.
  - A port is tried for two seconds, all of them at the same time.
seealso:
  - plugin: flotilla.swarm.quorum_loss_plan
    plugin_type: filter
  - module: flotilla.swarm.swarm_recover
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Ask every host what it knows of the managers
  flotilla.swarm.swarm_quorum_info:
    probe: [192.0.2.11, 192.0.2.12, 192.0.2.13]
  register: quorum_seen
  ignore_unreachable: true
"""

RETURN = r"""
membership:
  description:
    - What the host is to a swarm, as RV(flotilla.swarm.swarm_host_info#module:membership) has it.
    - Of an engine that does not answer, the swarm, the node and the role are those of the state on its disk.
  returned: success
  type: dict
known_managers:
  description: Node ID and address of each manager that the host knows.
  returned: success
  type: list
  elements: dict
  sample:
    - {node_id: k5dzym3pkktvn2q0sl3nclcvt, address: "192.0.2.11:2377"}
open:
  description: The addresses, of these and of O(probe), that took a connection from this host.
  returned: success
  type: list
  elements: str
  sample: ["192.0.2.13:2377"]
"""

from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host
from ansible_collections.flotilla.swarm.plugins.module_utils._recover import evidence


def work(docker_host: str, probe: Sequence[str]) -> dict[str, Any]:
    """Everything that this host can tell."""
    seen, root = evidence.look(host.socket_path(docker_host))
    known = evidence.known_managers(seen, root)
    addresses = [*(peer["address"] for peer in known), *(evidence.with_port(address) for address in probe)]
    return {
        "changed": False,
        "membership": seen.as_dict(),
        "known_managers": known,
        "open": evidence.open_ports(addresses),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={**_module.ENGINE_OPTIONS, "probe": {"type": "list", "elements": "str", "default": []}},
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module.params["docker_host"], module.params["probe"]))


if __name__ == "__main__":
    main()
