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
  - Refused where a host has had backups in the repository, because it was lost then, or is not mounted.
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
  statuses:
    description: >-
      Host to the RV(flotilla.swarm.swarm_backup#module:statuses) of it, of all nodes. What this host itself has noted
      counts without it.
    type: dict
    default: {}
  unasked:
    description: Nodes that were not asked for theirs. With any, a repository that is there will do, and none is made.
    type: list
    elements: str
    default: []
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
    statuses: "{{ found }}"
  run_once: true
"""

RETURN = r"""
made:
  description: Whether it was made.
  returned: when not in check mode
  type: bool
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import store
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup import restic
from ansible_collections.flotilla.swarm.plugins.module_utils._host import backup_agent
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.module_utils._host.restic import Restic


def refusal(statuses: Mapping[str, Sequence[Mapping[str, Any]]], unasked: Sequence[str]) -> str:
    """Why no repository may be made, with the mend; empty when one may."""
    jobs = {host: [str(one["job"]) for one in noted if one.get("snapshot")] for host, noted in statuses.items()}
    had = ["%s (%s)" % (host, ", ".join(jobs[host])) for host in sorted(jobs) if jobs[host]]
    if had:
        return (
            "there is no repository at {repository} any more, and hosts have had backups in it, which are %s: bring it "
            "back (is it mounted?), or correct swarm_backup_repository; to begin another one, remove %s on every host"
            % (", ".join(had), store.STATE / "status")
        )
    if unasked:
        return (
            "there is no repository at {repository}, and it is not known whether %s had backups in one: run this "
            "without --limit" % ", ".join(sorted(unasked))
        )
    return ""


def work(module: AnsibleModule) -> dict[str, Any]:
    """Make it, if it is not there.

    Raises:
        HostError: it is not there and was once; or it can't be told, or can't be made.
    """
    if module.check_mode:
        return {"changed": False}
    refused = refusal(module.params["statuses"], module.params["unasked"])
    if refused:
        # The agent knows of its own host alone, so it is not asked to make one.
        settings = store.settings()
        if not Restic(settings).exists():
            raise HostError(refused.replace("{repository}", restic.shown(settings.repository)))
        return {"changed": False, "made": False}
    made = bool(backup_agent.answer(["make-repository"], module.params["deadline"])["made"])
    return {"changed": made, "made": made}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "statuses": {"type": "dict", "default": {}},
            "unasked": {"type": "list", "elements": "str", "default": []},
            "deadline": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
