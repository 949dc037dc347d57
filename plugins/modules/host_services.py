#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_services
short_description: Keep many services running, each with the configuration that its files hold
version_added: 0.1.0
description:
  - Takes all services in one call, and asks systemd once.
  - A service that has not taken in its files as they are now is reloaded or restarted. What it has taken in is noted on
    the host once it has, in C(/var/lib/flotilla/taken-in.json). So a run that was interrupted between a file and its
    service, or whose reload failed, is made up for by the next one. No clock is asked.
  - A service of which nothing is noted yet takes in its files once.
  - A service that is masked stays so, and is reported.
extends_documentation_fragment:
  - flotilla.swarm.attributes
attributes:
  check_mode:
    details: A service that is not installed yet is taken for one that would be.
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  services:
    description: The services, in the order in which they are changed.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The unit. Without a suffix it is a C(.service).
        type: str
        required: true
      running:
        description: Whether it runs. Without the option that stays as it is.
        type: bool
      enabled:
        description: Whether it starts at boot. Without the option that stays as it is.
        type: bool
      configuration:
        description: Files that it reads when it starts.
        type: list
        elements: str
        default: []
      on_change:
        description: How it takes in changed files.
        type: str
        choices: [reload, restart]
        default: restart
      command:
        description: Command that loads changed files in place of a reload or a restart.
        type: list
        elements: str
      optional:
        description: Whether a host without this service is fine.
        type: bool
        default: false
      concern:
        description: What the service belongs to.
        type: str
  changed:
    description: Paths of files that were just changed. In check mode only this tells of files that would be.
    type: list
    elements: str
    default: []
seealso:
  - module: flotilla.swarm.host_files
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Keep the clock and the SSH server at their configuration
  flotilla.swarm.host_services:
    services:
      - name: chrony.service
        running: true
        enabled: true
        configuration: [/etc/chrony/chrony.conf]
      - name: ssh.service
        configuration: [/etc/ssh/sshd_config.d/00-flotilla.conf]
        on_change: reload
        optional: true
"""

RETURN = r"""
left_out:
  description: Services that are left as they are, with C(name), C(concern) and C(reason).
  returned: success
  type: list
  elements: dict
  sample:
    - {name: apt-daily-upgrade.timer, concern: unattended_upgrades, reason: it is masked}
plan:
  description: The steps, with what differs.
  returned: success
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening import services as core
from ansible_collections.flotilla.swarm.plugins.module_utils._host import units

SERVICE = {
    "name": {"type": "str", "required": True},
    "running": {"type": "bool"},
    "enabled": {"type": "bool"},
    "configuration": {"type": "list", "elements": "str", "default": []},
    "on_change": {"type": "str", "choices": ["reload", "restart"], "default": "restart"},
    "command": {"type": "list", "elements": "str"},
    "optional": {"type": "bool", "default": False},
    "concern": {"type": "str"},
}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Bring the services to what is declared."""
    declared = core.parse(module.params["services"])
    found = units.observe(declared)
    versions = units.versions({path for unit in declared for path in unit.configuration})
    plan = core.plan(
        declared, found, versions, units.taken_in(), module.params["changed"], rehearsal=bool(module.check_mode)
    )
    if not module.check_mode:
        units.apply(plan)
    return _module.result_of(plan, left_out=core.left_out(declared, found))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "dict", "required": True, "options": SERVICE},
            "changed": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
