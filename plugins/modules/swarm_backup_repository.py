#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_backup_repository
short_description: Make the repository of a swarm's backups where there is none
version_added: 0.1.0
description:
  - Asks for the repository with what the role C(swarm_backup) has set up on this host, and makes it if it is not there.
  - Run it on one host only. Two that make a repository at once spoil it, for the key of one and the configuration of
    the other don't fit.
  - Refused where this host has had backups in the repository, because it was lost then.
extends_documentation_fragment:
  - flotilla.swarm.attributes
attributes:
  check_mode:
    details: Nothing is asked, for the host may not be set up yet.
    support: partial
  diff_mode:
    support: N/A
  idempotent:
    support: full
options:
  deadline:
    description: Seconds to wait. restic itself waits five minutes for a lock.
    type: int
    default: 900
seealso:
  - module: flotilla.swarm.swarm_backup
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Make the repository
  flotilla.swarm.swarm_backup_repository:
  run_once: true
"""

RETURN = r"""
made:
  description: Whether it was made.
  returned: when not in check mode
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._host import backup_agent


def work(module: AnsibleModule) -> dict[str, Any]:
    """Make it, if it is not there."""
    if module.check_mode:
        return {"changed": False}
    made = bool(backup_agent.answer(["make-repository"], module.params["deadline"])["made"])
    return {"changed": made, "made": made}


def main() -> None:
    module = AnsibleModule(argument_spec={"deadline": {"type": "int", "default": 900}}, supports_check_mode=True)
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
