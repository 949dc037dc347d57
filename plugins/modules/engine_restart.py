#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_restart
short_description: Restart a Docker Engine and wait until it is back in its swarm
version_added: 0.1.0
description:
  - Restarts C(docker.service) and returns when the host is again what it was to its swarm. A manager must also answer
    for the swarm again.
  - Refuses, and restarts nothing, where the swarm would lose its quorum, or where autolock would leave the manager
    locked. The only manager of a swarm is restarted; there is no other way.
  - The leader of several managers stays down for 30 seconds, until another one is elected. One that is back sooner is
    still sent the others' requests and mistakes the nodes for one another (moby#46167), so that a worker gets a
    manager's certificate and is lost at its next restart. Give a leader such a pause by hand too.
  - Run it on one host after another, never on several at once.
attributes:
  check_mode:
    details: Says that it would restart; it asks the quorum all the same.
    support: full
  diff_mode:
    details: There is nothing to show.
    support: none
  idempotent:
    details: It restarts the engine each time; the caller decides whether there is a reason.
    support: none
options:
  timeout:
    description: Seconds to be back.
    type: int
    default: 120
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine.host
seealso:
  - module: flotilla.swarm.engine_config
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Restart the engines, one after another, and stop at the first that does not come back
  flotilla.swarm.engine_restart:
  delegate_to: "{{ item }}"
  loop: "{{ groups['swarm_managers'] }}"
  loop_control:
    break_when: restarted is failed
  register: restarted
  run_once: true
"""

RETURN = r"""
membership:
  description: What the host was to its swarm, and is again; as RV(flotilla.swarm.swarm_host_info#module:membership).
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host, loaded_config
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import restart as restarting
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineError
from ansible_collections.flotilla.swarm.plugins.module_utils._host import engine_service


def work(module: AnsibleModule) -> dict[str, Any]:
    """Ask, restart, wait."""
    engine = host.HostEngine(host.socket_path(module.params["docker_host"]))
    before = host.observe_membership(engine)
    reason = restarting.refusal(engine, before)
    if reason:
        raise EngineError("the engine was not restarted: %s" % reason)
    if not module.check_mode:
        pause = restarting.pause(engine, before)
        configuration = loaded_config.digest()
        restarting.restart(
            lambda: engine_service.restart(pause),
            lambda: host.observe_membership(engine),
            loaded_config.engine_ticks,
            before,
            module.params["timeout"],
        )
        loaded_config.remember_start(configuration)
    return {"changed": True, "membership": before.as_dict()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={**_module.ENGINE_OPTIONS, "timeout": {"type": "int", "default": 120}}, supports_check_mode=True
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
